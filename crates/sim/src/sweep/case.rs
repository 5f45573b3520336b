//! One case of a sweep, its name and its words.

use std::fmt;
use std::time::Duration;

use crate::golden::watch::{Cut, Moment};
use crate::golden::{Outcome, REQUEST_TIMEOUT, Script};
use crate::network::{AtByte, Break, Way};

/// Over the golden run's time, a run with futures dropped or a connection gone is done within this.
const RECOVERY: Duration = Duration::from_secs(3);
/// Damaged answers may cost the longest deadline there is, more than once.
const RECOVERY_OF_THE_DAMAGED: Duration = Duration::from_secs(300);
/// When what is late arrives: after its request was given up.
pub(super) const LATE: Duration = Duration::from_millis(700);

/// One thing that is done to the golden run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Drops(Vec<Cut>),
    Breaks(AtByte),
}

impl Case {
    pub(super) fn put_into(&self, script: &mut Script, golden: Duration) {
        let mut recovery = RECOVERY;
        match self {
            Self::Drops(cuts) => script.cuts.clone_from(cuts),
            Self::Breaks(fault) => {
                script.fault = Some(*fault);
                script.manners.may_be_ousted = matches!(fault.what, Break::Late(_));
                match fault.what {
                    Break::Close | Break::Reset => {}
                    Break::Stall | Break::Late(_) => recovery += REQUEST_TIMEOUT * 2,
                    Break::Flip(_) => recovery = RECOVERY_OF_THE_DAMAGED,
                }
            }
        }
        script.manners.forgiving = self.is_forgiving();
        script.bound = golden + recovery;
    }

    /// What a flipped bit says is protected only where records are.
    pub(super) fn is_forgiving(&self) -> bool {
        matches!(
            self,
            Self::Breaks(AtByte {
                what: Break::Flip(_),
                ..
            })
        )
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains("to-") {
            parse_fault(text).map(Self::Breaks)
        } else {
            let cuts: Option<Vec<Cut>> = text.split('+').map(parse_cut).collect();
            cuts.map(Self::Drops)
        }
    }

    /// What is done, for a reader.
    pub(super) fn words(&self, outcome: &Outcome) -> String {
        match self {
            Self::Drops(cuts) => {
                let words: Vec<String> = cuts
                    .iter()
                    .map(|cut| drop_in_words(*cut, outcome))
                    .collect();
                words.join("; then ")
            }
            Self::Breaks(fault) => {
                let way = match fault.way {
                    Way::ToBroker => "towards the broker",
                    Way::ToClient => "towards the client",
                };
                let (number, byte) = (fault.connection + 1, fault.byte);
                let what = match fault.what {
                    Break::Close => "it closes".to_owned(),
                    Break::Reset => "it is reset".to_owned(),
                    Break::Stall => "nothing arrives that way any more".to_owned(),
                    Break::Late(late) => format!("everything that way comes {late:?} later"),
                    Break::Flip(mask) => format!("the next byte is damaged by {mask:#04x}"),
                };
                format!(
                    "connection {number} in the order of opening, {way}: after {byte} bytes {what}"
                )
            }
        }
    }
}

fn drop_in_words(cut: Cut, outcome: &Outcome) -> String {
    let label = outcome
        .awaits
        .get(cut.number)
        .map_or("never reached", |entry| entry.label);
    let when = match cut.moment {
        Moment::Polled(0) => "before its first poll".to_owned(),
        Moment::Polled(polls) => format!("instead of poll {}", polls + 1),
        Moment::Event(event) => format!("while it waits, after event {event}"),
    };
    format!("await {} ({label}) is dropped {when}", cut.number)
}

fn parse_cut(text: &str) -> Option<Cut> {
    let (number, moment) = match text.split_once('@') {
        Some((number, event)) => (number, Moment::Event(event.parse().ok()?)),
        None => {
            let (number, polls) = text.split_once('.')?;
            (number, Moment::Polled(polls.parse().ok()?))
        }
    };
    Some(Cut {
        number: number.parse().ok()?,
        moment,
    })
}

fn parse_fault(text: &str) -> Option<AtByte> {
    let mut parts = text.split('.');
    let connection = parts.next()?.parse().ok()?;
    let way = match parts.next()? {
        "to-broker" => Way::ToBroker,
        "to-client" => Way::ToClient,
        _ => return None,
    };
    let byte = parts.next()?.parse().ok()?;
    let what = match parts.next()? {
        "close" => Break::Close,
        "reset" => Break::Reset,
        "stall" => Break::Stall,
        "late" => Break::Late(LATE),
        flip => Break::Flip(flip.strip_prefix("flip")?.parse().ok()?),
    };
    Some(AtByte {
        connection,
        way,
        byte,
        what,
    })
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drops(cuts) => {
                for (place, cut) in cuts.iter().enumerate() {
                    let plus = if place > 0 { "+" } else { "" };
                    match cut.moment {
                        Moment::Polled(polls) => write!(f, "{plus}{}.{polls}", cut.number)?,
                        Moment::Event(event) => write!(f, "{plus}{}@{event}", cut.number)?,
                    }
                }
                Ok(())
            }
            Self::Breaks(fault) => {
                let way = match fault.way {
                    Way::ToBroker => "to-broker",
                    Way::ToClient => "to-client",
                };
                write!(f, "{}.{way}.{}.", fault.connection, fault.byte)?;
                match fault.what {
                    Break::Close => f.write_str("close"),
                    Break::Reset => f.write_str("reset"),
                    Break::Stall => f.write_str("stall"),
                    Break::Late(_) => f.write_str("late"),
                    Break::Flip(mask) => write!(f, "flip{mask}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_found_again_by_its_name() {
        for name in [
            "37.1",
            "37@512",
            "3.0+41@9",
            "0.to-broker.0.close",
            "4.to-client.17.reset",
            "4.to-client.17.stall",
            "4.to-broker.17.late",
            "4.to-client.17.flip128",
        ] {
            let case = Case::parse(name);
            assert_eq!(case.map(|case| case.to_string()).as_deref(), Some(name));
        }
        for name in ["", "37", "a.b", "1.to-broker.2", "1.to-moon.2.close"] {
            assert_eq!(Case::parse(name), None, "{name}");
        }
    }
}

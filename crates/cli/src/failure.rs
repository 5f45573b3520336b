//! Why the program ends before it has a result.

/// The exit status of a run that did what it was asked to.
pub(crate) const SUCCEEDED: u8 = 0;
/// The exit status of a run whose audit failed, or that could not go on.
pub(crate) const FAILED: u8 = 1;
/// The exit status for wrong input.
pub(crate) const WRONG_INPUT: u8 = 2;
/// The exit status after Ctrl-C, as shells count it: 128 + SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// One sentence, and whose fault it is.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What the user asked for cannot be done: another address or other rights are needed.
    Input(String),
    /// The run broke off.
    Broken(String),
}

impl Failure {
    /// The sentence for stderr.
    pub(crate) fn sentence(&self) -> &str {
        match self {
            Self::Input(sentence) | Self::Broken(sentence) => sentence,
        }
    }

    /// The exit status.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Input(_) => WRONG_INPUT,
            Self::Broken(_) => FAILED,
        }
    }
}

//! Command-line options, read by hand: xtask is built before every test run that wants real Kafka, so it stays without dependencies.

use crate::failure::{Failure, Result};
use std::str::FromStr;

/// Parsed options: `--name value` pairs, switches, and what is left.
pub(crate) struct Flags {
    values: Vec<(String, String)>,
    switches: Vec<String>,
    pub(crate) rest: Vec<String>,
}

impl Flags {
    /// Parses options up to the first argument that is none; from there on everything is `rest`.
    pub(crate) fn parse(arguments: &[String], values: &[&str], switches: &[&str]) -> Result<Self> {
        let mut flags = Self {
            values: Vec::new(),
            switches: Vec::new(),
            rest: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let Some(option) = argument.strip_prefix("--") else {
                flags.rest.push(argument.clone());
                flags.rest.extend(arguments.cloned());
                break;
            };
            let (name, inline) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (option, None),
            };
            if switches.contains(&name) && inline.is_none() {
                flags.switches.push(name.to_owned());
            } else if values.contains(&name) {
                let value = inline.or_else(|| arguments.next().cloned());
                let value = value.ok_or_else(|| Failure::new(format!("--{name} needs a value")))?;
                flags.values.push((name.to_owned(), value));
            } else {
                return Err(Failure::new(format!(
                    "--{name} is not an option of this command"
                )));
            }
        }
        Ok(flags)
    }

    /// Refuses arguments that are no option, for commands that take none.
    pub(crate) fn without_rest(self) -> Result<Self> {
        match self.rest.first() {
            None => Ok(self),
            Some(argument) => Err(Failure::new(format!("{argument} is one argument too many"))),
        }
    }

    pub(crate) fn switch(&self, name: &str) -> bool {
        self.switches.iter().any(|switch| switch == name)
    }

    /// The last value given for `name`.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.values.iter().rev();
        values
            .find(|(option, _)| option == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str> {
        self.value(name)
            .ok_or_else(|| Failure::new(format!("--{name} is missing")))
    }

    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.value(name).map(|text| parse(name, text)).transpose()
    }

    /// Every value given for an option that may be repeated.
    pub(crate) fn all<T: FromStr>(&self, name: &str) -> Result<Vec<T>> {
        let values = self.values.iter().filter(|(option, _)| option == name);
        values.map(|(_, text)| parse(name, text)).collect()
    }
}

fn parse<T: FromStr>(name: &str, text: &str) -> Result<T> {
    text.parse()
        .map_err(|_| Failure::new(format!("--{name} {text} is not a number that fits")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_end_at_the_first_plain_argument() {
        let flags = Flags::parse(
            &arguments("--version 4.3.1 Tool --version"),
            &["version"],
            &[],
        )
        .expect("valid");
        assert_eq!(flags.value("version"), Some("4.3.1"));
        assert_eq!(flags.rest, ["Tool", "--version"]);
    }

    #[test]
    fn unknown_options_missing_values_and_bad_numbers_are_refused() {
        assert!(Flags::parse(&arguments("--verison 4"), &["version"], &[]).is_err());
        assert!(Flags::parse(&arguments("--version"), &["version"], &[]).is_err());
        let flags = Flags::parse(&arguments("--port=70000"), &["port"], &[]).expect("valid");
        assert!(flags.parsed::<u16>("port").is_err());
    }

    #[test]
    fn the_last_value_wins_and_all_are_kept() {
        let flags = Flags::parse(&arguments("--p 1 --p=2 --all"), &["p"], &["all"]).expect("valid");
        assert_eq!(flags.parsed::<u32>("p").expect("number"), Some(2));
        assert_eq!(flags.all::<u32>("p").expect("numbers"), [1, 2]);
        assert!(flags.switch("all"));
    }
}

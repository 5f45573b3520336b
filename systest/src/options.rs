//! Command-line options of this program, read by hand: `--name value` pairs and switches.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::failure::{Failure, Result};

/// What was given on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    values: BTreeMap<String, String>,
}

impl Options {
    /// Reads `--name value` for each of `values` and `--name` for each of `switches`; anything else is refused.
    pub(crate) fn parse(arguments: &[String], values: &[&str], switches: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let name = argument.strip_prefix("--").unwrap_or_default();
            let value = if switches.contains(&name) {
                String::new()
            } else if values.contains(&name) {
                let value = arguments.next().cloned();
                value.ok_or_else(|| Failure::new(format!("--{name} needs a value")))?
            } else {
                return Err(Failure::new(format!(
                    "{argument} is not an option of this command"
                )));
            };
            options.values.insert(name.to_owned(), value);
        }
        Ok(options)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        let value = self.values.get(name).map(String::as_str);
        value.ok_or_else(|| Failure::new(format!("--{name} is missing")))
    }

    /// The value of an option, or `default` if it was not given.
    pub(crate) fn value<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        let Some(text) = self.values.get(name) else {
            return Ok(default);
        };
        let value = text.parse();
        value.map_err(|_| Failure::new(format!("--{name} {text} is not a value that fits")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::words;

    #[test]
    fn values_and_switches_are_read_and_anything_else_is_refused() {
        let parse = |arguments: &[&str]| Options::parse(&words(arguments), &["seed"], &["short"]);
        let options = parse(&["--short", "--seed", "7"]).expect("valid");
        assert!(options.has("short"));
        assert_eq!(options.value("seed", 0).expect("a number"), 7);
        assert_eq!(
            parse(&[])
                .expect("valid")
                .value("seed", 3)
                .expect("the default"),
            3
        );
        for wrong in [&["--seed"][..], &["--sed", "1"], &["seed"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(
            parse(&["--seed", "x"])
                .expect("read")
                .value("seed", 0)
                .is_err()
        );
    }
}

//! What a setting's text must look like, as Kafka's `ConfigDef` sees it.

/// The type of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

/// What a value must fulfil besides its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Check {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    Ratio,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of these words.
    ListOf(&'static [&'static str]),
    /// The levels of gzip.
    Gzip,
    /// `*` or pairs of partition and node.
    Replicas,
}

impl Kind {
    /// By the name it has in `broker.txt`.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "bool" => Self::Bool,
            "int" => Self::Int,
            "short" => Self::Short,
            "long" => Self::Long,
            "double" => Self::Double,
            "list" => Self::List,
            "class" => Self::Class,
            "password" => Self::Password,
            _ => Self::String,
        }
    }

    /// As DescribeConfigs numbers it.
    pub(crate) fn number(self) -> i8 {
        match self {
            Self::Bool => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    fn upper_name(self) -> &'static str {
        match self {
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            _ => "INT",
        }
    }
}

/// Why a value is no good, in the words of Kafka's `ConfigException`.
pub(crate) fn check(name: &str, kind: Kind, check: Check, value: &str) -> Result<(), String> {
    let complain = |shown: &str, reason: &str| {
        Err(format!(
            "Invalid value {shown} for configuration {name}: {reason}"
        ))
    };
    let trimmed = value.trim();
    match kind {
        Kind::Bool if parse_bool(trimmed).is_none() => {
            return complain(value, "Expected value to be either true or false");
        }
        Kind::Int | Kind::Short | Kind::Long | Kind::Double if !is_number(kind, trimmed) => {
            let reason = format!("Not a number of type {}", kind.upper_name());
            return complain(value, &reason);
        }
        _ => {}
    }
    let shown = normal(kind, value);
    let number = trimmed.parse::<i64>().unwrap_or_default();
    match check {
        Check::AtLeast(min) | Check::Between(min, _) if number < min => {
            complain(&shown, &format!("Value must be at least {min}"))
        }
        Check::Between(_, max) if number > max => {
            complain(&shown, &format!("Value must be no more than {max}"))
        }
        Check::Ratio => match trimmed.parse::<f64>().unwrap_or_default() {
            ratio if ratio < 0.0 => complain(&shown, "Value must be at least 0"),
            ratio if ratio > 1.0 => complain(&shown, "Value must be no more than 1"),
            _ => Ok(()),
        },
        Check::Gzip if number != -1 && !(1..=9).contains(&number) => {
            complain(&shown, "Value must be between 1 and 9 or equal to -1")
        }
        Check::OneOf(words) if !words.contains(&value) => complain(value, &one_of(words)),
        Check::ListOf(words) => match list(value).find(|item| !words.contains(item)) {
            Some(item) => complain(item, &one_of(words)),
            None => Ok(()),
        },
        Check::Replicas if !are_replicas(value) => {
            let items: Vec<&str> = list(value).collect();
            let reason = format!(
                "{name} must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],..."
            );
            complain(&format!("[{}]", items.join(", ")), &reason)
        }
        _ => Ok(()),
    }
}

/// A value as Kafka writes it once it was read.
pub(crate) fn normal(kind: Kind, value: &str) -> String {
    let trimmed = value.trim();
    match kind {
        Kind::Bool => trimmed.to_ascii_lowercase(),
        Kind::Int | Kind::Short | Kind::Long => match trimmed.parse::<i64>() {
            Ok(number) => number.to_string(),
            Err(_) => trimmed.to_owned(),
        },
        Kind::Double => match trimmed.parse::<f64>() {
            Ok(number) => format!("{number:?}"),
            Err(_) => trimmed.to_owned(),
        },
        Kind::List => list(value).collect::<Vec<_>>().join(","),
        Kind::String | Kind::Class | Kind::Password => trimmed.to_owned(),
    }
}

/// The items of a list.
pub(crate) fn list(value: &str) -> impl Iterator<Item = &str> {
    let trimmed = value.trim();
    let items = (!trimmed.is_empty()).then(|| trimmed.split(',').map(str::trim));
    items.into_iter().flatten()
}

pub(crate) fn parse_bool(value: &str) -> Option<bool> {
    match value.trim() {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn is_number(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Short => text.parse::<i16>().is_ok(),
        Kind::Int => text.parse::<i32>().is_ok(),
        Kind::Double => text.parse::<f64>().is_ok(),
        _ => text.parse::<i64>().is_ok(),
    }
}

fn one_of(words: &[&str]) -> String {
    format!("String must be one of: {}", words.join(", "))
}

fn are_replicas(value: &str) -> bool {
    let is_pair = |item: &str| {
        let parts = item.split_once(':');
        parts.is_some_and(|(partition, node)| {
            [partition, node]
                .iter()
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    value.trim() == "*" || list(value).all(is_pair)
}

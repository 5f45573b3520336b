//! Licence expressions as Cargo.toml holds them: identifiers with OR, AND, WITH and parentheses.

/// Whether an expression can be satisfied with the licences in `allowed`. `A/B`, the old form, means either.
pub(crate) fn is_satisfied(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        words: &words,
        allowed,
    };
    let satisfied = parser.any();
    satisfied && parser.words.is_empty()
}

struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl Parser<'_> {
    fn any(&mut self) -> bool {
        let mut satisfied = self.all();
        while self.take("OR") {
            // Not `||`: the right side must be read in any case.
            satisfied |= self.all();
        }
        satisfied
    }

    fn all(&mut self) -> bool {
        let mut satisfied = self.one();
        while self.take("AND") {
            satisfied &= self.one();
        }
        satisfied
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let satisfied = self.any();
            return self.take(")") && satisfied;
        }
        let Some((licence, rest)) = self.words.split_first() else {
            return false;
        };
        self.words = rest;
        let mut licence = (*licence).to_owned();
        if self.take("WITH") {
            let Some((exception, rest)) = self.words.split_first() else {
                return false;
            };
            self.words = rest;
            licence = format!("{licence} WITH {exception}");
        }
        self.allowed.contains(&licence)
    }

    /// Takes `word`; an operator may be written in small letters, too (SPDX 3).
    fn take(&mut self, word: &str) -> bool {
        let small = word.to_ascii_lowercase();
        let first = self.words.first();
        let taken = first.is_some_and(|first| *first == word || *first == small);
        if taken {
            self.words = &self.words[1..];
        }
        taken
    }
}

#[test]
fn expressions_are_satisfied_by_the_licences_allowed() {
    let allowed = [
        "MIT".to_owned(),
        "Unicode-3.0".to_owned(),
        "A WITH B".to_owned(),
    ];
    for yes in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "GPL-3.0 or MIT",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "A WITH B OR C",
    ] {
        assert!(is_satisfied(yes, &allowed), "{yes}");
    }
    for no in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "A",
        "(MIT",
        "MIT MIT",
        "MIT AND (GPL-3.0 OR A)",
    ] {
        assert!(!is_satisfied(no, &allowed), "{no}");
    }
}

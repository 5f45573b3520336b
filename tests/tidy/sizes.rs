//! Files of 600 lines and functions of 70, by ratchet.

use crate::assert_none;
use crate::tree::files;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that were longer when the rule came, with their length: they may shrink, and then the number here shrinks with them.
const LONGER_FILES: &[(&str, usize)] = &[];

#[test]
fn files_do_not_grow_beyond_600_lines() {
    let mut findings = Vec::new();
    for file in files()
        .iter()
        .filter(|file| file.is_rust() && !file.is_generated())
    {
        let lines = file.text.lines().count();
        let known = LONGER_FILES.iter().find(|(path, _)| *path == file.path);
        match known {
            Some((_, length)) if lines != *length => {
                findings.push(format!(
                    "{}: {lines} lines, the ratchet stands at {length}",
                    file.path
                ));
            }
            None if lines > FILE_LINES_MAX => {
                findings.push(format!("{}: {lines} lines", file.path))
            }
            _ => {}
        }
    }
    assert_none(
        &findings,
        "a file that nobody reads in one sitting: split it by topic",
    );
}

#[test]
fn functions_do_not_grow_beyond_70_lines() {
    let mut findings = Vec::new();
    for file in files()
        .iter()
        .filter(|file| file.is_rust() && !file.is_generated())
    {
        for (name, line, length) in functions(&file.text) {
            if length > FUNCTION_LINES_MAX {
                findings.push(format!("{}:{line}: {name} has {length} lines", file.path));
            }
        }
    }
    assert_none(
        &findings,
        "a function longer than a screen: leave its control flow, move its leaves out",
    );
}

/// Name, first line and length of every function, trusting rustfmt: a body ends at the first `}` as deep as its `fn`. Counted as clippy's
/// `too_many_lines` counts, which is set to the same number: the lines of code in the body, without signature, blank lines and comments.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let shallow =
            |at: &usize| depth(lines[*at]) == depth(line) && !lines[*at].trim().is_empty();
        let last = |at: &usize| lines[*at].ends_with(['}', ';']);
        let end = (start..lines.len()).find(|at| shallow(at) && last(at));
        let opens = (start..lines.len()).find(|at| shallow(at) && lines[*at].ends_with('{'));
        let (Some(end), Some(opens)) = (end, opens) else {
            continue;
        };
        let body = lines.get(opens + 1..end).unwrap_or_default().iter();
        let code =
            body.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"));
        functions.push((name.to_owned(), start + 1, code.count()));
    }
    functions
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    loop {
        let (word, after) = rest.split_once(' ')?;
        let modifier = word == "const"
            || word == "async"
            || word == "extern"
            || word == "\"C\""
            || word.starts_with("pub");
        match word {
            "fn" => return after.split(['(', '<']).next(),
            _ if modifier => rest = after,
            _ => return None,
        }
    }
}

#[test]
fn function_lengths_are_found() {
    let text = "\
impl A {
    pub(crate) const fn a() -> u8 {
        // Why.

        1
    }

    fn b(&self);

    fn c() {}
}

async fn d(
    x: u8,
) {
    e();
    f();
}
";
    let found = functions(text);
    let found: Vec<(&str, usize, usize)> = found
        .iter()
        .map(|(name, line, length)| (name.as_str(), *line, *length))
        .collect();
    // What has no body to read is not there.
    assert_eq!(found, [("a", 2, 1), ("d", 13, 2)]);
}

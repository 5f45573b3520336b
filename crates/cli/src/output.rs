//! Printing that survives a reader who goes away.

use std::io::{self, Write};

/// Prints one text to stdout. A closed pipe is the reader's right (`| head -1`), not a failure, and no reason to panic,
/// as `println!` would.
pub(crate) fn say(text: &str) {
    line(&mut io::stdout().lock(), text);
}

/// Prints one sentence to stderr.
pub(crate) fn complain(text: &str) {
    line(&mut io::stderr().lock(), &format!("milena: {text}"));
}

fn line(out: &mut dyn Write, text: &str) {
    // Nobody is left to tell that nobody listens.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_panic() {
        line(&mut Closed, "text");
    }
}

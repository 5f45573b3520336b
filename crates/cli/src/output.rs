//! Printing that survives a reader who goes away.

use std::io::{self, Write};

/// Prints one text to stdout. A closed pipe is the reader's right (`| head -1`), not a failure, and no reason to panic,
/// as `println!` would. A full disk is a failure: the result is lost.
pub(crate) fn say(text: &str) -> io::Result<()> {
    line(&mut io::stdout().lock(), text)
}

/// Prints one sentence to stderr.
pub(crate) fn complain(text: &str) {
    // Nobody is left to tell that nobody listens.
    let _ = line(&mut io::stderr().lock(), &format!("milena: {text}"));
}

fn line(out: &mut dyn Write, text: &str) -> io::Result<()> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is_one() {
        assert!(line(&mut Failing(io::ErrorKind::BrokenPipe), "text").is_ok());
        assert!(line(&mut Failing(io::ErrorKind::StorageFull), "text").is_err());
    }
}

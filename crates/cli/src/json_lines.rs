//! One JSON object a line on standard output, handed on at once.

use std::fmt;
use std::io::{self, Write};

use crate::failure::Failure;

/// So much is collected at most before it is written.
const BUFFER_BYTES: usize = 64 << 10;

/// Lines for whoever started the program.
///
/// Lines are collected and written together, in one call, when [`Lines::flush`] says that the program is about to wait: a
/// reader sees each line at once, and a hundred thousand lines a second do not cost as many system calls.
pub(crate) struct Lines {
    out: Box<dyn Write>,
    buffer: Vec<u8>,
}

impl Lines {
    /// Writes to standard output.
    pub(crate) fn stdout() -> Self {
        Self::to(Box::new(io::stdout()))
    }

    /// Writes to `out`.
    pub(crate) fn to(out: Box<dyn Write>) -> Self {
        Self {
            out,
            buffer: Vec::with_capacity(BUFFER_BYTES + 4_096),
        }
    }

    /// Adds a line, without its end.
    ///
    /// # Errors
    /// If nobody reads any more, or the lines cannot be kept: the program has nothing to live for then.
    pub(crate) fn push(&mut self, line: fmt::Arguments<'_>) -> Result<(), Failure> {
        // A Vec takes whatever is written.
        let _ = self.buffer.write_fmt(line);
        self.buffer.push(b'\n');
        if self.buffer.len() < BUFFER_BYTES {
            return Ok(());
        }
        self.flush()
    }

    /// Hands over what was collected.
    ///
    /// # Errors
    /// As [`Lines::push`].
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self
            .out
            .write_all(&self.buffer)
            .and_then(|()| self.out.flush());
        self.buffer.clear();
        written.map_err(|error| {
            Failure::Broken(format!("standard output takes no more lines: {error}"))
        })
    }
}

/// `text` as a JSON string, quotes included.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Keeps every call to `write`.
    #[derive(Clone, Default)]
    struct Calls(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Calls {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").push(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_leave_together_when_the_program_is_about_to_wait() {
        let calls = Calls::default();
        let mut lines = Lines::to(Box::new(calls.clone()));
        for n in 0..3 {
            lines.push(format_args!("{{\"n\":{n}}}")).expect("open");
        }
        assert!(calls.0.lock().expect("no panic").is_empty());
        lines.flush().expect("open");
        lines.flush().expect("open");
        assert_eq!(
            *calls.0.lock().expect("no panic"),
            [b"{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n"]
        );
    }

    #[test]
    fn more_than_a_buffer_full_does_not_wait_for_a_flush() {
        let calls = Calls::default();
        let mut lines = Lines::to(Box::new(calls.clone()));
        let long = "x".repeat(BUFFER_BYTES);
        lines.push(format_args!("{long}")).expect("open");
        assert_eq!(calls.0.lock().expect("no panic").len(), 1);
    }

    #[test]
    fn a_reader_that_went_away_is_an_error_and_no_panic() {
        let mut lines = Lines::to(Box::new(Closed));
        lines.push(format_args!("{{}}")).expect("only collected");
        assert!(matches!(lines.flush(), Err(Failure::Broken(_))));
    }

    #[test]
    fn text_is_quoted_as_json_wants_it() {
        assert_eq!(quoted("a\"b\\c\n\u{1}ü"), "\"a\\\"b\\\\c\\n\\u0001ü\"");
    }
}

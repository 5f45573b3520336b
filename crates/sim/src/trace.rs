//! What happened, as one number and, on demand, as text.

use std::collections::VecDeque;
use std::time::Duration;

/// Lines kept of a run that is told in words.
const LINES_MAX: usize = 200_000;

/// The trace of a run: every event goes into a hash, so that two runs can be compared; the words are only made when somebody
/// wants to read them.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    events: u64,
    lines: Option<VecDeque<String>>,
}

impl Trace {
    pub(crate) fn new(in_words: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            lines: in_words.then(VecDeque::new),
        }
    }

    /// One event: when, what, about whom, with which content.
    pub(crate) fn event(&mut self, at: Duration, what: &str, whom: u64, content: &[u8]) {
        self.events += 1;
        self.mix(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        self.mix_bytes(what.as_bytes());
        self.mix(whom);
        self.mix_bytes(content);
    }

    pub(crate) fn is_in_words(&self) -> bool {
        self.lines.is_some()
    }

    /// The same event for a reader.
    pub(crate) fn say(&mut self, at: Duration, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(format!("{:>12.3} ms  {}", at.as_secs_f64() * 1e3, line()));
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default().into()
    }

    fn mix(&mut self, value: u64) {
        // A multiply and a rotation a word: enough to tell runs apart, and cheap beside what it watches.
        self.hash = (self.hash ^ value)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }

    fn mix_bytes(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }
}

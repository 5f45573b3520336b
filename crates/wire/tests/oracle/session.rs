//! Questions to the Java program and its answers; what they look like is described in `java/Oracle.java`.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};
use std::thread;

use crate::java::Java;

/// Questions go in while answers come out, in the same order: each side needs a thread of its own, or both would wait with full pipes.
pub(crate) fn start(java: &Java) -> (Questions, Answers) {
    let mut child = java.answering();
    let input = child.stdin.take().expect("a pipe");
    let output = child.stdout.take().expect("a pipe");
    let answers = Answers {
        output: BufReader::with_capacity(1 << 16, output),
        child,
    };
    (Questions(BufWriter::with_capacity(1 << 16, input)), answers)
}

/// Kafka's answers to questions that are all known beforehand, each of which asks for `writes` versions.
pub(crate) fn answers<C: Sync>(
    java: &Java,
    cases: &[C],
    writes: usize,
    ask: impl Fn(&mut Questions, &C) -> io::Result<()> + Send,
) -> Vec<Answer> {
    let (mut questions, answers) = start(java);
    thread::scope(|scope| {
        scope.spawn(move || {
            // An error is that nobody listens any more, because an answer could not be read.
            let _ = cases.iter().try_for_each(|case| ask(&mut questions, case));
        });
        let mut answers = answers;
        cases.iter().map(|_| answers.next(writes)).collect()
    })
}

/// No more come when it is dropped.
pub(crate) struct Questions(BufWriter<ChildStdin>);

impl Questions {
    /// What Kafka reads from these bytes, and what it writes of that in each of `write_versions`.
    pub(crate) fn message(
        &mut self,
        name: &str,
        version: i16,
        write_versions: &[i16],
        bytes: &[u8],
    ) -> io::Result<()> {
        self.0.write_all(&[0])?;
        self.bytes(name.as_bytes())?;
        self.i16(version)?;
        let count = u8::try_from(write_versions.len()).expect("few versions");
        self.0.write_all(&[count])?;
        write_versions
            .iter()
            .try_for_each(|version| self.i16(*version))?;
        self.bytes(bytes)
    }

    /// What is in a message that nobody has written anything to.
    pub(crate) fn default(&mut self, name: &str) -> io::Result<()> {
        self.0.write_all(&[3])?;
        self.bytes(name.as_bytes())
    }

    /// What Kafka reads from the header of this frame, which is one without length prefix.
    pub(crate) fn frame(
        &mut self,
        is_request: bool,
        key: i16,
        version: i16,
        frame: &[u8],
    ) -> io::Result<()> {
        self.0.write_all(&[if is_request { 1 } else { 2 }])?;
        self.i16(key)?;
        self.i16(version)?;
        self.bytes(frame)
    }

    fn i16(&mut self, number: i16) -> io::Result<()> {
        self.0.write_all(&number.to_be_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = u32::try_from(bytes.len()).expect("test values are small");
        self.0.write_all(&len.to_be_bytes())?;
        self.0.write_all(bytes)
    }
}

/// What Kafka says to one question.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Why it cannot read the bytes.
    Unreadable(String),
    Read {
        /// Every field with its value, also those that the version does not have.
        values: String,
        /// In the order of the versions asked for.
        written: Vec<Written>,
    },
}

/// How writing in one version went.
#[derive(Debug)]
pub(crate) enum Written {
    Bytes(Vec<u8>),
    /// `UnsupportedVersionException`.
    NotInVersion(String),
    /// `NullPointerException`.
    Null,
    /// Any other exception.
    Refused(String),
}

/// The program ends when it is dropped, so that whoever still asks gets an error instead of waiting.
pub(crate) struct Answers {
    output: BufReader<ChildStdout>,
    child: Child,
}

impl Answers {
    /// The answer to the next question, which asked for `writes` versions.
    pub(crate) fn next(&mut self, writes: usize) -> Answer {
        if self.byte() == 0 {
            return Answer::Unreadable(self.text());
        }
        let values = self.text();
        let written = (0..writes).map(|_| self.written()).collect();
        Answer::Read { values, written }
    }

    fn written(&mut self) -> Written {
        match self.byte() {
            0 => Written::Bytes(self.bytes()),
            1 => Written::NotInVersion(self.text()),
            2 => {
                self.text();
                Written::Null
            }
            _ => Written::Refused(self.text()),
        }
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.fill(&mut byte);
        byte[0]
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).expect("texts are UTF-8")
    }

    fn bytes(&mut self) -> Vec<u8> {
        let mut len = [0; 4];
        self.fill(&mut len);
        let mut bytes = vec![0; u32::from_be_bytes(len) as usize];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        let read = self.output.read_exact(bytes);
        read.expect("the Java program answers everything; its own words are above");
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! What a run can fail by: each promise has a name, so that a planted bug must be caught by the check that is there for it.

use std::fmt;

macro_rules! checks {
    ($($(#[$doc:meta])* $check:ident => $name:literal,)*) => {
        /// What was broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Check { $($(#[$doc])* $check,)* }

        impl Check {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$check,)*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$check => $name,)* }
            }
        }
    };
}

checks! {
    /// An acknowledged record is not in the log, or not where it was said to be.
    Lost => "lost",
    /// A record is in the log twice.
    Doubled => "doubled",
    /// Records of one sender lie in a partition in another order than they were sent.
    Order => "order",
    /// What was said of a record (in the log, not in the log, not accepted) is not so.
    Persistence => "persistence",
    /// A transaction is half there, or not what its owner was told.
    Torn => "torn",
    /// The pipeline's output is not its input, once and in order, or its offsets say otherwise.
    Pipeline => "pipeline",
    /// A reader got something else than the log holds for it.
    Readers => "readers",
    /// Something was refused that is in order.
    Refused => "refused",
    /// Something did not come to an end after the faults were over.
    Liveness => "liveness",
    /// The engines are busy with nothing to do.
    Busy => "busy",
    /// Memory, connections or engines are left over.
    LeftOver => "left-over",
    /// The client panicked.
    Panic => "panic",
    /// The run was too small to say anything.
    TooSmall => "too-small",
}

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub check: Check,
    /// How, in words.
    pub text: String,
}

impl Check {
    pub(crate) fn failed(self, text: impl Into<String>) -> Failure {
        Failure {
            check: self,
            text: text.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check.name(), self.text)
    }
}

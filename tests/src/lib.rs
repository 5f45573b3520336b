//! What the end-to-end scenarios stand on.
//!
//! A scenario is one `async fn(&World) -> Outcome`, written once; [`scenarios!`] makes of it one test for each
//! [`Kind`] of world: the embedded broker and real Kafka, each with both transaction protocols. Every scenario has a
//! broker or names of its own, its own [`Relay`](milena_testbroker::relay::Relay), and fails if a fault that it
//! injected never happened.

mod kafka;
mod log;
mod outcome;
mod world;

pub use self::{
    log::{Log, Seen, values},
    outcome::{Failure, Outcome, eventually, run, spawn},
    world::{Kind, LostAnswers, Topic, World},
};

/// One test for each scenario in each kind of world: `topic::kafka_4_3_1::what_must_hold`.
#[macro_export]
macro_rules! scenarios {
    ($($scenario:ident),+ $(,)?) => {
        $crate::scenarios!(@world embedded_tv2, $crate::Kind::EmbeddedTv2, $($scenario),+);
        $crate::scenarios!(@world embedded_tv1, $crate::Kind::EmbeddedTv1, $($scenario),+);
        $crate::scenarios!(@world kafka_4_3_1, $crate::Kind::Kafka4, $($scenario),+);
        $crate::scenarios!(@world kafka_3_9_2, $crate::Kind::Kafka3, $($scenario),+);
    };
    (@world $world:ident, $kind:expr, $($scenario:ident),+) => {
        mod $world {
            $(#[test]
            fn $scenario() {
                $crate::run($kind, stringify!($scenario), super::$scenario);
            })+
        }
    };
}

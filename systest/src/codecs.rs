//! `milena-systest codecs`: what other clients wrote with each codec milena reads, and what milena wrote they read, record for record,
//! on real Kafka.

mod corpus;
mod others;
mod ours;
mod report;

use std::time::Instant;

use milena::Compression;

use crate::cluster::Cluster;
use crate::failure::{Context, Result};
use crate::options::Options;
use corpus::Line;
use others::Other;
use report::{Cell, Report};

/// The topic that milena writes.
const TOPIC: &str = "milena";

/// A codec and perhaps a level, in Kafka's words: `gzip` or `gzip:9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case(&'static str);

/// What everybody writes, each to the partition of its place here.
const CASES: &[Case] = &[
    Case("none"),
    Case("gzip"),
    Case("gzip:9"),
    Case("snappy"),
    Case("lz4"),
    Case("zstd"),
    Case("zstd:1"),
];

impl Case {
    fn codec(self) -> &'static str {
        self.0.split_once(':').map_or(self.0, |(codec, _)| codec)
    }

    fn level(self) -> Option<i32> {
        self.0.split_once(':')?.1.parse().ok()
    }
}

pub(crate) async fn main(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments, &["version"], &["short"])?;
    let version: String = options.value("version", "4.3.1".to_owned())?;
    let records = if options.has("short") { 150 } else { 1_500 };
    let begun = Instant::now();
    let mut others = Vec::new();
    for other in Other::ALL {
        let prepared = other.prepare(&version).await;
        others.push(prepared.context(|| format!("get {} ready", other.name()))?);
    }
    eprintln!("the other clients are ready after {:.1?}", begun.elapsed());
    let cluster = Cluster::start_one(&version).await?;
    let begun = Instant::now();
    let mut report = Report::default();

    let cases = CASES.to_vec();
    let corpus = corpus::lines(cases.len(), records);
    cluster
        .create_plain_topic(TOPIC, partitions(&cases))
        .await?;
    ours::write(cluster.bootstrap(), TOPIC, &cases, &corpus)
        .await
        .context(|| "write with milena".to_owned())?;
    let ours_again = ours::read(cluster.bootstrap(), TOPIC, &cases).await?;
    report.add_all("milena", "milena", &cases, &corpus, &Ok(ours_again));

    for client in &others {
        let name = client.other.name();
        let seen = client.read(cluster.bootstrap(), TOPIC, &cases, corpus.len());
        let seen = seen.await.map(ours::Seen::of_others);
        report.add_all("milena", name, &cases, &corpus, &seen);

        let cases = [CASES, client.other.more_cases()].concat();
        let corpus = corpus::lines(cases.len(), records);
        cluster.create_plain_topic(name, partitions(&cases)).await?;
        let seen = match client
            .write(cluster.bootstrap(), name, &cases, &corpus)
            .await
        {
            Ok(()) => ours::read(cluster.bootstrap(), name, &cases).await,
            Err(failure) => Err(failure),
        };
        report.add_all(name, "milena", &cases, &corpus, &seen);
    }
    println!(
        "Kafka {version}, {records} records a cell, in {:.1?}:\n",
        begun.elapsed()
    );
    print!("{report}");
    report.verdict()
}

fn partitions(cases: &[Case]) -> i32 {
    i32::try_from(cases.len()).unwrap_or(i32::MAX)
}

/// What a reader made of one partition.
fn judge(case: Case, written: &[&Line], read: &[&Line], codecs: &[Compression]) -> Cell {
    let wrong = |text: String| Cell::Wrong(text);
    if written.len() != read.len() {
        return wrong(format!("{} of {} records", read.len(), written.len()));
    }
    let different = written
        .iter()
        .zip(read)
        .position(|(one, other)| one != other);
    if let Some(index) = different {
        let (written, read) = (written[index].to_string(), read[index].to_string());
        let [written, read] = [written, read].map(|line| line.chars().take(80).collect::<String>());
        return wrong(format!("record {index} was {written:?} and is {read:?}"));
    }
    // Batches that do not get smaller are sent as they are; these all do.
    let wanted = ours::compression(case.codec()).ok();
    if codecs.iter().any(|codec| Some(*codec) != wanted) {
        return wrong(format!("the batches are {codecs:?}"));
    }
    Cell::Exact(read.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_exact_only_if_every_record_is_there_in_order_by_the_codec_that_was_asked_for() {
        let lines = corpus::lines(1, 20);
        let written: Vec<&Line> = lines.iter().collect();
        let case = Case("gzip:9");
        assert_eq!((case.codec(), case.level()), ("gzip", Some(9)));
        assert_eq!(
            judge(case, &written, &written, &[Compression::Gzip]),
            Cell::Exact(20)
        );
        assert_eq!(judge(case, &written, &written, &[]), Cell::Exact(20));
        let mut swapped = written.clone();
        swapped.swap(3, 4);
        for (read, codecs) in [
            (&written[..19], [Compression::Gzip]),
            (&swapped[..], [Compression::Gzip]),
            (&written[..], [Compression::None]),
        ] {
            assert!(matches!(
                judge(case, &written, read, &codecs),
                Cell::Wrong(_)
            ));
        }
    }
}

//! A Fetch response, from its bytes to the records that a reader of committed records sees, beside a slow and plain reading of the same bytes.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use milena_cluster::{LeaderEpoch, NodeId, Outcome, TopicName, TopicPartition};
use milena_consumer::{FetchConfig, FetchEvent, FetchId, Fetcher, FetcherRequest, StartPosition};
use milena_wire::compress::Decompressor;
use milena_wire::messages::{FetchResponse, PartitionData};
use milena_wire::record::{BatchView, ControlRecord, HEADER_LEN, RecordRef, batches};
use milena_wire::{ApiKey, ApiVersion, Payload, Uuid, decode_response};

/// What the records of one batch may have: small, so that it is met.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024;
/// So many of the answer's partitions are read.
const PARTITIONS_MAX: usize = 6;
/// Far more turns than any answer of a few kilobytes can take.
const TURNS_MAX: usize = 2_000;
/// Where a batch's length ends, its magic byte is, and what its checksum covers begins.
const LENGTH_END: usize = 12;
const MAGIC_POSITION: usize = 16;
const CRC_START: usize = 21;

/// A record as it is shown: offset, key, value.
type Shown = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// The version, whether batches are repaired, where reading stands, then the frame.
pub(crate) fn fetch(data: &[u8]) {
    let Some((&[version, repair, high, low], frame)) = data.split_first_chunk() else {
        return;
    };
    let versions = ApiKey::FETCH.versions().expect("milena speaks it");
    let count = versions.iter().count();
    let version = versions.iter().nth(usize::from(version) % count);
    let frame = Bytes::copy_from_slice(frame);
    let version = version.unwrap_or(ApiVersion(4));
    let Ok(mut response) = decode_response::<FetchResponse<'_>>(&frame, version) else {
        return;
    };
    if repair % 2 == 1 {
        repair_batches(&mut response);
    }
    let position = i64::from(u16::from_be_bytes([high, low]));
    let names = names(&response);
    let asked = asked(&response, &names);
    let mut reader = Reader::new(&asked, position);
    reader.read(&response, &names);
    for tp in &asked {
        let seen = reader.seen.remove(tp).unwrap_or_default();
        let expected = match data_of(&response, &names, tp) {
            Some(data) if response.error_code.is_ok() => expected(data, position),
            _ => Vec::new(),
        };
        assert_eq!(seen, expected, "{tp}");
    }
    reader.leave(&asked);
}

/// Names for the topic ids of the answer.
fn names(response: &FetchResponse<'_>) -> Vec<(Uuid, TopicName)> {
    let ids = response.responses.iter().map(|topic| topic.topic_id);
    let named = ids.filter(|id| *id != Uuid::ZERO).zip(0..);
    let mut names: Vec<(Uuid, TopicName)> = Vec::new();
    for (id, number) in named {
        if names.iter().all(|(known, _)| *known != id) {
            names.push((id, format!("topic-{number}").into()));
        }
    }
    names
}

/// The partitions to be asked: those that the answer has.
fn asked(response: &FetchResponse<'_>, names: &[(Uuid, TopicName)]) -> Vec<TopicPartition> {
    let mut asked = Vec::new();
    for (tp, _) in answered(response, names) {
        if !asked.contains(&tp) && asked.len() < PARTITIONS_MAX {
            asked.push(tp);
        }
    }
    asked
}

fn answered<'a>(
    response: &'a FetchResponse<'_>,
    names: &'a [(Uuid, TopicName)],
) -> impl Iterator<Item = (TopicPartition, &'a PartitionData)> {
    response.responses.iter().flat_map(|topic| {
        let known = names.iter().find(|(id, _)| *id == topic.topic_id);
        let name = match known {
            Some((_, name)) => name.clone(),
            None => topic.topic.into(),
        };
        let partitions = topic.partitions.iter().filter(|_| !name.is_empty());
        let partitions: Vec<_> = partitions
            .map(|data| {
                (
                    TopicPartition::new(name.clone(), data.partition_index),
                    data,
                )
            })
            .collect();
        partitions
    })
}

/// What counts of the answer for `tp`: its first entry.
fn data_of<'a>(
    response: &'a FetchResponse<'_>,
    names: &'a [(Uuid, TopicName)],
    tp: &TopicPartition,
) -> Option<&'a PartitionData> {
    let mut answered = answered(response, names);
    answered.find(|(of, _)| of == tp).map(|(_, data)| data)
}

/// A fetcher, and what it has shown.
struct Reader {
    fetcher: Fetcher,
    now: Instant,
    positions: BTreeMap<TopicPartition, i64>,
    seen: BTreeMap<TopicPartition, Vec<Shown>>,
    /// Batches that were shown and not yet given back.
    held: Vec<(TopicPartition, usize)>,
}

impl Reader {
    fn new(asked: &[TopicPartition], position: i64) -> Self {
        let config = FetchConfig {
            fetch_bytes_max: 32 * 1024,
            partition_bytes_max: 4 * 1024,
            buffered_bytes_max: 128 * 1024,
            decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
            ..FetchConfig::default()
        };
        let mut fetcher = Fetcher::new(config, 7);
        for tp in asked {
            fetcher.assign(tp.clone(), StartPosition::Offset(position));
        }
        #[allow(
            clippy::disallowed_methods,
            reason = "some origin of virtual time; only differences to it count"
        )]
        let now = Instant::now();
        Self {
            fetcher,
            now,
            positions: asked.iter().map(|tp| (tp.clone(), position)).collect(),
            seen: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    /// Asks for everything, is answered once, and goes through it all.
    fn read(&mut self, response: &FetchResponse<'_>, names: &[(Uuid, TopicName)]) {
        let mut decompressor = Decompressor::default();
        for id in self.ask() {
            let outcome = Outcome::Answered(response);
            self.fetcher.handle_fetch(self.now, id, outcome, names);
            self.collect();
        }
        for _ in 0..TURNS_MAX {
            if let Some(job) = self.fetcher.poll_decode() {
                let decoded = job.run(&mut decompressor);
                self.fetcher.handle_decoded(self.now, decoded);
                self.collect();
            } else if self.held.is_empty() {
                return;
            } else {
                // What waits for memory goes on when the user has read.
                self.release();
            }
        }
        panic!("no end in sight");
    }

    fn ask(&mut self) -> Vec<FetchId> {
        let leader = |_: &TopicPartition| Some((NodeId(1), LeaderEpoch(0)));
        let fetcher = &mut self.fetcher;
        let requests = std::iter::from_fn(|| fetcher.poll_request(self.now, &leader));
        let ids = requests.map(|request| match request {
            FetcherRequest::Fetch { id, .. } => id,
            FetcherRequest::ListOffsets { .. } => panic!("every position is known"),
        });
        ids.collect()
    }

    fn collect(&mut self) {
        while let Some(event) = self.fetcher.poll_event() {
            match event {
                FetchEvent::Batches { tp, batches } => {
                    assert!(!batches.is_empty());
                    for batch in batches {
                        assert_eq!(batch.tp, tp);
                        self.hear(&tp, batch.cursor.position);
                        let shown = batch.records.records();
                        let shown = shown.filter(|record| record.offset() >= batch.first_position);
                        let shown: Vec<Shown> = shown.map(|record| owned(&record)).collect();
                        assert!(!shown.is_empty(), "a batch that shows nothing");
                        self.seen.entry(tp.clone()).or_default().extend(shown);
                        self.held.push((batch.tp, batch.bytes));
                    }
                }
                FetchEvent::Position { tp, cursor } => self.hear(&tp, cursor.position),
                _ => {}
            }
        }
        for (tp, seen) in &self.seen {
            let offsets = seen.iter().map(|(offset, ..)| *offset);
            assert!(offsets.is_sorted_by(|a, b| a < b), "offsets of {tp} rise");
            let behind = seen
                .last()
                .is_none_or(|(last, ..)| *last < self.positions[tp]);
            assert!(behind, "{tp} is shown before its position has moved");
        }
    }

    /// A position never goes back.
    fn hear(&mut self, tp: &TopicPartition, position: i64) {
        let before = self.positions.insert(tp.clone(), position);
        assert!(
            before.is_some_and(|before| before <= position),
            "{tp}: {before:?} to {position}"
        );
    }

    fn release(&mut self) {
        for (tp, bytes) in self.held.drain(..) {
            self.fetcher.release(&tp, bytes);
        }
    }

    /// All memory is given back in the end.
    fn leave(&mut self, asked: &[TopicPartition]) {
        for tp in asked {
            self.fetcher.unassign(tp);
        }
        self.release();
        assert_eq!(self.fetcher.buffered_bytes(), 0);
    }
}

fn owned(record: &RecordRef<'_>) -> Shown {
    let owned = |field: Option<&[u8]>| field.map(<[u8]>::to_vec);
    (record.offset(), owned(record.key()), owned(record.value()))
}

/// What a reader of committed records sees from `position` on, worked out batch by batch.
fn expected(data: &PartitionData, mut position: i64) -> Vec<Shown> {
    let records = data.records.as_ref().filter(|records| !records.is_empty());
    let Some(records) = records.filter(|_| data.error_code.is_ok()) else {
        return Vec::new();
    };
    // Then the log was cut, and the position is no place in it.
    if data.diverging_epoch.epoch >= 0 {
        return Vec::new();
    }
    let mut aborted = Aborted::new(data);
    let mut shown = Vec::new();
    for batch in batches(records.to_bytes()) {
        let Ok(batch) = batch else { break };
        if batch.verify_crc().is_err() {
            break;
        }
        let Some(visible) = aborted.shows(&batch) else {
            break;
        };
        if batch.next_offset() <= position {
            continue;
        }
        if visible {
            let undecided = data.last_stable_offset >= 0
                && batch.is_transactional()
                && batch.last_offset() >= data.last_stable_offset;
            if undecided {
                break;
            }
            let next_offset = batch.next_offset();
            let mut decompressor = Decompressor::new(DECOMPRESSED_BYTES_MAX);
            let Ok(batch) = batch.into_records_with(&mut decompressor) else {
                break;
            };
            let records = batch.records().filter(|record| record.offset() >= position);
            shown.extend(records.map(|record| owned(&record)));
            position = next_offset;
        } else {
            position = batch.next_offset();
        }
    }
    shown
}

/// The aborted transactions, each with whether it is still open: the plain way.
struct Aborted {
    /// Producer, first offset, begun, ended.
    listed: Vec<(i64, i64, bool, bool)>,
}

impl Aborted {
    fn new(data: &PartitionData) -> Self {
        let listed = data.aborted_transactions.iter().flatten();
        let listed = listed.map(|it| (it.producer_id, it.first_offset, false, false));
        Self {
            listed: listed.collect(),
        }
    }

    /// Whether the records of `batch` may be seen; `None` if its marker cannot be read.
    fn shows(&mut self, batch: &BatchView) -> Option<bool> {
        let producer_id = batch.header().producer_id;
        if producer_id < 0 {
            return Some(!batch.is_control());
        }
        for (_, first_offset, begun, _) in &mut self.listed {
            *begun |= *first_offset <= batch.last_offset();
        }
        let of_producer = |it: &&mut (i64, i64, bool, bool)| it.0 == producer_id && it.2;
        if batch.is_control() {
            if let Some(ControlRecord::Abort { .. }) = batch.control().ok()? {
                let ends = self.listed.iter_mut().filter(of_producer);
                ends.for_each(|it| it.3 = true);
            }
            return Some(false);
        }
        let open = self.listed.iter_mut().filter(of_producer).any(|it| !it.3);
        Some(!(batch.is_transactional() && open))
    }
}

/// Makes lengths, magic bytes and checksums right.
fn repair_batches(response: &mut FetchResponse<'_>) {
    let topics = response.responses.iter_mut();
    for data in topics.flat_map(|topic| &mut topic.partitions) {
        if let Some(records) = &mut data.records {
            *records = Payload::from(repaired(&records.to_bytes()));
        }
    }
}

fn repaired(records: &Bytes) -> Bytes {
    let mut bytes = BytesMut::from(&records[..]);
    let mut rest = &mut bytes[..];
    while let Some(header) = rest.first_chunk_mut::<HEADER_LEN>() {
        let length = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        header[MAGIC_POSITION] = 2;
        let len = LENGTH_END + length as usize;
        // The last batch takes what is left.
        let len = match len {
            HEADER_LEN.. if len <= rest.len() => len,
            _ => rest.len(),
        };
        let (batch, after) = rest.split_at_mut(len);
        batch[8..LENGTH_END].copy_from_slice(&((len - LENGTH_END) as u32).to_be_bytes());
        let crc = crc32c::crc32c(&batch[CRC_START..]).to_be_bytes();
        batch[CRC_START - 4..CRC_START].copy_from_slice(&crc);
        rest = after;
    }
    bytes.freeze()
}

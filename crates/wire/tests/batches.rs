//! Record batches: what is built is read back, what was damaged is noticed, and odd batches of real logs are understood.

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use milena_wire::record::{
    BatchBuilder, BatchView, CHUNK_BYTES, Compression, ControlKind, ControlRecord, HEADER_LEN,
    HeaderFields, RecordBatch, RecordFields, SealedBatch, Stamp, TimestampType, batches,
    control_batch, rewrite_base_offset,
};
use milena_wire::{DecodeError, DecodeErrorKind};

const STAMP: Stamp = Stamp {
    producer_id: 4711,
    producer_epoch: 3,
    base_sequence: 12,
    transactional: true,
};

type OwnedHeaders = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A record that owns its parts.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: OwnedHeaders,
}

impl Owned {
    fn random(random: &mut Rng) -> Self {
        let bytes = |random: &mut Rng, max: usize| {
            (random.u8(..5) > 0).then(|| {
                (0..random.usize(..max))
                    .map(|_| random.u8(..))
                    .collect::<Vec<u8>>()
            })
        };
        let value_max = if random.u8(..100) == 0 {
            3 * CHUNK_BYTES
        } else {
            300
        };
        Self {
            timestamp: 1_700_000_000_000 + random.i64(-5_000..5_000),
            key: bytes(random, 20),
            value: bytes(random, value_max),
            headers: (0..random.usize(..3))
                .map(|_| (bytes(random, 9).unwrap_or_default(), bytes(random, 9)))
                .collect(),
        }
    }

    fn append_to(&self, builder: &mut BatchBuilder) {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(key, value)| HeaderFields {
                key,
                value: value.as_deref(),
            })
            .collect();
        builder.append(&RecordFields {
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        });
    }

    fn all_of(batch: &RecordBatch) -> Vec<Self> {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        batch
            .records()
            .map(|record| Self {
                timestamp: record.timestamp(),
                key: owned(record.key()),
                value: owned(record.value()),
                headers: record
                    .headers()
                    .map(|header| (header.key.to_vec(), owned(header.value)))
                    .collect(),
            })
            .collect()
    }
}

fn seal(records: &[Owned]) -> SealedBatch {
    let mut builder = BatchBuilder::new();
    records
        .iter()
        .for_each(|record| record.append_to(&mut builder));
    builder.finish().seal()
}

fn only(bytes: Bytes) -> BatchView {
    let mut walk = batches(bytes);
    let batch = walk.next().expect("one").expect("well formed");
    assert!(walk.next().is_none());
    batch
}

fn small() -> Bytes {
    let mut builder = BatchBuilder::new();
    for (timestamp, value) in [(1000, &b"one"[..]), (1002, b"two"), (1001, b"three")] {
        let headers = [HeaderFields {
            key: b"h",
            value: Some(b"v"),
        }];
        builder.append(&RecordFields {
            timestamp,
            key: Some(b"k"),
            value: Some(value),
            headers: &headers,
        });
    }
    builder.finish().seal().stamp(&STAMP).to_bytes()
}

/// `batch` with some of its bytes replaced and its checksum made to fit again.
fn patched(batch: &Bytes, patches: &[(usize, &[u8])]) -> Bytes {
    let mut batch = BytesMut::from(&batch[..]);
    for (at, bytes) in patches {
        batch[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.freeze()
}

/// A batch around hand-written record bytes.
fn around(records: &[u8], record_count: i32, last_offset_delta: i32) -> Bytes {
    let mut batch = BytesMut::from(&small()[..HEADER_LEN]);
    batch.extend_from_slice(records);
    let length = (batch.len() - 12) as i32;
    patched(
        &batch.freeze(),
        &[
            (8, &length.to_be_bytes()),
            (23, &last_offset_delta.to_be_bytes()),
            (57, &record_count.to_be_bytes()),
        ],
    )
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, DecodeError>) -> DecodeErrorKind {
    outcome.expect_err("must fail").kind
}

fn framing_error(batch: Bytes) -> DecodeErrorKind {
    kind(only(batch).into_records())
}

#[test]
fn records_are_read_as_appended() {
    let mut random = Rng::with_seed(11);
    for _ in 0..300 {
        let records: Vec<_> = (0..random.usize(1..60))
            .map(|_| Owned::random(&mut random))
            .collect();
        let sealed = seal(&records);
        let batch = only(sealed.stamp(&STAMP).to_bytes());
        assert_eq!(batch.bytes().len(), sealed.wire_len());
        batch.verify_crc().expect("just sealed");
        let header = *batch.header();
        assert_eq!(
            (
                header.producer_id,
                header.producer_epoch,
                header.base_sequence
            ),
            (4711, 3, 12)
        );
        assert!(batch.is_transactional() && !batch.is_control());
        assert_eq!(
            header.max_timestamp,
            records
                .iter()
                .map(|record| record.timestamp)
                .max()
                .expect("some")
        );
        assert_eq!(batch.last_offset(), records.len() as i64 - 1);
        let batch = batch.into_records().expect("well formed");
        assert_eq!(batch.len(), records.len());
        assert_eq!(batch.records().len(), records.len());
        assert_eq!(Owned::all_of(&batch), records);
        assert!(
            batch
                .records()
                .map(|record| record.offset())
                .eq(0..records.len() as i64)
        );
    }
}

#[test]
fn another_implementation_reads_our_batches() {
    use kafka_protocol::records::RecordBatchDecoder;
    let mut random = Rng::with_seed(12);
    for _ in 0..100 {
        let mut records: Vec<_> = (0..random.usize(1..40))
            .map(|_| Owned::random(&mut random))
            .collect();
        // It keeps headers in a map with keys of UTF-8.
        records.iter_mut().for_each(|record| record.headers.clear());
        records[0]
            .headers
            .push((b"trace".to_vec(), Some(b"1".to_vec())));
        let mut bytes = seal(&records).stamp(&STAMP).to_bytes();
        let theirs = RecordBatchDecoder::decode(&mut bytes)
            .expect("well formed")
            .records;
        assert_eq!(theirs.len(), records.len());
        for (offset, (record, theirs)) in records.iter().zip(&theirs).enumerate() {
            assert_eq!(theirs.offset, offset as i64);
            assert_eq!(
                (theirs.producer_id, theirs.producer_epoch, theirs.sequence),
                (4711, 3, 12 + offset as i32)
            );
            assert_eq!(theirs.timestamp, record.timestamp);
            assert_eq!(theirs.key.as_deref(), record.key.as_deref());
            assert_eq!(theirs.value.as_deref(), record.value.as_deref());
            assert_eq!(theirs.headers.len(), record.headers.len());
        }
    }
}

#[test]
fn a_stamp_has_the_checksum_of_the_whole_and_copies_no_records() {
    let mut random = Rng::with_seed(13);
    let records: Vec<_> = (0..500).map(|_| Owned::random(&mut random)).collect();
    let sealed = seal(&records);
    let (first, second) = (sealed.stamp(&Stamp::NONE), sealed.stamp(&STAMP));
    for stamped in [&first, &second] {
        let bytes = stamped.to_bytes();
        let stored = u32::from_be_bytes(bytes[17..21].try_into().expect("four"));
        assert_eq!(stored, crc32c::crc32c(&bytes[21..]));
    }
    assert!(first.parts().len() > 2);
    let shared = first.parts().iter().zip(second.parts()).skip(1);
    shared.for_each(|(a, b)| assert_eq!(a.as_ptr(), b.as_ptr()));
    assert_eq!(first.parts()[0].len(), HEADER_LEN);
}

#[test]
fn a_flip_of_any_bit_is_noticed() {
    let batch = small();
    only(batch.clone()).verify_crc().expect("whole");
    for bit in 0..batch.len() * 8 {
        let mut damaged = BytesMut::from(&batch[..]);
        damaged[bit / 8] ^= 1 << (bit % 8);
        let noticed = match batches(damaged.freeze()).next() {
            // Cut off: the length grew.
            None => true,
            Some(Err(_)) => true,
            Some(Ok(view)) => view.verify_crc().is_err() || view.bytes().len() != batch.len(),
        };
        // Base offset and leader epoch are the broker's to write, and outside of the checksum.
        let covered = !(0..8).contains(&(bit / 8)) && !(12..16).contains(&(bit / 8));
        assert_eq!(noticed, covered, "bit {bit}");
    }
}

#[test]
fn a_cut_off_tail_ends_the_walk() {
    let one = small();
    let mut both = BytesMut::from(&one[..]);
    both.extend_from_slice(&rewrite_base_offset(&one, 3, 0));
    let both = both.freeze();
    for len in 0..both.len() {
        let whole: Vec<_> = batches(both.slice(..len))
            .map(|batch| batch.expect("well formed"))
            .collect();
        assert_eq!(whole.len(), len / one.len());
    }
    let offsets: Vec<_> = batches(both)
        .map(|batch| batch.expect("well formed").header().base_offset)
        .collect();
    assert_eq!(offsets, [0, 3]);
}

#[test]
fn an_emptied_batch_still_says_where_it_ends() {
    // Compaction keeps the header of a producer's last batch when all of its records are gone.
    let batch = rewrite_base_offset(&around(&[], 0, 9), 100, 5);
    let view = only(batch);
    view.verify_crc()
        .expect("offsets lie outside of the checksum");
    assert_eq!((view.last_offset(), view.next_offset()), (109, 110));
    let records = view.into_records().expect("well formed");
    assert!(records.is_empty() && records.records().next().is_none());
    assert_eq!(records.next_offset(), 110);
}

#[test]
fn a_compacted_batch_keeps_the_offsets_of_what_is_left() {
    // Two records, at deltas 2 and 7 of 0 to 9.
    let batch = only(rewrite_base_offset(
        &around(&[12, 0, 0, 4, 1, 1, 0, 12, 0, 0, 14, 1, 1, 0], 2, 9),
        1000,
        5,
    ));
    let records = batch.into_records().expect("well formed");
    assert!(
        records
            .records()
            .map(|record| record.offset())
            .eq([1002, 1007])
    );
    assert_eq!(records.next_offset(), 1010);
    assert_eq!(
        records
            .records()
            .next()
            .map(|record| (record.key(), record.value())),
        Some((None, None))
    );
}

#[test]
fn headers_keep_order_and_duplicates_and_need_no_utf8() {
    let headers = [
        HeaderFields {
            key: b"b",
            value: Some(b"1"),
        },
        HeaderFields {
            key: b"a",
            value: None,
        },
        HeaderFields {
            key: b"b",
            value: Some(b""),
        },
        HeaderFields {
            key: &[0xff, 0xfe],
            value: Some(b"2"),
        },
        HeaderFields {
            key: b"",
            value: Some(b"3"),
        },
    ];
    let mut builder = BatchBuilder::new();
    builder.append(&RecordFields {
        timestamp: 1,
        key: None,
        value: None,
        headers: &headers,
    });
    let batch = only(builder.finish().seal().stamp(&Stamp::NONE).to_bytes())
        .into_records()
        .expect("well formed");
    let record = batch.records().next().expect("one");
    assert_eq!(record.headers().len(), 5);
    assert!(
        record
            .headers()
            .map(|header| (header.key, header.value))
            .eq(headers.map(|h| (h.key, h.value)))
    );
}

#[test]
fn append_time_overrides_each_records_time() {
    let batch = patched(&small(), &[(21, &[0, 0x18]), (35, &7777_i64.to_be_bytes())]);
    let view = only(batch);
    assert_eq!(view.timestamp_type(), TimestampType::LogAppendTime);
    let records = view.into_records().expect("well formed");
    assert!(
        records
            .records()
            .map(|record| record.timestamp())
            .eq([7777; 3])
    );
    let created = only(small()).into_records().expect("well formed");
    assert!(
        created
            .records()
            .map(|record| record.timestamp())
            .eq([1000, 1002, 1001])
    );
}

#[test]
fn a_timestamp_that_overflows_is_an_error() {
    let batch = patched(&small(), &[(27, &i64::MAX.to_be_bytes())]);
    assert_eq!(
        framing_error(batch.clone()),
        DecodeErrorKind::TimestampOverflow
    );
    // Under append time, the deltas mean nothing.
    assert!(
        only(patched(&batch, &[(21, &[0, 0x18])]))
            .into_records()
            .is_ok()
    );
}

#[test]
fn formats_before_and_after_ours_are_told_apart() {
    let walk = |batch: Bytes| kind(batches(batch).next().expect("one"));
    assert_eq!(
        walk(patched(&small(), &[(16, &[0])])),
        DecodeErrorKind::OldMagic(0)
    );
    assert_eq!(
        walk(patched(&small(), &[(16, &[1])])),
        DecodeErrorKind::OldMagic(1)
    );
    assert_eq!(
        walk(patched(&small(), &[(16, &[3])])),
        DecodeErrorKind::UnknownMagic(3)
    );
    let mut walk = batches(patched(&small(), &[(16, &[0])]));
    assert!(walk.next().is_some_and(|batch| batch.is_err()) && walk.next().is_none());
}

#[test]
fn headers_that_make_no_sense_are_errors() {
    let walk = |at: usize, bytes: &[u8]| {
        kind(
            batches(patched(&small(), &[(at, bytes)]))
                .next()
                .expect("one"),
        )
    };
    assert_eq!(
        walk(8, &(-1_i32).to_be_bytes()),
        DecodeErrorKind::BatchLength(-1)
    );
    assert_eq!(
        walk(8, &13_i32.to_be_bytes()),
        DecodeErrorKind::BatchLength(13)
    );
    assert_eq!(
        walk(8, &48_i32.to_be_bytes()),
        DecodeErrorKind::BatchLength(48)
    );
    assert_eq!(
        walk(23, &(-1_i32).to_be_bytes()),
        DecodeErrorKind::OffsetDelta(-1)
    );
    assert_eq!(
        walk(57, &(-1_i32).to_be_bytes()),
        DecodeErrorKind::RecordCount(-1)
    );
    assert_eq!(
        walk(0, &(i64::MAX - 2).to_be_bytes()),
        DecodeErrorKind::OffsetOverflow
    );
}

#[test]
fn compressed_records_are_a_clear_error() {
    let codecs = [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
        Compression::Unknown(5),
    ];
    for (bits, codec) in (1..).zip(codecs) {
        let view = only(patched(&small(), &[(21, &[0, bits])]));
        assert_eq!(view.compression(), codec);
        view.verify_crc().expect("fits");
        assert_eq!(
            kind(view.into_records()),
            DecodeErrorKind::UnsupportedCompression(codec)
        );
    }
}

#[test]
fn records_must_fill_the_batch_exactly() {
    let record: [u8; 7] = [12, 0, 0, 0, 1, 1, 0];
    let twice = [12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0];
    assert!(only(around(&twice, 2, 1)).into_records().is_ok());
    assert_eq!(
        framing_error(around(&twice, 1, 1)),
        DecodeErrorKind::RecordCount(1)
    );
    assert_eq!(
        framing_error(around(&twice, 3, 2)),
        DecodeErrorKind::RecordCount(3)
    );
    assert_eq!(
        framing_error(around(&record, i32::MAX, i32::MAX)),
        DecodeErrorKind::RecordCount(i32::MAX)
    );
    assert_eq!(
        framing_error(around(&[12, 0, 0, 0, 1, 1], 1, 0)),
        DecodeErrorKind::Truncated
    );
    assert_eq!(
        framing_error(around(&[14, 0, 0, 0, 1, 1, 0, 9], 1, 0)),
        DecodeErrorKind::RecordLength
    );
    assert_eq!(
        framing_error(around(&[1, 0, 0, 0, 1, 1, 0], 1, 0)),
        DecodeErrorKind::NegativeLength(-1)
    );
    assert_eq!(
        framing_error(around(&[12, 0, 0, 0, 3, 1, 0], 1, 0)),
        DecodeErrorKind::NegativeLength(-2)
    );
    assert_eq!(
        framing_error(around(&[12, 0, 0, 0, 1, 1, 2], 1, 0)),
        DecodeErrorKind::Truncated
    );
    assert_eq!(
        framing_error(around(&[0], 1, 0)),
        DecodeErrorKind::Truncated
    );
    let overlong = [0xff, 0xff, 0xff, 0xff, 0x1f, 0];
    assert_eq!(
        framing_error(around(&overlong, 1, 0)),
        DecodeErrorKind::OverlongVarint
    );
}

#[test]
fn offsets_rise_and_stay_within_the_batch() {
    let records =
        |first: u8, second: u8| [12, 0, 0, first * 2, 1, 1, 0, 12, 0, 0, second * 2, 1, 1, 0];
    assert!(only(around(&records(0, 1), 2, 1)).into_records().is_ok());
    assert_eq!(
        framing_error(around(&records(1, 1), 2, 1)),
        DecodeErrorKind::OffsetDelta(1)
    );
    assert_eq!(
        framing_error(around(&records(0, 2), 2, 1)),
        DecodeErrorKind::OffsetDelta(2)
    );
    assert_eq!(
        framing_error(around(&[12, 0, 0, 1, 1, 1, 0], 1, 0)),
        DecodeErrorKind::OffsetDelta(-1)
    );
}

#[test]
fn an_error_says_at_which_byte_of_the_batch() {
    let error = only(around(&[12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0], 2, 1))
        .into_records()
        .expect_err("offset");
    assert_eq!(
        (error.field, error.position, error.api),
        ("offset delta", HEADER_LEN + 7, None)
    );
}

#[test]
fn control_batches_say_how_the_transaction_ended() {
    for (asked, said) in [
        (
            ControlKind::Abort,
            ControlRecord::Abort {
                coordinator_epoch: 9,
            },
        ),
        (
            ControlKind::Commit,
            ControlRecord::Commit {
                coordinator_epoch: 9,
            },
        ),
    ] {
        let batch = only(control_batch(asked, 4711, 3, 9, 500, 1000));
        batch.verify_crc().expect("whole");
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!(
            (batch.header().producer_id, batch.header().producer_epoch),
            (4711, 3)
        );
        assert_eq!(
            (batch.header().base_sequence, batch.next_offset()),
            (-1, 501)
        );
        assert_eq!(batch.control(), Ok(Some(said)));
    }
    assert_eq!(only(small()).control(), Ok(None));
}

#[test]
fn control_batches_of_other_kinds_or_none_are_told_apart() {
    let commit = control_batch(ControlKind::Commit, 1, 0, 0, 0, 0);
    // Length, attributes, timestamp delta, offset delta and key length come before the key.
    let kind_at = HEADER_LEN + 5 + 2;
    let leader_change = only(patched(&commit, &[(kind_at, &2_i16.to_be_bytes())]));
    assert_eq!(
        leader_change.control(),
        Ok(Some(ControlRecord::Unknown {
            version: 0,
            kind: 2
        }))
    );
    let mut emptied = BytesMut::from(&commit[..HEADER_LEN]);
    emptied[8..12].copy_from_slice(&49_i32.to_be_bytes());
    let emptied = patched(&emptied.freeze(), &[(57, &0_i32.to_be_bytes())]);
    assert_eq!(only(emptied).control(), Ok(None));
    // A data record in a control batch: too short to be a marker.
    let odd = only(patched(&small(), &[(21, &[0, 0x30])]));
    assert_eq!(kind(odd.control()), DecodeErrorKind::Truncated);
}

#[test]
fn a_split_batch_has_the_same_records_in_two_halves() {
    let mut random = Rng::with_seed(14);
    for count in [2, 3, 10, 101] {
        let records: Vec<_> = (0..count).map(|_| Owned::random(&mut random)).collect();
        let (first, second) = seal(&records).split().expect("two records at least");
        assert_eq!(
            (
                first.record_count() as usize,
                second.record_count() as usize
            ),
            (count / 2, count - count / 2)
        );
        let mut joined = Vec::new();
        for half in [first, second] {
            let half = only(half.stamp(&STAMP).to_bytes());
            half.verify_crc().expect("sealed anew");
            let half = half.into_records().expect("well formed");
            assert_eq!(half.records().next().map(|record| record.offset()), Some(0));
            joined.extend(Owned::all_of(&half));
        }
        assert_eq!(joined, records);
    }
    assert!(seal(&[Owned::random(&mut random)]).split().is_none());
}

#[test]
fn a_broker_places_a_batch_without_breaking_its_checksum() {
    let placed = only(rewrite_base_offset(&small(), 1 << 40, 17));
    placed.verify_crc().expect("outside of the checksum");
    assert_eq!(
        (
            placed.header().base_offset,
            placed.header().partition_leader_epoch
        ),
        (1 << 40, 17)
    );
    assert_eq!(placed.next_offset(), (1 << 40) + 3);
    assert_eq!(
        rewrite_base_offset(&Bytes::from_static(b"short"), 1, 1),
        Bytes::from_static(b"short")
    );
}

#[test]
fn mutated_batches_with_a_fitting_checksum_are_survived_and_what_is_accepted_can_be_read() {
    let mut random = Rng::with_seed(15);
    let mut accepted = 0;
    for _ in 0..50 {
        let records: Vec<_> = (0..random.usize(1..8))
            .map(|_| Owned::random(&mut random))
            .collect();
        let batch = seal(&records).stamp(&STAMP).to_bytes();
        for _ in 0..2000 {
            let at = random.usize(..batch.len().min(400));
            let noise = [random.u8(..), random.u8(..)];
            let mutated = patched(
                &batch,
                &[(
                    at,
                    &noise[..1 + usize::from(random.bool() && at + 1 < batch.len())],
                )],
            );
            for view in batches(mutated).filter_map(Result::ok) {
                let _ = (view.verify_crc(), view.control());
                let Ok(read) = view.into_records() else {
                    continue;
                };
                accepted += 1;
                assert_eq!(read.records().count(), read.len());
                read.records().for_each(|record| {
                    assert_eq!(record.headers().count(), record.headers().len())
                });
                assert!(
                    read.records()
                        .all(|record| record.offset() < read.next_offset())
                );
            }
        }
    }
    assert!(accepted > 10_000, "{accepted}");
}

//! What is built is read back.

use bytes::Bytes;
use fastrand::Rng;
use milena_wire::record::*;

use crate::support::*;

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
    assert!(first.parts().count() > 2);
    let shared = first.parts().zip(second.parts()).skip(1);
    shared.for_each(|(a, b)| assert_eq!(a.as_ptr(), b.as_ptr()));
    assert_eq!(first.parts().next().map(<[u8]>::len), Some(HEADER_LEN));
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

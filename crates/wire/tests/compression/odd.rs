//! Batches whose header and compressed records do not agree.

use milena_wire::DecodeErrorKind;
use milena_wire::compress::Decompressor;
use milena_wire::record::{Compression, ControlKind, ControlRecord, batches, control_batch};

use crate::support::{CODECS, body, events, forged, payload, read, sealed, sent, values};

#[test]
fn a_count_that_lies_is_an_error_in_every_codec() {
    let values: Vec<_> = (0..5).map(|_| vec![b'x'; 200]).collect();
    for compression in CODECS {
        let body = body(&sent(&sealed(&values, compression)));
        assert_eq!(read(compression, 5, &body), Ok(values.clone()));
        for count in [0, 1, 4, 6, i32::MAX] {
            // The last offset that the header says follows from the count.
            let error = read(compression, count, &body).expect_err("a lie");
            let expected = [
                DecodeErrorKind::RecordCount(count),
                DecodeErrorKind::OffsetDelta(i32::from(count != 0)),
            ];
            assert!(
                expected.contains(&error),
                "{compression} {count}: {error:?}"
            );
        }
    }
}

#[test]
fn an_emptied_batch_keeps_its_codec_and_its_last_offset() {
    for compression in CODECS {
        let view = forged(compression, 0, b"");
        assert_eq!(view.compression(), compression);
        let batch = view.into_records().expect("empty");
        assert!(batch.is_empty() && batch.next_offset() == 1);
        // One that counts records and has none is not that.
        assert!(forged(compression, 1, b"").into_records().is_err());
    }
}

#[test]
fn the_bytes_of_one_codec_are_not_read_by_another() {
    let values = [vec![b'x'; 200]];
    for written in CODECS {
        let body = body(&sent(&sealed(&values, written)));
        for read_as in CODECS.into_iter().filter(|codec| *codec != written) {
            let error = read(read_as, 1, &body).expect_err("not its own");
            assert!(
                matches!(error, DecodeErrorKind::Decompression { compression, .. } if compression == read_as),
                "{written} as {read_as}: {error:?}"
            );
        }
        assert!(read(Compression::None, 1, &body).is_err());
        for number in 5..=7 {
            let unknown = Compression::Unknown(number);
            let error = read(unknown, 1, &body);
            assert_eq!(error, Err(DecodeErrorKind::UnsupportedCompression(unknown)));
        }
    }
}

#[test]
fn errors_say_codec_fault_and_place() {
    let error = forged(Compression::Lz4, 1, b"nonsense").into_records();
    let error = error.expect_err("nonsense").to_string();
    assert_eq!(error, "records at byte 61: lz4 data: no LZ4 frame");
    let batch = sealed(&[vec![0; 5000]], Compression::Zstd);
    let error = sent(&batch).into_records_with(&mut Decompressor::new(4999));
    let error = error.expect_err("too long").to_string();
    assert_eq!(
        error,
        "records at byte 61: more than 4999 bytes when decompressed"
    );
}

#[test]
fn the_limit_is_exact() {
    let mut random = fastrand::Rng::with_seed(8);
    for compression in CODECS {
        for size in [500, 5_000, 100_000, 300_000] {
            for value in [vec![3; size], events(&mut random, size)] {
                let batch = sealed(&[value], compression);
                assert_eq!(batch.compression(), compression);
                let plain = payload(&values(sent(&batch))).seal();
                let len = body(&sent(&plain)).len();
                let at = |max| sent(&batch).into_records_with(&mut Decompressor::new(max));
                assert!(at(len).is_ok(), "{compression} {size}");
                for max in [0, len / 2, len - 1] {
                    let error = at(max).expect_err("beyond").kind;
                    let expected = DecodeErrorKind::DecompressedTooLong { max };
                    assert_eq!(error, expected, "{compression} {size}");
                }
            }
        }
    }
}

#[test]
fn an_error_leaves_the_decompressor_as_it_was() {
    let values: Vec<_> = (0..50)
        .map(|_| events(&mut fastrand::Rng::with_seed(9), 300))
        .collect();
    let mut decompressor = Decompressor::default();
    for compression in CODECS {
        let view = sent(&sealed(&values, compression));
        let whole = body(&view);
        for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
            let broken = forged(compression, 50, &whole[..cut]);
            assert!(broken.into_records_with(&mut decompressor).is_err());
            let read = view.clone().into_records_with(&mut decompressor);
            assert_eq!(read.expect("whole").len(), 50, "{compression}");
        }
    }
}

#[test]
fn a_compressed_control_batch_is_read() {
    // No broker compresses one, but none would be wrong to.
    let plain = control_batch(ControlKind::Commit, 1, 2, 3, 4, 5);
    let records = &plain[61..];
    let literal = [
        &[records.len() as u8, (records.len() as u8 - 1) << 2],
        records,
    ]
    .concat();
    let mut bytes = plain[..61].to_vec();
    bytes.extend(literal);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] |= 2;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let view = batches(bytes.into()).next().expect("whole").expect("valid");
    assert!(view.is_control() && view.compression() == Compression::Snappy);
    let commit = ControlRecord::Commit {
        coordinator_epoch: 3,
    };
    assert_eq!(view.control(), Ok(Some(commit)));
}

#[test]
fn a_control_batch_is_not_given_the_memory_of_a_batch_of_data() {
    let value = vec![b'x'; 100_000];
    for compression in CODECS {
        let mut bytes = sent(&sealed(std::slice::from_ref(&value), compression))
            .bytes()
            .to_vec();
        bytes[22] |= 0x20;
        let view = batches(bytes.into()).next().expect("whole").expect("valid");
        assert!(view.is_control());
        let error = view.control().expect_err("far more than any marker");
        assert_eq!(
            error.kind,
            DecodeErrorKind::DecompressedTooLong { max: 64 * 1024 }
        );
    }
}

//! Which levels there are.

use milena_wire::compress::{Codec, Compressor, InvalidCodec};
use milena_wire::record::Compression;

use crate::support::{events, payload, sent, values};

#[test]
fn every_level_that_is_there_is_read_back() {
    let mut random = fastrand::Rng::with_seed(4);
    let records = [events(&mut random, 70_000), events(&mut random, 3)];
    let zstd = if cfg!(feature = "zstd-c") {
        -9..=22
    } else {
        -7..=4
    };
    let gzip = std::iter::once(-1).chain(1..=9);
    let mut choices = vec![(Compression::Lz4, 9)];
    choices.extend(gzip.map(|level| (Compression::Gzip, level)));
    choices.extend(zstd.map(|level| (Compression::Zstd, level)));
    // One after the other, so that each level takes over the memory of the one before.
    let mut compressor = Compressor::default();
    for (compression, level) in choices {
        let codec = Codec::new(compression, Some(level)).expect("there");
        assert_eq!(codec.compression(), compression);
        let batch = payload(&records).seal_with(codec, &mut compressor);
        assert_eq!(batch.compression(), compression, "{level}");
        assert_eq!(values(sent(&batch)), records, "{compression} {level}");
    }
}

#[test]
fn a_level_is_what_the_codec_works_with() {
    let records = [events(&mut fastrand::Rng::with_seed(5), 200_000)];
    let len = |compression, level| {
        let codec = Codec::new(compression, level).expect("there");
        let batch = payload(&records).seal_with(codec, &mut Compressor::default());
        batch.wire_len()
    };
    let (gzip, zstd) = (Compression::Gzip, Compression::Zstd);
    assert!(len(gzip, Some(9)) < len(gzip, Some(1)));
    assert!(len(zstd, Some(4)) < len(zstd, Some(-5)));
    // Kafka's own choices, and what 0 stands for.
    assert_eq!(len(gzip, None), len(gzip, Some(6)));
    assert_eq!(len(gzip, None), len(gzip, Some(-1)));
    assert_eq!(len(zstd, None), len(zstd, Some(3)));
    assert_eq!(len(zstd, None), len(zstd, Some(0)));
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let refused = |compression, level| {
        let error: InvalidCodec = Codec::new(compression, level).expect_err("not there");
        error.to_string()
    };
    let gzip = "gzip compression has no level 10 in this build, only 1 to 9, and -1 for gzip's usual one, which is 6";
    assert_eq!(refused(Compression::Gzip, Some(10)), gzip);
    assert!(Codec::new(Compression::Gzip, Some(0)).is_err());
    let lz4 = "lz4 compression has no level 3 in this build, only 9, Kafka's name for the fast compressor: the slower LZ4-HC, which has the \
               other levels, is not there";
    assert_eq!(refused(Compression::Lz4, Some(3)), lz4);
    let zstd = refused(Compression::Zstd, Some(23));
    assert!(
        zstd.starts_with("zstd compression has no level 23 in this build, only -"),
        "{zstd}"
    );
    assert_eq!(
        Codec::new(Compression::Zstd, Some(19)).is_ok(),
        cfg!(feature = "zstd-c")
    );
    let snappy = "snappy compression has no levels, so not 1 either";
    assert_eq!(refused(Compression::Snappy, Some(1)), snappy);
    let unknown = "unknown (5) compression is not in this build";
    assert_eq!(refused(Compression::Unknown(5), None), unknown);
}

#[test]
fn without_a_choice_nothing_is_compressed() {
    assert_eq!(Codec::default(), Codec::NONE);
    assert_eq!(Codec::new(Compression::None, None), Ok(Codec::NONE));
    assert!(Codec::new(Compression::None, Some(1)).is_err());
}

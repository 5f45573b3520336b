//! A connection's bytes, in whatever pieces they come.

use bytes::{Bytes, BytesMut};
use milena_wire::{DecodeErrorKind, take_frame};

use super::input::Input;

/// What a connection said: its frames, why it is of no more use, and what is left of the last frame.
#[derive(Debug, PartialEq)]
struct Said {
    frames: Vec<Bytes>,
    error: Option<DecodeErrorKind>,
    left: usize,
}

/// The largest frame allowed, the lengths of pieces, then the stream.
pub(crate) fn frame_splitter(data: &[u8]) {
    let mut input = Input(data);
    let frame_bytes_max = usize::from(input.u16());
    let count = usize::from(input.u8() % 8);
    let lengths = input.bytes(count);
    let stream = input.0;
    let whole = listen(std::iter::once(stream), frame_bytes_max);
    check(&whole, stream, frame_bytes_max);
    let pieced = listen(pieces(stream, lengths), frame_bytes_max);
    assert_eq!(pieced.frames, whole.frames);
    assert_eq!(pieced.error, whole.error);
    if whole.error.is_none() {
        assert_eq!(pieced.left, whole.left);
    }
}

fn listen<'a>(pieces: impl Iterator<Item = &'a [u8]>, frame_bytes_max: usize) -> Said {
    let mut buffer = BytesMut::new();
    let (mut frames, mut error) = (Vec::new(), None);
    'pieces: for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match take_frame(&mut buffer, frame_bytes_max) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(refused) => {
                    error = Some(refused.kind);
                    break 'pieces;
                }
            }
        }
    }
    Said {
        frames,
        error,
        left: buffer.len(),
    }
}

/// Nothing of the stream is lost or made up, and no frame is longer than allowed.
fn check(said: &Said, stream: &[u8], frame_bytes_max: usize) {
    let mut rest = stream;
    for frame in &said.frames {
        assert!(frame.len() <= frame_bytes_max);
        let (prefix, after) = rest.split_first_chunk().expect("a frame has a prefix");
        assert_eq!(u32::from_be_bytes(*prefix) as usize, frame.len());
        let (bytes, after) = after.split_at(frame.len());
        assert_eq!(frame, bytes);
        rest = after;
    }
    assert_eq!(said.left, rest.len());
    let announced = rest.first_chunk().map(|prefix| i32::from_be_bytes(*prefix));
    match (said.error, announced) {
        (None, None) => {}
        (None, Some(len)) => {
            let len = usize::try_from(len).expect("negative lengths are refused");
            assert!(len <= frame_bytes_max && rest.len() < 4 + len);
        }
        (Some(DecodeErrorKind::NegativeLength(told)), Some(len)) => {
            assert!(len < 0 && told == len);
        }
        (Some(DecodeErrorKind::FrameTooLong { len: told, max }), Some(len)) => {
            assert!(told > max && max == frame_bytes_max && told == len.unsigned_abs() as usize);
        }
        other => panic!("{other:?}"),
    }
}

/// `stream` in pieces of these lengths, and over again; in single bytes if there are none.
fn pieces<'a>(stream: &'a [u8], lengths: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = stream;
    let mut lengths = lengths.iter().cycle();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let len = lengths.next().map_or(1, |len| 1 + usize::from(*len));
        let (piece, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        Some(piece)
    })
}

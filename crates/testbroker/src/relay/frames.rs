//! The frames of one direction of a connection.

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    time::sleep,
};

use super::route::{RelayPath, Route};

/// What has been read and not yet passed on.
pub(super) struct Frames<'a> {
    from: ReadHalf<'a>,
    buffer: BytesMut,
}

impl<'a> Frames<'a> {
    pub(super) fn new(from: ReadHalf<'a>) -> Self {
        Self {
            from,
            buffer: BytesMut::with_capacity(PIECE_BYTES),
        }
    }

    /// Waits for the next frame's first `HEAD` bytes and takes none of them: the frame's length with its prefix, and
    /// the bytes after the prefix.
    pub(super) async fn head<const HEAD: usize>(&mut self) -> io::Result<(usize, &[u8])> {
        while self.buffer.len() < HEAD {
            self.read_some().await?;
        }
        let mut head = &self.buffer[..HEAD];
        let length = head.get_i32();
        match usize::try_from(length) {
            Ok(length) if (HEAD - PREFIX_BYTES..=FRAME_BYTES_MAX).contains(&length) => {
                Ok((length + PREFIX_BYTES, head))
            }
            // Not Kafka, or out of step: nothing after this can be understood.
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "frame length out of bounds",
            )),
        }
    }

    /// Passes a frame on piece by piece as it arrives, as fast as the path lets it; `copy` gets the same bytes.
    pub(super) async fn forward(
        &mut self,
        frame_bytes: usize,
        to: &mut WriteHalf<'_>,
        route: &Route,
        mut copy: Option<&mut Vec<u8>>,
    ) -> io::Result<()> {
        let mut left = frame_bytes;
        while left > 0 {
            if self.buffer.is_empty() {
                self.read_some().await?;
            }
            let path = route.state().path;
            let piece = left.min(self.buffer.len()).min(piece_bytes_max(path));
            let piece = self.buffer.split_to(piece);
            if let Some(copy) = &mut copy {
                copy.extend_from_slice(&piece);
            }
            to.write_all(&piece).await?;
            left -= piece.len();
            if let RelayPath::Throttled { bytes_per_second } = path {
                let seconds = piece.len() as f64 / f64::from(bytes_per_second.max(1));
                sleep(Duration::from_secs_f64(seconds)).await;
            }
        }
        Ok(())
    }

    /// Reads a frame to its end without passing it on.
    pub(super) async fn take(&mut self, frame_bytes: usize, into: &mut Vec<u8>) -> io::Result<()> {
        while into.len() < frame_bytes {
            if self.buffer.is_empty() {
                self.read_some().await?;
            }
            let piece = self
                .buffer
                .split_to((frame_bytes - into.len()).min(self.buffer.len()));
            into.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// Half of what has been read of the frame: never the whole of it.
    pub(super) fn first_half(&self, frame_bytes: usize) -> &[u8] {
        &self.buffer[..frame_bytes.min(self.buffer.len()) / 2]
    }

    async fn read_some(&mut self) -> io::Result<()> {
        self.buffer.reserve(PIECE_BYTES);
        match self.from.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A throttled path passes about ten pieces a second: the peer sees a slow stream, not rare lumps.
fn piece_bytes_max(path: RelayPath) -> usize {
    match path {
        RelayPath::Throttled { bytes_per_second } => {
            usize::try_from(bytes_per_second / 10).map_or(PIECE_BYTES, |bytes| bytes.max(1))
        }
        _ => PIECE_BYTES,
    }
}

/// The length prefix of a frame.
const PREFIX_BYTES: usize = 4;

/// Kafka's own limit (`socket.request.max.bytes`): a length above it means that the peer does not speak Kafka.
const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;

/// As much as is read at once, and so at most held of a frame in a direction.
const PIECE_BYTES: usize = 64 * 1024;

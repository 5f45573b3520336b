//! A connection that sends whole requests and hands back whole answers.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::failure::{Context, Result};

const FRAME_BYTES_MAX: usize = 64 << 20;

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Frame(Bytes),
    /// The broker closed the connection.
    Closed,
    /// Nothing, in the time given.
    Nothing,
}

/// One connection; reconnects when it is used after the broker closed it.
#[derive(Debug)]
pub(crate) struct Link {
    address: String,
    stream: Option<TcpStream>,
    buffer: BytesMut,
}

impl Link {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            stream: None,
            buffer: BytesMut::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(&self.address)
                    .context(|| format!("connect to {}", self.address))?;
                stream.set_nodelay(true)?;
                self.buffer.clear();
                none.insert(stream)
            }
        };
        // A connection that the broker has closed takes the bytes or refuses them; reading tells.
        let _ = stream.write_all(bytes);
        Ok(())
    }

    /// The next answer.
    pub(crate) fn hear(&mut self, timeout: Duration) -> Result<Heard> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(frame) = milena_wire::take_frame(&mut self.buffer, FRAME_BYTES_MAX)? {
                return Ok(Heard::Frame(frame));
            }
            let Some(stream) = &mut self.stream else {
                return Ok(Heard::Closed);
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Heard::Nothing);
            }
            stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let mut chunk = [0; 16 * 1024];
            match stream.read(&mut chunk) {
                Ok(0) => {
                    self.stream = None;
                    return Ok(Heard::Closed);
                }
                Ok(len) => self.buffer.extend_from_slice(&chunk[..len]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.stream = None;
                    return Ok(Heard::Closed);
                }
            }
        }
    }
}

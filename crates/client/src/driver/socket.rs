//! One socket, from connecting to closed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use milena_engine::Engine;
use milena_engine::driver::{CloseReason, LinkId};
use tokio::net::TcpStream;

/// Reads and writes of one socket in one turn, so that a busy one does not keep the others waiting.
const TURNS_MAX: usize = 16;

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

pub(super) struct Socket {
    link: LinkId,
    waker: Waker,
    state: State,
    /// The engine has bytes to write.
    pub(super) wants_write: bool,
}

enum State {
    Connecting(Connecting),
    Open(TcpStream),
}

impl Socket {
    pub(super) fn connect(link: LinkId, host: String, port: u16, waker: Waker) -> Self {
        let connecting = async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            // A request must not wait for the answer to the one before it (Nagle).
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        Self {
            link,
            waker,
            state: State::Connecting(Box::pin(connecting)),
            wants_write: false,
        }
    }

    /// Moves what can be moved. The reason, once the connection is no more.
    pub(super) fn drive(&mut self, now: Instant, engine: &mut Engine) -> Result<(), CloseReason> {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        if let State::Connecting(connecting) = &mut self.state {
            match connecting.as_mut().poll(&mut cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => {
                    return Err(CloseReason::ConnectFailed(error.to_string()));
                }
                Poll::Ready(Ok(stream)) => {
                    self.state = State::Open(stream);
                    engine.handle_connected(now, self.link);
                }
            }
        }
        let State::Open(stream) = &self.state else {
            return Ok(());
        };
        let closed = |error: io::Error| CloseReason::Closed(error.to_string());
        read(stream, &mut cx, now, self.link, engine).map_err(closed)?;
        if self.wants_write {
            self.wants_write = !write(stream, &mut cx, now, self.link, engine).map_err(closed)?;
        }
        Ok(())
    }
}

fn read(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    now: Instant,
    link: LinkId,
    engine: &mut Engine,
) -> io::Result<()> {
    for _ in 0..TURNS_MAX {
        match stream.poll_read_ready(cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(ready) => ready?,
        }
        // A link that the engine has closed meanwhile: its Close is among the actions to come.
        let Some(buffer) = engine.read_buffer(link) else {
            return Ok(());
        };
        match stream.try_read_buf(buffer) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the broker closed the connection",
                ));
            }
            Ok(_) => engine.handle_read(now, link),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    cx.waker().wake_by_ref();
    Ok(())
}

/// True once there is nothing left to write.
fn write(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    now: Instant,
    link: LinkId,
    engine: &mut Engine,
) -> io::Result<bool> {
    for _ in 0..TURNS_MAX {
        // Asked for first: what is offered counts as started, and must not be offered to a socket that is full.
        match stream.poll_write_ready(cx) {
            Poll::Pending => return Ok(false),
            Poll::Ready(ready) => ready?,
        }
        let mut slices = Vec::new();
        engine.write_slices(link, &mut slices);
        if slices.is_empty() {
            return Ok(true);
        }
        match stream.try_write_vectored(&slices) {
            Ok(written) => engine.handle_written(now, link, written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    cx.waker().wake_by_ref();
    Ok(false)
}

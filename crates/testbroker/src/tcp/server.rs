//! The tasks of the broker's thread: one that keeps time and listeners, one a connection.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, sleep_until};

use super::shared::{Accepted, Shared, ToClient, now};
use crate::connection::ConnectionId;

/// Bytes read at once: few while little comes, so that ten thousand idle connections cost little.
const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 256 * 1024;
/// How long one connection has before others have their turn, looked at after so many bytes: they may
/// be hundreds of requests or a piece of one.
const TURN_MAX: Duration = Duration::from_millis(1);
const TURN_BYTES: usize = 4 * 1024;
/// Bytes behind an unanswered request from which on a connection is not read: TCP tells the client.
const BACKLOG_BYTES: usize = 1024 * 1024;
/// Connections that wait to be accepted: beyond it a client tries again after a second, so clients that
/// come by the thousand should fit. The system may have a lower limit.
const ACCEPT_BACKLOG: u32 = 4_096;
/// How long a client may take to read what was sent before the broker closed its connection. One that
/// reads nothing would keep the connection, which the broker counts no more, for ever.
const LINGER: Duration = Duration::from_secs(1);
/// How often a connection that is not read, or a port that could not be bound again, is looked at.
const RECHECK: Duration = Duration::from_millis(5);

/// Serves until `stopped`; what runs then ends with the runtime.
pub(super) async fn run(
    shared: &Arc<Shared>,
    listeners: Vec<TcpListener>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut nodes = Nodes::new(listeners);
    loop {
        // First what the timers want: one may start a node, which is to listen then.
        shared.input(|state| state.broker.handle_timeout(now()));
        let missing = nodes.follow(shared).await;
        let deadline = shared.input(|state| state.broker.poll_timeout());
        let recheck = missing.then(|| now() + RECHECK);
        let until = deadline.into_iter().chain(recheck).min();
        let timer = async {
            match until {
                Some(until) => sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = timer => {}
            () = shared.changed.notified() => {}
            _ = &mut stopped => return,
        }
    }
}

/// Listens, from within the runtime that will accept.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As the standard library does: a port that was in use a moment ago can be used again. On Windows
    // the same option would let two programs listen at once.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_BACKLOG)
}

/// The listeners of the nodes. A node that is down has none, so that connecting to it is refused.
struct Nodes {
    ports: Vec<SocketAddr>,
    /// One a node; the first ones are bound before the thread starts.
    bound: Vec<Option<TcpListener>>,
    accepting: Vec<JoinSet<()>>,
}

impl Nodes {
    fn new(listeners: Vec<TcpListener>) -> Self {
        let ports = listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect();
        let accepting = listeners.iter().map(|_| JoinSet::new()).collect();
        Self {
            ports,
            bound: listeners.into_iter().map(Some).collect(),
            accepting,
        }
    }

    /// Opens and closes listeners as the broker's nodes are up or down; true if one that should
    /// listen does not.
    async fn follow(&mut self, shared: &Arc<Shared>) -> bool {
        let up: Vec<bool> =
            shared.input(|state| state.broker.nodes().iter().map(|node| node.up).collect());
        let mut missing = false;
        for (index, up) in up.into_iter().enumerate() {
            let (Some(accepting), Some(address)) =
                (self.accepting.get_mut(index), self.ports.get(index))
            else {
                continue;
            };
            if !up {
                self.bound[index] = None;
                // The listener goes, and with it the tasks of its connections, as in a crash.
                accepting.shutdown().await;
                continue;
            }
            if !accepting.is_empty() {
                continue;
            }
            let listener = match self.bound[index].take() {
                Some(listener) => Ok(listener),
                None => listen(*address),
            };
            match listener {
                Ok(listener) => {
                    let node = i32::try_from(index + 1).unwrap_or(i32::MAX);
                    accepting.spawn(accept(shared.clone(), listener, node));
                }
                // Somebody may hold the port for a moment.
                Err(_) => missing = true,
            }
        }
        missing
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, node: i32) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(serve(shared.clone(), stream, node));
                }
                // Out of descriptors: the clients that are there may leave.
                Err(_) => sleep(RECHECK).await,
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream, node: i32) {
    // A client that the broker does not want finds its connection closed.
    let Some(accepted) = shared.input(|state| state.connect(node)) else {
        return;
    };
    let _ = stream.set_nodelay(true);
    let Accepted {
        conn,
        answers,
        closed,
    } = accepted;
    let lingered = async {
        let _ = closed.await;
        sleep(LINGER).await;
    };
    // However it ends, the broker hears of it.
    tokio::select! {
        _ = shake_hands_and_converse(&shared, stream, conn, answers) => {}
        () = lingered => {}
    }
    shared.input(|state| state.disconnected(conn));
    shared.changed.notify_one();
}

async fn shake_hands_and_converse(
    shared: &Shared,
    stream: TcpStream,
    conn: ConnectionId,
    answers: mpsc::UnboundedReceiver<ToClient>,
) -> io::Result<()> {
    #[cfg(feature = "tls")]
    if let Some(acceptor) = &shared.tls {
        let stream = super::tls::accept(acceptor, stream).await?;
        // Its state is large, and most connections have none.
        return Box::pin(converse(shared, stream, conn, answers)).await;
    }
    converse(shared, stream, conn, answers).await
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    mut stream: S,
    conn: ConnectionId,
    mut answers: mpsc::UnboundedReceiver<ToClient>,
) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES_MIN);
    let mut backlog = 0;
    loop {
        tokio::select! {
            answer = answers.recv() => {
                let (written, end) = write(&mut stream, &mut answers, answer).await?;
                match end {
                    Some(Ended::Both) => return stream.shutdown().await,
                    Some(Ended::OurHalf) => stream.shutdown().await?,
                    None => {}
                }
                backlog = shared.input(|state| {
                    state.written(conn, written);
                    state.broker.backlog(conn)
                });
            }
            read = stream.read_buf(&mut buffer), if backlog < BACKLOG_BYTES => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                let mut began = now();
                for some in buffer.chunks(TURN_BYTES) {
                    if began.elapsed() > TURN_MAX {
                        yield_now().await;
                        began = now();
                    }
                    backlog = take_bytes(shared, conn, some);
                }
                buffer = emptied(buffer, read);
            }
            () = sleep(RECHECK), if backlog >= BACKLOG_BYTES => {
                backlog = shared.input(|state| state.broker.backlog(conn));
            }
        }
    }
}

/// Hands bytes to the broker; how many of them wait.
fn take_bytes(shared: &Shared, conn: ConnectionId, bytes: &[u8]) -> usize {
    shared.input(|state| {
        state.broker.handle_bytes(now(), conn, bytes);
        state.broker.backlog(conn)
    })
}

/// A buffer for the next read, larger or smaller as the last one was full or almost empty.
fn emptied(mut buffer: BytesMut, read: usize) -> BytesMut {
    let size = buffer.capacity();
    let wanted = match read {
        full if full >= size => (size * 4).min(READ_BYTES_MAX),
        little if little < size / 8 => (size / 4).max(READ_BYTES_MIN),
        _ => size,
    };
    if wanted == size {
        buffer.clear();
        return buffer;
    }
    BytesMut::with_capacity(wanted)
}

/// What of a connection ends.
enum Ended {
    OurHalf,
    Both,
}

/// Writes an answer and all that wait behind it; how many bytes, and what the broker ends then.
async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    answers: &mut mpsc::UnboundedReceiver<ToClient>,
    first: Option<ToClient>,
) -> io::Result<(usize, Option<Ended>)> {
    let mut parts: Vec<Bytes> = Vec::new();
    let mut next = first;
    let mut end = next.is_none().then_some(Ended::Both);
    while let Some(message) = next {
        match message {
            ToClient::Bytes(bytes) => parts.push(bytes),
            ToClient::HalfClose => {
                end = Some(Ended::OurHalf);
                break;
            }
            ToClient::Close => {
                end = Some(Ended::Both);
                break;
            }
        }
        next = answers.try_recv().ok();
    }
    let total = parts.iter().map(Bytes::len).sum();
    let mut at = 0;
    while at < parts.len() {
        let slices: Vec<_> = parts[at..]
            .iter()
            .take(64)
            .map(|part| IoSlice::new(part))
            .collect();
        let mut written = stream.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while at < parts.len() && written >= parts[at].len() {
            written -= parts[at].len();
            at += 1;
        }
        if at < parts.len() {
            parts[at].advance(written);
        }
    }
    // TLS keeps what the socket would not take.
    stream.flush().await?;
    Ok((total, end))
}

//! The relay's tasks: listeners, and for each connection one that carries frames both ways.

use std::{io, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use milena_wire::{ApiKey, CorrelationId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    runtime::Handle,
    time::{sleep, timeout},
};

use super::{
    rules::{RelayAction, RelayRuleId, Verdict},
    state::{ConnectionId, Shared, Target},
};

/// Accepts connections for one broker, for as long as the relay runs.
pub(super) async fn accept(listener: std::net::TcpListener, target: Target, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                Handle::current().spawn(serve(client, target.clone(), Arc::clone(&shared)));
            }
            // Out of file descriptors, or the peer is gone already: neither may end the listener.
            Err(_) => sleep(ACCEPT_BACKOFF).await,
        }
    }
}

/// Carries one connection until either side ends it, a fault does, or it is cut.
async fn serve(client: TcpStream, target: Target, shared: Arc<Shared>) {
    let (id, cut) = shared.state().open();
    tokio::select! {
        _ = cut => {}
        // Whatever the reason, the end of a connection is the same for both sides: it is closed.
        _ = carry(client, &target, &shared, id) => {}
    }
    shared.state().close(id);
}

async fn carry(
    mut client: TcpStream,
    target: &Target,
    shared: &Arc<Shared>,
    id: ConnectionId,
) -> io::Result<()> {
    let mut broker = TcpStream::connect((target.0.as_str(), target.1)).await?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (client_read, client_write) = client.split();
    let (broker_read, broker_write) = broker.split();
    tokio::select! {
        result = carry_requests(Frames::new(client_read), broker_write, target, shared, id) => result,
        result = carry_answers(Frames::new(broker_read), client_write, shared, id) => result,
    }
}

async fn carry_requests(
    mut frames: Frames<'_>,
    mut broker: WriteHalf<'_>,
    target: &Target,
    shared: &Arc<Shared>,
    id: ConnectionId,
) -> io::Result<()> {
    loop {
        // Length, API key, version, correlation id: the same bytes in every version of the request header.
        let (frame_bytes, mut head) = frames.head::<12>().await?;
        let api = ApiKey(head.get_i16());
        let _version = head.get_i16();
        let verdict = shared.state().enter(id, api, CorrelationId(head.get_i32()));

        let late = verdict.iter().find_map(|&(rule, action)| match action {
            RelayAction::ResendLater { .. } | RelayAction::ResendOnRelease(_) => {
                Some((rule, action))
            }
            _ => None,
        });
        let lost = fired_by(&verdict, RelayAction::LoseRequest);
        let cut = fired_by(&verdict, RelayAction::CutNow);
        let mut copy = Vec::new();
        match lost {
            Some(_) if late.is_some() => frames.take(frame_bytes, &mut copy).await?,
            Some(_) => {}
            None if cut.is_some() => broker.write_all(frames.first_half(frame_bytes)).await?,
            None => {
                frames
                    .forward(frame_bytes, &mut broker, late.map(|_| &mut copy))
                    .await?
            }
        }
        if let Some((rule, when)) = late.filter(|_| !copy.is_empty()) {
            Handle::current().spawn(resend(copy, when, rule, target.clone(), Arc::clone(shared)));
        }
        if let Some(rule) = lost.or(cut) {
            shared.count_fired(rule);
            return Ok(());
        }
    }
}

async fn carry_answers(
    mut frames: Frames<'_>,
    mut client: WriteHalf<'_>,
    shared: &Arc<Shared>,
    id: ConnectionId,
) -> io::Result<()> {
    loop {
        let (frame_bytes, mut head) = frames.head::<8>().await?;
        let correlation_id = CorrelationId(head.get_i32());
        let verdict = shared.state().answer(id, correlation_id);
        if let Some(rule) = fired_by(&verdict, RelayAction::LoseAnswer) {
            shared.count_fired(rule);
            return Ok(());
        }
        for (rule, action) in verdict {
            match action {
                // Meanwhile the later answers wait in the socket: nothing is buffered for them here.
                RelayAction::HoldAnswers(token) => shared.released(token).await,
                RelayAction::Delay(by) => {
                    sleep(by).await;
                    shared.count_fired(rule);
                }
                _ => {}
            }
        }
        shared.state().answered(id, correlation_id);
        frames.forward(frame_bytes, &mut client, None).await?;
    }
}

fn fired_by(verdict: &Verdict, wanted: RelayAction) -> Option<RelayRuleId> {
    verdict
        .iter()
        .find(|(_, action)| *action == wanted)
        .map(|&(rule, _)| rule)
}

/// Delivers a copy of a request over a connection of its own, and counts it when the broker has answered it.
async fn resend(
    copy: Vec<u8>,
    when: RelayAction,
    rule: RelayRuleId,
    target: Target,
    shared: Arc<Shared>,
) {
    match when {
        RelayAction::ResendLater { after } => sleep(after).await,
        RelayAction::ResendOnRelease(token) => shared.released(token).await,
        _ => {}
    }
    let deliver = async {
        let mut broker = TcpStream::connect((target.0.as_str(), target.1)).await?;
        broker.write_all(&copy).await?;
        let (read, _write) = broker.split();
        Frames::new(read).head::<8>().await.map(|_| ())
    };
    if let Ok(Ok(())) = timeout(RESEND_WAIT_MAX, deliver).await {
        shared.count_fired(rule);
    }
}

/// The frames of one direction: what has been read and not yet passed on.
struct Frames<'a> {
    from: ReadHalf<'a>,
    buffer: BytesMut,
}

impl<'a> Frames<'a> {
    fn new(from: ReadHalf<'a>) -> Self {
        Self {
            from,
            buffer: BytesMut::with_capacity(PIECE_BYTES),
        }
    }

    /// Waits for the next frame's first `HEAD` bytes and takes none of them: the frame's length with its prefix, and
    /// the bytes after the prefix.
    async fn head<const HEAD: usize>(&mut self) -> io::Result<(usize, &[u8])> {
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

    /// Passes a frame on piece by piece as it arrives; `copy` gets the same bytes.
    async fn forward(
        &mut self,
        frame_bytes: usize,
        to: &mut WriteHalf<'_>,
        mut copy: Option<&mut Vec<u8>>,
    ) -> io::Result<()> {
        let mut left = frame_bytes;
        while left > 0 {
            if self.buffer.is_empty() {
                self.read_some().await?;
            }
            let piece = self.buffer.split_to(left.min(self.buffer.len()));
            if let Some(copy) = &mut copy {
                copy.extend_from_slice(&piece);
            }
            to.write_all(&piece).await?;
            left -= piece.len();
        }
        Ok(())
    }

    /// Reads a frame to its end without passing it on.
    async fn take(&mut self, frame_bytes: usize, into: &mut Vec<u8>) -> io::Result<()> {
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
    fn first_half(&self, frame_bytes: usize) -> &[u8] {
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

/// The length prefix of a frame.
const PREFIX_BYTES: usize = 4;

/// Kafka's own limit (`socket.request.max.bytes`): a length above it means that the peer does not speak Kafka.
const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;

/// As much as is read at once, and so at most held of a frame in a direction.
const PIECE_BYTES: usize = 64 * 1024;

/// Between two tries to accept when accepting fails.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(20);

/// How long the broker has to answer a late copy. A broker that does not answer it has not been shown to have it.
const RESEND_WAIT_MAX: Duration = Duration::from_secs(10);

//! The relay's tasks: listeners, and for each connection one that carries frames both ways.

use std::{io, sync::Arc, time::Duration};

use bytes::Buf;
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
    frames::Frames,
    route::{PathState, RelayPath, Route, listen},
    rules::{RelayAction, RelayRuleId, Verdict},
    state::{ConnectionId, Shared},
};

/// Accepts connections for one broker, for as long as the relay runs.
pub(super) async fn accept(
    mut listener: std::net::TcpListener,
    route: Arc<Route>,
    shared: Arc<Shared>,
) {
    loop {
        let Ok(open) = TcpListener::from_std(listener) else {
            return;
        };
        tokio::select! {
            () = accept_all(&open, &route, &shared) => {}
            () = route.until(|state| state.path == RelayPath::Refused) => {}
        }
        // Closed, not only left alone: the system would go on accepting for it.
        drop(open);
        route.until(|state| state.path != RelayPath::Refused).await;
        listener = loop {
            match listen(route.port) {
                Ok((listener, _)) => break listener,
                Err(_) => sleep(ACCEPT_BACKOFF).await,
            }
        };
    }
}

async fn accept_all(listener: &TcpListener, route: &Arc<Route>, shared: &Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                Handle::current().spawn(serve(client, Arc::clone(route), Arc::clone(shared)));
            }
            // Out of file descriptors, or the peer is gone already: neither may end the listener.
            Err(_) => sleep(ACCEPT_BACKOFF).await,
        }
    }
}

/// Carries one connection until either side ends it, a fault does, or it is cut.
async fn serve(client: TcpStream, route: Arc<Route>, shared: Arc<Shared>) {
    let (id, cut, born) = shared.state().open(Arc::clone(&route));
    tokio::select! {
        // What the test has done comes before what the client sent after it.
        biased;
        _ = cut => {}
        () = route.until(|state| state.refusals > born.refusals) => {}
        // Whatever the reason, the end of a connection is the same for both sides: it is closed.
        _ = carry_or_swallow(client, &route, born, &shared, id) => {}
    }
    shared.state().close(id);
}

async fn carry_or_swallow(
    mut client: TcpStream,
    route: &Arc<Route>,
    born: PathState,
    shared: &Arc<Shared>,
    id: ConnectionId,
) -> io::Result<()> {
    if born.path == RelayPath::BlackHole {
        return swallow(client, None).await;
    }
    let mut broker = TcpStream::connect((route.target.0.as_str(), route.target.1)).await?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let end = tokio::select! {
        biased;
        () = route.until(|state| state.black_holes > born.black_holes) => End::Swallow,
        end = carry(&mut client, &mut broker, route, born, shared, id) => end?,
    };
    match end {
        End::Close => Ok(()),
        End::Swallow => swallow(client, Some(broker)).await,
    }
}

/// How a connection ends on purpose.
enum End {
    Close,
    /// It stays, and nothing passes any more.
    Swallow,
}

/// Accepts what the client sends until it closes. The broker's side stands as long, and nothing is read from it.
async fn swallow(mut client: TcpStream, _broker: Option<TcpStream>) -> io::Result<()> {
    let mut nowhere = [0; 4096];
    while client.read(&mut nowhere).await? > 0 {}
    Ok(())
}

async fn carry(
    client: &mut TcpStream,
    broker: &mut TcpStream,
    route: &Arc<Route>,
    born: PathState,
    shared: &Arc<Shared>,
    id: ConnectionId,
) -> io::Result<End> {
    let (client_read, client_write) = client.split();
    let (broker_read, broker_write) = broker.split();
    tokio::select! {
        end = carry_requests(client_read, broker_write, route, born, shared, id) => end,
        end = carry_answers(broker_read, client_write, route, shared, id) => end.map(|()| End::Close),
    }
}

async fn carry_requests(
    client: ReadHalf<'_>,
    mut broker: WriteHalf<'_>,
    route: &Arc<Route>,
    born: PathState,
    shared: &Arc<Shared>,
    id: ConnectionId,
) -> io::Result<End> {
    let mut frames = Frames::new(client);
    loop {
        // Length, API key, version, correlation id: the same bytes in every version of the request header.
        let (frame_bytes, mut head) = frames.head::<12>().await?;
        // The path may have become one in the very poll that read this.
        if route.state().black_holes > born.black_holes {
            return Ok(End::Swallow);
        }
        let api = ApiKey(head.get_i16());
        let _version = head.get_i16();
        let (verdict, number) = shared.state().enter(id, api, CorrelationId(head.get_i32()));
        shared.entered();

        let late = verdict.iter().copied().find(|(_, action)| action.is_late());
        let twice = fired_by(&verdict, RelayAction::Duplicate);
        let lost = fired_by(&verdict, RelayAction::LoseRequest);
        let swallowed = fired_by(&verdict, RelayAction::Swallow);
        let cut = fired_by(&verdict, RelayAction::CutNow);
        let mut copy = Vec::new();
        if lost.or(swallowed).is_some() {
            if late.is_some() {
                frames.take(frame_bytes, &mut copy).await?;
            }
        } else if cut.is_some() {
            broker.write_all(frames.first_half(frame_bytes)).await?;
        } else {
            delay_request(&verdict, shared).await;
            let copied = (late.is_some() || twice.is_some()).then_some(&mut copy);
            frames
                .forward(frame_bytes, &mut broker, route, copied)
                .await?;
        }
        if let Some((rule, when)) = late.filter(|_| !copy.is_empty()) {
            let late = Late {
                copy: copy.clone(),
                api,
                number,
                when,
                rule,
            };
            Handle::current().spawn(resend(late, Arc::clone(route), Arc::clone(shared)));
        }
        if let Some(rule) = lost.or(cut).or(swallowed) {
            shared.count_fired(rule);
            return Ok(match lost.or(cut) {
                Some(_) => End::Close,
                None => End::Swallow,
            });
        }
        if twice.is_some() {
            broker.write_all(&copy).await?;
        }
    }
}

async fn delay_request(verdict: &Verdict, shared: &Shared) {
    for &(rule, action) in verdict {
        if let RelayAction::DelayRequest(by) = action {
            sleep(by).await;
            shared.count_fired(rule);
        }
    }
}

async fn carry_answers(
    broker: ReadHalf<'_>,
    mut client: WriteHalf<'_>,
    route: &Route,
    shared: &Arc<Shared>,
    id: ConnectionId,
) -> io::Result<()> {
    let mut frames = Frames::new(broker);
    loop {
        let (frame_bytes, mut head) = frames.head::<8>().await?;
        let correlation_id = CorrelationId(head.get_i32());
        let (verdict, second) = shared.state().answer(id, correlation_id);
        if let Some(rule) = second {
            frames.take(frame_bytes, &mut Vec::new()).await?;
            let mut state = shared.state();
            state.rules.count_fired(rule);
            state.answered(id, correlation_id);
            continue;
        }
        if let Some(rule) = fired_by(&verdict, RelayAction::LoseAnswer) {
            shared.count_fired(rule);
            return Ok(());
        }
        for &(rule, action) in &verdict {
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
        if let Some(rule) = fired_by(&verdict, RelayAction::CutAnswer) {
            client.write_all(frames.first_half(frame_bytes)).await?;
            shared.count_fired(rule);
            return Ok(());
        }
        shared.state().answered(id, correlation_id);
        frames
            .forward(frame_bytes, &mut client, route, None)
            .await?;
    }
}

fn fired_by(verdict: &Verdict, wanted: RelayAction) -> Option<RelayRuleId> {
    verdict
        .iter()
        .find(|(_, action)| *action == wanted)
        .map(|&(rule, _)| rule)
}

/// A copy of a request that is to reach the broker later.
struct Late {
    copy: Vec<u8>,
    api: ApiKey,
    /// Which request of its API the original was.
    number: u64,
    when: RelayAction,
    rule: RelayRuleId,
}

/// Delivers a copy of a request over a connection of its own, and counts it when the broker has answered it.
async fn resend(late: Late, route: Arc<Route>, shared: Arc<Shared>) {
    match late.when {
        RelayAction::ResendLater { after } => sleep(after).await,
        RelayAction::ResendAfter { requests } => {
            shared.requested(late.api, late.number + requests).await;
        }
        RelayAction::ResendOnRelease(token) => shared.released(token).await,
        _ => {}
    }
    let deliver = async {
        let mut broker = TcpStream::connect((route.target.0.as_str(), route.target.1)).await?;
        broker.write_all(&late.copy).await?;
        let (read, _write) = broker.split();
        Frames::new(read).head::<8>().await.map(|_| ())
    };
    if let Ok(Ok(())) = timeout(RESEND_WAIT_MAX, deliver).await {
        shared.count_fired(late.rule);
    }
}

/// Between two tries to accept when accepting fails.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(20);

/// How long the broker has to answer a late copy. A broker that does not answer it has not been shown to have it.
const RESEND_WAIT_MAX: Duration = Duration::from_secs(10);

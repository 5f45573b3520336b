//! Waiting under a deadline, with the driver's clock.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use crate::shared::Core;

/// Waits for `future` until `deadline`; `None` if that comes first. The future is only borrowed: it can be waited for again.
pub(crate) async fn until<F: Future + Unpin>(
    core: &Core,
    deadline: Instant,
    future: &mut F,
) -> Option<F::Output> {
    let mut sleep = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = Pin::new(&mut *future).poll(cx) {
            return Poll::Ready(Some(output));
        }
        // The timer is made only once there is something to wait for.
        let sleep = sleep.get_or_insert_with(|| core.driver().sleep_until(deadline));
        sleep.as_mut().poll(cx).map(|()| None)
    })
    .await
}

//! One completion cell a batch, shared by the deliveries of all its records.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::error::{Acknowledged, DeliveryError};
use crate::sync::{Arc, Mutex};

/// What became of a range of records: the offset of the range's first record and the broker's append time, or an error.
pub(crate) type Settlement = Result<(Option<i64>, Option<i64>), DeliveryError>;

/// The outcome of a batch: a list of segments, because a split batch is answered in parts.
#[derive(Debug)]
pub struct Completion {
    partition: i32,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    segments: Vec<Segment>,
    /// Records in the batch, known once it is closed.
    records: Option<u32>,
    settled: u32,
    wakers: Vec<Option<Waker>>,
    /// Places among the wakers that nobody holds any more.
    free: Vec<usize>,
}

#[derive(Debug)]
struct Segment {
    first: u32,
    count: u32,
    settlement: Settlement,
}

impl Completion {
    pub(crate) fn new(partition: i32) -> Arc<Self> {
        Arc::new(Self {
            partition,
            inner: Mutex::new(Inner::default()),
        })
    }

    /// Says how many records there are to settle.
    pub(crate) fn close(&self, records: u32) {
        self.inner.lock().records = Some(records);
    }

    /// Settles `count` records from `first` on. What is settled already stays: the first word is the one the user heard.
    pub(crate) fn settle(&self, first: u32, count: u32, settlement: Settlement) {
        let wakers = {
            let mut inner = self.inner.lock();
            if count == 0 || inner.find(first).is_some() {
                return;
            }
            inner.segments.push(Segment {
                first,
                count,
                settlement,
            });
            inner.settled += count;
            inner.take_wakers()
        };
        // Woken with the lock released: a waker may poll the delivery, which takes it.
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Waits until every record of the batch is settled, whatever the result.
    pub fn settled(self: Arc<Self>) -> Settled {
        Settled {
            completion: self,
            key: None,
        }
    }

    fn poll_record(
        &self,
        index: u32,
        cx: &mut Context<'_>,
        key: &mut Option<usize>,
    ) -> Poll<Result<Acknowledged, DeliveryError>> {
        let mut inner = self.inner.lock();
        let Some(segment) = inner.find(index) else {
            inner.register(cx, key);
            return Poll::Pending;
        };
        Poll::Ready(match &segment.settlement {
            Ok((base, timestamp)) => Ok(Acknowledged {
                partition: self.partition,
                // A broker may say any number; one that leaves no room for the records behind it says nothing.
                offset: base.and_then(|base| base.checked_add(i64::from(index - segment.first))),
                timestamp: *timestamp,
            }),
            Err(error) => Err(error.clone()),
        })
    }

    fn forget(&self, key: usize) {
        let mut inner = self.inner.lock();
        if let Some(waker) = inner.wakers.get_mut(key) {
            *waker = None;
            // For the next one: who waits a moment again and again must not leave a place behind each time.
            inner.free.push(key);
        }
    }
}

impl Inner {
    fn find(&self, index: u32) -> Option<&Segment> {
        self.segments
            .iter()
            .find(|segment| index >= segment.first && index - segment.first < segment.count)
    }

    /// Everybody's waker. While records are left to settle each waiter keeps its place, or one that is dropped would clear
    /// the place that another has taken since, and that one would never be woken.
    fn take_wakers(&mut self) -> Vec<Option<Waker>> {
        if self.records.is_some_and(|records| self.settled >= records) {
            self.free.clear();
            return std::mem::take(&mut self.wakers);
        }
        self.wakers.iter_mut().map(Option::take).collect()
    }

    fn register(&mut self, cx: &Context<'_>, key: &mut Option<usize>) {
        if let Some(place) = key.and_then(|key| self.wakers.get_mut(key)) {
            if !place
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                *place = Some(cx.waker().clone());
            }
            return;
        }
        let waker = Some(cx.waker().clone());
        *key = Some(match self.free.pop() {
            Some(place) => {
                self.wakers[place] = waker;
                place
            }
            None => {
                self.wakers.push(waker);
                self.wakers.len() - 1
            }
        });
    }
}

/// The end of a batch; see [`Completion::settled`].
#[derive(Debug)]
pub struct Settled {
    completion: Arc<Completion>,
    key: Option<usize>,
}

impl Future for Settled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut inner = this.completion.inner.lock();
        if inner
            .records
            .is_some_and(|records| inner.settled >= records)
        {
            return Poll::Ready(());
        }
        inner.register(cx, &mut this.key);
        Poll::Pending
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.completion.forget(key);
        }
    }
}

/// The acknowledgement of one record, when it comes.
///
/// Resolves once the broker has answered for the record's batch, or once it is known that no answer will settle it within
/// `delivery_timeout`. Dropping it changes nothing about the record: it is cheap to make and cheap to drop.
///
/// # Cancel safety
/// Cancel safe: polling it again later gives the same result.
#[derive(Debug)]
#[must_use = "an accepted record may still fail: await the delivery, or flush, or commit the transaction"]
pub struct Delivery {
    completion: Arc<Completion>,
    index: u32,
    key: Option<usize>,
}

impl Delivery {
    pub(crate) fn new(completion: Arc<Completion>, index: u32) -> Self {
        Self {
            completion,
            index,
            key: None,
        }
    }

    /// The partition that was chosen for the record.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.completion.partition
    }
}

impl Future for Delivery {
    type Output = Result<Acknowledged, DeliveryError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.completion.poll_record(this.index, cx, &mut this.key)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.completion.forget(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{DeliveryErrorKind, Persistence};

    fn poll(delivery: &mut Delivery) -> Poll<Result<Acknowledged, DeliveryError>> {
        Pin::new(delivery).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn offsets_count_up_from_the_segments_base() {
        let completion = Completion::new(3);
        let mut third = Delivery::new(Arc::clone(&completion), 2);
        assert!(poll(&mut third).is_pending());
        completion.settle(0, 5, Ok((Some(100), None)));
        assert_eq!(
            poll(&mut third),
            Poll::Ready(Ok(Acknowledged {
                partition: 3,
                offset: Some(102),
                timestamp: None
            }))
        );
    }

    #[test]
    fn an_offset_that_no_log_can_have_is_none() {
        let completion = Completion::new(0);
        completion.settle(0, 2, Ok((Some(i64::MAX), None)));
        let Poll::Ready(Ok(acknowledged)) = poll(&mut Delivery::new(completion, 1)) else {
            panic!("it is settled");
        };
        assert_eq!(acknowledged.offset, None);
    }

    #[test]
    fn parts_of_a_split_batch_settle_apart() {
        let completion = Completion::new(0);
        completion.close(4);
        let mut low = Delivery::new(Arc::clone(&completion), 1);
        let mut high = Delivery::new(Arc::clone(&completion), 2);
        completion.settle(0, 2, Ok((Some(7), None)));
        assert!(poll(&mut low).is_ready());
        assert!(poll(&mut high).is_pending());
        let mut settled = Arc::clone(&completion).settled();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut settled).poll(&mut cx).is_pending());
        completion.settle(2, 2, Ok((Some(9), None)));
        assert_eq!(
            poll(&mut high),
            Poll::Ready(Ok(Acknowledged {
                partition: 0,
                offset: Some(9),
                timestamp: None
            }))
        );
        assert!(Pin::new(&mut settled).poll(&mut cx).is_ready());
    }

    #[test]
    fn waits_that_were_given_up_leave_no_place_behind() {
        let completion = Completion::new(0);
        completion.close(3);
        let mut cx = Context::from_waker(Waker::noop());
        let mut delivery = Delivery::new(Arc::clone(&completion), 2);
        assert!(poll(&mut delivery).is_pending());
        for _ in 0..1_000 {
            let mut flush = Arc::clone(&completion).settled();
            assert!(Pin::new(&mut flush).poll(&mut cx).is_pending());
        }
        assert_eq!(completion.inner.lock().wakers.len(), 2);
        completion.settle(0, 1, Ok((Some(7), None)));
        assert!(poll(&mut delivery).is_pending());
        completion.settle(1, 2, Ok((Some(8), None)));
        assert!(poll(&mut delivery).is_ready());
    }

    #[test]
    fn a_dropped_delivery_of_a_split_batch_leaves_the_others_their_wakers() {
        struct Flag(std::sync::atomic::AtomicBool);
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let completion = Completion::new(0);
        completion.close(3);
        let mut first = Delivery::new(Arc::clone(&completion), 1);
        let mut second = Delivery::new(Arc::clone(&completion), 2);
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        completion.settle(0, 1, Ok((Some(7), None)));
        let flag = Arc::new(Flag(std::sync::atomic::AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let pending = Pin::new(&mut second).poll(&mut Context::from_waker(&waker));
        assert!(pending.is_pending());
        drop(first);
        completion.settle(1, 2, Ok((Some(8), None)));
        assert!(flag.0.load(std::sync::atomic::Ordering::Relaxed));
    }

    #[test]
    fn the_first_settlement_stands() {
        let completion = Completion::new(0);
        let timed_out =
            DeliveryError::new(DeliveryErrorKind::TimedOut, Persistence::PossiblyPersisted);
        completion.settle(0, 1, Err(timed_out.clone()));
        completion.settle(0, 1, Ok((Some(1), None)));
        assert_eq!(
            poll(&mut Delivery::new(completion, 0)),
            Poll::Ready(Err(timed_out))
        );
    }
}

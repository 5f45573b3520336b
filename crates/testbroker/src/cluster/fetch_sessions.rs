//! Fetch sessions (KIP-227; Kafka's `FetchSession`, `FetchSessionCacheShard`, `FetchManager`): each
//! node remembers which partitions a client reads, so that a request says only what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::messages::{FetchPartition, FetchRequest};
use milena_wire::{ErrorCode, Uuid};

/// The epoch of a request that wants a new session, and of one that wants none.
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;
/// A session that was not used for so long makes room for any other, and one that is so old for a
/// larger one (`min.incremental.fetch.session.eviction.ms`).
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);
/// A session with more partitions is given up: its client has to begin anew.
const PARTITIONS_MAX: usize = 100_000;

/// Requests that may wait at one time without the session that they emptied.
const EMPTIED_MAX: usize = 1_000;

/// The sessions of all nodes.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    /// By node and session id.
    sessions: BTreeMap<(i32, i32), Session>,
    /// How many partitions a waiting Fetch could not read when it began to wait.
    waiting: BTreeMap<u64, usize>,
    /// Requests that have emptied their sessions: looked at again, they have none.
    emptied: BTreeSet<u64>,
    random: fastrand::Rng,
}

#[derive(Debug)]
struct Session {
    /// Of the next request.
    epoch: i32,
    uses_topic_ids: bool,
    /// A follower's.
    privileged: bool,
    created: Instant,
    used: Instant,
    /// The request that has raised the epoch last.
    serving: u64,
    /// In the order in which they are read: one that has just had data goes to the end.
    partitions: BTreeMap<u64, Cached>,
    places: BTreeMap<Key, u64>,
    added: u64,
}

/// A partition that a client reads. Named by topic id, or by name if it has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) id: Uuid,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) index: i32,
}

/// One position that is to be read.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `None` for an unknown topic id.
    pub(crate) topic: Option<Arc<str>>,
    pub(crate) id: Uuid,
    pub(crate) position: FetchPartition,
}

#[derive(Debug)]
struct Cached {
    asked: Asked,
    /// As the client knows them from the last answer.
    high_watermark: i64,
    log_start_offset: i64,
}

/// What a partition's answer says, as far as it decides whether it is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) has_records: bool,
    pub(crate) failed: bool,
    /// There is a preferred replica or a diverging epoch.
    pub(crate) redirects: bool,
}

/// How a Fetch goes with its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchMode {
    /// It names all it wants and leaves no session.
    Sessionless,
    /// It names all it wants, and the answer makes it a session.
    Full,
    /// It goes on with this session.
    Incremental(i32),
}

impl Asked {
    pub(crate) fn key(&self) -> Key {
        Key {
            id: self.id,
            name: self.topic.clone().filter(|_| self.id == Uuid::ZERO),
            index: self.position.partition,
        }
    }
}

impl FetchSessions {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            sessions: BTreeMap::new(),
            waiting: BTreeMap::new(),
            emptied: BTreeSet::new(),
            random: fastrand::Rng::with_seed(seed ^ 0x7365_7373_696f_6e73),
        }
    }

    /// Takes a request in, once: looked at again, it finds what it has changed.
    pub(crate) fn begin(
        &mut self,
        (node, number): (i32, u64),
        now: Instant,
        uses_topic_ids: bool,
        request: &FetchRequest<'_>,
        name: impl Fn(&str, Uuid) -> Option<Arc<str>>,
    ) -> Result<FetchMode, ErrorCode> {
        let key = (node, request.session_id);
        if [INITIAL_EPOCH, FINAL_EPOCH].contains(&request.session_epoch) {
            // A full request ends the session that it names.
            self.sessions.remove(&key);
            return Ok(match request.session_epoch {
                FINAL_EPOCH => FetchMode::Sessionless,
                _ => FetchMode::Full,
            });
        }
        if self.emptied.contains(&number) {
            return Ok(FetchMode::Sessionless);
        }
        let Some(session) = self.sessions.get_mut(&key) else {
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        };
        if session.serving == number {
            return Ok(FetchMode::Incremental(request.session_id));
        }
        if session.epoch != request.session_epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.uses_topic_ids != uses_topic_ids {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        for asked in asked(request, &name) {
            session.ask(asked);
        }
        for topic in &request.forgotten_topics_data {
            for index in topic.partitions.iter() {
                session.forget(&Key {
                    id: topic.topic_id,
                    name: name(topic.topic, topic.topic_id)
                        .filter(|_| topic.topic_id == Uuid::ZERO),
                    index,
                });
            }
        }
        if session.partitions.is_empty() {
            self.sessions.remove(&key);
            self.emptied.insert(number);
            if self.emptied.len() > EMPTIED_MAX {
                self.emptied.pop_first();
            }
            return Ok(FetchMode::Sessionless);
        }
        if session.partitions.len() > PARTITIONS_MAX {
            self.sessions.remove(&key);
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        session.used = now;
        session.serving = number;
        session.epoch = next_epoch(session.epoch);
        Ok(FetchMode::Incremental(request.session_id))
    }

    /// All that a session reads, in its order.
    pub(crate) fn partitions(
        &mut self,
        node: i32,
        session: i32,
        name: impl Fn(&str, Uuid) -> Option<Arc<str>>,
    ) -> Vec<Asked> {
        let Some(session) = self.sessions.get_mut(&(node, session)) else {
            return Vec::new();
        };
        let known = session.partitions.values_mut().map(|cached| {
            // A name that was not known may be by now; one that was stays, though its topic has gone.
            if cached.asked.topic.is_none() {
                cached.asked.topic = name("", cached.asked.id);
            }
            cached.asked.clone()
        });
        known.collect()
    }

    /// The names of what a session reads.
    pub(crate) fn topics_of(
        &self,
        node: i32,
        session: i32,
    ) -> impl Iterator<Item = (&Arc<str>, i32)> {
        let session = self.sessions.get(&(node, session));
        let held = session.into_iter().flat_map(|it| it.partitions.values());
        held.filter_map(|cached| {
            let topic = cached.asked.topic.as_ref()?;
            Some((topic, cached.asked.position.partition))
        })
    }

    /// Makes a session of what was answered; its id, or 0 if there is no room.
    pub(crate) fn create(
        &mut self,
        (node, number): (i32, u64),
        now: Instant,
        slots: usize,
        (uses_topic_ids, privileged): (bool, bool),
        answered: impl Iterator<Item = (Asked, Said)>,
    ) -> i32 {
        let answered: Vec<_> = answered.collect();
        let room =
            self.of_node(node).count() < slots || self.evict(node, now, privileged, answered.len());
        if slots == 0 || !room || answered.len() > PARTITIONS_MAX {
            return 0;
        }
        let id = loop {
            let id = self.random.i32(1..i32::MAX);
            if !self.sessions.contains_key(&(node, id)) {
                break id;
            }
        };
        let mut session = Session {
            epoch: next_epoch(INITIAL_EPOCH),
            uses_topic_ids,
            privileged,
            created: now,
            used: now,
            serving: number,
            partitions: BTreeMap::new(),
            places: BTreeMap::new(),
            added: 0,
        };
        for (asked, said) in answered {
            session.add(Cached {
                asked,
                high_watermark: said.high_watermark,
                log_start_offset: said.log_start_offset,
            });
        }
        self.sessions.insert((node, id), session);
        id
    }

    /// Which of these partitions have news for the client, who then knows them.
    pub(crate) fn news(
        &mut self,
        (node, number): (i32, u64),
        session: i32,
        answered: &[(Key, Said)],
    ) -> Result<Vec<bool>, ErrorCode> {
        let session = self.sessions.get_mut(&(node, session));
        // Another request has gone on with the session while this one waited.
        let Some(session) = session.filter(|session| session.serving == number) else {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        };
        let news = answered.iter().map(|(key, said)| session.tell(key, *said));
        Ok(news.collect())
    }

    /// A node that stops forgets its sessions.
    pub(crate) fn forget_node(&mut self, node: i32) {
        self.sessions.retain(|(of, _), _| *of != node);
    }

    /// How many partitions a waiting Fetch could not read when it was looked at first.
    pub(crate) fn unreadable(&mut self, request: u64, now: usize) -> usize {
        *self.waiting.entry(request).or_insert(now)
    }

    pub(crate) fn forget_request(&mut self, request: u64) {
        self.waiting.remove(&request);
    }

    /// How many sessions a node keeps.
    pub(crate) fn count(&self, node: i32) -> usize {
        self.of_node(node).count()
    }

    fn of_node(&self, node: i32) -> impl Iterator<Item = (&(i32, i32), &Session)> {
        self.sessions.range((node, i32::MIN)..=(node, i32::MAX))
    }

    /// Ends a session that is worth less than one of `partitions` partitions.
    fn evict(&mut self, node: i32, now: Instant, privileged: bool, partitions: usize) -> bool {
        let old = |since: Instant| now.saturating_duration_since(since) > EVICTABLE_AFTER;
        let stale = self.of_node(node).min_by_key(|(key, it)| (it.used, key.1));
        let stale = stale.filter(|(_, it)| old(it.used)).map(|(key, _)| *key);
        let worth = |key: &(i32, i32), it: &Session| (it.privileged, it.partitions.len(), key.1);
        let least = || {
            let evictable = |it: &Session| old(it.created) || privileged && !it.privileged;
            let all = self.of_node(node).filter(|(_, it)| evictable(it));
            let (key, it) = all.min_by_key(|(key, it)| worth(key, it))?;
            ((privileged, partitions, 0) >= worth(key, it)).then_some(*key)
        };
        stale
            .or_else(least)
            .is_some_and(|key| self.sessions.remove(&key).is_some())
    }
}

impl Session {
    fn add(&mut self, cached: Cached) {
        let key = cached.asked.key();
        self.forget(&key);
        self.added += 1;
        self.places.insert(key, self.added);
        self.partitions.insert(self.added, cached);
    }

    fn find(&mut self, key: &Key) -> Option<&mut Cached> {
        self.partitions.get_mut(self.places.get(key)?)
    }

    fn ask(&mut self, asked: Asked) {
        match self.find(&asked.key()) {
            Some(cached) => cached.asked.position = asked.position,
            None => self.add(Cached {
                asked,
                high_watermark: -1,
                log_start_offset: -1,
            }),
        }
    }

    fn forget(&mut self, key: &Key) -> Option<Cached> {
        let place = self.places.remove(key)?;
        self.partitions.remove(&place)
    }

    /// `CachedPartition.maybeUpdateResponseData`.
    fn tell(&mut self, key: &Key, said: Said) -> bool {
        let Some(cached) = self.find(key) else {
            return false;
        };
        let changed = cached.high_watermark != said.high_watermark
            || cached.log_start_offset != said.log_start_offset;
        cached.high_watermark = said.high_watermark;
        cached.log_start_offset = said.log_start_offset;
        if said.failed {
            // So that it is told when the error goes away.
            cached.high_watermark = -1;
        }
        if said.has_records
            && let Some(cached) = self.forget(key)
        {
            self.add(cached);
        }
        changed || said.has_records || said.failed || said.redirects
    }
}

/// The positions that a request names, each partition once: the last counts.
pub(crate) fn asked(
    request: &FetchRequest<'_>,
    name: impl Fn(&str, Uuid) -> Option<Arc<str>>,
) -> Vec<Asked> {
    let mut all: Vec<Asked> = Vec::new();
    let mut places = BTreeMap::new();
    for topic in &request.topics {
        let known = name(topic.topic, topic.topic_id);
        for position in &topic.partitions {
            let asked = Asked {
                topic: known.clone(),
                id: topic.topic_id,
                position: position.clone(),
            };
            match places.entry(asked.key()) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(all.len());
                    all.push(asked);
                }
                std::collections::btree_map::Entry::Occupied(entry) => all[*entry.get()] = asked,
            }
        }
    }
    all
}

fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        ..0 => FINAL_EPOCH,
        i32::MAX => 1,
        epoch => epoch + 1,
    }
}

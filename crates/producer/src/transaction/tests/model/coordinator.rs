//! A transaction coordinator and the partitions, as Kafka 4.3 has them (TransactionCoordinator,
//! TransactionMetadata, ProducerAppendInfo), reduced to one producer id.

use milena_wire::ErrorCode;

/// Partitions 0 and 1 hold records, this one a group's offsets.
pub(super) const OFFSETS: usize = 2;
pub(super) const PARTITIONS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Empty,
    Ongoing,
    Prepare { commit: bool },
    Complete { commit: bool },
}

/// Which rules the brokers follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    /// The finalized transaction version is 2.
    pub(super) v2: bool,
    /// It changes once, at any time.
    pub(super) switches: bool,
    /// Partition leaders ask the coordinator before the first batch (KIP-890 part 1, 3.6). TV2 does
    /// so always.
    pub(super) verify: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cluster {
    pub(super) rules: Rules,
    pub(super) stage: Stage,
    pub(super) epoch: i16,
    /// The epoch before, whose owner may repeat itself; -1 if nobody may.
    last_epoch: i16,
    registered: [bool; PARTITIONS],
    pub(super) logs: [Log; PARTITIONS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Batch {
    pub(super) epoch: i16,
    pub(super) partition: usize,
    pub(super) tag: u8,
    pub(super) v2: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EndTxn {
    pub(super) epoch: i16,
    pub(super) commit: bool,
    pub(super) v2: bool,
}

/// One partition: which transactions (by number) have what in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Log {
    epoch: i16,
    pub(super) open: Vec<u8>,
    pub(super) committed: Vec<u8>,
    pub(super) aborted: Vec<u8>,
    /// A commit marker covered records of two transactions.
    pub(super) joined: bool,
}

impl Cluster {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            stage: Stage::Empty,
            epoch: -1,
            last_epoch: -1,
            registered: [false; PARTITIONS],
            logs: std::array::from_fn(|_| Log {
                epoch: -1,
                ..Log::default()
            }),
        }
    }

    /// `expected` is -1 for a new instance.
    pub(super) fn init_producer_id(&mut self, expected: i16) -> Result<i16, ErrorCode> {
        match self.stage {
            Stage::Prepare { .. } => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            // Kafka looks at no epoch here.
            Stage::Ongoing => {
                self.fence();
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            Stage::Empty | Stage::Complete { .. } => {
                if expected == -1 {
                    self.epoch += 1;
                    self.last_epoch = -1;
                } else if expected == self.epoch {
                    self.last_epoch = self.epoch;
                    self.epoch += 1;
                } else if expected != self.last_epoch {
                    return Err(ErrorCode::PRODUCER_FENCED);
                }
                self.stage = Stage::Empty;
                Ok(self.epoch)
            }
        }
    }

    /// Aborts the open transaction under the next epoch: by a new instance, or by its time-out.
    pub(super) fn fence(&mut self) {
        self.last_epoch = if self.rules.v2 { self.epoch } else { -1 };
        self.epoch += 1;
        self.stage = Stage::Prepare { commit: false };
    }

    /// AddPartitionsToTxn, AddOffsetsToTxn, and what TV2 brokers do by themselves.
    pub(super) fn register(&mut self, epoch: i16, partition: usize) -> Result<(), ErrorCode> {
        if epoch != self.epoch {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        if matches!(self.stage, Stage::Prepare { .. }) {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        self.stage = Stage::Ongoing;
        self.registered[partition] = true;
        Ok(())
    }

    /// A batch of records, or offsets, of transaction `tag`. Whether it is one of TV2 is told by its
    /// request's version, whatever is finalized.
    pub(super) fn append(&mut self, batch: Batch) -> Result<(), ErrorCode> {
        let Batch {
            epoch,
            partition,
            tag,
            v2,
        } = batch;
        if epoch < self.logs[partition].epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if v2 {
            self.register(epoch, partition).map_err(|error| {
                if error == ErrorCode::PRODUCER_FENCED {
                    ErrorCode::INVALID_PRODUCER_EPOCH
                } else {
                    error
                }
            })?;
        } else if self.rules.verify {
            if epoch != self.epoch {
                return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
            }
            if self.stage != Stage::Ongoing || !self.registered[partition] {
                return Err(ErrorCode::TRANSACTION_ABORTABLE);
            }
        }
        let log = &mut self.logs[partition];
        log.epoch = epoch;
        if !log.open.contains(&tag) {
            log.open.push(tag);
        }
        Ok(())
    }

    pub(super) fn end(&mut self, end: EndTxn) -> Result<Option<i16>, ErrorCode> {
        let EndTxn { epoch, commit, v2 } = end;
        if v2 {
            self.end_v2(epoch, commit).map(Some)
        } else {
            self.end_v1(epoch, commit).map(|()| None)
        }
    }

    fn end_v1(&mut self, epoch: i16, commit: bool) -> Result<(), ErrorCode> {
        if epoch != self.epoch {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        match self.stage {
            Stage::Ongoing => {
                self.stage = Stage::Prepare { commit };
                Ok(())
            }
            Stage::Complete { commit: was } if was == commit => Ok(()),
            Stage::Prepare { commit: was } if was == commit => {
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            Stage::Complete { .. } | Stage::Prepare { .. } | Stage::Empty => {
                Err(ErrorCode::INVALID_TXN_STATE)
            }
        }
    }

    fn end_v2(&mut self, epoch: i16, commit: bool) -> Result<i16, ErrorCode> {
        let retry = self.epoch == epoch + 1;
        let valid = match self.stage {
            Stage::Empty | Stage::Ongoing => epoch == self.epoch,
            Stage::Prepare { .. } => retry,
            Stage::Complete { .. } => retry || epoch == self.epoch,
        };
        if !valid {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        match self.stage {
            Stage::Ongoing => Ok(self.prepare_v2(commit)),
            Stage::Complete { commit: was } if retry && was == commit => Ok(self.epoch),
            Stage::Complete { .. } if !retry && !commit => Ok(self.prepare_v2(false)),
            Stage::Empty if !commit => Ok(self.prepare_v2(false)),
            Stage::Prepare { commit: was } if was == commit => {
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            Stage::Complete { .. } | Stage::Prepare { .. } | Stage::Empty => {
                Err(ErrorCode::INVALID_TXN_STATE)
            }
        }
    }

    fn prepare_v2(&mut self, commit: bool) -> i16 {
        self.last_epoch = self.epoch;
        self.epoch += 1;
        self.stage = Stage::Prepare { commit };
        self.epoch
    }

    /// The markers of the transaction that is being ended are written.
    pub(super) fn write_markers(&mut self) {
        let Stage::Prepare { commit } = self.stage else {
            return;
        };
        for (log, registered) in self.logs.iter_mut().zip(&mut self.registered) {
            if std::mem::take(registered) {
                log.mark(self.epoch, commit);
            }
        }
        self.stage = Stage::Complete { commit };
    }
}

impl Log {
    fn mark(&mut self, epoch: i16, commit: bool) {
        self.epoch = epoch;
        self.joined |= commit && self.open.len() > 1;
        let decided = if commit {
            &mut self.committed
        } else {
            &mut self.aborted
        };
        decided.append(&mut self.open);
        decided.sort_unstable();
        decided.dedup();
    }
}

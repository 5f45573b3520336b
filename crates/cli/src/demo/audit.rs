//! The auditor: reads what a read_committed reader sees of the outputs, and knows of each order what should be there.
//!
//! It shares nothing with the pipeline but the seed: not its memory, not its counters.

use super::ledger::{Entry, Side};
use super::payment::{ACCOUNTS, Payment, is_refused};

/// What every account holds before the first payment.
const OPENING_BALANCE: i128 = 1_000_000;

/// Collects the committed records, in any order, and judges at the end.
pub(crate) struct Auditor {
    seed: u64,
    tallies: Vec<Tally>,
    balances: Vec<i128>,
    ledger_records: u64,
    refused_records: u64,
    foreign: u64,
}

/// What was seen of one payment.
#[derive(Clone, Copy, Default)]
struct Tally {
    debits: u32,
    credits: u32,
    refusals: u32,
    /// An entry with another account or amount than the order's.
    mismatched: bool,
}

/// The auditor's judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Payments with a debit or credit in the ledger.
    pub applied: u64,
    /// Payments in the refused topic.
    pub refused: u64,
    /// Payments neither applied nor refused.
    pub lost: u64,
    /// Payments of which some part stands there more than once.
    pub doubled: u64,
    /// Payments with one half only, with halves that are not the order's, or both applied and refused.
    pub torn: u64,
    /// Records that belong to no order, and orders that were applied although refused or the other way round.
    pub foreign: u64,
    /// Whether the accounts together hold what they held before, and each what the orders say.
    pub balanced: bool,
    /// Committed records in the ledger.
    pub ledger_records: u64,
    /// Committed records in the refused topic.
    pub refused_records: u64,
}

impl Auditor {
    /// An auditor of the run with this seed and orders `0..payments`.
    pub(crate) fn new(seed: u64, payments: u64) -> Self {
        let payments = usize::try_from(payments).expect("the arguments bound the payments");
        Self {
            seed,
            tallies: vec![Tally::default(); payments],
            balances: vec![OPENING_BALANCE; ACCOUNTS as usize],
            ledger_records: 0,
            refused_records: 0,
            foreign: 0,
        }
    }

    /// Takes a committed record of the ledger.
    pub(crate) fn see_ledger(&mut self, value: Option<&[u8]>) {
        self.ledger_records += 1;
        let Some(entry) = value.and_then(Entry::parse) else {
            self.foreign += 1;
            return;
        };
        // The money moves as the entry says, not as the order does: that is what makes the balances a check.
        let balance = &mut self.balances[entry.account.0 as usize];
        match entry.side {
            Side::Debit => *balance -= i128::from(entry.amount),
            Side::Credit => *balance += i128::from(entry.amount),
        }
        let seed = self.seed;
        let Some(tally) = self.tally(entry.payment) else {
            return;
        };
        let order = Payment::of(seed, entry.payment);
        let expected = match entry.side {
            Side::Debit => {
                tally.debits += 1;
                Entry::debit(&order)
            }
            Side::Credit => {
                tally.credits += 1;
                Entry::credit(&order)
            }
        };
        tally.mismatched |= entry != expected;
    }

    /// Takes a committed record of the refused topic.
    pub(crate) fn see_refused(&mut self, value: Option<&[u8]>) {
        self.refused_records += 1;
        let Some(order) = value.and_then(Payment::parse) else {
            self.foreign += 1;
            return;
        };
        let seed = self.seed;
        if let Some(tally) = self.tally(order.id) {
            tally.refusals += 1;
            tally.mismatched |= order != Payment::of(seed, order.id);
        }
    }

    fn tally(&mut self, payment: u64) -> Option<&mut Tally> {
        let tally = usize::try_from(payment)
            .ok()
            .and_then(|index| self.tallies.get_mut(index));
        if tally.is_none() {
            self.foreign += 1;
        }
        tally
    }

    /// The judgement over everything seen.
    pub(crate) fn finish(self) -> Findings {
        let mut findings = Findings {
            foreign: self.foreign,
            ledger_records: self.ledger_records,
            refused_records: self.refused_records,
            ..Findings::default()
        };
        let mut expected = vec![OPENING_BALANCE; ACCOUNTS as usize];
        for (tally, id) in self.tallies.iter().zip(0u64..) {
            findings.judge(tally, is_refused(self.seed, id));
            if !is_refused(self.seed, id) {
                let order = Payment::of(self.seed, id);
                expected[order.from.0 as usize] -= i128::from(order.amount);
                expected[order.to.0 as usize] += i128::from(order.amount);
            }
        }
        let conserved =
            self.balances.iter().sum::<i128>() == OPENING_BALANCE * i128::from(ACCOUNTS);
        findings.balanced = conserved && self.balances == expected;
        findings
    }
}

impl Findings {
    fn judge(&mut self, tally: &Tally, to_be_refused: bool) {
        let applied = tally.debits > 0 || tally.credits > 0;
        let refused = tally.refusals > 0;
        self.applied += u64::from(applied);
        self.refused += u64::from(refused);
        if !applied && !refused {
            self.lost += 1;
            return;
        }
        if tally.debits > 1 || tally.credits > 1 || tally.refusals > 1 {
            self.doubled += 1;
        }
        if tally.debits != tally.credits || tally.mismatched || (applied && refused) {
            self.torn += 1;
        } else if refused != to_be_refused {
            self.foreign += 1;
        }
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;

//! The payment orders: what each one is, and whether the bank refuses it, are functions of the run's seed and its id.

use std::fmt;
use std::str;

use fastrand::Rng;

/// How many accounts the bank has.
pub(crate) const ACCOUNTS: u32 = 1_000;
/// The largest amount of an order; the smallest is 1.
pub(crate) const AMOUNT_MAX: u64 = 10_000;
/// One order in so many is refused, on average.
pub(crate) const REFUSED_ONE_IN: u32 = 1_000;

/// Spreads neighbouring ids over the whole range of seeds (2^64 divided by the golden ratio).
const ID_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;
/// Keeps the refusals independent of the amounts and accounts that the same seed and id give.
const REFUSAL_STREAM: u64 = 0x6a09_e667_f3bc_c909;

/// An account's number, below [`ACCOUNTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Account(pub u32);

impl Account {
    /// Reads what `Display` writes; nothing else is an account.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number: u32 = text.strip_prefix('a')?.parse().ok()?;
        let account = Self(number);
        (number < ACCOUNTS && account.to_string() == text).then_some(account)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{:03}", self.0)
    }
}

/// An order to move `amount` from one account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub id: u64,
    pub from: Account,
    pub to: Account,
    pub amount: u64,
}

impl Payment {
    /// The order with this id in the run with this seed.
    ///
    /// A pure function, so that the auditor knows what every order was without having seen the topic.
    pub(crate) fn of(seed: u64, id: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ id.wrapping_mul(ID_STRIDE));
        let from = rng.u32(0..ACCOUNTS);
        // A distance of at least one account: nobody pays himself.
        let to = (from + rng.u32(1..ACCOUNTS)) % ACCOUNTS;
        Self {
            id,
            from: Account(from),
            to: Account(to),
            amount: rng.u64(1..=AMOUNT_MAX),
        }
    }

    /// The record's key: orders of one account stay in order.
    pub(crate) fn key(&self) -> String {
        self.from.to_string()
    }

    /// The record's value, readable on a console: `17 a042 a123 5300`.
    pub(crate) fn value(&self) -> String {
        format!("{} {} {} {}", self.id, self.from, self.to, self.amount)
    }

    /// Reads what [`value`](Self::value) wrote.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let mut words = str::from_utf8(value).ok()?.split(' ');
        let payment = Self {
            id: words.next()?.parse().ok()?,
            from: Account::parse(words.next()?)?,
            to: Account::parse(words.next()?)?,
            amount: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(payment)
    }
}

/// Whether the bank refuses the order with this id: about one in [`REFUSED_ONE_IN`].
pub(crate) fn is_refused(seed: u64, id: u64) -> bool {
    Rng::with_seed(seed ^ REFUSAL_STREAM ^ id.wrapping_mul(ID_STRIDE)).u32(0..REFUSED_ONE_IN) == 0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_and_id_give_the_same_order_and_another_seed_another() {
        assert_eq!(Payment::of(7, 41), Payment::of(7, 41));
        assert_eq!(is_refused(7, 41), is_refused(7, 41));
        let differing = (0..100)
            .filter(|&id| Payment::of(7, id) != Payment::of(8, id))
            .count();
        assert!(differing > 95, "only {differing} of 100 orders differ");
    }

    #[test]
    fn orders_move_a_positive_amount_between_two_accounts_of_the_bank() {
        let mut accounts = BTreeSet::new();
        for id in 0..20_000 {
            let payment = Payment::of(3, id);
            assert_eq!(payment.id, id);
            assert_ne!(payment.from, payment.to);
            assert!(payment.from.0 < ACCOUNTS && payment.to.0 < ACCOUNTS);
            assert!((1..=AMOUNT_MAX).contains(&payment.amount));
            accounts.insert(payment.from);
            accounts.insert(payment.to);
        }
        assert_eq!(
            accounts.len(),
            ACCOUNTS as usize,
            "every account takes part"
        );
    }

    #[test]
    fn about_one_order_in_a_thousand_is_refused_whatever_the_seed() {
        for seed in [0, 1, 2, u64::MAX, 0xdead_beef] {
            let refused = (0..100_000).filter(|&id| is_refused(seed, id)).count();
            assert!((50..=150).contains(&refused), "seed {seed}: {refused}");
        }
    }

    #[test]
    fn an_order_reads_back_from_its_value() {
        for id in 0..500 {
            let payment = Payment::of(9, id);
            assert_eq!(Payment::parse(payment.value().as_bytes()), Some(payment));
        }
    }

    #[test]
    fn anything_else_is_no_order() {
        for text in [
            "",
            "1 a001 a002",
            "1 a001 a002 5 6",
            "1 a1 a002 5",
            "1 b001 a002 5",
            "1 a001 a1000 5",
            "x a001 a002 5",
            "1 a001 a002 -5",
            "1  a001 a002 5",
        ] {
            assert_eq!(Payment::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Payment::parse(&[0xff, b' ', 0xfe]), None);
    }
}

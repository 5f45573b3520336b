//! What stands in the ledger: one debit and one credit an applied order.

use std::fmt;
use std::str;

use super::payment::{Account, Payment};

/// Which half of a payment an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Money leaves the account.
    Debit,
    /// Money reaches the account.
    Credit,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
        })
    }
}

/// One line of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub payment: u64,
    pub side: Side,
    pub account: Account,
    pub amount: u64,
}

impl Entry {
    /// The debit of an order.
    pub(crate) fn debit(payment: &Payment) -> Self {
        Self {
            payment: payment.id,
            side: Side::Debit,
            account: payment.from,
            amount: payment.amount,
        }
    }

    /// The credit of an order.
    pub(crate) fn credit(payment: &Payment) -> Self {
        Self {
            payment: payment.id,
            side: Side::Credit,
            account: payment.to,
            amount: payment.amount,
        }
    }

    /// The record's key: an account's entries stay in one partition, so a payment's two halves usually do not.
    pub(crate) fn key(&self) -> String {
        self.account.to_string()
    }

    /// The record's value, readable on a console: `17 debit a042 5300`.
    pub(crate) fn value(&self) -> String {
        format!(
            "{} {} {} {}",
            self.payment, self.side, self.account, self.amount
        )
    }

    /// Reads what [`value`](Self::value) wrote.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let mut words = str::from_utf8(value).ok()?.split(' ');
        let entry = Self {
            payment: words.next()?.parse().ok()?,
            side: match words.next()? {
                "debit" => Side::Debit,
                "credit" => Side::Credit,
                _ => return None,
            },
            account: Account::parse(words.next()?)?,
            amount: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_becomes_a_debit_of_the_payer_and_a_credit_of_the_payee() {
        let payment = Payment::of(1, 17);
        let (debit, credit) = (Entry::debit(&payment), Entry::credit(&payment));
        assert_eq!(
            (debit.account, debit.amount),
            (payment.from, payment.amount)
        );
        assert_eq!(
            (credit.account, credit.amount),
            (payment.to, payment.amount)
        );
        assert_eq!((debit.payment, credit.payment), (17, 17));
        assert_eq!(debit.key(), payment.from.to_string());
        assert_eq!(credit.key(), payment.to.to_string());
    }

    #[test]
    fn an_entry_reads_back_from_its_value() {
        for id in 0..200 {
            let payment = Payment::of(2, id);
            for entry in [Entry::debit(&payment), Entry::credit(&payment)] {
                assert_eq!(Entry::parse(entry.value().as_bytes()), Some(entry));
            }
        }
    }

    #[test]
    fn anything_else_is_no_entry() {
        for text in [
            "",
            "1 debit a001",
            "1 loan a001 5",
            "1 debit a001 5 5",
            "debit 1 a001 5",
        ] {
            assert_eq!(Entry::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}

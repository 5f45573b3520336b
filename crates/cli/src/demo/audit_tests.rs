//! The auditor fed with ledgers in which something is wrong: each planted fault must be found, and only that one.

use super::*;
use crate::demo::payment::Account;

const SEED: u64 = 12;
const PAYMENTS: u64 = 3_000;

impl Findings {
    fn is_clean(&self) -> bool {
        counts(self) == (0, 0, 0, 0) && self.balanced
    }
}

/// The records that a faultless run leaves behind.
struct Books {
    ledger: Vec<Entry>,
    refused: Vec<Payment>,
}

impl Books {
    fn faultless() -> Self {
        let orders = (0..PAYMENTS).map(|id| Payment::of(SEED, id));
        let (refused, applied): (Vec<_>, Vec<_>) =
            orders.partition(|order| is_refused(SEED, order.id));
        assert!(!refused.is_empty(), "choose a seed with refusals");
        let ledger = applied
            .iter()
            .flat_map(|order| [Entry::debit(order), Entry::credit(order)])
            .collect();
        Self { ledger, refused }
    }

    fn audit(&self) -> Findings {
        let mut auditor = Auditor::new(SEED, PAYMENTS);
        for entry in &self.ledger {
            auditor.see_ledger(Some(entry.value().as_bytes()));
        }
        for order in &self.refused {
            auditor.see_refused(Some(order.value().as_bytes()));
        }
        auditor.finish()
    }

    fn position(&self, id: u64, side: Side) -> usize {
        self.ledger
            .iter()
            .position(|entry| entry.payment == id && entry.side == side)
            .expect("the order is applied")
    }

    /// Some order that is applied.
    fn applied(&self) -> u64 {
        self.ledger[self.ledger.len() / 2].payment
    }
}

fn counts(findings: &Findings) -> (u64, u64, u64, u64) {
    (
        findings.lost,
        findings.doubled,
        findings.torn,
        findings.foreign,
    )
}

#[test]
fn faultless_books_are_clean() {
    let books = Books::faultless();
    let findings = books.audit();
    assert!(findings.is_clean(), "{findings:?}");
    assert_eq!(findings.applied + findings.refused, PAYMENTS);
    assert_eq!(findings.refused, books.refused.len() as u64);
    assert_eq!(findings.ledger_records, 2 * findings.applied);
}

#[test]
fn the_order_of_the_records_does_not_matter() {
    let mut books = Books::faultless();
    fastrand::Rng::with_seed(5).shuffle(&mut books.ledger);
    assert!(books.audit().is_clean());
}

#[test]
fn a_payment_of_which_nothing_is_left_is_lost() {
    let mut books = Books::faultless();
    let id = books.applied();
    books.ledger.retain(|entry| entry.payment != id);
    let findings = books.audit();
    assert_eq!(counts(&findings), (1, 0, 0, 0));
    assert!(!findings.balanced && !findings.is_clean());
}

#[test]
fn a_refusal_that_is_missing_is_lost() {
    let mut books = Books::faultless();
    books.refused.pop();
    let findings = books.audit();
    assert_eq!(counts(&findings), (1, 0, 0, 0));
    assert!(findings.balanced, "no money was to move");
    assert!(!findings.is_clean());
}

#[test]
fn a_payment_applied_twice_is_doubled() {
    let mut books = Books::faultless();
    let order = Payment::of(SEED, books.applied());
    books.ledger.push(Entry::debit(&order));
    books.ledger.push(Entry::credit(&order));
    let findings = books.audit();
    assert_eq!(counts(&findings), (0, 1, 0, 0));
    assert!(
        !findings.balanced,
        "the sum is right, the two accounts are not"
    );
}

#[test]
fn a_refusal_written_twice_is_doubled() {
    let mut books = Books::faultless();
    let order = books.refused[0];
    books.refused.push(order);
    assert_eq!(counts(&books.audit()), (0, 1, 0, 0));
}

#[test]
fn a_debit_without_its_credit_is_torn_and_so_is_the_reverse() {
    for side in [Side::Debit, Side::Credit] {
        let mut books = Books::faultless();
        let position = books.position(books.applied(), side);
        books.ledger.remove(position);
        let findings = books.audit();
        assert_eq!(counts(&findings), (0, 0, 1, 0), "without its {side}");
        assert!(!findings.balanced);
    }
}

#[test]
fn a_half_written_twice_is_doubled_and_torn() {
    let mut books = Books::faultless();
    let position = books.position(books.applied(), Side::Credit);
    books.ledger.push(books.ledger[position]);
    assert_eq!(counts(&books.audit()), (0, 1, 1, 0));
}

#[test]
fn halves_that_disagree_with_the_order_are_torn() {
    let mut amount = Books::faultless();
    let position = amount.position(amount.applied(), Side::Credit);
    amount.ledger[position].amount += 1;
    let findings = amount.audit();
    assert_eq!(counts(&findings), (0, 0, 1, 0));
    assert!(!findings.balanced, "money was made");

    let mut account = Books::faultless();
    let position = account.position(account.applied(), Side::Debit);
    let wrong = (account.ledger[position].account.0 + 1) % ACCOUNTS;
    account.ledger[position].account = Account(wrong);
    let findings = account.audit();
    assert_eq!(counts(&findings), (0, 0, 1, 0));
    assert!(!findings.balanced, "the wrong account paid");
}

#[test]
fn a_payment_both_applied_and_refused_is_torn() {
    let mut books = Books::faultless();
    books.refused.push(Payment::of(SEED, books.applied()));
    assert_eq!(counts(&books.audit()), (0, 0, 1, 0));
}

#[test]
fn an_order_decided_the_wrong_way_is_found() {
    let mut books = Books::faultless();
    let order = books.refused.pop().expect("there are refusals");
    books.ledger.push(Entry::debit(&order));
    books.ledger.push(Entry::credit(&order));
    let findings = books.audit();
    assert_eq!(counts(&findings), (0, 0, 0, 1));
    assert!(!findings.is_clean());
}

#[test]
fn records_of_no_order_are_found() {
    let books = Books::faultless();
    let mut auditor = Auditor::new(SEED, PAYMENTS);
    for entry in &books.ledger {
        auditor.see_ledger(Some(entry.value().as_bytes()));
    }
    for order in &books.refused {
        auditor.see_refused(Some(order.value().as_bytes()));
    }
    auditor.see_ledger(None);
    auditor.see_ledger(Some(b"nonsense"));
    auditor.see_refused(None);
    auditor.see_refused(Some(Payment::of(SEED, PAYMENTS).value().as_bytes()));
    let beyond = Payment::of(SEED, PAYMENTS + 1);
    auditor.see_ledger(Some(Entry::debit(&beyond).value().as_bytes()));
    let findings = auditor.finish();
    assert_eq!(counts(&findings), (0, 0, 0, 5));
    assert!(!findings.balanced, "the stray debit moved money");
}

#[test]
fn an_empty_ledger_has_lost_everything() {
    let findings = Auditor::new(SEED, PAYMENTS).finish();
    assert_eq!(findings.lost, PAYMENTS);
    assert!(!findings.is_clean());
}

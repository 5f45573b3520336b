//! `docs/ERRORS.md`, from the table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ERRORS.md");

const HEAD: &str = "# What milena does about a broker's error

This page is written from the table in `crates/cluster/src/recovery.rs` by a test of that crate, which fails when the two
differ. To write it anew: `MILENA_BLESS=1 cargo test -p milena-cluster the_errors_page`.

| word | what happens |
|---|---|
| retry | the same request to the same broker, after a backoff |
| retry soon | the same within milliseconds: the transaction before is just being ended |
| refresh | metadata is refreshed, then the request goes to whoever leads |
| find | the coordinator is looked up, then the request goes there |
| abort | the transaction can only be aborted; then the producer goes on. Of InitProducerId: the call fails and may be repeated |
| abort+bump | the same, and the producer takes a new epoch first. Outside of a transaction: the batch fails, and its partition goes on under a new epoch |
| split | the batch goes again in two halves; one of a single record fails |
| sequence | the rules for missing sequence numbers decide (see the producer) |
| duplicate | a success: the batch is in the log already |
| reset | the consumer's setting for positions outside of the log decides |
| **fenced** | fatal: a newer instance took over, or the coordinator gave this one up |
| **authorization** | fatal: not allowed |
| **mapping** | fatal: the broker does not know the producer id any more |
| **unsupported** | fatal: the broker cannot do it |
| **configuration** | fatal: what was asked for is not there, or not possible |
| **bug** | fatal: an answer that milena or the broker should never have come to |

Codes with the same row share it. A code of a later Kafka is handled as the last row says.
";

fn cell(recovery: Recovery) -> String {
    match recovery {
        Recovery::Fatal(cause) => format!("**{cause}**"),
        other => other.to_string(),
    }
}

fn table(title: &str, operations: &[Operation]) -> String {
    let row = |code: E| {
        operations
            .iter()
            .map(|operation| cell(recover(*operation, code)))
            .collect::<Vec<_>>()
    };
    let later = row(E(3_000));
    // Grouped by their row, in the order of the lowest code of each group.
    let mut groups: BTreeMap<Vec<String>, Vec<E>> = BTreeMap::new();
    for code in codes().filter(|code| code.name() != "UNKNOWN_CODE" && !code.is_ok()) {
        groups.entry(row(code)).or_default().push(code);
    }
    groups.remove(&later);
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, codes)| codes[0]);
    let mut text = format!("\n## {title}\n\n| error |");
    operations
        .iter()
        .for_each(|operation| write!(text, " {operation} |").unwrap());
    text.push_str("\n|---|");
    operations.iter().for_each(|_| text.push_str("---|"));
    for (cells, codes) in groups {
        let names: Vec<&str> = codes.iter().map(|code| code.name()).collect();
        write!(text, "\n| {} | {} |", names.join(", "), cells.join(" | ")).unwrap();
    }
    write!(text, "\n| anything else | {} |\n", later.join(" | ")).unwrap();
    text
}

fn page() -> String {
    let (coordinated, rest) = Operation::ALL.split_at(7);
    let (produce, reading) = rest.split_at(2);
    let mut page = HEAD.to_owned();
    page += &table("Transactions", coordinated);
    page += &table("Produce", produce);
    page += &table("Reading and administration", reading);
    page
}

#[test]
fn the_errors_page_says_what_the_code_does() {
    if std::env::var_os("MILENA_BLESS").is_some() {
        std::fs::write(PATH, page()).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        written == page(),
        "docs/ERRORS.md is out of date; write it with MILENA_BLESS=1"
    );
}

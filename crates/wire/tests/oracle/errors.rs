//! The error codes.

use milena_wire::ErrorCode;

use crate::java::Java;

#[test]
fn error_codes_have_kafkas_names() {
    let Some(java) = Java::find() else { return };
    let theirs = java.errors();
    let codes = || {
        theirs.lines().map(|line| {
            let (code, name) = line.split_once(' ').expect("code and name");
            (ErrorCode(code.parse().expect("a number")), name)
        })
    };
    for (code, name) in codes() {
        assert_eq!(code.name(), name, "{}", code.0);
    }
    // And none that Kafka does not have.
    let known = (i16::MIN..=i16::MAX).filter(|code| ErrorCode(*code).name() != "UNKNOWN_CODE");
    assert_eq!(known.count(), codes().count());
}

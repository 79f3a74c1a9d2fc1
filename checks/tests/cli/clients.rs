//! `selvedge clients`.

use crate::{selvedge, stderr, stdout};

#[test]
fn a_client_is_a_scenario_like_any_other() {
    let output = selvedge(&["explain", "clients/vfio-ap/v6.0@5-13"]);
    assert_eq!(output.status.code(), Some(0), "nothing is expected of it");
    assert!(stdout(&output).contains("close, open 1"), "{}", stdout(&output));
    let listed = selvedge(&["list", "**/v6.0"]);
    assert!(!stdout(&listed).contains("clients/"), "a pattern selects no driver");
    let unknown = selvedge(&["explain", "clients/vfio-ap/v6.0@5-14"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("13 numbers are expected"), "{}", stderr(&unknown));
}

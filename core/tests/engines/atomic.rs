//! Atomic words.

use selvedge_core::sync::Atomic;
use selvedge_core::{Scenario, ViolationKind};

use super::check;

#[test]
fn atomics_lose_updates_that_are_not_atomic() {
    let scenario = Scenario::builder("atomic", || Atomic::new("x", 0))
        .thread("T1", |x| x.store(x.load() + 1))
        .thread("T2", |x| {
            x.fetch_add(1);
        })
        .finally(|x| assert_eq!(x.load(), 2, "lost"))
        .expect_violations([ViolationKind::Panic(
            "assertion `left == right` failed: lost\n  left: 1\n right: 2".into(),
        )]);
    check(&scenario);
}

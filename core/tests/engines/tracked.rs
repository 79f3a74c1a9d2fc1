//! Objects that can be released: accesses after that, second and missing releases.

use selvedge_core::sync::Tracked;
use selvedge_core::{Scenario, ViolationKind};

use super::{check, reason_of};

#[test]
fn an_access_after_the_release_is_named() {
    let scenario = Scenario::builder("uaf", || Tracked::new("mdev", ()))
        .thread("user", |mdev| {
            mdev.get();
        })
        .thread("remover", |mdev| mdev.release())
        .expect_violations([ViolationKind::use_after_release("mdev")]);
    check(&scenario);
}

#[test]
fn a_second_release_is_a_violation() {
    let scenario = Scenario::builder("double", || Tracked::new("mdev", ()))
        .thread("T1", |mdev| mdev.release())
        .thread("T2", |mdev| mdev.release())
        .expect_violations([ViolationKind::DoubleRelease("mdev".into())]);
    check(&scenario);
}

#[test]
fn an_object_that_is_never_released_is_leaked() {
    let scenario = Scenario::builder("leak", || Tracked::new("mdev", ()))
        .thread("T", |mdev| {
            mdev.get();
        })
        .expect_violations([ViolationKind::Leak("mdev".into())]);
    check(&scenario);
    let reason = "mdev is not released at the end: last used by T, use at [";
    assert!(reason_of(&scenario).starts_with(reason), "{}", reason_of(&scenario));
}

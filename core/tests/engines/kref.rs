//! `struct kref`: the last reference, and references that come too late.

use selvedge_core::sync::{Kref, Tracked};
use selvedge_core::{Scenario, ViolationKind};

use super::check;

#[test]
fn the_last_put_releases_once() {
    let scenario = Scenario::builder("kref", || (Kref::new("count"), Tracked::new("kvm", ())))
        .thread("T1", |(count, kvm)| {
            if count.get_unless_zero() {
                kvm.get();
                if count.put() {
                    kvm.release();
                }
            }
        })
        .thread("T2", |(count, kvm)| {
            kvm.get();
            if count.put() {
                kvm.release();
            }
        })
        .expect_proof();
    check(&scenario);
}

#[test]
fn a_get_without_a_reference_may_come_too_late() {
    let scenario = Scenario::builder("kref-get", || Kref::new("count"))
        .thread("T1", |count| {
            count.get();
            let _ = count.put();
        })
        .thread("T2", |count| {
            let _ = count.put();
        })
        .expect_violations([ViolationKind::use_after_release("count")]);
    check(&scenario);
}

//! How long threads of the catalogue wait.

mod common;

use selvedge_core::{Checker, Length};

use common::named;

/// Returns how many operations the ioctl has to wait for.
fn required(name: &str) -> u64 {
    let waits = Checker::native().longest_waits(&named(name)).expect("the scenario is small");
    let ioctl = waits.iter().find(|wait| wait.thread == "KVM ioctl").expect("it has a KVM ioctl");
    match ioctl.length {
        Length::Bounded { required, .. } => required,
        Length::ForGood => panic!("{name}: the ioctl waits for good"),
    }
}

/// With `kvm->lock` first, a user of it has to wait for PQAP(AQIC) of another guest. With the
/// driver's mutex first it did not have to.
#[test]
fn another_guest_holds_up_a_user_of_kvm_lock_since_v5_15() {
    for update in ["open", "close"] {
        for (version, held_up) in [
            ("v5.3", false),
            ("v5.11", false),
            ("v5.13", false),
            ("v5.15", true),
            ("p17", true),
            ("v6.0", true),
            ("2026", true),
        ] {
            let both = required(&format!("vfio-ap/kvm-lock/{version}/{update}"));
            let alone = required(&format!("vfio-ap/kvm-lock/{version}/{update}-alone"));
            assert_eq!(both > alone, held_up, "{version}/{update}: {both}, alone {alone}");
        }
    }
}

#[test]
fn a_thread_that_deadlocks_waits_for_good() {
    let waits = Checker::native().longest_waits(&named("vfio-ap/ap-perms/p11/apmask-assign"));
    let waits = waits.expect("the scenario is small");
    assert!(waits.iter().all(|wait| wait.length == Length::ForGood), "{waits:?}");
}

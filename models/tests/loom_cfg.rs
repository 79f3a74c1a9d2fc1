//! The models inside a plain `loom::model`, without an engine of selvedge.
#![cfg(loom)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use selvedge_models::ap::{ApBus, ApMask, ApMatrix, ApPerms, Apqn};
use selvedge_models::ap_perms::p11::P11;
use selvedge_models::ap_perms::p12b::P12b;
use selvedge_models::ap_perms::v6_0::V6_0;
use selvedge_models::ap_perms::{MatrixDev, VfioAp, VfioApDrv};

/// Returns adapter 1 to the host while another thread assigns it.
fn apmask_assign<V: VfioAp>() {
    let apqn = Apqn { apid: 1, apqi: 4 };
    let mut ap_perms = ApPerms::new(ApMask::all(), ApMask::all());
    ap_perms.apm.set(apqn.apid, false);
    let assigned = ApMatrix { apm: ApMask::none(), aqm: ApMask::of([apqn.apqi]) };
    let world =
        Arc::new((ApBus::new(ap_perms, [apqn], assigned.apqns()), V::MatrixDev::new(assigned)));
    let other = Arc::clone(&world);
    loom::thread::spawn(move || V::assign_adapter_store(&other.1, &other.0, 1));
    _ = world.0.apmask_store(&VfioApDrv::<V>(&world.1), "+1");
}

#[test]
fn what_was_merged_passes() {
    loom::model(apmask_assign::<V6_0>);
}

#[test]
fn version_12_passes() {
    loom::model(apmask_assign::<P12b>);
}

#[test]
fn version_11_deadlocks() {
    let panic = catch_unwind(AssertUnwindSafe(|| loom::model(apmask_assign::<P11>)));
    let panic = panic.expect_err("the model must fail");
    let message = panic.downcast_ref::<String>().expect("the panic has the message of loom");
    assert!(message.starts_with("deadlock"), "{message}");
}

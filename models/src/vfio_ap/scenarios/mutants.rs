//! `vfio-ap/mutants`: changes that no version has. Each breaks an invariant that every version
//! keeps, next to a version that keeps it.

use std::sync::Arc;

use selvedge_core::sync::Mutex;
use selvedge_core::{Scenario, ScenarioBuilder, Value, ViolationKind};

use crate::Errno;
use crate::ap::{ApMask, ApMatrix};
use crate::vfio_ap::ap_queue::{ApQueue, ResponseCode};
use crate::vfio_ap::aqic::WithoutGuest;
use crate::vfio_ap::kvm::Kvm;
use crate::vfio_ap::pqap::switch;
use crate::vfio_ap::reset_work::Mutation;
use crate::vfio_ap::scenarios::fixtures::{ENABLE, QUEUE, matrix};
use crate::vfio_ap::versions::v5_15::V5_15;
use crate::vfio_ap::versions::v6_0::V6_6;
use crate::vfio_ap::world::{Aqic, Own, Version, World};

pub(super) fn scenarios() -> Vec<Scenario> {
    let flushed = |lock| [ViolationKind::deadlock([lock, "reset_work"])];
    let mdevs_lock = |w: &World| takes(&w.matrix_dev.lock);
    let guests_lock = |w: &World| takes(&w.matrix_dev.guests_lock);
    let kvm_lock = |w: &World| takes(&w.guest(0).shared_lock());
    vec![
        assigned_twice("v5.15", V5_15::assign_adapter_store).expect_proof(),
        assigned_twice("mutant", assign_checked_too_early)
            .expect_violations([ViolationKind::invariant("INV-02")]),
        foreign_queue("v5.15", V5_15::handle_pqap).expect_proof(),
        foreign_queue("mutant", any_queue_is_found)
            .expect_violations([ViolationKind::invariant("INV-23")]),
        flush("v6.6", |_| Own::default()).expect_proof(),
        flush("mdevs-lock", mdevs_lock).expect_violations(flushed("mdevs_lock")),
        flush("guests-lock", guests_lock).expect_violations(flushed("guests_lock")),
        flush("kvm-lock", kvm_lock).expect_violations(flushed("kvm->lock")),
    ]
}

/// Builds a scenario in which two devices request the same adapter.
fn assigned_twice(
    version: &str,
    assign: fn(&World, usize, u8) -> Result<(), Errno>,
) -> ScenarioBuilder<World> {
    let world = || {
        let queues = [ApQueue::new(QUEUE)];
        World::with_queues::<V5_15>(1, 1, &[matrix(&[]), matrix(&[])], queues)
    };
    Scenario::builder(format!("vfio-ap/mutants/sharing/{version}"), world)
        .about("one adapter is assigned to two devices: are the check and the assignment atomic?")
        .source("vfio_ap_mdev_verify_no_sharing, commit 258287c994de, v4.20, and after")
        .thread("assign_adapter_store 0", move |w| _ = assign(w, 0, QUEUE.apid))
        .thread("assign_adapter_store 1", move |w| _ = assign(w, 1, QUEUE.apid))
        .finally(|w| w.at_rest::<V5_15>())
}

/// Unlocks the mutex between the check and the assignment.
fn assign_checked_too_early(w: &World, mdev: usize, apid: u8) -> Result<(), Errno> {
    let mdevs = w.matrix_dev.lock.lock();
    let added = ApMatrix { apm: ApMask::of([apid]), aqm: mdevs.mdevs[mdev].assigned.matrix.aqm };
    let free = mdevs.verify_no_sharing(mdev, &added);
    mdevs.unlock();
    free?;
    w.matrix_dev.lock.lock().mdevs[mdev].assigned.matrix.apm.set(apid, true);
    Ok(())
}

/// Builds a scenario in which a guest executes PQAP(AQIC) on the queue of another guest.
fn foreign_queue(
    version: &str,
    handle_pqap: fn(&World, &Kvm, Aqic) -> ResponseCode,
) -> ScenarioBuilder<World> {
    let world = || {
        let world = World::new::<V5_15>(2, 1, &[matrix(&[]), matrix(&[QUEUE.apid])]);
        for vm in 0..2 {
            V5_15::set_kvm(&world, usize::from(vm), vm).expect("the guest has no other device");
        }
        world
    };
    Scenario::builder(format!("vfio-ap/mutants/foreign-queue/{version}"), world)
        .about("a guest executes PQAP(AQIC) on another guest's queue: is the queue found?")
        .source("`handle_pqap`, commit ec89b55e3bce, v5.3, and after")
        .thread("PQAP(AQIC)", move |w| {
            let _running = w.guest(0).vcpu(0);
            _ = handle_pqap(w, w.guest(0), ENABLE);
        })
        .finally(|w| w.at_rest::<V5_15>())
}

/// Searches the queue among all that are bound to the driver.
fn any_queue_is_found(w: &World, kvm: &Kvm, aqic: Aqic) -> ResponseCode {
    let mut mdevs = w.matrix_dev.lock.lock();
    let Some(mdev) = kvm.pqap_hook() else { return ResponseCode::QNotAvail };
    switch(w, &mut mdevs, mdev, aqic, WithoutGuest::Keep)
}

/// Makes the work also take this lock.
fn takes<T: Value>(lock: &Arc<Mutex<T>>) -> Own {
    let lock = Arc::clone(lock);
    Own::new(Mutation::new(move || lock.lock().unlock()))
}

/// Builds a scenario of INV-22: closing the device resets its queue and waits for the work with
/// `guests_lock`, `kvm->lock` and `mdevs_lock` held. The work must not take any of them.
fn flush(version: &str, mutation: fn(&World) -> Own) -> ScenarioBuilder<World> {
    let world = move || {
        let mut world = World::new::<V6_6>(1, 1, &[matrix(&[1])]);
        V6_6::set_kvm(&world, 0, 0).expect("the guest has no other device");
        _ = world.pqap::<V6_6>(0, 0, ENABLE);
        world.hardware.nqap(0, QUEUE);
        world.hardware.happens(QUEUE, |queue| queue.quick = false);
        world.own = mutation(&world);
        world
    };
    Scenario::builder(format!("vfio-ap/mutants/flush/{version}"), world)
        .about("the reset's work is flushed with all update locks held: does it take one?")
        .source("commit 9261f0438835, v6.6")
        .thread("close", |w| V6_6::close(w, 0))
        .thread("hardware", |w| w.hardware.finish_reset(QUEUE))
        .finally(|w| {
            w.hardware.happens(QUEUE, |queue| queue.quick = true);
            w.at_rest::<V6_6>();
        })
}

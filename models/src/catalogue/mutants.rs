//! `vfio-ap/mutants`: what no version did, and why not. Each breaks an invariant that every
//! version keeps, next to a version that keeps it.

use std::sync::Arc;

use selvedge_core::sync::Mutex;
use selvedge_core::thread::spawn;
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use super::matrix::{QUEUE, matrix};
use crate::ap::{ApMask, ApMatrix, Errno};
use crate::vfio_ap::ap_queue::ApQueue;
use crate::vfio_ap::v5_15::V5_15;
use crate::vfio_ap::world::{Version, World};

pub(super) fn scenarios() -> Vec<Scenario> {
    let flushed = [ViolationKind::deadlock(["mdevs_lock", "reset_work"])];
    vec![
        assigned_twice("v5.15", V5_15::assign_adapter_store).proved(),
        assigned_twice("mutant", assign_checked_too_early)
            .refuted([ViolationKind::invariant("INV-02")]),
        flush("v6.6", false).proved(),
        flush("mutant", true).refuted(flushed),
    ]
}

/// Two devices want the same adapter.
fn assigned_twice(
    version: &str,
    assign: fn(&World, usize, u8) -> Result<(), Errno>,
) -> ScenarioBuilder<World> {
    let world = || {
        let queues = [ApQueue::new(QUEUE)];
        World::with_queues::<V5_15>(1, 1, &[matrix(&[]), matrix(&[])], queues)
    };
    Scenario::builder(format!("vfio-ap/mutants/sharing/{version}"), world)
        .about("two devices want one adapter; is it looked for and taken in one go?")
        .source("vfio_ap_mdev_verify_no_sharing, commit 258287c994de, v4.20, and after")
        .thread("assign_adapter_store 0", move |w| _ = assign(w, 0, QUEUE.apid))
        .thread("assign_adapter_store 1", move |w| _ = assign(w, 1, QUEUE.apid))
        .finally(|w| w.at_rest::<V5_15>())
}

/// Lets go of the mutex between the question and the bit.
fn assign_checked_too_early(w: &World, mdev: usize, apid: u8) -> Result<(), Errno> {
    let mdevs = w.matrix_dev.lock.lock();
    let added = ApMatrix { apm: ApMask::of([apid]), aqm: mdevs.mdevs[mdev].matrix.aqm };
    let free = mdevs.verify_no_sharing(mdev, &added);
    mdevs.unlock();
    free?;
    w.matrix_dev.lock.lock().mdevs[mdev].matrix.apm.set(apid, true);
    Ok(())
}

/// INV-22: the work that is waited for with the mutex held must not take it.
fn flush(version: &str, takes_mutex: bool) -> ScenarioBuilder<Arc<Mutex>> {
    let world = || Arc::new(Mutex::new("mdevs_lock", ()));
    Scenario::builder(format!("vfio-ap/mutants/flush/{version}"), world)
        .about("a work item is flushed with the driver's mutex held: does it take the mutex?")
        .source("commit 9261f0438835, v6.6")
        .thread("VFIO_DEVICE_RESET", move |mdevs_lock| {
            let held = mdevs_lock.lock();
            let work = Arc::clone(mdevs_lock);
            let reset_work = spawn("reset_work", move || {
                if takes_mutex {
                    work.lock().unlock();
                }
            });
            reset_work.join();
            held.unlock();
        })
}

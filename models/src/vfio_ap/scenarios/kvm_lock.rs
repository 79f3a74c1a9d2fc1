//! `vfio-ap/kvm-lock`: how long a user of a guest's `kvm->lock` waits for another guest.
//!
//! A thread that holds `kvm->lock` while it waits for the driver's mutex makes every other user of
//! `kvm->lock` wait for the holder of that mutex, such as PQAP(AQIC) of another guest. Nothing is
//! violated: the scenarios are proofs, and what differs is the longest wait, which
//! `selvedge waits vfio-ap/kvm-lock` prints. In `alone` the other guest does nothing.

use selvedge_core::{Scenario, ScenarioBuilder, function};

use crate::vfio_ap::ap_queue::Irq;
use crate::vfio_ap::scenarios::fixtures::{ENABLE, matrix, queue};
use crate::vfio_ap::versions::p17::P17;
use crate::vfio_ap::versions::v5_3::V5_3;
use crate::vfio_ap::versions::v5_11::V5_11;
use crate::vfio_ap::versions::v5_13::V5_13;
use crate::vfio_ap::versions::v5_15::V5_15;
use crate::vfio_ap::versions::v6_0::{V6_0, V2026};
use crate::vfio_ap::world::{Aqic, Version, World};

const SOURCE: &str = "\"Re: [PATCH v17 09/15] s390/vfio-ap: allow hot plug/unplug of AP resources \
                      using mdev device\", H. Pasic, 2022-01-09, and T. Krowiak, 2022-01-11";

pub(super) fn scenarios() -> Vec<Scenario> {
    let versions = [
        version::<V5_3>("v5.3"),
        version::<V5_11>("v5.11"),
        version::<V5_13>("v5.13"),
        version::<V5_15>("v5.15"),
        version::<P17>("p17"),
        version::<V6_0>("v6.0"),
        version::<V2026>("2026"),
    ];
    versions.into_iter().flatten().collect()
}

/// Returns the scenarios in which the device of guest 0 is opened and closed.
fn version<V: Version>(version: &str) -> Vec<Scenario> {
    let new = |name: &str, about: &str, opened: bool| {
        Scenario::builder(format!("vfio-ap/kvm-lock/{version}/{name}"), move || world::<V>(opened))
            .about(format!("a user of kvm->lock while the guest's device is {about}"))
            .source(SOURCE)
            .thread("KVM ioctl", kvm_vm_ioctl_enable_cap)
            .finally(World::at_rest::<V>)
    };
    let open = |scenario: ScenarioBuilder<World>| {
        scenario.thread("VFIO", |w| V::set_kvm(w, 0, 0).expect("the guest has no other device"))
    };
    let close = |scenario: ScenarioBuilder<World>| scenario.thread("VFIO", |w| V::close(w, 0));
    let both = "and another guest executes PQAP(AQIC)";
    vec![
        open(new("open-alone", "opened", false)).expect_proof(),
        other_guest::<V>(open(new("open", &format!("opened {both}"), false))).expect_proof(),
        close(new("close-alone", "closed", true)).expect_proof(),
        other_guest::<V>(close(new("close", &format!("closed {both}"), true))).expect_proof(),
    ]
}

fn other_guest<V: Version>(scenario: ScenarioBuilder<World>) -> ScenarioBuilder<World> {
    let aqic = Aqic { apqn: queue(2), irq: Some(Irq { vm: 1, ..ENABLE.irq.expect("it enables") }) };
    scenario.thread("PQAP(AQIC)", move |w| _ = w.pqap::<V>(1, 0, aqic))
}

/// Creates two guests with a device each. That of guest 1 is open.
fn world<V: Version>(opened: bool) -> World {
    let world = World::new::<V>(2, 1, &[matrix(&[1]), matrix(&[2])]);
    V::set_kvm(&world, 1, 1).expect("the guest has no other device");
    if opened {
        V::set_kvm(&world, 0, 0).expect("the guest has no other device");
    }
    world
}

/// Models `kvm_vm_ioctl_enable_cap` of guest 0, such as for `KVM_CAP_S390_VECTOR_REGISTERS`, which
/// takes `kvm->lock` and has nothing to do with the driver.
fn kvm_vm_ioctl_enable_cap(w: &World) {
    let _function = function("kvm_vm_ioctl_enable_cap");
    w.guest(0).lock().unlock();
}

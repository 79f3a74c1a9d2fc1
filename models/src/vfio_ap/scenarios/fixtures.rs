//! The worlds and the calls that the scenarios share.

use selvedge_core::{Scenario, ScenarioBuilder, invariant_broken};

use crate::Errno;
use crate::ap::{ApConfig, ApMask, ApMatrix, Apqn};
use crate::vfio_ap::ap_queue::{ApQueue, Irq};
use crate::vfio_ap::assign::{assign_store, unassign_store};
use crate::vfio_ap::invariants;
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::world::{Aqic, Version, World};

/// The queue of all scenarios.
pub(crate) const QUEUE: Apqn = Apqn { apid: 1, apqi: 4 };

/// The target of its interrupts.
pub(crate) const IRQ: Irq = Irq { vm: 0, nib: 1, isc: 3 };

/// PQAP(AQIC) that enables its interrupts.
pub(crate) const ENABLE: Aqic = Aqic { apqn: QUEUE, irq: Some(IRQ) };

/// Returns the matrix of domain 4 and these adapters.
pub(crate) fn matrix(adapters: &[u8]) -> ApMatrix {
    ApMatrix { apm: ApMask::of(adapters.iter().copied()), aqm: ApMask::of([4]) }
}

/// Returns the queue of an adapter. Every adapter has only domain 4.
pub(crate) fn queue(apid: u8) -> Apqn {
    Apqn { apid, apqi: 4 }
}

/// Creates a world in which adapter 1 is assigned to the first of two mediated devices, and adapter
/// 2 is not assigned.
pub(crate) fn closed<V: Version>() -> World {
    let queues = [1, 2].map(|apid| ApQueue::new(queue(apid)));
    World::with_queues::<V>(2, 1, &[matrix(&[1]), matrix(&[])], queues)
}

/// Creates the world of [`closed`], in which each device has a guest.
pub(crate) fn running<V: Version>() -> World {
    let world = closed::<V>();
    V::set_kvm(&world, 0, 0).expect("the guest has no other device");
    V::set_kvm(&world, 1, 1).expect("the guest has no other device");
    world
}

/// Removes a closed device without an assignment from the list, as if it were not created yet.
pub(crate) fn not_made(world: World, mdev: usize) -> World {
    world.matrix_dev.lock.lock().mdevs[mdev].listed = false;
    world.matrix_dev.mdev_list.list_del(mdev);
    world
}

/// Creates the world of [`running`], in which the queue of adapter 2 is not bound to the driver.
pub(crate) fn unbound<V: Version>() -> World {
    let world = running::<V>();
    world.bus.unbind(&world, queue(2));
    world
}

/// Creates the world of [`unbound`], in which the host does not have adapter 2.
pub(crate) fn absent<V: Version>() -> World {
    let world = running::<V>();
    lose(&world, 2);
    world
}

/// Creates the world of [`absent`], in which adapter 2 is assigned to the first device.
pub(crate) fn assigned_absent<V: Version>() -> World {
    let world = absent::<V>();
    assign(&world, 0, 2);
    world
}

/// The queue of the second domain of adapter 1.
pub(crate) const SECOND: Apqn = Apqn { apid: 1, apqi: 5 };

/// Creates a world in which adapter 1 has domains 4 and 5 in the first device.
pub(crate) fn two_domains<V: Version>() -> World {
    let both = ApMatrix { apm: ApMask::of([1]), aqm: ApMask::of([4, 5]) };
    let queues = both.apqns().map(ApQueue::new);
    let world = World::with_queues::<V>(2, 1, &[both, matrix(&[])], queues);
    V::set_kvm(&world, 0, 0).expect("the guest has no other device");
    V::set_kvm(&world, 1, 1).expect("the guest has no other device");
    world
}

/// Creates the world of [`two_domains`], in which the host does not have the second domain.
pub(crate) fn lacking_second<V: Version>() -> World {
    let world = two_domains::<V>();
    world.ap_scan_bus(&ApConfig::everything(), &without_domain(SECOND.apqi));
    world
}

/// Returns the host's configuration without an adapter.
pub(crate) fn without(apid: u8) -> ApConfig {
    let mut config = ApConfig::everything();
    config.matrix.apm.set(apid, false);
    config
}

/// Returns the host's configuration without a domain.
pub(crate) fn without_domain(apqi: u8) -> ApConfig {
    let mut config = ApConfig::everything();
    config.matrix.aqm.set(apqi, false);
    config
}

/// Returns the host's configuration without a control domain.
pub(crate) fn without_control_domain(domain: u8) -> ApConfig {
    let mut config = ApConfig::everything();
    config.adm.set(domain, false);
    config
}

/// Removes an adapter from the host's configuration.
pub(crate) fn lose(w: &World, apid: u8) {
    w.ap_scan_bus(&ApConfig::everything(), &without(apid));
}

/// Adds an adapter to the host's configuration, which has all others.
pub(crate) fn gain(w: &World, apid: u8) {
    w.ap_scan_bus(&without(apid), &ApConfig::everything());
}

pub(crate) fn assign(w: &World, mdev: usize, apid: u8) {
    _ = assign_store(w, mdev, Resource::Adapter(apid));
}

pub(crate) fn unassign(w: &World, mdev: usize, apid: u8) {
    unassign_store(w, mdev, Resource::Adapter(apid));
}

pub(crate) fn apmask(w: &World, text: &str) {
    never_busy(w.bus.apmask_store(w, text), text);
}

/// Checks INV-24: a write to the mask fails only for an assigned queue, and adapter 2 is not
/// assigned when the host releases it.
fn never_busy(result: Result<(), Errno>, text: &str) {
    if result == Err(Errno::Ebusy) && text.starts_with('-') {
        invariant_broken("INV-24", "apmask_store returns -EBUSY without a cause");
    }
}

/// Enables the interrupts of the queue from the guest of the first device.
pub(crate) fn pqap<V: Version>(w: &World) {
    w.pqap::<V>(0, 0, Aqic { apqn: queue(1), irq: Some(IRQ) });
}

/// Closes and removes the first device.
pub(crate) fn remove<V: Version>(w: &World) {
    V::close(w, 0);
    _ = V::remove(w, 0);
}

/// Builds a scenario that checks every device at the end, before all are closed.
pub(crate) fn scenario<V: Version>(
    name: &str,
    source: &str,
    world: fn() -> World,
) -> ScenarioBuilder<World> {
    Scenario::builder(format!("vfio-ap/{name}"), world).source(source).finally(|w| {
        invariants::check(w);
        w.at_rest::<V>();
    })
}

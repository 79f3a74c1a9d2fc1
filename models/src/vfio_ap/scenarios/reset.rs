//! `vfio-ap/reset`: the reset of a queue on hardware that takes its time.
//!
//! Queue 01.0004 interrupts a guest and has messages of the guest. The driver resets the queue with
//! its mutex held, and the hardware completes the reset at any time.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::vfio_ap::ap_queue::{ApQueue, Association, Config, ResponseCode};
use crate::vfio_ap::reset::{Protocol, vfio_ap_mdev_reset_queues};
use crate::vfio_ap::scenarios::fixtures::{ENABLE, QUEUE, matrix};
use crate::vfio_ap::scenarios::sources;
use crate::vfio_ap::versions::p15::P15;
use crate::vfio_ap::versions::p17::P17;
use crate::vfio_ap::versions::v5_3::V5_3;
use crate::vfio_ap::versions::v5_11::V5_11;
use crate::vfio_ap::versions::v5_13::V5_13;
use crate::vfio_ap::versions::v5_15::V5_15;
use crate::vfio_ap::versions::v6_0::{V6_0, V2026};
use crate::vfio_ap::world::{Aqic, Version, World};

const V5_11_SOURCE: &str = "commit 6c12a6384e0c, v5.11 to v6.3";
const V6_6: &str = "commits 9261f0438835, dd174833e44e and 411b0109daa5, v6.6";
const V6_8: &str = "commits 9261f0438835, 411b0109daa5 and e1f17f8ea93d, v6.8";

pub(super) fn scenarios() -> Vec<Scenario> {
    let broken = |id| [ViolationKind::invariant(id)];
    let for_ever = || [ViolationKind::deadlock(["reset of an AP queue"])];
    vec![
        slow("v5.11", V5_11_SOURCE, Protocol::V5_11).expect_violations(broken("INV-08")),
        slow("v6.4", sources::V6_4, Protocol::V6_4).expect_violations(broken("INV-08")),
        slow("v6.6", V6_6, Protocol::V6_6).expect_proof(),
        slow("v6.8", V6_8, Protocol::V6_8).expect_proof(),
        another_reset("v5.11", V5_11_SOURCE, Protocol::V5_11).expect_violations(broken("INV-08")),
        another_reset("v6.4", sources::V6_4, Protocol::V6_4).expect_violations(broken("INV-08")),
        another_reset("v6.6", V6_6, Protocol::V6_6).expect_proof(),
        another_reset("v6.8", V6_8, Protocol::V6_8).expect_proof(),
        deconfigured("v5.11", V5_11_SOURCE, Protocol::V5_11).expect_proof(),
        deconfigured("v6.6", V6_6, Protocol::V6_6).expect_proof(),
        deconfigured("v6.8", V6_8, Protocol::V6_8).expect_proof(),
        handed_over("v5.11", V5_11_SOURCE, Protocol::V5_11).expect_violations(broken("INV-17")),
        handed_over("v6.6", V6_6, Protocol::V6_6).expect_proof(),
        handed_over("v6.8", V6_8, Protocol::V6_8).expect_proof(),
        associating("v5.3", sources::V5_3, Protocol::V5_3).expect_violations(broken("INV-08")),
        associating("v5.11", V5_11_SOURCE, Protocol::V5_11).expect_proof(),
        associating("v6.6", V6_6, Protocol::V6_6).expect_proof(),
        associating("v6.8", V6_8, Protocol::V6_8).expect_proof(),
        associating_handed_over("v5.11", V5_11_SOURCE, Protocol::V5_11)
            .expect_violations(broken("INV-17")),
        associating_handed_over("v6.4", sources::V6_4, Protocol::V6_4)
            .expect_violations(broken("INV-17")),
        associating_handed_over("v6.6", V6_6, Protocol::V6_6).expect_proof(),
        associating_handed_over("v6.8", V6_8, Protocol::V6_8).expect_proof(),
        stuck("v5.11", V5_11_SOURCE, Protocol::V5_11).expect_violations(broken("INV-08")),
        stuck("v6.6", V6_6, Protocol::V6_6).expect_violations(for_ever()),
        stuck("v6.8", V6_8, Protocol::V6_8).expect_violations(for_ever()),
        ioctl::<V5_3>("v5.3", sources::V5_3).expect_proof(),
        ioctl::<V5_11>("v5.11", V5_11_SOURCE).expect_proof(),
        ioctl::<V5_13>("v5.13", "commit 0cc00c8d4050, v5.13").expect_proof(),
        ioctl::<V5_15>("v5.15", "commit 86956e70761b, v5.15").expect_proof(),
        ioctl::<P15>("p15", sources::P15).expect_proof(),
        ioctl::<P17>("p17", sources::P17).expect_proof(),
        ioctl::<V6_0>("v6.0", sources::V6_0).expect_proof(),
        ioctl::<V2026>("2026", sources::V2026).expect_proof(),
        busy_disable().expect_proof(),
    ]
}

/// Creates a guest whose queue interrupts it and has its messages.
fn world() -> World {
    let world = World::with_queues::<V5_15>(2, 1, &[matrix(&[1])], [ApQueue::new(QUEUE)]);
    V5_15::set_kvm(&world, 0, 0).expect("the guest has no other device");
    _ = world.pqap::<V5_15>(0, 0, ENABLE);
    world.hardware.nqap(0, QUEUE);
    world.hardware.happens(QUEUE, |queue| queue.quick = false);
    world
}

fn scenario(
    name: &str,
    version: &str,
    source: &str,
    protocol: Protocol,
    world: fn() -> World,
) -> ScenarioBuilder<World> {
    Scenario::builder(format!("vfio-ap/reset/{name}/{version}"), world)
        .source(source)
        .thread("VFIO_DEVICE_RESET", move |w| reset(w, protocol))
        .finally(|w| {
            ends_every_reset(w);
            w.at_rest::<V5_15>();
        })
}

/// Completes the running reset, and from then on every other reset at once.
fn ends_every_reset(w: &World) {
    w.hardware.happens(QUEUE, |queue| {
        queue.reset_completes();
        queue.quick = true;
    });
}

fn reset(w: &World, protocol: Protocol) {
    let mut mdevs = w.matrix_dev.lock.lock();
    _ = vfio_ap_mdev_reset_queues(w, &mut mdevs, 0, protocol);
}

/// Builds a scenario in which the hardware takes longer than the driver waits.
fn slow(version: &str, source: &str, protocol: Protocol) -> ScenarioBuilder<World> {
    scenario("slow", version, source, protocol, world)
        .about("the reset takes any time: does the queue still write to the page?")
        .thread("hardware", |w| w.hardware.finish_reset(QUEUE))
}

/// Builds a scenario in which another reset is running when the driver begins. It also clears the
/// queue, but the driver does not know whether it began before the guest's last message.
fn another_reset(version: &str, source: &str, protocol: Protocol) -> ScenarioBuilder<World> {
    let world = || {
        let world = world();
        _ = world.hardware.zapq(QUEUE);
        world
    };
    scenario("another-ones", version, source, protocol, world)
        .about("another reset is already running: is ours done when that one is complete?")
        .thread("hardware", ends_every_reset)
}

/// Builds a scenario in which the adapter changes to standby at any time.
fn deconfigured(version: &str, source: &str, protocol: Protocol) -> ScenarioBuilder<World> {
    let world = || {
        let world = world();
        world.hardware.happens(QUEUE, |queue| queue.quick = true);
        world
    };
    scenario("deconfigured", version, source, protocol, world)
        .about("the adapter changes to standby while its queue is reset")
        .thread("SE", |w| {
            w.hardware.happens(QUEUE, |queue| queue.config = Config::Deconfigured);
        })
}

/// Builds a scenario in which the queue is removed from one guest, reset, and given to another.
fn handed_over(version: &str, source: &str, protocol: Protocol) -> ScenarioBuilder<World> {
    changes_hands("handed-over", version, source, protocol, quiet)
        .about("a queue is removed from a guest, reset, and given to another: is it clean?")
}

/// Builds the scenario of [`handed_over`] while a secret is being associated with the queue, which
/// fails in the end. No reset begins before that, and up to v6.5 the driver gives up.
fn associating_handed_over(
    version: &str,
    source: &str,
    protocol: Protocol,
) -> ScenarioBuilder<World> {
    let world = || {
        let world = quiet();
        begin_association(&world, ResponseCode::AssocSecretNotUnique);
        world
    };
    changes_hands("associating-handed-over", version, source, protocol, world)
        .about("a queue moves to another guest while a secret is associated with it: is it clean?")
}

/// Creates a world in which no queue interrupts.
fn quiet() -> World {
    let world = world();
    _ = world.pqap::<V5_15>(0, 0, Aqic { irq: None, ..ENABLE });
    world
}

/// Begins the association of a secret with the queue. It will end with `failure`.
fn begin_association(w: &World, failure: ResponseCode) {
    w.hardware.happens(QUEUE, |queue| {
        queue.association = Association::InProgress { refuses: 1, failure };
    });
}

/// Builds a scenario in which the association of a secret with an interrupting queue fails. The
/// driver must not release the resources of the interrupts before the queue is reset.
fn associating(version: &str, source: &str, protocol: Protocol) -> ScenarioBuilder<World> {
    let world = || {
        let world = world();
        begin_association(&world, ResponseCode::AssocFailed);
        world
    };
    scenario("associating", version, source, protocol, world)
        .about("the association of a secret fails: does the queue still write to the page?")
        .thread("hardware", ends_every_reset)
}

fn changes_hands(
    name: &str,
    version: &str,
    source: &str,
    protocol: Protocol,
    world: fn() -> World,
) -> ScenarioBuilder<World> {
    Scenario::builder(format!("vfio-ap/reset/{name}/{version}"), world)
        .source(source)
        .thread("unplug and plug", move |w| {
            w.guest(0).crypto_clear_masks(&w.hardware);
            reset(w, protocol);
            w.guest(1).crypto_set_masks(&w.hardware, matrix(&[1]).into());
            w.guest(1).crypto_clear_masks(&w.hardware);
        })
        .thread("hardware", |w| w.hardware.finish_reset(QUEUE))
        .finally(|w| {
            w.hardware.happens(QUEUE, |queue| queue.quick = true);
            w.at_rest::<V5_15>();
        })
}

/// Builds a scenario in which the reset never ends. INV-15, which bounds every hold of the mutex,
/// depends on the hardware.
fn stuck(version: &str, source: &str, protocol: Protocol) -> ScenarioBuilder<World> {
    scenario("stuck", version, source, protocol, world)
        .about("the reset never ends: the driver gives up or waits with its mutex held")
        .thread("PQAP(AQIC)", |w| _ = w.pqap::<V5_15>(0, 0, ENABLE))
}

/// Builds a scenario in which the VMM resets the device while it is closed.
fn ioctl<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    let world = || {
        let world = World::new::<V>(1, 1, &[matrix(&[1])]);
        V::set_kvm(&world, 0, 0).expect("the guest has no other device");
        _ = world.pqap::<V>(0, 0, ENABLE);
        world.hardware.nqap(0, QUEUE);
        world
    };
    Scenario::builder(format!("vfio-ap/reset/ioctl/{version}"), world)
        .about("VFIO_DEVICE_RESET runs while the device is closed: is each resource freed once?")
        .source(source)
        .thread("VFIO_DEVICE_RESET", |w| _ = V::reset(w, 0))
        .thread("close", |w| V::close(w, 0))
        .finally(|w| w.at_rest::<V>())
}

/// Builds a scenario in which the guest disables the interrupts while the queue is busy.
fn busy_disable() -> ScenarioBuilder<World> {
    let world = || {
        let world = World::with_queues::<V5_15>(1, 1, &[matrix(&[1])], [ApQueue::new(QUEUE)]);
        V5_15::set_kvm(&world, 0, 0).expect("the guest has no other device");
        _ = world.pqap::<V5_15>(0, 0, ENABLE);
        world
    };
    Scenario::builder("vfio-ap/reset/busy-disable/v5.15", world)
        .about("PQAP(AQIC) disables the interrupts of a queue that is busy for a while")
        .source("vfio_ap_irq_disable, commit ec89b55e3bce, v5.3")
        .thread("PQAP(AQIC)", |w| {
            let code = w.pqap::<V5_15>(0, 0, Aqic { irq: None, ..ENABLE });
            assert_eq!(code, ResponseCode::Normal);
        })
        .thread("hardware", |w| w.hardware.happens(QUEUE, |queue| queue.busy = 2))
        .finally(|w| w.at_rest::<V5_15>())
}

//! `vfio-ap/driver-override`: an administrator chooses the driver of a queue, since v6.19.
//!
//! The masks and the choices exclude each other: while a bit of a mask is clear no driver can be
//! chosen, and while the driver of a queue is chosen no mask can be written.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use super::{OVERRIDE, QUEUE_1_4, World};
use crate::Errno;
use crate::ap::{ApBus, ApMask, ApMatrix, ApPerms, Driver};
use crate::ap_perms::v6_0::{V6_19, V2026};
use crate::ap_perms::{MatrixDev, VfioAp};
use crate::postcondition::expect;
use crate::vfio_ap::scenarios::fixtures::matrix;

const FIXED: &str = "commit 81d6f7c3a70b, 2026";

pub(super) fn scenarios() -> Vec<Scenario> {
    let abba = || ViolationKind::deadlock(["ap_attr_mutex", "device_lock"]);
    let freed = || ViolationKind::use_after_release("driver_override");
    let taken = || [ViolationKind::invariant("TAKEN")];
    vec![
        apmask_store::<V6_19>("v6.19", OVERRIDE).expect_violations([abba(), freed()]),
        apmask_store::<V2026>("2026", FIXED).expect_proof(),
        bind_store::<V6_19>("v6.19", OVERRIDE).expect_violations([abba()]),
        bind_store::<V2026>("2026", FIXED).expect_proof(),
        excluded::<V6_19>("v6.19", OVERRIDE).expect_proof(),
        excluded::<V2026>("2026", FIXED).expect_proof(),
        assign_bind::<V6_19>("v6.19", OVERRIDE).expect_violations(taken()),
        assign_bind::<V2026>("2026", FIXED).expect_violations(taken()),
    ]
}

/// Creates a world in which every bit of both masks is set, so that queue 01.0004 has the driver
/// that is `chosen`, or the host's. The mediated device has domain 4 and `adapters`.
fn chosen<V: VfioAp>(chosen: Option<Driver>, adapters: &[u8]) -> World<V> {
    let assigned: ApMatrix = matrix(adapters);
    let ap_perms = ApPerms::new(ApMask::all(), ApMask::all());
    let bus = ApBus::new(ap_perms, [QUEUE_1_4], assigned.apqns());
    World { bus: bus.with_overrides(V::OVERRIDES, chosen), matrix_dev: V::MatrixDev::new(assigned) }
}

fn scenario<V: VfioAp>(
    version: &str,
    threads: &str,
    source: &str,
    world: impl Fn() -> World<V> + Send + Sync + 'static,
) -> ScenarioBuilder<World<V>> {
    Scenario::builder(format!("vfio-ap/driver-override/{version}/{threads}"), world)
        .source(source)
        .finally(|w| w.bus.check_not_taken(&w.matrix_dev.matrix()))
}

/// Builds the scenario in which the bus revises the bindings, with the mutex released, while a
/// driver is chosen.
fn apmask_store<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || {
        let world = chosen::<V>(None, &[]);
        world.apmask_store("-1").expect("no driver was chosen");
        world
    };
    scenario(version, "apmask-store", source, world)
        .about("the last bit of a mask is set, and then a driver is chosen and not chosen")
        .thread("apmask_store", |w| _ = w.apmask_store("+1"))
        .thread("driver_override_store", |w| {
            if w.bus.driver_override_store(QUEUE_1_4, Some(Driver::Zcrypt)).is_ok() {
                _ = w.bus.driver_override_store(QUEUE_1_4, None);
            }
        })
}

/// Builds the scenario in which a queue is bound while its driver is chosen.
///
/// `ap_device_probe` takes `ap_attr_mutex` under the device lock, and `driver_set_override` takes
/// the device lock under `ap_attr_mutex`.
fn bind_store<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || {
        let world = chosen::<V>(Some(Driver::VfioAp), &[]);
        world.unbind(QUEUE_1_4);
        world.bus.driver_override_store(QUEUE_1_4, None).expect("the masks are not in use");
        world
    };
    scenario(version, "bind-store", source, world)
        .about("a queue is bound while its driver is chosen")
        .thread("bind", |w| w.bind(QUEUE_1_4))
        .thread("driver_override_store", |w| {
            _ = w.bus.driver_override_store(QUEUE_1_4, Some(Driver::Zcrypt));
        })
}

/// Builds the scenario in which masks and choices exclude each other.
fn excluded<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    scenario(version, "excluded", source, || chosen::<V>(Some(Driver::VfioAp), &[]))
        .about("no mask is written while a driver is chosen, and the other way round")
        .thread("administrator", |w| {
            let choose = |driver| w.bus.driver_override_store(QUEUE_1_4, driver);
            expect(w.apmask_store("-1") == Err(Errno::Einval), "the masks cannot be written");
            expect(choose(None).is_ok(), "the choice can be withdrawn");
            expect(w.apmask_store("-1").is_ok(), "the masks can be written");
            let refused = choose(Some(Driver::VfioAp));
            expect(refused == Err(Errno::Einval), "no driver can be chosen");
        })
}

/// Builds the scenario in which the host takes a queue without asking vfio_ap.
///
/// `driver_override_store` asks no driver, and neither do `unbind` and `bind`.
fn assign_bind<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    scenario(version, "assign-bind", source, || chosen::<V>(Some(Driver::VfioAp), &[]))
        .about("a queue is assigned while the host's driver is chosen for it and bound")
        .thread("assign_adapter_store", |w| _ = w.assign_adapter_store(1))
        .thread("administrator", |w| {
            w.unbind(QUEUE_1_4);
            _ = w.bus.driver_override_store(QUEUE_1_4, Some(Driver::Zcrypt));
            w.bind(QUEUE_1_4);
        })
}

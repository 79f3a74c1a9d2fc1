//! `driver/vfio-ap`: everything that may happen to the driver, in any number of threads.
//!
//! Each function is one that the kernel may call at any time, on any number of CPUs. What the
//! kernel's core promises is part of the function: a device that is open is not opened again. There
//! are two mediated devices and two guests; adapter 1 is assigned to the first device, in which the
//! queue of domain 4 is bound to the driver.

use selvedge_core::sync::Mutex;
use selvedge_core::{Engine, Expectation, Scenario, ScenarioBuilder, ViolationKind};

use crate::vfio_ap::scenarios::fixtures::{ENABLE, closed, running};
use crate::vfio_ap::scenarios::sources;
use crate::vfio_ap::versions::v5_3::V5_3;
use crate::vfio_ap::versions::v5_11::V5_11;
use crate::vfio_ap::versions::v5_13::V5_13;
use crate::vfio_ap::versions::v5_15::{V5_15, V5_19};
use crate::vfio_ap::versions::v6_0::{V6_0, V6_2, V6_4, V6_6, V6_8, V6_15, V6_19, V2026};
use crate::vfio_ap::world::{Version, World};

/// The driver, and who has the first device open: VFIO opens it for the first file and closes it
/// with the last (`vfio_device_open`, v6.0).
struct Driver {
    world: World,
    open_count: Mutex,
}

pub(super) fn scenarios() -> Vec<Scenario> {
    // The hook is read without a lock and is NULL at the next read (B09).
    let hook_gone = || Some(Expectation::Refuted(vec![ViolationKind::invariant("NULL")]));
    // A view of one thread does not relate the hook and the guest of the device.
    let not_known = || Some(Expectation::Inconclusive);
    let mut all = Vec::new();
    all.extend(clients::<V5_3>("v5.3", sources::V5_3, hook_gone()));
    all.extend(clients::<V5_11>("v5.11", "commit f21916ec4826, v5.11", hook_gone()));
    all.extend(clients::<V5_13>("v5.13", "commit 0cc00c8d4050, v5.13 and v5.14", hook_gone()));
    all.extend(clients::<V5_15>("v5.15", sources::V5_15, not_known()));
    all.extend(clients::<V5_19>("v5.19", sources::V5_19, not_known()));
    all.extend(clients::<V6_0>("v6.0", sources::V6_0, None));
    all.extend(clients::<V6_2>("v6.2", sources::V6_2, None));
    all.extend(clients::<V6_4>("v6.4", sources::V6_4, None));
    all.extend(clients::<V6_6>("v6.6", sources::V6_6, None));
    all.extend(clients::<V6_8>("v6.8", sources::V6_8, None));
    all.extend(clients::<V6_15>("v6.15", sources::V6_15, None));
    all.extend(clients::<V6_19>("v6.19", sources::V6_19, None));
    all.extend(clients::<V2026>("2026", sources::V2026, None));
    all
}

/// Returns the clients of a version. That which opens and closes the device is proved unless it is
/// `expected` otherwise.
fn clients<V: Version>(
    version: &str,
    source: &str,
    expected: Option<Expectation>,
) -> Vec<Scenario> {
    let new = |part: &str, world: fn() -> World| {
        let driver = move || Driver { world: world(), open_count: Mutex::new("open_count", ()) };
        Scenario::builder(format!("driver/vfio-ap/{version}/{part}"), driver)
            .source(source)
            .finally(|d| d.world.at_rest::<V>())
    };
    let guest = |client: ScenarioBuilder<Driver>| {
        client
            .any_number_of("PQAP(AQIC)", |d| _ = d.world.pqap::<V>(0, 0, ENABLE))
            .any_number_of("PV ioctl", |d| d.world.guest(0).pv_command())
    };
    let open_close = guest(new("open-close", closed::<V>))
        .about("any number of threads open and close the device, and execute PQAP(AQIC)")
        .any_number_of("open, close", |d| {
            let Some(_first) = d.open_count.try_lock() else { return };
            if V::set_kvm(&d.world, 0, 0).is_ok() {
                V::close(&d.world, 0);
            }
        });
    let assign = guest(new("assign", running::<V>))
        .about("any number of threads change the assignment of an open device")
        .any_number_of("assign_adapter_store", |d| _ = V::assign_adapter_store(&d.world, 0, 1))
        .any_number_of("unassign_adapter_store", |d| {
            _ = V::unassign_adapter_store(&d.world, 0, 1);
        });
    let open_close = open_close.expect_proof();
    let open_close = match expected {
        Some(expected) => open_close.on(Engine::Native, expected),
        None => open_close,
    };
    vec![open_close, assign.expect_proof()]
}

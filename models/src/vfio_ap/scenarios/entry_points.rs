//! `clients/vfio-ap`: what the kernel may call of each version of the driver, at any time.
//!
//! Two mediated devices are open for two guests. Adapter 1 is assigned to the first, and adapter 2
//! to none; both are bound to the driver. What the kernel promises is part of a function: no ioctl
//! of a device runs while the device is closed, and the bus is scanned by one thread at a time.
//!
//! Left out are the creation and removal of a mediated device, the end of a guest, and the
//! unloading of the module, after which other functions are not called any more. `vfio-ap/hotplug`
//! has them.

use selvedge_core::Scenario;
use selvedge_core::sync::{Mutex, RwSem};

use crate::vfio_ap::invariants;
use crate::vfio_ap::scenarios::fixtures::{ENABLE, QUEUE, apmask, gain, lose, queue, running};
use crate::vfio_ap::scenarios::sources;
use crate::vfio_ap::versions::commits::Commit;
use crate::vfio_ap::versions::v5_3::V5_3;
use crate::vfio_ap::versions::v5_11::V5_11;
use crate::vfio_ap::versions::v5_13::V5_13;
use crate::vfio_ap::versions::v5_15::{V5_15, V5_19};
use crate::vfio_ap::versions::v6_0::{V6_0, V6_2, V6_4, V6_6, V6_8, V6_15, V6_19, V2026};
use crate::vfio_ap::world::{Aqic, Version, World};

/// PQAP(AQIC) that disables the interrupts of the queue.
const DISABLE: Aqic = Aqic { apqn: QUEUE, irq: None };

/// The driver, and what keeps its callers apart.
struct Kernel {
    world: World,
    /// Whether the first device is open. An ioctl runs with the file open.
    file: RwSem<bool>,
    /// Whether the host has adapter 2, for whom scans the bus.
    scan: Mutex<bool>,
}

/// Returns the clients of each version, which `Scenario::with_calls` makes into scenarios.
pub(super) fn clients() -> Vec<Scenario> {
    vec![
        entry_points::<V5_3>("v5.3", sources::V5_3),
        entry_points::<V5_11>("v5.11", "commit f21916ec4826, v5.11"),
        entry_points::<V5_13>("v5.13", "commit 0cc00c8d4050, v5.13 and v5.14"),
        entry_points::<V5_15>("v5.15", sources::V5_15),
        entry_points::<V5_19>("v5.19", sources::V5_19),
        entry_points::<V6_0>("v6.0", sources::V6_0),
        entry_points::<V6_2>("v6.2", sources::V6_2),
        entry_points::<V6_4>("v6.4", sources::V6_4),
        entry_points::<V6_6>("v6.6", sources::V6_6),
        entry_points::<V6_8>("v6.8", sources::V6_8),
        entry_points::<V6_15>("v6.15", sources::V6_15),
        entry_points::<V6_19>("v6.19", sources::V6_19),
        entry_points::<V2026>("2026", sources::V2026),
    ]
}

fn entry_points<V: Version>(version: &str, source: &str) -> Scenario {
    let kernel = || Kernel {
        world: running::<V>(),
        file: RwSem::new("struct file", true),
        scan: Mutex::new("ap_scan_bus_mutex", true),
    };
    let client = Scenario::builder(format!("clients/vfio-ap/{version}"), kernel)
        .about("any of the functions that the kernel calls, with two open devices")
        .source(source)
        .any_number_of("PQAP(AQIC) enable", |k| _ = k.world.pqap::<V>(0, 0, ENABLE))
        .any_number_of("PQAP(AQIC) disable", |k| _ = k.world.pqap::<V>(0, 0, DISABLE))
        .any_number_of("PV ioctl", |k| k.world.guest(0).pv_command())
        .any_number_of("VFIO_DEVICE_RESET", |k| {
            let Some(file) = k.file.try_down_read() else { return };
            if *file {
                _ = V::reset(&k.world, 0);
            }
        })
        .any_number_of("close, open", |k| {
            let Some(mut file) = k.file.try_down_write() else { return };
            if std::mem::take(&mut *file) {
                V::close(&k.world, 0);
            }
            *file = V::set_kvm(&k.world, 0, 0).is_ok();
        })
        .any_number_of("assign 2", |k| _ = V::assign_adapter_store(&k.world, 0, 2))
        .any_number_of("unassign 1", |k| _ = V::unassign_adapter_store(&k.world, 0, 1))
        .any_number_of("assign 1 to the other device", |k| {
            _ = V::assign_adapter_store(&k.world, 1, 1);
        })
        .any_number_of("apmask +2", |k| apmask(&k.world, "+2"))
        .any_number_of("apmask -2", |k| apmask(&k.world, "-2"))
        .any_number_of("unbind 1", |k| k.world.bus.unbind(&k.world, queue(1)))
        .any_number_of("bind 1", |k| k.world.bus.bind(&k.world, queue(1)))
        .finally(|k| {
            invariants::check(&k.world);
            k.world.at_rest::<V>();
        });
    // Up to v5.19 the driver does not hear of the host's configuration.
    match V::HEAD >= Commit::DynamicConfiguration {
        true => client.any_number_of("scan", scan).build(),
        false => client.build(),
    }
}

/// The host loses adapter 2, or gains it again.
fn scan(k: &Kernel) {
    let mut has = k.scan.lock();
    match *has {
        true => lose(&k.world, 2),
        false => gain(&k.world, 2),
    }
    *has = !*has;
}

//! `vfio-ap/hotplug`: concurrent operations on a running guest.
//!
//! Every pair of operations that change the resources of a guest or the owner of a queue, while the
//! guest runs. Each scenario ends with a check of all mediated devices. The guest must have the
//! resources of its device, and they must be bound to the driver and belong to the host.

use selvedge_core::sync::Completion;
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, invariant_broken};

use crate::ap::{ApConfig, ApMask};
use crate::vfio_ap::ap_config::{ap_config_store, matrix_show};
use crate::vfio_ap::ap_queue::ApQueue;
use crate::vfio_ap::assign::{assign_store, unassign_store};
use crate::vfio_ap::attributes::Attributes;
use crate::vfio_ap::invariants;
use crate::vfio_ap::mdev_probe::vfio_ap_mdev_probe;
use crate::vfio_ap::queue_device::status_show;
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::scenarios::fixtures::{
    SECOND, absent, apmask, assign, assigned_absent, closed, gain, lacking_second, lose, matrix,
    not_made, pqap, queue, remove, running, scenario, unassign, unbound, without_domain,
};
use crate::vfio_ap::scenarios::sources;
use crate::vfio_ap::versions::commits::Commit;
use crate::vfio_ap::versions::v5_3::V5_3;
use crate::vfio_ap::versions::v5_11::V5_11;
use crate::vfio_ap::versions::v5_13::V5_13;
use crate::vfio_ap::versions::v5_15::{V5_15, V5_19};
use crate::vfio_ap::versions::v6_0::{V6_0, V6_8, V6_15, V6_19, V2026, vfio_ap_mdev_request};
use crate::vfio_ap::world::{Version, World};

const AP_CONFIG_SOURCE: &str = "`ap_config_store` in `drivers/s390/crypto/vfio_ap_ops.c`, v6.10";
const RESET_SOURCE: &str = "commits dd174833e44e, 62aab082e999 and 9261f0438835, v6.6";

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = vec![
        before_hotplug::<V5_3>("v5.3", sources::V5_3),
        before_hotplug::<V5_11>("v5.11", "commit f21916ec4826, v5.11"),
        before_hotplug::<V5_13>("v5.13", "commit 0cc00c8d4050, v5.13 and v5.14"),
        before_hotplug::<V5_15>("v5.15", "commit 86956e70761b, v5.15"),
        before_hotplug::<V5_19>("v5.19", sources::V5_19),
        reopened::<V6_8>("v6.8", sources::V6_8),
        reopened::<V6_15>("v6.15", sources::V6_15),
        reopened::<V6_19>("v6.19", sources::V6_19),
        reopened::<V2026>("2026", sources::V2026),
    ];
    let two_devices = || [ViolationKind::invariant("INV-02b")];
    all.push(opened_unlisted::<V5_3>("v5.3", sources::V5_3).expect_proof());
    all.push(opened_unlisted::<V5_15>("v5.15", sources::V5_15).expect_proof());
    all.push(opened_unlisted::<V5_19>("v5.19", sources::V5_19).expect_proof());
    all.push(opened_unlisted::<V6_0>("v6.0", sources::V6_0).expect_violations(two_devices()));
    all.push(opened_unlisted::<V6_8>("v6.8", sources::V6_8).expect_violations(two_devices()));
    all.push(opened_unlisted::<V6_15>("v6.15", sources::V6_15).expect_violations(two_devices()));
    all.push(opened_unlisted::<V6_19>("v6.19", sources::V6_19).expect_violations(two_devices()));
    all.push(opened_unlisted::<V2026>("2026", sources::V2026).expect_proof());
    all.extend(pairs::<V6_0>("v6.0", sources::V6_0));
    all.extend(pairs::<V6_8>("v6.8", sources::V6_8));
    all.extend(slow_resets::<V6_8>("v6.8", RESET_SOURCE));
    all.push(not_filtered_again::<V6_8>("v6.8", sources::V6_8));
    all.extend(all_or_nothing::<V6_8>("v6.8", AP_CONFIG_SOURCE));
    all.extend(pairs::<V6_15>("v6.15", sources::V6_15));
    all.extend(requests::<V6_15>("v6.15", sources::V6_15));
    all.extend(pairs::<V6_19>("v6.19", sources::V6_19));
    all.extend(requests::<V6_19>("v6.19", sources::V6_19));
    all.extend(pairs::<V2026>("2026", sources::V2026));
    all.extend(slow_resets::<V2026>("2026", RESET_SOURCE));
    all.push(not_filtered_again::<V2026>("2026", sources::V6_8));
    all.extend(all_or_nothing::<V2026>("2026", AP_CONFIG_SOURCE));
    all.extend(requests::<V2026>("2026", sources::V2026));
    all
}

/// Checks INV-14: the attributes of the first device show one of these sets of adapters and one of
/// these sets of control domains, both as the assignment and as the guest's resources.
fn shows_one_of(w: &World, adapters: &[&[u8]], control: &[&[u8]]) {
    let (assigned, shadow) = matrix_show(w, 0);
    let one_of = |config: &ApConfig| {
        adapters.iter().any(|adapters| config.matrix == matrix(adapters))
            && control.iter().any(|domains| config.adm == ApMask::of(domains.iter().copied()))
    };
    if assigned != shadow || !one_of(&assigned) {
        invariant_broken(
            "INV-14",
            "the attributes show a resource that is not assigned to the guest's device",
        );
    }
}

/// Builds the scenario in which a device is created and opened for a guest while another is opened.
///
/// VFIO allows opening the device as soon as it is registered. Since v6.0 this is before the device
/// is on the list that attaching checks.
fn opened_unlisted<V: Version>(
    version: &str,
    source: &str,
) -> ScenarioBuilder<(World, Completion)> {
    let world = || (not_made(closed::<V>(), 1), Completion::new("vfio_register_group_dev"));
    let name = format!("vfio-ap/hotplug/{version}/create-open");
    Scenario::builder(name, world)
        .about("two devices are opened for one guest, one of them as soon as it is registered")
        .source(source)
        .thread("create 1", |(w, registered)| {
            let register = || {
                registered.complete_all();
                Ok(())
            };
            vfio_ap_mdev_probe(w, 1, register).expect("VFIO accepts the device");
        })
        .thread("open 1", |(w, registered)| {
            registered.wait_for_completion();
            _ = V::set_kvm(w, 1, 0);
        })
        .thread("open 0", |(w, _)| _ = V::set_kvm(w, 0, 0))
        .finally(|(w, _)| w.at_rest::<V>())
}

/// Builds the scenario of a version up to v5.19, where `in_use` does not exist and no queue is
/// unplugged.
fn before_hotplug<V: Version>(version: &str, source: &str) -> Scenario {
    Scenario::builder(format!("vfio-ap/hotplug/{version}/apmask-nqap"), running::<V>)
        .about("the host reclaims adapter 1 while the guest keeps it, so both use the queue")
        .source(format!("{source}; the purpose of the series \"dynamic configuration support\""))
        .thread("apmask_store", |w| apmask(w, "+1"))
        .thread("guest", |w| w.hardware.nqap(0, queue(1)))
        .finally(World::at_rest::<V>)
        .expect_violations([ViolationKind::invariant("INV-18")])
}

/// Builds the scenario in which a guest gets a queue back that could not be reset.
///
/// The host loses adapter 2 between the reset of its queue, as the device is closed, and the
/// answer. Until the bus notifies the driver, the device opens with the adapter (found by
/// `selvedge clients`).
fn reopened<V: Version>(version: &str, source: &str) -> Scenario {
    fn both<V: Version>() -> World {
        let world = running::<V>();
        assign(&world, 0, 2);
        world
    }
    let reopened = scenario::<V>(&format!("hotplug/{version}/config-reopen"), source, both::<V>)
        .about("the host loses adapter 2 while its device is closed and opened again")
        .thread("VFIO", |w| {
            V::close(w, 0);
            _ = V::set_kvm(w, 0, 0);
        })
        .thread("scan", |w| lose(w, 2));
    let not_reset = ViolationKind::invariant("INV-10");
    // B18, while the device is closed.
    let no_guest = ViolationKind::invariant("NULL");
    match V::HEAD >= Commit::GuestOptional {
        true => reopened.expect_violations([not_reset]),
        false => reopened.expect_violations([not_reset, no_guest]),
    }
}

/// Returns the scenarios of every version with hot plug.
fn pairs<V: Version>(version: &str, source: &str) -> Vec<Scenario> {
    let new = |name: &str, world: fn() -> World| {
        scenario::<V>(&format!("hotplug/{version}/{name}"), source, world)
    };
    let config_remove = new("config-remove", running::<V>)
        .about("the host loses adapter 2 while a device is closed and removed")
        .thread("scan", |w| lose(w, 2))
        .thread("remove", |w| {
            V::close(w, 1);
            _ = V::remove(w, 1);
        });
    let gain_unassign = new("gain-unassign", absent::<V>)
        .about("the host gains adapter 2 while it is assigned and unassigned (B15)")
        .thread("scan", |w| gain(w, 2))
        .thread("administrator", |w| {
            assign(w, 0, 2);
            unassign(w, 0, 2);
        });
    vec![
        // Since v6.8 the probe of a queue leaves the guest as it is during a scan. Before, the
        // guest has the adapter at once, so that unassigning unlinks its queue.
        match V::HEAD >= Commit::ProbeWaitsForScan {
            true => gain_unassign.expect_violations([ViolationKind::invariant("INV-09")]),
            false => gain_unassign.expect_proof(),
        },
        // Before 2026 a device that has no guest even for a moment breaks this (B18).
        match V::HEAD >= Commit::GuestOptional {
            true => config_remove.expect_proof(),
            false => config_remove.expect_violations([ViolationKind::invariant("NULL")]),
        },
        new("assign-pqap", running::<V>)
            .about("adapter 2 is assigned while the guest executes PQAP(AQIC)")
            .thread("assign_adapter_store", |w| assign(w, 0, 2))
            .thread("PQAP(AQIC)", pqap::<V>)
            .expect_proof(),
        new("unassign-pqap", running::<V>)
            .about("an adapter is unassigned while the guest enables interrupts of its queue")
            .thread("unassign_adapter_store", |w| unassign(w, 0, 1))
            .thread("PQAP(AQIC)", pqap::<V>)
            .expect_proof(),
        new("unassign-nqap-assign", running::<V>)
            .about("adapter 1 moves from one guest to another, without the first guest's messages")
            .thread("unassign_adapter_store", |w| unassign(w, 0, 1))
            .thread("guest", |w| w.hardware.nqap(0, queue(1)))
            .thread("assign_adapter_store", |w| assign(w, 1, 1))
            .expect_proof(),
        new("assign-assign", running::<V>)
            .about("adapter 2 is assigned to two devices concurrently")
            .thread("assign_adapter_store 0", |w| assign(w, 0, 2))
            .thread("assign_adapter_store 1", |w| assign(w, 1, 2))
            .expect_proof(),
        new("assign-open", closed::<V>)
            .about("adapter 2 is assigned while the device is opened")
            .thread("assign_adapter_store", |w| assign(w, 0, 2))
            .thread("open", |w| V::set_kvm(w, 0, 0).expect("the guest has no other device"))
            .expect_proof(),
        new("unassign-close", running::<V>)
            .about("adapter 1 is unassigned while the device is closed")
            .thread("unassign_adapter_store", |w| unassign(w, 0, 1))
            .thread("close", |w| V::close(w, 0))
            .expect_proof(),
        new("assign-show", running::<V>)
            .about("the attributes are read while adapter 2 is assigned")
            .thread("assign_adapter_store", |w| assign(w, 0, 2))
            .thread("matrix_show", |w| shows_one_of(w, &[&[1], &[1, 2]], &[&[]]))
            .expect_proof(),
        new("control-domains", running::<V>)
            .about("control domains are assigned and unassigned while the attributes are read")
            .thread("assign_control_domain_store", |w| {
                _ = assign_store(w, 0, Resource::ControlDomain(7))
            })
            .thread("unassign_control_domain_store", |w| {
                _ = assign_store(w, 0, Resource::ControlDomain(8));
                unassign_store(w, 0, Resource::ControlDomain(8));
            })
            .thread("matrix_show", |w| shows_one_of(w, &[&[1]], &[&[], &[7], &[8], &[7, 8]]))
            .expect_proof(),
        new("apmask-assign", running::<V>)
            .about("the host reclaims adapter 2 while it is assigned")
            .thread("apmask_store", |w| apmask(w, "+2"))
            .thread("assign_adapter_store", |w| assign(w, 0, 2))
            .expect_proof(),
        new("apmask-assign-unassign", running::<V>)
            .about("the host reclaims adapter 1 while it moves from one device to another")
            .thread("apmask_store", |w| apmask(w, "+1"))
            .thread("unassign_adapter_store", |w| unassign(w, 0, 1))
            .thread("assign_adapter_store", |w| assign(w, 1, 1))
            .expect_proof(),
        new("apmask-aqmask-unbind", running::<V>)
            .about("the host reclaims a queue that is concurrently unbound by hand")
            .thread("apmask_store", |w| apmask(w, "+2"))
            .thread("unbind", |w| w.bus.unbind(w, queue(2)))
            .thread("bind", |w| w.bus.bind(w, queue(2)))
            .expect_proof(),
        new("apmask-bind", unbound::<V>)
            .about("the host reclaims a queue that is concurrently bound by hand")
            .thread("apmask_store", |w| apmask(w, "+2"))
            .thread("bind", |w| w.bus.bind(w, queue(2)))
            .expect_proof(),
        new("apmask-apmask", running::<V>)
            .about("the host reclaims adapter 2 and releases it again")
            .thread("apmask_store +2", |w| apmask(w, "+2"))
            .thread("apmask_store -2", |w| apmask(w, "-2"))
            .expect_proof(),
        new("apmask-exit", closed::<V>)
            .about("the host reclaims adapter 2 while the module is unloaded")
            .thread("apmask_store", |w| apmask(w, "+2"))
            .thread("rmmod", World::delete_module)
            .expect_proof(),
        new("apmask-used-exit", closed::<V>)
            .about("the host reclaims adapter 1 unasked while a module with devices unloads")
            .thread("apmask_store", |w| apmask(w, "+1"))
            .thread("rmmod", World::delete_module)
            .expect_violations([ViolationKind::invariant("INV-07")]),
        new("unbind-exit", closed::<V>)
            .about("the queue is unbound by hand while the module is unloaded")
            .thread("unbind", |w| w.bus.unbind(w, queue(1)))
            .thread("rmmod", World::delete_module)
            .expect_proof(),
        new("unbind-assign", running::<V>)
            .about("the queue of adapter 2 is unbound while the adapter is assigned")
            .thread("unbind", |w| w.bus.unbind(w, queue(2)))
            .thread("assign_adapter_store", |w| assign(w, 0, 2))
            .expect_proof(),
        new("bind-assign", unbound::<V>)
            .about("the queue of adapter 2 is bound while the adapter is assigned")
            .thread("bind", |w| w.bus.bind(w, queue(2)))
            .thread("assign_adapter_store", |w| assign(w, 0, 2))
            .expect_proof(),
        new("unbind-unassign", running::<V>)
            .about("the queue of adapter 1 is unbound while the adapter is unassigned")
            .thread("unbind", |w| w.bus.unbind(w, queue(1)))
            .thread("unassign_adapter_store", |w| unassign(w, 0, 1))
            .expect_proof(),
        new("unbind-unbind", running::<V>)
            .about("two administrators unbind the same queue")
            .thread("unbind A", |w| w.bus.unbind(w, queue(1)))
            .thread("unbind B", |w| w.bus.unbind(w, queue(1)))
            .expect_proof(),
        new("unbind-remove", running::<V>)
            .about("the queue is unbound while its device is closed and removed")
            .thread("unbind", |w| w.bus.unbind(w, queue(1)))
            .thread("remove", remove::<V>)
            .expect_proof(),
        new("config-assign", running::<V>)
            .about("the host loses adapter 2 while it is assigned")
            .thread("scan", |w| lose(w, 2))
            .thread("assign_adapter_store", |w| assign(w, 0, 2))
            .expect_proof(),
        new("config-assign-assign", running::<V>)
            .about(
                "the host loses adapter 2 while it is assigned, and the other device also changes",
            )
            .thread("scan", |w| lose(w, 2))
            .thread("assign_adapter_store 0", |w| assign(w, 0, 2))
            .thread("assign_adapter_store 1", |w| assign(w, 1, 3))
            .expect_proof(),
        new("config-bind", unbound::<V>)
            .about("the host loses adapter 2 while its queue is bound")
            .thread("scan", |w| lose(w, 2))
            .thread("bind", |w| w.bus.bind(w, queue(2)))
            .expect_proof(),
        new("config-unbind", running::<V>)
            .about("the host loses adapter 2 while it is assigned and its queue is unbound")
            .thread("scan", |w| lose(w, 2))
            .thread("unbind", |w| w.bus.unbind(w, queue(2)))
            .thread("assign_adapter_store", |w| assign(w, 0, 2))
            .expect_proof(),
        new("gain-assign", absent::<V>)
            .about("the host gains adapter 2 while it is assigned")
            .thread("scan", |w| gain(w, 2))
            .thread("assign_adapter_store", |w| assign(w, 0, 2))
            .expect_proof(),
        new("gain-rebind", assigned_absent::<V>)
            .about("the host gains adapter 2, which is assigned, while its queue is bound again")
            .thread("scan", |w| gain(w, 2))
            .thread("administrator", |w| {
                w.bus.unbind(w, queue(2));
                w.bus.bind(w, queue(2));
            })
            .expect_proof(),
        new("gain-unbind", lacking_second::<V>)
            .about("the host gains a domain while its queue is unbound")
            .thread("scan", |w| {
                w.ap_scan_bus(&without_domain(SECOND.apqi), &ApConfig::everything());
            })
            .thread("unbind", |w| w.bus.unbind(w, SECOND))
            .expect_proof(),
        new("bind-remove", unbound::<V>)
            .about("the queue of adapter 2 is bound while a device is closed and removed")
            .thread("bind", |w| w.bus.bind(w, queue(2)))
            .thread("remove", remove::<V>)
            .expect_proof(),
        new("unassign-remove-unbind", running::<V>)
            .about("no race: queues are unbound after their device has been removed")
            .thread("administrator", |w| {
                assign(w, 0, 2);
                unassign(w, 0, 2);
                w.bus.unbind(w, queue(1));
                remove::<V>(w);
                w.bus.unbind(w, queue(2));
                w.bus.bind(w, queue(1));
                w.bus.unbind(w, queue(1));
            })
            .expect_proof(),
        new("status-unbind", running::<V>)
            .about("the status of a queue is read while it is unbound")
            .thread("cat status", |w| _ = status_show(w, queue(1)))
            .thread("unbind", |w| w.bus.unbind(w, queue(1)))
            .expect_proof(),
        new("reset-unassign", running::<V>)
            .about("the guest resets its device while adapter 1 is unassigned")
            .thread("VFIO_DEVICE_RESET", |w| _ = V::reset(w, 0))
            .thread("unassign_adapter_store", |w| unassign(w, 0, 1))
            .expect_proof(),
        new("reset-unbind", running::<V>)
            .about("the guest resets its device while its queue is unbound")
            .thread("VFIO_DEVICE_RESET", |w| _ = V::reset(w, 0))
            .thread("unbind", |w| w.bus.unbind(w, queue(1)))
            .expect_proof(),
    ]
}

/// Returns the scenarios of the attribute that sets all masks at once.
fn all_or_nothing<V: Version>(version: &str, source: &str) -> Vec<Scenario> {
    let new = |name: &str, world: fn() -> World| {
        scenario::<V>(&format!("hotplug/{version}/{name}"), source, world)
    };
    let store = |w: &World| _ = ap_config_store(w, 0, &matrix(&[2]).into());
    vec![
        new("ap-config-pqap", running::<V>)
            .about("adapter 1 is exchanged for 2 while the guest executes PQAP(AQIC) on its queue")
            .thread("ap_config_store", store)
            .thread("PQAP(AQIC)", pqap::<V>)
            .expect_proof(),
        new("ap-config-unbind", running::<V>)
            .about("adapter 1 is exchanged for 2 while its queue is unbound")
            .thread("ap_config_store", store)
            .thread("unbind", |w| w.bus.unbind(w, queue(1)))
            .expect_proof(),
        new("ap-config-apmask", running::<V>)
            .about("adapter 1 is exchanged for 2 while the host reclaims 2")
            .thread("ap_config_store", store)
            .thread("apmask_store", |w| apmask(w, "+2"))
            .expect_proof(),
        new("ap-config-assign", running::<V>)
            .about("adapter 1 is exchanged for 2 while 1 and 2 are assigned to another device")
            .thread("ap_config_store", store)
            .thread("assign_adapter_store", |w| {
                assign(w, 1, 1);
                assign(w, 1, 2);
            })
            .expect_proof(),
    ]
}

/// Builds the scenario that shows that unassigning does not check whether a resource can return.
fn not_filtered_again<V: Version>(version: &str, source: &str) -> Scenario {
    let name = format!("hotplug/{version}/unassign-domain");
    scenario::<V>(&name, source, running::<V>)
        .about("adapter 1 is withheld for domain 5 and stays withheld after domain 5 is unassigned")
        .thread("administrator", |w| {
            _ = assign_store(w, 0, Resource::Domain(5));
            unassign_store(w, 0, Resource::Domain(5));
        })
        .expect_violations([ViolationKind::invariant("WITHHELD")])
}

/// Builds the scenario that shows why nothing is assigned to a device that was requested.
///
/// VFIO requests a device only when it is removed. `device_remove` then has removed the attributes
/// of the device, and has waited for their writers.
fn stored_before_request<V: Version>(version: &str) -> Scenario {
    Scenario::builder(format!("vfio-ap/hotplug/{version}/request-store"), || {
        (running::<V>(), Attributes::new())
    })
    .about("the device is removed, and therefore requested, while adapter 2 is assigned")
    .source("`device_remove` in `drivers/base/dd.c`, v6.1")
    .thread("unbind", |(w, attributes)| {
        attributes.remove();
        vfio_ap_mdev_request(w, 0);
    })
    .thread("assign_adapter_store", |(w, attributes)| {
        if let Some(active) = attributes.read() {
            assign(w, 0, 2);
            active.up_read();
        }
    })
    .finally(|(w, _)| {
        invariants::check(w);
        w.at_rest::<V>();
    })
    .expect_proof()
}

/// Returns the scenarios in which VFIO requests the release of the device.
fn requests<V: Version>(version: &str, source: &str) -> Vec<Scenario> {
    fn both<V: Version>() -> World {
        let world = running::<V>();
        assign(&world, 0, 2);
        world
    }
    fn second_unbound<V: Version>() -> World {
        let world = both::<V>();
        world.bus.unbind(&world, queue(2));
        world
    }
    let new_in = |name: &str, world: fn() -> World| {
        scenario::<V>(&format!("hotplug/{version}/{name}"), source, world)
            .thread("request", |w| vfio_ap_mdev_request(w, 0))
    };
    let new = |name: &str| new_in(name, running::<V>);
    let regained = || [ViolationKind::invariant("REQUESTED")];
    vec![
        stored_before_request::<V>(version),
        new_in("request-bind", second_unbound::<V>)
            .about("the device is requested while another queue is bound: does it regain all?")
            .thread("bind", |w| w.bus.bind(w, queue(2)))
            .expect_violations(regained()),
        new_in("request-unbind-other", both::<V>)
            .about("the device is requested while the queue of another adapter is unbound")
            .thread("unbind", |w| w.bus.unbind(w, queue(2)))
            .expect_violations(regained()),
        new_in("request-scan", both::<V>)
            .about("the device is requested while the host loses another adapter")
            .thread("scan", |w| lose(w, 2))
            .expect_violations(regained()),
        new("request-pqap")
            .about("the device is requested while the guest executes PQAP(AQIC)")
            .thread("PQAP(AQIC)", pqap::<V>)
            .expect_proof(),
        new("request-close")
            .about("the device is requested and closed")
            .thread("close", |w| V::close(w, 0))
            .expect_proof(),
        new("request-unbind")
            .about("the device is requested while its queue is unbound")
            .thread("unbind", |w| w.bus.unbind(w, queue(1)))
            .expect_proof(),
    ]
}

/// Returns the scenarios of a slow reset, during which every lock is held.
fn slow_resets<V: Version>(version: &str, source: &str) -> Vec<Scenario> {
    fn slow<V: Version>() -> World {
        let slow = ApQueue { quick: false, ..ApQueue::new(queue(1)) };
        let world = World::with_queues::<V>(1, 1, &[matrix(&[1])], [slow]);
        V::set_kvm(&world, 0, 0).expect("the guest has no other device");
        pqap::<V>(&world);
        world
    }
    fn slow_with_message<V: Version>() -> World {
        let slow = ApQueue { quick: false, ..ApQueue::new(queue(1)) };
        let matrices = [matrix(&[1]), matrix(&[])];
        let world = World::with_queues::<V>(2, 1, &matrices, [slow]);
        V::set_kvm(&world, 0, 0).expect("the guest has no other device");
        V::set_kvm(&world, 1, 1).expect("the guest has no other device");
        world.hardware.nqap(0, queue(1));
        world
    }
    let new = |name: &str| {
        Scenario::builder(format!("vfio-ap/hotplug/{version}/{name}"), slow::<V>)
            .source(source)
            .thread("close", remove::<V>)
            .thread("PQAP(AQIC)", pqap::<V>)
            .finally(World::at_rest::<V>)
    };
    let handed_on = Scenario::builder(
        format!("vfio-ap/hotplug/{version}/slow-reset-handed-on"),
        slow_with_message::<V>,
    );
    vec![
        handed_on
            .source(source)
            .about("a queue moves to another guest after a slow reset: is it free of messages?")
            .thread("administrator", |w| {
                unassign(w, 0, 1);
                assign(w, 1, 1);
                V::close(w, 1);
                _ = V::remove(w, 1);
            })
            .thread("the hardware", |w| {
                for _ in ["unassigned", "closed", "removed"] {
                    w.hardware.finish_reset(queue(1));
                }
            })
            .finally(World::at_rest::<V>)
            .expect_proof(),
        new("slow-reset")
            .about(
                "the device is closed, and all other threads wait for the slow reset of its queue",
            )
            .thread("PV ioctl", |w| w.guest(0).pv_command())
            .thread("the hardware", |w| {
                for _ in ["closed", "removed"] {
                    w.hardware.finish_reset(queue(1));
                }
            })
            .expect_proof(),
        new("endless-reset")
            .about("the hardware never completes the reset (B29), and no thread gives up")
            .expect_violations([ViolationKind::deadlock(["reset of an AP queue"])]),
    ]
}

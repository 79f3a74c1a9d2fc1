//! `vfio-ap/postconditions`: the effect of each system call, called by one thread.
//!
//! A driver that does nothing would never deadlock. Here each call of each version is made alone,
//! and its effect is checked: the owner of the queue, the target of its interrupts, and the
//! assignment.

use selvedge_core::Scenario;

use crate::Errno;
use crate::ap::{ApConfig, ApMask, ApMatrix, Driver};
use crate::postcondition::expect;
use crate::vfio_ap::ap_config::{ap_config_show, ap_config_store, matrix_show};
use crate::vfio_ap::ap_queue::{ApQueue, Config, Irq, ResponseCode};
use crate::vfio_ap::mdev_probe::vfio_ap_mdev_probe;
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::scenarios::fixtures::{
    ENABLE, IRQ, QUEUE, SECOND, apmask, assign, closed, gain, lose, matrix, not_made, queue,
    running, unassign, without_control_domain,
};
use crate::vfio_ap::scenarios::sources;
use crate::vfio_ap::versions::commits::Commit;
use crate::vfio_ap::versions::p15::P15;
use crate::vfio_ap::versions::p17::P17;
use crate::vfio_ap::versions::v5_3::V5_3;
use crate::vfio_ap::versions::v5_11::V5_11;
use crate::vfio_ap::versions::v5_13::V5_13;
use crate::vfio_ap::versions::v5_15::{V5_15, V5_19};
use crate::vfio_ap::versions::v6_0::{V6_0, V6_4, V6_6, V6_8, V6_15, V2026, vfio_ap_mdev_request};
use crate::vfio_ap::world::{Aqic, Version, World};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    all.extend(calls::<V5_3>("v5.3", "commit ec89b55e3bce"));
    all.extend(calls::<V5_11>("v5.11", "commit f21916ec4826"));
    all.extend(calls::<V5_13>("v5.13", "commit 0cc00c8d4050"));
    all.extend(calls::<V5_15>("v5.15", "commit 86956e70761b"));
    all.extend(calls::<V5_19>("v5.19", sources::V5_19));
    all.extend(calls::<P15>("p15", sources::P15));
    all.extend(calls::<P17>("p17", sources::P17));
    all.extend(calls::<V6_0>("v6.0", sources::V6_0));
    all.extend(calls::<V6_4>("v6.4", sources::V6_4));
    all.extend(calls::<V6_6>("v6.6", sources::V6_6));
    all.extend(calls::<V6_8>("v6.8", sources::V6_8));
    all.extend(calls::<V6_15>("v6.15", sources::V6_15));
    all.extend(calls::<V2026>("2026", sources::V2026));
    all.push(create::<V5_15>("v5.15", "commit eb0feefd4c02, v5.15"));
    all.push(create::<V6_0>("v6.0", sources::V6_0));
    all.push(create::<V2026>("2026", sources::V2026));
    all.push(unbind::<V5_3>("v5.3", "commit ec89b55e3bce"));
    all.push(unbind::<V5_15>("v5.15", "commit 86956e70761b"));
    all.push(bind::<V5_3>("v5.3", "commit ec89b55e3bce"));
    all.push(bind::<V5_15>("v5.15", "commit 86956e70761b"));
    all.extend(hotplug::<V6_0>("v6.0", sources::V6_0));
    all.extend(hotplug::<V6_4>("v6.4", sources::V6_4));
    all.extend(hotplug::<V6_6>("v6.6", sources::V6_6));
    all.extend(hotplug::<V6_8>("v6.8", sources::V6_8));
    all.extend(hotplug::<V6_15>("v6.15", sources::V6_15));
    all.extend(hotplug::<V2026>("2026", sources::V2026));
    all.push(hot_plug_of_series::<P15>("p15", sources::P15));
    all.push(hot_plug_of_series::<P17>("p17", sources::P17));
    all
}

/// Returns whether guest 0 has the queue of an adapter.
fn has(w: &World, apid: u8) -> bool {
    w.hardware.apcb(0).contains(queue(apid))
}

fn interrupts(w: &World) -> bool {
    w.hardware.tapq(QUEUE).irq_enabled
}

/// Returns the matrix that is assigned to device 0.
fn assigned(w: &World) -> ApMatrix {
    w.matrix_dev.lock.lock().mdevs[0].assigned.matrix
}

/// Returns whether guest 0 may control a domain.
fn controls(w: &World, domain: u8) -> bool {
    w.hardware.masks(0).adm.test(domain)
}

fn scenario<V: Version>(
    version: &str,
    calls: &str,
    source: &str,
    world: impl Fn() -> World + Send + Sync + 'static,
    thread: impl Fn(&World) + Send + Sync + 'static,
) -> Scenario {
    Scenario::builder(format!("vfio-ap/postconditions/{version}/{calls}"), world)
        .about("each call alone has its effect")
        .source(source)
        .thread("user", thread)
        .finally(World::at_rest::<V>)
        .expect_proof()
}

/// Returns the scenarios of every version: each call of the driver, and each response of
/// PQAP(AQIC).
fn calls<V: Version>(version: &str, source: &str) -> [Scenario; 3] {
    [open_close::<V>(version, source), answers::<V>(version, source), domains::<V>(version, source)]
}

/// Assigns, uses and unassigns a usage domain and a control domain.
fn domains<V: Version>(version: &str, source: &str) -> Scenario {
    const DOMAIN: Resource = Resource::Domain(SECOND.apqi);
    const CONTROL: Resource = Resource::ControlDomain(7);
    let world =
        || World::with_queues::<V>(1, 1, &[matrix(&[1])], [QUEUE, SECOND].map(ApQueue::new));
    let hot_plug = V::HEAD >= Commit::DynamicConfiguration || ["p15", "p17"].contains(&version);
    scenario::<V>(version, "domains", source, world, move |w| {
        let both = || w.hardware.apcb(0).contains(QUEUE) && w.hardware.apcb(0).contains(SECOND);
        expect(V::assign_store(w, 0, DOMAIN).is_ok(), "domain 5 can be assigned");
        expect(V::assign_store(w, 0, CONTROL).is_ok(), "control domain 7 can be assigned");
        expect(V::set_kvm(w, 0, 0).is_ok(), "the device is opened");
        expect(both() && controls(w, 7), "the guest has both queues and controls domain 7");
        for resource in [DOMAIN, CONTROL] {
            let refused = V::unassign_store(w, 0, resource) == Err(Errno::Ebusy);
            expect(refused != hot_plug, "a version without hot plug refuses");
        }
        expect(both() != hot_plug, "the guest loses domain 5 unless that is refused");
        expect(
            controls(w, 7) != hot_plug,
            "the guest loses control domain 7 unless that is refused",
        );
        V::close(w, 0);
        for resource in [DOMAIN, CONTROL] {
            expect(V::unassign_store(w, 0, resource).is_ok(), "a closed device can be changed");
        }
        expect(matrix_show(w, 0).0 == matrix(&[1]).into(), "both domains are unassigned");
    })
}

/// Checks the responses of PQAP(AQIC). A refused request must not leak a resource.
fn answers<V: Version>(version: &str, source: &str) -> Scenario {
    scenario::<V>(version, "answers", source, running::<V>, |w| {
        let answer = |aqic: Aqic, code: ResponseCode, what: &str| {
            expect(w.pqap::<V>(0, 0, aqic) == code, what);
        };
        let off = Aqic { irq: None, ..ENABLE };
        let nowhere = Aqic { irq: Some(Irq { nib: Irq::NO_PAGE, ..IRQ }), ..ENABLE };
        let foreign = Aqic { apqn: queue(2), ..ENABLE };
        answer(foreign, ResponseCode::QNotAvail, "the guest does not have the queue");
        answer(off, ResponseCode::OtherwiseChanged, "interrupts are already disabled");
        answer(ENABLE, ResponseCode::Normal, "interrupts are enabled");
        answer(ENABLE, ResponseCode::OtherwiseChanged, "interrupts are already enabled");
        expect(w.hardware.pins(0) == 1, "the page is pinned once");
        answer(off, ResponseCode::Normal, "interrupts are disabled");
        if w.has(Commit::DynamicConfiguration) {
            answer(nowhere, ResponseCode::InvalidAddress, "the page does not exist");
        }
        w.hardware.refuse_pins();
        answer(ENABLE, ResponseCode::InvalidAddress, "the page cannot be pinned");
        expect(!interrupts(w) && w.hardware.pins(0) == 0, "no resource leaks");
    })
}

/// Assigns, opens, executes PQAP(AQIC), resets and closes.
fn open_close<V: Version>(version: &str, source: &str) -> Scenario {
    scenario::<V>(version, "open-close", source, closed::<V>, |w| {
        expect(V::assign_adapter_store(w, 0, 2).is_ok(), "adapter 2 can be assigned");
        expect(assigned(w) == matrix(&[1, 2]), "adapter 2 is assigned");
        expect(V::unassign_adapter_store(w, 0, 2).is_ok(), "adapter 2 can be unassigned");
        expect(assigned(w) == matrix(&[1]), "adapter 2 is no longer assigned");
        expect(V::set_kvm(w, 0, 0).is_ok(), "the device is opened");
        expect(has(w, 1), "the guest has the queue");
        let off = Aqic { irq: None, ..ENABLE };
        w.pqap::<V>(0, 0, ENABLE);
        expect(interrupts(w), "PQAP(AQIC) enables interrupts");
        w.pqap::<V>(0, 0, off);
        expect(!interrupts(w), "PQAP(AQIC) disables interrupts");
        w.pqap::<V>(0, 0, ENABLE);
        w.hardware.nqap(0, QUEUE);
        expect(V::reset(w, 0).is_ok(), "the queues are reset");
        let status = w.hardware.tapq(QUEUE);
        expect(
            status.queue_empty && !status.irq_enabled,
            "the queue is empty and does not interrupt",
        );
        // The guest resets its queue itself, and the driver does not notice.
        w.pqap::<V>(0, 0, ENABLE);
        w.hardware.zapq(QUEUE);
        w.pqap::<V>(0, 0, Aqic { irq: Some(Irq { nib: 2, ..IRQ }), ..ENABLE });
        V::close(w, 0);
        expect(w.guest(0).pqap_hook().is_none(), "the hook of PQAP is cleared");
    })
}

/// Builds a scenario in which VFIO refuses one device and accepts the next.
fn create<V: Version>(version: &str, source: &str) -> Scenario {
    let none = [ApMatrix { aqm: ApMask::of([4]), ..ApMatrix::default() }; 2];
    let world = move || {
        not_made(not_made(World::with_queues::<V>(1, 1, &none, [ApQueue::new(QUEUE)]), 0), 1)
    };
    scenario::<V>(version, "create", source, world, |w| {
        let refused = vfio_ap_mdev_probe(w, 0, || Err(Errno::Ebusy));
        expect(refused == Err(Errno::Ebusy), "the device is not created");
        expect(!w.matrix_dev.lock.lock().mdevs[0].listed, "a refused device is not listed");
        expect(w.matrix_dev.mdev_list.walk().is_empty(), "the list is empty");
        w.matrix_dev.mdev_list.walked();
        expect(vfio_ap_mdev_probe(w, 1, || Ok(())).is_ok(), "another device can be created");
        expect(V::assign_adapter_store(w, 1, 1).is_ok(), "an adapter can be assigned to it");
        expect(V::set_kvm(w, 1, 0).is_ok() && has(w, 1), "its guest has the queue");
    })
}

/// Unbinds a queue that the guest keeps, up to v5.19.
fn unbind<V: Version>(version: &str, source: &str) -> Scenario {
    scenario::<V>(version, "unbind", source, running::<V>, |w| {
        w.pqap::<V>(0, 0, ENABLE);
        w.hardware.nqap(0, QUEUE);
        w.bus.unbind(w, QUEUE);
        expect(
            !w.matrix_dev.lock.lock().queues.contains_key(&QUEUE),
            "the driver no longer has it",
        );
        let status = w.hardware.tapq(QUEUE);
        expect(
            status.queue_empty && !status.irq_enabled,
            "the queue is empty and does not interrupt",
        );
    })
}

/// Binds a queue again that the guest has kept, up to v5.19.
fn bind<V: Version>(version: &str, source: &str) -> Scenario {
    scenario::<V>(version, "bind", source, running::<V>, |w| {
        w.bus.unbind(w, QUEUE);
        expect(has(w, 1), "the guest keeps the queue");
        w.pqap::<V>(0, 0, ENABLE);
        expect(!interrupts(w), "PQAP(AQIC) does not find an unbound queue");
        w.bus.bind(w, QUEUE);
        w.pqap::<V>(0, 0, ENABLE);
        expect(interrupts(w), "PQAP(AQIC) finds the queue after it is bound again");
    })
}

/// Checks the hot plug of the series on a running guest.
fn hot_plug_of_series<V: Version>(version: &str, source: &str) -> Scenario {
    scenario::<V>(version, "assign-running", source, running::<V>, |w| {
        expect(V::assign_adapter_store(w, 0, 2).is_ok(), "adapter 2 can be assigned");
        expect(has(w, 1) && has(w, 2), "the guest gets the queue");
        w.hardware.nqap(0, queue(2));
        w.bus.unbind(w, queue(2));
        expect(has(w, 1) && !has(w, 2), "the guest loses an unbound queue");
        expect(w.hardware.tapq(queue(2)).queue_empty, "the unbound queue is empty");
        // From v6.0 to v6.7 only new resources are checked (B30).
        if !w.has(Commit::DynamicConfiguration) || w.has(Commit::FilterEntireMatrix) {
            expect(V::unassign_adapter_store(w, 0, 1).is_ok(), "adapter 1 can be unassigned");
            expect(V::assign_adapter_store(w, 0, 1).is_ok(), "adapter 1 can be assigned again");
            expect(has(w, 1) && !has(w, 2), "the guest does not get an unbound queue");
        }
        w.bus.bind(w, queue(2));
        expect(has(w, 1) && has(w, 2), "the guest gets a bound queue again");
        expect(V::unassign_adapter_store(w, 0, 2).is_ok(), "adapter 2 can be unassigned");
        expect(assigned(w) == matrix(&[1]), "adapter 2 is no longer assigned");
        expect(has(w, 1) && !has(w, 2), "the guest loses an unassigned adapter");
        V::close(w, 1);
        expect(V::remove(w, 1).is_ok(), "the other device can be removed after its close");
        w.bus.unbind(w, queue(2));
        w.bus.bind(w, queue(2));
        expect(!has(w, 2), "no guest gets an unassigned queue");
    })
}

/// Returns the scenarios of hot plug on a running guest.
fn hotplug<V: Version>(version: &str, source: &str) -> Vec<Scenario> {
    let new = |calls: &str, thread: fn(&World)| {
        scenario::<V>(version, calls, source, running::<V>, thread)
    };
    let mut all = vec![
        hot_plug_of_series::<V>(version, source),
        new("config", |w| {
            assign(w, 0, 2);
            lose(w, 2);
            expect(has(w, 1) && !has(w, 2), "the guest loses what the host loses");
            gain(w, 2);
            expect(has(w, 1) && has(w, 2), "the guest gets what the host gains");
            let code = w.hardware.tapq(queue(2)).code;
            expect(code == ResponseCode::Normal, "the guest can use the queue");
        }),
        new("apmask", |w| {
            assign(w, 0, 2);
            unassign(w, 0, 2);
            expect(!has(w, 2), "the guest loses an unassigned adapter");
            apmask(w, "+2");
            let driver = w.bus.queue(queue(2)).and_then(|device| device.driver());
            expect(driver == Some(Driver::Zcrypt), "the host's driver has the queue");
            let left = w.matrix_dev.lock.lock().queues.contains_key(&queue(2));
            expect(!left, "vfio_ap no longer has the queue");
        }),
        new("control-domain", |w| {
            expect(
                V::assign_store(w, 0, Resource::ControlDomain(7)).is_ok(),
                "a control domain is not verified",
            );
            expect(controls(w, 7), "the guest gets the control domain");
            expect(
                V::unassign_store(w, 0, Resource::ControlDomain(7)).is_ok(),
                "a control domain can be unassigned",
            );
            expect(!controls(w, 7), "the guest loses the control domain");
        }),
    ];
    all.push(new("reset-fails", |w| {
        w.hardware.happens(QUEUE, |queue| queue.config = Config::Absent);
        expect(V::reset(w, 0).is_err(), "the reset of an absent queue is an error");
        // From v6.0 to v6.7 only new resources are checked (B30).
        if w.has(Commit::FilterEntireMatrix) {
            assign(w, 0, 2);
            expect(!has(w, 1) && has(w, 2), "the guest does not get a queue whose reset failed");
            unassign(w, 0, 2);
        }
        w.hardware.happens(QUEUE, |queue| queue.config = Config::Configured);
        expect(V::reset(w, 0).is_ok(), "the reset of a configured queue succeeds");
        assign(w, 0, 2);
        expect(has(w, 1) && has(w, 2), "the guest gets a queue that was reset");
    }));
    all.push(new("reset-standby", |w| {
        w.hardware.happens(QUEUE, |queue| queue.config = Config::Deconfigured);
        let counts = w.has(Commit::ResetPolled) && !w.has(Commit::CheckstopHandled);
        expect(
            V::reset(w, 0).is_ok() == counts,
            "only v6.4 to v6.7 count a queue on standby as reset",
        );
        unassign(w, 0, 1);
        assign(w, 0, 1);
        let filtered = !w.has(Commit::ResetVerifiedByWork);
        expect(has(w, 1) != filtered, "since v6.6 the filter counts it as reset");
        w.hardware.happens(QUEUE, |queue| queue.config = Config::Configured);
    }));
    all.push(scenario::<V>(version, "delete-module", source, closed::<V>, |w| {
        w.delete_module();
        expect(
            w.bus.queue(QUEUE).is_some_and(|q| q.driver().is_none()),
            "its queues have no driver",
        );
        expect(!w.matrix_dev.lock.lock().mdevs[0].listed, "its devices are removed");
    }));
    if V::HEAD >= V2026::HEAD {
        all.push(new("control-domain-config", |w| {
            expect(
                V::assign_store(w, 0, Resource::ControlDomain(7)).is_ok(),
                "a control domain is not verified",
            );
            w.ap_scan_bus(&ApConfig::everything(), &without_control_domain(7));
            expect(!controls(w, 7), "the guest loses what the host loses");
            w.ap_scan_bus(&without_control_domain(7), &ApConfig::everything());
            expect(controls(w, 7), "the guest gets what the host gains");
        }));
    }
    if V::HEAD >= V6_15::HEAD {
        all.push(new("ap-config", |w| {
            let matrix_of = |apid| ApMatrix { apm: ApMask::of([apid]), aqm: ApMask::of([4]) };
            let other = ApConfig { matrix: matrix_of(2), adm: ApMask::of([7]) };
            expect(ap_config_store(w, 0, &other).is_ok(), "all masks can be written at once");
            expect(ap_config_show(w, 0) == other, "the attribute shows the written masks");
            expect(matrix_show(w, 0) == (other, other), "the other attributes show them too");
            expect(!has(w, 1) && has(w, 2), "the guest has what was written");
            expect(controls(w, 7), "the guest controls the written domain");
            let host = ApConfig { matrix: matrix_of(3), ..other };
            expect(ap_config_store(w, 0, &host).is_err(), "an adapter of the host is refused");
            expect(ap_config_show(w, 0) == other, "a refused write has no effect");
            w.pqap::<V>(0, 0, Aqic { apqn: queue(2), ..ENABLE });
            expect(w.hardware.tapq(queue(2)).irq_enabled, "the guest's queue interrupts");
            let no_domain = ApMatrix { aqm: ApMask::none(), ..other.matrix }.into();
            expect(
                ap_config_store(w, 0, &no_domain).is_ok(),
                "a mask without domains can be written",
            );
            expect(ap_config_show(w, 0) == no_domain, "the domains are unassigned");
            expect(!has(w, 2) && !controls(w, 7), "the guest loses the domains");
            expect(!w.hardware.tapq(queue(2)).irq_enabled, "the queues of the domains are reset");
        }));
        all.push(new("request", |w| {
            vfio_ap_mdev_request(w, 0);
            expect(!has(w, 1), "the guest loses its queues");
            V::close(w, 0);
            expect(V::set_kvm(w, 0, 0).is_ok(), "the device can be opened again");
            expect(has(w, 1), "the next guest has the queues");
        }));
    }
    all
}

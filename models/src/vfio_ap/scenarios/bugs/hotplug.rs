//! `vfio-ap/bugs`, hot plug: each bug in a version that has it and in one that has the fix.
//!
//! Many of these are sequences of calls, so they have one thread. They show the behaviour of the
//! version and not a race.

use selvedge_core::sync::Tracked;
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, invariant_broken};

use crate::Errno;
use crate::ap::{ApConfig, ApMask, ApMatrix, Apqn};
use crate::vfio_ap::ap_config::{ap_config_show, ap_config_store};
use crate::vfio_ap::ap_queue::{ApQueue, Config, Irq, ResponseCode};
use crate::vfio_ap::assign::{assign_store, unassign_store};
use crate::vfio_ap::mdev_probe::vfio_ap_mdev_probe;
use crate::vfio_ap::queue_device::{Kzalloc, status_show, vfio_ap_mdev_probe_queue};
use crate::vfio_ap::resource::Resource;
use crate::vfio_ap::scenarios::fixtures::{
    IRQ, SECOND, apmask, assign, closed, gain, lacking_second, lose, matrix, not_made, pqap, queue,
    running, scenario, two_domains, unassign, unbound, without, without_control_domain,
    without_domain,
};
use crate::vfio_ap::scenarios::sources;
use crate::vfio_ap::versions::p15::P15;
use crate::vfio_ap::versions::p17::{P17, P17FailurePath};
use crate::vfio_ap::versions::v5_15::V5_15;
use crate::vfio_ap::versions::v6_0::{
    V6_0, V6_0Rc1, V6_2, V6_3, V6_4, V6_6, V6_8, V6_15, V6_19, V2026, V2026Proposed, V2026Unlinking,
};
use crate::vfio_ap::world::{Aqic, Version, World};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = trylock();
    all.extend(stale_hook());
    all.extend(reprobe());
    all.extend(stale_link());
    all.extend(hashed_twice());
    all.extend(no_guest());
    all.extend(config());
    all.extend(final_put());
    all.extend(kvm_lock_under_mutex());
    all.extend(ap_config());
    all.extend(mdev_list());
    all.extend(status());
    all.extend(subclass());
    all.extend(secure_page());
    all.extend(filtering());
    all.extend(absent());
    all.extend(single());
    all
}

fn bug<V: Version>(name: &str, source: &str, world: fn() -> World) -> ScenarioBuilder<World> {
    scenario::<V>(&format!("bugs/{name}"), source, world)
}

fn broken(id: &str) -> [ViolationKind; 1] {
    [ViolationKind::invariant(id)]
}

/// Returns B02, which shows the effect of a trylock.
fn trylock() -> Vec<Scenario> {
    const SOURCE: &str = "\"[PATCH v17 00/15] s390/vfio-ap: dynamic configuration support\", \
                          T. Krowiak, October 2021";
    fn contended<V: Version>(name: &str, source: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b02-trylock/{name}"), source, closed::<V>)
            .about("an assigned adapter is assigned again while the host reclaims adapter 2")
            .thread("apmask_store", |w| apmask(w, "+2"))
            .thread("assign_adapter_store", |w| {
                if V::assign_adapter_store(w, 0, 1) == Err(Errno::Eagain) {
                    invariant_broken(
                        "INV-24",
                        "assign_adapter_store returns -EAGAIN without a cause",
                    );
                }
            })
    }
    vec![
        contended::<P17>("p17", SOURCE).expect_violations(broken("INV-24")),
        contended::<P17FailurePath>("p17-failure-path", SOURCE)
            .about("the same race, and the failure path unlocks a guest that does not exist")
            .expect_violations(broken("NULL")),
        contended::<V6_0>("v6.0", sources::V6_0).expect_proof(),
    ]
}

/// Returns B12, in which the hook is published before the driver knows whether the attach is
/// allowed.
fn stale_hook() -> Vec<Scenario> {
    const SOURCE: &str = "commits bc833a7b1e7f and 4400270ec034, 2026";
    fn freed<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b12-stale-hook/{name}"), SOURCE, attached::<V>)
            .about("a refused second device is removed while the hook still points to it")
            .thread("open", |w| {
                assert_eq!(V::set_kvm(w, 1, 0), Err(Errno::Eperm));
                _ = V::remove(w, 1);
            })
            .thread("PQAP(AQIC)", pqap::<V>)
    }
    fn refused<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b12-failed-attach/{name}"), SOURCE, attached::<V>)
            .about("a second device is refused, and the guest loses PQAP(AQIC) because of that")
            .thread("administrator", |w| {
                assert_eq!(V::set_kvm(w, 1, 0), Err(Errno::Eperm));
                let irq = Some(Irq { vm: 0, nib: 1, isc: 3 });
                let code = w.pqap::<V>(0, 0, Aqic { apqn: queue(1), irq });
                if code == ResponseCode::QNotAvail {
                    invariant_broken("INV-12", "a failed attach has changed the hook");
                }
            })
    }
    let freed_hook = || [ViolationKind::use_after_release("matrix_mdev")];
    vec![
        freed::<V5_15>("v5.15").expect_violations(freed_hook()),
        freed::<V6_0>("v6.0").expect_violations(freed_hook()),
        freed::<V6_15>("v6.15").expect_violations(freed_hook()),
        freed::<V2026>("2026").expect_proof(),
        refused::<V5_15>("v5.15").expect_violations(broken("INV-12")),
        refused::<V6_0>("v6.0").expect_violations(broken("INV-12")),
        refused::<V6_15>("v6.15").expect_violations(broken("INV-12")),
        refused::<V2026>("2026").expect_proof(),
    ]
}

/// Creates a world in which the first device has the only guest that matters.
fn attached<V: Version>() -> World {
    let world = closed::<V>();
    V::set_kvm(&world, 0, 0).expect("the guest has no other device");
    world
}

/// Returns B13, which shows why the bus releases `ap_perms_mutex` before it moves queues.
fn reprobe() -> Vec<Scenario> {
    fn new(name: &str, source: &str, world: fn() -> World) -> ScenarioBuilder<World> {
        bug::<V6_0>(&format!("b13-reprobe-under-ap-perms-mutex/{name}"), source, world)
            .thread("apmask_store", |w| apmask(w, "+2"))
            .thread("bind", |w| w.bus.bind(w, queue(2)))
    }
    fn held() -> World {
        let mut world = unbound::<V6_0>();
        world.bus.reprobe_under_ap_perms_mutex();
        world
    }
    vec![
        new("held", "no version; why commit 4f8206b88286, v5.18, releases it", held)
            .about("the mutex is held while the queues move to other drivers")
            .expect_violations([ViolationKind::deadlock(["ap_perms_mutex", "device_lock"])]),
        new("v6.0", "commit 4f8206b88286, v5.18", unbound::<V6_0>)
            .about("the mutex is released before the queues move")
            .expect_proof(),
    ]
}

/// Creates a world in which no device is open. The second queue is unbound, so the adapter is
/// withheld.
fn withheld<V: Version>() -> World {
    let world = two_domains::<V>();
    world.bus.unbind(&world, SECOND);
    V::close(&world, 0);
    V::close(&world, 1);
    world
}

/// Returns B15, in which a withheld queue still points to its device after it is unassigned.
fn stale_link() -> Vec<Scenario> {
    const SOURCE: &str = "commit 70aeefe574cb, v6.0; \"[PATCH] s390/vfio-ap: fix unlinking of \
                          queues from the mdev\", T. Krowiak, August 2022, not merged";
    fn freed<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b15-stale-link/{name}"), SOURCE, withheld::<V>)
            .about("a withheld adapter is unassigned, its device removed, and its queue unbound")
            .thread("administrator", |w| {
                unassign(w, 0, 1);
                _ = V::remove(w, 0);
            })
            .thread("unbind", |w| w.bus.unbind(w, queue(1)))
    }
    fn scanned<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b15-unassigned-in-scan/{name}"), SOURCE, absent_adapter::<V>)
            .about("adapter 2 is gained by the host, assigned and unassigned concurrently")
            .thread("scan", |w| gain(w, 2))
            .thread("administrator", |w| {
                assign(w, 0, 2);
                unassign(w, 0, 2);
            })
    }
    let gone = || [ViolationKind::use_after_release("matrix_mdev")];
    vec![
        freed::<V6_0>("v6.0").expect_violations(gone()),
        freed::<V2026>("2026").expect_violations(gone()),
        freed::<V2026Unlinking>("2026-unlinking").expect_proof(),
        scanned::<V6_0>("v6.0").expect_proof(),
        scanned::<V6_8>("v6.8").expect_violations(broken("INV-09")),
        scanned::<V2026>("2026").expect_violations(broken("INV-09")),
        scanned::<V2026Unlinking>("2026-unlinking").expect_proof(),
    ]
}

/// Creates a world in which every device has a guest and the host does not have adapter 2.
fn absent_adapter<V: Version>() -> World {
    let world = running::<V>();
    lose(&world, 2);
    world
}

/// Returns B16, in which an assigned adapter is assigned again.
fn hashed_twice() -> Vec<Scenario> {
    const SOURCE: &str = "commit 1918f2b20c3d, v6.0";
    fn new<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b16-hashed-twice/{name}"), SOURCE, running::<V>)
            .about("adapter 1 is assigned again, and its queue's node points to itself")
            .thread("assign_adapter_store", |w| assign(w, 0, 1))
    }
    vec![
        new::<V6_0Rc1>("v6.0-rc1").expect_violations(broken("INV-20")),
        new::<V6_0>("v6.0").expect_proof(),
    ]
}

/// Returns B18, in which `kvm->lock` of a guest that does not exist is taken.
fn no_guest() -> Vec<Scenario> {
    const SOURCE: &str = "commit d50346801b4f, 2026";
    fn lost<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b18-no-guest/{name}"), SOURCE, closed::<V>)
            .about("the host loses an adapter while a device has no guest")
            .thread("scan", |w| lose(w, 2))
    }
    fn gained<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b18-no-guest-to-plug/{name}"), SOURCE, assigned_absent::<V>)
            .about("the host gains an adapter that is assigned to a device without a guest")
            .thread("scan", |w| gain(w, 2))
    }
    fn assigned_absent<V: Version>() -> World {
        let world = closed::<V>();
        world.bus.unbind(&world, queue(2));
        world.matrix_dev.guests_lock.lock().info = without(2);
        assign(&world, 0, 2);
        world
    }
    vec![
        lost::<V6_0>("v6.0").expect_violations(broken("NULL")),
        lost::<V6_2>("v6.2").expect_violations(broken("NULL")),
        lost::<V6_4>("v6.4").expect_violations(broken("NULL")),
        lost::<V6_6>("v6.6").expect_violations(broken("NULL")),
        lost::<V6_15>("v6.15").expect_violations(broken("NULL")),
        lost::<V2026>("2026").expect_proof(),
        gained::<V6_0>("v6.0").expect_violations(broken("NULL")),
        gained::<V6_15>("v6.15").expect_violations(broken("NULL")),
        gained::<V2026>("2026").expect_proof(),
    ]
}

/// Returns B19, the smaller errors of the driver when the host's configuration changes.
fn config() -> Vec<Scenario> {
    /// Builds a scenario in which a guest that keeps the last adapter has a queue that the host
    /// does not have (INV-10). This holds only after the driver has recorded the new configuration
    /// at the end of `vfio_ap_on_cfg_changed`, since the bus and the driver may differ until then.
    /// The locks of each device are released before that, and its guest then differs from the
    /// shadow, which has lost the adapter. INV-21 is therefore always broken first, and an
    /// execution ends there.
    fn last<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commits 917f509bfb88 and 65f6857ff186, 2026";
        bug::<V>(&format!("b19-last-adapter/{name}"), source, running::<V>)
            .about("the host loses the only adapter of a guest, and the guest keeps it")
            .thread("scan", |w| lose(w, 1))
    }
    fn each<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commit b1f092d94f62, 2026";
        bug::<V>(&format!("b19-remove-for-each/{name}"), source, three_adapters::<V>)
            .thread("scan", |w| lose(w, 1))
    }
    fn control<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commits 6b8a02e216f6 and 3c77c525fe3c, 2026";
        bug::<V>(&format!("b19-control-domain/{name}"), source, with_control_domain::<V>)
            .about("the host loses one of two control domains, and the guest keeps that domain")
            .thread("scan", |w| w.ap_scan_bus(&ApConfig::everything(), &without_control_domain(7)))
    }
    fn garbage<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commits f848cba767e5, v6.8, and bf09b9d7cd78, 2026";
        bug::<V>(&format!("b19-uninitialised-mask/{name}"), source, lacking_control_domain::<V>)
            .about("the host gains a control domain, and the guest's queues are reset")
            .thread("scan", |w| w.ap_scan_bus(&without_control_domain(7), &ApConfig::everything()))
    }
    fn three_adapters<V: Version>() -> World {
        let queues = [1, 2, 3].map(|apid| ApQueue::new(queue(apid)));
        let world = World::with_queues::<V>(2, 1, &[matrix(&[1, 2]), matrix(&[3])], queues);
        V::set_kvm(&world, 0, 0).expect("the guest has no other device");
        V::set_kvm(&world, 1, 1).expect("the guest has no other device");
        world
    }
    fn with_control_domain<V: Version>() -> World {
        let world = running::<V>();
        _ = assign_store(&world, 0, Resource::ControlDomain(7));
        _ = assign_store(&world, 0, Resource::ControlDomain(8));
        world
    }
    fn lacking_control_domain<V: Version>() -> World {
        let world = running::<V>();
        world.matrix_dev.guests_lock.lock().info = without_control_domain(7);
        _ = assign_store(&world, 0, Resource::ControlDomain(7));
        world
    }
    let nothing =
        "a device that loses nothing is handled as if it did, without an effect on its guest";
    vec![
        last::<V6_0>("v6.0").expect_violations(broken("INV-21")),
        last::<V6_2>("v6.2").expect_violations(broken("INV-21")),
        last::<V6_4>("v6.4").expect_violations(broken("INV-21")),
        last::<V6_6>("v6.6").expect_violations(broken("INV-21")),
        last::<V6_8>("v6.8").expect_violations(broken("INV-21")),
        last::<V6_15>("v6.15").expect_violations(broken("INV-21")),
        last::<V6_19>("v6.19").expect_violations(broken("INV-21")),
        last::<V2026>("2026").expect_proof(),
        each::<V6_15>("v6.15").about(nothing).expect_proof(),
        each::<V2026>("2026").about("each device is checked separately").expect_proof(),
        control::<V6_0>("v6.0").expect_violations(broken("INV-21")),
        control::<V6_15>("v6.15").expect_violations(broken("INV-21")),
        control::<V2026>("2026").expect_proof(),
        garbage::<V6_0>("v6.0").expect_proof(),
        garbage::<V6_8>("v6.8").expect_violations(broken("RESET-IN-USE")),
        garbage::<V6_15>("v6.15").expect_violations(broken("RESET-IN-USE")),
        garbage::<V2026>("2026").expect_proof(),
    ]
}

/// Returns B21, in which the last reference to a guest is dropped with the guest's own lock held.
fn final_put() -> Vec<Scenario> {
    const SOURCE: &str = "commits 2b48f52f2bff, v6.2, and bc833a7b1e7f, 2026";
    fn new<V: Version>(name: &str) -> Scenario {
        let world = || {
            let world = World::new::<V>(1, 1, &[matrix(&[1])]);
            V::set_kvm(&world, 0, 0).expect("the guest has no other device");
            world
        };
        let builder = Scenario::builder(format!("vfio-ap/bugs/b21-final-put/{name}"), world)
            .about("the guest's file is closed while its device is closed")
            .source(SOURCE)
            .thread("close guest", |w| _ = w.guest(0).put())
            .thread("close device", |w| V::close(w, 0))
            .finally(|w| {
                _ = V::remove(w, 0);
                w.hardware.check_at_rest();
            });
        match name {
            "v6.0" => builder.expect_violations([ViolationKind::use_after_release("kvm")]),
            _ => builder.expect_proof(),
        }
    }
    vec![new::<V6_0>("v6.0"), new::<V6_2>("v6.2"), new::<V2026>("2026")]
}

/// Returns B23, the cycle of v5.11, which a store closes.
fn kvm_lock_under_mutex() -> Vec<Scenario> {
    const SOURCE: &str = "\"Re: [PATCH v13 09/15] s390/vfio-ap: allow hot plug/unplug of AP \
                          resources using mdev device\", H. Pasic, 2021-04-08";
    fn new<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b23-assign-under-mutex/{name}"), SOURCE, attached::<V>)
            .about("adapter 2 is assigned while a guest runs PQAP(AQIC) and becomes protected")
            .thread("PQAP(AQIC)", pqap::<V>)
            .thread("assign_adapter_store", |w| _ = V::assign_adapter_store(w, 0, 2))
            .thread("PV ioctl", |w| w.guest(0).pv_command())
    }
    let circle = ["kvm->lock", "matrix_dev->lock", "vcpu->mutex"];
    vec![
        new::<P15>("p15").expect_violations([ViolationKind::deadlock(circle)]),
        new::<V6_0>("v6.0").expect_proof(),
    ]
}

/// Returns B25, in which all masks are read at once without a lock.
fn ap_config() -> Vec<Scenario> {
    const SOURCE: &str = "`ap_config_show` in `drivers/s390/crypto/vfio_ap_ops.c`, v6.10";
    const OLD: [u8; 2] = [1, 4];
    const NEW: [u8; 2] = [2, 5];
    fn product([apid, apqi]: [u8; 2]) -> ApConfig {
        ApMatrix { apm: ApMask::of([apid]), aqm: ApMask::of([apqi]) }.into()
    }
    fn world<V: Version>() -> World {
        let queues = [OLD, NEW].map(|[apid, apqi]| ApQueue::new(Apqn { apid, apqi }));
        World::with_queues::<V>(1, 1, &[product(OLD).matrix], queues)
    }
    fn refused<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b25-refused-masks/{name}"), SOURCE, world::<V>)
            .about("masks with an adapter of the host are refused, but a reader sees them")
            .thread("ap_config_store", |w| {
                let refused = ap_config_store(w, 0, &product([3, 4]));
                assert_eq!(
                    refused,
                    Err(Errno::Eaddrnotavail),
                    "adapter 3 is reserved for the host"
                );
            })
            .thread("ap_config_show", |w| {
                if ap_config_show(w, 0) != product(OLD) {
                    invariant_broken("INV-14", "ap_config shows masks that were never assigned");
                }
            })
    }
    fn new<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b25-torn-masks/{name}"), SOURCE, world::<V>)
            .about("01.0004 is exchanged for 02.0005, and a reader sees one half of each")
            .thread("ap_config_store", |w| {
                ap_config_store(w, 0, &product(NEW)).expect("the queue belongs to vfio_ap");
            })
            .thread("ap_config_show", |w| {
                let seen = ap_config_show(w, 0);
                if seen != product(OLD) && seen != product(NEW) {
                    invariant_broken("INV-14", "ap_config shows masks that were never assigned");
                }
            })
    }
    vec![
        new::<V6_15>("v6.15").expect_violations(broken("INV-14")),
        new::<V2026>("2026").expect_violations(broken("INV-14")),
        new::<V2026Proposed>("2026-proposed")
            .about("a proposed fix, not posted: reading with mdevs_lock held")
            .expect_proof(),
        refused::<V6_15>("v6.15").expect_violations(broken("INV-14")),
        refused::<V2026Proposed>("2026-proposed").expect_proof(),
    ]
}

/// Returns B26, in which a device is added to the list while other threads walk it.
fn mdev_list() -> Vec<Scenario> {
    const SOURCE: &str = "commit 7fa61c29850d, 2026";
    fn world<V: Version>() -> World {
        let world = unbound::<V>();
        V::close(&world, 1);
        not_made(world, 1)
    }
    fn new<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b26-unlocked-list/{name}"), SOURCE, world::<V>)
            .about("a device is created while a queue is bound and the list is searched")
            .thread("bind", |w| w.bus.bind(w, queue(2)))
            .thread("create", |w| {
                vfio_ap_mdev_probe(w, 1, || Ok(())).expect("VFIO accepts the device")
            })
    }
    vec![
        new::<V6_0>("v6.0").expect_violations(broken("INV-20")),
        new::<V6_15>("v6.15").expect_violations(broken("INV-20")),
        new::<V2026>("2026").expect_proof(),
    ]
}

/// Returns B27, in which the attribute exists before the queue does.
fn status() -> Vec<Scenario> {
    const SOURCE: &str = "commit dd6f4ef6f8a3, 2026";
    fn new<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b27-status-without-queue/{name}"), SOURCE, unbound::<V>)
            .about("the status of a queue is read while it is bound and unbound again")
            .thread("bind", |w| {
                w.bus.bind(w, queue(2));
                w.bus.unbind(w, queue(2));
            })
            .thread("cat status", |w| _ = status_show(w, queue(2)))
    }
    vec![
        new::<V6_0>("v6.0").expect_violations(broken("NULL")),
        new::<V6_15>("v6.15").expect_violations(broken("NULL")),
        new::<V2026>("2026").expect_proof(),
    ]
}

/// Returns B34, in which the subclass cannot be registered.
fn subclass() -> Vec<Scenario> {
    fn new<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commit f4518de40a21 in stable, v6.7";
        bug::<V>(&format!("b34-no-subclass/{name}"), source, running::<V>)
            .about("PQAP(AQIC) cannot register the guest's subclass: is its page unpinned?")
            .thread("PQAP(AQIC)", |w| {
                w.hardware.refuse_gisc();
                pqap::<V>(w);
            })
    }
    vec![
        new::<V5_15>("v5.15").expect_violations(broken("INV-04")),
        new::<V6_0>("v6.0").expect_violations(broken("INV-04")),
        new::<V6_6>("v6.6").expect_violations(broken("INV-04")),
        new::<V6_8>("v6.8").expect_proof(),
    ]
}

/// Returns B35, in which the notification byte is on a page that a protected guest does not share.
fn secure_page() -> Vec<Scenario> {
    fn new<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b35-secure-page/{name}"), "commit f88fb1335733, v6.6", running::<V>)
            .about("a protected guest requests notifications on a page that it does not share")
            .thread("guest", |w| {
                w.hardware.keep_secure(0, IRQ.nib);
                pqap::<V>(w);
                w.hardware.nqap(0, queue(1));
            })
    }
    vec![
        new::<V6_0>("v6.0").expect_violations(broken("SECURE-NIB")),
        new::<V6_6>("v6.6").expect_proof(),
    ]
}

/// Returns B30, the bugs of filtering that v6.8 fixes.
fn filtering() -> Vec<Scenario> {
    fn only_new<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commit 850fb7fa8c68, v6.8";
        bug::<V>(&format!("b30-only-new-filtered/{name}"), source, two_domains::<V>)
            .about("domain 4 is unassigned and assigned again, and the unbound 01.0005 returns")
            .thread("administrator", |w| {
                unassign_store(w, 0, Resource::Domain(4));
                _ = assign_store(w, 0, Resource::Domain(4));
            })
            .thread("unbind", |w| w.bus.unbind(w, SECOND))
    }
    /// Creates a world with domain 5 assigned. The host does not have it, and adapter 1 has no
    /// queue of it.
    fn lacking_domain<V: Version>() -> World {
        let world = running::<V>();
        world.matrix_dev.guests_lock.lock().info = without_domain(5);
        _ = assign_store(&world, 0, Resource::Domain(5));
        world
    }
    fn not_in_shadow<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commit 16fb78cbf56e, v6.8";
        bug::<V>(&format!("b30-withheld-for-nothing/{name}"), source, lacking_domain::<V>)
            .about("adapter 2 is withheld for a domain that the host does not have")
            .thread("assign_adapter_store", |w| {
                assign(w, 0, 2);
                if !w.hardware.apcb(0).contains(queue(2)) {
                    invariant_broken(
                        "WITHHELD",
                        "the guest could have adapter 2 but does not have it",
                    );
                }
            })
    }
    fn gained_domain<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let world = || {
            let world = lacking_second::<V>();
            world.bus.unbind(&world, queue(1));
            world
        };
        let source = "commit 850fb7fa8c68, v6.8";
        bug::<V>(&format!("b30-gained-domain/{name}"), source, world)
            .about("the host gains domain 5, and adapter 1 returns with the unbound 01.0004")
            .thread("scan", |w| w.ap_scan_bus(&without_domain(5), &ApConfig::everything()))
    }
    fn gained_control<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let world = || {
            let world = two_domains::<V>();
            world.bus.unbind(&world, SECOND);
            world.matrix_dev.guests_lock.lock().info = without_control_domain(7);
            _ = assign_store(&world, 0, Resource::ControlDomain(7));
            world
        };
        let source = "commit 850fb7fa8c68, v6.8";
        bug::<V>(&format!("b30-gained-control-domain/{name}"), source, world)
            .about("the host gains a control domain, and every withheld adapter returns")
            .thread("scan", |w| w.ap_scan_bus(&without_control_domain(7), &ApConfig::everything()))
    }
    fn not_reset<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commit f848cba767e5, v6.8";
        bug::<V>(&format!("b30-filtered-not-reset/{name}"), source, running::<V>)
            .about("adapter 1 is withheld for a domain without a queue, and moves to another guest")
            .thread("guest", |w| w.hardware.nqap(0, queue(1)))
            .thread("administrator", |w| {
                _ = assign_store(w, 0, Resource::Domain(5));
                unassign(w, 0, 1);
                assign(w, 1, 1);
            })
    }
    fn siblings<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commit f009cfa46655, v6.8";
        bug::<V>(&format!("b30-siblings-not-reset/{name}"), source, two_domains::<V>)
            .about("01.0005 is unbound, and the unplugged 01.0004 moves to another guest")
            .thread("guest", |w| w.hardware.nqap(0, queue(1)))
            .thread("administrator", |w| {
                w.bus.unbind(w, SECOND);
                unassign(w, 0, 1);
                assign(w, 1, 1);
            })
    }
    vec![
        only_new::<V6_0>("v6.0").expect_violations(broken("INV-10")),
        only_new::<V6_2>("v6.2").expect_violations(broken("INV-10")),
        only_new::<V6_4>("v6.4").expect_violations(broken("INV-10")),
        only_new::<V6_6>("v6.6").expect_violations(broken("INV-10")),
        only_new::<V6_8>("v6.8").expect_proof(),
        not_in_shadow::<V6_0>("v6.0").expect_violations(broken("WITHHELD")),
        not_in_shadow::<V6_8>("v6.8").expect_proof(),
        gained_domain::<V6_0>("v6.0").expect_violations(broken("INV-10")),
        gained_domain::<V6_6>("v6.6").expect_violations(broken("INV-10")),
        gained_domain::<V6_8>("v6.8").expect_proof(),
        gained_control::<V6_0>("v6.0").expect_violations(broken("INV-10")),
        gained_control::<V6_6>("v6.6").expect_violations(broken("INV-10")),
        gained_control::<V6_8>("v6.8").expect_proof(),
        not_reset::<V6_0>("v6.0").expect_violations(broken("INV-17")),
        not_reset::<V6_6>("v6.6").expect_violations(broken("INV-17")),
        not_reset::<V6_8>("v6.8").expect_proof(),
        siblings::<V6_0>("v6.0").expect_violations(broken("INV-17")),
        siblings::<V6_6>("v6.6").expect_violations(broken("INV-17")),
        siblings::<V6_8>("v6.8").expect_proof(),
    ]
}

/// Returns B31, in which the host loses an adapter and the resources of its queue's interrupts
/// leak.
fn absent() -> Vec<Scenario> {
    const SOURCE: &str = "commit b9bd10c43456, v6.8";
    fn world<V: Version>() -> World {
        let world = running::<V>();
        assign(&world, 0, 2);
        world
    }
    fn new<V: Version>(name: &str) -> ScenarioBuilder<World> {
        bug::<V>(&format!("b31-absent-not-freed/{name}"), SOURCE, world::<V>)
            .about("the host loses an adapter whose queue interrupts a guest")
            .thread("PQAP(AQIC), scan", |w| {
                pqap::<V>(w);
                lose(w, 1);
            })
    }
    fn failed<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commit e1f17f8ea93d, v6.8";
        bug::<V>(&format!("b31-failed-not-freed/{name}"), source, running::<V>)
            .about("an adapter whose queue interrupts a guest fails, and the device is closed")
            .thread("PQAP(AQIC), close", |w| {
                pqap::<V>(w);
                w.hardware.happens(queue(1), |queue| queue.config = Config::Checkstopped);
                V::close(w, 0);
            })
    }
    vec![
        failed::<V6_0>("v6.0").about("a failed reset releases the resources").expect_proof(),
        failed::<V6_4>("v6.4").expect_violations(broken("INV-04")),
        failed::<V6_6>("v6.6").expect_violations(broken("INV-04")),
        failed::<V6_8>("v6.8").expect_proof(),
        new::<V6_0>("v6.0").about("a failed reset releases the resources").expect_proof(),
        new::<V6_4>("v6.4").expect_violations(broken("INV-04")),
        new::<V6_6>("v6.6").expect_violations(broken("INV-04")),
        new::<V6_8>("v6.8").expect_violations(broken("INV-04")),
        new::<V2026>("2026").expect_violations(broken("INV-04")),
        new::<V2026Proposed>("2026-proposed")
            .about("a proposed fix, not posted: releasing the resources without a reset")
            .expect_proof(),
    ]
}

/// Returns B32 and B33, errors of a single thread.
fn single() -> Vec<Scenario> {
    fn failing<V: Version>(name: &str) -> ScenarioBuilder<World> {
        let source = "commit 08866d34c709, v6.2";
        bug::<V>(&format!("b32-probe-fails/{name}"), source, unbound::<V>)
            .about("the allocation of a queue fails, and its attributes remain")
            .thread("bind", |w| _ = vfio_ap_mdev_probe_queue(w, queue(2), Kzalloc::Fails))
    }
    fn leak<V: Version>(name: &str) -> ScenarioBuilder<(World, Tracked)> {
        let world = || (closed::<V>(), Tracked::new("matrix_dev", ()));
        Scenario::builder(format!("vfio-ap/bugs/b33-matrix-dev-leak/{name}"), world)
            .about("the module is unloaded, and its device is freed through an unset pointer")
            .source(
                "\"s390/vfio-ap: fix memory leak in vfio_ap device driver\", v6.3, \
                     f12bcdc615d6 in stable",
            )
            .thread("rmmod", |(w, matrix_dev)| {
                w.delete_module();
                w.vfio_ap_matrix_dev_release(matrix_dev);
            })
            .finally(|(w, _)| w.at_rest::<V>())
    }
    vec![
        failing::<V6_0>("v6.0").expect_violations(broken("SYSFS-GROUP")),
        failing::<V6_2>("v6.2").expect_proof(),
        leak::<V6_2>("v6.2").expect_violations([ViolationKind::Leak("matrix_dev".to_owned())]),
        leak::<V6_3>("v6.3").expect_proof(),
    ]
}

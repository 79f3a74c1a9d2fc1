//! `iommu/bugs`: bugs of attaching, listing and flushing, each in a kernel that has it and in one
//! that does not. The races that every kernel runs are in the matrix.

use selvedge_core::sync::Mutex;
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::iommu::cookie::Cookie;
use crate::iommu::counters::pci_perf_show;
use crate::iommu::domain::{A, Dom};
use crate::iommu::hardware::{Rules, Table, rule_broken};
use crate::iommu::hotplug::zpci_deconfigure_device;
use crate::iommu::iommu_core::{
    iommu_attach_group, iommu_detach_group, iommu_group_claim_dma_owner, iommu_release_device,
};
use crate::iommu::kernel::Kernel;
use crate::iommu::reset::recover;
use crate::iommu::scenarios::races::{
    ALL, BUT_LISTS, Builder, POSTED_V1, POSTED_V2, PROPOSED, Shared, V5_18, V5_19, V6_2,
    V6_2_LOCKED, V6_7, V6_13, V6_15, V6_17, Wrong, attached, claim, detach, flush, fresh, unset,
    walk,
};
use crate::iommu::versions::k0;
use crate::iommu::versions::k2::{Errors, unmap_page};
use crate::iommu::vfio::{vfio_group_close, vfio_group_set_container, vfio_group_unset_container};
use crate::iommu::world::World;
use crate::iommu::zdevs::Zdevs;

pub(super) fn scenarios() -> Vec<Scenario> {
    let families = [
        stale_node(),
        freed_with_a_device(),
        restore(),
        failed_attach(),
        error_state(),
        flush_stops(),
        windows(),
        grace_periods(),
        moved_node(),
        unattached(),
        identity(),
        counters(),
        domains_differ(),
        busy(),
        lock_order(),
        cookie(),
        last_put(),
    ];
    families.into_iter().flatten().collect()
}

/// Builds a scenario with a function that is attached to the domain of VFIO.
fn bug(name: &str, kernel: Kernel, rules: Rules) -> Builder {
    bug_in(name, kernel, move || attached(kernel, rules))
}

fn bug_in(
    name: &str,
    kernel: Kernel,
    world: impl Fn() -> Shared + Send + Sync + 'static,
) -> Builder {
    Scenario::builder(format!("iommu/bugs/{name}/{}", kernel.name), world).source(kernel.source)
}

const NO_RULE: Rules = |_| false;

/// Returns B2, in which the next flush finds the node of a removed device.
fn stale_node() -> Vec<Scenario> {
    let new = |kernel| {
        bug("b02-stale-node", kernel, NO_RULE)
            .about("a function is deconfigured, and another of its container unmaps a page")
            .thread("in turn", |w| {
                unset(w);
                zpci_deconfigure_device(w, 0);
                w.kernel.unmap(w, 0);
            })
            .finally(|w| w.at_rest(&[], &[0]))
    };
    vec![claim(new(V5_19), &[Wrong::Freed("zpci_dev")]), claim(new(V6_2), &[])]
}

/// Returns B3, in which a domain with a device is freed. The core does not do so, and no check
/// would warn.
fn freed_with_a_device() -> Vec<Scenario> {
    let new = |kernel, rules| {
        bug("b03-freed-with-device", kernel, rules)
            .about("a domain is freed and then detached")
            .thread("in turn", |w| {
                w.kernel.domain_free(w, A);
                iommu_detach_group(w, 0);
            })
            .finally(|w| w.at_rest(&[A], &[]))
    };
    vec![
        claim(new(V5_18, NO_RULE), &[Wrong::Freed("s390_domain")]),
        claim(new(V6_2, |id| id == "B3"), &[Wrong::Rule("B3")]),
    ]
}

/// Returns B6, in which an attach fails and the previous domain is attached again, although the
/// device was released from it meanwhile.
fn restore() -> Vec<Scenario> {
    let new = |kernel| {
        let world = move || {
            let world = attached(kernel, |id| matches!(id, "I-4b" | "I-5" | "I-6"));
            world.hardware.refuse_once(0);
            world
        };
        bug_in("b06-restore", kernel, world)
            .about("attaching the blocking domain fails while the function is deconfigured")
            .thread("iommu_detach_group", detach)
            .thread("deconfigure", |w| zpci_deconfigure_device(w, 0))
            .finally(|w| w.at_rest(&[], &[0]))
    };
    vec![
        claim(new(V5_19), &[Wrong::Rule("I-4b"), Wrong::Rule("I-5"), Wrong::Rule("I-6")]),
        claim(new(V6_2_LOCKED), &[]),
    ]
}

/// Checks that a failed attach leaves the device unchanged up to v6.1 and blocked since.
fn failed_attach() -> Vec<Scenario> {
    let new = |kernel: &Kernel| {
        let kernel = *kernel;
        // Up to v6.1 the previous domain also has the device.
        let rules = if kernel.lists_by_rcu() { ALL } else { BUT_LISTS };
        bug_in("failed-attach", kernel, move || World::new(kernel, &[0], rules))
            .about("VFIO's domain cannot be registered: is the device unchanged?")
            .thread("VFIO_SET_IOMMU", |w| {
                _ = iommu_group_claim_dma_owner(w, 0);
                w.hardware.refuse_once(0);
                assert!(iommu_attach_group(w, A, 0).is_err(), "the attach must fail");
            })
            .finally(|w| w.at_rest(&[], &[]))
            .expect_proof()
    };
    let again = |kernel: &Kernel| {
        let kernel = *kernel;
        bug_in("attached-again", kernel, move || fresh(kernel))
            .about("VFIO's domain is attached again after a failed attach left the group unowned")
            .thread("VFIO_SET_IOMMU", |w| {
                w.hardware.refuse_once(0);
                assert!(vfio_group_set_container(w, 0).is_err(), "the attach must fail");
                assert!(vfio_group_set_container(w, 0).is_ok(), "the second attach must succeed");
            })
            .finally(|w| w.at_rest(&[], &[]))
            .expect_proof()
    };
    let kernels = [V5_18, V5_19, POSTED_V2, V6_2, V6_7, V6_13, V6_17, PROPOSED];
    let blocked = [V6_13, V6_17, PROPOSED];
    kernels.iter().map(new).chain(blocked.iter().map(again)).collect()
}

/// Checks a function in its error state, which refuses registration. Attaching its domain is not an
/// error, and its recovery registers it.
fn error_state() -> Vec<Scenario> {
    let new = |kernel: Kernel| {
        bug_in("error-state", kernel, move || fresh(kernel))
            .about("a function is attached in its error state and then recovered")
            .source("commit 59bbf596791b, v6.2")
            .thread("in turn", |w| {
                w.hardware.set_error(0, true);
                _ = iommu_attach_group(w, A, 0);
                w.hardware.set_error(0, false);
                recover(w, 0);
                if w.hardware.registered(0) != Some(Table::Domain(0)) {
                    rule_broken(&w.hardware, "I-1", "VFIO's domain is not registered");
                }
            })
            .finally(|w| w.at_rest(&[], &[]))
    };
    vec![
        claim(new(V5_19), &[Wrong::Rule("I-1")]),
        claim(new(V6_13), &[]),
        claim(new(V6_17), &[]),
        claim(new(PROPOSED), &[]),
    ]
}

/// Returns B7, in which an error of a removed function ends the flush of the others.
fn flush_stops() -> Vec<Scenario> {
    fn new(name: &str, errors: Errors) -> Builder {
        let world = || {
            let world = World::new(V6_2, &[0, 0], ALL);
            for zdev in [0, 1] {
                vfio_group_set_container(&world, zdev).expect("the group has no other owner");
            }
            world.kernel.map(&world, 0);
            // The function that was added last is first on the list.
            world.hardware.dma(0, 0);
            world.hardware.surprise_removal(1);
            world
        };
        Scenario::builder(format!("iommu/bugs/b07-flush-stops/{name}"), world)
            .about("the first of two flushed functions is gone, and the other uses the page")
            .source(
                "\"[PATCH 4/5] iommu/s390: Use RCU to allow concurrent domain_list iteration\", \
                     N. Schnelle, October 2022; commit 2ba8336dab5f, v6.2",
            )
            .thread("iommu_unmap", move |w: &Shared| {
                unmap_page(w, 0, 0, errors);
                w.hardware.hands_out_again(w.domain(0).table(), 0);
                w.hardware.dma(0, 0);
            })
            .finally(|w| w.at_rest(&[], &[]))
    }
    vec![
        claim(new("draft", Errors::End), &[Wrong::Rule("I-11")]),
        claim(new("v6.2", Errors::Ignore), &[]),
    ]
}

/// Returns B8 and its counterpart. `iommu->lock` serialises the operations of VFIO, so they cannot
/// run in the windows in which a function is registered and not listed.
fn windows() -> Vec<Scenario> {
    type World2 = (Shared, Mutex);
    fn new(name: &str, kernel: Kernel, change: fn(&Shared)) -> ScenarioBuilder<World2> {
        let world = move || {
            let world = World::new(kernel, &[0, 0], |id| id == "I-11");
            vfio_group_set_container(&world, 0).expect("the group has no other owner");
            iommu_group_claim_dma_owner(&world, 1).expect("the group has no other owner");
            world.kernel.map(&world, 0);
            (world, Mutex::new("iommu->lock", ()))
        };
        Scenario::builder(format!("iommu/bugs/b08-iommu-lock/{}-{name}", kernel.name), world)
            .about("VFIO unmaps a page and changes the functions of its domain, with its lock held")
            .source("`vfio_dma_do_unmap` and `vfio_iommu_type1_attach_group`, v6.2")
            .thread("VFIO_IOMMU_UNMAP_DMA", |(w, lock)| {
                let locked = lock.lock();
                w.kernel.unmap(w, 0);
                locked.unlock();
            })
            .thread("VFIO group", move |(w, lock)| {
                let locked = lock.lock();
                change(w);
                locked.unlock();
            })
            .thread("functions", |(w, _)| {
                for zdev in [0, 1, 0, 1] {
                    w.hardware.dma(zdev, 0);
                }
            })
            .finally(|(w, _)| w.at_rest(&[], &[]))
    }
    [V5_18, V6_2, V6_17]
        .into_iter()
        .flat_map(|kernel| {
            [
                new("attach", kernel, |w| _ = iommu_attach_group(w, A, 1)).expect_proof(),
                new("detach", kernel, |w| iommu_detach_group(w, 0)).expect_proof(),
            ]
        })
        .collect()
}

/// Returns B9, in which domains and devices are freed only when no reader can access them.
fn grace_periods() -> Vec<Scenario> {
    let but_moved: Rules = |id| !matches!(id, "I-10" | "ENDLESS");
    let domain = |name: &str, free: fn(&Shared)| {
        Scenario::builder(format!("iommu/bugs/b09-domain-freed/{name}"), move || {
            attached(V6_2, but_moved)
        })
        .about("a domain is freed while a thread that found it by its function flushes it")
        .source("commit 2ba8336dab5f, v6.2")
        .thread("flush_iotlb_all", walk)
        .thread("VFIO_GROUP_UNSET_CONTAINER", move |w| {
            iommu_detach_group(w, 0);
            free(w);
        })
        .finally(|w| w.at_rest(&[A], &[]))
    };
    let device = |name: &str, free: fn(&Shared)| {
        Scenario::builder(format!("iommu/bugs/b09-device-freed/{name}"), move || {
            let world = attached(V6_2, but_moved);
            vfio_group_close(&world, 0);
            world
        })
        .about("a function is freed while its domain is flushed")
        .source("commit 2ba8336dab5f, v6.2")
        .thread("flush_iotlb_all", flush)
        .thread("deconfigure", move |w| {
            iommu_release_device(w, 0);
            free(w);
        })
        .finally(|w| w.at_rest(&[], &[0]))
    };
    vec![
        claim(domain("at-once", |w| k0::domain_free(w, 0)), &[Wrong::Freed("s390_domain")]),
        claim(domain("call-rcu", |w| w.kernel.domain_free(w, A)), &[]),
        claim(device("at-once", |w| w.kfree_zdev(0)), &[Wrong::Freed("zpci_dev")]),
        claim(device("call-rcu", |w| w.rcu.call(&w.held(0).rcu)), &[]),
    ]
}

/// Returns B10, in which a moved node leads a walk to the list that it was moved to, where the walk
/// cycles.
fn moved_node() -> Vec<Scenario> {
    let new = |kernel| {
        bug("b10-endless", kernel, |id| id == "ENDLESS")
            .about("a domain is flushed while its function moves to another: does the walk end?")
            .thread("flush_iotlb_all", flush)
            .thread("VFIO_GROUP_UNSET_CONTAINER", unset)
            .finally(|w| w.at_rest(&[], &[]))
    };
    let endless = &[Wrong::Rule("ENDLESS")];
    vec![
        claim(new(V6_2), endless),
        claim(new(V6_7), endless),
        claim(new(V6_13), endless),
        claim(new(V6_17), endless),
        claim(new(PROPOSED), &[]),
    ]
}

/// Returns B11 and B12, in which a device to which no domain could be attached is released.
fn unattached() -> Vec<Scenario> {
    let failed = |name: &str, kernel, refuse: fn(&World)| {
        let world = move || {
            let world = World::new(kernel, &[0], |id| id != "WARN");
            refuse(&world);
            world
        };
        bug_in(name, kernel, world)
            .about("a domain cannot be attached, and then the device is released")
            .thread("in turn", |w| {
                assert!(iommu_attach_group(w, A, 0).is_err(), "the attach must fail");
                zpci_deconfigure_device(w, 0);
            })
            .finally(|w| w.at_rest(&[], &[0]))
    };
    let pulled = |kernel| {
        bug("b12-surprise", kernel, |id| id == "NULL")
            .about("a function is unplugged while VFIO has it, and is then detached and released")
            .source("CVE-2024-53232; commit ecda483339a5, v6.13")
            .thread("platform", |w| w.hardware.surprise_removal(0))
            .thread("in turn", |w| {
                unset(w);
                zpci_deconfigure_device(w, 0);
            })
            .finally(|w| w.at_rest(&[], &[0]))
    };
    let null = &[Wrong::Rule("NULL")];
    vec![
        // The core attaches the old domain again, so the release finds it.
        claim(failed("b11-failed-attach", V6_7, |w| w.hardware.refuse_once(0)), &[]),
        claim(failed("b11-failed-attach", V6_13, |w| w.hardware.refuse_once(0)), &[]),
        claim(failed("b11-failed-attach", PROPOSED, |w| w.hardware.refuse_once(0)), &[]),
        claim(failed("b11-refused-twice", V6_7, |w| w.hardware.refuse_all(0)), null),
        claim(failed("b11-refused-twice", V6_13, |w| w.hardware.refuse_all(0)), &[]),
        claim(pulled(V6_7), null),
        claim(pulled(V6_13), &[]),
        claim(pulled(V6_17), &[]),
    ]
}

/// Returns B13, in which the identity domain is treated as a domain with counters.
fn identity() -> Vec<Scenario> {
    let new = |name: &str, spares: bool| {
        Scenario::builder(format!("iommu/bugs/b13-identity-counters/{name}"), || {
            World::new(V6_17, &[0], ALL)
        })
        .about("debugfs reads the counters of a function that gets the identity domain")
        .source("commits 9727e44d936e and b3506e9bcc77, 2025")
        .thread("attach", |w: &Shared| {
            _ = iommu_attach_group(w, Dom::Identity, 0);
            recover(w, 0);
        })
        .thread("pci_perf_show", move |w| pci_perf_show(w, 0, spares))
        .finally(|w| w.at_rest(&[], &[]))
    };
    vec![
        claim(new("9727e44d936e", false), &[Wrong::Rule("CONTAINER-OF")]),
        claim(new("b3506e9bcc77", true), &[]),
    ]
}

/// Returns the scenarios in which the counters of a freed domain are read.
fn counters() -> Vec<Scenario> {
    let new = |kernel| {
        bug("counters", kernel, ALL)
            .about("debugfs reads the counters of a domain that is detached and freed")
            .thread("pci_perf_show", |w| pci_perf_show(w, 0, true))
            .thread("VFIO_GROUP_UNSET_CONTAINER", |w| vfio_group_unset_container(w, 0, true))
            .finally(|w| w.at_rest(&[A], &[]))
    };
    vec![claim(new(V6_7), &[Wrong::Freed("s390_domain")]), claim(new(V6_13), &[])]
}

/// Returns B14 in the core, where a domain that could not be attached is still the domain of the
/// group.
fn domains_differ() -> Vec<Scenario> {
    let new = |kernel| {
        bug("b14-domains-differ", kernel, |id| id == "I-2")
            .about("a function is unplugged and detached: which domain does its group have?")
            .thread("platform", |w| w.hardware.surprise_removal(0))
            .thread("VFIO_GROUP_UNSET_CONTAINER", unset)
            .finally(|w| w.at_rest(&[], &[]))
    };
    vec![
        claim(new(V6_7), &[Wrong::Rule("I-2")]),
        claim(new(V6_13), &[Wrong::Rule("I-2")]),
        claim(new(V6_17), &[]),
    ]
}

/// Returns the scenarios in which a function is busy once, so that a thread that registers it
/// sleeps.
fn busy() -> Vec<Scenario> {
    let busy = |world: Shared| {
        world.hardware.set_busy(0);
        world
    };
    let attach = |kernel: Kernel| {
        let world = move || {
            let world = World::new(kernel, &[0], BUT_LISTS);
            iommu_group_claim_dma_owner(&world, 0).expect("the group has no other owner");
            busy(world)
        };
        bug_in("busy-attach", kernel, world)
            .about("a busy function is attached")
            .source(
                "\"Re: [PATCH v4 1/2] iommu/s390: Fix race with release_device ops\", P. Morel, \
                     1 September 2022, and his review of v1 in August",
            )
            .thread("VFIO_SET_IOMMU", |w| _ = iommu_attach_group(w, A, 0))
            .finally(|w| w.at_rest(&[], &[]))
    };
    let recovered = |kernel: Kernel| {
        bug_in("busy-recovery", kernel, move || busy(attached(kernel, ALL)))
            .about("a busy function is recovered")
            .thread("recovery", |w| recover(w, 0))
            .finally(|w| w.at_rest(&[], &[]))
    };
    let detach = |kernel: Kernel| {
        bug_in("busy-detach", kernel, move || busy(attached(kernel, BUT_LISTS)))
            .about("a busy function is detached")
            .thread("VFIO_GROUP_UNSET_CONTAINER", |w| iommu_detach_group(w, 0))
            .finally(|w| w.at_rest(&[], &[]))
    };
    vec![
        claim(detach(V5_18), &[]),
        claim(detach(V5_19), &[]),
        claim(detach(V6_2), &[]),
        claim(detach(V6_13), &[]),
        claim(detach(PROPOSED), &[]),
        claim(attach(POSTED_V1), &[Wrong::Sleeps("zpci_mod_fc", "dma_domain_lock")]),
        claim(attach(POSTED_V2), &[]),
        claim(recovered(V6_13), &[]),
        claim(recovered(V6_15), &[Wrong::Sleeps("zpci_mod_fc", "dom_lock")]),
        claim(recovered(V6_17), &[Wrong::Sleeps("zpci_mod_fc", "dom_lock")]),
        claim(recovered(PROPOSED), &[]),
    ]
}

/// Returns I-13, which shows that the obvious fix of the race between attaching and recovery is
/// wrong.
fn lock_order() -> Vec<Scenario> {
    let new = |name: &str, attach: fn(&Shared)| {
        Scenario::builder(format!("iommu/bugs/lock-order/{name}"), || {
            let world = attached(V6_17, |id| !matches!(id, "I-8"));
            vfio_group_close(&world, 0);
            world
        })
        .about("a function is detached while it is deconfigured, with or without `state_lock`")
        .source("no version; `zpci_deconfigure_device` holds `state_lock` since v6.7")
        .thread("iommu_detach_group", attach)
        .thread("deconfigure", |w| zpci_deconfigure_device(w, 0))
        .finally(|w| w.at_rest(&[], &[0]))
    };
    let under_state_lock: fn(&Shared) = |w| {
        let device = w.held(0);
        let members = device.group.mutex.lock();
        let state = device.state_lock.lock();
        if members.device {
            _ = w.kernel.attach_dev(w, Dom::Blocking, 0);
        }
        state.unlock();
        members.unlock();
    };
    vec![
        new("state-lock", under_state_lock)
            .expect_violations([ViolationKind::deadlock(["group->mutex", "state_lock"])]),
        new("v6.17", |w| iommu_detach_group(w, 0)).expect_proof(),
    ]
}

/// Returns B15, in which two devices of a group initialise the allocator of the domain that they
/// share.
fn cookie() -> Vec<Scenario> {
    let new = |name: &str, init: fn(&Cookie)| {
        Scenario::builder(format!("iommu/bugs/b15-cookie/{name}"), Cookie::new)
            .about("two devices of a group are probed at once")
            .source("commit ac9a5d522bb8, v6.1")
            .thread("probe 0", init)
            .thread("probe 1", init)
            .finally(|cookie| assert!(cookie.is_initialised(), "no device initialised the cookie"))
    };
    vec![
        new("unlocked", Cookie::init_unlocked)
            .expect_violations([ViolationKind::invariant("COOKIE")]),
        new("ac9a5d522bb8", Cookie::init).expect_proof(),
    ]
}

/// Returns B22, in which a function is found on the list while its last reference is dropped.
fn last_put() -> Vec<Scenario> {
    let new = |name: &str, put: fn(&Zdevs)| {
        Scenario::builder(format!("iommu/bugs/b22-last-put/{name}"), Zdevs::new)
            .about("an event for a function arrives while its last reference is dropped")
            .source("`zpci_zdev_put`, v6.15: kref_put_lock with zpci_list_lock")
            .thread("event", move |zdevs: &Zdevs| zdevs.event(put))
            .thread("last put", put)
    };
    let freed = [ViolationKind::use_after_release("zdev->kref")];
    vec![
        new("kref_put", Zdevs::kref_put).expect_violations(freed),
        new("kref_put_lock", Zdevs::kref_put_lock).expect_proof(),
    ]
}

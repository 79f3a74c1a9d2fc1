//! Schedules of the bugs of hot plug, as they were reported: each replays step by step, takes its
//! locks in the reported order, and ends in the reported violation.

mod common;

use selvedge_core::{Trace, ViolationKind};

use common::named;

/// Runs the threads in these turns, each for so many steps, and yields the locks taken and the
/// objects freed, in order, with their threads.
fn replay(name: &str, turns: &[(usize, usize)], kind: &ViolationKind) -> Vec<(usize, String)> {
    let scenario = named(name);
    let steps = turns.iter().flat_map(|(thread, steps)| vec![thread.to_string(); *steps]);
    let schedule = steps.collect::<Vec<_>>().join(".").parse().expect("a schedule");
    let found = scenario.replay(&schedule).expect("every step is possible");
    let [found] = found.as_slice() else { panic!("{name}: one violation, not {found:?}") };
    assert_eq!(found.violation.kind, *kind, "{name}");
    assert_eq!(found.schedule, schedule, "{name}: the violation is at the last step");
    locks(&found.trace)
}

fn locks(trace: &Trace) -> Vec<(usize, String)> {
    let shown =
        ["mutex_lock(", "mutex_lock_interruptible(", "down_read(", "down_write(", "release("];
    let steps = trace.steps.iter();
    let shown = steps.filter(|step| shown.iter().any(|what| step.what.starts_with(what)));
    // The kind of the violation names the instance.
    let name = |what: &str| match what.split_once('#') {
        Some((class, _)) => format!("{class})"),
        None => what.to_owned(),
    };
    shown.map(|step| (step.thread, name(&step.what))).collect()
}

#[track_caller]
fn assert_order(taken: &[(usize, String)], expected: &[(usize, &str)]) {
    let taken: Vec<(usize, &str)> = taken.iter().map(|(t, what)| (*t, what.as_str())).collect();
    assert_eq!(taken, expected);
}

/// The device is opened for a guest that has another: the hook points to it before that is known,
/// and still does when it has been refused and freed.
#[test]
fn the_hook_of_a_refused_device_is_followed_after_its_removal() {
    let freed = ViolationKind::use_after_release("matrix_mdev");
    // v6.2 and later: VFIO's reference to the guest comes and goes too.
    for (version, opens) in [("v6.0", 22), ("v6.15", 24)] {
        let name = format!("vfio-ap/bugs/b12-stale-hook/{version}");
        let taken = replay(&name, &[(0, opens), (1, 5)], &freed);
        let expected = [
            (0, "down_write(pqap_hook_rwsem)"),
            (0, "mutex_lock(guests_lock)"),
            (0, "mutex_lock(kvm->lock)"),
            (0, "mutex_lock(mdevs_lock)"),
            // vfio_ap_mdev_remove
            (0, "mutex_lock(guests_lock)"),
            (0, "mutex_lock(mdevs_lock)"),
            (0, "release(matrix_mdev)"),
            (1, "mutex_lock(vcpu->mutex)"),
            // What the hook points to is part of what was freed.
            (1, "down_read(pqap_hook_rwsem)"),
        ];
        assert_order(&taken, &expected);
    }
}

/// A queue that was withheld is unassigned, its device removed, and then it is unbound.
#[test]
fn a_withheld_queue_leads_to_the_device_that_it_was_assigned_to() {
    let freed = ViolationKind::use_after_release("matrix_mdev");
    for version in ["v6.0", "2026"] {
        let name = format!("vfio-ap/bugs/b15-stale-link/{version}");
        let taken = replay(&name, &[(0, 15), (1, 7)], &freed);
        let expected = [
            // unassign_adapter_store
            (0, "mutex_lock(guests_lock)"),
            (0, "mutex_lock(mdevs_lock)"),
            // vfio_ap_mdev_remove
            (0, "mutex_lock(guests_lock)"),
            (0, "mutex_lock(mdevs_lock)"),
            (0, "release(matrix_mdev)"),
            // vfio_ap_mdev_remove_queue
            (1, "mutex_lock(device_lock)"),
            (1, "down_write(kernfs)"),
            (1, "mutex_lock(guests_lock)"),
        ];
        assert_order(&taken, &expected);
    }
}

/// A queue's probe function walks the list under the one mutex, a device is added under the other.
#[test]
fn a_device_is_put_on_the_list_in_the_middle_of_a_walk() {
    let torn = ViolationKind::invariant("INV-20");
    let taken = replay("vfio-ap/bugs/b26-unlocked-list/v6.0", &[(0, 9), (1, 2)], &torn);
    let expected = [
        (0, "mutex_lock(device_lock)"),
        (0, "mutex_lock(ap_perms_mutex)"),
        (0, "down_write(kernfs)"),
        (0, "mutex_lock(guests_lock)"),
        (1, "mutex_lock(mdevs_lock)"),
    ];
    assert_order(&taken, &expected);
}

/// The attributes are there, the queue is not yet.
#[test]
fn the_status_is_read_before_the_queue_is_there() {
    let null = ViolationKind::invariant("NULL");
    let taken = replay("vfio-ap/bugs/b27-status-without-queue/v6.0", &[(0, 7), (1, 2)], &null);
    let expected = [
        (0, "mutex_lock(device_lock)"),
        (0, "mutex_lock(ap_perms_mutex)"),
        (0, "down_write(kernfs)"),
        (1, "down_read(kernfs)"),
        (1, "mutex_lock(mdevs_lock)"),
    ];
    assert_order(&taken, &expected);
}

/// The mask's writer keeps `ap_perms_mutex` and wants the device lock, a bind the other way round.
#[test]
fn ap_perms_mutex_kept_over_a_reprobe_deadlocks_with_a_bind() {
    let abba = ViolationKind::deadlock(["ap_perms_mutex", "device_lock"]);
    let name = "vfio-ap/bugs/b13-reprobe-under-ap-perms-mutex/held";
    let taken = replay(name, &[(0, 10), (1, 2)], &abba);
    let expected = [
        (0, "mutex_lock_interruptible(ap_perms_mutex)"),
        // vfio_ap_mdev_resource_in_use
        (0, "mutex_lock(guests_lock)"),
        (0, "mutex_lock(mdevs_lock)"),
        (1, "mutex_lock(device_lock)"),
    ];
    assert_order(&taken, &expected);
}

/// The queue interrupts, the host loses its adapter, and the page stays pinned.
#[test]
fn what_interrupts_needed_is_forgotten_with_an_adapter_that_the_host_loses() {
    let leak = ViolationKind::invariant("INV-04");
    let taken = replay("vfio-ap/bugs/b31-absent-not-freed/v6.8", &[(0, 75)], &leak);
    let expected = [
        // PQAP(AQIC)
        (0, "mutex_lock(vcpu->mutex)"),
        (0, "down_read(pqap_hook_rwsem)"),
        (0, "mutex_lock(mdevs_lock)"),
        (0, "mutex_lock(iommu->lock)"),
        // vfio_ap_on_cfg_changed, for both devices
        (0, "mutex_lock(guests_lock)"),
        (0, "mutex_lock(kvm->lock)"),
        (0, "mutex_lock(mdevs_lock)"),
        (0, "mutex_lock(kvm->lock)"),
        (0, "mutex_lock(mdevs_lock)"),
        // vfio_ap_mdev_remove_queue: no reset, and iommu->lock is not taken
        (0, "mutex_lock(device_lock)"),
        (0, "down_write(kernfs)"),
        (0, "mutex_lock(guests_lock)"),
        (0, "mutex_lock(kvm->lock)"),
        (0, "mutex_lock(mdevs_lock)"),
        // vfio_ap_on_scan_complete
        (0, "mutex_lock(guests_lock)"),
    ];
    assert_order(&taken, &expected);
}

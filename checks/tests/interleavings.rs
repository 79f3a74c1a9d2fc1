//! Interleavings from mails and commit messages, or found here, step by step. Each is a
//! counterexample, and stays one.

mod common;

use selvedge_core::{Step, Trace, ViolationKind};

use common::named;

fn broken(id: &str) -> ViolationKind {
    ViolationKind::invariant(id)
}

/// The circle of lockdep's report, in the text of commit 0cc00c8d4050.
#[test]
fn v5_11_pqap_unset_and_pv() {
    let found = named("vfio-ap/matrix/v5.11-unset/pqap-upd-pv")
        .script()
        .then("PQAP(AQIC)", "mutex_lock(vcpu->mutex#0)")
        .then("PV ioctl", "mutex_lock(kvm->lock#0)")
        .then("unset_kvm", "mutex_lock(matrix_dev->lock)")
        .then_all_threads()
        .assert_violates(&ViolationKind::deadlock([
            "kvm->lock",
            "matrix_dev->lock",
            "vcpu->mutex",
        ]));
    assert!(found.violation.waits.iter().all(|wait| wait.on_cycle));
}

/// The same with the flag of v5.13, which lockdep does not see.
#[test]
fn v5_13_pqap_unset_and_pv() {
    named("vfio-ap/matrix/v5.13-unset/pqap-upd-pv")
        .script()
        .then("PQAP(AQIC)", "mutex_lock(vcpu->mutex#0)")
        .then("unset_kvm", "mutex_lock(matrix_dev->lock)")
        .then("unset_kvm", "mutex_unlock(matrix_dev->lock)")
        .then("PV ioctl", "mutex_lock(kvm->lock#0)")
        .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
        .then("PQAP(AQIC)", "mutex_unlock(matrix_dev->lock)")
        .then_all_threads()
        .assert_violates(&ViolationKind::deadlock(["kvm->lock", "kvm_busy", "vcpu->mutex"]));
}

/// B09: the hook is read, the device is closed, removed and freed, the hook is followed.
#[test]
fn b09_the_hook_outlives_the_device() {
    named("vfio-ap/bugs/b09-unlocked-hook/v5.3")
        .script()
        .then("PQAP(AQIC)", "atomic_read(pqap_hook#0)")
        .then("close and remove", "atomic_set(pqap_hook#0, 0)")
        .then("close and remove", "release(matrix_mdev#0)")
        .then("PQAP(AQIC)", "use(matrix_mdev#0)")
        .assert_violates(&ViolationKind::use_after_release("matrix_mdev"));
}

/// B10: the hook's semaphore is held while PQAP(AQIC) waits for the flag.
#[test]
fn b10_the_flag_and_the_semaphore() {
    named("vfio-ap/matrix/v5.15-bisect-unset/pqap-upd")
        .script()
        .then("PQAP(AQIC)", "mutex_lock(vcpu->mutex#0)")
        .then("PQAP(AQIC)", "down_read(pqap_hook_rwsem#0)")
        .then("unset_kvm", "mutex_lock(matrix_dev->lock)")
        .then("unset_kvm", "mutex_unlock(matrix_dev->lock)")
        .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
        .then_all_threads()
        .assert_violates(&ViolationKind::deadlock(["kvm_busy", "pqap_hook_rwsem"]));
}

/// B08a: both look whether the guest is taken before either has taken it.
#[test]
fn b08a_two_devices_for_one_guest() {
    let unlock = "mutex_unlock(matrix_dev->lock)";
    named("vfio-ap/bugs/b08a-two-devices/v5.13")
        .script()
        .then("set_kvm 0", unlock)
        .then("set_kvm 1", unlock)
        .then("set_kvm 0", unlock)
        .then("set_kvm 1", unlock)
        .then_all_threads()
        .assert_violates(&broken("INV-02b"));
}

/// B17: the attribute is being read when it is removed under the mutex.
#[test]
fn b17_the_attribute_and_the_mutex() {
    named("vfio-ap/bugs/b17-status-attribute/v5.17")
        .script()
        .then("remove_queue", "mutex_lock(matrix_dev->lock)")
        .then("cat status", "down_read(kernfs)")
        .then_all_threads()
        .assert_violates(&ViolationKind::deadlock(["kernfs", "matrix_dev->lock"]));
}

/// B38: asked without the mutex, unassigned after all, and given to another guest.
#[test]
fn b38_one_queue_in_two_guests() {
    named("vfio-ap/bugs/b38-two-guests/v5.11")
        .script()
        .then("unassign_adapter_store", "atomic_read(matrix_mdev->kvm#0)")
        .then("set_kvm 0", "atomic_set(matrix_mdev->kvm#0, 1)")
        .then("set_kvm 0", "mutex_unlock(matrix_dev->lock)")
        .then("unassign_adapter_store", "mutex_unlock(matrix_dev->lock)")
        .then("assign and set_kvm 1", "mutex_unlock(matrix_dev->lock)")
        .then("assign and set_kvm 1", "write APCB")
        .assert_violates(&broken("INV-01"));
}

/// B37a: the notifier continues with a guest that another call has taken away.
#[test]
fn b37a_after_the_unlock() {
    named("vfio-ap/bugs/b37a-after-unlock/v5.3")
        .script()
        .then("SET_KVM", "mutex_unlock(matrix_dev->lock)")
        .then("SET_KVM(NULL)", "atomic_set(matrix_mdev->kvm#0, 0)")
        .then("SET_KVM", "atomic_read(matrix_mdev->kvm#0)")
        .assert_violates(&broken("NULL"));
}

/// B20: opening holds the group's lock and wants the guest's, closing the other way round.
#[test]
fn b20_the_group_and_the_guest() {
    named("vfio-ap/bugs/b20-group-lock/v6.1")
        .script()
        .then("open", "mutex_lock(dev_set->lock)")
        .then("open", "mutex_lock(group->group_lock)")
        .then("open", "mutex_lock(guests_lock)")
        .then("close KVM-VFIO", "mutex_lock(kvm->lock)")
        .then_all_threads()
        .assert_violates(&ViolationKind::deadlock(["group->group_lock", "kvm->lock"]));
}

/// B24: the driver's mutex between the container's two.
#[test]
fn b24_the_triangle() {
    named("vfio-ap/bugs/b24-container/v6.2-three")
        .script()
        .then("unmap", "mutex_lock(iommu->lock)")
        .then("unmap", "mutex_lock(device_list_lock)")
        .then("unmap", "mutex_unlock(iommu->lock)")
        .then("PQAP(AQIC)", "mutex_lock(mdevs_lock)")
        .then("open another", "mutex_lock(iommu->lock)")
        .then_all_threads()
        .assert_violates(&ViolationKind::deadlock([
            "device_list_lock",
            "iommu->lock",
            "mdevs_lock",
        ]));
}

/// B36: a queue that is leaving is still on the list.
#[test]
fn b36_a_queue_without_its_data() {
    named("vfio-ap/bugs/b36-leaving-queue/v5.3")
        .script()
        .then("unbind", "mutex_unlock(matrix_dev->lock)")
        .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
        .then("PQAP(AQIC)", "down_read(klist_devices)")
        .assert_violates(&broken("NULL"));
}

/// B05: the second unlock is of a mutex that another thread has taken by now.
#[test]
fn b05_an_unlock_too_many() {
    named("vfio-ap/bugs/b05-double-unlock/draft")
        .script()
        .then("set_kvm", "mutex_lock(matrix_dev->lock)")
        .then("set_kvm", "mutex_unlock(matrix_dev->lock)")
        .then("assign_adapter_store", "mutex_lock(matrix_dev->lock)")
        .then("set_kvm", "mutex_unlock(matrix_dev->lock)")
        .assert_violates(&ViolationKind::NotOwner("matrix_dev->lock".into()));
}

/// INV-24: a guest's PQAP(AQIC) makes an administrator fail.
#[test]
fn b02_busy_for_nothing() {
    named("vfio-ap/ap-perms/p12/apmask-pqap")
        .script()
        .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
        .then("apmask_store", "mutex_trylock(matrix_dev->lock)")
        .then_all_threads()
        .assert_violates(&broken("INV-24"));
}

/// INV-24 on the other side: a guest's PQAP(AQIC) makes the assignment of a free adapter fail.
#[test]
fn b02_busy_for_nothing_when_assigning() {
    for version in ["p12-07", "p12"] {
        named(&format!("vfio-ap/ap-perms/{version}/assign-pqap"))
            .script()
            .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
            .then("assign_adapter_store", "mutex_trylock(matrix_dev->lock)")
            .which_returns("busy")
            .then_all_threads()
            .assert_violates(&broken("INV-24"));
    }
}

/// B02: `in_use` has answered, the queue is assigned, the mask is written and `ap_perms_mutex`
/// unlocked; then the queue is taken from the driver.
#[test]
fn b02_a_queue_is_taken_that_is_assigned() {
    let found = named("vfio-ap/ap-perms/p12-07/apmask-assign-reprobe")
        .script()
        .then("apmask_store", "mutex_lock_interruptible(ap_perms_mutex)")
        .then("apmask_store", "mutex_trylock(matrix_dev->lock)")
        .which_returns("taken")
        .then("apmask_store", "mutex_unlock(matrix_dev->lock)")
        .then("assign_adapter_store", "mutex_trylock(matrix_dev->lock)")
        .which_returns("taken")
        .then("assign_adapter_store", "atomic_read(dev->driver)")
        .then("assign_adapter_store", "mutex_unlock(matrix_dev->lock)")
        .then("apmask_store", "mutex_unlock(ap_perms_mutex)")
        .then("apmask_store", "mutex_lock(device_lock)")
        .then("apmask_store", "ghost(assigned)")
        .assert_violates(&broken("INV-07"));
    let last = found.trace.steps.last().expect("a step");
    assert_eq!((last.function, &*last.held), (Some("device_reprobe"), &["device_lock".into()][..]));
}

/// B13: the bus has found whom to call, the module goes, the bus calls.
#[test]
fn b13_a_call_into_a_module_that_is_gone() {
    named("vfio-ap/in-use/no-module-ref")
        .script()
        .then("apmask_store", "down_read(klist_drivers)")
        .then("apmask_store", "up_read(klist_drivers)")
        .then("rmmod", "delete_module(vfio_ap)")
        .which_returns("yes")
        .then("rmmod", "down_write(klist_drivers)")
        .then("rmmod", "free_module(vfio_ap)")
        .then("apmask_store", "call(vfio_ap)")
        .assert_violates(&ViolationKind::use_after_release("vfio_ap"));
}

/// B13 with a reference: either the module cannot go, or the bus does not call.
#[test]
fn b13_a_reference_to_the_module() {
    let calls = |trace: &Trace| trace.steps.iter().any(|step| step.what == "call(vfio_ap)");
    let stays = named("vfio-ap/in-use/module-ref")
        .script()
        .then("apmask_store", "try_module_get(vfio_ap)")
        .which_returns("yes")
        .then("rmmod", "delete_module(vfio_ap)")
        .which_returns("no")
        .then_all_threads()
        .assert_no_violation();
    assert!(calls(&stays));
    let goes = named("vfio-ap/in-use/module-ref")
        .script()
        .then("rmmod", "delete_module(vfio_ap)")
        .which_returns("yes")
        .then("apmask_store", "try_module_get(vfio_ap)")
        .which_returns("no")
        .then_all_threads()
        .assert_no_violation();
    assert!(!calls(&goes));
}

/// B24 without the driver: unmapping holds the list's mutex and unpins, registering holds the
/// container's and wants the list.
#[test]
fn b24_the_container_s_two() {
    named("vfio-ap/bugs/b24-container/v6.0-two")
        .script()
        .then("unmap", "mutex_lock(iommu->lock)")
        .then("unmap", "mutex_lock(device_list_lock)")
        .then("unmap", "mutex_unlock(iommu->lock)")
        .then("open another", "mutex_lock(iommu->lock)")
        .then_all_threads()
        .assert_violates(&ViolationKind::deadlock(["device_list_lock", "iommu->lock"]));
}

/// B21: the last reference is dropped under the mutex that the notifier wants.
#[test]
fn b21a_the_last_reference() {
    named("vfio-ap/bugs/b21a-last-put/v5.11")
        .script()
        .then("VMM", "mutex_lock(matrix_dev->lock)")
        .then("VMM", "kref_put(kvm->users_count#0)")
        .then_all_threads()
        .assert_violates(&ViolationKind::deadlock(["matrix_dev->lock"]));
}

/// B22: what was pinned and registered for a queue that is busy stays so. Switching off frees what
/// was remembered, which is nothing.
#[test]
fn b22_enabling_leaks() {
    let found = named("vfio-ap/bugs/b22-enable-leaks/v5.15")
        .script()
        .then("PQAP(AQIC)", "mutex_lock(vcpu->mutex#0)")
        .then("PQAP(AQIC)", "down_read(pqap_hook_rwsem#0)")
        .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
        .then("PQAP(AQIC)", "mutex_lock(iommu->lock)")
        .then("PQAP(AQIC)", "pin")
        .then("PQAP(AQIC)", "mutex_unlock(iommu->lock)")
        .then("PQAP(AQIC)", "kvm_s390_gisc_register")
        .then("PQAP(AQIC)", "PQAP(AQIC)")
        .then("PQAP(AQIC)", "PQAP(AQIC)")
        .then_all_threads()
        .assert_violates(&broken("INV-04"));
    let what = |step: &Step| (step.function.unwrap_or_default(), step.what.clone());
    let steps: Vec<_> = found.trace.steps.iter().map(what).collect();
    let enable = |what: &str| ("vfio_ap_irq_enable", what.to_owned());
    let expected = [
        enable("mutex_lock(iommu->lock)"),
        enable("pin"),
        enable("mutex_unlock(iommu->lock)"),
        enable("kvm_s390_gisc_register"),
        enable("PQAP(AQIC)"),
        ("vfio_ap_irq_disable", "PQAP(AQIC)".to_owned()),
        ("handle_pqap", "mutex_unlock(matrix_dev->lock)".to_owned()),
    ];
    assert!(steps.windows(expected.len()).any(|steps| steps == expected), "{steps:?}");
}

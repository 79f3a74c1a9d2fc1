//! Interleavings told in mails and commit messages, or found here, step by step: each is a
//! counterexample, and stays one.

use selvedge_checks::catalogue;
use selvedge_core::{Counterexample, ReplayError, Scenario, Schedule, Step, Trace, ViolationKind};

/// A scenario, and an interleaving of it that is being written down.
struct Telling {
    scenario: Scenario,
    /// Positions of threads, as a schedule is written.
    schedule: Vec<usize>,
}

impl Telling {
    fn of(name: &str) -> Self {
        let mut scenarios = catalogue().into_iter();
        let scenario = scenarios.find(|scenario| scenario.name() == name);
        Self { scenario: scenario.expect("a scenario of the catalogue"), schedule: Vec::new() }
    }

    fn schedule(&self) -> Schedule {
        let steps: Vec<String> = self.schedule.iter().map(usize::to_string).collect();
        steps.join(".").parse().expect("positions and dots")
    }

    fn thread(&self, name: &str) -> usize {
        self.scenario.threads().position(|thread| thread == name).expect("a thread of it")
    }

    /// `thread` goes on until it has done `what`.
    fn then(mut self, thread: &str, what: &str) -> Self {
        let thread = self.thread(thread);
        loop {
            self.schedule.push(thread);
            let trace = self.scenario.follow(&self.schedule()).expect("it can go on");
            if trace.steps.last().is_some_and(|step| step.what == what) {
                return self;
            }
        }
    }

    /// Everybody goes on for as long as possible, one after the other. Nobody wakes by luck.
    fn then_everybody(mut self) -> Self {
        for thread in 0..self.scenario.threads().count() {
            loop {
                self.schedule.push(thread);
                let trace = self.scenario.follow(&self.schedule());
                let slept = |what: &str| what.starts_with("schedule(");
                if trace.map_or(true, |trace| slept(&trace.steps[trace.steps.len() - 1].what)) {
                    self.schedule.pop();
                    break;
                }
            }
        }
        self
    }

    /// The last step came out as told.
    fn which_is(self, result: &str) -> Self {
        let last = self.trace().steps.pop().expect("a step");
        assert_eq!(last.result.as_deref(), Some(result), "{}", last.what);
        self
    }

    fn trace(&self) -> Trace {
        self.scenario.follow(&self.schedule()).expect("it was just possible")
    }

    /// Nothing is wrong at the end, which is everybody's end: what has happened.
    fn ends_well(self) -> Trace {
        let nothing = self.scenario.replay(&self.schedule());
        assert!(matches!(nothing, Err(ReplayError::NoViolation)), "{nothing:?}");
        self.trace()
    }

    /// All that is wrong at the end.
    fn is(self, kind: ViolationKind) -> Counterexample {
        let mut found = self.scenario.replay(&self.schedule()).expect("something is wrong");
        assert_eq!(found.len(), 1, "{}", self.scenario.name());
        let found = found.remove(0);
        assert_eq!(found.violation.kind, kind, "{}", self.scenario.name());
        found
    }
}

fn broken(id: &str) -> ViolationKind {
    ViolationKind::invariant(id)
}

/// The circle of lockdep's report, in the text of commit 0cc00c8d4050.
#[test]
fn v5_11_pqap_unset_and_pv() {
    let found = Telling::of("vfio-ap/matrix/v5.11-unset/pqap-upd-pv")
        .then("PQAP(AQIC)", "mutex_lock(vcpu->mutex#0)")
        .then("PV ioctl", "mutex_lock(kvm->lock#0)")
        .then("unset_kvm", "mutex_lock(matrix_dev->lock)")
        .then_everybody()
        .is(ViolationKind::deadlock(["kvm->lock", "matrix_dev->lock", "vcpu->mutex"]));
    assert!(found.violation.waits.iter().all(|wait| wait.on_cycle));
}

/// The same with the flag of v5.13, which lockdep does not see.
#[test]
fn v5_13_pqap_unset_and_pv() {
    Telling::of("vfio-ap/matrix/v5.13-unset/pqap-upd-pv")
        .then("PQAP(AQIC)", "mutex_lock(vcpu->mutex#0)")
        .then("unset_kvm", "mutex_lock(matrix_dev->lock)")
        .then("unset_kvm", "mutex_unlock(matrix_dev->lock)")
        .then("PV ioctl", "mutex_lock(kvm->lock#0)")
        .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
        .then("PQAP(AQIC)", "mutex_unlock(matrix_dev->lock)")
        .then_everybody()
        .is(ViolationKind::deadlock(["kvm->lock", "kvm_busy", "vcpu->mutex"]));
}

/// B09: the hook is read, the device is closed, removed and freed, the hook is followed.
#[test]
fn b09_the_hook_outlives_the_device() {
    Telling::of("vfio-ap/bugs/b09-unlocked-hook/v5.3")
        .then("PQAP(AQIC)", "atomic_read(pqap_hook#0)")
        .then("close and remove", "atomic_set(pqap_hook#0, 0)")
        .then("close and remove", "release(matrix_mdev#0)")
        .then("PQAP(AQIC)", "use(matrix_mdev#0)")
        .is(ViolationKind::use_after_release("matrix_mdev"));
}

/// B10: the hook's semaphore is held while PQAP(AQIC) waits for the flag.
#[test]
fn b10_the_flag_and_the_semaphore() {
    Telling::of("vfio-ap/matrix/v5.15-bisect-unset/pqap-upd")
        .then("PQAP(AQIC)", "mutex_lock(vcpu->mutex#0)")
        .then("PQAP(AQIC)", "down_read(pqap_hook_rwsem#0)")
        .then("unset_kvm", "mutex_lock(matrix_dev->lock)")
        .then("unset_kvm", "mutex_unlock(matrix_dev->lock)")
        .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
        .then_everybody()
        .is(ViolationKind::deadlock(["kvm_busy", "pqap_hook_rwsem"]));
}

/// B08a: both look whether the guest is taken before either has taken it.
#[test]
fn b08a_two_devices_for_one_guest() {
    let unlock = "mutex_unlock(matrix_dev->lock)";
    Telling::of("vfio-ap/bugs/b08a-two-devices/v5.13")
        .then("set_kvm 0", unlock)
        .then("set_kvm 1", unlock)
        .then("set_kvm 0", unlock)
        .then("set_kvm 1", unlock)
        .then_everybody()
        .is(broken("INV-02b"));
}

/// B17: the attribute is being read when it is removed under the mutex.
#[test]
fn b17_the_attribute_and_the_mutex() {
    Telling::of("vfio-ap/bugs/b17-status-attribute/v5.17")
        .then("remove_queue", "mutex_lock(matrix_dev->lock)")
        .then("cat status", "down_read(kernfs)")
        .then_everybody()
        .is(ViolationKind::deadlock(["kernfs", "matrix_dev->lock"]));
}

/// B38: asked without the mutex, unassigned after all, and given to another guest.
#[test]
fn b38_one_queue_in_two_guests() {
    Telling::of("vfio-ap/bugs/b38-two-guests/v5.11")
        .then("unassign_adapter_store", "atomic_read(matrix_mdev->kvm#0)")
        .then("set_kvm 0", "atomic_set(matrix_mdev->kvm#0, 1)")
        .then("set_kvm 0", "mutex_unlock(matrix_dev->lock)")
        .then("unassign_adapter_store", "mutex_unlock(matrix_dev->lock)")
        .then("assign and set_kvm 1", "mutex_unlock(matrix_dev->lock)")
        .then("assign and set_kvm 1", "write APCB")
        .is(broken("INV-01"));
}

/// B37a: the notifier goes on with a guest that another call has taken away.
#[test]
fn b37a_after_the_unlock() {
    Telling::of("vfio-ap/bugs/b37a-after-unlock/v5.3")
        .then("SET_KVM", "mutex_unlock(matrix_dev->lock)")
        .then("SET_KVM(NULL)", "atomic_set(matrix_mdev->kvm#0, 0)")
        .then("SET_KVM", "atomic_read(matrix_mdev->kvm#0)")
        .is(broken("NULL"));
}

/// B20: opening holds the group's lock and wants the guest's, closing the other way round.
#[test]
fn b20_the_group_and_the_guest() {
    Telling::of("vfio-ap/bugs/b20-group-lock/v6.1")
        .then("open", "mutex_lock(group->group_lock)")
        .then("open", "mutex_lock(dev_set->lock)")
        .then("open", "mutex_lock(guests_lock)")
        .then("close KVM-VFIO", "mutex_lock(kvm->lock)")
        .then_everybody()
        .is(ViolationKind::deadlock(["group->group_lock", "kvm->lock"]));
}

/// B24: the driver's mutex between the container's two.
#[test]
fn b24_the_triangle() {
    Telling::of("vfio-ap/bugs/b24-container/v6.2-three")
        .then("unmap", "mutex_lock(iommu->lock)")
        .then("unmap", "mutex_lock(device_list_lock)")
        .then("unmap", "mutex_unlock(iommu->lock)")
        .then("PQAP(AQIC)", "mutex_lock(mdevs_lock)")
        .then("open another", "mutex_lock(iommu->lock)")
        .then_everybody()
        .is(ViolationKind::deadlock(["device_list_lock", "iommu->lock", "mdevs_lock"]));
}

/// B36: a queue that is leaving is still on the list.
#[test]
fn b36_a_queue_without_its_data() {
    Telling::of("vfio-ap/bugs/b36-leaving-queue/v5.3")
        .then("unbind", "mutex_unlock(matrix_dev->lock)")
        .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
        .then("PQAP(AQIC)", "down_read(klist_devices)")
        .is(broken("NULL"));
}

/// B05: the second unlock is of a mutex that another thread has taken by now.
#[test]
fn b05_an_unlock_too_many() {
    Telling::of("vfio-ap/bugs/b05-double-unlock/draft")
        .then("set_kvm", "mutex_lock(matrix_dev->lock)")
        .then("set_kvm", "mutex_unlock(matrix_dev->lock)")
        .then("assign_adapter_store", "mutex_lock(matrix_dev->lock)")
        .then("set_kvm", "mutex_unlock(matrix_dev->lock)")
        .is(ViolationKind::NotOwner("matrix_dev->lock".into()));
}

/// INV-24: a guest's PQAP(AQIC) makes an administrator fail.
#[test]
fn b02_busy_for_nothing() {
    Telling::of("vfio-ap/ap-perms/p12/apmask-pqap")
        .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
        .then("apmask_store", "mutex_trylock(matrix_dev->lock)")
        .then_everybody()
        .is(broken("INV-24"));
}

/// INV-24 on the other side: a guest's PQAP(AQIC) makes whoever assigns a free adapter fail.
#[test]
fn b02_busy_for_nothing_when_assigning() {
    for version in ["p12-07", "p12"] {
        Telling::of(&format!("vfio-ap/ap-perms/{version}/assign-pqap"))
            .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
            .then("assign_adapter_store", "mutex_trylock(matrix_dev->lock)")
            .which_is("busy")
            .then_everybody()
            .is(broken("INV-24"));
    }
}

/// B02: `in_use` has answered, the queue is assigned, the mask is written and `ap_perms_mutex`
/// let go of; then the queue is taken from the driver.
#[test]
fn b02_a_queue_is_taken_that_is_assigned() {
    let found = Telling::of("vfio-ap/ap-perms/p12-07/apmask-assign-reprobe")
        .then("apmask_store", "mutex_lock_interruptible(ap_perms_mutex)")
        .then("apmask_store", "mutex_trylock(matrix_dev->lock)")
        .which_is("taken")
        .then("apmask_store", "mutex_unlock(matrix_dev->lock)")
        .then("assign_adapter_store", "mutex_trylock(matrix_dev->lock)")
        .which_is("taken")
        .then("assign_adapter_store", "atomic_read(dev->driver)")
        .then("assign_adapter_store", "mutex_unlock(matrix_dev->lock)")
        .then("apmask_store", "mutex_unlock(ap_perms_mutex)")
        .then("apmask_store", "mutex_lock(device_lock)")
        .then("apmask_store", "ghost(assigned)")
        .is(broken("INV-07"));
    let last = found.trace.steps.last().expect("a step");
    assert_eq!((last.function, &*last.held), (Some("device_reprobe"), &["device_lock".into()][..]));
}

/// B13: the bus has found whom to call, the module goes, the bus calls.
#[test]
fn b13_a_call_into_a_module_that_is_gone() {
    Telling::of("vfio-ap/in-use/no-module-ref")
        .then("apmask_store", "down_read(klist_drivers)")
        .then("apmask_store", "up_read(klist_drivers)")
        .then("rmmod", "delete_module(vfio_ap)")
        .which_is("yes")
        .then("rmmod", "down_write(klist_drivers)")
        .then("rmmod", "free_module(vfio_ap)")
        .then("apmask_store", "call(vfio_ap)")
        .is(ViolationKind::use_after_release("vfio_ap"));
}

/// B13 with a reference: either the module cannot go, or the bus does not call.
#[test]
fn b13_a_reference_to_the_module() {
    let calls = |trace: &Trace| trace.steps.iter().any(|step| step.what == "call(vfio_ap)");
    let stays = Telling::of("vfio-ap/in-use/module-ref")
        .then("apmask_store", "try_module_get(vfio_ap)")
        .which_is("yes")
        .then("rmmod", "delete_module(vfio_ap)")
        .which_is("no")
        .then_everybody()
        .ends_well();
    assert!(calls(&stays));
    let goes = Telling::of("vfio-ap/in-use/module-ref")
        .then("rmmod", "delete_module(vfio_ap)")
        .which_is("yes")
        .then("apmask_store", "try_module_get(vfio_ap)")
        .which_is("no")
        .then_everybody()
        .ends_well();
    assert!(!calls(&goes));
}

/// B24 without the driver: unmapping holds the list's mutex and unpins, registering holds the
/// container's and wants the list.
#[test]
fn b24_the_container_s_two() {
    Telling::of("vfio-ap/bugs/b24-container/v6.0-two")
        .then("unmap", "mutex_lock(iommu->lock)")
        .then("unmap", "mutex_lock(device_list_lock)")
        .then("unmap", "mutex_unlock(iommu->lock)")
        .then("open another", "mutex_lock(iommu->lock)")
        .then_everybody()
        .is(ViolationKind::deadlock(["device_list_lock", "iommu->lock"]));
}

/// B21: the last reference is dropped under the mutex that the notifier wants.
#[test]
fn b21a_the_last_reference() {
    Telling::of("vfio-ap/bugs/b21a-last-put/v5.11")
        .then("VMM", "mutex_lock(matrix_dev->lock)")
        .then("VMM", "kref_put(kvm->users_count#0)")
        .then_everybody()
        .is(ViolationKind::deadlock(["matrix_dev->lock"]));
}

/// B22: what was pinned and registered for a queue that is busy stays so. Switching off frees what
/// was remembered, which is nothing.
#[test]
fn b22_enabling_leaks() {
    let found = Telling::of("vfio-ap/bugs/b22-enable-leaks/v5.15")
        .then("PQAP(AQIC)", "mutex_lock(vcpu->mutex#0)")
        .then("PQAP(AQIC)", "down_read(pqap_hook_rwsem#0)")
        .then("PQAP(AQIC)", "mutex_lock(matrix_dev->lock)")
        .then("PQAP(AQIC)", "mutex_lock(iommu->lock)")
        .then("PQAP(AQIC)", "pin")
        .then("PQAP(AQIC)", "mutex_unlock(iommu->lock)")
        .then("PQAP(AQIC)", "kvm_s390_gisc_register")
        .then("PQAP(AQIC)", "PQAP(AQIC)")
        .then("PQAP(AQIC)", "PQAP(AQIC)")
        .then_everybody()
        .is(broken("INV-04"));
    let what = |step: &Step| (step.function.unwrap_or_default(), step.what.clone());
    let steps: Vec<_> = found.trace.steps.iter().map(what).collect();
    let enable = |what: &str| ("vfio_ap_irq_enable", what.to_owned());
    let told = [
        enable("mutex_lock(iommu->lock)"),
        enable("pin"),
        enable("mutex_unlock(iommu->lock)"),
        enable("kvm_s390_gisc_register"),
        enable("PQAP(AQIC)"),
        ("vfio_ap_irq_disable", "PQAP(AQIC)".to_owned()),
        ("handle_pqap", "mutex_unlock(matrix_dev->lock)".to_owned()),
    ];
    assert!(steps.windows(told.len()).any(|steps| steps == told), "{steps:?}");
}

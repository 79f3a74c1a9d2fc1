//! `vfio-ap/matrix`: the designs that were not merged, with the same sets of threads.
//!
//! A row is a design. Its columns combine PQAP(AQIC), the update that removes the queue from the
//! running guest, the PV ioctl, and an administrator of another device. Separate scenarios show
//! what a column cannot: two concurrent vCPUs, threads that never end and starve another thread
//! (3c, 6c), and an error without a cause (6b). Alternative 6a, the flag of v5.13, is the row
//! `v5.13-unset`.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, forever, invariant_broken};

use crate::postcondition::expect;
use crate::vfio_ap::alternatives::Design;
use crate::vfio_ap::alternatives::apcb_lock::{self, ApcbLock};
use crate::vfio_ap::alternatives::early_null::EarlyNull;
use crate::vfio_ap::alternatives::guest::Aqic;
use crate::vfio_ap::alternatives::hook_mutex::{self, HookMutex};
use crate::vfio_ap::alternatives::ioctl::{self, Ioctl};
use crate::vfio_ap::alternatives::kvm_first::{self, KvmFirst};
use crate::vfio_ap::alternatives::polling::Polling;
use crate::vfio_ap::alternatives::queue_lock::{self, QueueLock};
use crate::vfio_ap::alternatives::reentry::{self, Reentry};
use crate::vfio_ap::alternatives::rwsem::{self, Rwsem};
use crate::vfio_ap::alternatives::srcu::{self, Published};
use crate::vfio_ap::alternatives::trylock::Trylock;
use crate::vfio_ap::alternatives::two_rwsems::TwoRwsems;
use crate::vfio_ap::alternatives::unfair_lock::{self, UnfairLock};

const SIX: &str = "\"Re: [PATCH v17 09/15] s390/vfio-ap: allow hot plug/unplug of AP resources \
                   using mdev device\", H. Pasic, 2022-01-09, and T. Krowiak, 2022-01-11";
const V17_01: &str = "v17 01/15 of \"s390/vfio-ap: dynamic configuration support\", T. Krowiak, \
                      2021-10-21";
const JUNE: &str = "the review of June 2021 of what became commit 86956e70761b: H. Pasic and \
                    J. Gunthorpe";
const FEBRUARY: &str = "the fixes of February 2021 that were posted before commit 0cc00c8d4050";
const MERGED: &str = "commit 21195eb038bc, v6.0, with a part left out";
const OURS: &str = "commit f21916ec4826, v5.11, with a trylock in place of a lock";

const PQAP: &str = "PQAP(AQIC)";
const UPDATE: &str = "unset_kvm";
const PV: &str = "PV ioctl";
const ADMIN: &str = "assign_adapter_store";

fn deadlock<const N: usize>(classes: [&str; N]) -> Vec<ViolationKind> {
    vec![ViolationKind::deadlock(classes)]
}

fn invariant(id: &str) -> Vec<ViolationKind> {
    vec![ViolationKind::invariant(id)]
}

/// The expected violations of a design. An empty list means that a proof is expected.
#[derive(Clone, Default)]
struct Row {
    pqap_upd: Vec<ViolationKind>,
    upd_pv: Vec<ViolationKind>,
    pqap_pv: Vec<ViolationKind>,
    pqap_upd_pv: Vec<ViolationKind>,
    /// The violations with the administrator.
    all: Vec<ViolationKind>,
    /// A cycle that lockdep predicts for PQAP(AQIC), the update and the PV ioctl together, and that
    /// the three cannot reach.
    infeasible: Vec<&'static str>,
    /// A cycle that lockdep predicts from each call alone.
    alone: Vec<&'static str>,
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut scenarios = rows();
    scenarios.extend(beside_the_rows());
    scenarios
}

/// Adds the thread of each role.
fn pqap<D: Design>(scenario: ScenarioBuilder<D>) -> ScenarioBuilder<D> {
    scenario.thread(PQAP, |design| design.pqap(0, Aqic::Enable))
}

fn upd<D: Design>(scenario: ScenarioBuilder<D>) -> ScenarioBuilder<D> {
    scenario.thread(UPDATE, D::update)
}

fn pv<D: Design>(scenario: ScenarioBuilder<D>) -> ScenarioBuilder<D> {
    scenario.thread(PV, D::pv)
}

fn admin<D: Design>(scenario: ScenarioBuilder<D>) -> ScenarioBuilder<D> {
    scenario.thread(ADMIN, D::admin)
}

/// Checks that each call has its effect, since a design that does nothing would never deadlock.
fn alone<D: Design>(design: &D) {
    let guest = design.guest();
    design.pqap(0, Aqic::Enable);
    expect(guest.interrupts(), "PQAP(AQIC) enables interrupts");
    design.pqap(0, Aqic::Disable);
    expect(!guest.interrupts(), "PQAP(AQIC) disables interrupts");
    design.pqap(0, Aqic::Enable);
    expect(guest.has_queue(), "the guest has the queue");
    design.update();
    expect(!guest.is_assigned(), "the queue is no longer assigned");
    expect(!guest.has_queue(), "the guest no longer has the queue");
    expect(!guest.interrupts(), "the removed queue does not interrupt");
}

fn row<D: Design>(
    name: &str,
    source: &str,
    about: &str,
    design: impl Fn(usize) -> D + Clone + Send + Sync + 'static,
    row: Row,
) -> Vec<Scenario> {
    let new = |threads: &str, what: &str| {
        let design = design.clone();
        Scenario::builder(format!("vfio-ap/matrix/{name}/{threads}"), move || design(1))
            .about(format!("{about}: {what}"))
            .source(source)
            .finally(D::at_rest)
    };
    let claim = |cell: ScenarioBuilder<D>, kinds: &[ViolationKind]| match kinds {
        [] => cell.expect_proof(),
        kinds => cell.expect_violations(kinds.iter().cloned()),
    };
    let together = |cell: Scenario| match row.infeasible.as_slice() {
        [] => cell,
        classes => cell.expect_inversion(classes.iter().copied()),
    };
    let each_alone = new("alone", "each call alone has its effect").thread("one of each", alone);
    let three = "PQAP(AQIC), the update and the PV ioctl";
    let four = "PQAP(AQIC), the update, the PV ioctl and an administrator";
    vec![
        claim(upd(pqap(new("pqap-upd", "PQAP(AQIC) against the update"))), &row.pqap_upd),
        claim(pv(upd(new("upd-pv", "the update against the PV ioctl"))), &row.upd_pv),
        claim(pv(pqap(new("pqap-pv", "PQAP(AQIC) against the PV ioctl"))), &row.pqap_pv),
        together(claim(pv(upd(pqap(new("pqap-upd-pv", three)))), &row.pqap_upd_pv)),
        together(claim(admin(pv(upd(pqap(new("pqap-upd-pv-admin", four))))), &row.all)),
        match row.alone.as_slice() {
            [] => each_alone.expect_proof(),
            classes => each_alone.expect_proof().expect_inversion(classes.iter().copied()),
        },
    ]
}

fn rows() -> Vec<Scenario> {
    let circle = || deadlock(["kvm->lock", "matrix_dev->lock", "vcpu->mutex"]);
    let circle_by = |class| deadlock(["kvm->lock", class, "vcpu->mutex"]);
    let three = |kinds: Vec<ViolationKind>| Row {
        pqap_upd_pv: kinds.clone(),
        all: kinds,
        ..Row::default()
    };
    let rows = [
        row(
            "alt-1",
            SIX,
            "the VMM calls the driver, which checks again",
            |n| Ioctl::new(ioctl::Variant::Alternative1, n),
            Row::default(),
        ),
        row(
            "alt-1-no-recheck",
            SIX,
            "the VMM calls the driver, which does not check again",
            |n| Ioctl::new(ioctl::Variant::WithoutRecheck, n),
            Row {
                pqap_upd: invariant("INV-04"),
                pqap_upd_pv: invariant("INV-04"),
                all: invariant("INV-04"),
                ..Row::default()
            },
        ),
        row(
            "alt-1b",
            SIX,
            "the driver is called from within KVM_RUN",
            |n| Ioctl::new(ioctl::Variant::Alternative1b, n),
            three(circle()),
        ),
        row(
            "alt-1-old-vmm",
            SIX,
            "KVM calls the driver, since the VMM does not know how",
            |n| Ioctl::new(ioctl::Variant::OldVmm, n),
            three(circle()),
        ),
        row(
            "alt-2",
            SIX,
            "KVM leaves the vCPU and enters it again",
            |n| Reentry::new(reentry::Variant::Alternative2, n),
            Row {
                pqap_pv: invariant("INV-16"),
                pqap_upd_pv: invariant("INV-16"),
                all: invariant("INV-16"),
                ..Row::default()
            },
        ),
        row(
            "alt-2-in-flight",
            SIX,
            "KVM leaves the vCPU, and a flag keeps other threads out",
            |n| Reentry::new(reentry::Variant::InFlight, n),
            three(deadlock(["in_flight_wait", "kvm->lock", "matrix_dev->lock"])),
        ),
        row(
            "alt-3a",
            SIX,
            "a semaphore, held for writing while kvm->lock is taken",
            |n| Rwsem::new(rwsem::Variant::A, n),
            three(circle_by("matrix_dev->rwsem")),
        ),
        row(
            "alt-3b",
            SIX,
            "a semaphore, held for reading while kvm->lock is taken",
            |n| Rwsem::new(rwsem::Variant::B, n),
            // The three threads have the order that lockdep reports, but a deadlock needs a waiting
            // writer.
            Row {
                all: circle_by("matrix_dev->rwsem"),
                infeasible: vec!["kvm->lock", "matrix_dev->rwsem", "vcpu->mutex"],
                ..Row::default()
            },
        ),
        row(
            "alt-3c",
            SIX,
            "the same semaphore with a preference for readers",
            |n| Rwsem::new(rwsem::Variant::C, n),
            Row::default(),
        ),
        row(
            "alt-4a",
            SIX,
            "srcu, and no thread waits for readers",
            |n| Published::new(srcu::Variant::A, n),
            Row {
                pqap_upd: invariant("INV-04"),
                pqap_upd_pv: invariant("INV-04"),
                all: invariant("INV-04"),
                ..Row::default()
            },
        ),
        row(
            "alt-4b",
            SIX,
            "srcu, and the update waits for readers",
            |n| Published::new(srcu::Variant::B, n),
            Row::default(),
        ),
        row(
            "alt-4c",
            SIX,
            "srcu, and the update waits for readers with kvm->lock held",
            |n| Published::new(srcu::Variant::C, n),
            Row::default(),
        ),
        row(
            "alt-4c-queue-lock",
            SIX,
            "srcu, and the update waits for readers with their lock held",
            |n| Published::new(srcu::Variant::CWithQueueLock, n),
            Row {
                pqap_upd: deadlock(["matrix_dev->srcu", "q->lock"]),
                pqap_upd_pv: deadlock(["matrix_dev->srcu", "q->lock"]),
                all: deadlock(["matrix_dev->srcu", "q->lock"]),
                alone: vec!["matrix_dev->srcu", "q->lock"],
                ..Row::default()
            },
        ),
        row(
            "alt-5a",
            SIX,
            "a lock of the queue, taken after the check",
            |n| QueueLock::new(queue_lock::Variant::A, n),
            Row {
                pqap_upd: invariant("INV-04"),
                pqap_upd_pv: invariant("INV-04"),
                all: invariant("INV-04"),
                ..Row::default()
            },
        ),
        row(
            "alt-5b",
            SIX,
            "a lock of the queue, and the check under it",
            |n| QueueLock::new(queue_lock::Variant::B, n),
            Row::default(),
        ),
        row(
            "alt-5c",
            SIX,
            "a lock of the queue, held while kvm->lock is taken",
            |n| QueueLock::new(queue_lock::Variant::C, n),
            three(circle_by("q->lock")),
        ),
        row(
            "alt-5c-unplugged",
            SIX,
            "a lock of the queue, with kvm->lock taken after all readers are done",
            |n| QueueLock::new(queue_lock::Variant::CUnplugged, n),
            Row { infeasible: vec!["kvm->lock", "q->lock", "vcpu->mutex"], ..Row::default() },
        ),
        row(
            "alt-6b",
            SIX,
            "a hand-made lock, and PQAP(AQIC) does not wait for it",
            |n| UnfairLock::new(unfair_lock::Variant::B, n),
            Row::default(),
        ),
        row(
            "alt-6c",
            SIX,
            "a hand-made lock, held for reading while kvm->lock is taken",
            |n| UnfairLock::new(unfair_lock::Variant::C, n),
            // A promise is held like a mutex, so lockdep does not distinguish the read side from
            // the write side.
            Row {
                infeasible: vec!["kvm->lock", "matrix_dev->wait", "vcpu->mutex"],
                ..Row::default()
            },
        ),
        row(
            "alt-6d",
            SIX,
            "a hand-made lock, held for writing while kvm->lock is taken",
            |n| UnfairLock::new(unfair_lock::Variant::D, n),
            three(circle_by("matrix_dev->wait")),
        ),
        row(
            "kvm-first",
            MERGED,
            "kvm->lock is taken first",
            |n| KvmFirst::new(kvm_first::Variant::AsMerged, n),
            Row::default(),
        ),
        row(
            "hook-mutex",
            V17_01,
            "one mutex for all hooks, released before kvm->lock",
            |n| HookMutex::new(hook_mutex::Variant::Released, n),
            Row::default(),
        ),
        row(
            "hook-mutex-kept",
            V17_01,
            "one mutex for all hooks, held while kvm->lock is taken",
            |n| HookMutex::new(hook_mutex::Variant::Kept, n),
            three(circle_by("pqap_hook_lock")),
        ),
        row(
            "two-rwsems",
            JUNE,
            "two semaphores, and stores that try",
            TwoRwsems::new,
            Row {
                pqap_upd_pv: circle_by("matrix_mdev->rwsem"),
                all: [circle_by("matrix_mdev->rwsem"), invariant("INV-24")].concat(),
                ..Row::default()
            },
        ),
        row(
            "early-null",
            FEBRUARY,
            "the pointer to the guest is cleared first",
            EarlyNull::new,
            Row { all: vec![ViolationKind::use_after_release("matrix_mdev")], ..Row::default() },
        ),
        row("trylock", OURS, "PQAP(AQIC) tries the mutex", Trylock::new, Row::default()),
    ];
    rows.into_iter().flatten().collect()
}

/// Returns the scenarios that need threads other than those of the rows.
/// Builds the scenario in which KVM refuses PQAP(AQIC) to a VMM that does not know the ioctl.
fn refused_to_old_vmm() -> Scenario {
    Scenario::builder("vfio-ap/matrix/alt-1-old-vmm-refused/alone", || {
        Ioctl::new(ioctl::Variant::OldVmmRefused, 1)
    })
    .about("KVM refuses the instruction to an old VMM: each call alone has its effect")
    .source(SIX)
    .thread("one of each", alone)
    .finally(Ioctl::at_rest)
    .expect_violations(invariant("POSTCONDITION"))
}

fn beside_the_rows() -> Vec<Scenario> {
    let mut scenarios = vec![
        two_vcpus("alt-3a", rwsem::Variant::A).expect_violations(invariant("INV-04")),
        two_vcpus("alt-3b", rwsem::Variant::B).expect_violations(invariant("INV-04")),
        two_vcpus("alt-3c", rwsem::Variant::C).expect_violations(invariant("INV-04")),
        two_vcpus("alt-3c-queue-lock", rwsem::Variant::CWithQueueLock).expect_proof(),
        for_ever("alt-3b", |n| Rwsem::new(rwsem::Variant::B, n)).expect_proof(),
        for_ever("alt-3c", |n| Rwsem::new(rwsem::Variant::C, n))
            .expect_violations([ViolationKind::starvation(ADMIN, "matrix_dev->rwsem")]),
        for_ever("alt-6c", |n| UnfairLock::new(unfair_lock::Variant::C, n))
            .expect_violations([ViolationKind::starvation(ADMIN, "matrix_dev->wait")]),
        pinning(),
        refused_to_old_vmm(),
    ];
    scenarios.extend(answered_for_nothing());
    scenarios.extend(closing());
    scenarios.extend(kvm_lock_in_pqap());
    scenarios.extend(vcpu_creation());
    scenarios.extend(polling());
    scenarios
}

/// Builds 3d, in which the read side does not prevent two vCPUs from releasing the same page.
fn two_vcpus(name: &str, variant: rwsem::Variant) -> ScenarioBuilder<Rwsem> {
    let world = move || {
        let design = Rwsem::new(variant, 2);
        design.guest().aqic(Aqic::Enable);
        design
    };
    Scenario::builder(format!("vfio-ap/matrix/{name}/pqap-pqap"), world)
        .about("two vCPUs disable the interrupts of the same queue")
        .source(SIX)
        .thread("PQAP(AQIC) 0", |design| design.pqap(0, Aqic::Disable))
        .thread("PQAP(AQIC) 1", |design| design.pqap(1, Aqic::Disable))
        .finally(Rwsem::at_rest)
}

/// Builds the scenarios of INV-24 for a guest: PQAP(AQIC) fails for the guest's own queue only
/// because a lock was held for another device. A design that waits for the lock does not fail.
fn answered_for_nothing() -> [Scenario; 3] {
    fn scenario<D: Design>(
        name: &str,
        source: &str,
        design: impl Fn(usize) -> D + Send + Sync + 'static,
    ) -> ScenarioBuilder<D> {
        let name = format!("vfio-ap/matrix/{name}/pqap-admin");
        let cell = Scenario::builder(name, move || design(1))
            .about("PQAP(AQIC) while an adapter is assigned to another device: does it succeed?")
            .source(source);
        admin(pqap(cell)).finally(|design| {
            if !design.guest().interrupts() {
                invariant_broken("INV-24", "PQAP(AQIC) fails on the guest's own queue");
            }
            design.at_rest();
        })
    }
    [
        scenario("alt-6b", SIX, |n| UnfairLock::new(unfair_lock::Variant::B, n))
            .expect_violations(invariant("INV-24")),
        scenario("trylock", OURS, Trylock::new).expect_violations(invariant("INV-24")),
        scenario("kvm-first", MERGED, |n| KvmFirst::new(kvm_first::Variant::AsMerged, n))
            .expect_proof(),
    ]
}

/// Builds a scenario with two vCPUs that execute PQAP(AQIC) for ever, and an administrator.
fn for_ever<D: Design>(
    name: &str,
    design: impl Fn(usize) -> D + Send + Sync + 'static,
) -> ScenarioBuilder<D> {
    Scenario::builder(format!("vfio-ap/matrix/{name}/pqap-pqap-admin"), move || design(2))
        .about("does an administrator progress while two vCPUs execute PQAP(AQIC) for ever?")
        .source(SIX)
        .thread("PQAP(AQIC) 0", |design| forever(|| design.pqap(0, Aqic::Enable)))
        .thread("PQAP(AQIC) 1", |design| forever(|| design.pqap(1, Aqic::Enable)))
        .thread(ADMIN, D::admin)
        .starvation_free()
}

/// Builds 5d, in which a page that PQAP(AQIC) pins under the queue's lock is unmapped. The two
/// locks of VFIO alone suffice for a deadlock, because the page is unpinned with the list of
/// devices locked.
fn pinning() -> Scenario {
    let world = || QueueLock::new(queue_lock::Variant::B, 1);
    Scenario::builder("vfio-ap/matrix/alt-5d/pqap-unmap-register", world)
        .about("a page is pinned under the queue's lock and unmapped under the lock of the devices")
        .source(SIX)
        .thread("PQAP(AQIC)", |design| design.pqap_pins_under_queue_lock(0))
        .thread("VFIO_IOMMU_UNMAP_DMA", QueueLock::dma_unmap)
        .thread("open", QueueLock::register_device)
        .finally(QueueLock::at_rest)
        .expect_violations([
            ViolationKind::deadlock(["device_list_lock", "iommu->lock"]),
            ViolationKind::deadlock(["device_list_lock", "iommu->lock", "q->lock"]),
        ])
}

/// Builds the scenarios in which the update finds the guest while the guest ends.
fn closing() -> [Scenario; 3] {
    let scenario = |name: &str, about: &str, variant| {
        let world = move || KvmFirst::new(variant, 1);
        Scenario::builder(format!("vfio-ap/matrix/{name}/upd-close"), world)
            .about(format!("{about}: a queue is removed while its guest ends"))
            .source(MERGED)
            .thread("remove_queue", KvmFirst::update)
            .thread("close", KvmFirst::close)
            .finally(KvmFirst::at_rest)
    };
    [
        scenario("kvm-first", "guests_lock protects the guest", kvm_first::Variant::AsMerged)
            .expect_proof(),
        scenario(
            "kvm-first-without-guests-lock",
            "nothing protects the guest",
            kvm_first::Variant::WithoutGuestsLock,
        )
        .expect_violations([ViolationKind::use_after_release("kvm")]),
        scenario(
            "kvm-first-with-reference",
            "a reference protects the guest",
            kvm_first::Variant::WithReference,
        )
        .expect_proof(),
    ]
}

/// Builds the scenarios in which PQAP(AQIC) takes `kvm->lock`, which is wrong in either order.
fn kvm_lock_in_pqap() -> [Scenario; 2] {
    let new = |threads: &str, what: &str| {
        let world = || KvmFirst::new(kvm_first::Variant::PqapTakesKvmLock, 1);
        Scenario::builder(format!("vfio-ap/matrix/kvm-first-in-pqap/{threads}"), world)
            .about(format!("PQAP(AQIC) takes kvm->lock: {what}"))
            .source(MERGED)
            .finally(KvmFirst::at_rest)
    };
    [
        upd(pqap(new("pqap-upd", "PQAP(AQIC) against the update")))
            .expect_violations(deadlock(["kvm->lock", "pqap_hook_rwsem"])),
        pv(pqap(new("pqap-pv", "PQAP(AQIC) against the PV ioctl")))
            .expect_violations(deadlock(["kvm->lock", "vcpu->mutex"]))
            .expect_inversion(["kvm->lock", "pqap_hook_rwsem", "vcpu->mutex"]),
    ]
}

/// Builds the scenarios in which a vCPU is created while the control block is written.
fn vcpu_creation() -> [Scenario; 2] {
    let scenario = |name: &str, about: &str, variant| {
        let world = move || ApcbLock::new(variant);
        Scenario::builder(format!("vfio-ap/matrix/{name}/upd-vcpu"), world)
            .about(format!("{about}: a vCPU is created and runs while the masks change"))
            .source(JUNE)
            .thread("set_masks", ApcbLock::set_masks)
            .thread("KVM_CREATE_VCPU", ApcbLock::create_vcpu)
    };
    [
        scenario("apcb-lock", "a lock of the control block", apcb_lock::Variant::ApcbLock)
            .expect_violations(invariant("INV-14")),
        scenario("apcb-kvm-lock", "kvm->lock", apcb_lock::Variant::KvmLock).expect_proof(),
    ]
}

/// Builds the row of the polled flag. It also checks whether a thread may poll for ever although
/// the flag is clear from time to time.
fn polling() -> [Scenario; 5] {
    let new = |threads: &str, what: &str| {
        Scenario::builder(format!("vfio-ap/matrix/polling/{threads}"), || Polling::new(1))
            .about(format!("a polled flag: {what}"))
            .source(FEBRUARY)
            .finally(Polling::at_rest)
            .starvation_free()
    };
    // PQAP(AQIC) takes steps for ever, and the two other threads wait for it.
    let livelock = || [ViolationKind::deadlock(["kvm_busy"])];
    let three = "PQAP(AQIC), the update and the PV ioctl";
    let four = "PQAP(AQIC), the update, the PV ioctl and an administrator";
    [
        upd(pqap(new("pqap-upd", "PQAP(AQIC) against the update"))).expect_proof(),
        pv(upd(new("upd-pv", "the update against the PV ioctl"))).expect_proof(),
        pv(pqap(new("pqap-pv", "PQAP(AQIC) against the PV ioctl"))).expect_proof(),
        pv(upd(pqap(new("pqap-upd-pv", three)))).expect_violations(livelock()),
        admin(pv(upd(pqap(new("pqap-upd-pv-admin", four))))).expect_violations(livelock()),
    ]
}

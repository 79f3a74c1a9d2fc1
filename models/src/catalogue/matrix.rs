//! `vfio-ap/matrix`: every design against every set of threads.
//!
//! Queue 01.0004 is assigned to a mediated device. One thread executes PQAP(AQIC) on the guest's
//! vCPU; one attaches the device to the guest or detaches it; one makes the guest a protected
//! one; an administrator changes what is assigned to another device. Any two of the first three
//! get along in most designs. It is the three together that close the circle `matrix_dev->lock`
//! -> `kvm->lock` -> `vcpu->mutex` -> `matrix_dev->lock`.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::ap::{ApMask, ApMatrix, Apqn};
use crate::vfio_ap::ap_queue::Irq;
use crate::vfio_ap::v5_3::V5_3;
use crate::vfio_ap::v5_11::V5_11;
use crate::vfio_ap::v5_13::{V5_13, V5_15Bisect};
use crate::vfio_ap::v5_15::V5_15;
use crate::vfio_ap::world::{Aqic, Version, World};

const V5_3_SOURCE: &str = "commit ec89b55e3bce, v5.3 to v5.10";
const V5_11_SOURCE: &str = "commit f21916ec4826, v5.11; the report in the text of 0cc00c8d4050";
const V5_13_SOURCE: &str = "commit 0cc00c8d4050, v5.13 and v5.14; J. Gunthorpe's objection in the \
                            review of June 2021 of what became commit 86956e70761b";
const BISECT_SOURCE: &str = "commit 1e753732bda6 without 86956e70761b, on the way to v5.15";
const V5_15_SOURCE: &str = "commits 1e753732bda6 and 86956e70761b, v5.15 to v5.19";

/// The queue that all of it is about.
pub(super) const QUEUE: Apqn = Apqn { apid: 1, apqi: 4 };
/// Where the guest wants it to interrupt.
pub(super) const IRQ: Irq = Irq { vm: 0, nib: 1, isc: 3 };
/// PQAP(AQIC) that makes it interrupt.
pub(super) const ENABLE: Aqic = Aqic { apqn: QUEUE, irq: Some(IRQ) };

/// Domain 4, and these adapters.
pub(super) fn matrix(adapters: &[u8]) -> ApMatrix {
    ApMatrix { apm: ApMask::of(adapters.iter().copied()), aqm: ApMask::of([4]) }
}

/// `matrix_dev->lock` -> `kvm->lock` -> `vcpu->mutex`.
fn circle() -> ViolationKind {
    ViolationKind::deadlock(["kvm->lock", "matrix_dev->lock", "vcpu->mutex"])
}

/// The same with a flag in the place of the mutex.
fn circle_by_flag() -> ViolationKind {
    ViolationKind::deadlock(["kvm->lock", "kvm_busy", "vcpu->mutex"])
}

/// The flag and the semaphore of the hook.
fn flag_and_hook() -> ViolationKind {
    ViolationKind::deadlock(["kvm_busy", "pqap_hook_rwsem"])
}

/// The hook is read without a lock, and gone when it is read again (B09).
fn hook_gone() -> ViolationKind {
    ViolationKind::invariant("NULL")
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let unset_unlocked = Row {
        pqap_update: vec![hook_gone()],
        all_three: vec![circle(), hook_gone()],
        ..Row::default()
    };
    let rows = [
        row::<V5_3>("v5.3-set", V5_3_SOURCE, Update::Set, Row::default()),
        row::<V5_3>("v5.3-unset", V5_3_SOURCE, Update::Unset, unset_unlocked.clone()),
        row::<V5_11>(
            "v5.11-set",
            V5_11_SOURCE,
            Update::Set,
            Row { all_three: vec![circle()], ..Row::default() },
        ),
        row::<V5_11>("v5.11-unset", V5_11_SOURCE, Update::Unset, unset_unlocked),
        row::<V5_13>("v5.13-set", V5_13_SOURCE, Update::Set, Row::default()),
        row::<V5_13>(
            "v5.13-unset",
            V5_13_SOURCE,
            Update::Unset,
            Row {
                pqap_update: vec![hook_gone()],
                all_three: vec![circle_by_flag(), hook_gone()],
                ..Row::default()
            },
        ),
        // Attaching publishes the hook while the flag is still set, so here it can wait too.
        row::<V5_15Bisect>(
            "v5.15-bisect-set",
            BISECT_SOURCE,
            Update::Set,
            Row {
                all_three: vec![circle_by_flag()],
                infeasible: vec![vec!["kvm_busy", "pqap_hook_rwsem"]],
                ..Row::default()
            },
        ),
        // The hook is taken away before `kvm->lock` is wanted: whoever waits for the flag then
        // holds up the semaphore already.
        row::<V5_15Bisect>(
            "v5.15-bisect-unset",
            BISECT_SOURCE,
            Update::Unset,
            Row {
                pqap_update: vec![flag_and_hook()],
                all_three: vec![flag_and_hook()],
                infeasible: vec![vec!["kvm->lock", "kvm_busy", "vcpu->mutex"]],
            },
        ),
        row::<V5_15>("v5.15-set", V5_15_SOURCE, Update::Set, Row::default()),
        row::<V5_15>("v5.15-unset", V5_15_SOURCE, Update::Unset, Row::default()),
    ];
    let mut scenarios: Vec<Scenario> = rows.into_iter().flatten().collect();
    scenarios.push(vmm_stops_its_vcpus());
    scenarios
}

/// Which way the guest's queues change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Update {
    Set,
    Unset,
}

impl Update {
    fn thread(self) -> &'static str {
        match self {
            Self::Set => "set_kvm",
            Self::Unset => "unset_kvm",
        }
    }
}

/// What a design is expected to violate; nothing where nothing is said. The administrator of
/// another device adds nothing to what the three can do.
#[derive(Clone, Default)]
struct Row {
    /// PQAP(AQIC) and the update.
    pqap_update: Vec<ViolationKind>,
    /// PQAP(AQIC), the update, and the PV ioctl; with and without the administrator.
    all_three: Vec<ViolationKind>,
    /// Cycles that lockdep predicts where all their classes are about, and that cannot happen.
    infeasible: Vec<Vec<&'static str>>,
}

fn row<V: Version>(name: &str, source: &str, update: Update, row: Row) -> Vec<Scenario> {
    let new = |threads: &str, about: String| {
        let world = move || world::<V>(update);
        Scenario::builder(format!("vfio-ap/matrix/{name}/{threads}"), world)
            .about(about)
            .source(source)
            .finally(|w| w.at_rest::<V>())
    };
    let pqap =
        |cell: ScenarioBuilder<World>| cell.thread("PQAP(AQIC)", |w| _ = w.pqap::<V>(0, 0, ENABLE));
    let changes = |cell: ScenarioBuilder<World>| match update {
        Update::Set => cell.thread(update.thread(), |w| {
            V::set_kvm(w, 0, 0).expect("nobody else has the guest");
        }),
        Update::Unset => cell.thread(update.thread(), |w| V::close(w, 0)),
    };
    let pv = |cell: ScenarioBuilder<World>| cell.thread("PV ioctl", |w| w.kvm(0).pv_command());
    let admin = |cell: ScenarioBuilder<World>| {
        cell.thread("assign_adapter_store", |w| _ = V::assign_adapter_store(w, 1, 2))
    };
    let claim = |cell: ScenarioBuilder<World>, kinds: &[ViolationKind], predicted: bool| {
        let claimed = match kinds {
            [] => cell.proved(),
            kinds => cell.refuted(kinds.iter().cloned()),
        };
        let infeasible = row.infeasible.iter().filter(|_| predicted);
        infeasible.fold(claimed, |cell, classes| cell.predicting(classes.iter().copied()))
    };
    let what = update.thread();
    // Of the infeasible cycles, those without `kvm->lock` show without the PV ioctl too.
    let by_two = row.infeasible.iter().any(|classes| !classes.contains(&"kvm->lock"));
    vec![
        claim(
            changes(pqap(new("pqap-upd", format!("PQAP(AQIC) against {what}")))),
            &row.pqap_update,
            by_two,
        ),
        claim(pv(changes(new("upd-pv", format!("{what} against the PV ioctl")))), &[], false),
        claim(pv(pqap(new("pqap-pv", "PQAP(AQIC) against the PV ioctl".into()))), &[], false),
        claim(
            pv(changes(pqap(new("pqap-upd-pv", format!("PQAP(AQIC), {what} and the PV ioctl"))))),
            &row.all_three,
            true,
        ),
        claim(
            admin(pv(changes(pqap(new(
                "pqap-upd-pv-admin",
                format!("PQAP(AQIC), {what}, the PV ioctl, and another device's administrator"),
            ))))),
            &row.all_three,
            true,
        ),
    ]
}

fn world<V: Version>(update: Update) -> World {
    let world = World::new::<V>(1, 1, &[matrix(&[1]), matrix(&[])]);
    if update == Update::Unset {
        V::set_kvm(&world, 0, 0).expect("nobody else has the guest");
    }
    world
}

/// A VMM that stops its vCPUs before it makes the guest a protected one, as QEMU does. The circle
/// is there, and lockdep sees it; but nobody can be in all three places at once.
fn vmm_stops_its_vcpus() -> Scenario {
    Scenario::builder("vfio-ap/matrix/v5.11-set/stopped-vcpus", || world::<V5_11>(Update::Set))
        .about("the VMM stops its vCPUs before the PV ioctl: lockdep's circle cannot close")
        .source(V5_11_SOURCE)
        .thread("VMM", |w| {
            _ = w.pqap::<V5_11>(0, 0, ENABLE);
            w.kvm(0).pv_command();
        })
        .thread("set_kvm", |w| V5_11::set_kvm(w, 0, 0).expect("nobody else has the guest"))
        .finally(|w| w.at_rest::<V5_11>())
        .proved()
        .predicting(["kvm->lock", "matrix_dev->lock", "vcpu->mutex"])
}

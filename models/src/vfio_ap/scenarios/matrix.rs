//! `vfio-ap/matrix`: every design with every set of threads.
//!
//! Queue 01.0004 is assigned to a mediated device. One thread executes PQAP(AQIC) on the guest's
//! vCPU, one changes the resources of the guest, one makes the guest protected, and an
//! administrator assigns an adapter to another device. In most designs any two of the first three
//! are correct together. Only the three together close the cycle `matrix_dev->lock` -> `kvm->lock`
//! -> `vcpu->mutex` -> `matrix_dev->lock`.
//!
//! Up to v5.19 the resources of a guest are those of its device from the open of the device to its
//! close. Since v6.0 every other operation that changes them must also take `kvm->lock`.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::ap::{ApConfig, Apqn};
use crate::vfio_ap::ap_queue::ApQueue;
use crate::vfio_ap::invariants;
use crate::vfio_ap::scenarios::fixtures::{ENABLE, QUEUE, matrix};
use crate::vfio_ap::scenarios::sources;
use crate::vfio_ap::versions::p15::P15;
use crate::vfio_ap::versions::p17::{P17, P17HookKept};
use crate::vfio_ap::versions::v5_3::V5_3;
use crate::vfio_ap::versions::v5_11::V5_11;
use crate::vfio_ap::versions::v5_13::{V5_13, V5_15Bisect};
use crate::vfio_ap::versions::v5_15::{V5_15, V5_19};
use crate::vfio_ap::versions::v6_0::{V6_0, V6_2, V6_4, V6_6, V6_8, V6_15, V6_19, V2026};
use crate::vfio_ap::world::{Version, World};

const V5_11_SOURCE: &str = "commit f21916ec4826, v5.11; the report in the text of 0cc00c8d4050";
const V5_13_SOURCE: &str = "commit 0cc00c8d4050, v5.13 and v5.14; J. Gunthorpe's objection in the \
                            review of June 2021 of what became commit 86956e70761b";
const BISECT_SOURCE: &str = "commit 1e753732bda6 without 86956e70761b, on the way to v5.15";

/// Returns the deadlock `matrix_dev->lock` -> `kvm->lock` -> `vcpu->mutex`.
fn circle() -> ViolationKind {
    ViolationKind::deadlock(["kvm->lock", "matrix_dev->lock", "vcpu->mutex"])
}

/// Returns the same deadlock with a flag in place of the mutex.
fn circle_by_flag() -> ViolationKind {
    ViolationKind::deadlock(["kvm->lock", "kvm_busy", "vcpu->mutex"])
}

/// Returns the deadlock of the flag and the semaphore of the hook.
fn flag_and_hook() -> ViolationKind {
    ViolationKind::deadlock(["kvm_busy", "pqap_hook_rwsem"])
}

/// Returns the deadlock with version 17's mutex for the hook, kept while `kvm->lock` is taken.
fn circle_by_hook_lock() -> ViolationKind {
    ViolationKind::deadlock(["kvm->lock", "pqap_hook_lock", "vcpu->mutex"])
}

/// Returns the violation of a hook that is read without a lock and is NULL at the next read (B09).
fn hook_gone() -> ViolationKind {
    ViolationKind::invariant("NULL")
}

pub(super) fn scenarios() -> Vec<Scenario> {
    use Update::{Assign, Probe, Remove, Set, Unassign, Unset};
    let ok = Claims::default;
    let deadlocks = |circle| Claims { all_three: vec![circle], ..ok() };
    let hook_unlocked = |circle| Claims {
        pqap_update: vec![hook_gone()],
        all_three: vec![circle, hook_gone()],
        ..ok()
    };
    let by_flag_and_hook = || vec!["kvm->lock", "kvm_busy", "pqap_hook_rwsem", "vcpu->mutex"];
    let mut all = vec![
        row::<V5_3>("v5.3", sources::V5_3, Set, ok()),
        row::<V5_3>("v5.3", sources::V5_3, Unset, hook_unlocked(circle())),
        row::<V5_11>("v5.11", V5_11_SOURCE, Set, deadlocks(circle())),
        row::<V5_11>("v5.11", V5_11_SOURCE, Unset, hook_unlocked(circle())),
        row::<V5_13>("v5.13", V5_13_SOURCE, Set, ok()),
        row::<V5_13>("v5.13", V5_13_SOURCE, Unset, hook_unlocked(circle_by_flag())),
        // Attaching publishes the hook while the flag is still set, so PQAP(AQIC) can wait here
        // too.
        row::<V5_15Bisect>(
            "v5.15-bisect",
            BISECT_SOURCE,
            Set,
            Claims {
                infeasible: vec![vec!["kvm_busy", "pqap_hook_rwsem"], by_flag_and_hook()],
                ..deadlocks(circle_by_flag())
            },
        ),
        // The hook is cleared before `kvm->lock` is taken. A thread that waits for the flag then
        // already blocks the semaphore.
        row::<V5_15Bisect>(
            "v5.15-bisect",
            BISECT_SOURCE,
            Unset,
            Claims {
                pqap_update: vec![flag_and_hook()],
                all_three: vec![flag_and_hook()],
                infeasible: vec![vec!["kvm->lock", "kvm_busy", "vcpu->mutex"], by_flag_and_hook()],
            },
        ),
        row::<V5_15>("v5.15", sources::V5_15, Set, ok()),
        row::<V5_15>("v5.15", sources::V5_15, Unset, ok()),
        row::<V5_19>("v5.19", sources::V5_19, Set, ok()),
        row::<V5_19>("v5.19", sources::V5_19, Unset, ok()),
    ];
    for update in [Assign, Unassign, Probe, Remove] {
        all.push(row::<P15>("p15", sources::P15, update, deadlocks(circle())));
    }
    for update in [Set, Unset, Assign, Unassign, Probe, Remove] {
        all.push(row::<P17>("p17", sources::P17, update, ok()));
    }
    for update in [Set, Unset] {
        // lockdep also sees a detour over guests_lock, which no thread can reach.
        let detour = vec!["guests_lock", "kvm->lock", "pqap_hook_lock", "vcpu->mutex"];
        let claims = Claims { infeasible: vec![detour], ..deadlocks(circle_by_hook_lock()) };
        all.push(row::<P17HookKept>("p17-hook-kept", sources::P17, update, claims));
    }
    for update in Update::ALL {
        all.push(row::<V6_0>("v6.0", sources::V6_0, update, ok()));
        all.push(row::<V6_2>("v6.2", sources::V6_2, update, ok()));
        all.push(row::<V6_4>("v6.4", sources::V6_4, update, ok()));
        all.push(row::<V6_6>("v6.6", sources::V6_6, update, ok()));
        all.push(row::<V6_8>("v6.8", sources::V6_8, update, ok()));
        all.push(row::<V6_15>("v6.15", sources::V6_15, update, ok()));
        all.push(row::<V6_19>("v6.19", sources::V6_19, update, ok()));
        all.push(row::<V2026>("2026", sources::V2026, update, ok()));
    }
    let mut scenarios: Vec<Scenario> = all.into_iter().flatten().collect();
    scenarios.push(vmm_stops_its_vcpus());
    scenarios
}

/// An operation that changes the resources of a guest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    /// Opens its mediated device.
    Set,
    /// Closes its mediated device.
    Unset,
    /// Assigns an adapter.
    Assign,
    /// Unassigns an adapter.
    Unassign,
    /// Binds a queue to the driver.
    Probe,
    /// Unbinds a queue from the driver.
    Remove,
    /// Removes an adapter from the host's configuration.
    Config,
}

impl Update {
    pub(super) const ALL: [Self; 7] = [
        Self::Set,
        Self::Unset,
        Self::Assign,
        Self::Unassign,
        Self::Probe,
        Self::Remove,
        Self::Config,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Unset => "unset",
            Self::Assign => "assign",
            Self::Unassign => "unassign",
            Self::Probe => "probe",
            Self::Remove => "remove",
            Self::Config => "config",
        }
    }

    /// Returns the name of its thread.
    fn thread(self) -> &'static str {
        match self {
            Self::Set => "set_kvm",
            Self::Unset => "unset_kvm",
            Self::Assign => "assign_adapter_store",
            Self::Unassign => "unassign_adapter_store",
            Self::Probe => "probe_queue",
            Self::Remove => "remove_queue",
            Self::Config => "ap_scan_bus",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Set => "the guest's device is opened",
            Self::Unset => "the guest's device is closed",
            Self::Assign => "an adapter is assigned to the guest's device",
            Self::Unassign => "an adapter is unassigned from the guest's device",
            Self::Probe => "a queue of the guest's device is bound to the driver",
            Self::Remove => "a queue of the guest's device is unbound from the driver",
            Self::Config => "the host loses an adapter that the guest has",
        }
    }

    fn world<V: Version>(self) -> World {
        let adapters: &[u8] = match self {
            Self::Assign => &[],
            // Another adapter than the one whose queue interrupts, since its pages would stay
            // pinned (B31).
            Self::Config => &[1, 2],
            _ => &[1],
        };
        let matrices = [matrix(adapters), matrix(&[])];
        let queues = [1, 2, 3].map(|apid| ApQueue::new(Apqn { apid, apqi: 4 }));
        let world = World::with_queues::<V>(2, 1, &matrices, queues);
        if self != Self::Set {
            V::set_kvm(&world, 0, 0).expect("the guest has no other device");
        }
        if self == Self::Config {
            // Before 2026 every device must have a guest (B18).
            V::set_kvm(&world, 1, 1).expect("the guest has no other device");
        }
        if self == Self::Probe {
            world.bus.unbind(&world, QUEUE);
        }
        world
    }

    fn run<V: Version>(self, w: &World) {
        match self {
            Self::Set => V::set_kvm(w, 0, 0).expect("the guest has no other device"),
            Self::Unset => V::close(w, 0),
            Self::Assign => _ = V::assign_adapter_store(w, 0, 1),
            Self::Unassign => V::unassign_adapter_store(w, 0, 1).expect("unassigning never fails"),
            Self::Probe => w.bus.bind(w, QUEUE),
            Self::Remove => w.bus.unbind(w, QUEUE),
            Self::Config => {
                let old = ApConfig::everything();
                let mut new = old;
                new.matrix.apm.set(2, false);
                w.ap_scan_bus(&old, &new);
            }
        }
    }
}

/// The expected violations of a design. An empty list means that a proof is expected. The
/// administrator of another device adds no violation to those of the three.
#[derive(Default)]
struct Claims {
    /// The violations with PQAP(AQIC) and the update.
    pqap_update: Vec<ViolationKind>,
    /// The violations with PQAP(AQIC), the update and the PV ioctl, with and without the
    /// administrator.
    all_three: Vec<ViolationKind>,
    /// The cycles that lockdep predicts where all their classes occur, and that cannot happen.
    infeasible: Vec<Vec<&'static str>>,
}

impl Claims {
    /// Returns the infeasible cycles. Those without `kvm->lock` also appear without the PV ioctl.
    fn infeasible(&self, with_pv: bool) -> impl Iterator<Item = &Vec<&'static str>> {
        let shows = move |classes: &&Vec<&str>| with_pv || !classes.contains(&"kvm->lock");
        self.infeasible.iter().filter(shows)
    }
}

/// The versions with changing memory slots of a guest: one for each way to protect the hook.
const SLOTS: [&str; 3] = ["v5.13", "v5.15", "2026"];

/// Returns the scenarios of one version and one update.
fn row<V: Version>(version: &str, source: &str, update: Update, claims: Claims) -> Vec<Scenario> {
    let new = |threads: &str, about: &str| {
        let name = format!("vfio-ap/matrix/{version}-{}/{threads}", update.name());
        Scenario::builder(name, move || update.world::<V>())
            .about(about.replace("{}", update.about()))
            .source(source)
            .finally(|w| {
                invariants::check(w);
                w.at_rest::<V>();
            })
    };
    let pqap =
        |cell: ScenarioBuilder<World>| cell.thread("PQAP(AQIC)", |w| _ = w.pqap::<V>(0, 0, ENABLE));
    let upd =
        |cell: ScenarioBuilder<World>| cell.thread(update.thread(), move |w| update.run::<V>(w));
    let pv = |cell: ScenarioBuilder<World>| cell.thread("PV ioctl", |w| w.guest(0).pv_command());
    let admin = |cell: ScenarioBuilder<World>| {
        cell.thread("another device", |w| _ = V::assign_adapter_store(w, 1, 3))
    };
    let claim = |cell: ScenarioBuilder<World>, kinds: &[ViolationKind], with_pv: bool| {
        let claimed = match kinds {
            [] => cell.expect_proof(),
            kinds => cell.expect_violations(kinds.iter().cloned()),
        };
        let infeasible = claims.infeasible(with_pv);
        infeasible.fold(claimed, |cell, classes| cell.expect_inversion(classes.iter().copied()))
    };
    let slots =
        |cell: ScenarioBuilder<World>| cell.thread("slots", |w| w.guest(0).set_memory_region());
    let two = upd(pqap(new("pqap-upd", "{} while it executes PQAP(AQIC)")));
    let three =
        pv(upd(pqap(new("pqap-upd-pv", "{} while it executes PQAP(AQIC) and becomes protected"))));
    let four = "{} while it executes PQAP(AQIC) and becomes protected, with an administrator";
    let four = admin(pv(upd(pqap(new("pqap-upd-pv-admin", four)))));
    let mut row = vec![
        claim(two, &claims.pqap_update, false),
        pv(upd(new("upd-pv", "{} while it becomes protected"))).expect_proof(),
        pv(pqap(new("pqap-pv", "the guest executes PQAP(AQIC) while it becomes protected")))
            .expect_proof(),
        claim(three, &claims.all_three, true),
        claim(four, &claims.all_three, true),
    ];
    if update == Update::Unset && SLOTS.contains(&version) {
        // Closing the device waits for more than any other update.
        let memory = "{} while it executes PQAP(AQIC) and its memory slots change";
        let memory = slots(upd(pqap(new("pqap-upd-slots", memory))));
        row.push(claim(memory, &claims.pqap_update, false));
    }
    row
}

/// Builds the scenario of a VMM that stops its vCPUs before it makes the guest protected, as QEMU
/// does. lockdep sees the cycle, but the threads cannot be in all three places at once.
fn vmm_stops_its_vcpus() -> Scenario {
    Scenario::builder("vfio-ap/matrix/v5.11-set/stopped-vcpus", || Update::Set.world::<V5_11>())
        .about("the VMM stops its vCPUs before the PV ioctl, so lockdep's cycle cannot close")
        .source(V5_11_SOURCE)
        .thread("VMM", |w| {
            _ = w.pqap::<V5_11>(0, 0, ENABLE);
            w.guest(0).pv_command();
        })
        .thread("set_kvm", |w| V5_11::set_kvm(w, 0, 0).expect("the guest has no other device"))
        .finally(|w| w.at_rest::<V5_11>())
        .expect_proof()
        .expect_inversion(["kvm->lock", "matrix_dev->lock", "vcpu->mutex"])
}

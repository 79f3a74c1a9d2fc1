//! Resets of queues with the locks for an update held, and the work item that completes them.
//!
//! PQAP(ZAPQ) begins a reset, and the queue is clean when it ends. Up to v6.5 the driver polled
//! twice and assumed that this was enough. Since v6.6 a work item per queue polls every 20 ms until
//! the reset is complete, without a limit. The work takes no lock of the driver. The thread that
//! has begun the reset waits for the work (`flush_work`) with `mdevs_lock` held, and mostly with
//! `guests_lock` and `kvm->lock` too. The work would therefore deadlock if it took one of these:
//! `vfio-ap/mutants/flush`.
//!
//! Source: commits dd174833e44e, 62aab082e999 and 9261f0438835, v6.6; f848cba767e5, v6.8.

use std::fmt;
use std::sync::Arc;

use selvedge_core::thread::{JoinHandle, spawn};
use selvedge_core::{function, invariant_broken};

use super::ap_queue::{Irq, ResponseCode};
use super::hardware::Hardware;
use super::locks::UpdateLocks;
use super::matrix_dev::Mdevs;
use super::reset::{Outcome, Protocol, State, vfio_ap_mdev_reset_queue};
use super::type1::Type1;
use super::world::World;
use crate::Errno;
use crate::ap::{ApMask, Apqn};
use crate::vfio_ap::versions::commits::Commit;

/// The additional step of a mutant of the work when the reset is complete. No version has one.
#[derive(Clone)]
pub struct Mutation(Arc<dyn Fn() + Send + Sync>);

impl Mutation {
    /// Creates a mutation in which the work also calls `function`.
    pub fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }
}

impl fmt::Debug for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutation").finish_non_exhaustive()
    }
}

/// A reset to be verified, which is the data of the work item.
struct Reset {
    hardware: Arc<Hardware>,
    iommu: Arc<Type1>,
    apqn: Apqn,
    /// The resources of the queue's interrupts.
    saved: Option<Irq>,
    protocol: Protocol,
    state: State,
    mutation: Option<Mutation>,
}

impl Reset {
    /// Models `apq_reset_check`, the work, which waits for the end of the reset and then releases
    /// the resources of the interrupts.
    ///
    /// Locks: `iommu->lock`.
    fn verify(mut self) -> Outcome {
        let _function = function("apq_reset_check");
        loop {
            if let Some(outcome) = self.look() {
                if let Some(Mutation(function)) = &self.mutation {
                    function();
                }
                return outcome;
            }
            self.hardware.wait_for_reset(self.apqn);
        }
    }

    /// Advances the reset without waiting, and returns the outcome if it is done.
    fn look(&mut self) -> Option<Outcome> {
        loop {
            let status = match self.state {
                State::Zapq { .. } | State::ZapqAgain => self.hardware.zapq(self.apqn),
                State::Tapq { .. } | State::Verify { .. } => self.hardware.tapq(self.apqn),
                State::Done(outcome) => {
                    self.finish(outcome);
                    return Some(outcome);
                }
            };
            let next = self.protocol.next(self.state, status);
            if next == self.state {
                return None;
            }
            self.state = next;
        }
    }

    fn finish(&self, outcome: Outcome) {
        if let Some(irq) = self.saved.filter(|_| outcome.frees) {
            self.hardware.gisc_unregister(irq);
            self.iommu.vfio_unpin_pages(&self.hardware, irq);
        }
    }
}

/// A reset that has begun, and the work that completes it.
enum Work {
    /// The reset completed at once, so there is nothing to wait for.
    Done(Outcome),
    /// The work is on `system_long_wq`.
    Queued(JoinHandle<Outcome>),
}

/// Returns the reset of the version.
fn protocol(w: &World) -> Protocol {
    let since = [
        (Commit::CheckstopHandled, Protocol::V6_8),
        (Commit::ResetVerifiedByWork, Protocol::V6_6),
        (Commit::ResetPolled, Protocol::V6_4),
    ];
    let last = since.into_iter().find(|(commit, _)| w.has(*commit));
    last.map_or(Protocol::V5_11, |(_, protocol)| protocol)
}

/// Models `vfio_ap_mdev_reset_queue` since v6.6, which begins the reset and queues the work.
fn begin_reset(w: &World, mdevs: &Mdevs, apqn: Apqn) -> Option<Work> {
    let _function = function("vfio_ap_mdev_reset_queue");
    let saved = mdevs.queues.get(&apqn)?.saved;
    let (hardware, iommu) = (Arc::clone(&w.hardware), Arc::clone(&w.iommu));
    let mutation = w.own.of().cloned();
    let protocol = protocol(w);
    let state = protocol.begin();
    let mut reset = Reset { hardware, iommu, apqn, saved, protocol, state, mutation };
    Some(match reset.look() {
        Some(outcome) => Work::Done(outcome),
        None => Work::Queued(spawn("reset_work", move || reset.verify())),
    })
}

/// Models `flush_work(&q->reset_work)`.
fn flush(w: &World, mdevs: &mut Mdevs, apqn: Apqn, work: Work) -> Result<(), Errno> {
    let outcome = match work {
        Work::Done(outcome) => outcome,
        Work::Queued(work) => work.join(),
    };
    let queue = mdevs.queues.get_mut(&apqn).expect("a queue whose reset has begun is bound");
    queue.reset_failed = !outcome.passes_filter(protocol(w));
    if outcome.frees {
        queue.saved = None;
    }
    outcome.result
}

/// Models `vfio_ap_mdev_reset_queues` and `vfio_ap_mdev_reset_qlist`, which reset these queues.
/// Since v6.6 all resets begin before the first wait.
///
/// # Errors
///
/// [`Errno::Eio`] if a queue could not be reset.
#[track_caller]
pub fn vfio_ap_mdev_reset_qlist(
    w: &World,
    mdevs: &mut Mdevs,
    queues: &[Apqn],
) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_reset_qlist");
    let mut failed = false;
    if w.has(Commit::ResetVerifiedByWork) {
        let begin = |apqn: &Apqn| Some((*apqn, begin_reset(w, mdevs, *apqn)?));
        let begun: Vec<_> = queues.iter().filter_map(begin).collect();
        for (apqn, work) in begun {
            failed |= flush(w, mdevs, apqn, work).is_err();
        }
    } else {
        for apqn in queues {
            let outcome = vfio_ap_mdev_reset_queue(w, mdevs, *apqn, protocol(w));
            if let Some(queue) = mdevs.queues.get_mut(apqn) {
                // The filter does not use the result.
                queue.reset_failed = outcome.reset_rc != ResponseCode::Normal;
                failed |= outcome.result.is_err();
            }
        }
    }
    if failed { Err(Errno::Eio) } else { Ok(()) }
}

/// Models `reset_queues_for_apids`, which resets the queues of adapters that a guest has lost.
///
/// # Violations
///
/// `RESET-IN-USE` if the guest has not lost them.
#[track_caller]
pub fn vfio_ap_mdev_reset_queues_of(
    w: &World,
    locks: &mut UpdateLocks<'_>,
    mdev: usize,
    apids: &ApMask,
) {
    let _function = function("reset_queues_for_apids");
    let shadow = locks.mdevs.mdevs[mdev].shadow_apcb.matrix;
    let queues: Vec<Apqn> = locks.mdevs.hashed(mdev);
    let lost = |apqn: &Apqn| apids.test(apqn.apid) && shadow.aqm.test(apqn.apqi);
    let queues: Vec<Apqn> = queues.into_iter().filter(lost).collect();
    if let Some(apqn) = queues.iter().find(|apqn| shadow.contains(**apqn)) {
        let message = format!("queue {apqn} is reset while the guest uses it");
        invariant_broken("RESET-IN-USE", message);
    }
    _ = vfio_ap_mdev_reset_qlist(w, &mut locks.mdevs, &queues);
}

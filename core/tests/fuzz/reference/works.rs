//! Works, and their workqueue: kernel/workqueue.c, v6.6.

use std::collections::{BTreeMap, BTreeSet};

use super::super::program::{Instr, Program, WORKQUEUE};
use super::{Done, Phase, State};

/// The works of a program. They belong to one workqueue, or each runs independently.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Works {
    /// The number that run at a time, if they belong to one workqueue.
    max_active: Option<usize>,
    /// The pending works; if they belong to one workqueue, in the order in which they were queued.
    pending: Vec<usize>,
    running: BTreeSet<usize>,
    /// The waiting threads.
    waiting: BTreeMap<usize, Waiter>,
    /// The number of threads that drain the workqueue.
    draining: usize,
    destroying: bool,
    destroyed: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Waiter {
    /// How often each work still has to return.
    returns: BTreeMap<usize, u8>,
    /// The work that it cancels.
    cancels: Option<usize>,
}

impl Works {
    pub(super) fn new(max_active: Option<usize>) -> Self {
        Self { max_active, ..Self::default() }
    }

    pub(super) fn is_pending(&self, w: usize) -> bool {
        self.pending.contains(&w)
    }

    pub(super) fn runs(&self, w: usize) -> bool {
        self.running.contains(&w)
    }

    pub(super) fn on_workqueue(&self) -> bool {
        self.max_active.is_some()
    }

    pub(super) fn running(&self) -> impl Iterator<Item = usize> {
        self.running.iter().copied()
    }

    /// The works that run and that `me` waits for.
    pub(super) fn awaited(&self, me: usize) -> impl Iterator<Item = usize> {
        self.running().filter(move |w| self.waiting[&me].returns.contains_key(w))
    }

    /// queue_work_on: "%false if @work was already on a queue", which is the pending bit.
    /// __cancel_work_timer keeps that bit while it waits.
    fn is_claimed(&self, w: usize) -> bool {
        self.is_pending(w) || self.waiting.values().any(|waiter| waiter.cancels == Some(w))
    }

    fn queue(&mut self, w: usize) {
        self.pending.push(w);
        if !self.on_workqueue() {
            self.pending.sort_unstable();
        }
    }

    /// __queue_work: a work that is queued while max_active works are in flight is inactive, and
    /// pwq_dec_nr_in_flight activates the first of those when one is done. The first of the queue
    /// are therefore active. Documentation/core-api/workqueue.rst specifies the order in which they
    /// begin only for an ordered workqueue, of which one is active. A work does not run on two CPUs
    /// at a time (find_worker_executing_work).
    fn may_begin(&self, w: usize) -> bool {
        let Some(place) = self.pending.iter().position(|pending| *pending == w) else {
            return false;
        };
        let most = self.max_active.unwrap_or(usize::MAX);
        !self.runs(w) && place + self.running.len() < most
    }

    /// Returns how often `w` returns before it is idle, if nothing else is queued.
    fn returns(&self, w: usize) -> u8 {
        u8::from(self.is_pending(w)) + u8::from(self.runs(w))
    }

    fn end(&mut self, w: usize) {
        self.running.remove(&w);
        for waiter in self.waiting.values_mut() {
            let left = waiter.returns.get(&w).map_or(0, |times| times - 1);
            waiter.set(w, left);
        }
    }

    /// Begins to wait for all of `works` that is pending or runs.
    fn wait(&mut self, me: usize, works: &[usize], cancels: Option<usize>) -> Done {
        let mut waiter = Waiter { cancels, ..Waiter::default() };
        works.iter().for_each(|w| waiter.set(*w, self.returns(*w)));
        if waiter.returns.is_empty() {
            return Done::Next;
        }
        self.waiting.insert(me, waiter);
        Done::More(Phase::Queued)
    }

    /// Takes `w` off its queue, where other threads do not wait for it any more either
    /// (pwq_dec_nr_in_flight); they do for a run of it.
    fn cancel(&mut self, w: usize) {
        self.pending.retain(|pending| *pending != w);
        let left = self.returns(w);
        for waiter in self.waiting.values_mut() {
            let times = waiter.returns.get(&w).copied().unwrap_or(0);
            waiter.set(w, times.min(left));
        }
    }

    fn is_over(&mut self, me: usize) -> Option<Done> {
        self.waiting[&me].returns.is_empty().then(|| self.waiting.remove(&me))?;
        Some(Done::Next)
    }

    fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.running.is_empty()
    }
}

impl Waiter {
    fn set(&mut self, w: usize, times: u8) {
        match times {
            0 => _ = self.returns.remove(&w),
            _ => _ = self.returns.insert(w, times),
        }
    }
}

impl State {
    /// Performs an operation on a work or a workqueue, if it is one: `Some(None)` is a wait.
    pub(super) fn later(
        &mut self,
        program: &Program,
        me: usize,
        instr: Instr,
    ) -> Option<Option<Done>> {
        let queued = self.threads[me].phase == Phase::Queued;
        let works = &mut self.works;
        let done = match instr {
            Instr::QueueWork(w) => {
                self.queue_work(program, me, w);
                Done::Next
            }
            Instr::WorkBegins(w) => {
                if !works.may_begin(w) {
                    return Some(None);
                }
                works.pending.retain(|pending| *pending != w);
                works.running.insert(w);
                Done::Next
            }
            Instr::WorkReturns(w) => {
                works.end(w);
                Done::Next
            }
            Instr::FlushWork(_) | Instr::CancelWork(_) | Instr::FlushWorkqueue if queued => {
                return Some(works.is_over(me));
            }
            // flush_work: "wait for a work to finish executing the last queueing instance".
            Instr::FlushWork(w) => works.wait(me, &[w], None),
            // cancel_work_sync: "On return from this function, @work is guaranteed to be not
            // pending or executing on any CPU"; "Return: %true if @work was pending, %false
            // otherwise".
            Instr::CancelWork(w) => {
                self.threads[me].log.push(u64::from(works.pending.contains(&w)));
                works.cancel(w);
                works.wait(me, &[w], Some(w))
            }
            Instr::FlushWorkqueue | Instr::DrainWorkqueue if !queued && works.destroyed => {
                self.violate(format!("use-after-release({WORKQUEUE})"));
                Done::Next
            }
            // flush_workqueue: "sleeps until all work items which were queued on entry have
            // finished execution, but it is not livelocked by new incoming ones".
            Instr::FlushWorkqueue => {
                let all: Vec<usize> = (0..program.works.len()).collect();
                works.wait(me, &all, None)
            }
            // drain_workqueue: "Wait until the workqueue becomes empty".
            Instr::DrainWorkqueue | Instr::DestroyWorkqueue if queued => {
                if !works.is_empty() {
                    return Some(None);
                }
                match instr {
                    Instr::DrainWorkqueue => works.draining -= 1,
                    _ => works.destroyed = true,
                }
                Done::Next
            }
            Instr::DrainWorkqueue => {
                works.draining += 1;
                Done::More(Phase::Queued)
            }
            // destroy_workqueue: "Safely destroy a workqueue. All work currently pending will be
            // done first". It is freed once.
            Instr::DestroyWorkqueue if works.destroying => {
                self.violate(format!("double-release({WORKQUEUE})"));
                Done::Next
            }
            Instr::DestroyWorkqueue => {
                works.destroying = true;
                Done::More(Phase::Queued)
            }
            _ => return None,
        };
        Some(Some(done))
    }

    /// Logs whether the work was queued.
    fn queue_work(&mut self, program: &Program, me: usize, w: usize) {
        let claimed = self.works.is_claimed(w);
        if !claimed {
            if let Some(violation) = self.forbids_to_queue(program, me) {
                return self.violate(violation);
            }
            self.works.queue(w);
        }
        self.threads[me].log.push(u64::from(!claimed));
    }

    /// __queue_work: "For a draining wq, only works from the same workqueue are allowed. The
    /// __WQ_DESTROYING helps to spot the issue that queues a new work item to a wq after
    /// destroy_workqueue(wq)."
    fn forbids_to_queue(&self, program: &Program, me: usize) -> Option<String> {
        let works = &self.works;
        let chained = works.running().any(|w| program.works[w] == me);
        if works.destroyed || (works.destroying && !chained) {
            return Some(format!("use-after-release({WORKQUEUE})"));
        }
        (works.draining > 0 && !chained).then(|| "invariant(drain_workqueue)".to_owned())
    }
}

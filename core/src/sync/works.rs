//! The works that are queued on a workqueue or run, and the threads that wait for them: the common
//! part of works and workqueues.

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, REFUSED, Ready};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime;

/// The work was on the queue already, or is being cancelled.
pub(super) const NOT_QUEUED: u64 = 0;
/// The work was queued, and it has a worker.
const QUEUED: u64 = 1;
/// The work was queued, and it has no worker yet.
pub(super) const QUEUED_WITHOUT_WORKER: u64 = 2;
/// The queue is being drained, and the caller is not a work of the queue.
pub(super) const DRAINED: u64 = 3;

/// The bit of a reply that says that the work was pending before.
pub(super) const WAS_PENDING: u64 = 4;

/// The reply to an enable without a disable before.
pub(super) const UNBALANCED: u64 = 2;

/// There is something to wait for.
const WAITS: u64 = 1;
/// The work was on the queue.
const WAS_QUEUED: u64 = 2;

/// Performs `what`, and then `wait` if there is something to wait for. Returns whether the work was
/// on the queue. The thread does not know afterwards whether it had to wait: its local state is the
/// same as without a wait.
pub(super) fn do_and_wait(perform: impl Fn(OpKind) -> u64, what: OpKind, wait: OpKind) -> bool {
    let before = runtime::round();
    let reply = perform(what);
    let observed = reply & !WAITS;
    if observed != reply {
        perform(wait);
        runtime::as_if_observed(before, observed);
    }
    observed == WAS_QUEUED
}

/// A work of the queue: the number that its operations have as `b`.
type Number = u64;

/// A thread that waits for works.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Waiter {
    thread: ThreadId,
    /// The works, and how often each of them has to return. Sorted.
    returns: SmallVec<[(Number, u8); 1]>,
    /// The work that it cancels, which cannot be queued meanwhile.
    cancels: Option<Number>,
}

/// The state of a queue and its works.
#[derive(Clone)]
pub(super) struct Works {
    /// The number of works that may run at a time.
    max_active: usize,
    /// The queued works, in the order in which they run.
    queued: SmallVec<[Number; 2]>,
    /// The running works, each with the thread that runs it. Sorted.
    running: SmallVec<[(Number, ThreadId); 2]>,
    /// The works that have a worker. Sorted.
    served: SmallVec<[Number; 2]>,
    /// The waiting threads. Sorted.
    waiting: SmallVec<[Waiter; 2]>,
    /// The works whose delay is not over, which are not on the queue yet. Sorted.
    delayed: SmallVec<[Number; 1]>,
    /// The works that have a thread for their delay. Sorted.
    timed: SmallVec<[Number; 1]>,
    /// The works that are disabled, each as often as it is. Sorted.
    disabled: SmallVec<[Number; 1]>,
    /// Whether the queue can be frozen.
    freezable: bool,
    /// If the queue is frozen, the number of works at its head that can still begin.
    frozen: Option<usize>,
    /// The number of threads that wait until nothing is left.
    drainers: u8,
    /// Whether the queue is being destroyed.
    dying: bool,
    destroyed: bool,
}

impl Works {
    /// Creates an empty queue that runs at most `max_active` works at a time.
    pub(super) fn new(max_active: usize) -> Self {
        Self {
            max_active,
            queued: SmallVec::new(),
            running: SmallVec::new(),
            served: SmallVec::new(),
            waiting: SmallVec::new(),
            delayed: SmallVec::new(),
            timed: SmallVec::new(),
            disabled: SmallVec::new(),
            freezable: false,
            frozen: None,
            drainers: 0,
            dying: false,
            destroyed: false,
        }
    }

    /// Makes the queue freezable.
    pub(super) fn freezable(self) -> Self {
        Self { freezable: true, ..self }
    }

    /// Returns the number of works at the head of the queue that are active, which means that they
    /// can begin. At most `max_active` run, and on a frozen queue no further work becomes active.
    fn active(&self) -> usize {
        let room = self.max_active.saturating_sub(self.running.len());
        self.frozen.unwrap_or(room.min(self.queued.len()))
    }

    /// Takes `work` off the queue or its timer, and returns whether it was on it.
    fn take_off(&mut self, work: Number) -> bool {
        if let Some(place) = self.delayed.iter().position(|delayed| *delayed == work) {
            self.delayed.remove(place);
            return true;
        }
        let Some(place) = self.queued.iter().position(|queued| *queued == work) else {
            return false;
        };
        self.queued.remove(place);
        if let Some(active) = &mut self.frozen {
            *active -= usize::from(place < *active);
        }
        true
    }

    /// Returns whether `me` runs a work of the queue.
    fn chained(&self, me: ThreadId) -> bool {
        self.running.iter().any(|(_, thread)| *thread == me)
    }

    fn queue(&mut self, me: ThreadId, work: Number) -> Result<u64, Fault> {
        if self.is_claimed(work) {
            return Ok(NOT_QUEUED);
        }
        self.enqueue(me, work)
    }

    /// Returns whether `work` cannot be queued. A pending work is known by its own bit: its queue
    /// is not touched (queue_work_on).
    fn is_claimed(&self, work: Number) -> bool {
        let kept_off = self.waiting.iter().any(|waiter| waiter.cancels == Some(work));
        let pending = self.queued.contains(&work) || self.delayed.contains(&work);
        kept_off || pending || self.disabled.contains(&work)
    }

    /// Starts the delay of a work.
    fn delay(&mut self, work: Number) -> u64 {
        if self.is_claimed(work) {
            return NOT_QUEUED;
        }
        self.delayed.push(work);
        self.delayed.sort_unstable();
        if self.timed.contains(&work) {
            return QUEUED;
        }
        self.timed.push(work);
        self.timed.sort_unstable();
        QUEUED_WITHOUT_WORKER
    }

    /// Ends the delay of a work: delayed_work_timer_fn queues it. Without an engine its thread ends
    /// where it would idle.
    fn delay_ends(&mut self, me: ThreadId, work: Number) -> Result<u64, Fault> {
        if !self.delayed.contains(&work) {
            self.timed.retain(|timed| *timed != work);
            return Ok(REFUSED);
        }
        self.take_off(work);
        self.enqueue(me, work)
    }

    fn disable(&mut self, work: Number) {
        self.disabled.push(work);
        self.disabled.sort_unstable();
    }

    /// Undoes one disable, and returns whether the work can be queued again.
    fn enable(&mut self, work: Number) -> u64 {
        let Some(place) = self.disabled.iter().position(|disabled| *disabled == work) else {
            return UNBALANCED;
        };
        self.disabled.remove(place);
        u64::from(!self.disabled.contains(&work))
    }

    fn enqueue(&mut self, me: ThreadId, work: Number) -> Result<u64, Fault> {
        if self.destroyed || (self.dying && !self.chained(me)) {
            return Err(Fault::UseAfterRelease);
        }
        if self.drainers > 0 && !self.chained(me) {
            return Ok(DRAINED);
        }
        self.queued.push(work);
        if self.served.contains(&work) {
            return Ok(QUEUED);
        }
        self.served.push(work);
        self.served.sort_unstable();
        Ok(QUEUED_WITHOUT_WORKER)
    }

    /// Returns whether `work` is on the queue and can begin.
    fn begins(&self, work: Number) -> bool {
        self.queued[..self.active()].contains(&work)
    }

    fn begin(&mut self, me: ThreadId, work: Number) -> u64 {
        if !self.take_off(work) {
            self.served.retain(|served| *served != work);
            return REFUSED;
        }
        self.running.push((work, me));
        self.running.sort_unstable();
        0
    }

    fn end(&mut self, work: Number) {
        self.running.retain(|(running, _)| *running != work);
        for waiter in &mut self.waiting {
            let of_work = waiter.returns.iter_mut().filter(|(awaited, _)| *awaited == work);
            of_work.for_each(|(_, times)| *times -= 1);
            waiter.returns.retain(|(_, times)| *times > 0);
        }
    }

    /// Returns how often `work` returns before it is idle, if nothing else is queued.
    fn returns(&self, work: Number) -> u8 {
        let runs = self.running.iter().any(|(running, _)| *running == work);
        u8::from(runs) + u8::from(self.queued.contains(&work))
    }

    /// Begins to wait for `works`, if there is anything to wait for, and returns whether there is.
    fn wait(
        &mut self,
        thread: ThreadId,
        works: impl IntoIterator<Item = Number>,
        cancels: Option<Number>,
    ) -> u64 {
        let awaited = works.into_iter().map(|work| (work, self.returns(work)));
        let mut returns: SmallVec<[_; 1]> = awaited.filter(|(_, times)| *times > 0).collect();
        if returns.is_empty() {
            return 0;
        }
        returns.sort_unstable();
        returns.dedup();
        self.waiting.push(Waiter { thread, returns, cancels });
        self.waiting.sort_unstable();
        WAITS
    }

    fn flush(&mut self, me: ThreadId) -> u64 {
        let running = self.running.iter().map(|(work, _)| *work);
        let all: SmallVec<[Number; 4]> = self.queued.iter().copied().chain(running).collect();
        self.wait(me, all, None)
    }

    /// Takes the work off the queue, where no thread waits for it any more. Returns whether it was
    /// on the queue.
    fn cancel(&mut self, work: Number) -> u64 {
        let reply = if self.take_off(work) { WAS_QUEUED } else { 0 };
        let left = self.returns(work);
        for waiter in &mut self.waiting {
            let of_work = waiter.returns.iter_mut().filter(|(awaited, _)| *awaited == work);
            of_work.for_each(|(_, times)| *times = left.min(*times));
            waiter.returns.retain(|(_, times)| *times > 0);
        }
        reply
    }

    fn place(&self, me: ThreadId) -> usize {
        self.waiting.iter().position(|waiter| waiter.thread == me).expect("it has begun to wait")
    }
}

impl Machine for Works {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::WorkBegins => Ready::when(self.begins(op.b)),
            OpKind::DelayEnds => Ready::when(self.delayed.contains(&op.b)),
            OpKind::AwaitWork | OpKind::AwaitCancel | OpKind::AwaitFlush => {
                Ready::when(self.waiting[self.place(me)].returns.is_empty())
            }
            OpKind::AwaitDrain | OpKind::AwaitDestroy => {
                Ready::when(self.queued.is_empty() && self.running.is_empty())
            }
            _ => Ready::YES,
        }
    }

    fn idles(&self, op: Op) -> bool {
        match op.kind {
            OpKind::WorkBegins => !self.queued.contains(&op.b),
            OpKind::DelayEnds => !self.delayed.contains(&op.b),
            _ => false,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        let work = op.b;
        match op.kind {
            OpKind::QueueWork => return self.queue(me, work),
            OpKind::WorkBegins => return Ok(self.begin(me, work)),
            OpKind::WorkReturns => self.end(work),
            OpKind::FlushWork => return Ok(self.wait(me, [work], None)),
            OpKind::FlushDelayedWork if !self.delayed.contains(&work) => return Ok(NOT_QUEUED),
            OpKind::FlushDelayedWork => return self.delay_ends(me, work),
            OpKind::QueueDelayedWork => return Ok(self.delay(work)),
            OpKind::ModDelayedWork => {
                let was = self.cancel(work);
                return Ok(self.delay(work) | if was > 0 { WAS_PENDING } else { 0 });
            }
            OpKind::DelayEnds => return self.delay_ends(me, work),
            OpKind::CancelWork => return Ok(self.cancel(work)),
            OpKind::DisableWork => {
                self.disable(work);
                return Ok(self.cancel(work));
            }
            OpKind::DisableWorkSync => {
                self.disable(work);
                return Ok(self.cancel(work) | self.wait(me, [work], Some(work)));
            }
            OpKind::EnableWork => return Ok(self.enable(work)),
            OpKind::CancelWorkSync => {
                return Ok(self.cancel(work) | self.wait(me, [work], Some(work)));
            }
            OpKind::AwaitWork | OpKind::AwaitCancel | OpKind::AwaitFlush => {
                self.waiting.remove(self.place(me));
            }
            OpKind::FreezeWorkqueues if self.freezable => self.frozen = Some(self.active()),
            OpKind::FreezeWorkqueues => {}
            OpKind::FreezeWorkqueuesBusy => {
                let active = self.active() + self.running.len();
                return Ok(u64::from(self.freezable && active > 0));
            }
            OpKind::ThawWorkqueues => self.frozen = None,
            OpKind::DestroyWorkqueue if self.dying => return Err(Fault::DoubleRelease),
            OpKind::FlushWorkqueue | OpKind::DrainWorkqueue if self.destroyed => {
                return Err(Fault::UseAfterRelease);
            }
            OpKind::FlushWorkqueue => return Ok(self.flush(me)),
            OpKind::DrainWorkqueue => self.drainers += 1,
            OpKind::AwaitDrain => self.drainers -= 1,
            OpKind::DestroyWorkqueue => self.dying = true,
            OpKind::AwaitDestroy => self.destroyed = true,
            other => unreachable!("{other} is not an operation of work"),
        }
        Ok(0)
    }

    /// The threads of running works, which have to return. A work that is only queued may be
    /// cancelled.
    fn blockers(&self, me: ThreadId, op: Op) -> SmallVec<[ThreadId; 4]> {
        let running = self.running.iter();
        match op.kind {
            OpKind::AwaitWork | OpKind::AwaitCancel | OpKind::AwaitFlush => {
                let returns = &self.waiting[self.place(me)].returns;
                let awaited = |work: &Number| returns.iter().any(|(awaited, _)| awaited == work);
                running.filter(|(work, _)| awaited(work)).map(|(_, thread)| *thread).collect()
            }
            OpKind::AwaitDrain | OpKind::AwaitDestroy => {
                running.map(|(_, thread)| *thread).collect()
            }
            _ => SmallVec::new(),
        }
    }

    fn encode(&self, key: &mut Vec<u64>) {
        let lengths = [self.queued.len(), self.running.len(), self.served.len()];
        key.extend(lengths.map(|length| length as u64));
        key.extend(&self.queued);
        key.extend(self.running.iter().flat_map(|(work, t)| [*work, t.index() as u64]));
        key.extend(&self.served);
        key.push(self.waiting.len() as u64);
        for Waiter { thread, returns, cancels } in &self.waiting {
            key.extend([thread.index() as u64, returns.len() as u64]);
            key.extend(returns.iter().flat_map(|(work, times)| [*work, u64::from(*times)]));
            key.push(cancels.map_or(0, |work| work + 1));
        }
        for works in [&self.delayed, &self.timed, &self.disabled] {
            key.push(works.len() as u64);
            key.extend(works);
        }
        key.push(self.frozen.map_or(0, |active| active as u64 + 1));
        key.extend([u64::from(self.drainers), u64::from(self.dying), u64::from(self.destroyed)]);
    }
}

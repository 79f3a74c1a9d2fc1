//! Readers that never wait, waits for the readers that have begun, and callbacks after such a wait:
//! the common part of RCU and SRCU.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::declare;
use crate::machine::{Fault, Machine, REFUSED, Ready, Role, WaitsFor};
use crate::op::{Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;
use crate::runtime::object::Object;
use crate::thread::spawn;

use super::RcuHead;
use super::hidden::{expose_set, rename_set, variants};

/// The operations of the callbacks of RCU, or of SRCU.
pub(super) struct Calls {
    pub(super) thread: &'static str,
    pub(super) name: &'static str,
    pub(super) call: OpKind,
    pub(super) begins: OpKind,
    pub(super) barrier: OpKind,
}

impl Calls {
    /// Runs the function of `head`, as `runs` does, in a thread of its own, after a grace period of
    /// `readers`. "Probable double call_rcu()" (`__call_rcu_common`, `kernel/rcu/tree.c`, v6.6) if
    /// it is queued: it is until its function begins.
    pub(super) fn call(
        &'static self,
        readers: &Arc<Object>,
        head: &RcuHead,
        at: Place,
        runs: impl FnOnce(&RcuHead) + Send + 'static,
    ) {
        let (number, head) = (head.number() + 1, head.handle());
        let object = Arc::clone(readers);
        let thread = spawn(self.thread, move || {
            object.perform(Op::new(OpKind::GracePeriodBegins), at);
            object.perform(Op::new(self.begins), at);
            runs(&head);
            object.perform(Op::new(OpKind::CallbackReturns), at);
        });
        // The thread waits until it is called: the call is a step, which a barrier sees.
        let op = Op::with_two(self.call, thread.id().index() as u64, number);
        if readers.perform(op, at) == REFUSED {
            declare::broken_at(self.name, "the head is queued already".to_owned(), at);
        }
    }

    /// Waits until the callbacks have returned that were called before.
    pub(super) fn barrier(&self, readers: &Object, at: Place) {
        readers.perform(Op::new(self.barrier), at);
        readers.perform(Op::new(OpKind::AwaitCallbacks), at);
    }
}

/// A read section: its reader, and its number among the reader's sections.
type Section = (ThreadId, u64);

type Sections = SmallVec<[Section; 4]>;

/// Threads that wait, each with the sections that it waits for.
type Waiting = SmallVec<[(ThreadId, Sections); 2]>;

/// The number of every section of an RCU reader, which enters the same section again if it nests.
const ONLY: u64 = 0;

type Threads = SmallVec<[ThreadId; 2]>;

/// The sections, the threads that wait for them, and the callbacks.
#[derive(Clone, Default)]
pub(crate) struct Readers {
    /// The open sections, each as often as it was entered and not left. Sorted.
    open: Sections,
    /// The threads that synchronize, each with the sections that have not ended yet. Sorted.
    waiting: Waiting,
    /// The threads of the callbacks that were called and have not returned. Sorted.
    callbacks: Threads,
    /// The heads of those that have not begun, each with the thread of its callback. Sorted.
    heads: SmallVec<[(u64, ThreadId); 2]>,
    /// The threads that wait for callbacks, each with those that have not returned yet. Sorted.
    barriers: SmallVec<[(ThreadId, Threads); 1]>,
    /// The callbacks that run on top of a thread, or are about to, each with that thread. Sorted.
    on_top: SmallVec<[(ThreadId, ThreadId); 1]>,
}

impl Readers {
    /// Returns the first number that no section of `me` has.
    fn free(&self, me: ThreadId) -> u64 {
        (0..).find(|number| !self.open.contains(&(me, *number))).expect("few sections are open")
    }

    /// Enters a section and returns its number.
    fn enter(&mut self, me: ThreadId, number: u64) -> u64 {
        self.open.push((me, number));
        self.open.sort_unstable();
        number
    }

    /// Leaves a section. If that ends it, returns the threads that were waiting for it.
    fn leave(&mut self, me: ThreadId, number: u64) -> Result<u64, Fault> {
        let section = (me, number);
        let place = self.open.iter().position(|open| *open == section).ok_or(Fault::NotOwner)?;
        self.open.remove(place);
        if self.open.contains(&section) {
            return Ok(0);
        }
        let mut waited_for_by = 0;
        for (waiter, sections) in &mut self.waiting {
            if let Some(place) = sections.iter().position(|awaited| *awaited == section) {
                sections.remove(place);
                waited_for_by |= waiter.mask();
            }
        }
        Ok(waited_for_by)
    }

    /// Begins to wait for every section that is open.
    fn wait(&mut self, me: ThreadId) {
        let mut sections = self.open.clone();
        sections.dedup();
        self.waiting.push((me, sections));
        self.waiting.sort_unstable();
    }

    /// Returns the callbacks whose grace period has begun, and which have not.
    fn begun(&self) -> impl Iterator<Item = ThreadId> {
        let begun = self.waiting.iter().map(|(waiter, _)| *waiter);
        begun.filter(|waiter| self.callbacks.contains(waiter) && self.under(*waiter).is_none())
    }

    /// Returns those of the set `due` that may begin now.
    fn arriving(&self, due: u64) -> impl Iterator<Item = ThreadId> {
        let over = |callback: &ThreadId| self.awaited(*callback).is_some_and(|s| s.is_empty());
        self.begun().filter(move |callback| due & callback.mask() != 0 && over(callback))
    }

    /// Returns the thread on top of which the callback runs.
    fn under(&self, callback: ThreadId) -> Option<ThreadId> {
        self.on_top.iter().find(|(top, _)| *top == callback).map(|(_, thread)| *thread)
    }

    /// Lets a callback of the set `due` arrive on top of `me`, or none, which is the outcome 0.
    fn arrive(&mut self, me: ThreadId, due: u64, outcome: u8) -> u64 {
        let Some(number) = outcome.checked_sub(1) else { return REFUSED };
        let callback = self.arriving(due).nth(number.into()).expect("the outcome is possible");
        self.begin(callback);
        self.on_top.push((callback, me));
        self.on_top.sort_unstable();
        callback.index() as u64
    }

    /// Queues the callback of a head, unless it is queued.
    fn call(&mut self, callback: ThreadId, head: u64) -> u64 {
        if self.heads.iter().any(|(queued, _)| *queued == head) {
            return REFUSED;
        }
        self.heads.push((head, callback));
        self.heads.sort_unstable();
        self.callbacks.push(callback);
        self.callbacks.sort_unstable();
        0
    }

    /// Takes the head off, before its function is called (`rcu_do_batch`).
    fn begin(&mut self, callback: ThreadId) {
        self.heads.retain(|(_, queued)| *queued != callback);
    }

    /// Ends the callback that `me` runs, and returns the threads that were waiting for it.
    fn returns(&mut self, me: ThreadId) -> u64 {
        self.callbacks.retain(|callback| *callback != me);
        let mut waited_for_by = self.under(me).map_or(0, ThreadId::mask);
        self.on_top.retain(|(callback, _)| *callback != me);
        for (waiter, awaited) in &mut self.barriers {
            if let Some(place) = awaited.iter().position(|callback| *callback == me) {
                awaited.remove(place);
                waited_for_by |= waiter.mask();
            }
        }
        waited_for_by
    }

    /// Begins to wait for every callback that was called. `rcu_barrier` "waits for all outstanding
    /// RCU callbacks to complete", and not for a grace period (`Documentation/RCU/rcubarrier.rst`,
    /// v6.6).
    fn bar(&mut self, me: ThreadId) {
        self.barriers.push((me, self.callbacks.clone()));
        self.barriers.sort_unstable();
    }

    /// Returns the sections that `me` waits for, if it has begun to.
    fn awaited(&self, me: ThreadId) -> Option<&Sections> {
        self.waiting.iter().find(|(waiter, _)| *waiter == me).map(|(_, sections)| sections)
    }

    /// Returns who waits when `thread`, which `waits` or not, steps out of the hidden threads.
    fn expose_waiting(&self, thread: ThreadId, waits: bool) -> Vec<Waiting> {
        if !waits {
            return vec![self.waiting.clone()];
        }
        let mut exposed = Vec::new();
        for (at, (waiter, sections)) in self.waiting.iter().enumerate() {
            if *waiter == ThreadId::HIDDEN {
                // Others may wait for the same sections, or none.
                let mut alone = self.waiting.clone();
                alone[at].0 = thread;
                let mut with_others = self.waiting.clone();
                with_others.push((thread, sections.clone()));
                exposed.extend([alone, with_others]);
            }
        }
        exposed
    }

    /// Returns the callbacks that `me` waits for.
    fn barred(&self, me: ThreadId) -> &Threads {
        let mine = self.barriers.iter().find(|(waiter, _)| *waiter == me);
        &mine.expect("it has begun to wait").1
    }
}

/// Returns the ways in which the sections of a thread that was hidden, `mine`, may be among those
/// that are waited for, all of which are `open`.
fn awaited_by(waiting: &Waiting, mine: &[Section], open: &Sections) -> Vec<Waiting> {
    let mut ways = vec![Waiting::new()];
    for (waiter, sections) in waiting {
        let mut longer = Vec::new();
        for sections in expose_awaited(sections, mine) {
            if sections.iter().all(|section| open.contains(section)) {
                longer.extend(ways.iter().map(|way| {
                    let mut way = way.clone();
                    way.push((*waiter, sections.clone()));
                    way
                }));
            }
        }
        ways = longer;
    }
    ways.iter_mut().for_each(|way| way.sort_unstable());
    ways
}

/// Returns the sections that a thread may wait for, if some of the hidden ones are `mine`.
fn expose_awaited(sections: &Sections, mine: &[Section]) -> Vec<Sections> {
    let mut ways = vec![sections.clone()];
    for section in mine {
        let hidden = (ThreadId::HIDDEN, section.1);
        if sections.contains(&hidden) {
            for mut way in ways.clone() {
                way.push(*section);
                let mut alone = way.clone();
                alone.retain(|other| *other != hidden);
                ways.extend([way, alone]);
            }
        }
    }
    ways.iter_mut().for_each(|way| way.sort_unstable());
    ways
}

impl Machine for Readers {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::GracePeriodBegins => Ready::when(self.callbacks.contains(&me)),
            OpKind::AwaitCallbacks => Ready::when(self.barred(me).is_empty()),
            OpKind::RcuArrives => {
                let arriving = u8::try_from(self.arriving(op.a).count()).unwrap_or(u8::MAX - 1);
                Ready { guaranteed: 1 + arriving, optional: 0 }
            }
            OpKind::AwaitRcuCallback => {
                Ready::when(!self.callbacks.contains(&ThreadId::new(op.a as usize)))
            }
            kind if ends_wait(kind) => Ready::when(self.awaited(me).is_some_and(|s| s.is_empty())),
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::SrcuReadLock => return Ok(self.enter(me, self.free(me))),
            OpKind::RcuReadLock => return Ok(self.enter(me, ONLY)),
            OpKind::SrcuReadUnlock | OpKind::RcuReadUnlock => return self.leave(me, op.a),
            OpKind::SynchronizeSrcu | OpKind::SynchronizeRcu | OpKind::GracePeriodBegins => {
                self.wait(me);
            }
            OpKind::CallRcu | OpKind::CallSrcu => {
                return Ok(self.call(ThreadId::new(op.a as usize), op.b));
            }
            OpKind::CallbackReturns => return Ok(self.returns(me)),
            OpKind::RcuBarrier | OpKind::SrcuBarrier => self.bar(me),
            OpKind::AwaitCallbacks => self.barriers.retain(|(waiter, _)| *waiter != me),
            OpKind::RcuDue => {
                let due = self.begun().fold(0, |all, callback| all | callback.mask());
                return Ok(if due == 0 { REFUSED } else { due });
            }
            OpKind::RcuArrives => return Ok(self.arrive(me, op.a, outcome)),
            OpKind::AwaitRcuCallback => {}
            kind if ends_wait(kind) => {
                self.begin(me);
                self.waiting.retain(|(waiter, _)| *waiter != me);
            }
            other => unreachable!("{other} is not an operation of RCU"),
        }
        Ok(0)
    }

    /// The readers in the sections that `me` waits for, or the callbacks.
    fn blockers(&self, me: ThreadId, op: Op) -> SmallVec<[ThreadId; 4]> {
        match op.kind {
            OpKind::AwaitCallbacks => self.barred(me).iter().copied().collect(),
            OpKind::AwaitRcuCallback => [ThreadId::new(op.a as usize)].into_iter().collect(),
            _ => self.awaited(me).into_iter().flatten().map(|(reader, _)| *reader).collect(),
        }
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        rename_set(&mut self.open, renaming);
        for (waiter, sections) in &mut self.waiting {
            *waiter = renaming.of(*waiter);
            rename_set(sections, renaming);
        }
        self.waiting.sort_unstable();
        // Of hidden threads that wait for the same sections one is enough.
        self.waiting.dedup_by(|one, other| one == other && one.0 == ThreadId::HIDDEN);
        renaming.apply(&mut self.callbacks);
        self.callbacks.sort_unstable();
        renaming.apply(self.heads.iter_mut().map(|(_, callback)| callback));
        self.heads.sort_unstable();
        for (waiter, awaited) in &mut self.barriers {
            *waiter = renaming.of(*waiter);
            renaming.apply(awaited.iter_mut());
            awaited.sort_unstable();
        }
        self.barriers.sort_unstable();
        renaming.apply(self.on_top.iter_mut().map(|(_, thread)| thread));
        self.on_top.sort_unstable();
        let barred = self.barriers.iter().map(|(waiter, _)| *waiter);
        let mut named = barred.chain(self.on_top.iter().map(|(_, thread)| *thread));
        named.all(|thread| thread != ThreadId::HIDDEN)
    }

    fn role(&self, thread: ThreadId) -> Role {
        let mine = self.open.iter().filter(|(reader, _)| *reader == thread);
        let waits = u64::from(self.awaited(thread).is_some());
        std::iter::once(waits).chain(mine.map(|(_, number)| *number)).collect()
    }

    fn expose(&self, thread: ThreadId, role: &Role) -> Option<Vec<Box<dyn Machine>>> {
        let mine: Vec<Section> = role[1..].iter().map(|number| (thread, *number)).collect();
        let mut states = Vec::new();
        for open in expose_set(&self.open, thread, &mine) {
            for waiting in self.expose_waiting(thread, role[0] > 0) {
                for waiting in awaited_by(&waiting, &mine, &open) {
                    states.push(Self { open: open.clone(), waiting, ..self.clone() });
                }
            }
        }
        Some(variants(states, |state| state))
    }

    fn waits_for(&self, me: ThreadId, op: Op) -> WaitsFor {
        match self.awaited(me) {
            Some(sections) if ends_wait(op.kind) => {
                WaitsFor::holders(sections.iter().map(|(reader, _)| *reader))
            }
            _ => WaitsFor::Unknown,
        }
    }

    fn encode(&self, key: &mut Vec<u64>) {
        let words = |(thread, number): &Section| [thread.index() as u64, *number];
        key.push(self.open.len() as u64);
        key.extend(self.open.iter().flat_map(words));
        key.push(self.waiting.len() as u64);
        for (waiter, sections) in &self.waiting {
            key.extend([waiter.index() as u64, sections.len() as u64]);
            key.extend(sections.iter().flat_map(words));
        }
        key.push(self.callbacks.len() as u64);
        key.extend(self.callbacks.iter().map(|callback| callback.index() as u64));
        key.push(self.barriers.len() as u64);
        for (waiter, awaited) in &self.barriers {
            key.extend([waiter.index() as u64, awaited.len() as u64]);
            key.extend(awaited.iter().map(|callback| callback.index() as u64));
        }
        key.push(self.heads.len() as u64);
        key.extend(self.heads.iter().flat_map(|(head, c)| [*head, c.index() as u64]));
        key.push(self.on_top.len() as u64);
        let indices = |(callback, thread): &(ThreadId, ThreadId)| {
            [callback.index() as u64, thread.index() as u64]
        };
        key.extend(self.on_top.iter().flat_map(indices));
    }

    fn leaked(&self) -> bool {
        !self.open.is_empty()
    }
}

/// Returns whether the operation is the end of a wait for readers.
fn ends_wait(kind: OpKind) -> bool {
    use OpKind::{AwaitGracePeriod, AwaitReaders, RcuCallback, SrcuCallback};
    matches!(kind, AwaitReaders | AwaitGracePeriod | RcuCallback | SrcuCallback)
}

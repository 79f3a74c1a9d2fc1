//! The `ww_mutex`es of a class, and the contexts that take them: which thread backs off.
//!
//! The rules are those of `kernel/locking/ww_mutex.h`, v6.6. A context has a stamp, by the order of
//! `ww_acquire_init`. All that matters of the stamps is their order, so the machine stores the
//! contexts in that order. A context that holds no lock never backs off, since no thread waits for
//! it.

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, QUEUED, REFUSED, Ready};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;

/// The reply to a context of a thread that has one already.
pub(super) const NESTED: u64 = 1;
/// The reply to a context that takes another mutex than the one that it has backed off from.
pub(super) const OTHER: u64 = 1;
/// The reply to one that takes a mutex after it should have backed off, and has not.
pub(super) const KEPT: u64 = 2;
/// The reply to one that takes the slow path and did not have to back off.
pub(super) const UNNEEDED: u64 = 3;

/// How a mutex is taken, as the first argument of an operation: with a context, ...
pub(super) const IN_CONTEXT: u64 = 1;
/// ... or with one that has backed off.
pub(super) const SLOW: u64 = 2;

/// Which of two contexts backs off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Algorithm {
    /// An older context wounds a younger one that holds what it waits for. The wounded context
    /// backs off when it would have to wait.
    WoundWait,
    /// A younger context backs off instead of waiting for an older one.
    WaitDie,
}

/// A context, which its thread alone uses.
#[derive(Clone)]
struct Context {
    thread: ThreadId,
    /// The number of locks that it holds.
    acquired: u8,
    wounded: bool,
    /// The mutex that it has to take first, since it had to back off from it.
    contending: Option<u64>,
}

/// A mutex that is held.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    number: u64,
    owner: ThreadId,
    /// Whether the owner has taken it with a context.
    in_context: bool,
}

/// A thread that waits for a mutex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Waiter {
    thread: ThreadId,
    number: u64,
    in_context: bool,
}

/// The state of a `struct ww_class`.
#[derive(Clone)]
pub(super) struct WwState {
    algorithm: Algorithm,
    /// The contexts, the oldest first.
    contexts: SmallVec<[Context; 2]>,
    /// The mutexes that are held. Sorted.
    held: SmallVec<[Held; 2]>,
    /// The waiting threads. Sorted.
    waiting: SmallVec<[Waiter; 2]>,
}

impl WwState {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let (held, waiting) = (SmallVec::new(), SmallVec::new());
        Self { algorithm, contexts: SmallVec::new(), held, waiting }
    }

    fn holder(&self, number: u64) -> Option<&Held> {
        self.held.iter().find(|held| held.number == number)
    }

    /// Returns the place of the context of `thread`, which is smaller the older it is.
    fn age(&self, thread: ThreadId) -> Option<usize> {
        self.contexts.iter().position(|context| context.thread == thread)
    }

    fn context(&mut self, thread: ThreadId) -> &mut Context {
        let age = self.age(thread).expect("the context lasts as long as its handle");
        &mut self.contexts[age]
    }

    /// Returns whether `one` has an older context than `other`, if both have one.
    fn is_older(&self, one: ThreadId, other: ThreadId) -> bool {
        self.age(one).zip(self.age(other)).is_some_and(|(one, other)| one < other)
    }

    /// Returns whether `thread` has a context that holds a lock.
    fn holds_any(&self, thread: ThreadId) -> bool {
        self.age(thread).is_some_and(|age| self.contexts[age].acquired > 0)
    }

    fn init(&mut self, me: ThreadId) -> u64 {
        if self.age(me).is_some() {
            return NESTED;
        }
        self.contexts.push(Context { thread: me, acquired: 0, wounded: false, contending: None });
        0
    }

    /// "Reset the wounded flag after a kill" (`__mutex_lock_common`, `kernel/locking/mutex.c`).
    fn begin(&mut self, me: ThreadId, in_context: bool) {
        if in_context && !self.holds_any(me) {
            self.context(me).wounded = false;
        }
    }

    /// Takes a mutex, and returns what `ww_mutex_lock_acquired` warns of, if it does.
    fn take(&mut self, me: ThreadId, number: u64, in_context: bool) -> u64 {
        self.waiting.retain(|waiter| waiter.thread != me);
        self.held.push(Held { number, owner: me, in_context });
        self.held.sort_unstable();
        if !in_context {
            return 0;
        }
        let context = self.context(me);
        context.acquired += 1;
        let warning = match context.contending.take() {
            Some(contending) if contending != number => OTHER,
            Some(_) if context.acquired > 1 => KEPT,
            _ => 0,
        };
        let waiting = self.waiting.clone();
        for waiter in waiting.iter().filter(|waiter| waiter.number == number) {
            self.wound(waiter, me);
        }
        warning
    }

    /// `__ww_mutex_wound`: a waiter with locks of its own wounds a younger holder.
    fn wound(&mut self, waiter: &Waiter, holder: ThreadId) {
        let wounds = self.algorithm == Algorithm::WoundWait
            && waiter.in_context
            && self.holds_any(waiter.thread)
            && self.is_older(waiter.thread, holder);
        if wounds {
            self.context(holder).wounded = true;
        }
    }

    /// `__ww_mutex_check_kill`, of a thread that would have to wait.
    fn backs_off(&self, me: ThreadId, number: u64, in_context: bool) -> bool {
        if !in_context || !self.holds_any(me) {
            return false;
        }
        match self.algorithm {
            Algorithm::WoundWait => self.age(me).is_some_and(|age| self.contexts[age].wounded),
            Algorithm::WaitDie => {
                let holder = self.holder(number).filter(|held| held.in_context);
                let waits = |waiter: &&Waiter| waiter.number == number && waiter.in_context;
                let waiting = self.waiting.iter().filter(waits).map(|waiter| waiter.thread);
                let mut others = holder.map(|held| held.owner).into_iter().chain(waiting);
                others.any(|other| self.is_older(other, me))
            }
        }
    }

    /// `__ww_mutex_kill`: the context has to back off from this mutex.
    fn kill(&mut self, me: ThreadId, number: u64) -> u64 {
        self.context(me).contending = Some(number);
        REFUSED
    }

    fn lock(&mut self, me: ThreadId, number: u64, how: u64) -> u64 {
        let in_context = how >= IN_CONTEXT;
        if how == SLOW && self.context(me).contending.is_none() {
            return UNNEEDED;
        }
        self.begin(me, in_context);
        let Some(held) = self.holder(number).cloned() else {
            return self.take(me, number, in_context);
        };
        let waiter = Waiter { thread: me, number, in_context };
        if held.in_context {
            self.wound(&waiter, held.owner);
        }
        if self.backs_off(me, number, in_context) {
            return self.kill(me, number);
        }
        self.waiting.push(waiter);
        self.waiting.sort_unstable();
        QUEUED
    }

    fn unlock(&mut self, me: ThreadId, number: u64) -> Result<u64, Fault> {
        let mine = |held: &Held| held.number == number && held.owner == me;
        let place = self.held.iter().position(mine).ok_or(Fault::NotOwner)?;
        if self.held.remove(place).in_context {
            self.context(me).acquired -= 1;
        }
        Ok(0)
    }

    /// Ends the wait of a thread: it takes the mutex if that is free, and backs off otherwise.
    fn end_wait(&mut self, me: ThreadId, number: u64, in_context: bool) -> u64 {
        if self.holder(number).is_none() {
            return self.take(me, number, in_context);
        }
        self.waiting.retain(|waiter| waiter.thread != me);
        self.kill(me, number)
    }
}

impl Machine for WwState {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        match op.kind {
            OpKind::AwaitWwLock => {
                let free = self.holder(op.b).is_none();
                Ready::when(free || self.backs_off(me, op.b, op.a >= IN_CONTEXT))
            }
            _ => Ready::YES,
        }
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        let (number, in_context) = (op.b, op.a >= IN_CONTEXT);
        match op.kind {
            OpKind::WwAcquireInit => return Ok(self.init(me)),
            OpKind::WwAcquireFini => self.contexts.retain(|context| context.thread != me),
            OpKind::WwLock => return Ok(self.lock(me, number, op.a)),
            OpKind::AwaitWwLock => return Ok(self.end_wait(me, number, in_context)),
            OpKind::TryWwLock => {
                self.begin(me, in_context);
                if self.holder(number).is_some() {
                    return Ok(REFUSED);
                }
                return Ok(self.take(me, number, in_context));
            }
            OpKind::WwUnlock => return self.unlock(me, number),
            other => unreachable!("{other} is not an operation of a ww_mutex"),
        }
        Ok(0)
    }

    /// The owner, unless the thread may back off instead.
    fn blockers(&self, me: ThreadId, op: Op) -> SmallVec<[ThreadId; 4]> {
        let may_back_off = op.a >= IN_CONTEXT && self.holds_any(me);
        let owner = self.holder(op.b).map(|held| held.owner);
        owner.into_iter().filter(|_| !may_back_off).collect()
    }

    fn encode(&self, key: &mut Vec<u64>) {
        let lengths = [self.contexts.len(), self.held.len(), self.waiting.len()];
        key.extend(lengths.map(|length| length as u64));
        for Context { thread, acquired, wounded, contending } in &self.contexts {
            key.extend([thread.index() as u64, u64::from(*acquired), u64::from(*wounded)]);
            key.push(contending.map_or(0, |number| number + 1));
        }
        for Held { number, owner, in_context } in &self.held {
            key.extend([*number, owner.index() as u64, u64::from(*in_context)]);
        }
        for Waiter { thread, number, in_context } in &self.waiting {
            key.extend([*number, thread.index() as u64, u64::from(*in_context)]);
        }
    }

    fn leaked(&self) -> bool {
        self.is_held()
    }

    fn is_held(&self) -> bool {
        !self.held.is_empty()
    }
}

//! The calls of a running thread to its execution.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use crate::machine::Machine;
use crate::memory::Note;
use crate::observe::lockdep::Line;
use crate::observe::{Observers, Seen};
use crate::op::{ObjectId, Op, Place, ThreadId};
use crate::program::Body;
use crate::runtime::native::fiber::{self, Fiber};
use crate::runtime::native::intern::{BEGINNING, Begins, History};
use crate::runtime::native::recording::{Effect, Next, Recording};
use crate::runtime::object::Object;
use crate::runtime::setting::Setting;
use crate::runtime::{self, Task};
use crate::violation::Violation;

use super::{Execution, Inner, Rounds, Thread};

/// An object of a native execution.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(super) id: ObjectId,
    /// The number of the execution.
    pub(super) execution: u64,
}

impl Handle {
    pub(crate) fn id(&self) -> ObjectId {
        self.id
    }

    pub(crate) fn perform_then<R>(&self, op: Op, at: Place, then: impl FnOnce() -> R) -> (u64, R) {
        let execution = runtime::native();
        assert!(execution.inner.borrow().number == self.execution, "{}", runtime::OUTSIDE);
        // A running thread is alone until its next operation.
        (execution.perform(self.id, op, at), then())
    }

    pub(crate) fn set(&self, value: u64) {
        runtime::native().inner.borrow_mut().set(self.id, value);
    }

    pub(crate) fn free(&self) {
        runtime::native().inner.borrow_mut().free(self.id);
    }

    pub(crate) fn used(&self, at: Place) {
        runtime::native().inner.borrow_mut().observers.used(at);
    }

    pub(crate) fn promise(&self, made: bool, at: Place) {
        let execution = runtime::native();
        let mut inner = execution.inner.borrow_mut();
        let me = inner.running;
        inner.observers.promise(me, self.id, made, at);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.id, f)
    }
}

impl Inner {
    /// Returns the number of the thread as which `thread` is treated.
    fn like(&self, thread: ThreadId) -> u64 {
        self.alike.get(thread.index()).copied().unwrap_or(thread.index()) as u64
    }
}

impl Execution {
    /// Treats threads as the same from now on, each as the one with this number: their histories
    /// are equal if their observations are.
    pub(crate) fn treat_alike(&self, alike: Arc<[usize]>) {
        self.inner.borrow_mut().alike = alike;
    }

    /// Returns, for each thread, the number of the first that is treated as the same; none if all
    /// differ.
    pub(crate) fn alike(&self) -> Arc<[usize]> {
        Arc::clone(&self.inner.borrow().alike)
    }

    /// Adds a thread. It runs up to its first operation before the next choice.
    pub(crate) fn spawn(&self, name: Arc<str>, body: Body) -> ThreadId {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let me = inner.observers.add_thread(name);
        let like = inner.like(me);
        // The new thread depends on what its creator has observed, and both know its number from
        // now on, which depends on the threads that were created before.
        let history = match inner.threads.get_mut(inner.running.index()) {
            None => inner.interner.begin(Begins::Thread, like),
            Some(creator) => {
                creator.history = inner.interner.extend(creator.history, me.index() as u64);
                inner.interner.begin(Begins::Child, creator.history)
            }
        };
        let fiber = Some(Box::new(Fiber::new(&mut inner.stacks, body)));
        inner.threads.push(Thread {
            fiber,
            pending: None,
            history,
            reply: 0,
            forgotten: 0,
            rounds: Rounds::default(),
            task: None,
            end: None,
        });
        inner.affects(|| Effect::Spawned(me, Next { history, pending: None, polls: false }));
        inner.note_surely(Note::Begins(me, inner.running));
        me
    }

    /// Adds a thread later, if the world is being created now; otherwise returns its body.
    pub(crate) fn defer(&self, name: &'static str, body: Body) -> Option<Body> {
        match &mut self.inner.borrow_mut().deferred {
            Some(deferred) => {
                deferred.push((name.into(), body));
                None
            }
            None => Some(body),
        }
    }

    /// Calls `with` with the setting, the observers and the running thread.
    pub(crate) fn setting<R>(
        &self,
        with: impl FnOnce(&mut Setting, &mut Observers, ThreadId) -> R,
    ) -> R {
        let mut inner = self.inner.borrow_mut();
        let Inner { setting, observers, running, .. } = &mut *inner;
        with(setting, observers, *running)
    }

    /// Makes the running thread a task.
    pub(crate) fn set_task(&self, task: Arc<dyn Task>) {
        let mut inner = self.inner.borrow_mut();
        let me = inner.running.index();
        inner.threads[me].task = Some(task);
    }

    /// Returns the running thread, if it is a task.
    pub(crate) fn task(&self) -> Option<Arc<dyn Task>> {
        let inner = self.inner.borrow();
        inner.threads.get(inner.running.index())?.task.clone()
    }

    /// Makes `end` ready at the end of thread `me`.
    pub(crate) fn set_end(&self, me: ThreadId, end: &Object) {
        self.inner.borrow_mut().threads[me.index()].end = end.native();
    }

    pub(crate) fn register(
        &self,
        class: &'static str,
        memory: Option<ObjectId>,
        machine: Box<dyn Machine>,
    ) -> Handle {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let id = inner.observers.add_object(class, memory, machine.leaked());
        // A thread knows the object that it has created, whose number depends on the objects
        // created before.
        let running = inner.running.index();
        if let Some(creator) = inner.threads.get_mut(running) {
            creator.history = inner.interner.extend(creator.history, id.index() as u64);
        }
        inner.affects(|| Effect::Made(machine.clone()));
        inner.machines.push(machine);
        Handle { id, execution: inner.number }
    }

    fn perform(&self, object: ObjectId, op: Op, at: Place) -> u64 {
        if self.watched() {
            self.stop_if(|observers, me| observers.sleep_in_atomic(me, object, op, at));
        }
        let me = {
            let mut inner = self.inner.borrow_mut();
            let me = inner.running;
            if me != ThreadId::SETUP {
                if inner.watched {
                    inner.observers.announce(me, object, op, at);
                }
                inner.threads[me.index()].pending = Some((object, op));
            }
            me
        };
        if me == ThreadId::SETUP {
            return self.perform_alone(object, op, at);
        }
        fiber::suspend();
        self.inner.borrow().threads[me.index()].reply
    }

    /// Performs an operation of the set-up or of the final check, when no thread runs.
    fn perform_alone(&self, object: ObjectId, op: Op, at: Place) -> u64 {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let machine = &mut inner.machines[object.index()];
        assert!(
            machine.ready(ThreadId::SETUP, op).guaranteed > 0,
            "{} {}",
            op.kind,
            runtime::ALONE
        );
        let reply = machine.apply(ThreadId::SETUP, op, 0);
        inner.observers.set_leaked(object, machine.leaked());
        inner.observers.happened_alone(at);
        reply.unwrap_or_else(|fault| panic!("{}: {fault:?} outside the threads", op.kind))
    }

    /// Records a violation by the running thread, which then never runs again.
    pub(crate) fn invariant_broken(&self, id: &str, message: &str, at: Place) {
        self.stop_if(|observers, me| Some(observers.broken(me, id, message, at)));
    }

    /// Checks that the running thread may sleep, as `what` may, or this function on it.
    pub(crate) fn might_sleep(&self, what: &str, function: Option<&str>, at: Place) {
        if self.watched() {
            self.stop_if(|observers, me| observers.may_not_sleep(me, what, function, at));
        }
    }

    /// Returns whether the observers know what the running thread holds.
    fn watched(&self) -> bool {
        self.inner.borrow().watched
    }

    /// Ends the running thread if it violates something: it never runs again.
    fn stop_if(&self, violates: impl FnOnce(&Observers, ThreadId) -> Option<Violation>) {
        let me = {
            let mut inner = self.inner.borrow_mut();
            let inner = &mut *inner;
            let me = inner.running;
            let Some(violation) = violates(&inner.observers, me) else { return };
            inner.violation.get_or_insert(violation);
            me
        };
        if me != ThreadId::SETUP {
            fiber::suspend();
        }
    }

    pub(crate) fn value_id<T: Hash>(&self, value: &T) -> u64 {
        self.inner.borrow_mut().interner.value(value)
    }

    /// Notes what is to be known of all executions together.
    pub(crate) fn note_seen(&self, note: impl FnOnce(&mut Seen)) {
        note(self.inner.borrow_mut().observers.seen_mut());
    }

    pub(crate) fn note_opaque(&self) {
        self.opaque.set(true);
    }

    pub(crate) fn history(&self) -> History {
        let inner = self.inner.borrow();
        inner.threads.get(inner.running.index()).map_or(BEGINNING, |thread| thread.history)
    }

    /// Returns the number of operations of the running thread.
    pub(crate) fn operations(&self) -> usize {
        let inner = self.inner.borrow();
        inner.observers.operations(inner.running)
    }

    /// Returns the running thread to the point after so many operations.
    pub(crate) fn come_round(&self, operations: usize) {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        if !inner.watched {
            return;
        }
        let done = inner.observers.operations(inner.running);
        assert!(done > operations, "{}", runtime::EMPTY_ROUND);
        inner.observers.come_round(inner.running, operations);
        if let Some(Recording { open: Some(step), .. }) = &mut inner.recording {
            step.round = inner.observers.last_round();
        }
    }

    /// Declares that the running thread spins until its next operation.
    pub(crate) fn spins_for(&self, what: &'static str) {
        let mut inner = self.inner.borrow_mut();
        let me = inner.running;
        if inner.watched {
            inner.observers.set_spins(me, what);
        }
    }

    pub(crate) fn rewind(&self, history: History) {
        let mut inner = self.inner.borrow_mut();
        let me = inner.running.index();
        if let Some(thread) = inner.threads.get_mut(me) {
            thread.history = history;
            thread.rounds = Rounds::default();
        }
    }

    pub(crate) fn observed(&self, value: u64) {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let me = inner.running.index();
        if let Some(thread) = inner.threads.get_mut(me) {
            thread.history = inner.interner.extend(thread.history, value);
        }
    }

    /// Puts the running thread into the local state that it would have if, after so many operations
    /// and the observations `before`, it had performed one more and observed `reply`.
    pub(crate) fn as_if_observed(&self, before: History, operations: usize, reply: u64) {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let me = inner.running;
        if let Some(thread) = inner.threads.get_mut(me.index()) {
            thread.history = inner.interner.extend(before, reply);
            inner.observers.set_operations(me, operations + 1);
        }
    }

    /// Reduces the observations of the running thread to how often it has begun anew.
    pub(crate) fn forget(&self) {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let me = inner.running;
        let like = inner.like(me);
        let Some(thread) = inner.threads.get_mut(me.index()) else { return };
        thread.forgotten += 1;
        let times = thread.forgotten;
        let again = inner.interner.begin(Begins::Again, like);
        thread.history = inner.interner.extend(again, times);
    }

    pub(crate) fn polls(&self, what: Option<&'static str>) -> Option<&'static str> {
        let mut inner = self.inner.borrow_mut();
        let me = inner.running;
        inner.watched.then(|| inner.observers.set_polls(me, what))?
    }

    pub(crate) fn enter_function(&self, name: &'static str) {
        let mut inner = self.inner.borrow_mut();
        let me = inner.running;
        if inner.watched {
            inner.observers.enter_function(me, name);
        }
    }

    pub(crate) fn set_line(&self, line: Option<Line>) -> Option<Line> {
        let mut inner = self.inner.borrow_mut();
        let me = inner.running;
        inner.watched.then(|| inner.observers.set_line(me, line))?
    }

    pub(crate) fn leave_function(&self) {
        let mut inner = self.inner.borrow_mut();
        let me = inner.running;
        if inner.watched {
            inner.observers.leave_function(me);
        }
    }
}

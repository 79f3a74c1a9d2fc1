//! An execution on hosted threads: its threads, its observations, its end.

mod idle;
mod place;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "shuttle")]
use crate::cycles::{self, Waits};
use crate::machine::{Fault, Machine, Ready};
use crate::observe::{Observers, Seen};
use crate::op::{ObjectId, Op, Place, ThreadId};
use crate::panics::{self, Panic};
use crate::program::{Body, Instance};
use crate::schedule::Choice;
use crate::violation::Violation;

use crate::runtime::choices::{ChoicePoint, ChoiceSource};
use crate::runtime::setting::Setting;
use idle::Idle;

/// An execution on hosted threads, as its engine and its objects see it.
pub(crate) struct Host {
    inner: Mutex<Inner>,
}

struct Inner {
    observers: Observers,
    setting: Setting,
    choice_source: ChoiceSource,
    violation: Option<Violation>,
    /// Threads that were started while the world is created; they follow the scenario's own.
    deferred: Option<Vec<(Arc<str>, Body)>>,
    /// The number of threads that have not ended yet.
    running: usize,
    /// Those of them that idle.
    idle: Vec<Idle>,
    /// Whether the idle threads are to end, since all the others have.
    over: bool,
    /// The final check, which runs when all threads have ended.
    finally: Option<Body>,
    /// Wakes the thread that runs the final check, if it is a separate one.
    wake_checker: Option<Wake>,
    /// Whether the scenario's threads have all been started.
    started: bool,
    /// Ends an execution before its end, as this host does it.
    halt: fn(&str) -> !,
    /// The part of the scenario that the host cannot explore.
    unexplored: Option<String>,
    /// The reason why what this execution shows may be impossible.
    doubt: Option<&'static str>,
}

/// A function that wakes a thread.
pub(crate) type Wake = Box<dyn Fn() + Send>;

/// An operation that a thread has announced, and its possible outcomes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingOp {
    pub(crate) thread: ThreadId,
    pub(crate) object: ObjectId,
    pub(crate) op: Op,
    pub(crate) ready: Ready,
}

impl Host {
    pub(crate) fn new(choice_source: ChoiceSource, halt: fn(&str) -> !) -> Arc<Self> {
        let inner = Inner {
            observers: Observers::default(),
            setting: Setting::default(),
            choice_source,
            violation: None,
            deferred: None,
            running: 0,
            idle: Vec::new(),
            over: false,
            finally: None,
            wake_checker: None,
            started: false,
            halt,
            unexplored: None,
            doubt: None,
        };
        Arc::new(Self { inner: Mutex::new(inner) })
    }

    /// The hosted threads take turns on one OS thread, or none of them can be here: no thread
    /// yields to another with this lock held.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the last execution.
    pub(crate) fn clear(&self) {
        let mut inner = self.inner();
        inner.observers.start();
        inner.setting = Setting::default();
        inner.violation = None;
        inner.running = 0;
        inner.idle.clear();
        inner.over = false;
        inner.finally = None;
        inner.wake_checker = None;
        inner.started = false;
        inner.doubt = None;
        match &mut inner.choice_source {
            ChoiceSource::Scripted { count, woken, .. } => {
                count.clear();
                woken.clear();
            }
            ChoiceSource::Random(_) => {}
            turns @ ChoiceSource::Scheduled { .. } => *turns = ChoiceSource::turns(),
        }
    }

    /// Calls `with` with the setting and the observers, for thread `me`.
    pub(crate) fn setting<R>(
        &self,
        me: ThreadId,
        with: impl FnOnce(&mut Setting, &mut Observers, ThreadId) -> R,
    ) -> R {
        let inner = &mut *self.inner();
        with(&mut inner.setting, &mut inner.observers, me)
    }

    /// Sets the source of choices from here on.
    pub(crate) fn set_chooser(&self, choice_source: ChoiceSource) {
        self.inner().choice_source = choice_source;
    }

    /// Sets the final check. The thread that ends last runs it: if the main thread waited for them,
    /// as on shuttle, loom would need a multiple of the executions. A checker thread runs it, if
    /// there is one.
    pub(crate) fn set_finally(&self, finally: Body) {
        self.inner().finally = Some(finally);
    }

    /// Sets a checker: a thread that waits for [`take_finally`](Self::take_finally), and that
    /// `wake` wakes. Each thread wakes it when it ends.
    pub(crate) fn set_checker(&self, wake: Wake) {
        self.inner().wake_checker = Some(wake);
    }

    pub(crate) fn has_checker(&self) -> bool {
        self.inner().wake_checker.is_some()
    }

    /// Returns the final check, if every thread has ended.
    pub(crate) fn take_finally(&self) -> Option<Body> {
        let mut inner = self.inner();
        if inner.running == 0 { inner.finally.take() } else { None }
    }

    pub(crate) fn set_started(&self) {
        self.inner().started = true;
    }

    pub(crate) fn started(&self) -> bool {
        self.inner().started
    }

    /// Creates the world and the bodies of its threads.
    pub(crate) fn set_up(&self, program: &dyn Fn() -> Instance) -> Instance {
        let mut instance = None;
        self.inner().deferred = Some(Vec::new());
        self.run_thread(ThreadId::SETUP, || instance = Some(program()));
        let mut instance: Instance = instance.expect("made, or the execution has been ended");
        instance.threads.extend(self.inner().deferred.take().into_iter().flatten());
        instance
    }

    /// Adds a thread later, if the world is being created now; otherwise returns its body.
    pub(crate) fn defer(&self, name: &'static str, body: Body) -> Option<Body> {
        match &mut self.inner().deferred {
            Some(deferred) => {
                deferred.push((name.into(), body));
                None
            }
            None => Some(body),
        }
    }

    /// Runs the body of thread `me`. A panic in it is a violation. A panic of the host itself, by
    /// which it reports or unwinds threads, is passed on.
    pub(crate) fn run_thread(&self, me: ThreadId, body: impl FnOnce()) {
        let Err(payload) = panics::catch(body) else { return };
        let panic = Panic::of(payload.as_ref());
        if self.violation_found() || panic.is_hosts_own() {
            std::panic::resume_unwind(payload);
        }
        self.thread_panicked(me, &panic);
    }

    /// Notes that one thread has ended. The last one receives the final check, if there is no
    /// checker.
    pub(crate) fn thread_ended(&self) -> Option<Body> {
        self.inner().running -= 1;
        self.end_idle_threads();
        self.finally_or_wake()
    }

    /// Returns the final check, if every thread has ended and there is no checker. A checker is
    /// woken.
    pub(crate) fn finally_or_wake(&self) -> Option<Body> {
        if let Some(wake) = &self.inner().wake_checker {
            wake();
            return None;
        }
        self.take_finally()
    }

    pub(crate) fn add_thread(&self, name: Arc<str>) -> ThreadId {
        let mut inner = self.inner();
        inner.running += 1;
        inner.observers.add_thread(name)
    }

    pub(crate) fn add_object(
        &self,
        class: &'static str,
        memory: Option<ObjectId>,
        machine: &(dyn Machine + 'static),
    ) -> ObjectId {
        let inner = &mut *self.inner();
        if let ChoiceSource::Scheduled { machines, .. } = &mut inner.choice_source {
            machines.push(dyn_clone::clone_box(machine));
        }
        inner.observers.add_object(class, memory, machine.leaked())
    }

    pub(crate) fn announce(&self, me: ThreadId, object: ObjectId, op: Op, at: Place) {
        self.stop_if(me, |observers| observers.sleep_in_atomic(me, object, op, at));
        self.inner().observers.announce(me, object, op, at);
    }

    /// Returns the outcome of an operation that has several: see [`ChoiceSource::ask`].
    pub(crate) fn ask(&self, me: ThreadId, op: Op, ready: Ready) -> u8 {
        let inner = &mut *self.inner();
        inner.choice_source.ask(me, op, ready, &mut inner.unexplored)
    }

    pub(crate) fn complete(
        &self,
        me: ThreadId,
        object: ObjectId,
        outcome: u8,
        reply: u64,
        machine: &(dyn Machine + 'static),
    ) {
        let inner = &mut *self.inner();
        inner.choice_source.see(object, machine);
        let leaked = machine.leaked();
        if me == ThreadId::SETUP {
            return inner.observers.set_leaked(object, leaked);
        }
        inner.observers.complete(me, outcome, reply, leaked);
    }

    /// Notes what is to be known of all executions together.
    pub(crate) fn note_seen(&self, note: impl FnOnce(&mut Seen)) {
        note(self.inner().observers.seen_mut());
    }

    /// Notes that `object` has changed without an operation of its own.
    pub(crate) fn changed(&self, object: ObjectId, machine: &(dyn Machine + 'static)) {
        self.inner().choice_source.see(object, machine);
    }

    /// Notes that the last operation has released the memory that `object` lives in.
    pub(crate) fn freed(&self, object: ObjectId, machine: &(dyn Machine + 'static)) {
        let inner = &mut *self.inner();
        inner.choice_source.see(object, machine);
        inner.observers.freed(object);
    }

    /// Records that `object` was held when thread `me` released the memory that it lives in.
    pub(crate) fn freed_while_held(&self, me: ThreadId, object: ObjectId) -> ! {
        let violation = self.inner().observers.freed_while_held(me, object);
        self.violated(violation)
    }

    /// Sets the next operation, whose thread the engine resumes. Without one, the threads continue
    /// as they can, without optional outcomes.
    pub(crate) fn choose(&self, choice: Option<Choice>) {
        if let ChoiceSource::Scheduled { chosen, .. } = &mut self.inner().choice_source {
            *chosen = choice;
        }
    }

    /// Returns the pending operations of the threads that have something to do, in their order, for
    /// an engine that schedules operations.
    pub(crate) fn pending_ops(&self) -> Vec<PendingOp> {
        let inner = self.inner();
        let ChoiceSource::Scheduled { machines, .. } = &inner.choice_source else {
            return Vec::new();
        };
        let pending_op = |(thread, object, op): (ThreadId, ObjectId, Op)| {
            let machine = &machines[object.index()];
            let ready = machine.ready(thread, op);
            (!machine.idles(op)).then_some(PendingOp { thread, object, op, ready })
        };
        inner.observers.pending().filter_map(pending_op).collect()
    }

    /// Records the violation and ends the execution.
    pub(crate) fn fault(&self, me: ThreadId, outcome: u8, fault: Fault) -> ! {
        let violation = self.inner().observers.fault(me, outcome, fault);
        self.violated(violation)
    }

    pub(crate) fn invariant_broken(&self, me: ThreadId, id: &str, message: &str, at: Place) {
        self.stop_if(me, |observers| Some(observers.broken(me, id, message, at)));
    }

    /// Checks that thread `me` may sleep, as `what` may, or this function on it.
    pub(crate) fn might_sleep(&self, me: ThreadId, what: &str, function: Option<&str>, at: Place) {
        self.stop_if(me, |observers| observers.may_not_sleep(me, what, function, at));
    }

    /// Ends the execution if thread `me` violates something.
    fn stop_if(&self, me: ThreadId, violates: impl FnOnce(&Observers) -> Option<Violation>) {
        let violation = {
            let mut inner = self.inner();
            let Some(violation) = violates(&inner.observers) else { return };
            inner.observers.forget_after(me);
            violation
        };
        self.violated(violation)
    }

    pub(crate) fn violated(&self, violation: Violation) -> ! {
        let reason = violation.reason.clone();
        let halt = {
            let mut inner = self.inner();
            inner.violation.get_or_insert(violation);
            inner.halt
        };
        halt(&reason)
    }

    pub(crate) fn thread_panicked(&self, me: ThreadId, panic: &Panic) -> ! {
        let violation = {
            let mut inner = self.inner();
            inner.observers.forget_after(me);
            inner.observers.panicked(me, panic)
        };
        self.violated(violation)
    }

    /// Records a deadlock: no thread can continue.
    pub(crate) fn note_deadlock(&self) {
        let mut inner = self.inner();
        let mut unfinished = inner.observers.unfinished();
        unfinished.retain(|thread| inner.idle.iter().all(|idle| idle.thread != *thread));
        let deadlock = inner.observers.deadlocks(&unfinished).into_iter().next();
        inner.violation = inner.violation.take().or(deadlock);
    }

    /// Records threads that wait for each other, whatever the others do, and returns whether there
    /// are any.
    #[cfg(feature = "shuttle")]
    pub(crate) fn note_closed(&self) -> bool {
        let mut inner = self.inner();
        let ChoiceSource::Scheduled { machines, .. } = &inner.choice_source else { return false };
        let mut waits = Waits::default();
        inner.observers.ended().for_each(|thread| waits.ended(thread));
        for (thread, object, op) in inner.observers.pending() {
            waits.waits(thread, cycles::blockers(&*machines[object.index()], thread, op));
        }
        let closed = waits.closed();
        let threads = inner.observers.unfinished().into_iter();
        let threads: Vec<ThreadId> =
            threads.filter(|thread| closed & cycles::bit(*thread) != 0).collect();
        let deadlock = inner.observers.deadlocks(&threads).into_iter().next();
        inner.violation = inner.violation.take().or(deadlock);
        inner.violation.is_some()
    }

    pub(crate) fn violation_found(&self) -> bool {
        self.inner().violation.is_some()
    }

    pub(crate) fn all_ended(&self) -> bool {
        self.inner().running == 0
    }

    /// Reports the leaks of the finished world as violations.
    pub(crate) fn check_leaks(&self) {
        let leaks = self.inner().observers.leaks();
        if let Some(violation) = leaks.into_iter().next() {
            self.violated(violation);
        }
    }

    /// Ends the world with the final check, in the thread that is the last to see its end.
    pub(crate) fn final_check(&self, finally: Body) {
        self.run_thread(ThreadId::SETUP, finally);
        self.check_leaks();
    }

    /// Sets what thread `me` polls for from now on, and returns what it polled for before.
    pub(crate) fn polls(&self, me: ThreadId, what: Option<&'static str>) -> Option<&'static str> {
        self.inner().observers.set_polls(me, what)
    }

    /// Declares that thread `me` spins until its next operation.
    pub(crate) fn spins_for(&self, me: ThreadId, what: &'static str) {
        self.inner().observers.set_spins(me, what);
    }

    /// Returns the number of operations of thread `me`.
    pub(crate) fn operations(&self, me: ThreadId) -> usize {
        self.inner().observers.operations(me)
    }

    /// Returns thread `me` to the point after so many operations.
    pub(crate) fn come_round(&self, me: ThreadId, operations: usize) {
        self.inner().observers.come_round(me, operations);
    }

    /// Records that the threads `polls` poll for good, since every thread that can continue would
    /// only repeat a round in vain.
    #[cfg(feature = "shuttle")]
    pub(crate) fn note_rounds(&self, polls: cycles::Threads) {
        let mut inner = self.inner();
        let ChoiceSource::Scheduled { machines, .. } = &inner.choice_source else { return };
        let waits = |(thread, object, op): &(ThreadId, ObjectId, Op)| {
            let machine = &machines[object.index()];
            let unfinished = machine.ready(*thread, *op).guaranteed == 0 && !machine.idles(*op);
            unfinished || polls & cycles::bit(*thread) != 0
        };
        let waiting: Vec<ThreadId> =
            inner.observers.pending().filter(waits).map(|(thread, ..)| thread).collect();
        let deadlock = inner.observers.deadlocks(&waiting).into_iter().next();
        inner.violation = inner.violation.take().or(deadlock);
    }

    pub(crate) fn used(&self, at: Place) {
        self.inner().observers.used(at);
    }

    pub(crate) fn promise(&self, me: ThreadId, object: ObjectId, made: bool, at: Place) {
        self.inner().observers.promise(me, object, made, at);
    }

    /// Returns the violation, if an object or an invariant has recorded one.
    pub(crate) fn take_violation(&self) -> Option<Violation> {
        self.inner().violation.take()
    }

    /// Declares that what this execution shows from here on may be impossible, and why.
    pub(crate) fn doubt(&self, why: &'static str) {
        self.inner().doubt = Some(why);
    }

    /// Declares what the host does not explore of this scenario.
    pub(crate) fn leaves_out(&self, what: &str) {
        self.inner().unexplored.get_or_insert_with(|| what.to_owned());
    }

    /// Returns why what this execution has shown may be impossible.
    pub(crate) fn doubted(&self) -> Option<&'static str> {
        self.inner().doubt
    }

    pub(crate) fn take_unexplored(&self) -> Option<String> {
        self.inner().unexplored.take()
    }

    /// Returns the questions asked so far, with the number of possible answers.
    pub(crate) fn asked(&self) -> BTreeMap<ChoicePoint, u8> {
        match &self.inner().choice_source {
            ChoiceSource::Scripted { asked, .. } => asked.clone(),
            ChoiceSource::Random(_) | ChoiceSource::Scheduled { .. } => BTreeMap::new(),
        }
    }

    /// Sets the answers to questions from here on.
    pub(crate) fn answer(&self, given: BTreeMap<ChoicePoint, u8>) {
        if let ChoiceSource::Scripted { answers, asked, .. } = &mut self.inner().choice_source {
            *answers = given;
            asked.clear();
        }
    }

    pub(crate) fn observers<R>(&self, look: impl FnOnce(&Observers) -> R) -> R {
        look(&self.inner().observers)
    }
}

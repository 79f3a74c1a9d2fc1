//! Objects on somebody else's threads: `std`'s, loom's, shuttle's.
//!
//! There an object is a monitor: its state machine behind a mutex of the host, and a condition
//! variable on which threads wait until their operation is ready. The text is the same for all
//! three; only the types differ, so a macro writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::panics::{self, Panic};
use crate::explore::Choice;
use crate::machine::{Fault, Machine, Ready};
use crate::object::Place;
use crate::observe::Observers;
use crate::op::{ObjectId, Op, OpKind, ThreadId};
use crate::scenario::{Body, Instance};
use crate::violation::Violation;

/// An execution on hosted threads, as its engine and its objects see it.
pub(crate) struct Host {
    inner: Mutex<Inner>,
}

struct Inner {
    observers: Observers,
    chooser: Chooser,
    violation: Option<Violation>,
    /// Threads that have not ended yet.
    running: usize,
    /// What judges the world when they all have.
    finally: Option<Body>,
    /// Whether the scenario's threads have all been started.
    started: bool,
    /// How this host ends an execution in the middle.
    halt: fn(&str) -> !,
    /// What the host cannot explore and the scenario asked for.
    unexplored: Option<String>,
}

/// Who answers where an operation can end in more than one way.
pub(crate) enum Chooser {
    /// The answers are given in advance: the n-th question to a thread gets the answer noted
    /// for it, or 0. What was asked is noted, with the number of possible answers.
    Given {
        answers: BTreeMap<Question, u8>,
        asked: BTreeMap<Question, u8>,
        count: BTreeMap<ThreadId, u32>,
        /// Threads that have woken spuriously.
        woken: BTreeSet<ThreadId>,
    },
    /// The engine's own randomness answers.
    Random(fn(u8) -> u8),
    /// The engine has answered before it let the thread go on: it schedules operations, not
    /// threads. For that it has to see what the threads see.
    Turns {
        chosen: Option<Choice>,
        /// Every object as the last operation has left it.
        machines: Vec<Box<dyn Machine>>,
    },
}

/// An operation that a thread has announced, and how it could happen now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) thread: ThreadId,
    pub(crate) object: ObjectId,
    pub(crate) op: Op,
    pub(crate) ready: Ready,
}

/// The n-th question to a thread, from 0.
pub(crate) type Question = (ThreadId, u32);

impl Chooser {
    /// Every question is answered with 0 until answers are given.
    pub(crate) fn given() -> Self {
        Self::Given {
            answers: BTreeMap::new(),
            asked: BTreeMap::new(),
            count: BTreeMap::new(),
            woken: BTreeSet::new(),
        }
    }

    /// A scheduler of operations, with no operation chosen yet.
    pub(crate) fn turns() -> Self {
        Self::Turns { chosen: None, machines: Vec::new() }
    }

    fn ask(&mut self, me: ThreadId, op: Op, ready: Ready, unexplored: &mut Option<String>) -> u8 {
        let ways = ready.chance + 1;
        match self {
            Self::Random(draw) => draw(ways),
            Self::Turns { chosen, .. } => {
                let mine = chosen.filter(|choice| choice.thread == me);
                mine.map_or(0, |choice| (choice.way + 1).saturating_sub(ready.sure))
            }
            Self::Given { answers, asked, count, woken } => {
                if op.kind == OpKind::Sleep && woken.contains(&me) {
                    // A waiter that wakes in vain asks again, for ever.
                    *unexplored = Some("a second spurious wake-up of one thread".to_owned());
                    return 0;
                }
                let number = count.entry(me).or_default();
                let question = (me, *number);
                *number += 1;
                asked.insert(question, ways);
                let answer = answers.get(&question).copied().unwrap_or(0);
                if op.kind == OpKind::Sleep && answer > 0 {
                    woken.insert(me);
                }
                answer
            }
        }
    }

    fn see(&mut self, object: ObjectId, machine: &(dyn Machine + 'static)) {
        if let Self::Turns { machines, .. } = self {
            machines[object.index()] = dyn_clone::clone_box(machine);
        }
    }
}

impl Host {
    pub(crate) fn new(chooser: Chooser, halt: fn(&str) -> !) -> Arc<Self> {
        let inner = Inner {
            observers: Observers::default(),
            chooser,
            violation: None,
            running: 0,
            finally: None,
            started: false,
            halt,
            unexplored: None,
        };
        Arc::new(Self { inner: Mutex::new(inner) })
    }

    /// The hosted threads take turns on one OS thread, or none of them can be here: nobody
    /// yields to another thread with this lock held.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the last execution.
    pub(crate) fn clear(&self) {
        let mut inner = self.inner();
        inner.observers.start();
        inner.violation = None;
        inner.running = 0;
        inner.finally = None;
        inner.started = false;
        match &mut inner.chooser {
            Chooser::Given { count, woken, .. } => {
                count.clear();
                woken.clear();
            }
            Chooser::Random(_) => {}
            turns @ Chooser::Turns { .. } => *turns = Chooser::turns(),
        }
    }

    /// Who answers from here on.
    pub(crate) fn set_chooser(&self, chooser: Chooser) {
        self.inner().chooser = chooser;
    }

    /// Whoever of the threads ends last runs `finally`: to let the main thread wait for them, as
    /// on shuttle, would cost loom a multiple of the executions.
    pub(crate) fn set_finally(&self, finally: Body) {
        self.inner().finally = Some(finally);
    }

    pub(crate) fn set_started(&self) {
        self.inner().started = true;
    }

    pub(crate) fn started(&self) -> bool {
        self.inner().started
    }

    /// Makes the world and what its threads do.
    pub(crate) fn set_up(&self, program: &dyn Fn() -> Instance) -> Instance {
        let mut instance = None;
        self.run_thread(ThreadId::SETUP, || instance = Some(program()));
        instance.expect("made, or the execution has been ended")
    }

    /// Runs the body of thread `me`. A panic in it is a violation; one of the host's own, by
    /// which it reports or takes threads down, passes.
    pub(crate) fn run_thread(&self, me: ThreadId, body: impl FnOnce()) {
        let Err(payload) = panics::catch(body) else { return };
        let panic = Panic::of(payload.as_ref());
        if self.violation_found() || panic.is_hosts_own() {
            std::panic::resume_unwind(payload);
        }
        self.thread_panicked(me, &panic);
    }

    /// One thread has ended. The last one is handed what judges the world.
    pub(crate) fn thread_ended(&self) -> Option<Body> {
        let mut inner = self.inner();
        inner.running -= 1;
        if inner.running == 0 { inner.finally.take() } else { None }
    }

    pub(crate) fn add_thread(&self, name: Arc<str>) -> ThreadId {
        let mut inner = self.inner();
        inner.running += 1;
        inner.observers.add_thread(name)
    }

    pub(crate) fn add_object(
        &self,
        class: &'static str,
        machine: &(dyn Machine + 'static),
    ) -> ObjectId {
        let inner = &mut *self.inner();
        if let Chooser::Turns { machines, .. } = &mut inner.chooser {
            machines.push(dyn_clone::clone_box(machine));
        }
        inner.observers.add_object(class, machine.left_behind())
    }

    pub(crate) fn announce(&self, me: ThreadId, object: ObjectId, op: Op, at: Place) {
        self.stop_if(me, |observers| observers.sleep_in_atomic(me, object, op.kind, at));
        self.inner().observers.announce(me, object, op, at);
    }

    /// Which of the lucky ways is taken, from 1; or 0 for none of them.
    pub(crate) fn ask(&self, me: ThreadId, op: Op, ready: Ready) -> u8 {
        let inner = &mut *self.inner();
        inner.chooser.ask(me, op, ready, &mut inner.unexplored)
    }

    pub(crate) fn complete(
        &self,
        me: ThreadId,
        object: ObjectId,
        way: u8,
        reply: u64,
        machine: &(dyn Machine + 'static),
    ) {
        let inner = &mut *self.inner();
        inner.chooser.see(object, machine);
        let left_behind = machine.left_behind();
        if me == ThreadId::SETUP {
            return inner.observers.set_left_behind(object, left_behind);
        }
        inner.observers.complete(me, way, reply, left_behind);
    }

    /// An access asks for less than sequential consistency.
    pub(crate) fn note_weak(&self) {
        self.inner().observers.seen_mut().note_weak();
    }

    /// `object` has changed without an operation of its own.
    pub(crate) fn changed(&self, object: ObjectId, machine: &(dyn Machine + 'static)) {
        self.inner().chooser.see(object, machine);
    }

    /// The operation that happens next, whose thread the engine lets go on; if it is none, the
    /// threads go on as they can, without luck.
    pub(crate) fn choose(&self, choice: Option<Choice>) {
        if let Chooser::Turns { chosen, .. } = &mut self.inner().chooser {
            *chosen = choice;
        }
    }

    /// What the threads want to do, in their order, for an engine that schedules operations.
    pub(crate) fn wishes(&self) -> Vec<Wish> {
        let inner = self.inner();
        let Chooser::Turns { machines, .. } = &inner.chooser else { return Vec::new() };
        let wish = |(thread, object, op): (ThreadId, ObjectId, Op)| {
            let ready = machines[object.index()].ready(thread, op);
            Wish { thread, object, op, ready }
        };
        inner.observers.pending().map(wish).collect()
    }

    /// Records the violation and ends the execution.
    pub(crate) fn fault(&self, me: ThreadId, way: u8, fault: Fault) -> ! {
        let violation = self.inner().observers.fault(me, way, fault);
        self.violated(violation)
    }

    pub(crate) fn invariant_broken(&self, me: ThreadId, id: &str, message: &str, at: Place) {
        self.stop_if(me, |observers| Some(observers.broken(me, id, message, at)));
    }

    /// Thread `me` is about to do `what`, which may sleep.
    pub(crate) fn might_sleep(&self, me: ThreadId, what: &str, at: Place) {
        self.stop_if(me, |observers| observers.may_not_sleep(me, what, at));
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

    /// Nobody can go on.
    pub(crate) fn note_deadlock(&self) {
        let mut inner = self.inner();
        let deadlock = inner.observers.deadlocks().into_iter().next();
        inner.violation = inner.violation.take().or(deadlock);
    }

    pub(crate) fn violation_found(&self) -> bool {
        self.inner().violation.is_some()
    }

    pub(crate) fn all_ended(&self) -> bool {
        self.inner().running == 0
    }

    /// What the finished world leaves behind is a violation.
    pub(crate) fn check_leaks(&self) {
        let leaks = self.inner().observers.leaks();
        if let Some(violation) = leaks.into_iter().next() {
            self.violated(violation);
        }
    }

    /// The end of the world, run by whoever is the last to know it.
    pub(crate) fn judge(&self, finally: Body) {
        self.run_thread(ThreadId::SETUP, finally);
        self.check_leaks();
    }

    pub(crate) fn promise(&self, me: ThreadId, object: ObjectId, made: bool, at: Place) {
        self.inner().observers.promise(me, object, made, at);
    }

    pub(crate) fn enter_function(&self, me: ThreadId, name: &'static str) {
        self.inner().observers.enter_function(me, name);
    }

    pub(crate) fn leave_function(&self, me: ThreadId) {
        self.inner().observers.leave_function(me);
    }

    /// The violation recorded, if an object or an invariant recorded one.
    pub(crate) fn take_violation(&self) -> Option<Violation> {
        self.inner().violation.take()
    }

    pub(crate) fn take_unexplored(&self) -> Option<String> {
        self.inner().unexplored.take()
    }

    /// The questions asked so far, with the number of possible answers.
    pub(crate) fn asked(&self) -> BTreeMap<Question, u8> {
        match &self.inner().chooser {
            Chooser::Given { asked, .. } => asked.clone(),
            Chooser::Random(_) | Chooser::Turns { .. } => BTreeMap::new(),
        }
    }

    /// From here on, questions are answered like this.
    pub(crate) fn answer(&self, given: BTreeMap<Question, u8>) {
        if let Chooser::Given { answers, asked, .. } = &mut self.inner().chooser {
            *answers = given;
            asked.clear();
        }
    }

    pub(crate) fn observers<R>(&self, look: impl FnOnce(&Observers) -> R) -> R {
        look(&self.inner().observers)
    }
}

/// Writes the module of one host: its monitors and its threads.
macro_rules! monitor {
    ($(#[$doc:meta])* $host:ident, $($root:tt)+) => {
        $(#[$doc])*
        pub(crate) mod $host {
            use std::cell::Cell;
            use std::fmt;
            use std::sync::Arc;
            use std::sync::atomic::{AtomicU32, Ordering};

            use $($root)+::sync::{Condvar, Mutex};

            use super::host::Host;
            use crate::machine::Machine;
            use crate::object::{Object, Place};
            use crate::op::{ObjectId, Op, ThreadId};

            $($root)+::thread_local! {
                static ME: Cell<Option<ThreadId>> = Cell::new(None);
            }

            /// A number for a thread that no engine knows of; no other has it.
            fn unnumbered() -> ThreadId {
                static NEXT: AtomicU32 = AtomicU32::new(0);
                ThreadId::new(NEXT.fetch_add(1, Ordering::Relaxed) as usize)
            }

            /// The thread that calls.
            pub(crate) fn me() -> ThreadId {
                ME.with(|me| {
                    let id = me.get().unwrap_or_else(unnumbered);
                    me.set(Some(id));
                    id
                })
            }

            /// Declares who the calling thread is.
            pub(crate) fn set_me(id: ThreadId) {
                ME.with(|me| me.set(Some(id)));
            }

            /// A new thread of the host, to be run by [`hosted`].
            pub(crate) fn new_thread(name: Arc<str>, host: Option<&Host>) -> ThreadId {
                host.map_or_else(unnumbered, |host| host.add_thread(name))
            }

            /// What a thread of the host does: `body`, and then what its end entails.
            pub(crate) fn hosted(
                thread: ThreadId,
                end: Option<Arc<Object>>,
                host: Option<Arc<Host>>,
                body: impl FnOnce() + Send + 'static,
            ) -> impl FnOnce() + Send + 'static {
                move || {
                    set_me(thread);
                    match &host {
                        Some(host) => host.run_thread(thread, body),
                        None => body(),
                    }
                    if let Some(end) = end {
                        end.set(1);
                    }
                    if let Some(host) = host
                        && let Some(finally) = host.thread_ended()
                    {
                        set_me(ThreadId::SETUP);
                        host.judge(finally);
                    }
                }
            }

            /// A state machine whose operations the host's threads wait for.
            pub(crate) struct Monitor {
                id: ObjectId,
                state: Mutex<State>,
                changed: Condvar,
                host: Option<Arc<Host>>,
            }

            struct State {
                machine: Box<dyn Machine>,
                waiting: usize,
            }

            impl Monitor {
                pub(crate) fn new(
                    class: &'static str,
                    machine: Box<dyn Machine>,
                    host: Option<Arc<Host>>,
                ) -> Self {
                    let id = match &host {
                        Some(host) => host.add_object(class, &*machine),
                        None => ObjectId::new(0),
                    };
                    let state = Mutex::new(State { machine, waiting: 0 });
                    Self { id, state, changed: Condvar::new(), host }
                }

                pub(crate) fn perform_then<R>(
                    &self,
                    op: Op,
                    at: Place,
                    then: impl FnOnce() -> R,
                ) -> (u64, R) {
                    assert!(
                        self.host.is_some() || !super::engine_in_charge(),
                        "{}",
                        super::OUTSIDE
                    );
                    let me = me();
                    // Before the host sees the thread come to its mutex, and may let others go
                    // first: whoever decides that knows what the thread wants.
                    if let Some(host) = &self.host {
                        host.announce(me, self.id, op, at);
                    }
                    let mut state = self.state.lock().unwrap();
                    // A signal or a spurious wake-up that comes while the thread waits shows
                    // nothing that one which comes at once does not: the wait changes nothing.
                    let ready = state.machine.ready(me, op);
                    let luck = match &self.host {
                        Some(host) if ready.chance > 0 && me != ThreadId::SETUP => {
                            host.ask(me, op, ready)
                        }
                        _ => 0,
                    };
                    let alone = self.host.is_some() && me == ThreadId::SETUP;
                    assert!(!alone || ready.sure > 0, "{} {}", op.kind, super::ALONE);
                    let way = if luck > 0 { ready.sure + luck - 1 } else { 0 };
                    while luck == 0 && state.machine.ready(me, op).sure == 0 {
                        state.waiting += 1;
                        state = self.changed.wait(state).unwrap();
                        state.waiting -= 1;
                    }
                    let result = state.machine.apply(me, op, way);
                    if let (Some(host), Ok(reply)) = (&self.host, result) {
                        host.complete(me, self.id, way, reply, &*state.machine);
                    }
                    let then = result.is_ok().then(then);
                    if state.waiting > 0 {
                        self.changed.notify_all();
                    }
                    drop(state);
                    match (result, &self.host) {
                        (Ok(reply), _) => (reply, then.expect("done after every reply")),
                        (Err(fault), Some(host)) => host.fault(me, way, fault),
                        (Err(fault), None) => panic!("{}: {fault:?}", op.kind),
                    }
                }

                pub(crate) fn set(&self, value: u64) {
                    let mut state = self.state.lock().unwrap();
                    state.machine.set(value);
                    if let Some(host) = &self.host {
                        host.changed(self.id, &*state.machine);
                    }
                    if state.waiting > 0 {
                        self.changed.notify_all();
                    }
                }

                pub(crate) fn promise(&self, made: bool, at: Place) {
                    if let Some(host) = &self.host {
                        host.promise(me(), self.id, made, at);
                    }
                }
            }

            impl fmt::Debug for Monitor {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Debug::fmt(&self.id, f)
                }
            }
        }
    };
}

//! One execution of a scenario on coroutines, choice by choice.

mod calls;
mod memory;
mod rounds;
mod steps;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::cycles::{self, Threads, Waits};
use crate::explore::{Decision, Enabled, Point, Strategy};
use crate::machine::{Machine, Ready};
use crate::observe::findings::Findings;
use crate::observe::{MemoryUse, Observers, Seen};
use crate::op::{ObjectId, Op, ThreadId};
use crate::panics;
use crate::program::{Body, Instance, Program};
use crate::runtime::setting::Setting;
use crate::runtime::{self, Runtime, Task};
use crate::schedule::Choice;
use crate::violation::Violation;

use crate::runtime::native::fiber::{Fiber, Stacks};
use crate::runtime::native::intern::{History, Interner};
use crate::runtime::native::recording::{Dimensions, Effect, FREED, Next, Recording};
pub(crate) use calls::Handle;
use rounds::Rounds;

/// The way in which an execution ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Every thread ended, no thread could continue, or a violation stopped it.
    Over,
    /// The strategy needed no more of it.
    Cut,
    /// The program did not behave the same twice.
    Diverged,
    /// It had more operations, threads or objects than an execution may have.
    TooLong,
}

/// The world of one execution, which is reused for the next one.
pub(crate) struct Execution {
    /// The number of operations that an execution may have.
    operations_max: usize,
    /// Whether there was a value without an identity.
    opaque: Cell<bool>,
    /// The use of the memory that the search assumes.
    assumed: Cell<MemoryUse>,
    /// The loop that a thread does not seem to leave, if there was one.
    spins: RefCell<Option<String>>,
    /// Whether an execution had more threads or objects than fit into a state.
    crowded: Cell<bool>,
    inner: RefCell<Inner>,
}

struct Inner {
    /// The number of executions before.
    number: u64,
    machines: Vec<Box<dyn Machine>>,
    threads: Vec<Thread>,
    /// Threads that were started while the world is created; they follow the scenario's own.
    deferred: Option<Vec<(Arc<str>, Body)>>,
    /// The thread that runs now, or the set-up.
    running: ThreadId,
    observers: Observers,
    setting: Setting,
    /// For each thread, the number of the first that is treated as the same, if others are.
    alike: Arc<[usize]>,
    interner: Interner,
    stacks: Stacks,
    violation: Option<Violation>,
    /// A violation that does not follow from the observations of the thread, and the number of
    /// threads then: a lock was held when its memory was released, or an access races with one
    /// before.
    apart: Option<(Violation, usize)>,
    /// The memory of the words, if there are any that need one.
    memory: Option<ObjectId>,
    /// The number of threads that have run up to their first operation.
    started: usize,
    /// Whether the execution is observed; not if it is only run out.
    watched: bool,
    /// The recording of the execution so far, if it is recorded.
    recording: Option<Recording>,
}

impl Inner {
    fn set(&mut self, object: ObjectId, value: u64) {
        let set = self.machines[object.index()].set(value);
        set.expect("only the memory refuses a value");
        self.affects(|| Effect::Set(object, value));
    }

    /// Notifies an object that the memory that it lives in is released. If it is held, that is a
    /// violation of the step, and does not follow from the thread's observations: the thread runs
    /// up to its next operation, as it would anywhere else.
    fn free(&mut self, object: ObjectId) {
        let freed = self.machines[object.index()].memory_freed();
        self.affects(|| Effect::Set(object, FREED));
        if self.watched {
            self.observers.freed(object);
            if freed.is_err() {
                let violation = self.observers.freed_while_held(self.running, object);
                self.apart.get_or_insert((violation, self.threads.len()));
            }
        }
    }

    /// Records an effect of the step in progress apart from its operation.
    fn affects(&mut self, effect: impl FnOnce() -> Effect) {
        if let Some(Recording { open: Some(step), .. }) = &mut self.recording {
            step.effects.push(effect());
        }
    }

    /// Returns whether there are more threads and objects than fit into a state.
    fn is_crowded(&self) -> bool {
        !Dimensions::has_room(self.threads.len(), self.machines.len())
    }

    /// Returns whether `thread` has nothing to do: it has ended, or idles.
    fn is_done(&self, thread: &Thread) -> bool {
        thread.pending.is_none_or(|(object, op)| self.machines[object.index()].idles(op))
    }

    /// Returns the threads that have something to do.
    fn busy(&self) -> impl Iterator<Item = ThreadId> {
        let threads = self.threads.iter().enumerate();
        threads.filter(|(_, thread)| !self.is_done(thread)).map(|(at, _)| ThreadId::new(at))
    }

    fn next(&self, thread: ThreadId) -> Next {
        let polls = self.observers.polls(thread).is_some();
        let thread = &self.threads[thread.index()];
        Next { history: thread.history, pending: thread.pending, polls }
    }

    /// Closes the step in progress: every thread is at an operation, or at its end.
    fn close_step(&mut self) {
        let Some(mut recording) = self.recording.take() else { return };
        if self.is_crowded() {
            // A state without a number cannot be recorded.
            recording.open = None;
        } else if let Some(mut step) = recording.open.take() {
            step.next = self.next(step.thread);
            for effect in &mut step.effects {
                if let Effect::Spawned(thread, next) = effect {
                    *next = self.next(*thread);
                }
            }
            step.violated = self.violation.as_ref().map(|violation| violation.kind.clone());
            recording.steps.push(step);
        } else if self.violation.is_none() && recording.threads.is_empty() {
            recording.threads =
                (0..self.threads.len()).map(|t| self.next(ThreadId::new(t))).collect();
            recording.machines.clone_from(&self.machines);
        }
        self.recording = Some(recording);
    }
}

struct Thread {
    /// Taken out while the thread runs; `None` when it has ended.
    fiber: Option<Box<Fiber>>,
    pending: Option<(ObjectId, Op)>,
    history: History,
    reply: u64,
    /// How often it has forgotten its observations.
    forgotten: u64,
    /// Whether it observes anything new.
    rounds: Rounds,
    /// The thread as a task, if it is one.
    task: Option<Arc<dyn Task>>,
    /// The object that other threads join on, for a thread that was spawned by another.
    end: Option<ObjectId>,
}

/// The situation of an execution between two operations.
enum Standing {
    /// A thread has not run up to its first operation yet.
    NewThread(ThreadId),
    Violated,
    /// Every thread has ended, or idles.
    AllDone,
    /// The limit of operations is reached, or too many threads or objects were created.
    TooLong,
    Going,
}

impl Execution {
    pub(crate) fn new(operations_max: usize) -> Rc<Self> {
        let inner = Inner {
            number: 0,
            machines: Vec::new(),
            threads: Vec::new(),
            deferred: None,
            running: ThreadId::SETUP,
            observers: Observers::default(),
            setting: Setting::default(),
            alike: Arc::default(),
            interner: Interner::default(),
            stacks: Stacks::default(),
            violation: None,
            apart: None,
            memory: None,
            started: 0,
            watched: true,
            recording: None,
        };
        Rc::new(Self {
            operations_max,
            opaque: Cell::new(false),
            assumed: Cell::default(),
            spins: RefCell::default(),
            crowded: Cell::new(false),
            inner: RefCell::new(inner),
        })
    }

    /// Runs `program` once, with the choices of `strategy`, and records its violations.
    pub(crate) fn run(
        self: &Rc<Self>,
        program: &Program,
        strategy: &mut dyn Strategy,
        findings: &mut Findings,
    ) -> End {
        self.clear();
        let _in_charge = runtime::enter(Runtime::Native(Rc::clone(self)));
        let _quiet = panics::quiet();
        self.inner.borrow_mut().deferred = Some(Vec::new());
        let made = panics::catch(|| program());
        let deferred = self.inner.borrow_mut().deferred.take();
        let finally = match made {
            Ok(Instance { threads, finally }) => {
                for (name, body) in threads.into_iter().chain(deferred.into_iter().flatten()) {
                    self.spawn(name, body);
                }
                finally
            }
            Err(payload) => {
                self.panicked(payload.as_ref());
                Box::new(|| {})
            }
        };
        // It owns the world, which threads that are run out may still use.
        let mut finally = Some(finally);
        let end = self.explore(strategy, &mut finally, findings);
        if end == End::Cut {
            self.run_out();
        }
        self.take_down();
        end
    }

    /// As [`run`](Self::run), and returns the effect of each step.
    pub(crate) fn learn(
        self: &Rc<Self>,
        program: &Program,
        strategy: &mut dyn Strategy,
        findings: &mut Findings,
    ) -> (End, Recording) {
        self.inner.borrow_mut().recording = Some(Recording::default());
        let end = self.run(program, strategy, findings);
        let recording = self.inner.borrow_mut().recording.take();
        (end, recording.expect("asked for"))
    }

    fn clear(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.number += 1;
        inner.machines.clear();
        inner.observers.start();
        inner.setting = Setting::default();
        inner.violation = None;
        inner.apart = None;
        inner.memory = None;
        inner.started = 0;
        inner.watched = true;
    }

    fn explore(
        &self,
        strategy: &mut dyn Strategy,
        finally: &mut Option<Body>,
        findings: &mut Findings,
    ) -> End {
        loop {
            let standing = self.standing();
            if !matches!(standing, Standing::NewThread(_)) {
                self.inner.borrow_mut().close_step();
            }
            match standing {
                Standing::NewThread(thread) => self.resume(thread),
                Standing::Violated => {
                    self.note_violation(findings);
                    return End::Over;
                }
                Standing::AllDone => {
                    finally.take().into_iter().for_each(|finally| self.finish(finally, findings));
                    // The strategy sees the last state too.
                    strategy.choose(&ExecutionPoint { execution: self, enabled: SmallVec::new() });
                    return End::Over;
                }
                Standing::TooLong => {
                    self.crowded.set(self.inner.borrow().is_crowded());
                    self.note_deadlocks(&self.threads(self.closed()), findings);
                    return End::TooLong;
                }
                Standing::Going => match strategy.forced() {
                    Some(forced) if self.announced(&forced) => {
                        strategy.happened(self.advance(forced.choice));
                    }
                    Some(_) => return End::Diverged,
                    None => match self.branch(strategy, findings) {
                        Ok(choice) => strategy.happened(self.advance(choice)),
                        Err(end) => return end,
                    },
                },
            }
        }
    }

    /// Asks the strategy where there is a choice.
    fn branch(&self, strategy: &mut dyn Strategy, findings: &mut Findings) -> Result<Choice, End> {
        let here = ExecutionPoint { execution: self, enabled: self.enabled() };
        let is_stuck = !here.enabled.iter().any(|enabled| enabled.guaranteed);
        if is_stuck {
            self.note_deadlocks(&self.busy(), findings);
        }
        let decision = strategy.choose(&here);
        let rounds = strategy.goes_round();
        if let Some(polls) = rounds {
            // Threads that wait for each other do so whatever the strategy decides.
            self.note_deadlocks(&self.threads(self.closed()), findings);
            self.note_deadlocks(&self.waiting(polls), findings);
        }
        match decision {
            Decision::Take(choice) => Ok(choice),
            Decision::Cut if here.enabled.is_empty() => Err(End::Over),
            Decision::Cut => {
                let asked = !is_stuck && rounds.is_none();
                if let Some(known) = asked.then(|| strategy.waiting()).flatten() {
                    self.note_deadlocks(&self.threads(self.closed() | known), findings);
                }
                Err(End::Cut)
            }
        }
    }

    /// Records what the `waiting` threads wait for, none of which ever continues, in the present
    /// state.
    fn note_deadlocks(&self, waiting: &[ThreadId], findings: &mut Findings) {
        let deadlocks = self.inner.borrow().observers.deadlocks(waiting);
        deadlocks.into_iter().for_each(|deadlock| self.note(findings, deadlock));
    }

    /// Returns the threads that wait for each other, whatever the others do.
    fn closed(&self) -> Threads {
        let inner = self.inner.borrow();
        let mut waits = Waits::default();
        for thread in (0..inner.threads.len()).map(ThreadId::new) {
            match inner.threads[thread.index()].pending {
                Some((object, op)) => {
                    let machine = &*inner.machines[object.index()];
                    waits.waits(thread, cycles::blockers(machine, thread, op));
                }
                None => waits.ended(thread),
            }
        }
        waits.closed()
    }

    /// Returns the threads that cannot continue, and those in `polls`.
    fn waiting(&self, polls: Threads) -> Vec<ThreadId> {
        let inner = self.inner.borrow();
        let waits = |thread: &ThreadId| {
            let pending = inner.threads[thread.index()].pending;
            let ready = |(object, op): (ObjectId, Op)| {
                inner.machines[object.index()].ready(*thread, op).guaranteed > 0
            };
            !pending.is_some_and(ready) || polls & cycles::bit(*thread) != 0
        };
        inner.busy().filter(waits).collect()
    }

    /// Returns the threads that have something to do.
    pub(crate) fn busy(&self) -> Vec<ThreadId> {
        self.inner.borrow().busy().collect()
    }

    /// Returns those of `threads` that have something to do.
    fn threads(&self, threads: Threads) -> Vec<ThreadId> {
        let mut busy = self.busy();
        busy.retain(|thread| threads & cycles::bit(*thread) != 0);
        busy
    }

    fn standing(&self) -> Standing {
        let mut inner = self.inner.borrow_mut();
        if inner.violation.is_some() {
            Standing::Violated
        } else if inner.started < inner.threads.len() {
            inner.started += 1;
            Standing::NewThread(ThreadId::new(inner.started - 1))
        } else if inner.apart.is_some() {
            Standing::Violated
        } else if inner.threads.iter().all(|thread| inner.is_done(thread)) {
            Standing::AllDone
        } else if inner.observers.steps() == self.operations_max || inner.is_crowded() {
            Standing::TooLong
        } else {
            Standing::Going
        }
    }

    /// Ends the world: the final check, then the check for leaks.
    fn finish(&self, finally: Body, findings: &mut Findings) {
        if let Err(payload) = panics::catch(finally) {
            self.panicked(payload.as_ref());
        }
        if self.inner.borrow().violation.is_some() {
            return self.note_violation(findings);
        }
        let leaks = self.inner.borrow().observers.leaks();
        leaks.into_iter().for_each(|leak| self.note(findings, leak));
    }

    /// Returns whether the last execution that was too long had too many threads or objects.
    pub(crate) fn crowded(&self) -> bool {
        self.crowded.get()
    }

    pub(crate) fn opaque(&self) -> bool {
        self.opaque.get()
    }

    /// Returns the state of the execution: equal words mean equal states, in this exploration.
    pub(crate) fn state(&self) -> Vec<u64> {
        let inner = self.inner.borrow();
        let mut words = vec![inner.threads.len() as u64, inner.machines.len() as u64];
        words.extend(inner.threads.iter().map(|thread| thread.history));
        inner.machines.iter().for_each(|machine| machine.encode(&mut words));
        words
    }

    /// Takes the numbers of values and histories; the next execution assigns new ones.
    pub(crate) fn take_interner(&self) -> Interner {
        std::mem::take(&mut self.inner.borrow_mut().interner)
    }

    /// Sets the numbers of values and histories from now on.
    pub(crate) fn give_interner(&self, interner: Interner) {
        self.inner.borrow_mut().interner = interner;
    }

    /// Takes what was observed over all executions.
    pub(crate) fn take_seen(&self) -> Seen {
        std::mem::take(self.inner.borrow_mut().observers.seen_mut())
    }

    /// Adds what other executions of the program have shown.
    pub(crate) fn absorb(&self, seen: &Seen) {
        self.inner.borrow_mut().observers.seen_mut().absorb(seen);
    }

    /// Calls `look` with the observers.
    pub(crate) fn observers<R>(&self, look: impl FnOnce(&Observers) -> R) -> R {
        look(&self.inner.borrow().observers)
    }
}

/// A point of the execution, as the strategy sees it.
struct ExecutionPoint<'a> {
    execution: &'a Execution,
    enabled: SmallVec<[Enabled; 6]>,
}

impl Point for ExecutionPoint<'_> {
    fn enabled(&self) -> &[Enabled] {
        &self.enabled
    }

    fn threads(&self) -> usize {
        self.execution.inner.borrow().threads.len()
    }

    fn blocked(&self) -> Vec<(ThreadId, ObjectId, Op)> {
        let inner = self.execution.inner.borrow();
        let pending = inner.threads.iter().enumerate().filter_map(|(index, thread)| {
            let (object, op) = thread.pending?;
            Some((ThreadId::new(index), object, op))
        });
        let ready = |t, object: ObjectId, op| inner.machines[object.index()].ready(t, op);
        pending.filter(|(t, object, op)| ready(*t, *object, *op) == Ready::NO).collect()
    }
}

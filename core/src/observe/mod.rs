//! Observers of an execution: locks held, waits, the order of lock classes, the trace.
//!
//! Observers are notified of every operation twice, when a thread announces it and when it has
//! happened. They are the same under every engine.

mod atomic;
mod calls;
mod coverage;
mod empty;
pub(crate) mod findings;
pub mod lockdep;
mod place;
mod preconditions;
mod seen;
mod threads;
mod trace;
mod violations;
mod waits;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::cpu::{Context, Cpu};
use crate::explore::CameRound;
use crate::machine::{QUEUED, REFUSED};
use crate::name::Name;
use crate::op::{ObjectId, Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::schedule::{Choice, Schedule};

use atomic::Atomic;
use calls::Frame;
pub use calls::{Action, Call};
pub use coverage::Site;
use empty::releases_by_guard;
use lockdep::{ClassId, Mode, Task, WaitType};
use place::{Line, Taken};
pub(crate) use seen::{MemoryUse, Seen};
pub(crate) use threads::Position;
pub use trace::{Step, Switch, Trace};

/// An operation that has happened.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) thread: ThreadId,
    pub(crate) object: ObjectId,
    /// The object that it concerns: see [`Op::about`].
    about: ObjectId,
    pub(crate) op: Op,
    pub(crate) outcome: u8,
    /// The reply to the thread, or nothing if the operation violated a rule of its object.
    pub(crate) reply: Option<u64>,
    pub(crate) taken: Taken,
    /// The name of the instruction, if it is one.
    instruction: Option<&'static str>,
    /// The objects that lived in memory that it released.
    frees: Box<[ObjectId]>,
    /// Whether the thread has returned to an earlier local state.
    round: CameRound,
}

impl Event {
    /// Returns the object that it is on, and the one that it concerns if that is another. Of a lock
    /// of a class it is that alone.
    fn objects(&self) -> impl DoubleEndedIterator<Item = ObjectId> + use<> {
        let about = (self.about != self.object).then_some(self.about);
        let class = about.is_some() && self.op.kind.row().about_lock;
        [self.object].into_iter().filter(move |_| !class).chain(about)
    }

    /// Returns whether the thread got what it asked for.
    fn succeeded(&self) -> bool {
        self.reply.is_some_and(|reply| reply != REFUSED && reply != QUEUED)
    }
}

/// An operation that a thread has announced.
#[derive(Clone, Copy, Debug)]
struct Pending {
    object: ObjectId,
    /// The object that it concerns: see [`Op::about`].
    about: ObjectId,
    op: Op,
    taken: Taken,
    instruction: Option<&'static str>,
}

#[derive(Debug)]
struct Thread {
    name: Arc<str>,
    functions: Vec<Frame>,
    /// The line of a text that it carries out.
    line: Option<Line>,
    task: Task,
    /// The objects behind `task`'s classes, each at the place of its class, by which holders are
    /// found.
    holds: Vec<ObjectId>,
    /// The objects that forbid it to sleep, in the order in which they were taken.
    atomic: Vec<Atomic>,
    pending: Option<Pending>,
    /// The name of what the thread polls for, if it does.
    polls: Option<&'static str>,
    /// Whether it polls only until its next operation.
    spins: bool,
    /// The number of its operations, without those of rounds that have led back to an earlier local
    /// state.
    operations: usize,
}

impl Thread {
    /// Returns the modelled function that it is in.
    fn function(&self) -> Option<&'static str> {
        Some(self.functions.last()?.name)
    }
}

#[derive(Debug)]
struct Watched {
    name: &'static str,
    class: ClassId,
    /// The line of a text that declares it.
    line: Option<Line>,
    /// The object that represents the memory that it lives in.
    memory: Option<ObjectId>,
    leaked: bool,
    /// Whether that memory was released.
    freed: bool,
}

/// Everything observed of one execution, and what is kept over all of them.
#[derive(Debug, Default)]
pub(crate) struct Observers {
    seen: Seen,
    objects: Vec<Watched>,
    threads: Vec<Thread>,
    /// The number of threads that were given each name.
    namesakes: FxHashMap<Arc<str>, usize>,
    events: Vec<Event>,
    /// The line of a text that the set-up, or the final check, carries out.
    line: Option<Line>,
    /// Whether the kernel is PREEMPT_RT.
    preempt_rt: bool,
}

impl Observers {
    /// Forgets the execution. What was observed over all of them stays.
    pub(crate) fn start(&mut self) {
        self.objects.clear();
        self.threads.clear();
        self.namesakes.clear();
        self.events.clear();
        self.line = None;
        self.preempt_rt = false;
    }

    /// Returns what was observed over all executions.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    pub(crate) fn seen_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }

    /// Returns the number of operations that have happened.
    pub(crate) fn steps(&self) -> usize {
        self.events.len()
    }

    /// Returns the reply of the last operation that has happened.
    #[cfg(feature = "shuttle")]
    pub(crate) fn last_reply(&self) -> Option<u64> {
        self.events.last()?.reply
    }

    /// Returns the numbers of threads and objects.
    pub(crate) fn made(&self) -> (usize, usize) {
        (self.threads.len(), self.objects.len())
    }

    /// Returns the operations that were announced and have not happened yet, in the order of the
    /// threads.
    pub(crate) fn pending(&self) -> impl Iterator<Item = (ThreadId, ObjectId, Op)> {
        self.threads.iter().enumerate().filter_map(|(index, thread)| {
            let Pending { object, op, .. } = thread.pending?;
            Some((ThreadId::new(index), object, op))
        })
    }

    /// Returns the threads that have announced nothing. Where each thread is at an operation or at
    /// its end, these have ended.
    #[cfg(feature = "shuttle")]
    pub(crate) fn ended(&self) -> impl Iterator<Item = ThreadId> {
        let threads = self.threads.iter().enumerate();
        threads.filter(|(_, thread)| thread.pending.is_none()).map(|(at, _)| ThreadId::new(at))
    }

    /// Returns the threads that have not ended.
    pub(crate) fn unfinished(&self) -> Vec<ThreadId> {
        self.pending().map(|(thread, ..)| thread).collect()
    }

    /// Returns what has happened, as a schedule of the native engine.
    pub(crate) fn schedule(&self) -> Schedule {
        let choice = |event: &Event| Choice { thread: event.thread, outcome: event.outcome };
        Schedule(self.events.iter().map(choice).collect())
    }

    /// Adds an object. It lives in the memory that another one represents, or in none that is
    /// released.
    pub(crate) fn add_object(
        &mut self,
        name: &'static str,
        memory: Option<ObjectId>,
        leaked: bool,
    ) -> ObjectId {
        let class = self.seen.lockdep.class(name);
        let line = self.line;
        self.objects.push(Watched { name, class, line, memory, leaked, freed: false });
        ObjectId::new(self.objects.len() - 1)
    }

    /// Returns the name of `thread`, to be kept while it runs.
    pub(crate) fn shared_name(&self, thread: ThreadId) -> Arc<str> {
        Arc::clone(&self.threads[thread.index()].name)
    }

    /// Returns what `thread` polls for, if it does.
    pub(crate) fn polls(&self, thread: ThreadId) -> Option<&'static str> {
        self.threads[thread.index()].polls
    }

    /// Notes that thread `me` polls for `what` from now on, and returns what it polled for before.
    pub(crate) fn set_polls(
        &mut self,
        me: ThreadId,
        what: Option<&'static str>,
    ) -> Option<&'static str> {
        let thread = self.threads.get_mut(me.index())?;
        std::mem::replace(&mut thread.polls, what)
    }

    /// Notes that thread `me` spins: it polls for `what` until its next operation.
    pub(crate) fn set_spins(&mut self, me: ThreadId, what: &'static str) {
        if let Some(thread) = self.threads.get_mut(me.index()) {
            (thread.polls, thread.spins) = (Some(what), true);
        }
    }

    /// Notes that thread `me` is about to do `op`, now or when it can.
    pub(crate) fn announce(&mut self, me: ThreadId, object: ObjectId, op: Op, at: Place) {
        if me == ThreadId::SETUP {
            return;
        }
        let about = op.about().unwrap_or(object);
        let class = self.class(about, op);
        let queue = self.objects[object.index()].class;
        let declared = self.objects[about.index()].line;
        let thread = &mut self.threads[me.index()];
        let (instruction, functions) = match (op.kind, thread.functions.as_slice()) {
            (OpKind::Instruction, [functions @ .., name]) => (Some(name.name), functions),
            (_, functions) => (None, functions),
        };
        let function = functions.last().map(|frame| frame.name);
        let taken = Taken { function, at, line: thread.line.or(declared) };
        thread.pending = Some(Pending { object, about, op, taken, instruction });
        if let Some(wait_type) = WaitType::of(op.kind) {
            self.seen.lockdep.set_wait_type(class, wait_type);
        }
        let outer = op.nest_lock(object).filter(|outer| thread.holds.contains(outer));
        let outer = outer.map(|outer| self.objects[outer.index()].class);
        // It nests below the outer lock, as do those of its class that are held (`check_deadlock`).
        let first = thread.task.held().find(|held| Some(*held) == outer || *held == class);
        let nested = outer.is_some() && first == outer && thread.task.held().any(|h| h == class);
        if let Some(mode) = op.kind.row().waits.filter(|_| !nested) {
            self.seen.lockdep.want(&thread.task, &thread.name, class, mode, taken);
            if op.kind == OpKind::FlushWork && op.a == 1 {
                self.seen.lockdep.want(&thread.task, &thread.name, queue, mode, taken);
            }
        }
    }

    /// Notes that thread `me` has done what it announced.
    pub(crate) fn complete(&mut self, me: ThreadId, outcome: u8, reply: u64, leaked: bool) {
        if me == ThreadId::SETUP {
            return;
        }
        let thread = &mut self.threads[me.index()];
        let pending = thread.pending.take().expect("announced before");
        thread.operations += 1;
        if std::mem::take(&mut thread.spins) {
            thread.polls = None;
        }
        let Pending { object, about, op, taken, instruction, .. } = pending;
        let watched = &mut self.objects[object.index()];
        watched.leaked = leaked;
        let event = Event {
            thread: me,
            object,
            about,
            op,
            outcome,
            reply: Some(reply),
            taken,
            instruction,
            frees: Box::default(),
            round: CameRound::default(),
        };
        let succeeded = event.succeeded();
        // A line of a text releases by a call of its own.
        if releases_by_guard(op.kind) && taken.line.is_none() {
            let before = self.events.iter().rev().find(|before| before.thread == me);
            let took = |before: &Event| {
                before.object == object
                    && std::ptr::eq(before.taken.at, taken.at)
                    && before.succeeded()
            };
            if before.is_some_and(took) {
                self.seen.empty.empty(taken.at, watched.name);
            }
        }
        let objects: SmallVec<[ObjectId; 2]> = event.objects().collect();
        self.events.push(event);
        self.seen.coverage.reach(taken);
        match instruction {
            Some(name) => self.seen.calls.instruction(name),
            None => self.seen.calls.act(
                thread.functions.last_mut(),
                Action::Operation(op.kind.row().text, self.objects[about.index()].name),
            ),
        }
        self.seen.used.operation(op.kind);
        if op.kind.row().atomic && succeeded {
            let raw = op.kind.row().raw || !self.preempt_rt;
            thread.atomic.push(Atomic { object, raw });
        }
        let row = op.kind.row();
        let interrupts = |kind: &Context| !self.preempt_rt || *kind == Context::Hardirq;
        if let Some(interrupt) = row.interrupts.filter(interrupts).filter(|_| succeeded) {
            thread.task.interrupt(interrupt);
        }
        if row.releases {
            objects.iter().rev().for_each(|object| self.release(me, *object));
        }
        for object in objects.into_iter().filter(|_| succeeded) {
            if let Some(mode) = row.takes {
                self.hold(me, object, op, mode, taken);
            }
        }
    }

    fn hold(&mut self, me: ThreadId, object: ObjectId, op: Op, mode: Mode, taken: Taken) {
        let class = self.class(object, op);
        let thread = &mut self.threads[me.index()];
        thread.holds.push(object);
        self.seen.lockdep.hold(&mut thread.task, &thread.name, class, mode, taken);
    }

    /// Forgets what other threads have done since the last operation of `me`. A host may run them
    /// before `me` can report its violation, which does not depend on them.
    pub(crate) fn forget_after(&mut self, me: ThreadId) {
        if me != ThreadId::SETUP {
            let last = self.events.iter().rposition(|event| event.thread == me);
            self.events.truncate(last.map_or(0, |last| last + 1));
        }
    }

    /// Notes an operation that has happened when no thread runs. The operations of the final check
    /// are reached; those that create the world are not, since no interleaving has led there.
    pub(crate) fn happened_alone(&mut self, at: Place) {
        if !self.events.is_empty() {
            self.seen.coverage.reach(Taken { function: None, at, line: self.line });
        }
    }

    /// Notes whether `object` would be leaked after the set-up.
    pub(crate) fn set_leaked(&mut self, object: ObjectId, leaked: bool) {
        self.objects[object.index()].leaked = leaked;
    }

    /// Notes that thread `me` promises to wake the threads that sleep on `object`, or has done so.
    pub(crate) fn promise(&mut self, me: ThreadId, object: ObjectId, made: bool, at: Place) {
        if me == ThreadId::SETUP {
            return;
        }
        if !made {
            return self.release(me, object);
        }
        let class = self.objects[object.index()].class;
        let thread = &mut self.threads[me.index()];
        let taken = thread.taken(at);
        thread.holds.push(object);
        let Thread { name, task, .. } = thread;
        self.seen.lockdep.hold(task, name, class, Mode::Exclusive, taken);
    }

    /// Notes that the data behind a lock that was taken at `at` have been accessed.
    pub(crate) fn used(&mut self, at: Place) {
        self.seen.empty.used(at);
    }

    /// Returns the class of a lock, as the operation takes it.
    fn class(&mut self, object: ObjectId, op: Op) -> ClassId {
        let Watched { name, class, .. } = self.objects[object.index()];
        match op.kind {
            OpKind::LockNested if op.a > 0 => {
                self.seen.lockdep.class(Name::from(format!("{name}/{}", op.a)).as_str())
            }
            _ => class,
        }
    }

    fn release(&mut self, me: ThreadId, object: ObjectId) {
        let thread = &mut self.threads[me.index()];
        if let Some(place) = thread.holds.iter().rposition(|held| *held == object) {
            thread.holds.remove(place);
            atomic::ends(&mut thread.atomic, object);
            self.seen.lockdep.release_at(&mut thread.task, place);
        }
    }

    /// Returns whether thread `me` holds `object`. The set-up and the final check run alone.
    pub(crate) fn holds(&self, me: ThreadId, object: ObjectId) -> bool {
        self.threads.get(me.index()).is_none_or(|thread| thread.holds.contains(&object))
    }

    /// Notes the state of the CPU of thread `me`.
    pub(crate) fn set_cpu(&mut self, me: ThreadId, cpu: Cpu) {
        if let Some(Thread { name, task, .. }) = self.threads.get_mut(me.index()) {
            self.seen.lockdep.set_cpu(task, name, cpu);
        }
    }

    /// Returns the number of operations of thread `me`, without those of rounds in vain. Like its
    /// local state, that does not depend on the number of rounds.
    pub(crate) fn operations(&self, me: ThreadId) -> usize {
        self.threads.get(me.index()).map_or(0, |thread| thread.operations)
    }

    /// Puts thread `me` where it might be after so many operations.
    pub(crate) fn set_operations(&mut self, me: ThreadId, operations: usize) {
        if let Some(thread) = self.threads.get_mut(me.index()) {
            thread.operations = operations;
        }
    }

    /// Returns thread `me` to the point after so many operations.
    pub(crate) fn come_round(&mut self, me: ThreadId, operations: usize) {
        let Some(thread) = self.threads.get_mut(me.index()) else { return };
        let done = std::mem::replace(&mut thread.operations, operations);
        let operations = u32::try_from(done - operations).unwrap_or(u32::MAX);
        if !thread.spins {
            self.seen.used.round();
        }
        let round = CameRound { operations, polls: thread.polls.is_some() };
        if let Some(event) = self.events.iter_mut().rev().find(|event| event.thread == me) {
            event.round = round;
        }
    }

    /// Returns whether the thread of the last operation has returned to an earlier local state.
    pub(crate) fn last_round(&self) -> CameRound {
        self.events.last().map(|event| event.round).unwrap_or_default()
    }

    /// Notes that the last operation released the memory that `object` lives in.
    pub(crate) fn freed(&mut self, object: ObjectId) {
        self.objects[object.index()].freed = true;
        if let Some(event) = self.events.last_mut() {
            event.frees = event.frees.iter().copied().chain([object]).collect();
        }
    }

    /// Returns the objects that lived in memory that the last operation released.
    pub(crate) fn last_frees(&self) -> Box<[ObjectId]> {
        self.events.last().map(|event| event.frees.clone()).unwrap_or_default()
    }

    /// Forgets the threads that were started when the execution was over already.
    pub(crate) fn forget_threads_from(&mut self, first: usize) {
        self.threads.truncate(first);
    }

    /// Returns the object's class, with a number if the world has several of the class.
    pub(crate) fn object_name(&self, object: ObjectId) -> String {
        let name = self.objects[object.index()].name;
        let same = |objects: &[Watched]| objects.iter().filter(|o| o.name == name).count();
        match same(&self.objects) {
            1 => name.to_owned(),
            _ => format!("{name}#{}", same(&self.objects[..object.index()])),
        }
    }
}

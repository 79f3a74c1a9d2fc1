//! Brute force: the same programs on plain data, every interleaving of their operations.
//!
//! Nothing here is shared with the library. The effect of each operation is specified a second
//! time, from the kernel's documentation, as simply as possible; each rule cites its source. The
//! search keeps whole states instead of histories. This file moves threads from operation to
//! operation; each family of objects has a file.

mod completions;
mod condvars;
mod context;
mod for_good;
mod lifetimes;
mod locks;
mod memory;
mod queues;
mod sections;
mod slots;
mod timers;
mod waits;
mod works;

use std::collections::HashMap;

use super::program::{Final, Instr, Outcome, Program, Step, last_entry};
pub(super) use locks::{Held, Mutex, Sem};

/// The results of brute force.
pub(crate) struct Explored {
    pub(crate) outcome: Outcome,
    pub(crate) states: u64,
    /// Whether a thread can wait for good while others continue for ever.
    pub(crate) beside: bool,
}

/// Returns all results of a program, or `None` if it has more than `most` states.
pub(crate) fn explore(program: &Program, most: usize) -> Option<Explored> {
    let mut outcome = Outcome::default();
    let mut numbers = HashMap::new();
    let mut steps: Vec<Vec<usize>> = Vec::new();
    let mut states = vec![State::new(program)];
    numbers.insert(states[0].clone(), 0);
    let mut at = 0;
    while at < states.len() {
        let state = states[at].clone();
        steps.push(Vec::new());
        if states.len() > most {
            return None;
        }
        if let Some(end) = state.end(program) {
            outcome.finals.insert(end);
            outcome.violations.extend(state.leaks());
        }
        for (_, way, after) in state.outcomes(program) {
            if let Some(violation) = after.violation {
                outcome.violations.insert(violation);
                // A violation is an end, not a wait.
                steps[at].extend(way.is_guaranteed().then_some(for_good::VIOLATES));
                continue;
            }
            let next = states.len();
            let number = *numbers.entry(after.clone()).or_insert(next);
            if number == next {
                states.push(after);
            }
            if way.is_guaranteed() {
                steps[at].push(number);
            }
        }
        // Threads that wait for each other do so whether or not others can continue.
        let closed = waits::closed(&state, program);
        outcome.deadlocks.extend(waits::deadlocks(&state, program, &closed));
        at += 1;
    }
    let mut beside = false;
    for (state, waiting) in for_good::waiting(&states, &steps, program) {
        beside |= !steps[state].is_empty();
        outcome.deadlocks.extend(waits::deadlocks(&states[state], program, &waiting));
    }
    Some(Explored { outcome, states: states.len() as u64, beside })
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct State {
    pub(super) threads: Vec<Thread>,
    /// The threads that have been started, in this order. Functions start by themselves.
    pub(super) started: Vec<usize>,
    /// The number of them that have run up to their first operation.
    classification: usize,
    /// The violation, after which nothing happens.
    violation: Option<String>,
    pub(super) mutexes: Vec<Mutex>,
    spins: Vec<Mutex>,
    pub(super) sems: Vec<Sem>,
    unfair: Vec<Sem>,
    pub(super) atomics: Vec<u64>,
    queues: Vec<queues::Queue>,
    /// The number of times that each has happened without a wait; `None` after `complete_all`.
    pub(super) completions: Vec<Option<u64>>,
    pub(super) condvars: Vec<condvars::Condvar>,
    pub(super) slots: Vec<slots::Slots>,
    krefs: Vec<u64>,
    freed: Vec<bool>,
    in_memory: bool,
    modules: Vec<lifetimes::Module>,
    srcus: Vec<sections::Sections>,
    rcu: sections::Sections,
    timers: Vec<timers::Timer>,
    works: works::Works,
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Thread {
    at: usize,
    pub(super) phase: Phase,
    pub(super) held: Vec<Held>,
    pub(super) log: Vec<u64>,
    /// The threads that it has started and not joined.
    children: Vec<usize>,
    /// The mutex that it has unlocked while it sleeps.
    pub(super) unlocked_mutex: Option<usize>,
    /// Whether the timeout of its wait expired.
    timed_out: bool,
    /// Where the log and the locks of a round begin, if it repeats its steps for ever.
    round: Option<(usize, usize)>,
}

/// The position of a thread within its instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) enum Phase {
    #[default]
    Begin,
    /// Waits for what it has asked for.
    Queued,
    /// About to join the wait queue, before this look at the condition.
    Prepare(Look),
    /// About to look at the condition.
    Check(Look),
    /// Has locked the mutex that the condition is behind.
    Unlock(Look),
    /// Has unlocked a mutex, or a semaphore, that it is still about to touch.
    Touch(After),
    /// About to sleep.
    Sleep,
    /// Has a signal, and is about to leave the wait queue before it looks for the last time.
    Dequeue,
    /// About to take the mutex that it has unlocked.
    Relock,
    /// About to take the mutex under which it puts the reference that may be the last.
    Under,
    /// Holds that mutex, and is about to put the reference.
    Put,
    /// Is about to unlock it, since the reference was not the last.
    Unput,
    /// About to leave the wait queue, and whether the condition holds.
    Leave(bool),
}

/// The position of a look at a condition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Look {
    /// The thread has not been queued yet.
    First,
    Again,
    /// The timeout has expired, or a signal has arrived.
    Last,
}

/// The continuation after a look, or after an unlock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum After {
    /// The end of the instruction, and whether the condition holds.
    Return(bool),
    Prepare,
    Sleep,
    Leave(bool),
}

impl After {
    fn done(self) -> Done {
        match self {
            Self::Return(_) => Done::Next,
            Self::Prepare => Done::More(Phase::Prepare(Look::Again)),
            Self::Sleep => Done::More(Phase::Sleep),
            Self::Leave(holds) => Done::More(Phase::Leave(holds)),
        }
    }
}

/// One of the outcomes of an operation, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Way {
    /// A guaranteed outcome.
    Guaranteed(usize),
    /// An optional outcome: a signal, a spurious wake-up, another CPU.
    Optional(usize),
}

impl Way {
    pub(super) fn is_guaranteed(self) -> bool {
        matches!(self, Self::Guaranteed(_))
    }
}

/// Returns whether an operation has several guaranteed outcomes.
fn varies(instr: Instr) -> bool {
    matches!(instr, Instr::NotifyOne(_) | Instr::Choose(_) | Instr::ScheduleTimeout(_))
}

/// The result of an operation.
enum Done {
    /// The instruction is done.
    Next,
    /// There is more of it.
    More(Phase),
}

impl State {
    pub(super) fn new(program: &Program) -> Self {
        let mut state = Self {
            threads: vec![Thread::default(); program.threads.len()],
            started: (0..program.started).collect(),
            classification: 0,
            violation: None,
            mutexes: vec![Mutex::default(); program.mutexes],
            spins: vec![Mutex::default(); program.spins],
            sems: vec![Sem::default(); program.sems],
            unfair: vec![Sem::default(); program.unfair],
            atomics: vec![0; program.atomics],
            queues: vec![Default::default(); program.queues],
            completions: vec![Some(0); program.completions],
            condvars: vec![Default::default(); program.condvars],
            slots: program.slots.iter().map(|count| slots::Slots::new(*count)).collect(),
            // `kref_init`: include/linux/kref.h, "initialize object" with a count of 1.
            krefs: vec![1; program.krefs],
            freed: vec![false; program.tracked],
            in_memory: program.in_memory,
            modules: vec![Default::default(); program.modules],
            srcus: vec![Default::default(); program.srcus],
            rcu: Default::default(),
            timers: vec![Default::default(); program.timers.len()],
            works: works::Works::new(program.max_active),
        };
        state.settle_new_threads(program);
        for function in program.timers.iter().chain(&program.works) {
            state.classify(*function, &program.threads[*function]);
        }
        state
    }

    /// Runs each thread that has been started up to its first operation; it may start more.
    fn settle_new_threads(&mut self, program: &Program) {
        while let Some(new) = self.started.get(self.classification).copied() {
            self.classification += 1;
            self.classify(new, &program.threads[new]);
        }
    }

    /// Returns the next instruction of thread `me`, if it has not ended. An idle function has.
    pub(super) fn next(&self, program: &Program, me: usize) -> Option<Instr> {
        let thread = &self.threads[me];
        let instr = program.threads[me].get(thread.at).map(|step| step.instr);
        match instr {
            Some(Instr::Expires(t)) => return self.timers[t].pending.then_some(instr?),
            Some(Instr::WorkBegins(w)) => return self.works.is_pending(w).then_some(instr?),
            _ => {}
        }
        if !program.is_function(me) && !self.started.contains(&me) {
            return None;
        }
        // A thread releases whatever it still holds at its end, or at the end of a function or
        // round.
        let held = thread.held.len() - thread.round.map_or(0, |(_, held)| held);
        let unlocks = matches!(thread.phase, Phase::Touch(After::Return(_)));
        let last_lock = || match unlocks {
            true => Some(Instr::Release(0)),
            false => held.checked_sub(1).map(Instr::Release),
        };
        match instr {
            None if thread.round.is_none() => last_lock(),
            Some(
                Instr::TimerReturns(_) | Instr::WorkReturns(_) | Instr::GraceReturns | Instr::Again,
            ) => last_lock().or(instr),
            instr => instr,
        }
    }

    fn end(&self, program: &Program) -> Option<Final> {
        let ended = (0..self.threads.len()).all(|me| self.next(program, me).is_none());
        let logs = (0..self.threads.len()).map(|me| match program.is_function(me) {
            true => Vec::new(),
            false => self.threads[me].log.clone(),
        });
        if !ended {
            return None;
        }
        // Objects in freed memory are not looked at.
        let gone = self.memory_is_gone();
        let values = |values: Vec<u64>| if gone { Vec::new() } else { values };
        Some(Final {
            logs: logs.collect(),
            mutexes: values(self.mutexes.iter().map(|mutex| mutex.value).collect()),
            spins: values(self.spins.iter().map(|spin| spin.value).collect()),
            sems: values(self.sems.iter().map(|sem| sem.value).collect()),
            unfair: values(self.unfair.iter().map(|sem| sem.value).collect()),
            atomics: values(self.atomics.clone()),
        })
    }

    /// Returns everything that can happen next: the thread, the outcome, and the state after that.
    pub(super) fn outcomes(&self, program: &Program) -> Vec<(usize, Way, Self)> {
        let mut outcomes = Vec::new();
        for way in [Way::Guaranteed, Way::Optional] {
            for me in 0..self.threads.len() {
                let ways = (0..)
                    .map(way)
                    .map_while(|way| Some((me, way, self.advanced(program, me, way)?)));
                outcomes.extend(ways);
            }
        }
        outcomes
    }

    /// Returns whether no outcome of the next operation of thread `me` is guaranteed.
    pub(super) fn waits(&self, program: &Program, me: usize) -> bool {
        self.advanced(program, me, Way::Guaranteed(0)).is_none()
    }

    /// The state after the next operation of thread `me`, if it can happen this way.
    pub(super) fn advanced(&self, program: &Program, me: usize, way: Way) -> Option<Self> {
        let instr = self.next(program, me)?;
        if matches!(instr, Instr::Join(child) if self.next(program, child).is_some()) {
            return None;
        }
        let mut state = self.clone();
        if state.touches_what_is_gone(me, instr) {
            state.use_after_release();
            return (way == Way::Guaranteed(0)).then_some(state);
        }
        let done = match way {
            Way::Guaranteed(n) if n > 0 && !varies(instr) => None,
            Way::Guaranteed(_) => state.perform(program, me, instr, way),
            Way::Optional(_) => state.optional(me, instr, way),
        }?;
        if state.violation.is_some() {
            return Some(state);
        }
        match done {
            Done::More(phase) => state.threads[me].phase = phase,
            Done::Next => {
                state.threads[me].phase = Phase::Begin;
                // A release at an end is not an instruction of its own.
                let steps = &program.threads[me];
                if steps.get(state.threads[me].at).is_some_and(|step| step.instr == instr) {
                    state.threads[me].at += 1;
                }
                if matches!(instr, Instr::TimerReturns(_) | Instr::WorkReturns(_)) {
                    state.threads[me] = Thread::default();
                }
                state.classify(me, steps);
                state.settle_new_threads(program);
            }
        }
        state.look_who_may_not_sleep(program, me);
        Some(state)
    }

    /// Runs thread `me` up to its next visible operation.
    fn classify(&mut self, me: usize, steps: &[Step]) {
        while let Some(step) = steps.get(self.threads[me].at) {
            if step.when.holds(&self.threads[me].log) && !self.alone(me, step.instr, steps) {
                return;
            }
            if self.violation.is_some() {
                return;
            }
            self.threads[me].at += 1;
        }
    }

    /// Performs `instr` if it is invisible.
    fn alone(&mut self, me: usize, instr: Instr, steps: &[Step]) -> bool {
        let held = self.within_reach(me);
        let thread = &mut self.threads[me];
        match instr {
            Instr::Spawn(child) => {
                thread.children.push(child);
                self.started.push(child);
                return true;
            }
            // `call_rcu` returns at once: Documentation/RCU/whatisRCU.rst, "call_rcu() API is an
            // asynchronous callback form of synchronize_rcu()". The callback waits for the call.
            Instr::CallRcu(child) => {
                if !self.started.contains(&child) {
                    self.started.push(child);
                }
                return false;
            }
            Instr::Join(child) => return !thread.children.contains(&child),
            Instr::MightSleep => {
                self.forbids(me, "vfree", steps);
                return true;
            }
            // kernel/locking/lockdep.c, print_lock_nested_lock_not_held: "Nested lock was not
            // taken".
            Instr::LockNestLock(_, outer) if self.mutexes[outer].owner != Some(me) => {
                self.violate("invariant(mutex_lock_nest_lock)".to_owned());
                return true;
            }
            Instr::Release(_) => return held.is_empty(),
            // A thread with a guard does not unlock without it.
            Instr::RawUnlock(m) => return thread.held.contains(&Held::Mutex(m)),
            Instr::RawUpRead(s) => return thread.held.contains(&Held::Read(s)),
            Instr::RawUpWrite(s) => return thread.held.contains(&Held::Write(s)),
            // A look at a condition on data that the thread has locked is not a step.
            Instr::WaitCmd(_) | Instr::CondvarWaitWhile(_) => {
                return self.last_mutex(me).is_none_or(|m| self.mutexes[m].value != 0);
            }
            Instr::CondvarWait(_) | Instr::CondvarWaitTimeout(_) => {
                return self.last_mutex(me).is_none();
            }
            Instr::Forever => {
                thread.round = Some((thread.log.len(), thread.held.len()));
                return true;
            }
            Instr::Again => {
                if !held.is_empty() {
                    return false;
                }
                let start = steps.iter().position(|step| step.instr == Instr::Forever);
                let (log, _) = thread.round.expect("it goes round");
                thread.log.truncate(log);
                thread.at = start.expect("it goes round");
                return true;
            }
            _ => {}
        }
        let last = held.last().copied();
        let value = match last {
            Some(Held::Mutex(m)) => Some(&mut self.mutexes[m].value),
            Some(Held::Spin(p)) => Some(&mut self.spins[p].value),
            Some(Held::Read(s) | Held::Write(s)) => Some(&mut self.sems[s].value),
            Some(Held::UnfairRead(u) | Held::UnfairWrite(u)) => Some(&mut self.unfair[u].value),
            Some(Held::Raw(_) | Held::RawRead(_) | Held::RawWrite(_)) => None,
            Some(Held::Srcu(..) | Held::Rcu) | None => None,
        };
        let writable = !matches!(last, Some(Held::Read(_) | Held::UnfairRead(_)));
        match (instr, value) {
            (Instr::Look, Some(value)) => self.threads[me].log.push(*value),
            (Instr::Add(more), Some(value)) if writable => *value += more,
            (Instr::Look | Instr::Add(_), _) => {}
            _ => return false,
        }
        true
    }

    /// Returns what a thread has taken, in this round if it repeats its steps for ever.
    fn within_reach(&self, me: usize) -> Vec<Held> {
        let thread = &self.threads[me];
        thread.held[thread.round.map_or(0, |(_, locks)| locks)..].to_vec()
    }

    /// Applies a signal, a spurious wake-up, or a migration to another CPU.
    fn optional(&mut self, me: usize, instr: Instr, way: Way) -> Option<Done> {
        match instr {
            // __mutex_lock_common in kernel/locking/mutex.c: a thread that finds the mutex free
            // takes it before it checks for a signal.
            Instr::LockInterruptible(m) => {
                (self.mutexes[m].owner.is_some() && way == Way::Optional(0)).then_some(())?;
                self.threads[me].log.push(0);
                Some(Done::Next)
            }
            Instr::WaitForCompletionInterruptible(c) => self.interrupts_completion(me, c, way),
            Instr::DownInterruptible(n) => self.interrupts_down(me, n, way),
            // include/linux/percpu-defs.h, raw_cpu_ptr: without preemption off, any CPU.
            Instr::ThisCpu => {
                (way == Way::Optional(0)).then(|| self.threads[me].log.push(1))?;
                Some(Done::Next)
            }
            _ => self
                .wakes_spuriously(me, instr, way)
                .or_else(|| self.condvar_wakes_spuriously(me, instr, way)),
        }
    }

    /// Performs the next part of `instr` if that is possible.
    fn perform(&mut self, program: &Program, me: usize, instr: Instr, way: Way) -> Option<Done> {
        let before = last_entry(&self.threads[me].log);
        let mut learns = |value| self.threads[me].log.push(value);
        match instr {
            Instr::Load(a) => learns(self.atomics[a]),
            Instr::FetchAdd(a, more) => {
                learns(self.atomics[a]);
                self.atomics[a] += more;
            }
            // Documentation/atomic_t.txt: atomic_xchg is "a Read-Modify-Write", which returns
            // the value before.
            Instr::Swap(a, value) => learns(std::mem::replace(&mut self.atomics[a], value)),
            Instr::CompareExchange(a, current, new) => {
                learns(self.atomics[a]);
                if self.atomics[a] == current {
                    self.atomics[a] = new;
                }
            }
            Instr::Store(a, value) => self.atomics[a] = value,
            Instr::StoreLast(a) => self.atomics[a] = before + 1,
            Instr::Poll(a) if self.atomics[a] == 0 => return Some(Done::More(Phase::Begin)),
            Instr::Poll(_) => {}
            Instr::ThisCpu => learns(0),
            Instr::Choose(among) => match way {
                Way::Guaranteed(n) if n < usize::from(among) => learns(n as u64),
                _ => return None,
            },
            Instr::Join(child) => self.threads[me].children.retain(|started| *started != child),
            Instr::ScheduleTimeout(q) => return self.schedule_timeout(me, q, way),
            Instr::Release(n) => return Some(self.release(me, n)),
            _ => return self.perform_on_an_object(program, me, instr, way),
        }
        Some(Done::Next)
    }

    fn perform_on_an_object(
        &mut self,
        program: &Program,
        me: usize,
        instr: Instr,
        way: Way,
    ) -> Option<Done> {
        let done = self.locks(me, instr);
        done.or_else(|| self.queue(me, instr))
            .or_else(|| self.completes(me, instr))
            .or_else(|| self.counts_slots(me, instr))
            .or_else(|| self.condvar(me, instr, way))
            .or_else(|| self.counts(me, instr))
            .or_else(|| self.reads(me, instr))
            .or_else(|| self.timers(me, instr))
            .or_else(|| self.later(program, me, instr))
            .unwrap_or_else(|| unreachable!("{instr:?} is invisible"))
    }
}

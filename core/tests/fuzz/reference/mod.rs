//! Brute force: the same programs on plain data, every interleaving of their operations.
//!
//! Nothing here is shared with the library. What an operation does is said a second time, from what
//! the kernel says of it, as simply as possible; each rule names where. The search keeps whole states
//! instead of histories. Here a thread goes from operation to operation; the families of objects have
//! a file each.

mod context;
mod for_good;
mod later;
mod lifetimes;
mod locks;
mod sections;
mod waiting;
mod waits;

use std::collections::HashMap;

use super::program::{Final, Instr, Outcome, Program, Step, learnt};
pub(super) use locks::{Held, Mutex, Sem};

/// What brute force finds.
pub(crate) struct Explored {
    pub(crate) outcome: Outcome,
    pub(crate) states: u64,
    /// Whether somebody can wait for good while others go on for ever.
    pub(crate) beside: bool,
}

/// Everything that can come of a program; `None` if it has more than so many states.
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
        for luck in [false, true] {
            for me in 0..state.threads.len() {
                let Some(after) = state.advanced(program, me, luck) else { continue };
                if let Some(violation) = after.violation {
                    outcome.violations.insert(violation);
                    // An end, and no wait.
                    steps[at].extend((!luck).then_some(for_good::VIOLATES));
                    continue;
                }
                let next = states.len();
                let number = *numbers.entry(after.clone()).or_insert(next);
                if number == next {
                    states.push(after);
                }
                if !luck {
                    steps[at].push(number);
                }
            }
        }
        // Those who wait for each other do so whether somebody else can go on or not.
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
    /// How many of them have run up to their first operation.
    classification: usize,
    /// What is wrong by now; nothing comes after that.
    violation: Option<String>,
    pub(super) mutexes: Vec<Mutex>,
    spins: Vec<Mutex>,
    pub(super) sems: Vec<Sem>,
    unfair: Vec<Sem>,
    pub(super) atomics: Vec<u64>,
    /// Whom `schedule` does not let go on.
    asleep: Vec<std::collections::BTreeSet<usize>>,
    /// How often each has happened and nobody has waited for it; none if for all.
    pub(super) completions: Vec<Option<u64>>,
    krefs: Vec<u64>,
    freed: Vec<bool>,
    modules: Vec<lifetimes::Module>,
    srcus: Vec<sections::Sections>,
    rcu: sections::Sections,
    timers: Vec<later::Timer>,
    works: Vec<later::Work>,
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Thread {
    at: usize,
    pub(super) phase: Phase,
    pub(super) held: Vec<Held>,
    pub(super) log: Vec<u64>,
    /// The threads that it has started and not joined.
    children: Vec<usize>,
    /// Where the log and the locks of a round begin, if it goes round for ever.
    round: Option<(usize, usize)>,
}

/// How far a thread is within its instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) enum Phase {
    #[default]
    Begin,
    /// Waits for what it has asked for.
    Queued,
    /// In `wait_event`: about to look at the condition.
    Check,
    /// In `wait_event`: has locked the mutex that the condition is behind.
    Unlock,
    /// In `wait_event`: about to sleep.
    Sleep,
    /// In `wait_event`: about to leave the queue.
    Leave,
}

/// What an operation comes to.
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
            asleep: vec![Default::default(); program.queues],
            completions: vec![Some(0); program.completions],
            // `kref_init`: include/linux/kref.h, "initialize object" with a count of 1.
            krefs: vec![1; program.krefs],
            freed: vec![false; program.tracked],
            modules: vec![Default::default(); program.modules],
            srcus: vec![Default::default(); program.srcus],
            rcu: Default::default(),
            timers: vec![Default::default(); program.timers.len()],
            works: vec![Default::default(); program.works.len()],
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

    /// What thread `me` does next, if it has not ended. A function that has nothing to do has.
    pub(super) fn next(&self, program: &Program, me: usize) -> Option<Instr> {
        let thread = &self.threads[me];
        let instr = program.threads[me].get(thread.at).map(|step| step.instr);
        match instr {
            Some(Instr::Expires(t)) => return self.timers[t].pending.then_some(instr?),
            Some(Instr::WorkBegins(w)) => return self.works[w].pending.then_some(instr?),
            _ => {}
        }
        if !program.is_function(me) && !self.started.contains(&me) {
            return None;
        }
        // Whatever a thread still holds it releases at its end, or at the end of a function or round.
        let held = thread.held.len() - thread.round.map_or(0, |(_, held)| held);
        let last_lock = || held.checked_sub(1).map(Instr::Release);
        match instr {
            None if thread.round.is_none() => last_lock(),
            Some(Instr::TimerReturns(_) | Instr::WorkReturns(_) | Instr::Again) => {
                last_lock().or(instr)
            }
            instr => instr,
        }
    }

    fn end(&self, program: &Program) -> Option<Final> {
        let ended = (0..self.threads.len()).all(|me| self.next(program, me).is_none());
        let logs = (0..self.threads.len()).map(|me| match program.is_function(me) {
            true => Vec::new(),
            false => self.threads[me].log.clone(),
        });
        ended.then(|| Final {
            logs: logs.collect(),
            mutexes: self.mutexes.iter().map(|mutex| mutex.value).collect(),
            spins: self.spins.iter().map(|spin| spin.value).collect(),
            sems: self.sems.iter().map(|sem| sem.value).collect(),
            unfair: self.unfair.iter().map(|sem| sem.value).collect(),
            atomics: self.atomics.clone(),
        })
    }

    /// The state after the next operation of thread `me`, with luck or without, if it can
    /// happen.
    pub(super) fn advanced(&self, program: &Program, me: usize, luck: bool) -> Option<Self> {
        let instr = self.next(program, me)?;
        if matches!(instr, Instr::Join(child) if self.next(program, child).is_some()) {
            return None;
        }
        let mut state = self.clone();
        let done = if luck { state.luck(me, instr) } else { state.perform(me, instr) }?;
        if state.violation.is_some() {
            return Some(state);
        }
        match done {
            Done::More(phase) => state.threads[me].phase = phase,
            Done::Next => {
                state.threads[me].phase = Phase::Begin;
                // What is released at an end is no instruction of its own.
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

    /// Runs thread `me` up to its next operation that others can see.
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

    /// Does `instr` if nobody else can see it.
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
            // asynchronous callback form of synchronize_rcu()".
            Instr::CallRcu(child) => {
                self.started.push(child);
                return true;
            }
            Instr::Join(child) => return !thread.children.contains(&child),
            Instr::MightSleep => {
                self.forbids(me, "vfree", steps);
                return true;
            }
            Instr::Release(_) => return held.is_empty(),
            // Whoever has a guard does not unlock behind its back.
            Instr::RawUnlock(m) => return thread.held.contains(&Held::Mutex(m)),
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
            Some(Held::Raw(_) | Held::Srcu(..) | Held::Rcu) | None => None,
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

    /// What a thread has taken, in this round if it goes round for ever.
    fn within_reach(&self, me: usize) -> Vec<Held> {
        let thread = &self.threads[me];
        thread.held[thread.round.map_or(0, |(_, held)| held)..].to_vec()
    }

    /// What a signal or a spurious wake-up does, or that a thread has moved to another CPU.
    fn luck(&mut self, me: usize, instr: Instr) -> Option<Done> {
        let phase = self.threads[me].phase;
        match instr {
            // __mutex_lock_common in kernel/locking/mutex.c: whoever finds the mutex free takes it
            // before a signal is looked at.
            Instr::LockInterruptible(m) if self.mutexes[m].owner.is_some() => {
                self.threads[me].log.push(0);
                Some(Done::Next)
            }
            Instr::Schedule(q) => self.asleep[q].remove(&me).then_some(Done::Next),
            Instr::WaitForAtomic(q, _) | Instr::WaitForData(q, _) if phase == Phase::Sleep => {
                self.asleep[q].remove(&me).then_some(Done::More(Phase::Begin))
            }
            // include/linux/percpu-defs.h, raw_cpu_ptr: without preemption off, any CPU.
            Instr::ThisCpu => {
                self.threads[me].log.push(1);
                Some(Done::Next)
            }
            _ => None,
        }
    }

    /// Does the next part of `instr` if it can be done.
    fn perform(&mut self, me: usize, instr: Instr) -> Option<Done> {
        let before = learnt(&self.threads[me].log);
        let mut learns = |value| self.threads[me].log.push(value);
        match instr {
            Instr::Load(a) => learns(self.atomics[a]),
            Instr::FetchAdd(a, more) => {
                learns(self.atomics[a]);
                self.atomics[a] += more;
            }
            Instr::CompareExchange(a, current, new) => {
                learns(self.atomics[a]);
                if self.atomics[a] == current {
                    self.atomics[a] = new;
                }
            }
            Instr::Store(a, value) => self.atomics[a] = value,
            Instr::StoreLearnt(a) => self.atomics[a] = before + 1,
            Instr::Poll(a) if self.atomics[a] == 0 => return Some(Done::More(Phase::Begin)),
            Instr::Poll(_) => {}
            Instr::ThisCpu => learns(0),
            Instr::Join(child) => self.threads[me].children.retain(|started| *started != child),
            Instr::Release(n) => self.release(me, n),
            _ => return self.perform_on_an_object(me, instr),
        }
        Some(Done::Next)
    }

    fn perform_on_an_object(&mut self, me: usize, instr: Instr) -> Option<Done> {
        let done = self.locks(me, instr);
        done.or_else(|| self.waits(me, instr))
            .or_else(|| self.counts(me, instr))
            .or_else(|| self.reads(me, instr))
            .or_else(|| self.later(me, instr))
            .unwrap_or_else(|| unreachable!("{instr:?} is seen by nobody else"))
    }
}

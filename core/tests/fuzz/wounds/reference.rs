//! Brute force: the same programs on plain data, every interleaving.
//!
//! The rules are those of Documentation/locking/ww-mutex-design.rst and, where that is silent, of
//! the comments in kernel/locking/ww_mutex.h.
//!
//! include/linux/ww_mutex.h, v6.6, ww_acquire_done: "Marks the end of the acquire phase, any
//! further w/w mutex lock calls using this context are forbidden", for which and for a second one
//! CONFIG_DEBUG_MUTEXES warns. "Calling this function is optional".

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::small::Explored;
use super::super::waiting::{self, Wait};
use super::{Block, CLASS, Instr, Program};

/// Where a thread is within its instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
enum Phase {
    #[default]
    Begin,
    /// Queued for the mutex.
    Waits(usize),
    /// Unlocks what it has, and then waits for this mutex alone.
    BacksOff(usize),
    /// About to take this mutex, from which it has backed off.
    Slow(usize),
    /// Queued for it.
    WaitsSlow(usize),
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Thread {
    block: usize,
    /// The step in the block; 0 is `ww_acquire_init` if there is a context.
    at: usize,
    phase: Phase,
    begun: bool,
    held: Vec<usize>,
    contending: Option<usize>,
    /// Whether it has all of its context.
    done: bool,
    log: Vec<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    threads: Vec<Thread>,
    /// The threads in a context, by its stamp.
    stamps: Vec<usize>,
    wounded: BTreeSet<usize>,
    /// The holder of each mutex that is held.
    owners: BTreeMap<usize, usize>,
    word: u64,
    violation: Option<&'static str>,
}

pub(super) fn explore(program: &Program) -> Explored {
    let mut explored = Explored::default();
    let first = State {
        threads: vec![Thread::default(); program.threads.len()],
        stamps: Vec::new(),
        wounded: BTreeSet::new(),
        owners: BTreeMap::new(),
        word: 0,
        violation: None,
    };
    let mut seen = HashSet::from([first.clone()]);
    let mut to_do = vec![first];
    while let Some(state) = to_do.pop() {
        if let Some(rule) = state.violation {
            let name = format!("invariant({rule})");
            explored.violation(name);
            continue;
        }
        let threads = 0..state.threads.len();
        let next: Vec<State> = threads.filter_map(|me| state.step(program, me)).collect();
        if next.is_empty() && state.is_over(program) {
            let logs = state.threads.iter().map(|thread| thread.log.clone()).collect();
            explored.outcome.finals.insert((state.word, logs));
        } else {
            for names in state.deadlocks(program, next.is_empty()) {
                explored.deadlock(names);
            }
        }
        for next in next {
            if seen.insert(next.clone()) {
                to_do.push(next);
            }
        }
    }
    explored
}

impl State {
    fn block<'p>(&self, program: &'p Program, me: usize) -> Option<&'p Block> {
        program.threads[me].get(self.threads[me].block)
    }

    fn is_over(&self, program: &Program) -> bool {
        (0..self.threads.len()).all(|me| self.block(program, me).is_none())
    }

    fn in_context(&self, me: usize) -> bool {
        self.stamps.contains(&me)
    }

    fn is_older(&self, one: usize, other: usize) -> bool {
        let stamp = |me: usize| self.stamps.iter().position(|thread| *thread == me);
        stamp(one) < stamp(other)
    }

    /// The threads that are queued for the mutex with a context.
    fn queued(&self, mutex: usize) -> Vec<usize> {
        let waits = |me: &usize| {
            let phase = self.threads[*me].phase;
            self.in_context(*me)
                && (phase == Phase::Waits(mutex) || phase == Phase::WaitsSlow(mutex))
        };
        (0..self.threads.len()).filter(waits).collect()
    }

    fn has_locks(&self, me: usize) -> bool {
        self.in_context(me) && !self.threads[me].held.is_empty()
    }

    /// "An older transaction wounds a younger one that holds the lock it wants", if it holds locks
    /// itself (__ww_mutex_wound).
    fn wound(&mut self, program: &Program, waiter: usize, holder: usize) {
        let both = self.in_context(waiter) && self.in_context(holder);
        let wounds = !program.wait_die && both && self.has_locks(waiter);
        if wounds && self.is_older(waiter, holder) {
            self.wounded.insert(holder);
        }
    }

    fn take(&mut self, program: &Program, me: usize, mutex: usize) {
        self.owners.insert(mutex, me);
        let queued = self.queued(mutex);
        let thread = &mut self.threads[me];
        thread.phase = Phase::Begin;
        if self.stamps.contains(&me) {
            // ww_mutex_lock_acquired, with CONFIG_DEBUG_MUTEXES.
            if thread.done {
                self.violation = Some("ww_acquire_done");
            } else if let Some(contending) = thread.contending.take() {
                if contending != mutex || !thread.held.is_empty() {
                    self.violation = Some("ww_mutex_lock");
                }
            }
        }
        self.threads[me].held.push(mutex);
        for waiter in queued.into_iter().filter(|waiter| *waiter != me) {
            self.wound(program, waiter, me);
        }
    }

    /// Whether a thread with a context does not wait for a mutex that is held.
    fn dies(&self, program: &Program, me: usize, mutex: usize) -> bool {
        if !self.has_locks(me) {
            return false;
        }
        if !program.wait_die {
            return self.wounded.contains(&me);
        }
        let owner = self.owners.get(&mutex).copied();
        let others = owner.into_iter().chain(self.queued(mutex));
        let mut others = others.filter(|other| *other != me && self.in_context(*other));
        others.any(|other| self.is_older(other, me))
    }

    /// Returns the phase after an attempt to take the mutex, which it takes if it is free.
    fn attempt(&mut self, program: &Program, me: usize, mutex: usize) -> Attempt {
        // "Reset the wounded flag after a kill."
        if !self.has_locks(me) {
            self.wounded.remove(&me);
        }
        let Some(owner) = self.owners.get(&mutex).copied() else {
            self.take(program, me, mutex);
            return Attempt::Taken;
        };
        if owner != me {
            self.wound(program, me, owner);
        }
        if self.dies(program, me, mutex) { Attempt::Dies } else { Attempt::Queued }
    }

    fn unlock(&mut self, me: usize, place: usize) {
        let mutex = self.threads[me].held.remove(place);
        self.owners.remove(&mutex);
    }

    fn step(&self, program: &Program, me: usize) -> Option<Self> {
        let mut state = self.clone();
        let block = self.block(program, me)?;
        match self.threads[me].phase {
            Phase::Begin => state.begin(program, me, block),
            Phase::Waits(mutex) => {
                if !self.owners.contains_key(&mutex) {
                    state.take(program, me, mutex);
                    state.done(me, Some(0));
                } else if self.dies(program, me, mutex) {
                    state.dead(me, mutex, block.steps[self.threads[me].at]);
                } else {
                    return None;
                }
            }
            Phase::BacksOff(_) => {
                state.unlock(me, 0);
                state.backs_off(me);
            }
            Phase::Slow(mutex) => match state.attempt(program, me, mutex) {
                Attempt::Taken => state.done(me, None),
                _ => state.threads[me].phase = Phase::WaitsSlow(mutex),
            },
            Phase::WaitsSlow(mutex) => {
                if self.owners.contains_key(&mutex) {
                    return None;
                }
                state.take(program, me, mutex);
                state.done(me, None);
            }
        }
        state.settle(program, me);
        Some(state)
    }

    /// Performs what is no step, where it gets to.
    fn settle(&mut self, program: &Program, me: usize) {
        while self.violation.is_none() && self.threads[me].phase == Phase::Begin {
            let Some(block) = self.block(program, me) else { return };
            let thread = &mut self.threads[me];
            let begun = thread.begun || !block.in_context;
            if !begun || block.steps.get(thread.at) != Some(&Instr::Done) {
                return;
            }
            if std::mem::replace(&mut thread.done, true) {
                self.violation = Some("ww_acquire_done");
            }
            thread.at += 1;
        }
    }

    /// Ends an instruction.
    fn done(&mut self, me: usize, logs: Option<u64>) {
        let thread = &mut self.threads[me];
        thread.log.extend(logs);
        thread.phase = Phase::Begin;
        thread.at += 1;
    }

    /// -EDEADLK.
    fn dead(&mut self, me: usize, mutex: usize, instr: Instr) {
        self.threads[me].contending = Some(mutex);
        if let Instr::Lock(_) = instr {
            self.threads[me].log.push(1);
            self.threads[me].phase = Phase::BacksOff(mutex);
            self.backs_off(me);
        } else {
            self.done(me, Some(1));
        }
    }

    fn backs_off(&mut self, me: usize) {
        let thread = &mut self.threads[me];
        if let (Phase::BacksOff(mutex), true) = (thread.phase, thread.held.is_empty()) {
            thread.phase = Phase::Slow(mutex);
        }
    }

    /// Performs the next instruction. What does nothing is a step of its own here.
    fn begin(&mut self, program: &Program, me: usize, block: &Block) {
        let thread = &mut self.threads[me];
        if block.in_context && !thread.begun {
            thread.begun = true;
            return self.stamps.push(me);
        }
        let Some(instr) = block.steps.get(thread.at).copied() else {
            // The end of the block: the mutexes, and then the context.
            if !thread.held.is_empty() {
                return self.unlock(me, 0);
            }
            self.stamps.retain(|thread| *thread != me);
            self.wounded.remove(&me);
            let thread = &mut self.threads[me];
            (thread.contending, thread.done) = (None, false);
            (thread.block, thread.at, thread.begun) = (thread.block + 1, 0, false);
            return;
        };
        match instr {
            Instr::Count => {
                let before = self.word;
                self.word += 1;
                self.done(me, Some(before));
            }
            Instr::Done => unreachable!("it is no step"),
            Instr::Unlock(_) if thread.held.is_empty() => self.done(me, None),
            Instr::Unlock(n) => {
                let held = thread.held.len();
                self.unlock(me, n % held);
                self.done(me, None);
            }
            Instr::Try(mutex) => {
                if !self.has_locks(me) {
                    self.wounded.remove(&me);
                }
                let free = !self.owners.contains_key(&mutex);
                if free {
                    self.take(program, me, mutex);
                }
                self.done(me, Some(u64::from(free)));
            }
            // -EALREADY.
            Instr::Lock(m) | Instr::GiveUp(m) if block.in_context && thread.held.contains(&m) => {
                self.done(me, Some(2));
            }
            Instr::Lock(mutex) | Instr::GiveUp(mutex) => match self.attempt(program, me, mutex) {
                Attempt::Taken => self.done(me, Some(0)),
                Attempt::Dies => self.dead(me, mutex, instr),
                Attempt::Queued => self.threads[me].phase = Phase::Waits(mutex),
            },
        }
    }

    fn deadlocks(&self, program: &Program, stuck: bool) -> Vec<Vec<String>> {
        let wait = |me: usize, all: bool| -> Option<Wait> {
            let mutex = match self.threads[me].phase {
                Phase::Waits(mutex) | Phase::WaitsSlow(mutex) => mutex,
                _ => return None,
            };
            let owner = self.owners.get(&mutex)?;
            if self.dies(program, me, mutex) {
                return None;
            }
            // One that may back off does not need the owner.
            let by = if all || !self.has_locks(me) { vec![*owner] } else { Vec::new() };
            Some((CLASS, by))
        };
        let all = 0..self.threads.len();
        let waits: Vec<_> = all.clone().map(|me| wait(me, stuck)).collect();
        let mut cycles = waiting::cycles(&waits, &waiting::closed(&waits));
        if stuck && cycles.is_empty() {
            let waiting: Vec<usize> = all.filter(|me| waits[*me].is_some()).collect();
            let alone = |me: &usize| {
                let (_, by) = waits[*me].as_ref().expect("it waits");
                !by.iter().any(|by| waits[*by].is_some())
            };
            let alone: Vec<usize> = waiting.into_iter().filter(alone).collect();
            cycles.push(vec![waiting::name(&waits, &alone)]);
        }
        cycles
    }
}

/// What comes of an attempt to take a mutex.
enum Attempt {
    Taken,
    Dies,
    Queued,
}

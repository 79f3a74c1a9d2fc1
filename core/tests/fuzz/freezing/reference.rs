//! Brute force: the same programs on plain data, every interleaving.
//!
//! kernel/workqueue.c, v6.6. __queue_work makes a work active while fewer than `max_active` are,
//! and appends it to `inactive_works` otherwise; an active one is on the worklist or runs. When one
//! has returned, or was taken off, the first inactive one becomes active (pwq_dec_nr_in_flight).
//! freeze_workqueues_begin sets `max_active` of a freezable queue to 0 (pwq_adjust_max_active):
//! "all freezable workqueues will queue new works to their inactive_works list instead of
//! pool->worklist". thaw_workqueues: "Normal queueing is restored and all collected works are
//! transferred". freeze_workqueues_busy: whether `nr_active` is not 0, of a freezable queue.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::small::Explored;
use super::super::waiting::{self, Wait};
use super::{Instr, MUTEX, Number, Program, QUEUE, WORKS};

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Thread {
    at: usize,
    locked: bool,
    /// What it waits for: how often each work has to return, and the one that it cancels.
    awaits: Option<(BTreeMap<Number, u8>, Option<Number>)>,
    log: Vec<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    /// The threads of the program, then the workers.
    threads: Vec<Thread>,
    owner: Option<usize>,
    word: u64,
    max_active: usize,
    worklist: Vec<Number>,
    inactive: Vec<Number>,
    running: BTreeSet<Number>,
}

pub(super) fn explore(program: &Program) -> Explored {
    let mut explored = Explored::default();
    let first = State {
        threads: vec![Thread::default(); program.threads.len() + WORKS.len()],
        owner: None,
        word: 0,
        max_active: program.max_active,
        worklist: Vec::new(),
        inactive: Vec::new(),
        running: BTreeSet::new(),
    };
    let mut seen = HashSet::from([first.clone()]);
    let mut to_do = vec![first];
    while let Some(state) = to_do.pop() {
        let next = state.successors(program);
        if next.is_empty() && state.is_over(program) {
            let logs = state.threads[..program.threads.len()].iter();
            explored
                .outcome
                .finals
                .insert((state.word, logs.map(|thread| thread.log.clone()).collect()));
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
    fn work(program: &Program, me: usize) -> Option<Number> {
        me.checked_sub(program.threads.len())
    }

    /// Returns the next instruction; at its end a thread unlocks.
    fn next(&self, program: &Program, me: usize) -> Option<Instr> {
        let thread = &self.threads[me];
        let steps = match Self::work(program, me) {
            Some(work) => &program.works[work],
            None => &program.threads[me],
        };
        steps.get(thread.at).copied().or(thread.locked.then_some(Instr::Unlock))
    }

    fn is_over(&self, program: &Program) -> bool {
        let ended = |me: usize| self.next(program, me).is_none();
        let idle = self.running.is_empty() && self.worklist.is_empty() && self.inactive.is_empty();
        idle && (0..program.threads.len()).all(ended)
    }

    fn successors(&self, program: &Program) -> Vec<Self> {
        let step = |me: usize| {
            let mut state = self.clone();
            state.step(program, me).then_some(state)
        };
        (0..self.threads.len()).filter_map(step).collect()
    }

    fn step(&mut self, program: &Program, me: usize) -> bool {
        if let Some(work) = Self::work(program, me) {
            if !self.running.contains(&work) {
                // Any of those on the worklist, since there is always a worker.
                let place = self.worklist.iter().position(|queued| *queued == work);
                return place.is_some_and(|place| {
                    self.worklist.remove(place);
                    self.running.insert(work)
                });
            }
            if self.next(program, me).is_none() {
                self.running.remove(&work);
                self.threads[me] = Thread::default();
                self.returned(work, 1);
                self.activate();
                return true;
            }
        }
        let Some(instr) = self.next(program, me) else { return false };
        match &self.threads[me].awaits {
            Some((returns, _)) if !returns.is_empty() => return false,
            Some(_) => self.threads[me].awaits = None,
            None if instr == Instr::Lock && !self.threads[me].locked && self.owner.is_some() => {
                return false;
            }
            None => self.perform(program, me, instr),
        }
        if self.threads[me].awaits.is_none() {
            // What a thread does at its end is no step of the program.
            self.threads[me].at += 1;
        }
        true
    }

    fn perform(&mut self, program: &Program, me: usize, instr: Instr) {
        let entry = match instr {
            Instr::Queue(work) => Some(self.queue(work)),
            Instr::Cancel(work) | Instr::CancelSync(work) => Some(self.take_off(work)),
            Instr::Busy => Some(program.freezable && self.active() > 0),
            _ => None,
        };
        match instr {
            Instr::CancelSync(work) => self.wait(me, &[work], Some(work)),
            Instr::Flush(work) => self.wait(me, &[work], None),
            Instr::FlushQueue => self.wait(me, &[0, 1], None),
            Instr::Freeze if program.freezable => self.max_active = 0,
            Instr::Thaw => {
                self.max_active = program.max_active;
                self.activate();
            }
            Instr::Lock if !self.threads[me].locked => {
                (self.owner, self.threads[me].locked) = (Some(me), true);
            }
            Instr::Unlock if self.threads[me].locked => {
                (self.owner, self.threads[me].locked) = (None, false);
            }
            Instr::Count => {
                let word = self.word;
                self.threads[me].log.push(word);
                self.word += 1;
            }
            _ => {}
        }
        self.threads[me].log.extend(entry.map(u64::from));
    }

    fn active(&self) -> usize {
        self.worklist.len() + self.running.len()
    }

    fn activate(&mut self) {
        while self.active() < self.max_active && !self.inactive.is_empty() {
            self.worklist.push(self.inactive.remove(0));
        }
    }

    /// queue_work: "%false if @work was already on a queue", or is being cancelled.
    fn queue(&mut self, work: Number) -> bool {
        let cancelled = |thread: &Thread| {
            thread.awaits.as_ref().is_some_and(|(_, cancels)| *cancels == Some(work))
        };
        let pending = self.worklist.contains(&work) || self.inactive.contains(&work);
        if pending || self.threads.iter().any(cancelled) {
            return false;
        }
        if self.active() < self.max_active {
            self.worklist.push(work);
        } else {
            self.inactive.push(work);
        }
        true
    }

    /// try_to_grab_pending.
    fn take_off(&mut self, work: Number) -> bool {
        let pending = self.worklist.contains(&work) || self.inactive.contains(&work);
        self.worklist.retain(|queued| *queued != work);
        self.inactive.retain(|queued| *queued != work);
        if pending {
            // Those that wait for it wait for the run that there is at most.
            let runs = u8::from(self.running.contains(&work));
            let awaits = self.threads.iter_mut().filter_map(|thread| thread.awaits.as_mut());
            for (returns, _) in awaits {
                returns.entry(work).and_modify(|times| *times = runs.min(*times));
                returns.retain(|_, times| *times > 0);
            }
        }
        self.activate();
        pending
    }

    fn returned(&mut self, work: Number, by: u8) {
        for (returns, _) in self.threads.iter_mut().filter_map(|thread| thread.awaits.as_mut()) {
            returns.entry(work).and_modify(|times| *times = times.saturating_sub(by));
            returns.retain(|_, times| *times > 0);
        }
    }

    /// __flush_work, __flush_workqueue: a barrier behind what is queued or runs.
    fn wait(&mut self, me: usize, works: &[Number], cancels: Option<Number>) {
        let times = |work: &Number| {
            let queued = self.worklist.contains(work) || self.inactive.contains(work);
            u8::from(queued) + u8::from(self.running.contains(work))
        };
        let returns: BTreeMap<Number, u8> =
            works.iter().map(|work| (*work, times(work))).filter(|(_, times)| *times > 0).collect();
        self.threads[me].awaits = (!returns.is_empty()).then_some((returns, cancels));
    }

    /// Returns what a thread waits for, if its next step is not possible. One that needs any of the
    /// works that run to return waits for them all where nothing else happens.
    fn waits(&self, program: &Program, me: usize, stuck: bool) -> Option<Wait> {
        let work = Self::work(program, me);
        let worker = |work: &Number| program.threads.len() + work;
        let any = || -> Vec<usize> { self.running.iter().filter(|_| stuck).map(worker).collect() };
        if let Some(work) = work.filter(|work| !self.running.contains(work)) {
            return self.inactive.contains(&work).then(|| (QUEUE, any()));
        }
        if self.clone().step(program, me) {
            return None;
        }
        match (self.next(program, me)?, &self.threads[me].awaits) {
            (_, Some((returns, _))) => {
                let running = returns.keys().filter(|work| self.running.contains(work));
                let running: Vec<usize> = running.map(worker).collect();
                Some((QUEUE, if running.is_empty() { any() } else { running }))
            }
            (Instr::Lock, None) => Some((MUTEX, self.owner.into_iter().collect())),
            (other, None) => unreachable!("{other:?} does not wait"),
        }
    }

    fn deadlocks(&self, program: &Program, stuck: bool) -> Vec<Vec<String>> {
        let waits: Vec<_> =
            (0..self.threads.len()).map(|me| self.waits(program, me, stuck)).collect();
        let mut cycles = waiting::cycles(&waits, &waiting::closed(&waits));
        if stuck && cycles.is_empty() {
            let waiting: Vec<usize> = (0..waits.len()).filter(|me| waits[*me].is_some()).collect();
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

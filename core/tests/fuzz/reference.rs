//! Brute force: the same programs on plain data, every interleaving of their operations.
//!
//! Nothing here is shared with the library. What a lock does is said a second time, as simply
//! as possible, and the search keeps whole states instead of histories.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::program::{Final, Instr, Outcome, Program, Step, learnt};
use super::waits;

/// Every final state and every deadlock, and how many states there are.
pub(crate) fn explore(program: &Program) -> (Outcome, u64) {
    let mut outcome = Outcome::default();
    let mut seen = HashSet::new();
    let mut to_do = vec![State::new(program)];
    while let Some(state) = &to_do.pop() {
        if !seen.insert(state.clone()) {
            continue;
        }
        if let Some(end) = state.end(program) {
            outcome.finals.insert(end);
            continue;
        }
        let advance = |luck| {
            let threads = 0..state.threads.len();
            threads.filter_map(move |me| state.advanced(program, me, luck))
        };
        let before = to_do.len();
        to_do.extend(advance(false));
        // Those who wait for each other do so whether somebody else can go on or not.
        let waiting = match to_do.len() == before {
            true => (0..state.started.len()).collect(),
            false => waits::closed(state, program),
        };
        outcome.deadlocks.extend(waits::deadlocks(state, program, &waiting));
        to_do.extend(advance(true));
    }
    (outcome, seen.len() as u64)
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct State {
    pub(super) threads: Vec<Thread>,
    pub(super) mutexes: Vec<Mutex>,
    pub(super) sems: Vec<Sem>,
    pub(super) atomics: Vec<u64>,
    /// Whom `schedule` does not let go on. Nobody here wants to be woken alone, so a wake-up is for
    /// all of them, and in which order they are queued nobody sees.
    asleep: Vec<BTreeSet<usize>>,
    /// The threads that have been started, in this order.
    pub(super) started: Vec<usize>,
    /// How many of them have run up to their first operation.
    settled: usize,
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Thread {
    at: usize,
    pub(super) phase: Phase,
    pub(super) held: Vec<Held>,
    pub(super) log: Vec<u64>,
    /// The threads that it has started and not joined.
    children: Vec<usize>,
}

/// How far a thread is within its instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) enum Phase {
    #[default]
    Begin,
    /// In the queue of a semaphore.
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

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Held {
    Mutex(usize),
    Raw(usize),
    Read(usize),
    Write(usize),
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Mutex {
    pub(super) owner: Option<usize>,
    value: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Sem {
    pub(super) writer: Option<usize>,
    /// How often each thread has it for reading.
    pub(super) readers: BTreeMap<usize, u32>,
    /// Who waits, the longest first, and whether it wants to write.
    pub(super) queue: Vec<(usize, bool)>,
    value: u64,
}

impl Sem {
    /// Whether somebody with the first `ahead` of the queue before it gets the semaphore.
    fn free(&self, writes: bool, ahead: usize) -> bool {
        let writer_ahead = self.queue[..ahead].iter().any(|(_, writes)| *writes);
        let shared = self.writer.is_none() && !writer_ahead;
        if writes { shared && self.readers.is_empty() && ahead == 0 } else { shared }
    }

    /// Whether `me`, if it is in the queue, can take what it waits for.
    pub(super) fn granted(&self, me: usize) -> Option<bool> {
        let ahead = self.queue.iter().position(|(waiter, _)| *waiter == me)?;
        Some(self.free(self.queue[ahead].1, ahead))
    }

    fn grant(&mut self, me: usize, writes: bool) {
        if writes {
            self.writer = Some(me);
        } else {
            *self.readers.entry(me).or_default() += 1;
        }
    }

    fn up_read(&mut self, me: usize) {
        let count = self.readers.get_mut(&me).expect("a reader");
        *count -= 1;
        if *count == 0 {
            self.readers.remove(&me);
        }
    }
}

impl State {
    pub(super) fn new(program: &Program) -> Self {
        let mut state = Self {
            threads: vec![Thread::default(); program.threads.len()],
            mutexes: vec![Mutex::default(); program.mutexes],
            sems: vec![Sem::default(); program.sems],
            atomics: vec![0; program.atomics],
            asleep: vec![BTreeSet::new(); program.queues],
            started: (0..program.started).collect(),
            settled: 0,
        };
        state.settle_new_threads(program);
        state
    }

    /// Runs each thread that has been started up to its first operation; it may start more.
    fn settle_new_threads(&mut self, program: &Program) {
        while let Some(new) = self.started.get(self.settled).copied() {
            self.settled += 1;
            self.settle(new, &program.threads[new]);
        }
    }

    /// What thread `me` does next, if it has not ended.
    pub(super) fn next(&self, program: &Program, me: usize) -> Option<Instr> {
        let thread = &self.threads[me];
        let last_lock = || thread.held.len().checked_sub(1).map(Instr::Release);
        if !self.started.contains(&me) {
            return None;
        }
        program.threads[me].get(thread.at).map(|step| step.instr).or_else(last_lock)
    }

    fn end(&self, program: &Program) -> Option<Final> {
        let ended = (0..self.threads.len()).all(|me| self.next(program, me).is_none());
        ended.then(|| Final {
            logs: self.threads.iter().map(|thread| thread.log.clone()).collect(),
            mutexes: self.mutexes.iter().map(|mutex| mutex.value).collect(),
            sems: self.sems.iter().map(|sem| sem.value).collect(),
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
        let phase = if luck { state.luck(me, instr) } else { state.perform(me, instr) }?;
        state.threads[me].phase = phase;
        // Begin means that the instruction is done, except where `wait_event` starts over.
        if phase == Phase::Begin && self.threads[me].phase != Phase::Sleep {
            state.threads[me].at += 1;
            state.settle(me, &program.threads[me]);
            state.settle_new_threads(program);
        }
        Some(state)
    }

    /// Runs thread `me` up to its next operation that others can see.
    fn settle(&mut self, me: usize, steps: &[Step]) {
        while let Some(step) = steps.get(self.threads[me].at) {
            if step.when.holds(&self.threads[me].log) && !self.alone(me, step.instr) {
                return;
            }
            self.threads[me].at += 1;
        }
    }

    /// Does `instr` if nobody else can see it.
    fn alone(&mut self, me: usize, instr: Instr) -> bool {
        let thread = &mut self.threads[me];
        match instr {
            Instr::Spawn(child) => {
                thread.children.push(child);
                self.started.push(child);
                return true;
            }
            Instr::Join(child) => return !thread.children.contains(&child),
            _ => {}
        }
        let value = match thread.held.last() {
            Some(Held::Mutex(m)) => Some(&mut self.mutexes[*m].value),
            Some(Held::Read(s) | Held::Write(s)) => Some(&mut self.sems[*s].value),
            Some(Held::Raw(_)) | None => None,
        };
        let writable = !matches!(thread.held.last(), Some(Held::Read(_)));
        match (instr, value) {
            (Instr::Look, Some(value)) => thread.log.push(*value),
            (Instr::Add(more), Some(value)) if writable => *value += more,
            (Instr::Look | Instr::Add(_), _) => {}
            (Instr::Release(_), _) => return thread.held.is_empty(),
            _ => return false,
        }
        true
    }

    /// What a signal or a spurious wake-up does.
    fn luck(&mut self, me: usize, instr: Instr) -> Option<Phase> {
        let phase = self.threads[me].phase;
        match instr {
            // Who finds the mutex free takes it before a signal is looked at.
            Instr::LockInterruptible(m) if self.mutexes[m].owner.is_some() => {
                self.threads[me].log.push(0);
                Some(Phase::Begin)
            }
            Instr::Schedule(q) => self.asleep[q].remove(&me).then_some(Phase::Begin),
            Instr::WaitForAtomic(q, _) | Instr::WaitForData(q, _) if phase == Phase::Sleep => {
                self.asleep[q].remove(&me).then_some(Phase::Begin)
            }
            _ => None,
        }
    }

    /// Does the next part of `instr` if it can be done: the phase to go on with.
    fn perform(&mut self, me: usize, instr: Instr) -> Option<Phase> {
        match instr {
            Instr::Lock(m) => self.lock(me, m, Held::Mutex(m))?,
            Instr::RawLock(m) => self.lock(me, m, Held::Raw(m))?,
            Instr::LockInterruptible(m) => {
                self.lock(me, m, Held::Mutex(m))?;
                self.threads[me].log.push(1);
            }
            Instr::TryLock(m) => {
                let got = self.lock(me, m, Held::Mutex(m));
                self.threads[me].log.push(u64::from(got.is_some()));
            }
            Instr::DownRead(s) => return self.down(me, s, false),
            Instr::DownWrite(s) => return self.down(me, s, true),
            Instr::TryDownRead(s) => self.try_down(me, s, false),
            Instr::TryDownWrite(s) => self.try_down(me, s, true),
            Instr::Release(n) => self.release(me, n),
            Instr::Load(a) => self.threads[me].log.push(self.atomics[a]),
            Instr::FetchAdd(a, more) => {
                self.threads[me].log.push(self.atomics[a]);
                self.atomics[a] += more;
            }
            Instr::CompareExchange(a, current, new) => {
                self.threads[me].log.push(self.atomics[a]);
                if self.atomics[a] == current {
                    self.atomics[a] = new;
                }
            }
            Instr::Store(a, value) => self.atomics[a] = value,
            Instr::StoreLearnt(a) => self.atomics[a] = learnt(&self.threads[me].log) + 1,
            Instr::WaitForAtomic(q, _) | Instr::WaitForData(q, _) => {
                return self.wait_event(me, q, instr);
            }
            Instr::Prepare(q) => _ = self.asleep[q].insert(me),
            Instr::Schedule(q) => self.runs(q, me).then_some(())?,
            Instr::Finish(q) => _ = self.asleep[q].remove(&me),
            Instr::WakeUp(q) | Instr::WakeUpAll(q) => self.asleep[q].clear(),
            Instr::Join(child) => self.threads[me].children.retain(|started| *started != child),
            Instr::Look | Instr::Add(_) | Instr::Spawn(_) => {
                unreachable!("{instr:?} is seen by nobody else")
            }
        }
        Some(Phase::Begin)
    }

    fn lock(&mut self, me: usize, m: usize, held: Held) -> Option<()> {
        let mutex = &mut self.mutexes[m];
        if mutex.owner.is_some() {
            return None;
        }
        mutex.owner = Some(me);
        self.threads[me].held.push(held);
        Some(())
    }

    fn down(&mut self, me: usize, s: usize, writes: bool) -> Option<Phase> {
        let sem = &mut self.sems[s];
        let queued = self.threads[me].phase == Phase::Queued;
        let ahead = if queued {
            sem.queue.iter().position(|(waiter, _)| *waiter == me)?
        } else {
            sem.queue.len()
        };
        match (sem.free(writes, ahead), queued) {
            (false, true) => return None,
            (false, false) => {
                sem.queue.push((me, writes));
                return Some(Phase::Queued);
            }
            (true, true) => drop(sem.queue.remove(ahead)),
            (true, false) => {}
        }
        sem.grant(me, writes);
        self.threads[me].held.push(if writes { Held::Write(s) } else { Held::Read(s) });
        Some(Phase::Begin)
    }

    fn try_down(&mut self, me: usize, s: usize, writes: bool) {
        let sem = &mut self.sems[s];
        let free = sem.free(writes, sem.queue.len());
        if free {
            sem.grant(me, writes);
            self.threads[me].held.push(if writes { Held::Write(s) } else { Held::Read(s) });
        }
        self.threads[me].log.push(u64::from(free));
    }

    fn release(&mut self, me: usize, n: usize) {
        let held = &mut self.threads[me].held;
        match held.remove(n % held.len()) {
            Held::Mutex(m) | Held::Raw(m) => self.mutexes[m].owner = None,
            Held::Read(s) => self.sems[s].up_read(me),
            Held::Write(s) => self.sems[s].writer = None,
        }
    }

    fn runs(&self, q: usize, me: usize) -> bool {
        !self.asleep[q].contains(&me)
    }

    fn wait_event(&mut self, me: usize, q: usize, instr: Instr) -> Option<Phase> {
        let after_check = |holds| if holds { Phase::Leave } else { Phase::Sleep };
        match (self.threads[me].phase, instr) {
            (Phase::Begin, _) => {
                self.asleep[q].insert(me);
                Some(Phase::Check)
            }
            (Phase::Check, Instr::WaitForAtomic(_, a)) => Some(after_check(self.atomics[a] != 0)),
            (Phase::Check, Instr::WaitForData(_, m)) => {
                let mutex = &mut self.mutexes[m];
                mutex.owner.is_none().then(|| mutex.owner = Some(me))?;
                Some(Phase::Unlock)
            }
            (Phase::Unlock, Instr::WaitForData(_, m)) => {
                self.mutexes[m].owner = None;
                Some(after_check(self.mutexes[m].value != 0))
            }
            (Phase::Sleep, _) => self.runs(q, me).then_some(Phase::Begin),
            (Phase::Leave, _) => {
                self.asleep[q].remove(&me);
                Some(Phase::Begin)
            }
            (phase, instr) => unreachable!("{phase:?} is no phase of {instr:?}"),
        }
    }
}

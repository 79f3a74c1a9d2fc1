//! Brute force: the same programs on plain data, every interleaving.

mod asleep;
mod kthread;
mod semaphore;

use std::collections::{BTreeMap, HashSet};

use super::super::small::Explored;
use super::super::waiting::{self, Wait};
use super::{ASLEEP, FILE, Instr, KTHREAD, MUTEX, Program, QUEUES, SEM, VARIABLE, WORD_UNIT, WORK};

/// The position of a thread within its instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
enum Phase {
    #[default]
    Begin,
    /// It waits for the end of what it has asked for.
    Waits,
    /// It wakes the kernel thread.
    Wakes,
    /// It is about to declare that it sleeps.
    Prepares,
    /// It is about to look at the word, or whether it is to stop.
    LooksAtWord(Look),
    LooksWhetherToStop(Look),
    /// It is about to leave the loop in which it sleeps.
    Leaves,
    /// It accesses the variable.
    Accesses,
    /// A removal from within: the reference is dropped, and whether it is the first.
    Removes(bool),
}

/// The time of a look at the condition of a wait.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Look {
    /// Before it has declared that it sleeps.
    First,
    /// After that.
    Asleep,
    /// After a signal.
    Last,
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Thread {
    at: usize,
    phase: Phase,
    /// Whether its state is not TASK_RUNNING.
    asleep: bool,
    locked: bool,
    /// Whether it has a side of the semaphore, and whether that is the write side.
    side: Option<bool>,
    active: bool,
    /// Whether the active reference is broken.
    broken: bool,
    log: Vec<u64>,
}

/// kernel/workqueue.c, as in `reference/works.rs`, with the timer of a delayed work.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Work {
    queued: bool,
    delayed: bool,
    running: bool,
    disabled: u32,
    /// The waiting threads: how often the work has to return, and whether each cancels it.
    waiting: BTreeMap<usize, (u8, bool)>,
}

/// kernel/kthread.c.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Kthread {
    begun: bool,
    should_stop: bool,
    should_park: bool,
    parked: bool,
    exited: bool,
    kept: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    /// The threads of the program, then the work, then the kernel thread.
    threads: Vec<Thread>,
    owner: Option<usize>,
    /// kernel/locking/rwsem.c: the queue of the semaphore, and whether each waiter writes.
    queue: Vec<(usize, bool)>,
    /// kernel/sched/wait.c: the queued threads from the head, and whether each is exclusive.
    waiters: [Vec<(usize, bool)>; 2],
    removed: bool,
    active: Vec<usize>,
    value: u64,
    word: u64,
    accesses: Vec<(usize, bool)>,
    work: Work,
    kthread: Kthread,
    violation: Option<String>,
}

pub(super) fn explore(program: &Program) -> Explored {
    let mut explored = Explored::default();
    let first = State {
        threads: vec![Thread::default(); program.threads.len() + 2],
        owner: None,
        queue: Vec::new(),
        waiters: Default::default(),
        removed: false,
        active: Vec::new(),
        value: 0,
        word: 0,
        accesses: Vec::new(),
        work: Work::default(),
        kthread: Kthread::default(),
        violation: None,
    };
    let mut seen = HashSet::from([first.clone()]);
    let mut to_do = vec![first];
    while let Some(state) = to_do.pop() {
        if let Some(violation) = state.violation {
            explored.violation(violation);
            continue;
        }
        let next = state.successors(program);
        // No thread may rely on a signal.
        let stuck = state.is_stuck(program);
        if stuck && state.is_over(program) {
            explored
                .outcome
                .finals
                .insert((state.value + WORD_UNIT * state.word, state.logs(program)));
        } else {
            for names in state.deadlocks(program, stuck) {
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
    fn worker(program: &Program) -> usize {
        program.threads.len()
    }

    fn kernel_thread(program: &Program) -> usize {
        program.threads.len() + 1
    }

    fn logs(&self, program: &Program) -> Vec<Vec<u64>> {
        let log = |at: usize| self.threads[at].log.clone();
        let kthread = Self::kernel_thread(program);
        (0..program.threads.len()).chain([kthread]).map(log).collect()
    }

    /// Returns the next instruction; at its end a thread drops what it has. Before it drops a
    /// broken reference, it takes that again: "this function must be invoked before finishing the
    /// kernfs operation" (kernfs_unbreak_active_protection, fs/kernfs/dir.c, v6.6).
    fn next(&self, program: &Program, me: usize) -> Option<Instr> {
        let thread = &self.threads[me];
        let steps = match me {
            _ if me == Self::worker(program) => &program.work,
            _ if me == Self::kernel_thread(program) => program.kthread.as_ref()?,
            _ => &program.threads[me],
        };
        let last = match (thread.side, thread.active, thread.locked) {
            (Some(_), ..) => Some(Instr::Up),
            (None, true, _) if thread.broken => Some(Instr::Unbreak),
            (None, true, _) => Some(Instr::PutActive),
            (None, false, true) => Some(Instr::Unlock),
            (None, false, false) => None,
        };
        steps.get(thread.at).copied().or(last)
    }

    fn is_over(&self, program: &Program) -> bool {
        let threads = (0..program.threads.len()).all(|me| self.next(program, me).is_none());
        let kthread = program.kthread.is_none() || self.kthread.exited;
        threads && kthread && !self.work.queued && !self.work.running && !self.work.delayed
    }

    /// Returns whether only signals can change the state.
    fn is_stuck(&self, program: &Program) -> bool {
        let steps = |me: usize| self.clone().step(program, me);
        !self.work.delayed && !(0..self.threads.len()).any(steps)
    }

    fn successors(&self, program: &Program) -> Vec<Self> {
        let mut all = Vec::new();
        for me in 0..self.threads.len() {
            let mut state = self.clone();
            if state.step(program, me) {
                all.push(state);
            }
        }
        for me in 0..self.threads.len() {
            all.extend(self.killed(program, me));
            all.extend(self.interrupted(program, me));
            all.extend(self.woken_spuriously(program, me));
        }
        // delayed_work_timer_fn
        if self.work.delayed {
            let mut state = self.clone();
            (state.work.delayed, state.work.queued) = (false, true);
            all.push(state);
        }
        all
    }

    fn step(&mut self, program: &Program, me: usize) -> bool {
        if me == Self::worker(program) && !self.work.running {
            let begins = self.work.queued;
            (self.work.queued, self.work.running) = (false, begins);
            return begins;
        }
        if me == Self::kernel_thread(program) {
            if program.kthread.is_none() || self.kthread.exited {
                return false;
            }
            if !self.kthread.begun {
                self.kthread.begun = true;
                // kthread(): "if (!test_bit(KTHREAD_SHOULD_STOP, &self->flags))".
                if self.kthread.should_stop {
                    self.threads[me].at = usize::MAX;
                }
                return true;
            }
        }
        match self.next(program, me) {
            Some(instr) => self.perform(program, me, instr),
            None if me == Self::worker(program) => {
                self.work.end();
                self.threads[me] = Thread::default();
                true
            }
            None if me == Self::kernel_thread(program) => {
                self.kthread.exited = true;
                true
            }
            None => false,
        }
    }

    fn perform(&mut self, program: &Program, me: usize, instr: Instr) -> bool {
        let phase = self.threads[me].phase;
        let next = match instr {
            Instr::Lock | Instr::Unlock => self.locks(me, instr),
            Instr::GetActive
            | Instr::PutActive
            | Instr::Break
            | Instr::Unbreak
            | Instr::Remove
            | Instr::RemoveSelf => self.files(me, instr, phase),
            Instr::Load | Instr::Store(_) | Instr::Swap(_) | Instr::FetchAdd | Instr::Barrier => {
                self.word(me, instr)
            }
            Instr::Read | Instr::Write(_) | Instr::MarkedRead | Instr::MarkedWrite(_) => {
                self.accesses(me, instr, phase)
            }
            Instr::Stop
            | Instr::Park
            | Instr::Unpark
            | Instr::WakeUp
            | Instr::GetTask
            | Instr::ShouldStop
            | Instr::ShouldPark
            | Instr::Parkme => self.kthreads(program, me, instr, phase),
            Instr::WakeQueue(q) => self.wake_up(q, 1),
            // wake_up_all is __wake_up with 0.
            Instr::WakeQueueAll(q) => self.wake_up(q, 0),
            Instr::WaitForStop | Instr::WaitForWord | Instr::WaitOn(..) => {
                self.sleep(program, me, instr, phase)
            }
            Instr::DownRead
            | Instr::DownWrite
            | Instr::DownReadKillable
            | Instr::DownWriteKillable
            | Instr::Downgrade
            | Instr::Up => self.semaphore(me, instr, phase),
            _ => self.works(me, instr, phase),
        };
        let Some(next) = next else { return false };
        let thread = &mut self.threads[me];
        thread.phase = next;
        // What a thread does at its end is no step of the program.
        if next == Phase::Begin {
            thread.at = thread.at.saturating_add(1);
        }
        true
    }

    fn locks(&mut self, me: usize, instr: Instr) -> Option<Phase> {
        let thread = &mut self.threads[me];
        match instr {
            Instr::Lock if thread.locked => {}
            Instr::Lock if self.owner.is_some() => return None,
            Instr::Lock => (self.owner, thread.locked) = (Some(me), true),
            _ if thread.locked => (self.owner, thread.locked) = (None, false),
            _ => {}
        }
        Some(Phase::Begin)
    }

    /// fs/kernfs/dir.c: kernfs_get_active fails once the node is deactivated, and kernfs_drain
    /// waits until no reference is left.
    fn files(&mut self, me: usize, instr: Instr, phase: Phase) -> Option<Phase> {
        let holds = self.threads[me].active;
        match (instr, phase) {
            (Instr::GetActive, _) if !holds => {
                let got = !self.removed;
                self.threads[me].active = got;
                self.active.extend(got.then_some(me));
                self.threads[me].log.push(u64::from(got));
            }
            // The end of the operation restores a broken reference first.
            (Instr::PutActive, _) if holds && self.threads[me].broken => {
                self.threads[me].broken = false;
                self.active.push(me);
                return Some(Phase::Waits);
            }
            (Instr::PutActive, _) if holds => {
                self.threads[me].active = false;
                self.active.retain(|holder| *holder != me);
            }
            // kernfs_break_active_protection: "releases the active reference [..] the caller is
            // holding", so that the file "may be removed at any point".
            (Instr::Break, _) if holds => {
                self.threads[me].broken = true;
                self.active.retain(|holder| *holder != me);
            }
            // kernfs_unbreak_active_protection: "restores the active reference", and not the
            // protection: the file "may already or be in the process of being drained and removed".
            (Instr::Unbreak, _) if holds && self.threads[me].broken => {
                self.threads[me].broken = false;
                self.active.push(me);
            }
            (Instr::Remove, Phase::Begin) => {
                self.removed = true;
                return Some(Phase::Waits);
            }
            (Instr::RemoveSelf, Phase::Begin) if holds => {
                self.active.retain(|holder| *holder != me);
                return Some(Phase::Waits);
            }
            (Instr::RemoveSelf, Phase::Waits) => {
                return Some(Phase::Removes(!std::mem::replace(&mut self.removed, true)));
            }
            (Instr::Remove, _) | (Instr::RemoveSelf, Phase::Removes(_))
                if !self.active.is_empty() =>
            {
                return None;
            }
            (Instr::RemoveSelf, Phase::Removes(first)) => {
                self.threads[me].broken = false;
                self.active.push(me);
                self.threads[me].log.push(u64::from(first));
            }
            _ => {}
        }
        Some(Phase::Begin)
    }

    /// Documentation/dev-tools/kcsan.rst: accesses that overlap, of which one writes and one is
    /// plain.
    fn accesses(&mut self, me: usize, instr: Instr, phase: Phase) -> Option<Phase> {
        let writes = matches!(instr, Instr::Write(_) | Instr::MarkedWrite(_));
        if phase == Phase::Begin {
            if self.accesses.iter().any(|(_, other)| writes || *other) {
                self.violation = Some(format!("data-race({VARIABLE})"));
                return Some(Phase::Begin);
            }
            if !writes {
                self.threads[me].log.push(self.value);
            }
            if matches!(instr, Instr::Read | Instr::Write(_)) {
                self.accesses.push((me, writes));
                self.accesses.sort_unstable();
                return Some(Phase::Accesses);
            }
        }
        if let Instr::Write(value) | Instr::MarkedWrite(value) = instr {
            self.value = value;
        }
        self.accesses.retain(|(thread, _)| *thread != me);
        Some(Phase::Begin)
    }

    /// Documentation/atomic_t.txt; Documentation/memory-barriers.txt: a barrier orders accesses,
    /// which are in order here.
    fn word(&mut self, me: usize, instr: Instr) -> Option<Phase> {
        let before = self.word;
        let (after, logs) = match instr {
            Instr::Load => (before, true),
            Instr::Store(value) => (value, false),
            Instr::Swap(value) => (value, true),
            Instr::FetchAdd => (before + 1, true),
            _ => (before, false),
        };
        self.word = after;
        self.threads[me].log.extend(logs.then_some(before));
        Some(Phase::Begin)
    }

    fn works(&mut self, me: usize, instr: Instr, phase: Phase) -> Option<Phase> {
        let work = &mut self.work;
        if phase == Phase::Waits {
            if work.waiting[&me].0 > 0 {
                return None;
            }
            work.waiting.remove(&me);
            return Some(Phase::Begin);
        }
        let (entry, waits) = match instr {
            Instr::QueueWork => (Some(work.queue(false)), None),
            Instr::QueueDelayed => (Some(work.queue(true)), None),
            Instr::ModDelayed => {
                let was = work.take_off();
                work.queue(true);
                (Some(was), None)
            }
            Instr::Cancel => (Some(work.take_off()), None),
            Instr::CancelSync => (Some(work.take_off()), Some(true)),
            Instr::Disable | Instr::DisableSync => {
                work.disabled += 1;
                (Some(work.take_off()), (instr == Instr::DisableSync).then_some(true))
            }
            Instr::Enable if work.disabled == 0 => {
                self.violation = Some("invariant(enable_work)".to_owned());
                return Some(Phase::Begin);
            }
            Instr::Enable => {
                work.disabled -= 1;
                (Some(work.disabled == 0), None)
            }
            Instr::FlushDelayed if work.delayed => {
                (work.delayed, work.queued) = (false, true);
                return Some(Phase::Accesses);
            }
            Instr::Flush | Instr::FlushDelayed => (None, Some(false)),
            other => unreachable!("{other:?} is not about a work"),
        };
        let mut next = Phase::Begin;
        if let Some(cancels) = waits
            && work.returns() > 0
        {
            work.waiting.insert(me, (work.returns(), cancels));
            next = Phase::Waits;
        }
        self.threads[me].log.extend(entry.map(u64::from));
        Some(next)
    }

    /// Returns what a thread waits for, if its next step is not possible.
    fn wait(&self, program: &Program, me: usize) -> Option<Wait> {
        let mut state = self.clone();
        let instr = self.next(program, me)?;
        let kthread = me == Self::kernel_thread(program);
        if (me == Self::worker(program) && !self.work.running) || state.step(program, me) {
            return None;
        }
        if kthread && self.kthread.exited {
            return None;
        }
        let worker = self.work.running.then_some(Self::worker(program));
        let stops = Some(Self::kernel_thread(program));
        let stops = stops.filter(|_| self.kthread.begun && !self.kthread.exited);
        Some(match instr {
            Instr::DownRead
            | Instr::DownWrite
            | Instr::DownReadKillable
            | Instr::DownWriteKillable => {
                let writes = matches!(instr, Instr::DownWrite | Instr::DownWriteKillable);
                let holds = |at: &usize| self.threads[*at].side.is_some_and(|w| writes || w);
                let holders = (0..self.threads.len()).filter(holds);
                let before = self.queue.iter().take_while(|(waiter, _)| *waiter != me);
                let before = before.filter(|(_, other)| writes || *other);
                (SEM, holders.chain(before.map(|(waiter, _)| *waiter)).collect())
            }
            Instr::Lock => (MUTEX, self.owner.into_iter().collect()),
            Instr::Remove | Instr::RemoveSelf => (FILE, self.active.clone()),
            Instr::Stop | Instr::Park => (KTHREAD, stops.into_iter().collect()),
            Instr::Parkme => (KTHREAD, Vec::new()),
            Instr::WaitForStop | Instr::WaitForWord => (ASLEEP, Vec::new()),
            Instr::WaitOn(q, _) => (QUEUES[q], Vec::new()),
            _ => (WORK, worker.into_iter().collect()),
        })
    }

    /// Returns the names of the deadlocks of a state: of the threads that wait for each other, and
    /// if it is stuck, of those that wait for no other.
    fn deadlocks(&self, program: &Program, stuck: bool) -> Vec<Vec<String>> {
        let waits: Vec<_> = (0..self.threads.len()).map(|me| self.wait(program, me)).collect();
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

impl Work {
    /// "%false if @work was already on a queue"; a disabled work, and one that is being cancelled,
    /// is not queued.
    fn queue(&mut self, delayed: bool) -> bool {
        let cancelled = self.waiting.values().any(|(_, cancels)| *cancels);
        let free = !(self.queued || self.delayed || self.disabled > 0 || cancelled);
        self.queued |= free && !delayed;
        self.delayed |= free && delayed;
        free
    }

    fn take_off(&mut self) -> bool {
        let was = self.queued || self.delayed;
        (self.queued, self.delayed) = (false, false);
        let left = self.returns();
        self.waiting.values_mut().for_each(|(times, _)| *times = left.min(*times));
        was
    }

    fn returns(&self) -> u8 {
        u8::from(self.queued) + u8::from(self.running)
    }

    fn end(&mut self) {
        self.running = false;
        self.waiting.values_mut().for_each(|(times, _)| *times = times.saturating_sub(1));
    }
}

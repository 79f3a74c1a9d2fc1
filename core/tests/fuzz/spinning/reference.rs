//! Brute force: CPUs with stacks of frames, every interleaving.
//!
//! Documentation/locking/spinlocks.rst: an interrupt that takes a lock of the CPU that it
//! interrupts spins for ever. Documentation/kernel-hacking/hacking.rst: a hard interrupt may
//! interrupt a soft one, and neither is interrupted by one of its own kind.
//!
//! Documentation/locking/locktypes.rst, PREEMPT_RT: spinlock_t and rwlock_t sleep, and leave
//! interrupts enabled; handlers run in threads. A thread may not sleep with interrupts disabled.
//!
//! kernel/irq/manage.c, request_threaded_irq: the thread function of a handler runs in a kernel
//! thread, on any kernel, which may sleep. The line is masked until it returns (IRQF_ONESHOT), and
//! synchronize_irq waits for it.
//!
//! raw_spinlock_t spins there too (locktypes.rst), so "code which is protected by it" may not take
//! a lock that sleeps. IRQF_NO_THREAD: "Interrupt cannot be threaded" (include/linux/interrupt.h),
//! so its handler is a hard interrupt on PREEMPT_RT too. Documentation/timers/hrtimers.rst: the
//! function of a high-resolution timer runs in a hard interrupt; on PREEMPT_RT in a softirq, but
//! with HRTIMER_MODE_HARD (include/linux/hrtimer.h).
//!
//! lib/refcount.c, refcount_dec_and_lock: "return true and hold spinlock if able to decrement
//! refcount to 0". The lock is not taken where the count cannot reach 0.

mod locks;

use std::collections::HashSet;

use super::super::small::Explored;
use super::super::waiting;
use super::{
    HARD, Hard, Instr, KREF, Keeps, LINES, Program, REFERENCES, RW, SEQ, SEQLOCK, SEQLOCK_COUNT,
    SOFT, SPINS,
};

/// The number of the reader-writer lock among the locks.
const RW_LOCK: usize = 2;

/// The number of the sequence counter, which a writer holds like a lock.
const SEQ_COUNT: usize = 3;

/// The sequence lock: its spinlock, and its counter.
const SEQ_LOCK: usize = 4;
const LOCKED_COUNT: usize = 5;

/// The number of the spinlock that may be a raw one.
const RAW: usize = 1;

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Lock {
    writer: Option<usize>,
    /// The CPUs that read, each as often as it does. Sorted.
    readers: Vec<usize>,
    /// The waiting CPUs in order, and whether each wants to write.
    queue: Vec<(usize, bool)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Held {
    lock: usize,
    writes: bool,
    keeps: Keeps,
    /// Whether interrupts were on before.
    before: bool,
}

/// How far a `kref_put_lock` is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Put {
    Begins,
    Locks,
    Puts,
    Unlocks,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Frame {
    /// The line whose handler this is, or none for a thread.
    line: Option<usize>,
    at: usize,
    /// Whether interrupts were on before the lock that it waits for, once that keeps them off.
    waits: Option<bool>,
    queued: bool,
    /// The count at the beginning of a section of the sequence counter, and the word once read.
    section: Option<(u64, Option<u64>)>,
    put: Put,
    held: Vec<Held>,
    log: Vec<u64>,
    /// What local_irq_save has saved.
    saved: Vec<bool>,
    /// What the CPU returns to.
    returns_to: Keep,
}

/// Whether interrupts are enabled, and how often bottom halves and preemption are disabled.
type Keep = (bool, u32, u32);

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Cpu {
    stack: Vec<Frame>,
    irqs: bool,
    bh: u32,
    preempt: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Line {
    pending: bool,
    running: Option<usize>,
    masked: u32,
    /// Whether there is no handler.
    freed: bool,
    /// The number of CPUs that have the bit TASKLET_STATE_SCHED in tasklet_kill.
    killed: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    /// One for each thread, and an idle one for each line.
    cpus: Vec<Cpu>,
    locks: [Lock; 6],
    /// Odd while a thread writes (include/linux/seqlock.h): that of the counter, and of the lock.
    counts: [u64; 2],
    lines: [Line; 2],
    word: u64,
    references: u64,
    violation: Option<String>,
    rt: bool,
    raw: bool,
    hard: Hard,
}

impl Frame {
    fn new(line: Option<usize>, returns_to: Keep) -> Self {
        let (at, waits, queued, section, put) = (0, None, false, None, Put::Begins);
        let (held, log, saved) = (Vec::new(), Vec::new(), Vec::new());
        Self { line, at, waits, queued, section, put, held, log, saved, returns_to }
    }
}

/// Returns the program with its instructions that are two of them.
fn in_steps(program: &Program) -> Program {
    let split = |instr: &Instr| match *instr {
        Instr::Disable(line) => vec![Instr::Mask(line), Instr::Synchronize(line)],
        Instr::Free => vec![Instr::Free, Instr::Synchronize(HARD)],
        Instr::Kill => vec![Instr::Kill, Instr::AwaitKilled],
        Instr::LockedWrite(_) => vec![instr.to_owned(), Instr::LockedBegin],
        other => vec![other],
    };
    let split = |steps: &Vec<Instr>| steps.iter().flat_map(split).collect();
    Program {
        threads: program.threads.iter().map(split).collect(),
        handlers: program.handlers.each_ref().map(split),
        ..*program
    }
}

pub(super) fn explore(program: &Program) -> Explored {
    let program = &in_steps(program);
    let mut explored = Explored::default();
    let threads = program.threads.len();
    let cpu = |stack| Cpu { stack, irqs: true, bh: 0, preempt: 0 };
    let busy = (0..threads).map(|_| cpu(vec![Frame::new(None, (true, 0, 0))]));
    let first = State {
        cpus: busy.chain([cpu(Vec::new()), cpu(Vec::new())]).collect(),
        locks: Default::default(),
        counts: [0; 2],
        lines: Default::default(),
        word: 0,
        references: REFERENCES,
        violation: None,
        rt: program.rt,
        raw: program.raw,
        hard: program.hard,
    };
    let mut first = first;
    (0..threads).for_each(|at| first.settle(program, at));
    let mut seen: HashSet<State> = HashSet::from([first.clone()]);
    let mut to_do = vec![first];
    while let Some(state) = to_do.pop() {
        if let Some(violation) = state.violation {
            explored.violation(violation);
            continue;
        }
        let next = state.successors(program);
        let over = state.is_over(program);
        for names in state.deadlocks(program, next.is_empty() && !over) {
            explored.deadlock(names);
        }
        if next.is_empty() && over {
            let logs = state.cpus[..threads].iter().map(|cpu| cpu.stack[0].log.clone()).collect();
            explored.outcome.finals.insert((state.word, logs));
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
    fn is_over(&self, program: &Program) -> bool {
        let ends = |cpu: &Cpu| match cpu.stack.as_slice() {
            [] => true,
            [base] => base.line.is_none() && base.is_done(program, 0),
            _ => false,
        };
        let threads = program.threads.len();
        let idle = |(at, cpu): (usize, &Cpu)| match at < threads {
            true => cpu.stack.len() == 1 && cpu.stack[0].is_done(program, at),
            false => ends(cpu),
        };
        self.cpus.iter().enumerate().all(idle)
    }

    fn successors(&self, program: &Program) -> Vec<Self> {
        let mut all = Vec::new();
        for cpu in 0..self.cpus.len() {
            let mut state = self.clone();
            if state.step(program, cpu) {
                all.push(state);
            }
            for line in [HARD, SOFT] {
                if self.arrives(program, cpu, line) {
                    let mut state = self.clone();
                    state.lines[line] =
                        Line { pending: false, running: Some(cpu), ..state.lines[line].clone() };
                    let at = &mut state.cpus[cpu];
                    at.stack.push(Frame::new(Some(line), (at.irqs, at.bh, at.preempt)));
                    // A hard interrupt runs with interrupts off.
                    at.irqs = line == SOFT || !self.interrupts(line);
                    state.settle(program, cpu);
                    all.push(state);
                }
            }
        }
        all
    }

    /// Returns whether an interrupt may arrive on a CPU: one that runs a thread, or the idle one of
    /// the line.
    fn arrives(&self, program: &Program, at: usize, line: usize) -> bool {
        let cpu = &self.cpus[at];
        let due = &self.lines[line];
        if !due.pending || due.running.is_some() || due.masked > 0 {
            return false;
        }
        let threads = program.threads.len();
        match cpu.stack.last() {
            None => at == threads + line,
            Some(_) if !self.interrupts(line) => false,
            Some(top) if top.line.is_none() && top.is_done(program, at) => false,
            Some(top) => match line {
                HARD => cpu.irqs && top.line != Some(HARD),
                _ => cpu.irqs && cpu.bh == 0 && !self.is_interrupt(top),
            },
        }
    }

    /// Returns whether the handler of a line interrupts threads, and is none itself.
    fn interrupts(&self, line: usize) -> bool {
        match (line, self.hard) {
            (HARD, Hard::Threaded) => false,
            (HARD, Hard::NoThread | Hard::Unforced) => true,
            _ => !self.rt,
        }
    }

    fn is_interrupt(&self, frame: &Frame) -> bool {
        frame.line.is_some_and(|line| self.interrupts(line))
    }

    /// Performs the next step of a CPU, if that is possible.
    fn step(&mut self, program: &Program, at: usize) -> bool {
        let steps = self.step_once(program, at);
        if self.rt {
            self.settle(program, at);
            return steps;
        }
        // Whether it may sleep is looked at when it gets there.
        if let Some(top) = self.cpus[at].stack.last()
            && let Some(Instr::MightSleep | Instr::Synchronize(_) | Instr::Kill) =
                top.next(program, at)
            && (top.next(program, at) == Some(Instr::MightSleep) || self.forbids(at).is_some())
            && steps
            && self.violation.is_none()
        {
            self.step_once(program, at);
        }
        steps
    }

    /// Returns whether a hard interrupt may arrive on PREEMPT_RT where that matters: on top of a
    /// thread that holds a raw lock.
    fn may_be_interrupted(&self, at: usize) -> bool {
        let cpu = &self.cpus[at];
        let spins = |frame: &Frame| frame.held.iter().any(|held| !self.sleeps_on_rt(held.lock));
        let handles = cpu.stack.last().is_some_and(|top| top.line == Some(HARD));
        self.interrupts(HARD) && cpu.irqs && !handles && cpu.stack.iter().any(spins)
    }

    /// Ends everything if a CPU begins to take a lock that sleeps and may not, which has not been
    /// looked at where a hard interrupt may have come before.
    fn may_not_take(&mut self, at: usize, lock: usize) -> bool {
        let begins = self.top(at).waits.is_none() && self.sleeps_on_rt(lock);
        let Some(holds) = self.forbids_lock(at).filter(|_| begins) else { return false };
        self.violation = Some(format!("sleep-in-atomic({}, {holds})", name(lock)));
        true
    }

    /// Performs what is no step on PREEMPT_RT, where nothing interrupts a thread, and looks whether
    /// the thread may sleep where it gets to.
    fn settle(&mut self, program: &Program, at: usize) {
        use Instr::{
            BhOff, BhOn, InInterrupt, IrqOff, IrqOn, Kill, MightSleep, PreemptOff, PreemptOn,
            PutLock, RawSpin, Read, RestoreIrqs, SaveIrqs, Spin, Synchronize, Write,
        };
        while self.rt && self.violation.is_none() {
            let Some(top) = self.cpus[at].stack.last() else { return };
            let next = top.next(program, at);
            let sleeps = matches!(next, Some(MightSleep | Synchronize(_) | Kill));
            if self.may_be_interrupted(at) && !sleeps {
                return;
            }
            match next {
                Some(
                    instr @ (IrqOff | IrqOn | BhOff | BhOn | SaveIrqs | RestoreIrqs | PreemptOff
                    | PreemptOn | MightSleep | InInterrupt),
                ) => {
                    self.perform(program, at, instr);
                }
                Some(Instr::Release) if top.held.is_empty() => {
                    self.perform(program, at, Instr::Release);
                }
                Some(Synchronize(line)) => return self.sleeps(at, LINES[line]),
                Some(Kill) => return self.sleeps(at, LINES[SOFT]),
                Some(instr @ (Spin(..) | RawSpin(_) | Read(_) | Write(_) | PutLock(_))) => {
                    let Some((lock, ..)) = top.wants(instr) else { return };
                    if !self.sleeps_on_rt(lock) {
                        return;
                    }
                    let Some(holds) = self.forbids_lock(at) else { return };
                    let what = name(lock);
                    self.violation = Some(format!("sleep-in-atomic({what}, {holds})"));
                    return;
                }
                _ => return,
            }
        }
    }

    fn step_once(&mut self, program: &Program, at: usize) -> bool {
        let Some(frame) = self.cpus[at].stack.last() else { return false };
        let done = frame.is_done(program, at);
        match frame.next(program, at) {
            _ if done && frame.line.is_none() => false,
            None => {
                let frame = self.cpus[at].stack.pop().expect("it has one");
                let cpu = &mut self.cpus[at];
                (cpu.irqs, cpu.bh, cpu.preempt) = frame.returns_to;
                self.lines[frame.line.expect("it is a handler")].running = None;
                true
            }
            Some(instr) => self.perform(program, at, instr),
        }
    }

    fn perform(&mut self, program: &Program, at: usize, instr: Instr) -> bool {
        if let Some((lock, writes, keeps)) = wanted(instr) {
            let keeps = if self.sleeps_on_rt(lock) { Keeps::Nothing } else { keeps };
            if self.may_not_take(at, lock) {
                return true;
            }
            return self.take(at, lock, writes, keeps);
        }
        if let Some((count, again)) = reads(instr) {
            return self.read_section(at, count, again);
        }
        match instr {
            Instr::SeqWrite if self.counts[0] % 2 == 1 => {
                self.violation = Some("invariant(write_seqcount_begin)".to_owned());
            }
            Instr::SeqWrite => self.begin_to_write(at, SEQ_COUNT),
            Instr::LockedBegin => self.begin_to_write(at, LOCKED_COUNT),
            Instr::TryRawSpin(lock) => self.try_take(at, lock, true, Keeps::Save),
            // include/linux/preempt.h, in_interrupt: in a hard or a soft interrupt, or with bottom
            // halves disabled.
            Instr::InInterrupt => {
                let top = self.cpus[at].stack.last().expect("it runs");
                let is = self.cpus[at].bh > 0 || self.is_interrupt(top);
                self.top(at).log.push(u64::from(is));
            }
            // kernel/softirq.c, tasklet_kill: "wait_on_bit_lock(&t->state, TASKLET_STATE_SCHED,
            // ..)" waits until it is not scheduled and keeps it so, "tasklet_unlock_wait(t)" until
            // it does not run; then "tasklet_clear_sched(t)".
            Instr::Kill if self.forbids(at).is_some() => self.sleeps(at, LINES[SOFT]),
            Instr::Kill if self.lines[SOFT].pending || self.lines[SOFT].killed > 0 => return false,
            Instr::Kill => self.lines[SOFT].killed += 1,
            Instr::AwaitKilled if self.lines[SOFT].running.is_some() => return false,
            Instr::AwaitKilled => self.lines[SOFT].killed -= 1,
            // kernel/time/hrtimer.c, hrtimer_cancel: "cancel a timer and wait for the handler to
            // finish".
            Instr::CancelTimer if self.lines[HARD].running.is_some() => return false,
            Instr::CancelTimer => {
                let armed = std::mem::take(&mut self.lines[HARD].pending);
                self.top(at).log.push(u64::from(armed));
            }
            Instr::TrySpin(lock, keeps) => self.try_take(at, lock, true, keeps),
            Instr::TryRead => self.try_take(at, RW_LOCK, false, Keeps::Nothing),
            Instr::TryWrite => self.try_take(at, RW_LOCK, true, Keeps::Nothing),
            // write_sequnlock: the counter, and then the spinlock.
            Instr::Release => {
                let counts = self.top(at).held.last().is_some_and(|h| h.lock == LOCKED_COUNT);
                self.release(at);
                if counts {
                    return true;
                }
            }
            Instr::IrqOff => self.cpus[at].irqs = false,
            Instr::IrqOn => self.cpus[at].irqs = true,
            Instr::BhOff => self.cpus[at].bh += 1,
            Instr::BhOn => self.cpus[at].bh = self.cpus[at].bh.saturating_sub(1),
            Instr::SaveIrqs => {
                let irqs = std::mem::replace(&mut self.cpus[at].irqs, false);
                self.top(at).saved.push(irqs);
            }
            Instr::RestoreIrqs => {
                let irqs = self.top(at).saved.pop().unwrap_or(self.cpus[at].irqs);
                self.cpus[at].irqs = irqs;
            }
            Instr::PreemptOff => self.cpus[at].preempt += 1,
            Instr::PreemptOn => {
                self.cpus[at].preempt = self.cpus[at].preempt.saturating_sub(1);
            }
            // kernel/irq/chip.c, handle_edge_irq; tasklet_schedule: pending once.
            Instr::Raise(line) => {
                let is = &mut self.lines[line];
                is.pending |= !is.freed && is.killed == 0;
            }
            // kernel/softirq.c, tasklet_action_common: one that is disabled stays scheduled.
            Instr::Mask(line) => self.lines[line].masked += 1,
            // kernel/irq/manage.c, __enable_irq: "Unbalanced enable for IRQ".
            Instr::Unmask(line) if self.lines[line].masked == 0 => {
                let what = ["enable_irq", "tasklet_enable"][line];
                self.violation = Some(format!("invariant({what})"));
            }
            Instr::Unmask(line) => self.lines[line].masked -= 1,
            Instr::Synchronize(line) if self.forbids(at).is_some() => self.sleeps(at, LINES[line]),
            Instr::Synchronize(line) if self.lines[line].running.is_some() => return false,
            Instr::Synchronize(_) => {}
            // kernel/irq/manage.c, __free_irq: "Trying to free already-free IRQ".
            Instr::Free if self.lines[HARD].freed => {
                self.violation = Some(format!("double-release({})", LINES[HARD]));
            }
            Instr::Free => (self.lines[HARD].freed, self.lines[HARD].pending) = (true, false),
            Instr::Request => {
                let freed = std::mem::replace(&mut self.lines[HARD].freed, false);
                self.top(at).log.push(u64::from(freed));
            }
            Instr::MightSleep => self.sleeps(at, "vfree"),
            Instr::PutLock(lock) => return self.put(at, lock),
            // include/linux/refcount.h, refcount_inc: "will WARN if the counter is 0".
            Instr::Get if self.references == 0 => self.use_after_release(),
            Instr::Get => self.references += 1,
            Instr::Count | Instr::Subtract | Instr::SetBit | Instr::ClearBit => {
                let word = self.word;
                self.top(at).log.push(word);
                // Documentation/atomic_t.txt: they return the value before; they wrap.
                self.word = match instr {
                    Instr::Count => word.wrapping_add(1),
                    Instr::Subtract => word.wrapping_sub(2),
                    Instr::SetBit => word | 4,
                    _ => word & !1,
                };
            }
            Instr::Disable(_) => unreachable!("it is two instructions"),
            other => unreachable!("{other:?} waits"),
        }
        // The release at an end is no step of the program.
        if self.top(at).at < length(program, at, self.top(at).line) {
            self.top(at).at += 1;
        }
        true
    }

    /// include/linux/seqlock.h, do_write_seqcount_begin.
    fn begin_to_write(&mut self, at: usize, lock: usize) {
        self.counts[usize::from(lock == LOCKED_COUNT)] += 1;
        self.grant(at, lock, true);
        let (keeps, before) = (Keeps::Nothing, self.cpus[at].irqs);
        self.top(at).held.push(Held { lock, writes: true, keeps, before });
    }

    /// Documentation/locking/seqlock.rst: read_seqcount_begin waits for an even count, and
    /// read_seqcount_retry compares it.
    fn read_section(&mut self, at: usize, which: usize, again: bool) -> bool {
        let (count, word) = (self.counts[which], self.word);
        let frame = self.top(at);
        match frame.section {
            None if count % 2 == 1 => return false,
            None => frame.section = Some((count, None)),
            Some((begin, None)) => frame.section = Some((begin, Some(word))),
            Some((begin, Some(word))) => {
                frame.section = None;
                if !again {
                    frame.log.extend([word, u64::from(begin != count)]);
                    frame.at += 1;
                } else if begin == count {
                    frame.log.push(word);
                    frame.at += 1;
                }
            }
        }
        true
    }

    fn top(&mut self, at: usize) -> &mut Frame {
        self.cpus[at].stack.last_mut().expect("it runs")
    }

    /// Returns what forbids the CPU to sleep: what was taken last.
    fn forbids(&self, at: usize) -> Option<&'static str> {
        let cpu = &self.cpus[at];
        for frame in cpu.stack.iter().rev() {
            let held = frame.held.last().map(|held| name(held.lock));
            // A softirq may not sleep on PREEMPT_RT either, but for its locks.
            let softirq = |line: usize| line == SOFT || self.hard == Hard::Hrtimer;
            let atomic = frame.line.filter(|line| self.interrupts(*line) || softirq(*line));
            if let Some(name) = held.or(atomic.map(|line| LINES[line])) {
                return Some(name);
            }
        }
        match (cpu.irqs, cpu.preempt, cpu.bh) {
            (false, ..) => Some("local_irq_disable"),
            (true, 1.., _) => Some("preempt_disable"),
            (true, 0, 1..) => Some("local_bh_disable"),
            (true, 0, 0) => None,
        }
    }

    /// Returns whether a lock sleeps: on PREEMPT_RT all but raw ones do.
    fn sleeps_on_rt(&self, lock: usize) -> bool {
        self.rt && !(self.raw && lock == RAW)
    }

    /// Returns what forbids the CPU to take a lock that sleeps: a raw one, or a hard interrupt.
    fn forbids_lock(&self, at: usize) -> Option<&'static str> {
        let cpu = &self.cpus[at];
        for frame in cpu.stack.iter().rev() {
            let held = frame.held.iter().rfind(|held| !self.sleeps_on_rt(held.lock));
            let hard = frame.line.filter(|line| *line == HARD && self.interrupts(HARD));
            if let Some(name) = held.map(|held| name(held.lock)).or(hard.map(|line| LINES[line])) {
                return Some(name);
            }
        }
        match (cpu.irqs, cpu.preempt) {
            (true, 0) => None,
            (true, _) => Some("preempt_disable"),
            (false, _) => Some("local_irq_disable"),
        }
    }

    fn sleeps(&mut self, at: usize, what: &str) {
        if let Some(holds) = self.forbids(at) {
            self.violation = Some(format!("sleep-in-atomic({what}, {holds})"));
        }
    }

    /// Returns what the top of a CPU waits for, and the CPUs that keep it from that.
    fn wait(&self, program: &Program, at: usize) -> Option<(&'static str, Vec<usize>)> {
        let top = self.cpus[at].stack.last()?;
        let instr = top.next(program, at)?;
        if let Instr::Synchronize(line) = instr
            && self.forbids(at).is_none()
        {
            return Some((LINES[line], self.lines[line].running.into_iter().collect()));
        }
        if let Some((count, _)) = reads(instr)
            && top.section.is_none()
        {
            let lock = [SEQ_COUNT, LOCKED_COUNT][count];
            return Some((name(lock), self.locks[lock].writer.into_iter().collect()));
        }
        match instr {
            // Another CPU that kills it has to return too.
            Instr::Kill if self.forbids(at).is_none() => {
                return Some((LINES[SOFT], self.lines[SOFT].running.into_iter().collect()));
            }
            Instr::AwaitKilled => {
                return Some((LINES[SOFT], self.lines[SOFT].running.into_iter().collect()));
            }
            Instr::CancelTimer => {
                return Some((LINES[HARD], self.lines[HARD].running.into_iter().collect()));
            }
            _ => {}
        }
        let (lock, writes, _) = top.wants(instr)?;
        // One that has not begun to wait, or is about to be queued, takes a step.
        let steps =
            top.waits.is_none() || (lock == RW_LOCK && !top.queued && !self.passes(at, writes));
        (!steps).then(|| (name(lock), self.blockers(at, lock, writes)))
    }

    /// Returns the names of the shortest cycles through each CPU that waits for good; without one,
    /// of a state that is stuck, that of those that wait for no other.
    fn deadlocks(&self, program: &Program, stuck: bool) -> Vec<Vec<String>> {
        let waits: Vec<_> = (0..self.cpus.len()).map(|at| self.wait(program, at)).collect();
        let mut cycles = waiting::cycles(&waits, &waiting::closed(&waits));
        if stuck && cycles.is_empty() {
            let waits_for_none = |at: &usize| match &waits[*at] {
                Some((_, by)) => !by.iter().any(|by| waits[*by].is_some()),
                None => false,
            };
            let alone: Vec<usize> = (0..waits.len()).filter(waits_for_none).collect();
            cycles.push(vec![waiting::name(&waits, &alone)]);
        }
        cycles
    }
}

impl Frame {
    /// Returns the next instruction; at its end a frame releases what it holds.
    fn next(&self, program: &Program, at: usize) -> Option<Instr> {
        let steps = steps(program, at, self.line);
        let release = (!self.held.is_empty()).then_some(Instr::Release);
        steps.get(self.at).copied().or(release)
    }

    /// Returns what [`wanted`] does, of a `kref_put_lock` too once it takes the lock.
    fn wants(&self, instr: Instr) -> Option<(usize, bool, Keeps)> {
        match instr {
            Instr::PutLock(lock) => {
                (self.put == Put::Locks).then_some((lock, true, Keeps::Nothing))
            }
            other => wanted(other),
        }
    }

    fn is_done(&self, program: &Program, at: usize) -> bool {
        self.next(program, at).is_none()
    }
}

fn steps(program: &Program, at: usize, line: Option<usize>) -> &[Instr] {
    match line {
        Some(line) => &program.handlers[line],
        None => &program.threads[at],
    }
}

fn length(program: &Program, at: usize, line: Option<usize>) -> usize {
    steps(program, at, line).len()
}

/// Returns the lock that an instruction waits for, whether it writes, and what it keeps off.
fn wanted(instr: Instr) -> Option<(usize, bool, Keeps)> {
    match instr {
        Instr::Spin(lock, keeps) => Some((lock, true, keeps)),
        Instr::RawSpin(lock) => Some((lock, true, Keeps::Save)),
        Instr::Exclusive => Some((SEQ_LOCK, true, Keeps::Nothing)),
        Instr::LockedWrite(keeps) => Some((SEQ_LOCK, true, keeps)),
        Instr::Read(keeps) => Some((RW_LOCK, false, keeps)),
        Instr::Write(keeps) => Some((RW_LOCK, true, keeps)),
        _ => None,
    }
}

/// Returns which counter a reader looks at, and whether it reads until no thread has written.
fn reads(instr: Instr) -> Option<(usize, bool)> {
    match instr {
        Instr::SeqRead => Some((0, true)),
        Instr::SeqTry => Some((0, false)),
        Instr::LockedRead => Some((1, true)),
        Instr::LockedTry => Some((1, false)),
        _ => None,
    }
}

fn name(lock: usize) -> &'static str {
    match lock {
        RW_LOCK => RW,
        SEQ_COUNT => SEQ,
        SEQ_LOCK => SEQLOCK,
        LOCKED_COUNT => SEQLOCK_COUNT,
        spin => SPINS[spin],
    }
}

//! Brute force: CPUs with stacks of frames, every interleaving.
//!
//! Documentation/locking/spinlocks.rst: an interrupt that takes a lock of the CPU that it
//! interrupts spins for ever. Documentation/kernel-hacking/hacking.rst: a hard interrupt may
//! interrupt a soft one, and neither is interrupted by one of its own kind.
//!
//! Documentation/locking/locktypes.rst, PREEMPT_RT: spinlock_t and rwlock_t sleep, and leave
//! interrupts enabled; handlers run in threads. A thread may not sleep with interrupts disabled.

use std::collections::{BTreeSet, HashSet};

use super::super::small::{Explored, Outcome};
use super::super::waiting;
use super::{HARD, Instr, Keeps, LINES, Program, RW, SEQ, SOFT, SPINS};

/// The number of the reader-writer lock among the locks.
const RW_LOCK: usize = 2;

/// The number of the sequence counter, which a writer holds like a lock.
const SEQ_COUNT: usize = 3;

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
    held: Vec<Held>,
    log: Vec<u64>,
    /// What the CPU returns to.
    returns_to: (bool, u32),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Cpu {
    stack: Vec<Frame>,
    irqs: bool,
    bh: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Line {
    pending: bool,
    running: Option<usize>,
    masked: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    /// One for each thread, and an idle one for each line.
    cpus: Vec<Cpu>,
    locks: [Lock; 4],
    /// Odd while a thread writes (include/linux/seqlock.h).
    count: u64,
    lines: [Line; 2],
    word: u64,
    violation: Option<String>,
    rt: bool,
}

impl Frame {
    fn new(line: Option<usize>, returns_to: (bool, u32)) -> Self {
        let (at, waits, queued, section) = (0, None, false, None);
        Self { line, at, waits, queued, section, held: Vec::new(), log: Vec::new(), returns_to }
    }
}

pub(super) fn explore(program: &Program) -> Explored {
    let mut outcome = Outcome::default();
    let mut possible = BTreeSet::new();
    let threads = program.threads.len();
    let cpu = |stack| Cpu { stack, irqs: true, bh: 0 };
    let busy = (0..threads).map(|_| cpu(vec![Frame::new(None, (true, 0))]));
    let first = State {
        cpus: busy.chain([cpu(Vec::new()), cpu(Vec::new())]).collect(),
        locks: Default::default(),
        count: 0,
        lines: Default::default(),
        word: 0,
        violation: None,
        rt: program.rt,
    };
    let mut first = first;
    (0..threads).for_each(|at| first.settle(program, at));
    let mut seen: HashSet<State> = HashSet::from([first.clone()]);
    let mut to_do = vec![first];
    while let Some(state) = to_do.pop() {
        if let Some(violation) = state.violation {
            possible.insert(violation.clone());
            outcome.violations.insert(violation);
            continue;
        }
        for names in state.deadlocks(program) {
            if let [name] = names.as_slice() {
                outcome.violations.insert(name.clone());
            }
            possible.extend(names);
        }
        let next = state.successors(program);
        if next.is_empty() && state.is_over(program) {
            let logs = state.cpus[..threads].iter().map(|cpu| cpu.stack[0].log.clone()).collect();
            outcome.finals.insert((state.word, logs));
        }
        for next in next {
            if seen.insert(next.clone()) {
                to_do.push(next);
            }
        }
    }
    Explored { outcome, possible }
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
                    at.stack.push(Frame::new(Some(line), (at.irqs, at.bh)));
                    // A hard interrupt runs with interrupts off.
                    at.irqs = line == SOFT || self.rt;
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
            Some(_) if self.rt => false,
            Some(top) if top.line.is_none() && top.is_done(program, at) => false,
            Some(top) => match line {
                HARD => cpu.irqs && top.line != Some(HARD),
                _ => cpu.irqs && cpu.bh == 0 && top.line.is_none(),
            },
        }
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
            && let Some(Instr::MightSleep | Instr::Synchronize) = top.next(program, at)
            && (top.next(program, at) == Some(Instr::MightSleep) || self.forbids(at).is_some())
            && steps
        {
            self.step_once(program, at);
        }
        steps
    }

    /// Performs what is no step on PREEMPT_RT, where nothing interrupts a thread, and looks whether
    /// the thread may sleep where it gets to.
    fn settle(&mut self, program: &Program, at: usize) {
        use Instr::{BhOff, BhOn, IrqOff, IrqOn, MightSleep, Read, Spin, Synchronize, Write};
        while self.rt && self.violation.is_none() {
            let Some(top) = self.cpus[at].stack.last() else { return };
            match top.next(program, at) {
                Some(instr @ (IrqOff | IrqOn | BhOff | BhOn | MightSleep)) => {
                    self.perform(program, at, instr);
                }
                Some(Instr::Release) if top.held.is_empty() => {
                    self.perform(program, at, Instr::Release);
                }
                Some(Synchronize) => return self.sleeps(at, LINES[HARD]),
                Some(instr @ (Spin(..) | Read(_) | Write(_))) => {
                    let (lock, ..) = wanted(instr).expect("it is a lock");
                    if !self.cpus[at].irqs {
                        let what = name(lock);
                        self.violation =
                            Some(format!("sleep-in-atomic({what}, local_irq_disable)"));
                    }
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
                (self.cpus[at].irqs, self.cpus[at].bh) = frame.returns_to;
                self.lines[frame.line.expect("it is a handler")].running = None;
                true
            }
            Some(instr) => self.perform(program, at, instr),
        }
    }

    fn perform(&mut self, program: &Program, at: usize, instr: Instr) -> bool {
        if let Some((lock, writes, keeps)) = wanted(instr) {
            let keeps = if self.rt { Keeps::Nothing } else { keeps };
            return self.take(at, lock, writes, keeps);
        }
        if instr == Instr::SeqRead {
            return self.read_section(at);
        }
        match instr {
            Instr::SeqWrite if self.count % 2 == 1 => {
                self.violation = Some("invariant(write_seqcount_begin)".to_owned());
            }
            Instr::SeqWrite => {
                self.count += 1;
                self.grant(at, SEQ_COUNT, true);
                let before = self.cpus[at].irqs;
                let (lock, keeps) = (SEQ_COUNT, Keeps::Nothing);
                self.top(at).held.push(Held { lock, writes: true, keeps, before });
            }
            Instr::TrySpin(lock) => self.try_take(at, lock, true),
            Instr::TryRead => self.try_take(at, RW_LOCK, false),
            Instr::TryWrite => self.try_take(at, RW_LOCK, true),
            Instr::Release => self.release(at),
            Instr::IrqOff => self.cpus[at].irqs = false,
            Instr::IrqOn => self.cpus[at].irqs = true,
            Instr::BhOff => self.cpus[at].bh += 1,
            Instr::BhOn => self.cpus[at].bh = self.cpus[at].bh.saturating_sub(1),
            // kernel/irq/chip.c, handle_edge_irq; tasklet_schedule: pending once.
            Instr::Raise(line) => self.lines[line].pending = true,
            Instr::Mask => self.lines[HARD].masked += 1,
            // kernel/irq/manage.c, __enable_irq: "Unbalanced enable for IRQ".
            Instr::Unmask if self.lines[HARD].masked == 0 => {
                self.violation = Some("invariant(enable_irq)".to_owned());
            }
            Instr::Unmask => self.lines[HARD].masked -= 1,
            Instr::Synchronize if self.forbids(at).is_some() => self.sleeps(at, LINES[HARD]),
            Instr::Synchronize if self.lines[HARD].running.is_some() => return false,
            Instr::Synchronize => {}
            Instr::MightSleep => self.sleeps(at, "vfree"),
            Instr::Count => {
                let word = self.word;
                self.top(at).log.push(word);
                self.word += 1;
            }
            Instr::Spin(..) | Instr::Read(_) | Instr::Write(_) | Instr::SeqRead => {
                unreachable!("it waits")
            }
        }
        // The release at an end is no step of the program.
        if self.top(at).at < length(program, at, self.top(at).line) {
            self.top(at).at += 1;
        }
        true
    }

    /// Documentation/locking/seqlock.rst: read_seqcount_begin waits for an even count, and
    /// read_seqcount_retry compares it.
    fn read_section(&mut self, at: usize) -> bool {
        let (count, word) = (self.count, self.word);
        let frame = self.top(at);
        match frame.section {
            None if count % 2 == 1 => return false,
            None => frame.section = Some((count, None)),
            Some((begin, None)) => frame.section = Some((begin, Some(word))),
            Some((begin, Some(word))) => {
                frame.section = None;
                if begin == count {
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

    /// Includes a first step that keeps interrupts off, as spin_lock_irqsave does before it spins.
    fn take(&mut self, at: usize, lock: usize, writes: bool, keeps: Keeps) -> bool {
        let Some(before) = self.top(at).waits else {
            let before = self.cpus[at].irqs;
            match keeps {
                Keeps::Nothing => {}
                Keeps::Bh => self.cpus[at].bh += 1,
                Keeps::Irq | Keeps::Save => self.cpus[at].irqs = false,
            }
            self.top(at).waits = Some(before);
            return true;
        };
        let queued = self.top(at).queued;
        if !self.free(at, lock, writes) {
            // kernel/locking/qrwlock.c: readers in interrupts do not queue. A spinlock's waiters
            // are served in any order here.
            if queued || lock != RW_LOCK || self.passes(at, writes) {
                return false;
            }
            self.locks[lock].queue.push((at, writes));
            self.top(at).queued = true;
            return true;
        }
        if queued {
            let ahead = self.locks[lock].ahead(at);
            self.locks[lock].queue.remove(ahead);
        }
        self.grant(at, lock, writes);
        let frame = self.top(at);
        (frame.waits, frame.queued) = (None, false);
        frame.held.push(Held { lock, writes, keeps, before });
        frame.at += 1;
        true
    }

    fn try_take(&mut self, at: usize, lock: usize, writes: bool) {
        let lock_is = &self.locks[lock];
        // include/asm-generic/qrwlock.h, queued_read_trylock and queued_write_trylock.
        let free = match writes {
            true => lock_is.is_free() && lock_is.queue.is_empty(),
            false => lock_is.writer.is_none() && !lock_is.queue.iter().any(|(_, w)| *w),
        };
        self.top(at).log.push(u64::from(free));
        if free {
            self.grant(at, lock, writes);
            let before = self.cpus[at].irqs;
            self.top(at).held.push(Held { lock, writes, keeps: Keeps::Nothing, before });
        }
    }

    fn grant(&mut self, at: usize, lock: usize, writes: bool) {
        let lock = &mut self.locks[lock];
        if writes {
            lock.writer = Some(at);
        } else {
            lock.readers.push(at);
            lock.readers.sort_unstable();
        }
    }

    fn release(&mut self, at: usize) {
        let Some(Held { lock, writes, keeps, before }) = self.top(at).held.pop() else { return };
        self.count += u64::from(lock == SEQ_COUNT);
        let lock = &mut self.locks[lock];
        if writes {
            lock.writer = None;
        } else {
            let place = lock.readers.iter().position(|reader| *reader == at);
            lock.readers.remove(place.expect("it reads"));
        }
        let cpu = &mut self.cpus[at];
        match keeps {
            Keeps::Nothing => {}
            Keeps::Bh => cpu.bh = cpu.bh.saturating_sub(1),
            Keeps::Irq => cpu.irqs = true,
            Keeps::Save => cpu.irqs = before,
        }
    }

    /// in_interrupt(), which holds with bottom halves disabled too.
    fn passes(&self, at: usize, writes: bool) -> bool {
        let cpu = &self.cpus[at];
        let handles = cpu.stack.last().is_some_and(|top| top.line.is_some());
        // kernel/locking/rwbase_rt.c: nothing queues in order.
        self.rt || (!writes && (handles || cpu.bh > 0))
    }

    fn free(&self, at: usize, lock: usize, writes: bool) -> bool {
        let blockers = self.blockers(at, lock, writes);
        blockers.is_empty()
    }

    /// Returns the CPUs that keep a CPU from the lock.
    fn blockers(&self, at: usize, lock: usize, writes: bool) -> Vec<usize> {
        let is = &self.locks[lock];
        let queued = self.cpus[at].stack.last().is_some_and(|top| top.queued);
        let readers = is.readers.iter().copied().filter(|_| writes);
        let ahead = if queued { is.ahead(at) } else { is.queue.len() };
        let before = is.queue[..ahead]
            .iter()
            .filter(|(_, other)| writes || *other)
            .map(|(waiter, _)| *waiter);
        let before = before.filter(|_| lock == RW_LOCK && !self.passes(at, writes));
        is.writer.into_iter().chain(readers).chain(before).collect()
    }

    /// Returns what forbids the CPU to sleep: what was taken last.
    fn forbids(&self, at: usize) -> Option<&'static str> {
        let cpu = &self.cpus[at];
        for frame in cpu.stack.iter().rev() {
            let held = frame.held.last().map(|held| name(held.lock));
            // A softirq may not sleep on PREEMPT_RT either, but for its locks.
            let atomic = frame.line.filter(|line| !self.rt || *line == SOFT);
            if let Some(name) = held.or(atomic.map(|line| LINES[line])) {
                return Some(name);
            }
        }
        match (cpu.irqs, cpu.bh) {
            (false, _) => Some("local_irq_disable"),
            (true, 1..) => Some("local_bh_disable"),
            (true, 0) => None,
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
        if instr == Instr::Synchronize && self.forbids(at).is_none() {
            return Some((LINES[HARD], self.lines[HARD].running.into_iter().collect()));
        }
        if instr == Instr::SeqRead && top.section.is_none() {
            return Some((SEQ, self.locks[SEQ_COUNT].writer.into_iter().collect()));
        }
        let (lock, writes, _) = wanted(instr)?;
        // One that has not begun to wait, or is about to be queued, takes a step.
        let steps =
            top.waits.is_none() || (lock == RW_LOCK && !top.queued && !self.passes(at, writes));
        (!steps).then(|| (name(lock), self.blockers(at, lock, writes)))
    }

    /// Returns the names of the shortest cycles through each CPU that waits for good.
    fn deadlocks(&self, program: &Program) -> Vec<Vec<String>> {
        let waits: Vec<_> = (0..self.cpus.len()).map(|at| self.wait(program, at)).collect();
        waiting::cycles(&waits, &waiting::closed(&waits))
    }
}

impl Lock {
    /// The number of waiters before the top frame of a CPU, which is in the queue: an interrupt is
    /// behind the thread that it interrupts.
    fn ahead(&self, at: usize) -> usize {
        self.queue.iter().rposition(|(waiter, _)| *waiter == at).expect("it is queued")
    }

    fn is_free(&self) -> bool {
        self.writer.is_none() && self.readers.is_empty()
    }
}

impl Frame {
    /// Returns the next instruction; at its end a frame releases what it holds.
    fn next(&self, program: &Program, at: usize) -> Option<Instr> {
        let steps = steps(program, at, self.line);
        let release = (!self.held.is_empty()).then_some(Instr::Release);
        steps.get(self.at).copied().or(release)
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
        Instr::Read(keeps) => Some((RW_LOCK, false, keeps)),
        Instr::Write(keeps) => Some((RW_LOCK, true, keeps)),
        _ => None,
    }
}

fn name(lock: usize) -> &'static str {
    match lock {
        RW_LOCK => RW,
        SEQ_COUNT => SEQ,
        spin => SPINS[spin],
    }
}

//! Brute force: the same programs on plain data, every interleaving.
//!
//! kernel/notifier.c, v6.6. A chain is a list that is linked by the blocks. notifier_chain_register
//! links a block before the first of a lower priority, and "returns 0 on success, %-EEXIST on
//! error" if it is linked; notifier_chain_unregister links its predecessor to its successor, and
//! leaves the pointer of the block itself. notifier_call_chain reads the pointer of a block before
//! it calls the function, and ends after one that returns NOTIFY_STOP_MASK.
//!
//! include/linux/notifier.h: blocking chains are called under the read side of `rwsem` and changed
//! under its write side; the head is looked at before. Atomic chains are called in a section of RCU
//! and changed under a spinlock, SRCU chains in one of their own and under a mutex; "unregister"
//! then waits for a grace period. Raw chains have no protection.

use std::collections::{BTreeSet, HashSet};

use super::super::small::Explored;
use super::super::waiting::{self, Wait};
use super::{BASE, BLOCKS, CHAIN, Instr, Kind, MUTEX, Number, Program};

/// A step that a thread is to do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Step {
    Do(Instr),
    Lock,
    Unlock,
    /// Takes the side of the semaphore, the write side if this is set.
    Down(bool),
    Up,
    /// Takes the lock under which the chain is changed: a spinlock or a mutex.
    TakeChange,
    DropChange,
    /// Links the block, if this is set, or takes it off the list.
    Change(Number, bool),
    Enter,
    Leave,
    /// Begins to wait for a grace period, and waits.
    Synchronize,
    AwaitReaders,
    /// Looks whether the list is empty, before it takes the semaphore.
    LookAtHead,
    ReadHead,
    ReadNext(Number),
    /// Behind the function of this block, with the next one.
    Called(Number, Option<Number>),
    LogResult,
    Load(Number),
    Store(Number),
}

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Thread {
    /// What is to be done, the last first.
    to_do: Vec<Step>,
    /// The result of a change, and of a call.
    result: bool,
    loaded: u64,
    /// Whether it is in the queue of the semaphore.
    queued: bool,
    /// The readers that it waits for.
    awaits: BTreeSet<usize>,
    log: Vec<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    threads: Vec<Thread>,
    head: Option<Number>,
    next: [Option<Number>; BLOCKS],
    word: u64,
    mutex: Option<usize>,
    change: Option<usize>,
    /// The sides that are held, and the queue, with whether each writes.
    sides: Vec<(usize, bool)>,
    queue: Vec<(usize, bool)>,
    readers: BTreeSet<usize>,
    violation: Option<String>,
}

pub(super) fn explore(program: &Program) -> Explored {
    let mut explored = Explored::default();
    let thread = |steps: &Vec<Instr>| Thread {
        to_do: steps.iter().rev().map(|instr| Step::Do(*instr)).collect(),
        ..Thread::default()
    };
    let mut first = State {
        threads: program.threads.iter().map(thread).collect(),
        head: None,
        next: [None; BLOCKS],
        word: 0,
        mutex: None,
        change: None,
        sides: Vec::new(),
        queue: Vec::new(),
        readers: BTreeSet::new(),
        violation: None,
    };
    (0..program.threads.len()).for_each(|me| first.settle(program, me));
    let mut seen = HashSet::from([first.clone()]);
    let mut to_do = vec![first];
    while let Some(state) = to_do.pop() {
        if let Some(violation) = state.violation {
            explored.violation(violation);
            continue;
        }
        for names in state.deadlocks(program) {
            explored.deadlock(names);
        }
        if state.threads.iter().all(|thread| thread.to_do.is_empty()) {
            let logs = state.threads.iter().map(|thread| thread.log.clone()).collect();
            explored.outcome.finals.insert((state.word, logs));
        }
        for me in 0..state.threads.len() {
            let mut next = state.clone();
            if next.step(program, me) {
                next.settle(program, me);
                if seen.insert(next.clone()) {
                    to_do.push(next);
                }
            }
        }
    }
    explored
}

/// Returns the steps around those that change the chain.
fn change(kind: Kind, block: Number, links: bool) -> Vec<Step> {
    let change = Step::Change(block, links);
    let mut steps = match kind {
        Kind::Blocking => vec![Step::Down(true), change, Step::Up],
        Kind::Atomic | Kind::Srcu => vec![Step::TakeChange, change, Step::DropChange],
        Kind::Raw => vec![change],
    };
    if !links && matches!(kind, Kind::Atomic | Kind::Srcu) {
        steps.extend([Step::Synchronize, Step::AwaitReaders]);
    }
    steps
}

/// Returns the steps of an instruction.
fn steps(program: &Program, instr: Instr) -> Vec<Step> {
    let within = |steps: Vec<Step>| [vec![Step::Lock], steps, vec![Step::Unlock]].concat();
    let plain = |instr: Instr| vec![Step::Do(instr)];
    match instr {
        Instr::UnregisterLocked(b) => within(plain(Instr::Unregister(b))),
        Instr::CallLocked => within(plain(Instr::Call)),
        Instr::NoteLocked(b) => within(plain(Instr::Note(b))),
        Instr::Note(b) => vec![Step::Load(b), Step::Store(b)],
        Instr::Register(b) => [change(program.kind, b, true), vec![Step::LogResult]].concat(),
        Instr::Unregister(b) => [change(program.kind, b, false), vec![Step::LogResult]].concat(),
        Instr::Call => match program.kind {
            Kind::Blocking => vec![Step::LookAtHead],
            Kind::Raw => vec![Step::ReadHead, Step::LogResult],
            _ => vec![Step::Enter, Step::ReadHead, Step::Leave, Step::LogResult],
        },
    }
}

impl State {
    fn push(&mut self, me: usize, steps: &[Step]) {
        self.threads[me].to_do.extend(steps.iter().rev());
    }

    /// Performs what is no step of its own, and looks whether the thread may sleep where it gets
    /// to.
    fn settle(&mut self, program: &Program, me: usize) {
        loop {
            let Some(step) = self.threads[me].to_do.last().copied() else { return };
            match step {
                Step::Do(instr) => {
                    self.threads[me].to_do.pop();
                    self.push(me, &steps(program, instr));
                }
                Step::Called(block, next) => {
                    self.threads[me].to_do.pop();
                    // What a function logs is lost.
                    self.threads[me].result = program.stops[block];
                    let next = next.filter(|_| !program.stops[block]);
                    self.push(me, &next.map(Step::ReadNext).into_iter().collect::<Vec<_>>());
                }
                Step::LogResult => {
                    self.threads[me].to_do.pop();
                    let in_function =
                        self.threads[me].to_do.iter().any(|s| matches!(s, Step::Called(..)));
                    let entry = u64::from(self.threads[me].result);
                    self.threads[me].log.extend((!in_function).then_some(entry));
                }
                _ => break,
            }
        }
        let class = match self.threads[me].to_do.last() {
            Some(Step::Lock) => MUTEX,
            Some(Step::Synchronize) => "rcu",
            _ => return,
        };
        // Documentation/RCU/whatisRCU.rst: a section may not sleep.
        if program.kind == Kind::Atomic && self.readers.contains(&me) {
            self.violation = Some(format!("sleep-in-atomic({class}, rcu)"));
        }
    }

    fn step(&mut self, program: &Program, me: usize) -> bool {
        let Some(step) = self.threads[me].to_do.last().copied() else { return false };
        match step {
            Step::Lock if self.mutex.is_some() => return false,
            Step::TakeChange if self.change.is_some() => return false,
            Step::AwaitReaders if !self.threads[me].awaits.is_empty() => return false,
            Step::Down(writes) if !self.is_free(me, writes) => {
                if self.threads[me].queued {
                    return false;
                }
                self.threads[me].queued = true;
                self.queue.push((me, writes));
                return true;
            }
            _ => _ = self.threads[me].to_do.pop(),
        }
        match step {
            Step::Lock => self.mutex = Some(me),
            Step::Unlock => self.mutex = None,
            Step::TakeChange => self.change = Some(me),
            Step::DropChange => self.change = None,
            Step::Down(writes) => {
                self.queue.retain(|(waiter, _)| *waiter != me);
                self.threads[me].queued = false;
                self.sides.push((me, writes));
            }
            Step::Up => {
                let place = self.sides.iter().position(|(holder, _)| *holder == me);
                self.sides.remove(place.expect("it holds it"));
            }
            Step::Enter => _ = self.readers.insert(me),
            Step::Leave => {
                self.readers.remove(&me);
                self.threads.iter_mut().for_each(|thread| _ = thread.awaits.remove(&me));
            }
            Step::Synchronize => self.threads[me].awaits = self.readers.clone(),
            Step::Change(block, links) => {
                let linked = self.list().contains(&block);
                self.threads[me].result = linked != links;
                match (links, linked) {
                    (true, false) => self.link(program, block),
                    (false, true) => self.unlink(block),
                    _ => {}
                }
            }
            Step::LookAtHead if self.head.is_none() => {
                self.threads[me].result = false;
                self.push(me, &[Step::LogResult]);
            }
            Step::LookAtHead => {
                self.push(me, &[Step::Down(false), Step::ReadHead, Step::Up, Step::LogResult]);
            }
            Step::ReadHead => {
                self.threads[me].result = false;
                let first: Vec<Step> = self.head.map(Step::ReadNext).into_iter().collect();
                self.push(me, &first);
            }
            Step::ReadNext(block) => {
                self.push(me, &[Step::Called(block, self.next[block])]);
                let function = program.functions[block].iter().map(|instr| Step::Do(*instr));
                self.push(me, &function.collect::<Vec<_>>());
            }
            Step::Load(_) => self.threads[me].loaded = self.word,
            Step::Store(block) => {
                self.word = self.threads[me].loaded * BASE + block as u64 + 1;
            }
            Step::AwaitReaders | Step::Do(_) | Step::Called(..) | Step::LogResult => {}
        }
        true
    }

    fn list(&self) -> Vec<Number> {
        let mut list: Vec<Number> = self.head.into_iter().collect();
        while let Some(next) = list.last().and_then(|last| self.next[*last]) {
            list.push(next);
        }
        list
    }

    fn link(&mut self, program: &Program, block: Number) {
        let priority = |number: &Number| program.priorities[*number];
        let before =
            self.list().into_iter().take_while(|other| priority(other) >= priority(&block));
        match before.last() {
            Some(last) => {
                self.next[block] = self.next[last];
                self.next[last] = Some(block);
            }
            None => {
                self.next[block] = self.head;
                self.head = Some(block);
            }
        }
    }

    fn unlink(&mut self, block: Number) {
        match self.list().into_iter().take_while(|other| *other != block).last() {
            Some(last) => self.next[last] = self.next[block],
            None => self.head = self.next[block],
        }
    }

    /// kernel/locking/rwsem.c: the queue is served in its order, and readers are woken together.
    fn is_free(&self, me: usize, writes: bool) -> bool {
        self.blockers(me, writes).is_empty()
    }

    fn blockers(&self, me: usize, writes: bool) -> Vec<usize> {
        let before = self.queue.iter().take_while(|(waiter, _)| *waiter != me);
        let all = self.sides.iter().chain(before);
        all.filter(|(_, other)| writes || *other).map(|(thread, _)| *thread).collect()
    }

    fn deadlocks(&self, program: &Program) -> Vec<Vec<String>> {
        let waits = |me: usize| -> Option<Wait> {
            let thread = &self.threads[me];
            Some(match *thread.to_do.last()? {
                Step::Lock => (MUTEX, vec![self.mutex?]),
                Step::TakeChange if program.kind == Kind::Atomic => ("C.lock", vec![self.change?]),
                Step::TakeChange => ("C.mutex", vec![self.change?]),
                Step::AwaitReaders if !thread.awaits.is_empty() => {
                    let class = if program.kind == Kind::Atomic { "rcu" } else { "C.srcu" };
                    (class, thread.awaits.iter().copied().collect())
                }
                Step::Down(writes) if thread.queued && !self.is_free(me, writes) => {
                    ("C.rwsem", self.blockers(me, writes))
                }
                _ => return None,
            })
        };
        debug_assert_eq!(CHAIN, "C", "the classes of the locks are named after it");
        let waits: Vec<_> = (0..self.threads.len()).map(waits).collect();
        waiting::cycles(&waits, &waiting::closed(&waits))
    }
}

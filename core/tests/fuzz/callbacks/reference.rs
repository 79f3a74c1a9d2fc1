//! Brute force: the same programs on plain data, every interleaving.
//!
//! Documentation/RCU/whatisRCU.rst: synchronize_rcu() waits for the sections that have begun, and a
//! callback of call_rcu() is invoked after a grace period, which begins when it is called or later.
//! Documentation/RCU/rcubarrier.rst: rcu_barrier() waits for all callbacks that were called, and
//! not for a grace period. SRCU is alike (Documentation/RCU/whatisRCU.rst).
//!
//! A callback of RCU runs in softirq (Documentation/RCU/Design/Requirements/Requirements.rst): on
//! any CPU with bottom halves enabled, between any two steps of the thread there, which takes none
//! until the callback returns. A thread that spins for a lock or holds it has preemption disabled
//! (include/linux/spinlock_api_smp.h). A grace period waits for that like for a section
//! (kernel/rcu/tree.c, synchronize_rcu: "regions of code across which interrupts, preemption, or
//! softirqs have been disabled also serve as RCU read-side critical sections"). So the CPU of such
//! a thread runs no callback whose grace period has begun since.

//! A head is queued until its function is called (kernel/rcu/tree.c, v6.6, rcu_do_batch:
//! debug_rcu_head_unqueue), and not queued twice (__call_rcu_common: "Probable double call_rcu()").
//!
//! include/linux/rcupdate.h, v6.6: rcu_dereference outside of a section is "suspicious
//! rcu_dereference_check() usage", whatever else is held. rcu_dereference_protected is for where
//! "a lock prevents updates".

use std::collections::{BTreeSet, HashSet};

use super::super::small::Explored;
use super::super::waiting::{self, Wait};
use super::{BY_CALLBACK, CLASSES, Domain, Instr, Program, RCU, SPIN};

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Thread {
    at: usize,
    /// Whether it is in a section of each domain.
    inside: [bool; 2],
    /// What it waits for: readers or callbacks, the latter counted behind the threads.
    awaits: Option<BTreeSet<usize>>,
    /// The domain whose readers it waits for.
    synchronizes: Option<Domain>,
    /// Whether it spins for the lock.
    spins: bool,
    /// Whether bottom halves are disabled, while it spins or holds the lock.
    bh_off: bool,
    log: Vec<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Stage {
    Called,
    /// The readers that have to leave first, and the threads that have spun since before.
    Grace(BTreeSet<usize>, BTreeSet<usize>),
    /// On top of this thread, or on an idle CPU.
    Runs(Option<usize>, Part),
    Returned,
}

/// What a callback does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Part {
    Lock,
    Count,
    Unlock,
    Return,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Callback {
    domain: Domain,
    head: usize,
    locks: bool,
    stage: Stage,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    word: u64,
    threads: Vec<Thread>,
    /// The callbacks, in the order of their calls.
    callbacks: Vec<Callback>,
    /// The thread that holds the lock, or the callback, counted behind the threads.
    owner: Option<usize>,
    violation: Option<String>,
}

pub(super) fn explore(program: &Program) -> Explored {
    let mut explored = Explored::default();
    let threads = vec![Thread::default(); program.threads.len()];
    let (callbacks, owner) = (Vec::new(), None);
    let mut first = State { word: 0, threads, callbacks, owner, violation: None };
    (0..program.threads.len()).for_each(|me| first.look(program, me));
    let mut seen = HashSet::from([first.clone()]);
    let mut to_do = vec![first];
    while let Some(state) = to_do.pop() {
        if let Some(violation) = state.violation {
            explored.violation(violation);
            continue;
        }
        let next = state.successors(program);
        let names = state.deadlocks(program);
        for names in names {
            explored.deadlock(names);
        }
        if next.is_empty() && state.is_over(program) {
            let logs = state.threads.iter().map(|thread| thread.log.clone()).collect();
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
    /// Returns the next instruction; at its end a thread leaves its sections and unlocks.
    fn next(&self, program: &Program, me: usize) -> Option<Instr> {
        let thread = &self.threads[me];
        let unlock = || (self.owner == Some(me)).then_some(Instr::Unspin);
        let last = || (0..2).find(|domain| thread.inside[*domain]).map(Instr::Leave);
        program.threads[me].get(thread.at).copied().or_else(last).or_else(unlock)
    }

    fn is_over(&self, program: &Program) -> bool {
        let ended = |me: usize| self.next(program, me).is_none();
        let returned = self.callbacks.iter().all(|callback| callback.stage == Stage::Returned);
        (0..self.threads.len()).all(ended) && returned
    }

    /// Looks whether a thread follows a pointer outside of a section, where it gets to.
    fn look(&mut self, program: &Program, me: usize) {
        let follows = self.next(program, me) == Some(Instr::Dereference);
        if follows && !self.threads[me].inside[RCU] {
            self.violation = Some("invariant(rcu_dereference)".to_owned());
        }
    }

    fn successors(&self, program: &Program) -> Vec<Self> {
        let threads = (0..self.threads.len()).filter_map(|me| self.step(program, me));
        let callbacks = (0..self.callbacks.len()).flat_map(|c| self.call_back(program, c));
        threads.chain(callbacks).collect()
    }

    fn readers(&self, domain: Domain) -> BTreeSet<usize> {
        (0..self.threads.len()).filter(|me| self.threads[*me].inside[domain]).collect()
    }

    /// Returns whether the thread has preemption disabled.
    fn spins_or_holds(&self, me: usize) -> bool {
        self.threads[me].spins || self.owner == Some(me)
    }

    /// Returns the callback on top of a thread.
    fn interrupts(&self, me: usize) -> Option<usize> {
        let on_top = |stage: &Stage| matches!(stage, Stage::Runs(Some(below), _) if *below == me);
        self.callbacks.iter().position(|callback| on_top(&callback.stage))
    }

    /// Returns whether a softirq may arrive on the CPU of a thread, which runs it.
    fn accepts(&self, program: &Program, me: usize) -> bool {
        let thread = &self.threads[me];
        let runs = self.next(program, me).is_some() && thread.awaits.is_none();
        runs && !thread.bh_off && self.interrupts(me).is_none()
    }

    /// Returns what a callback may do next.
    fn call_back(&self, program: &Program, c: usize) -> Vec<Self> {
        let Callback { domain, locks, ref stage, .. } = self.callbacks[c];
        let number = self.threads.len() + c;
        let with = |stage: Stage| {
            let mut state = self.clone();
            state.callbacks[c].stage = stage;
            state
        };
        let first = if locks { Part::Lock } else { Part::Count };
        match stage {
            Stage::Called => {
                let spinning = (0..self.threads.len()).filter(|me| self.spins_or_holds(*me));
                vec![with(Stage::Grace(self.readers(domain), spinning.collect()))]
            }
            Stage::Grace(readers, spinning) if readers.is_empty() => {
                let below = (0..self.threads.len()).filter(|me| {
                    domain == RCU && self.accepts(program, *me) && !spinning.contains(me)
                });
                let cpus = [None].into_iter().chain(below.map(Some));
                cpus.map(|cpu| with(Stage::Runs(cpu, first))).collect()
            }
            Stage::Grace(..) | Stage::Returned => Vec::new(),
            Stage::Runs(_, Part::Lock) if self.owner.is_some() => Vec::new(),
            Stage::Runs(cpu, Part::Lock) => {
                vec![Self { owner: Some(number), ..with(Stage::Runs(*cpu, Part::Count)) }]
            }
            Stage::Runs(cpu, Part::Count) => {
                let next = if locks { Part::Unlock } else { Part::Return };
                let word = self.word + BY_CALLBACK;
                vec![Self { word, ..with(Stage::Runs(*cpu, next)) }]
            }
            Stage::Runs(cpu, Part::Unlock) => {
                vec![Self { owner: None, ..with(Stage::Runs(*cpu, Part::Return)) }]
            }
            Stage::Runs(_, Part::Return) => {
                let mut state = with(Stage::Returned);
                let awaited = state.threads.iter_mut().filter_map(|t| t.awaits.as_mut());
                awaited.for_each(|awaited| _ = awaited.remove(&number));
                vec![state]
            }
        }
    }

    fn step(&self, program: &Program, me: usize) -> Option<Self> {
        let mut state = self.clone();
        let instr = self.next(program, me).filter(|_| self.interrupts(me).is_none())?;
        let outstanding = |domain: Domain| -> BTreeSet<usize> {
            let mine = move |(_, callback): &(usize, &Callback)| {
                callback.domain == domain && callback.stage != Stage::Returned
            };
            let callbacks = self.callbacks.iter().enumerate().filter(mine);
            callbacks.map(|(c, _)| self.threads.len() + c).collect()
        };
        let call = |state: &mut Self, domain, head, locks| {
            let queued = |other: &Callback| {
                let same = (other.domain, other.head, other.locks) == (domain, head, locks);
                same && matches!(other.stage, Stage::Called | Stage::Grace(..))
            };
            if state.callbacks.iter().any(queued) {
                let what = ["call_rcu", "call_srcu"][domain];
                state.violation = Some(format!("invariant({what})"));
            }
            state.callbacks.push(Callback { domain, head, locks, stage: Stage::Called });
        };
        let thread = &mut state.threads[me];
        match (instr, thread.awaits.take()) {
            (_, Some(awaited)) if !awaited.is_empty() => return None,
            (_, Some(_)) => thread.synchronizes = None,
            (Instr::Synchronize(domain), None) => {
                thread.awaits = Some(self.readers(domain));
                thread.synchronizes = Some(domain);
                return Some(state);
            }
            (Instr::Barrier(domain), None) => {
                thread.awaits = Some(outstanding(domain));
                return Some(state);
            }
            (Instr::Enter(domain), None) => thread.inside[domain] = true,
            (Instr::Leave(domain), None) => {
                if std::mem::take(&mut thread.inside[domain]) {
                    state.left(me, domain);
                }
            }
            (Instr::Call(domain, head), None) => call(&mut state, domain, head, false),
            (Instr::CallLocking(domain, head), None) => call(&mut state, domain, head, true),
            (Instr::Dereference | Instr::DereferenceProtected, None) => {}
            (Instr::Spin | Instr::SpinBh, None) if self.owner == Some(me) => {}
            (Instr::Spin | Instr::SpinBh, None) if !thread.spins => {
                (thread.spins, thread.bh_off) = (true, instr == Instr::SpinBh);
                return Some(state);
            }
            (Instr::Spin | Instr::SpinBh, None) if self.owner.is_some() => return None,
            (Instr::Spin | Instr::SpinBh, None) => {
                thread.spins = false;
                state.owner = Some(me);
            }
            (Instr::TrySpin, None) => {
                state.owner = Some(self.owner.unwrap_or(me));
                thread.log.push(u64::from(state.owner == Some(me)));
            }
            (Instr::Unspin, None) if self.owner == Some(me) => state.unlock(me),
            (Instr::Unspin, None) => {}
            (Instr::Look, None) => thread.log.push(self.word),
            (Instr::Count, None) => {
                thread.log.push(self.word);
                state.word += 1;
            }
        }
        // What a thread does at its end is no step of the program.
        state.threads[me].at = (self.threads[me].at + 1).min(program.threads[me].len());
        if state.violation.is_none() {
            state.look(program, me);
        }
        Some(state)
    }

    /// Ends the region with preemption disabled.
    fn unlock(&mut self, me: usize) {
        self.owner = None;
        self.threads[me].bh_off = false;
        for callback in &mut self.callbacks {
            if let Stage::Grace(_, spinning) = &mut callback.stage {
                spinning.remove(&me);
            }
        }
    }

    /// Ends the section of a reader, for which the others do not wait any more.
    fn left(&mut self, me: usize, domain: Domain) {
        for callback in &mut self.callbacks {
            match &mut callback.stage {
                Stage::Grace(readers, _) if callback.domain == domain => _ = readers.remove(&me),
                _ => {}
            }
        }
        for thread in self.threads.iter_mut().filter(|t| t.synchronizes == Some(domain)) {
            thread.awaits.iter_mut().for_each(|readers| _ = readers.remove(&me));
        }
    }

    fn deadlocks(&self, program: &Program) -> Vec<Vec<String>> {
        let awaited = |awaited: &BTreeSet<usize>| awaited.iter().copied().collect::<Vec<_>>();
        let class = |me: usize| match self.next(program, me) {
            Some(Instr::Synchronize(domain) | Instr::Barrier(domain)) => CLASSES[domain],
            other => unreachable!("{other:?} does not wait"),
        };
        let spins = || self.owner.map(|owner| (SPIN, vec![owner]));
        let waits = |me: usize| -> Option<Wait> {
            if let Some(callback) = self.interrupts(me) {
                return Some(("", vec![self.threads.len() + callback]));
            }
            if self.threads[me].spins {
                return spins();
            }
            let readers = self.threads[me].awaits.as_ref().filter(|set| !set.is_empty())?;
            Some((class(me), awaited(readers)))
        };
        let callbacks = self.callbacks.iter().map(|callback| match &callback.stage {
            Stage::Grace(readers, _) if !readers.is_empty() => {
                Some((CLASSES[callback.domain], awaited(readers)))
            }
            Stage::Runs(_, Part::Lock) => spins(),
            _ => None,
        });
        let waits: Vec<_> = (0..self.threads.len()).map(waits).chain(callbacks).collect();
        waiting::cycles(&waits, &waiting::closed(&waits))
    }
}

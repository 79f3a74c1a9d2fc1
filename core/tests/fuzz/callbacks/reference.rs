//! Brute force: the same programs on plain data, every interleaving.
//!
//! Documentation/RCU/whatisRCU.rst: synchronize_rcu() waits for the sections that have begun, and a
//! callback of call_rcu() is invoked after a grace period, which begins when it is called or later.
//! Documentation/RCU/rcubarrier.rst: rcu_barrier() waits for all callbacks that were called, and
//! not for a grace period. SRCU is alike (Documentation/RCU/whatisRCU.rst).

use std::collections::{BTreeSet, HashSet};

use super::super::small::{Explored, Outcome};
use super::super::waiting::{self, Wait};
use super::{BY_CALLBACK, CLASSES, Domain, Instr, Program};

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Thread {
    at: usize,
    /// Whether it is in a section of each domain.
    inside: [bool; 2],
    /// What it waits for: readers or callbacks, the latter counted behind the threads.
    awaits: Option<BTreeSet<usize>>,
    /// The domain whose readers it waits for.
    synchronizes: Option<Domain>,
    log: Vec<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Stage {
    Called,
    /// The readers that have to leave first.
    Grace(BTreeSet<usize>),
    Begun,
    Counted,
    Returned,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    word: u64,
    threads: Vec<Thread>,
    /// The callbacks, in the order of their calls.
    callbacks: Vec<(Domain, Stage)>,
}

pub(super) fn explore(program: &Program) -> Explored {
    let mut outcome = Outcome::default();
    let mut possible = BTreeSet::new();
    let threads = vec![Thread::default(); program.threads.len()];
    let first = State { word: 0, threads, callbacks: Vec::new() };
    let mut seen = HashSet::from([first.clone()]);
    let mut to_do = vec![first];
    while let Some(state) = to_do.pop() {
        let next = state.successors(program);
        let names = state.deadlocks(program);
        for names in names {
            if let [name] = names.as_slice() {
                outcome.violations.insert(name.clone());
            }
            possible.extend(names);
        }
        if next.is_empty() && state.is_over(program) {
            let logs = state.threads.iter().map(|thread| thread.log.clone()).collect();
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
    /// Returns the next instruction; at its end a thread leaves its sections.
    fn next(&self, program: &Program, me: usize) -> Option<Instr> {
        let thread = &self.threads[me];
        let last = || (0..2).find(|domain| thread.inside[*domain]).map(Instr::Leave);
        program.threads[me].get(thread.at).copied().or_else(last)
    }

    fn is_over(&self, program: &Program) -> bool {
        let ended = |me: usize| self.next(program, me).is_none();
        let returned = self.callbacks.iter().all(|(_, stage)| *stage == Stage::Returned);
        (0..self.threads.len()).all(ended) && returned
    }

    fn successors(&self, program: &Program) -> Vec<Self> {
        let threads = (0..self.threads.len()).filter_map(|me| self.step(program, me));
        threads.chain((0..self.callbacks.len()).filter_map(|c| self.call_back(c))).collect()
    }

    fn readers(&self, domain: Domain) -> BTreeSet<usize> {
        (0..self.threads.len()).filter(|me| self.threads[*me].inside[domain]).collect()
    }

    fn call_back(&self, c: usize) -> Option<Self> {
        let mut state = self.clone();
        let (domain, stage) = &self.callbacks[c];
        state.callbacks[c].1 = match stage {
            Stage::Called => Stage::Grace(self.readers(*domain)),
            Stage::Grace(readers) if readers.is_empty() => Stage::Begun,
            Stage::Grace(_) | Stage::Returned => return None,
            Stage::Begun => {
                state.word += BY_CALLBACK;
                Stage::Counted
            }
            Stage::Counted => {
                let number = self.threads.len() + c;
                let awaited = state.threads.iter_mut().filter_map(|t| t.awaits.as_mut());
                awaited.for_each(|awaited| _ = awaited.remove(&number));
                Stage::Returned
            }
        };
        Some(state)
    }

    fn step(&self, program: &Program, me: usize) -> Option<Self> {
        let mut state = self.clone();
        let instr = self.next(program, me)?;
        let outstanding = |domain: Domain| -> BTreeSet<usize> {
            let mine = move |(_, (of, stage)): &(usize, &(Domain, Stage))| {
                *of == domain && *stage != Stage::Returned
            };
            let callbacks = self.callbacks.iter().enumerate().filter(mine);
            callbacks.map(|(c, _)| self.threads.len() + c).collect()
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
            (Instr::Call(domain), None) => state.callbacks.push((domain, Stage::Called)),
            (Instr::Look, None) => thread.log.push(self.word),
            (Instr::Count, None) => {
                thread.log.push(self.word);
                state.word += 1;
            }
        }
        // What a thread does at its end is no step of the program.
        state.threads[me].at = (self.threads[me].at + 1).min(program.threads[me].len());
        Some(state)
    }

    /// Ends the section of a reader, for which the others do not wait any more.
    fn left(&mut self, me: usize, domain: Domain) {
        for (of, stage) in &mut self.callbacks {
            match stage {
                Stage::Grace(readers) if *of == domain => _ = readers.remove(&me),
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
        let waits = |me: usize| -> Option<Wait> {
            let readers = self.threads[me].awaits.as_ref().filter(|set| !set.is_empty())?;
            Some((class(me), awaited(readers)))
        };
        let callbacks = self.callbacks.iter().map(|(domain, stage)| match stage {
            Stage::Grace(readers) if !readers.is_empty() => {
                Some((CLASSES[*domain], awaited(readers)))
            }
            _ => None,
        });
        let waits: Vec<_> = (0..self.threads.len()).map(waits).chain(callbacks).collect();
        waiting::cycles(&waits, &waiting::closed(&waits))
    }
}

//! Readers of RCU and SRCU, and the threads that wait for them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::program::Instr;
use super::locks::Held;
use super::{Done, Phase, State};

/// The sections that have begun and not ended: the reader, and a number of its own. Those of RCU
/// have none, since a reader is in one section until it has left as often as it has entered
/// (Documentation/RCU/whatisRCU.rst: "RCU read-side critical sections may be nested").
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Sections {
    open: BTreeMap<(usize, usize), u32>,
    /// The waiting threads, each with the sections that had begun by then.
    waiting: BTreeMap<usize, BTreeSet<(usize, usize)>>,
    /// The callbacks that were called and have not returned.
    called: BTreeSet<usize>,
    /// The threads in rcu_barrier, each with those of them that had been called by then.
    barred: BTreeMap<usize, BTreeSet<usize>>,
}

impl Sections {
    fn begin(&mut self, me: usize, section: usize) {
        *self.open.entry((me, section)).or_default() += 1;
    }

    pub(super) fn end(&mut self, me: usize, section: usize) {
        let depth = self.open.get_mut(&(me, section)).expect("it has begun");
        *depth -= 1;
        if *depth == 0 {
            self.open.remove(&(me, section));
            self.waiting.values_mut().for_each(|sections| _ = sections.remove(&(me, section)));
        }
    }

    /// Documentation/RCU/whatisRCU.rst, synchronize_rcu(): "blocks until all pre-existing RCU
    /// read-side critical sections on all CPUs have completed", and "will not necessarily wait for
    /// any subsequent RCU read-side critical sections to complete".
    fn wait(&mut self, me: usize) {
        self.waiting.insert(me, self.open.keys().copied().collect());
    }

    fn is_over(&mut self, me: usize) -> Option<Done> {
        self.waiting[&me].is_empty().then(|| self.waiting.remove(&me))?;
        Some(Done::Next)
    }

    fn returns(&mut self, callback: usize) {
        self.called.remove(&callback);
        self.barred.values_mut().for_each(|callbacks| _ = callbacks.remove(&callback));
    }

    /// Returns the callbacks for which `me` waits.
    pub(super) fn callbacks(&self, me: usize) -> Vec<usize> {
        self.barred.get(&me).into_iter().flatten().copied().collect()
    }

    /// Returns the readers for which `me` waits.
    pub(super) fn readers(&self, me: usize) -> Vec<usize> {
        let sections = self.waiting.get(&me).into_iter().flatten();
        sections.map(|(reader, _)| *reader).collect()
    }
}

impl State {
    /// Performs an operation on sections, if it is one: `Some(None)` is a wait.
    pub(super) fn reads(&mut self, me: usize, instr: Instr) -> Option<Option<Done>> {
        let queued = self.threads[me].phase == Phase::Queued;
        let done = match instr {
            Instr::RcuRead => {
                self.rcu.begin(me, 0);
                self.threads[me].held.push(Held::Rcu);
                Some(Done::Next)
            }
            // kernel/rcu/srcutree.c, srcu_read_lock: each section has an index, which is passed to
            // its end. Of two sections of one thread either may therefore end first.
            Instr::SrcuRead(s) => {
                let mine = |held: &Held| matches!(held, Held::Srcu(domain, _) if *domain == s);
                let held = &self.threads[me].held;
                let free = |section: &usize| !held.contains(&Held::Srcu(s, *section));
                let section = (0..=held.iter().filter(|held| mine(held)).count()).find(free);
                let section = section.expect("one more than there are");
                self.srcus[s].begin(me, section);
                self.threads[me].held.push(Held::Srcu(s, section));
                Some(Done::Next)
            }
            Instr::SrcuSync(s) if queued => self.srcus[s].is_over(me),
            Instr::SrcuSync(s) => {
                self.srcus[s].wait(me);
                Some(Done::More(Phase::Queued))
            }
            Instr::RcuSync if queued => self.rcu.is_over(me),
            Instr::RcuSync => {
                self.rcu.wait(me);
                Some(Done::More(Phase::Queued))
            }
            // include/linux/rcupdate.h, call_rcu: the callback is invoked "at some time after a
            // full grace period elapses", which begins when it is called or later.
            Instr::CallRcu(callback) => {
                self.rcu.called.insert(callback);
                Some(Done::Next)
            }
            Instr::GraceBegins => self.rcu.called.contains(&me).then(|| {
                self.rcu.wait(me);
                Done::Next
            }),
            Instr::GraceEnds => self.rcu.is_over(me),
            Instr::GraceReturns => {
                self.rcu.returns(me);
                Some(Done::Next)
            }
            // Documentation/RCU/rcubarrier.rst: "waits for all outstanding RCU callbacks to
            // complete", and "rcu_barrier() does not need to wait for a grace period".
            Instr::RcuBarrier if queued => self.rcu.barred[&me].is_empty().then(|| {
                self.rcu.barred.remove(&me);
                Done::Next
            }),
            Instr::RcuBarrier => {
                self.rcu.barred.insert(me, self.rcu.called.clone());
                Some(Done::More(Phase::Queued))
            }
            _ => return None,
        };
        Some(done)
    }
}

//! Threads that may wait for each other, among any number of threads.
//!
//! If no thread could continue, each would wait for one that holds an object, or that is about to
//! [wake](Wakers) it up, and that one waits as well. So there would be a cycle of threads, each of
//! which waits for the next. Two neighbours on it are in one state of one thread more than a view
//! shows. If the local states of such neighbours form no cycle, some thread can always continue. As
//! every thread ends after finitely many steps, all end, and none waits for good.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::engine::native::automaton::{Kinds, Wakers};
use crate::machine::WaitsFor;
use crate::op::ThreadId;

use super::Open;
use super::instances::Instances;

/// For each local state in which a thread waits, those of the threads for which it waits and which
/// wait too.
#[derive(Default)]
pub(super) struct Waits(FxHashMap<u32, FxHashSet<u32>>);

impl Waits {
    /// Adds the waits in a state, in which hidden threads of these kinds are about to wake up
    /// others.
    pub(super) fn add(
        &mut self,
        state: &[u32],
        wakes: Kinds,
        wakers: &Wakers,
        instances: &mut Instances<'_, '_>,
    ) -> Result<(), Open> {
        let waiting = instances.know(state, |automaton| automaton.waits(state))?;
        for wait in &waiting {
            let holders: Vec<ThreadId> = match &wait.waits_for {
                WaitsFor::Another => continue,
                WaitsFor::Holders(holders) => holders.to_vec(),
                WaitsFor::Unknown => {
                    let kinds = wakers.at(wait.object);
                    let automaton = instances.automaton();
                    let wakes_up = |thread: &ThreadId| {
                        wakers.kind(automaton.local(state, *thread)) & kinds != 0
                    };
                    let mut all: Vec<ThreadId> =
                        automaton.threads_of(state).filter(wakes_up).collect();
                    all.extend((wakes & kinds != 0).then_some(ThreadId::HIDDEN));
                    if all.is_empty() {
                        let (op, object) = (wait.op.kind, instances.name(wait.object));
                        let what = format!("who ends `{op}` of `{object}` is unknown");
                        return Err(Open::Cannot(what));
                    }
                    all
                }
            };
            for holder in &holders {
                if *holder == ThreadId::HIDDEN {
                    // Another state shows both.
                    continue;
                }
                let object = || instances.name(wait.object);
                if *holder == ThreadId::SETUP || instances.automaton().has_ended(state, *holder) {
                    return Err(Open::Cannot(format!("a thread may end and hold `{}`", object())));
                }
                if waiting.iter().any(|other| other.thread == *holder) {
                    let local = |thread| instances.automaton().local(state, thread);
                    self.0.entry(local(wait.thread)).or_default().insert(local(*holder));
                }
            }
        }
        Ok(())
    }

    /// Fails if threads may wait for each other.
    pub(super) fn check(&self, instances: &Instances<'_, '_>) -> Result<(), Open> {
        let mut left = self.0.clone();
        // A local state that waits for none that waits is on no cycle.
        loop {
            let waiting: FxHashSet<u32> = left.keys().copied().collect();
            left.values_mut().for_each(|others| others.retain(|other| waiting.contains(other)));
            let before = left.len();
            left.retain(|_, others| !others.is_empty());
            if left.len() == before {
                break;
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        let mut wanted: Vec<String> = left
            .keys()
            .filter_map(|local| instances.automaton().pending(*local))
            .map(|(object, _)| instances.name(object))
            .collect();
        wanted.sort();
        wanted.dedup();
        Err(Open::Cannot(format!("threads may wait for each other at {}", wanted.join(", "))))
    }
}

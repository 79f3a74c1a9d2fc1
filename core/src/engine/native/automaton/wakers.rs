//! The threads on which others rely that sleep.

use rustc_hash::FxHashMap;

use crate::op::ObjectId;
use crate::operations::OpKind;

use super::Automaton;

/// A set of [kinds](Wakers) of threads.
pub(in crate::engine::native) type Kinds = u128;

/// The threads that are about to wake up others, in kinds: each local state is one, or if there are
/// too many of them, all that wake up others at the same objects.
///
/// A thread is *about to wake up* others at an object if its next operations lead to a wake-up
/// there, whatever it observes until then, before it does anything else with the object.
pub(in crate::engine::native) struct Wakers {
    /// For each local state, its kind; empty if the thread is about to wake up no other.
    kinds: Vec<Kinds>,
    /// The kinds that are about to wake up others at each object.
    at: Vec<(ObjectId, Kinds)>,
}

impl Wakers {
    /// Returns the kind of a thread in this local state; empty if it is about to wake up no other.
    pub(in crate::engine::native) fn kind(&self, local: u32) -> Kinds {
        self.kinds.get(local as usize).copied().unwrap_or(0)
    }

    /// Returns the kinds of the threads that are about to wake up others at an object.
    pub(in crate::engine::native) fn at(&self, object: ObjectId) -> Kinds {
        self.at.iter().find(|(known, _)| *known == object).map_or(0, |(_, kinds)| *kinds)
    }
}

impl Automaton {
    /// Returns which threads are about to wake up others, as far as steps are known.
    pub(in crate::engine::native) fn wakers(&self) -> Wakers {
        let wakes = self.wakes();
        let mut objects: FxHashMap<usize, Vec<ObjectId>> = FxHashMap::default();
        for (object, locals) in &wakes {
            locals.iter().for_each(|local| objects.entry(*local).or_default().push(*object));
        }
        let each = objects.len() <= Kinds::BITS as usize;
        let (mut kinds, mut numbers) = (vec![0; self.threads.len()], FxHashMap::default());
        for (local, objects) in objects {
            let next = numbers.len() as u32;
            let number = *numbers.entry((each.then_some(local), objects)).or_insert(next);
            // A kind that has no number relies on no thread.
            kinds[local] = Kinds::checked_shl(1, number).unwrap_or(0);
        }
        let all = |locals: &[usize]| locals.iter().fold(0, |all, local| all | kinds[*local]);
        let at = wakes.iter().map(|(object, locals)| (*object, all(locals))).collect();
        Wakers { kinds, at }
    }

    /// Returns, for each object, the local states in which a thread is about to wake up others.
    fn wakes(&self) -> Vec<(ObjectId, Vec<usize>)> {
        let mut before = vec![Vec::new(); self.threads.len()];
        let mut after = vec![0_usize; self.threads.len()];
        self.each_step(|from, next| {
            before[next].push(from);
            after[from] += 1;
        });
        let pending: Vec<_> = self.threads.iter().map(|thread| thread.next.pending).collect();
        let wakes_now = pending.iter().flatten().filter(|(_, op)| ends_waits(op.kind));
        let mut objects: Vec<ObjectId> = wakes_now.map(|(object, _)| *object).collect();
        objects.sort_unstable();
        objects.dedup();
        let of = |object: ObjectId| {
            let op = |local: usize| pending[local].filter(|(at, _)| *at == object);
            let wakes_now = |local: &usize| op(*local).is_some_and(|(_, op)| ends_waits(op.kind));
            let mut to_do: Vec<usize> = (0..pending.len()).filter(wakes_now).collect();
            let (mut left, mut wakes) = (after.clone(), Vec::new());
            while let Some(local) = to_do.pop() {
                wakes.push(local);
                for from in &before[local] {
                    left[*from] -= 1;
                    if left[*from] == 0 && op(*from).is_none() {
                        to_do.push(*from);
                    }
                }
            }
            (object, wakes)
        };
        objects.into_iter().map(of).collect()
    }
}

/// Returns whether an operation ends the waits of others at its object.
fn ends_waits(kind: OpKind) -> bool {
    use OpKind::{Complete, CompleteAll, WakeAll, WakeNr, WakeOne};
    matches!(kind, Complete | CompleteAll | WakeAll | WakeNr | WakeOne)
}

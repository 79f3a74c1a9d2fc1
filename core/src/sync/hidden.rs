//! The threads that an object names, among any number of threads of which a few are shown.
//!
//! A view shows a few threads; [`ThreadId::HIDDEN`] is the name of all others. So an object knows
//! whether a hidden thread holds it, and not how many do. When a thread steps out of the hidden
//! ones, others may remain in its role or not.

use smallvec::{Array, SmallVec};

use crate::machine::Machine;
use crate::op::ThreadId;
use crate::renaming::Renaming;

/// A thread in a role.
pub(super) trait Named: Copy + Ord {
    /// Returns the thread.
    fn thread(&mut self) -> &mut ThreadId;

    /// Returns another thread in the same role.
    fn by(mut self, thread: ThreadId) -> Self {
        *self.thread() = thread;
        self
    }

    /// Returns whether it is this thread.
    fn is(mut self, thread: ThreadId) -> bool {
        *self.thread() == thread
    }
}

impl Named for ThreadId {
    fn thread(&mut self) -> &mut ThreadId {
        self
    }
}

impl<R: Copy + Ord> Named for (ThreadId, R) {
    fn thread(&mut self) -> &mut ThreadId {
        &mut self.0
    }
}

/// Makes a machine of each state.
pub(super) fn variants<S, M: Machine + 'static>(
    states: impl IntoIterator<Item = S>,
    machine: impl Fn(S) -> M,
) -> Vec<Box<dyn Machine>> {
    states.into_iter().map(|state| Box::new(machine(state)) as Box<dyn Machine>).collect()
}

/// Returns the owner when `thread`, which `owns` it or not, steps out of the hidden threads, if
/// that can be.
pub(super) fn expose_one(
    owner: Option<ThreadId>,
    thread: ThreadId,
    owns: bool,
) -> Option<Option<ThreadId>> {
    match owns {
        false => Some(owner),
        true if owner == Some(ThreadId::HIDDEN) => Some(Some(thread)),
        true => None,
    }
}

/// Renames the threads of a sorted set, in which a thread may be more than once.
pub(super) fn rename_set<A: Array<Item: Named>>(set: &mut SmallVec<A>, renaming: &Renaming) {
    renaming.apply(set.iter_mut().map(Named::thread));
    set.sort_unstable();
    set.dedup_by(|one, other| one == other && one.is(ThreadId::HIDDEN));
}

/// Returns the sets when `thread`, which has these `members`, steps out of the hidden threads.
pub(super) fn expose_set<A: Array<Item: Named>>(
    set: &SmallVec<A>,
    thread: ThreadId,
    members: &[A::Item],
) -> Vec<SmallVec<A>> {
    let mut sets = vec![set.clone()];
    for same in members.chunk_by(|one, other| one == other) {
        let hidden = same[0].by(ThreadId::HIDDEN);
        if !set.contains(&hidden) {
            return Vec::new();
        }
        // Others may remain in the same role, or none.
        let mut alone = sets.clone();
        alone.iter_mut().for_each(|set| set.retain(|other| *other != hidden));
        sets.extend(alone);
        sets.iter_mut().for_each(|set| set.extend(same.iter().map(|member| member.by(thread))));
    }
    sets.iter_mut().for_each(|set| set.sort_unstable());
    sets
}

/// Renames the threads of a queue, in which a thread is once. Of hidden threads between two that
/// are shown it keeps the roles, and neither their order nor how many there are.
pub(super) fn rename_queue<A: Array<Item: Named>>(queue: &mut SmallVec<A>, renaming: &Renaming) {
    renaming.apply(queue.iter_mut().map(Named::thread));
    let hidden = ThreadId::HIDDEN;
    for run in queue.chunk_by_mut(|one, other| one.is(hidden) && other.is(hidden)) {
        run.sort_unstable();
    }
    queue.dedup_by(|one, other| one == other && one.is(hidden));
}

/// Returns the queues when `thread`, which is in the queue as this `member` or not at all, steps
/// out of the hidden threads.
pub(super) fn expose_in_queue<A: Array<Item: Named>>(
    queue: &SmallVec<A>,
    thread: ThreadId,
    member: Option<A::Item>,
) -> Vec<SmallVec<A>> {
    let Some(member) = member else { return vec![queue.clone()] };
    let hidden = ThreadId::HIDDEN;
    let mut queues = Vec::new();
    let mut start = 0;
    for run in queue.chunk_by(|one, other| one.is(hidden) && other.is(hidden)) {
        for (before, after) in splits(run, member.by(hidden)) {
            let exposed = before.into_iter().chain([member.by(thread)]).chain(after);
            let rest = queue[start + run.len()..].iter().copied();
            queues.push(queue[..start].iter().copied().chain(exposed).chain(rest).collect());
        }
        start += run.len();
    }
    queues
}

/// Returns the roles before and behind a `member` of a run of hidden threads. Each role of the run
/// is that of the member, or of one before or behind.
fn splits<N: Named>(run: &[N], member: N) -> Vec<(Vec<N>, Vec<N>)> {
    let Some(at) = run.iter().position(|other| *other == member) else { return Vec::new() };
    let all = (1_usize << run.len()) - 1;
    let members = |chosen: usize| -> Vec<N> {
        (0..run.len()).filter(|at| chosen >> at & 1 == 1).map(|at| run[at]).collect()
    };
    let mut splits = Vec::new();
    for before in 0..=all {
        let afters = (0..=all).filter(|after| before | after | 1 << at == all);
        splits.extend(afters.map(|after| (members(before), members(after))));
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: ThreadId = ThreadId::HIDDEN;

    fn threads(of: &[usize]) -> SmallVec<[ThreadId; 4]> {
        of.iter().map(|thread| if *thread == 9 { HIDDEN } else { ThreadId::new(*thread) }).collect()
    }

    /// Every exposed state becomes the first one again, and each state that does is exposed.
    #[test]
    fn what_is_exposed_is_what_can_be_hidden() {
        let hide = Renaming::NONE.hide(1);
        let set = threads(&[0, 9]);
        for (members, sets) in [
            (&[][..], &[&[0, 9][..]][..]),
            (&[1], &[&[0, 1, 9], &[0, 1]]),
            (&[1, 1], &[&[0, 1, 1, 9], &[0, 1, 1]]),
        ] {
            let exposed = expose_set(&set, ThreadId::new(1), &threads(members));
            assert_eq!(exposed, sets.iter().map(|set| threads(set)).collect::<Vec<_>>());
            for mut exposed in exposed {
                rename_set(&mut exposed, &hide);
                assert_eq!(exposed, set);
            }
        }
        assert!(expose_set(&threads(&[0]), ThreadId::new(1), &threads(&[1])).is_empty());
    }

    #[test]
    fn a_thread_steps_out_of_any_place_in_a_queue() {
        let hide = Renaming::NONE.hide(1);
        let of = |threads: &[(usize, bool)]| -> SmallVec<[(ThreadId, bool); 4]> {
            threads.iter().map(|(t, writes)| (self::threads(&[*t])[0], *writes)).collect()
        };
        let queue = of(&[(9, false), (9, true), (0, true), (9, true)]);
        let expose = |writes| {
            let me = ThreadId::new(1);
            let exposed = expose_in_queue(&queue, me, Some((me, writes)));
            for exposed in &exposed {
                let mut hidden = exposed.clone();
                rename_queue(&mut hidden, &hide);
                assert_eq!(hidden, queue);
            }
            exposed
        };
        let (reads, writes) = (expose(false), expose(true));
        assert!(reads.contains(&of(&[(1, false), (9, true), (0, true), (9, true)])));
        assert!(reads.contains(&of(&[(9, true), (1, false), (9, true), (0, true), (9, true)])));
        assert!(writes.contains(&of(&[(9, false), (9, true), (0, true), (1, true)])));
        assert_eq!((reads.len(), writes.len()), (12, 16));
    }
}

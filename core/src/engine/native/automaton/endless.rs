//! Whether executions may have no end: the local states to which a thread returns.

use crate::op::{ObjectId, Op, RECHECKS, RECHECKS_LOCKED};
use crate::operations::OpKind;

use super::{Automaton, Continuation, Known};

impl Automaton {
    /// Returns whether an execution may have no end, because a thread returns to an earlier local
    /// state. A thread that does so by a sleep of `wait_event`, before which it has prepared to
    /// wait, needs one that wakes it and returns as well.
    pub(in crate::engine::native) fn may_be_endless(&self) -> bool {
        let pending = |thread: usize| self.threads[thread].next.pending;
        let rechecks = |(_, op): &(ObjectId, Op)| {
            op.kind == OpKind::Sleep && [RECHECKS, RECHECKS_LOCKED].contains(&op.b)
        };
        let on_cycles = self.on_cycles(|_| true);
        let pending_on_cycles = || on_cycles.iter().filter_map(|thread| pending(*thread));
        let queues: Vec<ObjectId> =
            pending_on_cycles().filter(rechecks).map(|(queue, _)| queue).collect();
        let wakes = |(queue, op): (ObjectId, Op)| {
            let waits = op.kind == OpKind::PrepareToWait || rechecks(&(queue, op));
            queues.contains(&queue) && !waits
        };
        let sleeps = |thread| pending(thread).is_some_and(|pending| rechecks(&pending));
        pending_on_cycles().any(wakes) || !self.on_cycles(|thread| !sleeps(thread)).is_empty()
    }

    /// Returns the states of threads that lie on a cycle of steps from those that `count`, or
    /// between two.
    fn on_cycles(&self, count: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut after = vec![Vec::new(); self.threads.len()];
        let mut before = vec![Vec::new(); self.threads.len()];
        self.each_step(|from, next| {
            if count(from) {
                after[from].push(next);
                before[next].push(from);
            }
        });
        let mut on_cycles = vec![true; self.threads.len()];
        peel(&mut on_cycles, &before, &after);
        peel(&mut on_cycles, &after, &before);
        (0..on_cycles.len()).filter(|thread| on_cycles[*thread]).collect()
    }

    /// Calls `each` with every local state and one to which a step leads from there, of each step
    /// that is known and violates nothing.
    pub(super) fn each_step(&self, mut each: impl FnMut(usize, usize)) {
        let mut leads_to = |from: usize, continuation: &u32| {
            if let Continuation { violated: None, next, .. } =
                &self.continuations[*continuation as usize]
            {
                each(from, *next as usize);
            }
        };
        for ((history, _), known) in &self.replies {
            let Some(from) = self.thread_numbers.get(history).map(|from| *from as usize) else {
                continue;
            };
            match known {
                Known::Always(continuation) => leads_to(from, continuation),
                Known::ByDimensions(creator) => {
                    let continuations = self.creators[*creator as usize].values();
                    continuations.for_each(|continuation| leads_to(from, continuation));
                }
            }
        }
    }
}

/// Repeatedly removes nodes to which no remaining node leads by `from`.
fn peel(left: &mut [bool], from: &[Vec<usize>], to: &[Vec<usize>]) {
    let mut leading: Vec<usize> =
        from.iter().map(|from| from.iter().filter(|state| left[**state]).count()).collect();
    let mut to_do: Vec<usize> =
        (0..left.len()).filter(|state| left[*state] && leading[*state] == 0).collect();
    while let Some(state) = to_do.pop() {
        left[state] = false;
        for next in to[state].iter().filter(|next| left[**next]) {
            leading[*next] -= 1;
            if leading[*next] == 0 {
                to_do.push(*next);
            }
        }
    }
}

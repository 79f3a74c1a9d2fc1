//! Threads that wait for each other, whatever the other threads do.
//!
//! A thread that waits for the owner of a lock waits at least until that owner takes a step. If the
//! owner waits for another waiting thread, and so on, none of them ever takes a step again. Such a
//! set of threads is *closed*. It is recognised in one state, without its successors, and
//! regardless of the other threads that still run.

use crate::machine::Machine;
use crate::op::{Op, ThreadId};

/// A set of threads, one bit each.
pub(crate) type Threads = u64;

/// Returns the bit of a thread, or none for the few programs that have more threads than bits.
/// Those threads are in no closed set, and are found to be stuck when no thread can continue.
pub(crate) fn bit(thread: ThreadId) -> Threads {
    1_u64.checked_shl(u32::try_from(thread.index()).unwrap_or(u32::MAX)).unwrap_or(0)
}

/// The waits of one state.
#[derive(Default)]
pub(crate) struct Waits {
    /// The waiting threads, each with its blockers.
    waits: smallvec::SmallVec<[(Threads, Threads); 6]>,
    /// The threads that have ended, and so never take a step again.
    ended: Threads,
}

impl Waits {
    /// Notes that `thread` has ended.
    pub(crate) fn ended(&mut self, thread: ThreadId) {
        self.ended |= bit(thread);
    }

    /// Notes that `thread` waits until each of `blockers` has taken a step.
    pub(crate) fn waits(&mut self, thread: ThreadId, blockers: Threads) {
        if blockers != 0 {
            self.waits.push((bit(thread), blockers));
        }
    }

    /// Returns the largest closed set of threads: each waits for one in it, or for one that has
    /// ended.
    pub(crate) fn closed(mut self) -> Threads {
        loop {
            let closed = self.waits.iter().fold(0, |all, (thread, _)| all | thread);
            let still = closed | self.ended;
            self.waits.retain(|(_, blockers)| *blockers & still != 0);
            if self.waits.iter().fold(0, |all, (thread, _)| all | thread) == closed {
                return closed;
            }
        }
    }
}

/// Returns the threads that keep a pending operation from happening.
pub(crate) fn blockers(machine: &dyn Machine, thread: ThreadId, op: Op) -> Threads {
    match machine.ready(thread, op).guaranteed {
        0 => machine.blockers(thread, op).into_iter().fold(0, |all, thread| all | bit(thread)),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(waits: &[(usize, &[usize])], ended: &[usize]) -> Vec<usize> {
        let mut all = Waits::default();
        for (thread, blockers) in waits {
            let blockers = blockers.iter().fold(0, |all, b| all | bit(ThreadId::new(*b)));
            all.waits(ThreadId::new(*thread), blockers);
        }
        ended.iter().for_each(|thread| all.ended(ThreadId::new(*thread)));
        let closed = all.closed();
        (0..64).filter(|thread| closed & bit(ThreadId::new(*thread)) != 0).collect()
    }

    #[test]
    fn a_cycle_and_the_threads_behind_it_are_closed() {
        assert_eq!(closed(&[(0, &[1]), (1, &[0]), (2, &[1])], &[]), [0, 1, 2]);
        assert_eq!(closed(&[(0, &[0])], &[]), [0]);
    }

    #[test]
    fn waiting_for_a_running_thread_is_not_closed() {
        assert_eq!(closed(&[(0, &[1]), (1, &[2]), (2, &[3])], &[]), [0_usize; 0]);
    }

    #[test]
    fn waiting_for_an_ended_thread_is_closed() {
        assert_eq!(closed(&[(0, &[1]), (2, &[3])], &[1]), [0]);
    }
}

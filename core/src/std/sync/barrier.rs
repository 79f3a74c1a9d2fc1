//! Barriers.

use std::fmt;

use super::{Condvar, Mutex};

/// A barrier, as [`std::sync::Barrier`]: threads wait until so many of them do.
pub struct Barrier {
    threads: usize,
    state: Mutex<State>,
    all_wait: Condvar,
}

#[derive(Default)]
struct State {
    waiting: usize,
    /// The number of times that all have waited.
    rounds: usize,
}

/// Whether the thread was the last to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Returns whether the thread was the last to wait.
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    /// Creates a barrier for so many threads. 0 is taken as 1, as by `std`.
    #[track_caller]
    pub fn new(threads: usize) -> Self {
        Self { threads, state: Mutex::new(State::default()), all_wait: Condvar::new() }
    }

    /// Waits until all threads do.
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        let mut state = self.state.held();
        state.waiting += 1;
        if state.waiting >= self.threads {
            state.waiting = 0;
            state.rounds += 1;
            self.all_wait.notify_all();
            return BarrierWaitResult(true);
        }
        let round = state.rounds;
        let all_wait = self.all_wait.wait_while(state, |state| state.rounds == round);
        drop(all_wait.unwrap_or_else(std::sync::PoisonError::into_inner));
        BarrierWaitResult(false)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").field("threads", &self.threads).finish_non_exhaustive()
    }
}

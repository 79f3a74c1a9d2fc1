//! Random and PCT schedules, for programs that are too large for a complete search.
//!
//! Neither scheduler knows when it has seen everything, so they refute and never prove.

use std::sync::Arc;

use ::shuttle::rand::Rng;
use ::shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};

use crate::runtime::Host;

use crate::engine::shuttle::MAIN;

/// The number of ordering points that a bug may need to be found with PCT's guarantee.
const PCT_DEPTH: usize = 3;

/// A scheduler of shuttle, which chooses among the scenario's threads while there is one to choose.
pub(super) struct Randomized {
    inner: Box<dyn Scheduler>,
    host: Arc<Host>,
}

impl Randomized {
    pub(super) fn random(host: &Arc<Host>, seed: u64, executions: usize) -> Self {
        let inner = Box::new(RandomScheduler::new_from_seed(seed, executions));
        Self { inner, host: Arc::clone(host) }
    }

    pub(super) fn pct(host: &Arc<Host>, seed: u64, executions: usize) -> Self {
        let inner = Box::new(PctScheduler::new_from_seed(seed, PCT_DEPTH, executions));
        Self { inner, host: Arc::clone(host) }
    }
}

/// Chooses among the outcomes of an operation at random.
pub(super) fn draw(outcomes: u8) -> u8 {
    ::shuttle::rand::thread_rng().gen_range(0..outcomes)
}

impl Scheduler for Randomized {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.host.violation_found() {
            // A scheduler that is dropped before its last iteration prints advice, so it is
            // exhausted here.
            while self.inner.new_execution().is_some() {}
            return None;
        }
        self.host.clear();
        self.inner.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        if self.host.violation_found() {
            return None;
        }
        let main = TaskId::from(MAIN);
        if !self.host.started() {
            return Some(main);
        }
        let threads: Vec<&Task> = crate::engine::shuttle::threads(runnable, &self.host).collect();
        if !threads.is_empty() {
            let current = current.filter(|task| *task != main);
            let is_yielding = is_yielding && current.is_some();
            return self.inner.next_task(&threads, current, is_yielding);
        }
        if self.host.all_ended() {
            return Some(main);
        }
        self.host.note_deadlock();
        None
    }

    fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }
}

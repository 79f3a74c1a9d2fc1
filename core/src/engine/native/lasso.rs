//! A schedule that returns to an earlier state, and the threads that starve on the cycle.
//!
//! A starvation is found on the graph of the states and shown on the program itself, which has no
//! graph. This strategy therefore compares the states as they are reached, and checks the cycle by
//! what it has seen.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::cycles::Threads;
use crate::explore::{Decision, Point, Replay, Strategy};
use crate::observe::findings::Findings;
use crate::op::ThreadId;

use crate::runtime::native::Execution;

/// Follows a schedule and records the states on the way.
pub(super) struct Lasso<'a> {
    replay: Replay<'a>,
    execution: Rc<Execution>,
    passed: Vec<Passed>,
}

/// A state that was passed.
struct Passed {
    state: Vec<u64>,
    /// The threads with a guaranteed outcome.
    possible: BTreeSet<ThreadId>,
    /// The threads that had something to do and could not, or polled, and so made no progress.
    waits: BTreeSet<ThreadId>,
    /// The thread that continued, if it had a guaranteed outcome.
    step: Option<ThreadId>,
}

impl<'a> Lasso<'a> {
    pub(super) fn new(replay: Replay<'a>, execution: &Rc<Execution>) -> Self {
        Self { replay, execution: Rc::clone(execution), passed: Vec::new() }
    }

    /// Records the threads that starve, if the schedule ends in a fair cycle.
    pub(super) fn note(self, findings: &mut Findings) -> Replay<'a> {
        let last = self.passed.len() - 1;
        let state = &self.passed[last].state;
        let start = self.passed[..last].iter().position(|passed| passed.state == *state);
        if let Some(start) = start.filter(|start| is_fair(&self.passed[*start..last])) {
            let cycle = &self.passed[start..last];
            let waits = |thread: &&ThreadId| cycle.iter().all(|p| p.waits.contains(thread));
            self.execution.observers(|seen| {
                for thread in cycle[0].waits.iter().filter(waits) {
                    findings.note(seen.starvation(*thread, start), seen);
                }
            });
        }
        self.replay
    }
}

/// Returns whether exactly those threads take a step that can do so somewhere on this cycle.
fn is_fair(cycle: &[Passed]) -> bool {
    let possible = cycle.iter().flat_map(|passed| &passed.possible).copied().collect();
    let steps: Option<BTreeSet<ThreadId>> = cycle.iter().map(|passed| passed.step).collect();
    steps == Some(possible)
}

impl Strategy for Lasso<'_> {
    fn begin(&mut self) -> bool {
        self.replay.begin()
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        let decision = self.replay.choose(point);
        let guaranteed = || point.enabled().iter().filter(|enabled| enabled.guaranteed);
        let step = match decision {
            Decision::Take(choice) => guaranteed()
                .find(|enabled| enabled.choice == choice)
                .map(|enabled| enabled.choice.thread),
            Decision::Cut => None,
        };
        let possible: BTreeSet<ThreadId> =
            guaranteed().map(|enabled| enabled.choice.thread).collect();
        let polls = |thread| self.execution.observers(|seen| seen.polls(thread).is_some());
        let mut busy = self.execution.busy();
        busy.retain(|thread| !possible.contains(thread) || polls(*thread));
        let waits = busy.into_iter().collect();
        self.passed.push(Passed { state: self.execution.state(), possible, waits, step });
        decision
    }

    fn waiting(&self) -> Option<Threads> {
        self.replay.waiting()
    }
}

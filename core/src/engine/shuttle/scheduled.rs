//! A strategy as a scheduler of shuttle, which takes operations in turns.
//!
//! At each of its scheduling points shuttle asks which task continues. A thread announces its
//! operation just before it reaches the first of them, so when all threads have, every pending
//! operation is known. The machines determine which of them can happen, and the strategy chooses.
//! Then only the thread of the chosen operation continues, until it has done it and has announced
//! the next one, or has ended.
//!
//! The machines are not trusted. If shuttle makes the thread of the chosen operation wait, the
//! search ends with that error. Where the machines determine that no thread can continue, all
//! threads are resumed, into shuttle's own waits, until shuttle agrees.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use ::shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use smallvec::SmallVec;

use crate::explore::{Decision, Enabled, Happened, Point, Strategy};
use crate::incomplete::Incomplete;
use crate::machine::Ready;
use crate::op::{ObjectId, Op, ThreadId};
use crate::runtime::{Host, PendingOp};
use crate::schedule::Choice;

use crate::engine::shuttle::{MAIN, task};

/// The number of operations of one execution at which the search gives up, as the native engine
/// does.
pub(super) const OPERATIONS_MAX: usize = 10_000;

/// The number of operations for which an execution that was cut is run on, for its stacks.
const RUN_OUT_OPERATIONS: usize = 1_000;

/// A search in progress, which spans several runs of shuttle.
pub(super) struct Search<S> {
    pub(super) strategy: S,
    host: Arc<Host>,
    phase: Phase,
    /// The number of executions that the present run may still begin.
    left: u64,
    /// Whether the strategy has begun an execution that is left to the next run.
    begun: bool,
    ended: Option<Ended>,
}

/// The reason why a search does not continue.
#[derive(Clone)]
pub(super) enum Ended {
    /// The strategy has nothing left to explore.
    Explored,
    /// An execution had too many operations.
    TooLong,
    /// shuttle or the scenario behaves impossibly.
    Broken(Incomplete),
}

enum Phase {
    /// Every thread continues to an operation or to its end. Then the next turn is given.
    Settling,
    /// An operation has been chosen; its creations are those beyond the counts `made`.
    Turn { chosen: Choice, steps: usize, made: (usize, usize) },
    /// The strategy needs no more of the execution. To abandon it would leak its stacks, so it is
    /// run on in any order. Violations on the way are reported.
    RunOut { steps: usize },
    /// The machines determine that no thread can continue: no further operation is to happen.
    Terminal { steps: usize },
}

impl<S: Strategy> Search<S> {
    pub(super) fn new(strategy: S, host: &Arc<Host>) -> Self {
        let host = Arc::clone(host);
        Self { strategy, host, phase: Phase::Settling, left: 0, begun: false, ended: None }
    }

    /// Allows one run of shuttle so many executions.
    pub(super) fn allow(&mut self, executions: u64) {
        self.left = executions;
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.clone()
    }

    fn begin(&mut self) -> Option<Schedule> {
        if self.ended.is_some() || self.host.violation_found() {
            return None;
        }
        if !self.begun && !self.strategy.begin() {
            self.ended = Some(Ended::Explored);
            return None;
        }
        self.begun = self.left == 0;
        if self.begun {
            return None;
        }
        self.left -= 1;
        self.phase = Phase::Settling;
        self.host.clear();
        Some(Schedule::new(0))
    }

    /// Returns the thread that continues, of those that shuttle can resume, or `None` if the
    /// execution is over.
    fn next(&mut self, runnable: &[TaskId]) -> Option<TaskId> {
        if self.host.violation_found() {
            return None;
        }
        if !self.host.started() {
            return Some(TaskId::from(MAIN));
        }
        match self.phase {
            Phase::Turn { chosen, steps, .. } if self.steps() == steps => {
                let task = task(chosen.thread);
                if !runnable.contains(&task) {
                    return self
                        .broken(doubtful("shuttle makes a thread wait that could continue"));
                }
                Some(task)
            }
            Phase::Turn { .. } | Phase::Settling => match self.on_its_way(runnable) {
                Some(task) => Some(task),
                None => {
                    self.tell();
                    self.give_turn(runnable)
                }
            },
            Phase::Terminal { steps } if self.steps() > steps => {
                self.broken(doubtful("shuttle lets a thread continue that could not"))
            }
            Phase::RunOut { steps } if self.steps() > steps + RUN_OUT_OPERATIONS => None,
            Phase::RunOut { .. } | Phase::Terminal { .. } => self.any(runnable),
        }
    }

    fn broken(&mut self, reason: Incomplete) -> Option<TaskId> {
        self.ended = Some(Ended::Broken(reason));
        None
    }

    fn steps(&self) -> usize {
        self.host.observers(|seen| seen.steps())
    }

    /// Returns the first thread that is neither at an operation nor at its end. It is the first so
    /// that threads and objects are created in the same order as on the native engine.
    fn on_its_way(&self, runnable: &[TaskId]) -> Option<TaskId> {
        self.host.observers(|seen| {
            let waits = |task: TaskId| {
                seen.pending().any(|(thread, ..)| crate::engine::shuttle::task(thread) == task)
            };
            runnable.iter().copied().find(|task| !waits(*task))
        })
    }

    /// Reports the effect of the completed turn to the strategy.
    fn tell(&mut self) {
        let Phase::Turn { made: before, .. } = self.phase else { return };
        let (reply, after) = self.host.observers(|seen| (seen.last_reply(), seen.made()));
        self.strategy.happened(Happened {
            reply: reply.expect("a violation has ended the execution"),
            spawned: before.0..after.0,
            creates: before != after,
            frees: self.host.observers(|seen| seen.last_frees()),
            round: self.host.observers(|seen| seen.last_round()),
            ordered: false,
            violated: false,
        });
    }

    fn give_turn(&mut self, runnable: &[TaskId]) -> Option<TaskId> {
        if self.steps() >= OPERATIONS_MAX {
            self.ended = Some(Ended::TooLong);
            return None;
        }
        let here = HostPoint::new(&self.host);
        let chosen = match self.strategy.forced() {
            Some(forced) if here.announced(&forced) => Some(forced.choice),
            Some(_) => return self.broken(Incomplete::Nondeterministic),
            None if here.is_stuck() => {
                self.phase = Phase::Terminal { steps: self.steps() };
                None
            }
            None if self.host.note_closed() => return None,
            None => {
                let decision = self.strategy.choose(&here);
                if let Some(polls) = self.strategy.goes_round() {
                    self.host.note_rounds(polls);
                    if self.host.violation_found() {
                        return None;
                    }
                }
                match decision {
                    Decision::Take(choice) => Some(choice),
                    Decision::Cut => {
                        self.phase = Phase::RunOut { steps: self.steps() };
                        None
                    }
                }
            }
        };
        self.host.choose(chosen);
        let Some(chosen) = chosen else { return self.any(runnable) };
        let (steps, made) = self.host.observers(|seen| (seen.steps(), seen.made()));
        self.phase = Phase::Turn { chosen, steps, made };
        self.next(runnable)
    }

    /// Returns some thread that can continue.
    fn any(&self, runnable: &[TaskId]) -> Option<TaskId> {
        if let Some(first) = runnable.first() {
            return Some(*first);
        }
        if self.host.all_ended() {
            return Some(TaskId::from(MAIN));
        }
        self.host.note_deadlock();
        None
    }
}

/// A point of the execution, as the strategy sees it.
struct HostPoint {
    threads: usize,
    pending_ops: Vec<PendingOp>,
    enabled: SmallVec<[Enabled; 6]>,
}

impl HostPoint {
    fn new(host: &Host) -> Self {
        let pending_ops = host.pending_ops();
        let threads = host.observers(|seen| seen.made().0);
        let outcomes = |PendingOp { thread, object, op, ready }: PendingOp| {
            Enabled::each_outcome(thread, object, op, ready)
        };
        let enabled = pending_ops.iter().copied().flat_map(outcomes).collect();
        Self { threads, pending_ops, enabled }
    }

    /// Returns whether a thread has not ended, and none can continue without an optional outcome.
    fn is_stuck(&self) -> bool {
        !self.pending_ops.is_empty() && !self.enabled.iter().any(|enabled| enabled.guaranteed)
    }

    fn announced(&self, wanted: &Enabled) -> bool {
        let same = |pending_op: &PendingOp| {
            pending_op.thread == wanted.choice.thread
                && (pending_op.object, pending_op.op) == (wanted.object, wanted.op)
        };
        self.pending_ops.iter().any(same)
    }
}

impl Point for HostPoint {
    fn enabled(&self) -> &[Enabled] {
        &self.enabled
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn blocked(&self) -> Vec<(ThreadId, ObjectId, Op)> {
        let blocked = self.pending_ops.iter().filter(|pending_op| pending_op.ready == Ready::NO);
        blocked.map(|pending_op| (pending_op.thread, pending_op.object, pending_op.op)).collect()
    }
}

/// The search as one run of shuttle sees it.
pub(super) struct Scheduled<S>(pub(super) Rc<RefCell<Search<S>>>);

impl<S: Strategy> Scheduler for Scheduled<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.borrow_mut().begin()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        _current: Option<TaskId>,
        _is_yielding: bool,
    ) -> Option<TaskId> {
        let mut search = self.0.borrow_mut();
        let threads: SmallVec<[TaskId; 8]> =
            crate::engine::shuttle::threads(runnable, &search.host).map(Task::id).collect();
        search.next(&threads)
    }

    /// The strategy has no random choices.
    fn next_u64(&mut self) -> u64 {
        0
    }
}

fn doubtful(text: &str) -> Incomplete {
    Incomplete::Doubtful(text.to_owned())
}

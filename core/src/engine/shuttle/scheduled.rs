//! A strategy as a scheduler of shuttle: operations take turns.
//!
//! shuttle asks at each of its scheduling points which task goes on. A thread announces its
//! operation just before it comes to the first of them, so when all have, it is known who wants
//! what; the machines say what of that can happen, and the strategy chooses. Then the thread of
//! the chosen operation, and nobody else, goes on until it has done it and has announced the
//! next one, or has ended.
//!
//! What the machines say is not taken for granted. If shuttle makes the thread of the chosen
//! operation wait, the search ends with that. Where the machines say that nobody can go on,
//! everybody is let go on, into shuttle's own waits, until shuttle says so too.

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

/// Operations of one execution before the search gives up, as the native engine does.
pub(super) const OPERATIONS_MAX: usize = 10_000;

/// How far an execution that was cut is run on, for its stacks.
const RUN_OUT_OPERATIONS: usize = 1_000;

/// A search in progress, which outlives the runs of shuttle that it takes.
pub(super) struct Search<S> {
    pub(super) strategy: S,
    host: Arc<Host>,
    phase: Phase,
    /// Executions that the present run may still begin.
    left: u64,
    /// Whether the strategy has begun an execution that is left to the next run.
    begun: bool,
    ended: Option<Ended>,
}

/// Why a search does not go on.
#[derive(Clone)]
pub(super) enum Ended {
    /// The strategy has nothing left to explore.
    Explored,
    /// An execution had more operations than it may have.
    TooLong,
    /// What shuttle or the scenario does cannot be.
    Broken(Incomplete),
}

enum Phase {
    /// Everybody comes to an operation or to an end. Then the next turn is given.
    Settling,
    /// An operation has been chosen; what it makes is told from what there was.
    Turn { chosen: Choice, steps: usize, made: (usize, usize) },
    /// The strategy has seen enough. To abandon the execution would leak its stacks, so it is run
    /// on in any order; and what is violated on the way is violated.
    RunOut { steps: usize },
    /// The machines say that nobody can go on: no further operation is to happen.
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

    /// Who goes on, of the threads that shuttle lets go on; nobody if the execution is over.
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

    /// A thread that has neither come to an operation nor to its end, the first of them: the same
    /// one makes the first thread or object as on the native engine.
    fn on_its_way(&self, runnable: &[TaskId]) -> Option<TaskId> {
        self.host.observers(|seen| {
            let waits = |task: TaskId| {
                seen.pending().any(|(thread, ..)| crate::engine::shuttle::task(thread) == task)
            };
            runnable.iter().copied().find(|task| !waits(*task))
        })
    }

    /// Tells the strategy what became of the turn that is over.
    fn tell(&mut self) {
        let Phase::Turn { made: before, .. } = self.phase else { return };
        let (reply, after) = self.host.observers(|seen| (seen.last_reply(), seen.made()));
        self.strategy.happened(Happened {
            reply: reply.expect("a violation has ended the execution"),
            spawned: before.0..after.0,
            creates: before != after,
            frees: self.host.observers(|seen| seen.last_frees()),
            round: self.host.observers(|seen| seen.last_round()),
            violated: false,
        });
    }

    fn give_turn(&mut self, runnable: &[TaskId]) -> Option<TaskId> {
        if self.steps() >= OPERATIONS_MAX {
            self.ended = Some(Ended::TooLong);
            return None;
        }
        let here = Here::new(&self.host);
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

    /// Somebody who can go on.
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
struct Here {
    threads: usize,
    wishes: Vec<PendingOp>,
    enabled: SmallVec<[Enabled; 6]>,
}

impl Here {
    fn new(host: &Host) -> Self {
        let wishes = host.wishes();
        let threads = host.observers(|seen| seen.made().0);
        let outcomes = |PendingOp { thread, object, op, ready }: PendingOp| {
            Enabled::each_outcome(thread, object, op, ready)
        };
        let enabled = wishes.iter().copied().flat_map(outcomes).collect();
        Self { threads, wishes, enabled }
    }

    /// Whether somebody has not ended, and nobody can go on without luck.
    fn is_stuck(&self) -> bool {
        !self.wishes.is_empty() && !self.enabled.iter().any(|enabled| enabled.guaranteed)
    }

    fn announced(&self, wanted: &Enabled) -> bool {
        let same = |pending_op: &PendingOp| {
            pending_op.thread == wanted.choice.thread
                && (pending_op.object, pending_op.op) == (wanted.object, wanted.op)
        };
        self.wishes.iter().any(same)
    }
}

impl Point for Here {
    fn enabled(&self) -> &[Enabled] {
        &self.enabled
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn blocked(&self) -> Vec<(ThreadId, ObjectId, Op)> {
        let blocked = self.wishes.iter().filter(|pending_op| pending_op.ready == Ready::NO);
        blocked.map(|pending_op| (pending_op.thread, pending_op.object, pending_op.op)).collect()
    }
}

/// The search as one run of shuttle knows it.
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

    /// Nothing is left to chance.
    fn next_u64(&mut self) -> u64 {
        0
    }
}

fn doubtful(text: &str) -> Incomplete {
    Incomplete::Doubtful(text.to_owned())
}

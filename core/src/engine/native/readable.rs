//! The most readable of the counterexamples that are equivalent to one: that with the fewest
//! context switches, with the reason for each of them.

use std::rc::Rc;

use crate::cycles::{self, Threads};
use crate::explore::{Decision, Enabled, Happened, Point, Recorder, Replay, Strategy};
use crate::observe::findings::{Counterexample, Findings};
use crate::observe::{Observers, Switch, Trace};
use crate::op::ThreadId;
use crate::runtime::native::Execution;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::violation::Wait;

use super::replay::execution_of;

/// Replaces each counterexample by an equivalent one with the fewest context switches. One that the
/// native engine cannot run, since only weak memory has it, stays as it is.
pub(crate) fn rearrange(scenario: &Scenario, findings: &mut Findings) {
    for found in findings.0.values_mut() {
        let Some(mut again) = run(scenario, found, &found.schedule) else { continue };
        let repeats = found.violation.again_from.is_some();
        // Whether threads wait for good depends on what the others do, too.
        let waits = !found.violation.waits.is_empty();
        if !waits && again.found.trace.steps.iter().any(|step| !step.is_cause) {
            again = run(scenario, found, &again.causes()).unwrap_or(again);
        }
        let few = |fewest: &Schedule| {
            !repeats && fewest.context_switches() < again.found.schedule.context_switches()
        };
        let rearranged = again.fewest.as_ref().filter(|fewest| few(fewest));
        let rearranged = rearranged.and_then(|fewest| run(scenario, found, fewest));
        *found = rearranged.unwrap_or(again).found;
    }
}

/// A counterexample that has been run again.
struct Again {
    /// The same violation, with the steps annotated.
    found: Counterexample,
    /// An equivalent schedule with the fewest context switches.
    fewest: Option<Schedule>,
}

impl Again {
    /// Returns the steps that the violation depends on.
    fn causes(&self) -> Schedule {
        let steps = self.found.schedule.0.iter().zip(&self.found.trace.steps);
        Schedule(steps.filter(|(_, step)| step.is_cause).map(|(choice, _)| *choice).collect())
    }
}

/// Adds the reasons of context switches, and what the violation depends on.
pub(super) fn annotate(scenario: &Scenario, found: &mut Counterexample) {
    if let Some(again) = run(scenario, found, &found.schedule) {
        *found = again.found;
    }
}

/// Returns the operations along a schedule that is possible, with the reasons of context switches.
pub(super) fn follow(scenario: &Scenario, schedule: &Schedule) -> Trace {
    let execution = execution_of(scenario);
    let mut watcher = Watcher::new(Replay::new(schedule), &execution);
    execution.run(scenario.program(), &mut watcher, &mut Findings::default());
    let mut trace = execution.observers(Observers::trace);
    for (step, switch) in trace.steps.iter_mut().zip(watcher.switches) {
        step.switch = switch;
    }
    trace
}

/// Runs `schedule`, if it ends in the same violation as `found`.
fn run(scenario: &Scenario, found: &Counterexample, schedule: &Schedule) -> Option<Again> {
    let threads = |which: fn(&Wait) -> bool| {
        let waits = found.violation.waits.iter().filter(|wait| which(wait));
        waits.fold(0, |threads, wait| threads | named(found, &wait.thread))
    };
    let waiting = threads(|_| true);
    let execution = execution_of(scenario);
    let replay = Replay::new(schedule).at_whose_end_wait(waiting);
    let mut watcher = Watcher::new(replay, &execution);
    let mut findings = Findings::default();
    execution.run(scenario.program(), &mut watcher, &mut findings);
    let mut again = match found.violation.again_from {
        Some(_) => found.clone(),
        None => findings.0.remove(&found.violation.kind)?,
    };
    if again.schedule != *schedule || watcher.switches.len() != schedule.len() {
        return None;
    }
    let causes = watcher.recorder.causes(threads(|wait| wait.on_cycle));
    let notes = watcher.switches.into_iter().zip(causes);
    for (step, (switch, is_cause)) in again.trace.steps.iter_mut().zip(notes) {
        (step.switch, step.is_cause) = (switch, is_cause);
    }
    Some(Again { found: again, fewest: watcher.recorder.fewest_switches() })
}

/// Returns the threads of this name.
fn named(found: &Counterexample, name: &str) -> Threads {
    let threads = found.trace.threads.iter().enumerate();
    threads
        .filter(|(_, thread)| *thread == name)
        .fold(0, |threads, (at, _)| threads | cycles::bit(ThreadId::new(at)))
}

/// Follows a schedule and notes why each context switch takes place.
struct Watcher<'a> {
    recorder: Recorder<'a>,
    execution: Rc<Execution>,
    /// For each step.
    switches: Vec<Option<Switch>>,
    /// The thread of the step before.
    last: Option<ThreadId>,
}

impl<'a> Watcher<'a> {
    fn new(replay: Replay<'a>, execution: &Rc<Execution>) -> Self {
        let (recorder, execution) = (Recorder::new(replay), Rc::clone(execution));
        Self { recorder, execution, switches: Vec::new(), last: None }
    }

    fn switch(&self, left: ThreadId, point: &dyn Point) -> Switch {
        let possible = |enabled: &Enabled| enabled.choice.thread == left && enabled.guaranteed;
        if point.enabled().iter().any(possible) {
            Switch::Preempted
        } else if self.execution.busy().contains(&left) {
            Switch::Waits(self.execution.observers(|seen| seen.wants(left)))
        } else {
            Switch::Ended
        }
    }
}

impl Strategy for Watcher<'_> {
    fn begin(&mut self) -> bool {
        self.recorder.begin()
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        let decision = self.recorder.choose(point);
        if let Decision::Take(choice) = decision {
            let left = self.last.replace(choice.thread).filter(|last| *last != choice.thread);
            self.switches.push(left.map(|left| self.switch(left, point)));
        }
        decision
    }

    fn happened(&mut self, happened: Happened) {
        self.recorder.happened(happened);
    }

    fn waiting(&self) -> Option<Threads> {
        self.recorder.waiting()
    }

    fn goes_round(&self) -> Option<Threads> {
        self.recorder.goes_round()
    }
}

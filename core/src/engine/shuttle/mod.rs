//! shuttle 0.9 as an engine: every interleaving if there are few enough, otherwise some of them,
//! over its own mutexes.
//!
//! First [source-DPOR](scheduled) drives it. The strategy is that of the native engine, and finds
//! the same traces. But shuttle runs the threads, makes them wait and wakes them with code of its
//! own, and every execution is run from its beginning. If the search does not complete, or what it
//! has left out precludes a proof, shuttle's own schedulers [test](random) the same number of
//! executions again.
//!
//! shuttle reports by panicking and by printing. The schedulers here prevent both: they end an
//! execution as soon as something is violated or no thread can continue.

mod random;
mod scheduled;

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ::shuttle::scheduler::{Scheduler, Task, TaskId};

use crate::engine::native;
use crate::explore::{DeterminismCheck, Dpor, Strategy, Subtrees};
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::observe::findings::Findings;
use crate::op::ThreadId;
use crate::program::Instance;
use crate::report::{Explored, Report};
use crate::runtime::{self, ChoiceSource, Host, Runtime, shuttle_host};
use crate::scenario::Scenario;
use crate::shard::Shard;
use crate::violation::Violation;

use crate::limits::{Limits, Listener, Progress};
use crate::panics::{self, Panic};
use crate::search::Engine;

use random::Randomized;
use scheduled::{Ended, OPERATIONS_MAX, Scheduled, Search};

/// shuttle's number for the task that starts the scenario's threads.
const MAIN: usize = 0;

/// The number of executions between two reports to the listener.
const EXECUTIONS: u64 = 20_000;

/// Executions between two reports to the listener.
const ROUND: u64 = 256;

pub(super) fn verify(scenario: &Scenario, limits: &Limits, listener: &mut Listener<'_>) -> Report {
    let mut exploration = Exploration {
        scenario,
        limits,
        listener,
        host: Host::new(ChoiceSource::turns(), |_| halt()),
        executions: Arc::new(AtomicU64::new(0)),
        fingerprint: Fingerprint::default(),
    };
    let end = match exploration.prove() {
        Conclusion::Open(reason) => exploration.test_randomly(reason),
        end => end,
    };
    let mut findings = Findings::default();
    let stopped = match end {
        Conclusion::Proved => None,
        Conclusion::Refuted(violation) => {
            exploration.host.observers(|seen| findings.note(violation, seen));
            Some(Incomplete::FirstCounterexample { engine: Engine::Shuttle })
        }
        Conclusion::Open(reason) | Conclusion::Stopped(reason) => Some(reason),
    };
    native::readable::rearrange(scenario, &mut findings);
    let explored = Explored {
        executions: exploration.executions(),
        fingerprint: exploration.fingerprint,
        stopped,
        thorough: false,
        search: None,
        part: None,
    };
    exploration
        .host
        .observers(|seen| Report::new(scenario, Engine::Shuttle, findings, explored, seen.seen()))
}

struct Exploration<'a, 'l> {
    scenario: &'a Scenario,
    limits: &'a Limits,
    listener: &'a mut Listener<'l>,
    host: Arc<Host>,
    executions: Arc<AtomicU64>,
    /// The counts, if the search for a proof has completed.
    fingerprint: Fingerprint,
}

/// The result of an exploration.
enum Conclusion {
    Proved,
    Refuted(Violation),
    /// There is no proof, for this reason; a randomized test may still refute.
    Open(Incomplete),
    /// No search continues: the listener has stopped it, or something is wrong with it.
    Stopped(Incomplete),
}

impl Exploration<'_, '_> {
    fn executions_max(&self) -> u64 {
        self.limits.executions.unwrap_or(EXECUTIONS)
    }

    fn executions(&self) -> u64 {
        self.executions.load(Ordering::Relaxed)
    }

    /// Explores every interleaving.
    fn prove(&mut self) -> Conclusion {
        if let Some(end) = self.try_twice() {
            return end;
        }
        let limit = self.executions_max();
        let dpor = Dpor::new(Arc::new(Subtrees::new(1, Shard::WHOLE)));
        let search = Rc::new(RefCell::new(Search::new(dpor, &self.host)));
        loop {
            search.borrow_mut().allow(ROUND.min(limit - self.executions()));
            match self.run(Scheduled(Rc::clone(&search))) {
                Ok(None) => {}
                Ok(Some(violation)) => return Conclusion::Refuted(violation),
                Err(reason) => return Conclusion::Open(reason),
            }
            let search = search.borrow();
            match search.ended() {
                None if self.executions() < limit => {}
                None => {
                    return Conclusion::Open(Incomplete::Executions { limit });
                }
                Some(Ended::Explored) => {
                    let dpor = &search.strategy;
                    self.fingerprint = Fingerprint { digest: dpor.digest(), ..dpor.fingerprint() };
                    return dpor.unexplored().map_or(Conclusion::Proved, Conclusion::Open);
                }
                Some(Ended::TooLong) => {
                    return Conclusion::Open(Incomplete::Operations { limit: OPERATIONS_MAX });
                }
                Some(Ended::Broken(reason)) => return Conclusion::Stopped(reason),
            }
            let (depth, frontier, explored) = search.strategy.progress();
            let progress = Progress {
                depth: Some(depth),
                frontier: Some(frontier),
                explored: Some(explored),
                ..Progress::executions(self.executions())
            };
            if let ControlFlow::Break(reason) = (self.listener)(progress) {
                return Conclusion::Stopped(reason);
            }
        }
    }

    /// Runs the scenario twice under one schedule. Returns the result, if that ends the
    /// exploration. These executions are not counted.
    fn try_twice(&mut self) -> Option<Conclusion> {
        let search = Rc::new(RefCell::new(Search::new(DeterminismCheck::default(), &self.host)));
        search.borrow_mut().allow(2);
        let end = match self.run(Scheduled(Rc::clone(&search))) {
            Ok(Some(violation)) => Conclusion::Refuted(violation),
            Err(reason) => Conclusion::Open(reason),
            Ok(None) if search.borrow().strategy.diverged => {
                Conclusion::Stopped(Incomplete::Nondeterministic)
            }
            Ok(None) => {
                self.executions.store(0, Ordering::Relaxed);
                return None;
            }
        };
        Some(end)
    }

    /// Tests some interleavings, since there is no proof for this `reason`.
    fn test_randomly(&mut self, reason: Incomplete) -> Conclusion {
        self.host.set_chooser(ChoiceSource::Random(random::draw));
        let half = (self.executions_max() / 2).max(1) as usize;
        let seed = self.limits.seed;
        let mut schedulers = vec![Randomized::random(&self.host, seed, half)];
        // PCT refuses to run where there is nothing to interleave.
        if self.scenario.threads().count() > 1 {
            schedulers.push(Randomized::pct(&self.host, seed, half));
        }
        for scheduler in schedulers {
            match self.run(scheduler) {
                Ok(None) => {}
                Ok(Some(violation)) => return Conclusion::Refuted(violation),
                Err(reason) => return Conclusion::Open(reason),
            }
            let progress = Progress::executions(self.executions());
            if let ControlFlow::Break(reason) = (self.listener)(progress) {
                return Conclusion::Stopped(reason);
            }
        }
        Conclusion::Open(reason)
    }

    /// Runs shuttle once. Returns the violation that has ended it, or why it gave up.
    fn run(&self, scheduler: impl Scheduler + 'static) -> Result<Option<Violation>, Incomplete> {
        let model = {
            let (host, executions) = (Arc::clone(&self.host), Arc::clone(&self.executions));
            let program = Arc::clone(self.scenario.program());
            move || {
                executions.fetch_add(1, Ordering::Relaxed);
                shuttle_host::set_me(ThreadId::SETUP);
                execute(&host, &*program);
            }
        };
        let _in_charge = runtime::enter(Runtime::Shuttle(Some(Arc::clone(&self.host))));
        // shuttle reads environment variables, and panics at unknown ones.
        let ended =
            panics::catch(|| ::shuttle::Runner::new(scheduler, config(self.limits)).run(model));
        match (self.host.take_violation(), ended) {
            (Some(violation), _) => Ok(Some(violation)),
            (None, Ok(_)) => Ok(None),
            (None, Err(payload)) => {
                let message = Panic::of(payload.as_ref()).message;
                Err(Incomplete::GaveUp { engine: Engine::Shuttle, message })
            }
        }
    }
}

fn config(limits: &Limits) -> ::shuttle::Config {
    let mut config = ::shuttle::Config::new();
    let left = |(deadline, _): (Instant, _)| deadline.saturating_duration_since(Instant::now());
    config.max_time = limits.deadline.map(left);
    config.failure_persistence = ::shuttle::FailurePersistence::None;
    config.silence_warnings = true;
    config
}

/// Runs one execution. The main thread starts the others, and from then on is chosen only when no
/// other can continue, so that the engine sees a deadlock before shuttle does.
fn execute(host: &Arc<Host>, program: &dyn Fn() -> Instance) {
    let Instance { threads, finally } = host.set_up(program);
    for (name, body) in threads {
        let me = shuttle_host::new_thread(name, Some(host));
        ::shuttle::thread::spawn(shuttle_host::hosted(me, None, Some(Arc::clone(host)), body));
    }
    host.set_started();
    // Without threads, the scheduler still has to be called once.
    ::shuttle::thread::yield_now();
    while !host.all_ended() {
        ::shuttle::thread::yield_now();
    }
    host.final_check(finally);
}

/// Returns shuttle's number of a thread: its tasks are numbered as the host's threads, after the
/// main one.
fn task(thread: ThreadId) -> TaskId {
    TaskId::from(MAIN + 1 + thread.index())
}

/// Returns those of the scenario's threads that shuttle can resume. A thread that idles is parked,
/// and shuttle may wake those spuriously.
fn threads<'a>(runnable: &'a [&Task], host: &Host) -> impl Iterator<Item = &'a Task> {
    let idle: Vec<TaskId> = host.parked().into_iter().map(task).collect();
    let tasks = runnable.iter().copied();
    tasks.filter(move |task| task.id() != TaskId::from(MAIN) && !idle.contains(&task.id()))
}

/// Ends the running execution, which has violated something: the scheduler does not resume it.
fn halt() -> ! {
    loop {
        ::shuttle::thread::yield_now();
    }
}

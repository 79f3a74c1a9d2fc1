//! shuttle 0.9 as an engine: every ordering if there are few enough, or else some of them, over
//! its own mutexes.
//!
//! First [source-DPOR](scheduled) drives it. That is the same strategy as the native engine's, and it
//! comes to the same traces; but who runs the threads, who makes them wait and who wakes them has
//! nothing in common with it, and every execution is run from its beginning. If the search does
//! not come to its end, or what it has left out stands against a proof, shuttle's own schedulers
//! [test](random) as many executions again.
//!
//! shuttle reports by panicking and by printing. It gets to do neither: the schedulers here end
//! an execution as soon as something is violated or nobody can go on.

mod random;
mod scheduled;

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ::shuttle::scheduler::{Scheduler, Task, TaskId};

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

use random::Hunt;
use scheduled::{Ended, OPERATIONS_MAX, Scheduled, Search};

/// shuttle's number for the task that starts the scenario's threads.
const MAIN: usize = 0;

/// Executions for the exhaustive search if no limit is given, and as many again for the random ones
/// if it does not end: a second or two.
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
        End::Open(reason) => exploration.hunt(reason),
        end => end,
    };
    let mut findings = Findings::default();
    let stopped = match end {
        End::Proved => None,
        End::Refuted(violation) => {
            exploration.host.observers(|seen| findings.note(violation, seen));
            Some(Incomplete::FirstCounterexample { engine: Engine::Shuttle })
        }
        End::Open(reason) | End::Stopped(reason) => Some(reason),
    };
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
    /// What was counted, if the search for a proof has come to its end.
    fingerprint: Fingerprint,
}

/// How an exploration ended.
enum End {
    Proved,
    Refuted(Violation),
    /// This is no proof, for a reason; somebody else may refute.
    Open(Incomplete),
    /// Nobody is to go on: the listener has had enough, or something is wrong with the search.
    Stopped(Incomplete),
}

impl Exploration<'_, '_> {
    fn executions_max(&self) -> u64 {
        self.limits.executions.unwrap_or(EXECUTIONS)
    }

    fn executions(&self) -> u64 {
        self.executions.load(Ordering::Relaxed)
    }

    /// Looks at every ordering.
    fn prove(&mut self) -> End {
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
                Ok(Some(violation)) => return End::Refuted(violation),
                Err(reason) => return End::Open(reason),
            }
            let search = search.borrow();
            match search.ended() {
                None if self.executions() < limit => {}
                None => {
                    return End::Open(Incomplete::Executions { limit });
                }
                Some(Ended::Explored) => {
                    let dpor = &search.strategy;
                    self.fingerprint = Fingerprint { digest: dpor.digest(), ..dpor.fingerprint() };
                    return dpor.unexplored().map_or(End::Proved, End::Open);
                }
                Some(Ended::TooLong) => {
                    return End::Open(Incomplete::Operations { limit: OPERATIONS_MAX });
                }
                Some(Ended::Broken(reason)) => return End::Stopped(reason),
            }
            let (depth, frontier, explored) = search.strategy.progress();
            let progress = Progress {
                depth: Some(depth),
                frontier: Some(frontier),
                explored: Some(explored),
                ..Progress::executions(self.executions())
            };
            if let ControlFlow::Break(reason) = (self.listener)(progress) {
                return End::Stopped(reason);
            }
        }
    }

    /// Runs the scenario twice the same way. How it ended, if that is the end; if not, these
    /// executions are not counted.
    fn try_twice(&mut self) -> Option<End> {
        let search = Rc::new(RefCell::new(Search::new(DeterminismCheck::default(), &self.host)));
        search.borrow_mut().allow(2);
        let end = match self.run(Scheduled(Rc::clone(&search))) {
            Ok(Some(violation)) => End::Refuted(violation),
            Err(reason) => End::Open(reason),
            Ok(None) if search.borrow().strategy.diverged => {
                End::Stopped(Incomplete::Nondeterministic)
            }
            Ok(None) => {
                self.executions.store(0, Ordering::Relaxed);
                return None;
            }
        };
        Some(end)
    }

    /// Looks at some orderings, since there is no proof for this `reason`.
    fn hunt(&mut self, reason: Incomplete) -> End {
        self.host.set_chooser(ChoiceSource::Random(random::draw));
        let half = (self.executions_max() / 2).max(1) as usize;
        let seed = self.limits.seed;
        let mut schedulers = vec![Hunt::random(&self.host, seed, half)];
        // PCT refuses to run where there is nothing to interleave.
        if self.scenario.threads().count() > 1 {
            schedulers.push(Hunt::pct(&self.host, seed, half));
        }
        for scheduler in schedulers {
            match self.run(scheduler) {
                Ok(None) => {}
                Ok(Some(violation)) => return End::Refuted(violation),
                Err(reason) => return End::Open(reason),
            }
            let progress = Progress::executions(self.executions());
            if let ControlFlow::Break(reason) = (self.listener)(progress) {
                return End::Stopped(reason);
            }
        }
        End::Open(reason)
    }

    /// Runs shuttle once: the violation that has ended it, or why it gave up.
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
        // shuttle reads environment variables, and panics at those it does not understand.
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

/// One execution. The main thread starts the others, and from then on is chosen only when no
/// other can go on: it keeps shuttle from seeing a deadlock before we do.
fn execute(host: &Arc<Host>, program: &dyn Fn() -> Instance) {
    let Instance { threads, finally } = host.set_up(program);
    for (name, body) in threads {
        let me = shuttle_host::new_thread(name, Some(host));
        ::shuttle::thread::spawn(shuttle_host::hosted(me, None, Some(Arc::clone(host)), body));
    }
    host.set_started();
    // Where there are no threads, the scheduler still gets to see that there are none.
    ::shuttle::thread::yield_now();
    while !host.all_ended() {
        ::shuttle::thread::yield_now();
    }
    host.judge(finally);
}

/// shuttle numbers its tasks as the host numbers its threads, after the main one.
fn task(thread: ThreadId) -> TaskId {
    TaskId::from(MAIN + 1 + thread.index())
}

/// Those of the scenario's threads that shuttle lets go on, by its numbers. A thread that idles is
/// parked, and shuttle may wake those for no reason.
fn threads<'a>(runnable: &'a [&Task], host: &Host) -> impl Iterator<Item = &'a Task> {
    let idle: Vec<TaskId> = host.parked().into_iter().map(task).collect();
    let tasks = runnable.iter().copied();
    tasks.filter(move |task| task.id() != TaskId::from(MAIN) && !idle.contains(&task.id()))
}

/// Ends the running execution, which has violated something: the scheduler does not come back.
fn halt() -> ! {
    loop {
        ::shuttle::thread::yield_now();
    }
}

//! shuttle 0.9 as an engine: random and PCT schedules over its own mutexes.
//!
//! Neither scheduler knows when it has seen everything, so shuttle refutes and never proves. It
//! is the engine for instances that are too large to exhaust, and a third opinion on the rest.
//!
//! shuttle reports by panicking and by printing. It gets to do neither: its schedulers run
//! inside one of ours, which abandons an execution as soon as something is violated or nobody
//! can go on.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::shuttle::rand::Rng;
use ::shuttle::scheduler::{
    PctScheduler, RandomScheduler, RoundRobinScheduler, Schedule, Scheduler, Task, TaskId,
};

use crate::op::ThreadId;
use crate::runtime::{self, Chooser, Host, Runtime, shuttle_host};
use crate::scenario::{Instance, Scenario};
use crate::verdict::{Certificate, Explored, Findings, Report};
use crate::violation::Violation;

use super::panics::{self, Panic};
use super::{Engine, Limits, Listener, Progress};

/// How many ordering points a bug may need and still be found with PCT's guarantee.
const PCT_DEPTH: usize = 3;

pub(super) fn verify(scenario: &Scenario, limits: &Limits, listener: &mut Listener<'_>) -> Report {
    let host = Host::new(Chooser::Random(draw), |_| halt());
    let executions = Arc::new(AtomicU64::new(0));
    let mut findings = Findings::default();
    let half = (limits.shuttle_executions / 2).max(1) as usize;
    let seed = limits.shuttle_seed;
    // PCT refuses to run where there is nothing to interleave.
    let schedulers: &[fn(u64, usize) -> AnyScheduler] =
        if scenario.threads().count() > 1 { &[random, pct] } else { &[random] };
    let mut stopped = "random schedules prove nothing".to_owned();
    for scheduler in schedulers {
        match run(scenario, &host, &executions, || scheduler(seed, half)) {
            End::Done => {}
            End::Refuted(violation) => {
                host.observers(|seen| findings.note(violation, seen));
                break;
            }
            End::GaveUp(reason) => stopped = format!("shuttle gave up: {reason}"),
        }
        let executions = executions.load(Ordering::Relaxed);
        let progress = Progress::executions(executions);
        if let ControlFlow::Break(reason) = listener(progress) {
            stopped = reason;
            break;
        }
    }
    let explored = Explored {
        executions: executions.load(Ordering::Relaxed),
        certificate: Certificate::default(),
        stopped: Some(stopped),
        thorough: false,
        search: None,
        part: None,
    };
    host.observers(|seen| {
        Report::new(scenario, Engine::Shuttle, findings, explored, seen.lockdep().inversions())
    })
}

fn draw(ways: u8) -> u8 {
    ::shuttle::rand::thread_rng().gen_range(0..ways)
}

/// How one run of shuttle ended.
enum End {
    Done,
    Refuted(Violation),
    GaveUp(String),
}

type AnyScheduler = Box<dyn Scheduler + Send>;

fn random(seed: u64, executions: usize) -> AnyScheduler {
    Box::new(RandomScheduler::new_from_seed(seed, executions))
}

fn pct(seed: u64, executions: usize) -> AnyScheduler {
    Box::new(PctScheduler::new_from_seed(seed, PCT_DEPTH, executions))
}

fn config() -> ::shuttle::Config {
    let mut config = ::shuttle::Config::new();
    config.failure_persistence = ::shuttle::FailurePersistence::None;
    config.silence_warnings = true;
    config
}

fn run(
    scenario: &Scenario,
    host: &Arc<Host>,
    executions: &Arc<AtomicU64>,
    scheduler: impl FnOnce() -> AnyScheduler,
) -> End {
    let program = Arc::clone(scenario.program());
    let model = {
        let (host, executions) = (Arc::clone(host), Arc::clone(executions));
        move || {
            executions.fetch_add(1, Ordering::Relaxed);
            shuttle_host::set_me(ThreadId::SETUP);
            host.clear();
            execute(&host, &*program);
        }
    };
    let _in_charge = runtime::enter(Runtime::Shuttle(Some(Arc::clone(host))));
    // shuttle reads environment variables, and panics at those it does not understand.
    let ended = panics::catch(|| {
        let watch = Watch { inner: scheduler(), host: Arc::clone(host) };
        ::shuttle::Runner::new(watch, config()).run(model)
    });
    match (host.take_violation(), ended) {
        (Some(violation), _) => End::Refuted(violation),
        (None, Ok(_)) => End::Done,
        (None, Err(payload)) => End::GaveUp(Panic::of(payload.as_ref()).message),
    }
}

/// One execution. The main thread starts the others, and from then on is chosen only when no
/// other can go on: it keeps shuttle from seeing a deadlock before we do.
fn execute(host: &Arc<Host>, program: &dyn Fn() -> Instance) {
    let Instance { threads, finally } = host.set_up(program);
    if threads.is_empty() {
        return host.judge(finally);
    }
    host.set_finally(finally);
    for (name, body) in threads {
        let me = shuttle_host::new_thread(name, Some(host));
        ::shuttle::thread::spawn(shuttle_host::hosted(me, None, Some(Arc::clone(host)), body));
    }
    host.set_started();
    while !host.all_ended() {
        ::shuttle::thread::yield_now();
    }
}

/// Makes shuttle install its panic hook now, once and for all.
pub(super) fn install_hook() {
    ::shuttle::Runner::new(RoundRobinScheduler::new(1), config()).run(|| {});
}

/// Ends the running execution, which has violated something: the scheduler does not come back.
fn halt() -> ! {
    loop {
        ::shuttle::thread::yield_now();
    }
}

/// Lets `inner` schedule the scenario's threads while there is something to schedule.
struct Watch {
    inner: AnyScheduler,
    host: Arc<Host>,
}

impl Scheduler for Watch {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.host.violation_found() {
            // A scheduler that is dropped before its last iteration prints advice. Run it dry.
            while self.inner.new_execution().is_some() {}
            return None;
        }
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
        let main = TaskId::from(0);
        if !self.host.started() {
            return Some(main);
        }
        let threads: Vec<&Task> = runnable.iter().copied().filter(|t| t.id() != main).collect();
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

//! loom 0.7 as an engine: its own search over its own mutexes.
//!
//! loom reports a complete search only in a log event, and returns silently when it is cut short.
//! The engine therefore listens for that event and relies on nothing else. loom has operations with
//! one outcome only. Where a scenario has others (a signal ends a wait), loom runs once for every
//! combination of choices. Its failures are panics, which are caught here.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::engine::native;
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::observe::findings::Findings;
use crate::op::ThreadId;
use crate::program::Instance;
use crate::report::{Explored, Report};
use crate::runtime::{self, ChoicePoint, ChoiceSource, Host, Runtime, loom_host};
use crate::scenario::Scenario;
use crate::violation::Violation;

use crate::limits::{Limits, Listener, Progress};
use crate::panics;
use crate::panics::{Panic, STOP};
use crate::search::Engine;

/// The number of operations of one execution, as loom counts them, at which it gives up.
const BRANCHES_MAX: usize = 100_000;

type Answers = BTreeMap<ChoicePoint, u8>;

/// The way in which one run of loom ended.
enum LoomResult {
    Completed,
    Refuted(Violation),
    Stopped(Incomplete),
}

/// The number of executions if a scenario sets no limit: some ten seconds.
const EXECUTIONS: u64 = 100_000;

pub(super) fn verify(scenario: &Scenario, limits: &Limits, listener: &mut Listener<'_>) -> Report {
    let host = Host::new(ChoiceSource::given(), |reason| panic!("{reason}"));
    let limit = limits.executions.or(scenario.loom_executions()).unwrap_or(EXECUTIONS);
    let executions = Arc::new(AtomicU64::new(0));
    let mut findings = Findings::default();
    let mut unexplored = None;
    let mut to_do = vec![Answers::new()];
    let mut stopped = None;
    while let Some(answers) = to_do.pop() {
        host.answer(answers.clone());
        match run(scenario, &host, &executions, limit, limits, listener) {
            LoomResult::Completed => to_do.extend(branches(&answers, &host.asked())),
            LoomResult::Refuted(violation) => {
                stopped = Some(if let Some(why) = host.doubted() {
                    Incomplete::Doubtful(format!("loom found {}, but {why}", violation.kind))
                } else {
                    host.observers(|seen| findings.note(violation, seen));
                    Incomplete::FirstCounterexample { engine: Engine::Loom }
                });
                break;
            }
            LoomResult::Stopped(reason) => {
                stopped = Some(reason);
                break;
            }
        }
        unexplored = host.take_unexplored().or(unexplored);
    }
    let explored = Explored {
        executions: executions.load(Ordering::Relaxed),
        fingerprint: Fingerprint::default(),
        stopped: stopped.or(unexplored.map(left_out)),
        thorough: false,
        search: None,
        part: None,
    };
    native::readable::rearrange(scenario, &mut findings);
    host.observers(|seen| Report::new(scenario, Engine::Loom, findings, explored, seen.seen()))
}

fn left_out(what: String) -> Incomplete {
    Incomplete::LeftOut(format!("on loom this is not explored: {what}"))
}

/// What is left to explore after the run that gave `answers`, and 0 to every other question it
/// `asked`: for each such question another answer, with those before it left at 0. Every
/// combination of answers is reached from exactly one of these.
fn branches(answers: &Answers, asked: &Answers) -> Vec<Answers> {
    let mut fixed = answers.clone();
    let mut to_do = Vec::new();
    for (question, outcomes) in asked {
        if answers.contains_key(question) {
            continue;
        }
        for answer in 1..*outcomes {
            let mut next = fixed.clone();
            next.insert(*question, answer);
            to_do.push(next);
        }
        fixed.insert(*question, 0);
    }
    to_do
}

fn run(
    scenario: &Scenario,
    host: &Arc<Host>,
    executions: &Arc<AtomicU64>,
    limit: u64,
    limits: &Limits,
    listener: &mut Listener<'_>,
) -> LoomResult {
    let completed = Arc::new(AtomicBool::new(false));
    let stopped = Arc::new(Mutex::new(None::<Incomplete>));
    let subscriber = tracing_subscriber::registry().with(Completion(Arc::clone(&completed)));
    let model = {
        let (host, executions, stopped) = (host.clone(), executions.clone(), stopped.clone());
        let (program, limits) = (Arc::clone(scenario.program()), *limits);
        move || {
            let ran = executions.load(Ordering::Relaxed);
            let executions_left =
                if ran == limit { Some(Incomplete::Executions { limit }) } else { None };
            if let Some(reason) = executions_left.or_else(|| limits.time_is_up()) {
                *stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                panic!("{STOP}");
            }
            executions.store(ran + 1, Ordering::Relaxed);
            loom_host::set_me(ThreadId::SETUP);
            host.clear();
            execute(&host, &*program);
        }
    };
    let _in_charge = runtime::enter(Runtime::Loom(Some(Arc::clone(host))));
    let ended = panics::catch(|| {
        tracing::subscriber::with_default(subscriber, || builder().check(model));
    });
    let progress = Progress::executions(executions.load(Ordering::Relaxed));
    let listened = listener(progress);
    let payload = match ended {
        Ok(()) if !completed.load(Ordering::Relaxed) => {
            let message = "it ended without completing its search".to_owned();
            return LoomResult::Stopped(Incomplete::GaveUp { engine: Engine::Loom, message });
        }
        Ok(()) => {
            return match listened {
                ControlFlow::Continue(()) => LoomResult::Completed,
                ControlFlow::Break(reason) => LoomResult::Stopped(reason),
            };
        }
        Err(payload) => payload,
    };
    let panic = Panic::of(payload.as_ref());
    if let Some(reason) = stopped.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return LoomResult::Stopped(reason);
    }
    if let Some(violation) = host.take_violation() {
        return LoomResult::Refuted(violation);
    }
    if panic.is_loom_deadlock() {
        host.note_deadlock();
        return LoomResult::Refuted(host.take_violation().expect("a thread is stuck"));
    }
    LoomResult::Stopped(Incomplete::GaveUp { engine: Engine::Loom, message: panic.message })
}

/// Configures loom without its environment variables, which would silently bound the search, or
/// skip a part of it.
fn builder() -> ::loom::model::Builder {
    let mut builder = ::loom::model::Builder::new();
    builder.location = true;
    builder.max_branches = BRANCHES_MAX;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.preemption_bound = None;
    builder.checkpoint_file = None;
    builder.checkpoint_interval = usize::MAX;
    builder
}

/// Runs one execution. The first thread of the scenario runs on loom's main thread, which saves
/// one.
fn execute(host: &Arc<Host>, program: &dyn Fn() -> Instance) {
    let Instance { threads, finally } = host.set_up(program);
    host.set_finally(finally);
    if threads.is_empty() {
        return host.finally_or_wake().into_iter().for_each(|finally| host.final_check(finally));
    }
    let hosted = threads.into_iter().map(|(name, body)| {
        let me = loom_host::new_thread(name, Some(host));
        loom_host::hosted(me, None, Some(Arc::clone(host)), body)
    });
    let mut hosted: Vec<_> = hosted.collect();
    for thread in hosted.drain(1.min(hosted.len())..) {
        ::loom::thread::spawn(thread);
    }
    if let Some(first) = hosted.pop() {
        first();
    }
}

/// A listener for the event by which loom reports that it has explored everything.
struct Completion(Arc<AtomicBool>);

impl<S: tracing::Subscriber> Layer<S> for Completion {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.is_event() && metadata.target() == "loom::model"
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut Message(&self.0));
    }
}

struct Message<'a>(&'a AtomicBool);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let completed = || format!("{value:?}").starts_with("Completed in ");
        if field.name() == "message" && completed() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

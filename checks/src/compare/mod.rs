//! `selvedge compare`: every engine and every search on the same scenario, in one run.
//!
//! Each may take so long and no longer, and then says how far it came. The native engine looks at
//! the clock through its listener. loom and shuttle cannot be interrupted, only told a number of
//! executions; so they are run a little first, and then get as many as fit at that speed.

mod show;

use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use selvedge_core::{Engine, Limits, Progress, Report, Scenario, Search, Verdict};

use crate::cli::Compare;
use crate::progress::Line;

/// Executions by which the speed of loom and of shuttle is measured.
const SAMPLE: u64 = 1_000;

/// An engine, and how it searches if it can do so in several ways.
#[derive(Clone, Copy)]
struct Contestant {
    engine: Engine,
    search: Option<Search>,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.engine)?;
        self.search.map_or(Ok(()), |search| write!(f, " {}", search.as_str()))
    }
}

/// What a contestant came to.
struct Run {
    contestant: Contestant,
    report: Report,
    elapsed: Duration,
    /// Whether a limit of ours ended it.
    limited: bool,
}

/// How many times faster than loom.
#[derive(Clone, Copy)]
enum Faster {
    Exactly(f64),
    /// loom was stopped.
    AtLeast(f64),
}

impl Faster {
    fn ratio(self) -> f64 {
        match self {
            Self::Exactly(ratio) | Self::AtLeast(ratio) => ratio,
        }
    }
}

impl fmt::Display for Faster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::AtLeast(_) = self {
            f.write_str("> ")?;
        }
        let decimals = if self.ratio() < 10.0 { 1 } else { 0 };
        write!(f, "{:.decimals$}x", self.ratio())
    }
}

/// Compares on each of the scenarios; whether no verdict contradicts a claim.
pub(crate) fn compare(
    scenarios: &[&Scenario],
    options: &Compare,
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut none_contradicts = true;
    for scenario in scenarios {
        let runs = contestants().map(|contestant| run(scenario, contestant, options));
        let runs: Vec<Run> = runs.collect();
        none_contradicts &= runs.iter().all(|run| !run.contradicts(scenario));
        if options.json {
            show::json(scenario, &runs, out)?;
        } else {
            show::table(scenario, &runs, out)?;
        }
        out.flush()?;
    }
    Ok(none_contradicts)
}

fn contestants() -> impl Iterator<Item = Contestant> {
    let native = Search::ALL.iter().map(|search| (Engine::Native, Some(*search)));
    let others = Engine::ALL.iter().filter(|engine| **engine != Engine::Native);
    let all = native.chain(others.map(|engine| (*engine, None)));
    all.map(|(engine, search)| Contestant { engine, search })
}

fn run(scenario: &Scenario, contestant: Contestant, options: &Compare) -> Run {
    let seconds = Duration::from_secs(options.seconds_max);
    let executions = options.executions_max.unwrap_or(u64::MAX);
    if contestant.engine == Engine::Native {
        return run_once(scenario, contestant, executions, seconds);
    }
    let sample = run_once(scenario, contestant, executions.min(SAMPLE), Duration::MAX);
    if !sample.limited || executions <= SAMPLE {
        return sample;
    }
    let affordable = SAMPLE as f64 * seconds.as_secs_f64() / sample.elapsed.as_secs_f64();
    run_once(scenario, contestant, executions.min(affordable as u64), Duration::MAX)
}

fn run_once(scenario: &Scenario, contestant: Contestant, executions: u64, time: Duration) -> Run {
    let mut limits = Limits::default();
    limits.search = contestant.search.unwrap_or_default();
    limits.native_executions = executions;
    limits.shuttle_executions = executions;
    let scenario = scenario.clone().loom_executions_max(executions);
    let line = Line::new(&scenario);
    let started = Instant::now();
    let mut listener = |progress: Progress<'_>| {
        line.update(&progress);
        match started.elapsed() < time {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(format!("stopped after {} s, the limit", time.as_secs())),
        }
    };
    let report = scenario.verify_with(contestant.engine, &limits, &mut listener);
    let elapsed = started.elapsed();
    let open = matches!(report.verdict, Verdict::Inconclusive { .. });
    let limited = open && (report.executions >= executions || elapsed >= time);
    Run { contestant, report, elapsed, limited }
}

impl Run {
    fn decided(&self) -> bool {
        !matches!(self.report.verdict, Verdict::Inconclusive { .. })
    }

    /// Whether this cannot be true if what the scenario claims is. Some searches find one
    /// violation of several, which is no contradiction.
    fn contradicts(&self, scenario: &Scenario) -> bool {
        !scenario.claim_on(self.contestant.engine).admits(&self.report.verdict)
    }

    /// Known if this came to a verdict, and loom to one too or to its limit.
    fn faster_than(&self, loom: &Run) -> Option<Faster> {
        let ratio = loom.elapsed.as_secs_f64() / self.elapsed.as_secs_f64();
        match (self.decided(), loom.decided()) {
            (true, true) => Some(Faster::Exactly(ratio)),
            (true, false) if loom.limited => Some(Faster::AtLeast(ratio)),
            _ => None,
        }
    }
}

fn loom(runs: &[Run]) -> Option<&Run> {
    runs.iter().find(|run| run.contestant.engine == Engine::Loom)
}

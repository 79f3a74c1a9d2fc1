//! `selvedge compare`: every engine and every search on the same scenario, in one run.
//!
//! Each has the same limit of time, and reports how far it got.

mod show;

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use selvedge_core::{Checker, Engine, Incomplete, Report, Scenario, Search, Verdict};

use crate::cli::Compare;
use crate::progress;

/// An engine, and its search if it has several.
#[derive(Clone, Copy)]
struct Contestant {
    engine: Engine,
    search: Option<Search>,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.engine)?;
        self.search.map_or(Ok(()), |search| write!(f, " {search}"))
    }
}

/// The result of a contestant.
struct Run {
    contestant: Contestant,
    report: Report,
    elapsed: Duration,
}

/// How many times faster than loom a run was.
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

/// Compares on each of the scenarios, and returns whether no verdict contradicts an expectation.
pub(crate) fn compare(
    scenarios: &[Scenario],
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
    let checker = Checker::new(contestant.engine)
        .search(contestant.search.unwrap_or_default())
        .executions(options.executions_max.unwrap_or(u64::MAX))
        .time_limit(Duration::from_secs(options.seconds_max));
    let started = Instant::now();
    let report = progress::explore(scenario, checker);
    Run { contestant, report, elapsed: started.elapsed() }
}

impl Run {
    fn decided(&self) -> bool {
        !matches!(self.report.verdict, Verdict::Inconclusive { .. })
    }

    /// Whether a limit ended it.
    fn limited(&self) -> bool {
        matches!(
            self.report.verdict,
            Verdict::Inconclusive {
                reason: Incomplete::Executions { .. } | Incomplete::Time { .. }
            }
        )
    }

    /// Whether the verdict and the scenario's expectation cannot both be true. A search that finds
    /// one violation of several does not contradict it.
    fn contradicts(&self, scenario: &Scenario) -> bool {
        !scenario.claim_on(self.contestant.engine).admits(&self.report.verdict)
    }

    /// Returns the ratio, if this has a verdict and loom has one or reached its limit.
    fn faster_than(&self, loom: &Run) -> Option<Faster> {
        let ratio = loom.elapsed.as_secs_f64() / self.elapsed.as_secs_f64();
        match (self.decided(), loom.decided()) {
            (true, true) => Some(Faster::Exactly(ratio)),
            (true, false) if loom.limited() => Some(Faster::AtLeast(ratio)),
            _ => None,
        }
    }
}

fn loom(runs: &[Run]) -> Option<&Run> {
    runs.iter().find(|run| run.contestant.engine == Engine::Loom)
}

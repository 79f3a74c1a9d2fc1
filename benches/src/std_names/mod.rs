//! Programs of ordinary Rust, as the tests of crates have them for loom, on loom and on Selvedge:
//! one source under two sets of names.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::selvedge_core::std::model;
use ::selvedge_core::{Checker, Verdict};

mod on_loom;
mod on_selvedge;

/// What a checker says of a program.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// `proved`, `refuted`, or why neither.
    pub verdict: String,
    /// The number of executions.
    pub executions: u64,
    /// How long it took.
    pub time: Duration,
}

/// A program with what each checker says of it.
#[derive(Debug)]
pub struct Row {
    /// The name of the program.
    pub name: &'static str,
    /// What is wrong with it, if anything is.
    pub bug: Option<&'static str>,
    /// What Selvedge says.
    pub selvedge: Outcome,
    /// What loom says.
    pub loom: Outcome,
}

/// Runs every program whose name contains `pattern` on Selvedge, for at most `limit` each. `loom`
/// returns what loom says of the program with a number, as [`on_loom_alone`] does.
pub fn rows(
    pattern: &str,
    limit: Duration,
    loom: impl Fn(usize) -> Outcome,
) -> impl Iterator<Item = Row> {
    let programs = on_selvedge::programs::all().into_iter().enumerate();
    programs.filter(move |(_, program)| program.name.contains(pattern)).map(
        move |(number, program)| {
            let (name, bug) = (program.name, program.bug);
            Row { name, bug, selvedge: on_selvedge(program.run, limit), loom: loom(number) }
        },
    )
}

/// Runs the program with this number on loom, for at most `limit`. loom may abort the process,
/// where it panics a second time while it unwinds.
///
/// # Panics
///
/// If there is no such program.
pub fn on_loom_alone(number: usize, limit: Duration) -> Outcome {
    let program = on_loom::programs::all().swap_remove(number);
    let mut outcome = on_loom(program.run, limit);
    if outcome.verdict == "proved" && program.bug.is_some() {
        outcome.verdict = format!("proved, though {} has a bug", program.name);
    }
    outcome
}

fn on_selvedge(run: Box<dyn Fn() + Send + Sync>, limit: Duration) -> Outcome {
    let started = Instant::now();
    let report = Checker::native().time_limit(limit).run(&model::scenario("program", run));
    let verdict = match &report.verdict {
        Verdict::Inconclusive { reason } => reason.to_string(),
        decided => decided.as_str().to_owned(),
    };
    Outcome { verdict, executions: report.executions, time: started.elapsed() }
}

fn on_loom(run: Box<dyn Fn() + Send + Sync>, limit: Duration) -> Outcome {
    let executions = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    builder.max_duration = Some(limit);
    builder.checkpoint_interval = 100;
    let started = Instant::now();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let checked = panic::catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            run();
        });
    }));
    panic::set_hook(hook);
    let time = started.elapsed();
    let verdict = match checked {
        Err(_) => "refuted",
        // loom returns without an error when its time is over.
        Ok(()) if time >= limit => "the time is over",
        Ok(()) => "proved",
    };
    Outcome { verdict: verdict.to_owned(), executions: executions.load(Ordering::Relaxed), time }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_proved_and_refuted_with_its_bug() {
        for program in on_selvedge::programs::all() {
            let (name, bug) = (program.name, program.bug);
            let report = Checker::native().run(&model::scenario(name, program.run));
            let expected = if bug.is_some() { "refuted" } else { "proved" };
            assert_eq!(report.verdict.as_str(), expected, "{name} ({bug:?}): {report}");
        }
    }
}

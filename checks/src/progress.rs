//! The progress bar on standard error, if that is a terminal.

use std::cell::OnceCell;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use selvedge_core::{Checker, Progress, Report, Scenario};

use crate::interrupt;

/// How long a search is silent. Most end before.
const SILENT: Duration = Duration::from_millis(300);

/// Shows the progress of a search until it is dropped.
pub(crate) struct Bar {
    name: String,
    since: Instant,
    bar: OnceCell<ProgressBar>,
}

impl Bar {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self { name: scenario.name().to_owned(), since: Instant::now(), bar: OnceCell::new() }
    }

    pub(crate) fn update(&self, progress: &Progress<'_>) {
        let elapsed = self.since.elapsed();
        if elapsed >= SILENT {
            let bar = self.bar.get_or_init(|| start(&self.name));
            bar.set_message(message(progress, elapsed));
        }
    }
}

/// Explores a scenario, and shows the progress.
pub(crate) fn explore(scenario: &Scenario, checker: Checker<'static>) -> Report {
    let bar = Bar::new(scenario);
    let listener = |progress: &Progress<'_>| {
        bar.update(progress);
        interrupt::reason().map_or(ControlFlow::Continue(()), ControlFlow::Break)
    };
    checker.on_progress(listener).run(scenario)
}

/// Starts a line that is cut off at the width of the terminal.
fn start(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} [{elapsed}] {prefix} {wide_msg}");
    let bar = ProgressBar::new_spinner()
        .with_style(style.expect("the template is well-formed"))
        .with_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

fn message(progress: &Progress<'_>, elapsed: Duration) -> String {
    let per_second = |count: u64| HumanCount((count as f64 / elapsed.as_secs_f64()) as u64);
    let mut parts = match progress.states {
        Some(states) => vec![format!("{} states, {}/s", HumanCount(states), per_second(states))],
        None => {
            let executions = progress.executions;
            vec![format!("{} executions, {}/s", HumanCount(executions), per_second(executions))]
        }
    };
    parts.extend(progress.depth.map(|depth| format!("depth {depth}")));
    parts.extend(progress.frontier.map(|open| format!("{} in the frontier", HumanCount(open))));
    parts.extend(progress.explored.map(|part| format!("{:.1} % explored", part * 100.0)));
    parts.extend(progress.memory.map(|bytes| ByteSize(bytes).to_string()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_what_an_engine_reports() {
        let mut progress = Progress::default();
        progress.executions = 12_345;
        let elapsed = Duration::from_secs(2);
        assert_eq!(message(&progress, elapsed), "12,345 executions, 6,172/s");
        progress.states = Some(10_000);
        progress.depth = Some(17);
        progress.frontier = Some(2_500);
        progress.explored = Some(0.75);
        progress.memory = Some(3 << 20);
        assert_eq!(
            message(&progress, elapsed),
            "10,000 states, 5,000/s, depth 17, 2,500 in the frontier, 75.0 % explored, 3.0 MiB"
        );
    }
}

//! The live line on standard error; none where that is no terminal.

use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use selvedge_core::{Progress, Scenario};

/// Shows how far the exploration of `scenario` has come, until it is dropped.
pub(crate) fn listener(scenario: &Scenario) -> impl FnMut(Progress) -> ControlFlow<String> + use<> {
    let line = Line::new(scenario.name());
    move |progress| {
        line.update(progress);
        ControlFlow::Continue(())
    }
}

struct Line(ProgressBar);

impl Line {
    fn new(name: &str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {prefix} {msg} [{elapsed}]");
        let bar = ProgressBar::new_spinner()
            .with_style(style.expect("the template is well-formed"))
            .with_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    fn update(&self, progress: Progress) {
        let states = progress.states.map_or(String::new(), |n| format!(", {n} states"));
        let open = progress.frontier.map_or(String::new(), |n| format!(", {n} branches open"));
        self.0.set_message(format!("{} executions{states}{open}", progress.executions));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

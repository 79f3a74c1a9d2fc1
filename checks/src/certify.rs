//! `selvedge certify`.

use std::io::{self, Write};
use std::ops::ControlFlow;

use selvedge_core::{Checker, Progress, Scenario, Verdict};

use crate::app::{Outcome, complain};
use crate::progress::Bar;
use crate::{half_of_free_memory, interrupt};

/// Writes the certificate of a scenario, if it is proved.
pub(crate) fn certify(scenario: &Scenario, out: &mut impl Write) -> io::Result<Outcome> {
    interrupt::listen();
    let bar = Bar::new(scenario);
    let listener = |progress: &Progress<'_>| {
        bar.update(progress);
        interrupt::reason().map_or(ControlFlow::Continue(()), ControlFlow::Break)
    };
    let checker = Checker::native().memory_limit(half_of_free_memory()).on_progress(listener);
    let certificate = checker.certificate(scenario);
    drop(bar);
    let mut outcome = Outcome::default();
    match certificate {
        Ok(certificate) => write!(out, "{certificate}")?,
        Err(verdict) => {
            let why = match &verdict {
                Verdict::Inconclusive { reason } => format!("inconclusive: {reason}"),
                verdict => format!("{}, which `selvedge explain` shows", verdict.as_str()),
            };
            complain(&format!("{} has no certificate: {why}", scenario.name()));
            outcome.note(false, matches!(verdict, Verdict::Inconclusive { .. }));
        }
    }
    Ok(outcome)
}

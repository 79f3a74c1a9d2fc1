//! What a verdict rests on: the counterexamples, and the predictions.

use std::io::{self, Write};

use selvedge_core::{
    Checker, Classification, Counterexample, Prediction, Report, Scenario, Verdict,
};

use crate::lanes::Layout;
use crate::show;

/// Writes the verdict with these of its counterexamples, each with the command that replays it, and
/// the predictions.
pub(crate) fn findings(
    scenario: &Scenario,
    report: &Report,
    found: &[&Counterexample],
    layout: Layout,
    replay: &dyn Fn(&Counterexample) -> String,
    out: &mut impl Write,
) -> io::Result<()> {
    let engine = report.engine;
    match &report.verdict {
        Verdict::Refuted(_) => {}
        Verdict::Proved(fingerprint) => match (fingerprint.states, fingerprint.views) {
            (_, Some(views)) => {
                let text = "and so does no number of threads";
                writeln!(out, "Proved: none of {views} views violates anything, {text}.")?;
            }
            (Some(states), None) => {
                writeln!(out, "Proved: none of its {states} states violates anything.")?;
            }
            (None, None) => {
                writeln!(out, "Proved on {engine}: none of its interleavings violates anything.")?
            }
        },
        Verdict::Inconclusive { reason } => writeln!(out, "Inconclusive: {reason}.")?,
    }
    for counterexample in found {
        show::counterexample(counterexample, layout, out)?;
        match scenario.replay(&counterexample.schedule).is_ok() {
            true => writeln!(out, "\nReplay: {}", replay(counterexample))?,
            false => writeln!(out, "\nFound on {engine}, in weak memory. It has no replay.")?,
        }
    }
    for prediction in &report.predictions {
        show::prediction(prediction, out)?;
        if prediction.classification == Classification::Infeasible {
            obstacles(scenario, prediction, out)?;
        }
    }
    Ok(())
}

/// Writes why no threads deadlock on a predicted inversion.
fn obstacles(scenario: &Scenario, prediction: &Prediction, out: &mut impl Write) -> io::Result<()> {
    match Checker::native().obstacles(scenario, &prediction.inversion) {
        Ok(obstacles) => obstacles.iter().try_for_each(|obstacle| writeln!(out, "{obstacle}")),
        Err(reason) => writeln!(out, "Why is not known: {reason}."),
    }
}

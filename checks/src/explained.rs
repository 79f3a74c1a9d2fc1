//! What a verdict rests on: the counterexamples, and the predictions.

use std::io::{self, Write};

use selvedge_core::{Counterexample, Engine, Report, Verdict};

use crate::show;

/// Writes the verdict with its counterexamples, each with the command that replays it, and the
/// predictions.
pub(crate) fn findings(
    report: &Report,
    replay: &dyn Fn(&Counterexample) -> String,
    out: &mut impl Write,
) -> io::Result<()> {
    let engine = report.engine;
    match &report.verdict {
        Verdict::Refuted(found) => {
            for counterexample in found {
                show::counterexample(counterexample, out)?;
                match engine {
                    Engine::Loom => {
                        writeln!(out, "\nFound on {engine}, whose interleavings have no replay.")?
                    }
                    _ => writeln!(out, "\nReplay: {}", replay(counterexample))?,
                }
            }
        }
        Verdict::Proved(fingerprint) => match fingerprint.states {
            Some(states) => {
                writeln!(out, "Proved: none of its {states} states violates anything.")?;
            }
            None => {
                writeln!(out, "Proved on {engine}: none of its interleavings violates anything.")?
            }
        },
        Verdict::Inconclusive { reason } => writeln!(out, "Inconclusive: {reason}.")?,
    }
    for prediction in &report.predictions {
        show::prediction(prediction, out)?;
    }
    Ok(())
}

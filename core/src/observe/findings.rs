//! The violations that a search has found.

use std::collections::BTreeMap;

use crate::schedule::Schedule;
use crate::violation::{Violation, ViolationKind};

use super::lockdep::is_of;
use super::{Observers, Trace};

/// An interleaving with a violation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counterexample {
    /// The violation.
    pub violation: Violation,
    /// The interleaving, which can be replayed.
    pub schedule: Schedule,
    /// The operations of the execution.
    pub trace: Trace,
}

/// The shortest counterexample for each kind of violation.
#[derive(Default)]
pub(crate) struct Findings(pub(crate) BTreeMap<ViolationKind, Counterexample>);

impl Findings {
    /// Keeps the violation of the execution that `seen` has observed, if it is new or shorter than
    /// the known one. A trace is expensive, so it is made only then.
    pub(crate) fn note(&mut self, violation: Violation, seen: &Observers) {
        let known = self.0.get(&violation.kind);
        if known.is_none_or(|known| seen.steps() < known.schedule.len()) {
            let kind = violation.kind.clone();
            let (schedule, trace) = (seen.schedule(), seen.trace());
            self.0.insert(kind, Counterexample { violation, schedule, trace });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the findings of another search, where they are new or shorter.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (kind, found) in other.0 {
            let known = self.0.get(&kind);
            if known.is_none_or(|known| found.schedule.len() < known.schedule.len()) {
                self.0.insert(kind, found);
            }
        }
    }

    /// Returns the counterexamples' schedules.
    pub(crate) fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        self.0.values().map(|found| &found.schedule)
    }

    /// Returns the counterexamples' schedules, each with its violation.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Schedule, String)> {
        self.0.iter().map(|(kind, found)| (found.schedule.clone(), kind.to_string()))
    }

    /// Returns the number of operations of the shortest counterexample.
    pub(crate) fn shortest(&self) -> Option<usize> {
        self.0.values().map(|found| found.schedule.len()).min()
    }

    /// Returns a deadlock on the inversion `classes`, one of those `predicted`.
    pub(crate) fn deadlock(
        &self,
        classes: &[String],
        predicted: &[Vec<String>],
    ) -> Option<&Counterexample> {
        let is_of = |kind: &ViolationKind| match kind {
            ViolationKind::Deadlock(found) => is_of(found, classes, predicted),
            _ => false,
        };
        let exact = ViolationKind::Deadlock(classes.to_vec());
        let found = self.0.iter().filter(|(kind, _)| is_of(kind));
        found.max_by_key(|(kind, _)| *kind == &exact).map(|(_, found)| found)
    }
}

//! The violations that a search has found.

use std::collections::BTreeMap;

use crate::schedule::Schedule;
use crate::violation::{Violation, ViolationKind};

use super::{Observers, Trace};

/// An ordering that violates something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counterexample {
    /// What it violates.
    pub violation: Violation,
    /// The ordering, to be replayed.
    pub schedule: Schedule,
    /// What happens in it.
    pub trace: Trace,
}

/// The shortest counterexample for each kind of violation.
#[derive(Default)]
pub(crate) struct Findings(pub(crate) BTreeMap<ViolationKind, Counterexample>);

impl Findings {
    /// Keeps the violation of the execution that `seen` has watched, if it is new or shorter
    /// than the one known. Making a trace is dear, so it is made only then.
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

    /// Takes over what another search has found, where it is new or shorter.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (kind, found) in other.0 {
            let known = self.0.get(&kind);
            if known.is_none_or(|known| found.schedule.len() < known.schedule.len()) {
                self.0.insert(kind, found);
            }
        }
    }

    /// The counterexamples' schedules.
    pub(crate) fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        self.0.values().map(|found| &found.schedule)
    }

    /// The counterexamples' schedules, each with what it violates.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Schedule, String)> {
        self.0.iter().map(|(kind, found)| (found.schedule.clone(), kind.to_string()))
    }

    /// How many operations the shortest counterexample has.
    pub(crate) fn shortest(&self) -> Option<usize> {
        self.0.values().map(|found| found.schedule.len()).min()
    }

    pub(crate) fn deadlock(&self, classes: &[String]) -> Option<&Counterexample> {
        self.0.get(&ViolationKind::Deadlock(classes.to_vec()))
    }
}

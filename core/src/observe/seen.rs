//! What is observed over all executions of a program.

use crate::search::Engine;

use super::calls::{Call, Calls};
use super::coverage::{Coverage, Site};
use super::empty::EmptySections;
use super::lockdep::{Dependency, Inversion, Lockdep};
use super::preconditions::Used;

/// Everything that is observed over all executions.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(super) lockdep: Lockdep,
    pub(super) coverage: Coverage,
    pub(super) calls: Calls,
    pub(super) empty: EmptySections,
    pub(super) used: Used,
    /// Whether a thread relied on less than sequential consistency.
    weak: bool,
}

impl Seen {
    /// Adds what other executions of the program have shown.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.lockdep.absorb(&other.lockdep);
        self.coverage.absorb(&other.coverage);
        self.calls.absorb(&other.calls);
        self.empty.absorb(&other.empty);
        self.used.absorb(&other.used);
        self.weak |= other.weak;
    }

    /// Notes that an access asked for less than sequential consistency.
    pub(crate) fn note_weak(&mut self) {
        self.weak = true;
    }

    /// Returns whether an access asked for less than sequential consistency.
    pub(crate) fn weak(&self) -> bool {
        self.weak
    }

    /// Returns the inversions of the lock order.
    pub(crate) fn inversions(&self) -> Vec<Inversion> {
        self.lockdep.inversions()
    }

    /// Returns which class was wanted while which was held.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        self.lockdep.dependencies()
    }

    /// Returns the assumptions of a verdict of `engine`.
    pub(crate) fn given(&self, engine: Engine) -> Vec<&'static str> {
        self.used.given(engine, self.weak)
    }

    /// Notes that a thread makes several calls that carry nothing over.
    pub(crate) fn note_calls(&mut self) {
        self.used.calls();
    }

    /// Returns the remarks on the program, which accompany a verdict.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.empty.remarks()
    }

    /// Returns the lines whose operations have happened.
    pub(crate) fn sites(&self) -> Vec<Site> {
        self.coverage.sites()
    }

    /// Returns the calls of the modelled functions.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.calls()
    }
}

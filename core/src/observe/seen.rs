//! What is observed over all executions of a program.

use crate::operations::Assumption;
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
    memory: MemoryUse,
}

/// The use that a program makes of the memory of words. Of a program of which nothing is known none
/// is assumed: what is sequentially consistent is possible in any memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct MemoryUse {
    /// Some access of a word asks for less than sequential consistency. Otherwise the words need no
    /// memory: RC11 without such accesses is sequential consistency.
    pub(crate) words: bool,
    /// It has sequentially consistent fences or accesses, which relate all words.
    pub(crate) total: bool,
    /// It has such accesses.
    pub(crate) accesses: bool,
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
        self.memory.words |= other.memory.words;
        self.memory.total |= other.memory.total;
        self.memory.accesses |= other.memory.accesses;
    }

    /// Notes something that a verdict takes for granted.
    pub(crate) fn assume(&mut self, assumption: Assumption) {
        self.used.assume(assumption);
    }

    /// Notes that an access asked for less than sequential consistency.
    pub(crate) fn note_weak(&mut self) {
        self.weak = true;
    }

    /// Returns whether an access asked for less than sequential consistency.
    pub(crate) fn weak(&self) -> bool {
        self.weak
    }

    /// Returns the use of the memory of words.
    pub(crate) fn memory(&self) -> MemoryUse {
        self.memory
    }

    pub(crate) fn memory_mut(&mut self) -> &mut MemoryUse {
        &mut self.memory
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

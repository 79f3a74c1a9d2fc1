//! The lines of a model that have performed an operation.
//!
//! A proof of a model that never reaches its critical section proves nothing. The place of each
//! operation is therefore recorded, over all executions.

use rustc_hash::FxHashMap;

use super::lockdep::{Line, Taken};

/// A line that has called an operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Site {
    /// The file, by the path that the compiler was given.
    pub file: &'static str,
    /// The line in it, from 1.
    pub line: u32,
    /// The modelled kernel function that the operation was part of, if the model named one.
    pub function: Option<&'static str>,
}

/// The lines whose operations have happened. By address: the same line has few.
#[derive(Debug, Default)]
pub(super) struct Coverage(FxHashMap<Key, Taken>);

/// What tells two places apart.
type Key = (usize, Option<Line>, Option<&'static str>);

impl Coverage {
    pub(super) fn reach(&mut self, taken: Taken) {
        let key = (std::ptr::from_ref(taken.at).addr(), taken.line, taken.function);
        self.0.insert(key, taken);
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    pub(super) fn sites(&self) -> Vec<Site> {
        let site = |taken: &Taken| Site {
            file: taken.file(),
            line: taken.line_number(),
            function: taken.function,
        };
        let mut sites: Vec<Site> = self.0.values().map(site).collect();
        sites.sort();
        sites.dedup();
        sites
    }
}

//! A cycle of dependencies, which is what lockdep reports.

use std::collections::BTreeMap;

use crate::violation::sorted_classes;

use super::{Context, Mode, Taken};

/// One dependency of a cycle: `wanted` was wanted while `held` was held.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Link {
    /// The task in which it was observed.
    pub task: String,
    /// The class that was held, and the place where it was taken.
    pub held: (String, Taken),
    /// The class that was wanted, and the place.
    pub wanted: (String, Taken),
    /// The modes in which the one was held and the other wanted.
    pub modes: (Mode, Mode),
    /// The kind of the interrupt that wants it, if it interrupts the task that holds the other.
    pub interrupt: Option<Context>,
    /// Whether that interrupt arrives in the threads of the scenario. A callback of RCU runs on an
    /// idle CPU alone, so no search decides what it does in a thread.
    pub arrives: bool,
}

/// A cycle of dependencies.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Inversion {
    /// The dependencies, each of which begins with the class at which the one before ends.
    pub links: Vec<Link>,
    /// How each class on the cycle is used, as in the kernel's reports: `{+.+.}-{4:4}`.
    pub usage: BTreeMap<String, String>,
}

impl Inversion {
    /// Returns the classes on the cycle, sorted, as its name.
    pub fn classes(&self) -> Vec<String> {
        sorted_classes(self.links.iter().map(|link| link.held.0.clone()))
    }
}

/// Returns whether a deadlock on the classes `deadlock` is one of the inversion `classes`: it has
/// these classes, or, if no inversion is `predicted` with its own, it skips some of these.
pub(crate) fn is_of(deadlock: &[String], classes: &[String], predicted: &[Vec<String>]) -> bool {
    let skips = || deadlock.len() > 1 && deadlock.iter().all(|class| classes.contains(class));
    deadlock == classes || (skips() && !predicted.iter().any(|other| other == deadlock))
}

//! What is claimed of a scenario, and whether what was found is that.

use std::fmt;

use crate::violation::ViolationKind;

/// What is claimed of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// No ordering violates anything.
    Proved,
    /// Some ordering violates this, and none anything else.
    Refuted(Vec<ViolationKind>),
    /// The engine cannot tell; the reason is in the verdict.
    Inconclusive,
}

impl Expected {
    /// `proved`, `refuted` or `inconclusive`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Refuted(_) => "refuted",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        if let Self::Refuted(kinds) = self {
            let kinds: Vec<String> = kinds.iter().map(ViolationKind::to_string).collect();
            write!(f, " by {}", kinds.join(" and "))?;
        }
        Ok(())
    }
}

/// What an engine is held to.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What it is expected to find.
    pub(crate) of_engine: Expected,
    /// What is true of the scenario, whatever an engine can tell.
    pub(crate) of_scenario: Expected,
    /// The inversions that are predicted and cannot happen.
    pub(crate) inversions: Vec<Vec<String>>,
}

/// What was found, by an engine or by several that shared the work.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// What is violated, each kind once.
    pub violations: Vec<&'a ViolationKind>,
    /// The predicted lock-order inversions, by their classes.
    pub inversions: Vec<Vec<String>>,
    /// Whether every ordering was explored.
    pub complete: bool,
    /// Whether a search like this one, when it is complete, has found every kind of violation.
    pub thorough: bool,
}

impl Claim {
    /// What the engine is expected to find.
    pub fn expected(&self) -> &Expected {
        &self.of_engine
    }

    /// Whether the outcome is what was claimed: for a refuted scenario these very violations, and
    /// the predicted inversions too. A search that finds a violation, but not every kind, is held
    /// to those it finds.
    pub fn fits(&self, outcome: &Outcome<'_>) -> bool {
        let found = &outcome.violations;
        let verdict = match self.held_to(outcome) {
            Expected::Proved => found.is_empty() && outcome.complete,
            Expected::Inconclusive => found.is_empty() && !outcome.complete,
            Expected::Refuted(kinds) => {
                let all = outcome.complete && found.len() == kinds.len();
                !found.is_empty() && (all || !outcome.thorough)
            }
        };
        let predicted = |classes: &Vec<String>| outcome.inversions.contains(classes);
        let predictions = !outcome.complete || self.inversions.iter().all(predicted);
        verdict && predictions && self.allows(outcome)
    }

    /// Whether nothing was found that is against the claim: every violation is claimed, and every
    /// inversion either expected or one of the claimed deadlocks.
    pub fn allows(&self, outcome: &Outcome<'_>) -> bool {
        let claimed = |claim: &Expected, kind: &ViolationKind| match claim {
            Expected::Refuted(kinds) => kinds.contains(kind),
            Expected::Proved | Expected::Inconclusive => false,
        };
        let held_to = self.held_to(outcome);
        // An engine that is not expected to come to a deadlock may well predict it.
        let known = |classes: &Vec<String>| {
            self.inversions.contains(classes)
                || claimed(&self.of_scenario, &ViolationKind::Deadlock(classes.clone()))
        };
        outcome.violations.iter().all(|kind| claimed(held_to, kind))
            && outcome.inversions.iter().all(known)
    }

    /// An engine that was not expected to come to an end, and does, is held to what is true.
    fn held_to(&self, outcome: &Outcome<'_>) -> &Expected {
        match self.of_engine {
            Expected::Inconclusive if outcome.complete || !outcome.violations.is_empty() => {
                &self.of_scenario
            }
            _ => &self.of_engine,
        }
    }
}

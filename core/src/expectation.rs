//! What is expected of a scenario, and whether a result is that.

use std::fmt;

use crate::observe::lockdep::is_of;
use crate::report::Verdict;
use crate::violation::ViolationKind;

/// What is expected of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Expectation {
    /// No interleaving violates anything.
    Proved,
    /// These violations are reachable, and no other is.
    Refuted(Vec<ViolationKind>),
    /// These violations are reachable, and others may be.
    RefutedAtLeast(Vec<ViolationKind>),
    /// The engine cannot decide; the reason is in the verdict.
    Inconclusive,
    /// Nothing: every result is as expected.
    Unstated,
}

impl Expectation {
    /// Returns `proved`, `refuted`, `inconclusive` or `unstated`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Refuted(_) | Self::RefutedAtLeast(_) => "refuted",
            Self::Inconclusive => "inconclusive",
            Self::Unstated => "unstated",
        }
    }

    /// Returns the violations that are expected; none unless the scenario is to be refuted.
    pub fn violations(&self) -> &[ViolationKind] {
        match self {
            Self::Refuted(kinds) | Self::RefutedAtLeast(kinds) => kinds,
            Self::Proved | Self::Inconclusive | Self::Unstated => &[],
        }
    }

    /// Whether a violation is one that may be found.
    fn allows(&self, kind: &ViolationKind) -> bool {
        match self {
            Self::Refuted(kinds) => kinds.contains(kind),
            Self::RefutedAtLeast(_) | Self::Unstated => true,
            Self::Proved | Self::Inconclusive => false,
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        let word = match self {
            Self::Refuted(_) => "by",
            Self::RefutedAtLeast(_) => "at least by",
            _ => return Ok(()),
        };
        let kinds: Vec<String> = self.violations().iter().map(ViolationKind::to_string).collect();
        write!(f, " {word} {}", kinds.join(" and "))
    }
}

/// The expectation that a result of an engine must match.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The expectation of the engine.
    pub(crate) of_engine: Expectation,
    /// The expectation of the scenario, whatever an engine can decide.
    pub(crate) of_scenario: Expectation,
    /// The inversions that are predicted and cannot happen.
    pub(crate) inversions: Vec<Vec<String>>,
}

/// A result, of one engine or of several that shared the work.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// The violations, each kind once.
    pub violations: Vec<&'a ViolationKind>,
    /// The predicted lock-order inversions, by their classes.
    pub inversions: Vec<Vec<String>>,
    /// Whether every interleaving was explored.
    pub complete: bool,
    /// Whether a search like this one finds every kind of violation when it is complete.
    pub thorough: bool,
}

impl Claim {
    /// Returns the expectation of the engine.
    pub fn expected(&self) -> &Expectation {
        &self.of_engine
    }

    /// Whether the result matches: for a refuted scenario these violations, and the predicted
    /// inversions. A search that does not find every kind must match in those that it finds.
    pub fn fits(&self, result: &Found<'_>) -> bool {
        let found = &result.violations;
        let verdict = match self.expected_of(result) {
            Expectation::Unstated => return true,
            Expectation::Proved => found.is_empty() && result.complete,
            Expectation::Inconclusive => found.is_empty() && !result.complete,
            Expectation::Refuted(kinds) => {
                let all = result.complete && found.len() == kinds.len();
                !found.is_empty() && (all || !result.thorough)
            }
            Expectation::RefutedAtLeast(kinds) => {
                let all = kinds.iter().all(|kind| found.contains(&kind));
                all || (!result.thorough && kinds.iter().any(|kind| found.contains(&kind)))
            }
        };
        let predicted = |classes: &Vec<String>| result.inversions.contains(classes);
        let predictions = !result.complete || self.inversions.iter().all(predicted);
        verdict && predictions && self.allows(result)
    }

    /// Whether nothing was found that contradicts the expectation: every violation is expected, and
    /// every inversion is expected or one of the expected deadlocks.
    pub fn allows(&self, result: &Found<'_>) -> bool {
        let expected = self.expected_of(result);
        // An engine that is not expected to reach a deadlock may well predict it.
        let known = |classes: &Vec<String>| {
            let deadlock = |kind: &ViolationKind| match kind {
                ViolationKind::Deadlock(of) => is_of(of, classes, &result.inversions),
                _ => false,
            };
            self.inversions.contains(classes)
                || self.of_scenario.allows(&ViolationKind::Deadlock(classes.clone()))
                || self.of_scenario.violations().iter().any(deadlock)
        };
        result.violations.iter().all(|kind| expected.allows(kind))
            && result.inversions.iter().all(known)
    }

    /// Whether the verdict of any engine and the expectation can both be true. To find one
    /// violation of several does not contradict it.
    pub fn admits(&self, verdict: &Verdict) -> bool {
        match (verdict, &self.of_scenario) {
            (Verdict::Inconclusive { .. }, _) | (_, Expectation::Unstated) => true,
            (Verdict::Proved(_), expected) => *expected == Expectation::Proved,
            (Verdict::Refuted(found), expected) => {
                found.iter().all(|found| expected.allows(&found.violation.kind))
            }
        }
    }

    /// Returns what a result must match. An engine that was not expected to decide, and does, must
    /// match the expectation of the scenario.
    fn expected_of(&self, result: &Found<'_>) -> &Expectation {
        match self.of_engine {
            Expectation::Inconclusive if result.complete || !result.violations.is_empty() => {
                &self.of_scenario
            }
            _ => &self.of_engine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn abba() -> ViolationKind {
        ViolationKind::deadlock(["A", "B"])
    }

    fn claim(of_engine: Expectation, of_scenario: Expectation) -> Claim {
        Claim { of_engine, of_scenario, inversions: vec![vec!["B".into(), "C".into()]] }
    }

    fn refuted(kinds: &[ViolationKind]) -> Expectation {
        Expectation::Refuted(kinds.to_vec())
    }

    /// What was found, by a search that finds every kind, with the inversion that is expected.
    fn found<'a>(violations: &[&'a ViolationKind], complete: bool) -> Found<'a> {
        let inversions = vec![vec!["B".into(), "C".into()]];
        Found { violations: violations.to_vec(), inversions, complete, thorough: true }
    }

    #[test]
    fn a_proof_fits_only_if_all_was_explored_and_nothing_is_violated() {
        let proved = claim(Expectation::Proved, Expectation::Proved);
        assert!(proved.fits(&found(&[], true)));
        assert!(!proved.fits(&found(&[], false)));
        assert!(!proved.fits(&found(&[&abba()], true)));
        assert!(!proved.fits(&found(&[&abba()], false)));
    }

    #[test]
    fn a_refutation_fits_by_these_violations_and_by_all_of_them() {
        let (abba, null) = (abba(), ViolationKind::invariant("NULL"));
        let both = claim(refuted(&[abba.clone(), null.clone()]), Expectation::Inconclusive);
        assert!(both.fits(&found(&[&abba, &null], true)));
        assert!(!both.fits(&found(&[], true)));
        assert!(!both.fits(&found(&[&abba], true)), "the other is missing");
        assert!(!both.fits(&found(&[&abba, &null], false)), "there may be more");
        let first = Found { thorough: false, ..found(&[&abba], false) };
        assert!(both.fits(&first), "it stops at the first");
        let other = ViolationKind::invariant("INV-01");
        let first = Found { thorough: false, ..found(&[&other], false) };
        assert!(!both.fits(&first), "which is not claimed");
    }

    #[test]
    fn at_least_these_violations_may_come_with_others() {
        let (abba, null) = (abba(), ViolationKind::invariant("NULL"));
        let expected = Expectation::RefutedAtLeast(vec![abba.clone()]);
        let expected = claim(expected.clone(), expected);
        assert!(expected.fits(&found(&[&abba], true)));
        assert!(expected.fits(&found(&[&abba, &null], true)));
        assert!(!expected.fits(&found(&[&null], true)), "it is missing");
        assert!(!expected.fits(&found(&[], true)));
    }

    #[test]
    fn without_an_expectation_every_result_fits() {
        let unstated = claim(Expectation::Unstated, Expectation::Unstated);
        assert!(unstated.fits(&found(&[], true)));
        assert!(unstated.fits(&found(&[&abba()], false)));
    }

    #[test]
    fn an_engine_that_decides_unexpectedly_must_match_the_scenario() {
        let unending = claim(Expectation::Inconclusive, Expectation::Proved);
        assert!(unending.fits(&found(&[], false)));
        assert!(unending.fits(&found(&[], true)));
        assert!(!unending.fits(&found(&[&abba()], false)));
        let unending = claim(Expectation::Inconclusive, refuted(&[abba()]));
        assert!(!unending.fits(&found(&[], true)), "it has missed the deadlock");
        assert!(unending.fits(&found(&[&abba()], true)));
    }

    #[test]
    fn an_inversion_is_expected_or_an_expected_deadlock() {
        let proved = claim(Expectation::Proved, Expectation::Proved);
        let predicts = |complete, inversions: &[[&str; 2]]| {
            let inversions = inversions.iter().map(|c| c.map(str::to_owned).to_vec());
            Found { inversions: inversions.collect(), ..found(&[], complete) }
        };
        assert!(!proved.fits(&predicts(true, &[])), "B, C is missing");
        assert!(proved.allows(&predicts(false, &[])), "it may come yet");
        assert!(!proved.allows(&predicts(false, &[["A", "B"]])));
        let deadlocks = claim(Expectation::Inconclusive, refuted(&[abba()]));
        assert!(deadlocks.allows(&predicts(false, &[["A", "B"]])), "it is claimed");
    }
}

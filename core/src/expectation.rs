//! What is claimed of a scenario, and whether what was found is that.

use std::fmt;

use crate::report::Verdict;
use crate::violation::ViolationKind;

/// What is claimed of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expectation {
    /// No ordering violates anything.
    Proved,
    /// Some ordering violates this, and none anything else.
    Refuted(Vec<ViolationKind>),
    /// The engine cannot tell; the reason is in the verdict.
    Inconclusive,
}

impl Expectation {
    /// `proved`, `refuted` or `inconclusive`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Refuted(_) => "refuted",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Expectation {
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
    pub(crate) of_engine: Expectation,
    /// What is true of the scenario, whatever an engine can tell.
    pub(crate) of_scenario: Expectation,
    /// The inversions that are predicted and cannot happen.
    pub(crate) inversions: Vec<Vec<String>>,
}

/// What was found, by an engine or by several that shared the work.
#[derive(Clone, Debug)]
pub struct Found<'a> {
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
    pub fn expected(&self) -> &Expectation {
        &self.of_engine
    }

    /// Whether the outcome is what was claimed: for a refuted scenario these very violations, and
    /// the predicted inversions too. A search that finds a violation, but not every kind, is held
    /// to those it finds.
    pub fn fits(&self, found_so_far: &Found<'_>) -> bool {
        let found = &found_so_far.violations;
        let verdict = match self.held_to(found_so_far) {
            Expectation::Proved => found.is_empty() && found_so_far.complete,
            Expectation::Inconclusive => found.is_empty() && !found_so_far.complete,
            Expectation::Refuted(kinds) => {
                let all = found_so_far.complete && found.len() == kinds.len();
                !found.is_empty() && (all || !found_so_far.thorough)
            }
        };
        let predicted = |classes: &Vec<String>| found_so_far.inversions.contains(classes);
        let predictions = !found_so_far.complete || self.inversions.iter().all(predicted);
        verdict && predictions && self.allows(found_so_far)
    }

    /// Whether nothing was found that is against the claim: every violation is claimed, and every
    /// inversion either expected or one of the claimed deadlocks.
    pub fn allows(&self, found_so_far: &Found<'_>) -> bool {
        let claimed = |claim: &Expectation, kind: &ViolationKind| match claim {
            Expectation::Refuted(kinds) => kinds.contains(kind),
            Expectation::Proved | Expectation::Inconclusive => false,
        };
        let held_to = self.held_to(found_so_far);
        // An engine that is not expected to come to a deadlock may well predict it.
        let known = |classes: &Vec<String>| {
            self.inversions.contains(classes)
                || claimed(&self.of_scenario, &ViolationKind::Deadlock(classes.clone()))
        };
        found_so_far.violations.iter().all(|kind| claimed(held_to, kind))
            && found_so_far.inversions.iter().all(known)
    }

    /// Whether a verdict can be true if the claim is, whoever has come to it. To find one violation
    /// of several is no contradiction.
    pub fn admits(&self, verdict: &Verdict) -> bool {
        match (verdict, &self.of_scenario) {
            (Verdict::Inconclusive { .. }, _) | (Verdict::Proved(_), Expectation::Proved) => true,
            (Verdict::Refuted(found), Expectation::Refuted(kinds)) => {
                found.iter().all(|found| kinds.contains(&found.violation.kind))
            }
            _ => false,
        }
    }

    /// An engine that was not expected to come to an end, and does, is held to what is true.
    fn held_to(&self, found_so_far: &Found<'_>) -> &Expectation {
        match self.of_engine {
            Expectation::Inconclusive
                if found_so_far.complete || !found_so_far.violations.is_empty() =>
            {
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
    fn a_proof_fits_only_if_everything_was_explored_and_nothing_is_wrong() {
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
    fn an_engine_that_need_not_come_to_an_end_is_held_to_the_truth_if_it_does() {
        let unending = claim(Expectation::Inconclusive, Expectation::Proved);
        assert!(unending.fits(&found(&[], false)));
        assert!(unending.fits(&found(&[], true)));
        assert!(!unending.fits(&found(&[&abba()], false)));
        let unending = claim(Expectation::Inconclusive, refuted(&[abba()]));
        assert!(!unending.fits(&found(&[], true)), "it has missed the deadlock");
        assert!(unending.fits(&found(&[&abba()], true)));
    }

    #[test]
    fn an_inversion_is_expected_or_a_claimed_deadlock_and_a_complete_search_finds_all() {
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

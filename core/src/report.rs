//! What an engine found, and whether it is what was claimed.

use std::fmt;

use crate::expectation::{Claim, Expectation, Found};
use crate::fingerprint::Fingerprint;
use crate::observe::findings::{Counterexample, Findings};
use crate::observe::lockdep::{Dependency, Inversion};
use crate::observe::{Seen, Site};
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::search::{Engine, Search};
use crate::shard::Shard;
use crate::violation::ViolationKind;

/// What an engine found about a scenario.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Every ordering was explored, no bound was hit, nothing is wrong, and from no reachable state
    /// can a thread come to wait for good.
    Proved(Fingerprint),
    /// Something is wrong: the shortest counterexample found for each kind of violation.
    Refuted(Vec<Counterexample>),
    /// Nothing wrong was found, but not everything was explored.
    Inconclusive {
        /// Why not, in one line.
        reason: String,
    },
}

impl Verdict {
    /// `proved`, `refuted` or `inconclusive`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Proved(_) => "proved",
            Self::Refuted(_) => "refuted",
            Self::Inconclusive { .. } => "inconclusive",
        }
    }
}

/// One share of a search ([`Limits::shard`](crate::Limits::shard)), and what it takes to put the
/// shares together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Which share.
    pub shard: Shard,
    /// How many parts all shares have together; each share has counted them.
    pub subtrees: u64,
    /// A number for how the first part begins, the same in every share. Programs that begin alike
    /// have the same, so that it is equal does not make them one.
    pub program: u64,
    /// Whether the share has been explored to its end, but for what a violation cut short. Shares
    /// that are all done and violate nothing are a proof together.
    pub done: bool,
}

/// A predicted lock-order inversion, and whether the scenario can run into it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prediction {
    /// The inversion.
    pub inversion: Inversion,
    /// What the search says of it.
    pub classification: Classification,
}

/// What the search says of a predicted inversion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Classification {
    /// It deadlocks: with this schedule.
    Feasible(Schedule),
    /// Every ordering was explored and in none do threads come to wait for each other on these
    /// classes, whatever other threads do: something else, a lock taken around both or an order of
    /// events, keeps the threads apart.
    Infeasible,
    /// Not everything was explored, or a violation of another kind stopped executions that might
    /// have gone on to deadlock.
    Open,
}

impl Classification {
    /// `feasible`, `infeasible` or `open`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Feasible(_) => "feasible",
            Self::Infeasible => "infeasible",
            Self::Open => "open",
        }
    }
}

/// Everything an engine says about a scenario.
#[derive(Clone, Debug)]
pub struct Report {
    /// The engine.
    pub engine: Engine,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether every ordering was explored.
    pub complete: bool,
    /// Why not, if not.
    pub stopped: Option<String>,
    /// How many executions were run.
    pub executions: u64,
    /// What was counted; of a refuted scenario too.
    pub fingerprint: Fingerprint,
    /// The lock-order inversions that were predicted.
    pub predictions: Vec<Prediction>,
    /// The order of the locks: which class was wanted while which was held, in some execution.
    /// What one scenario shows is no cycle; several may show one together.
    pub dependencies: Vec<Dependency>,
    /// The lines of the model whose operations have happened in some execution, in order. A
    /// search that knows a step from elsewhere does not run it again, but it has run it once.
    pub reached: Vec<Site>,
    /// What the verdict takes for granted, for this scenario and this engine: a line each.
    pub given: Vec<&'static str>,
    /// What looks like a mistake in the scenario, though it violates nothing: a line each.
    pub remarks: Vec<String>,
    /// Which search the native engine used in the end; another than was asked for where the
    /// states cannot be compared ([`Opaque`](crate::Opaque)), and after some refutations.
    pub search: Option<Search>,
    /// What this is a share of, if it is one.
    pub part: Option<Part>,
    claim: Claim,
    thorough: bool,
}

/// What an engine that interleaves whole operations has left out of a program that asks for less.
fn weaker(engine: Engine, seen: &Seen) -> Option<String> {
    let beyond = seen.weak() && !engine.has_weak_memory();
    beyond.then(|| format!("orderings weaker than sequential consistency are beyond {engine}"))
}

impl Report {
    pub(crate) fn new(
        scenario: &Scenario,
        engine: Engine,
        findings: Findings,
        explored: Explored,
        seen: &Seen,
    ) -> Self {
        let weaker = weaker(engine, seen);
        // What is beyond the engine is beyond all shares of it together.
        let part = explored.part.map(|part| Part { done: part.done && weaker.is_none(), ..part });
        let stopped = weaker.or(explored.stopped);
        let complete = stopped.is_none();
        // What stops an execution may hide a deadlock; waiting does not.
        let waiting = |kind: &ViolationKind| {
            matches!(kind, ViolationKind::Deadlock(_) | ViolationKind::Starvation { .. })
        };
        let nothing_hidden = findings.0.keys().all(waiting);
        let classify = |inversion: Inversion| Prediction {
            classification: match findings.deadlock(&inversion.classes()) {
                Some(found) => Classification::Feasible(found.schedule.clone()),
                None if complete && nothing_hidden => Classification::Infeasible,
                None => Classification::Open,
            },
            inversion,
        };
        let predictions = seen.inversions().into_iter().map(classify).collect();
        let verdict = match stopped.clone() {
            _ if !findings.0.is_empty() => Verdict::Refuted(findings.0.into_values().collect()),
            Some(reason) => Verdict::Inconclusive { reason },
            None => Verdict::Proved(explored.fingerprint),
        };
        Self {
            engine,
            verdict,
            complete,
            stopped,
            search: explored.search,
            part,
            executions: explored.executions,
            fingerprint: explored.fingerprint,
            predictions,
            dependencies: seen.dependencies(),
            reached: seen.sites(),
            remarks: seen.remarks(),
            given: seen.given(engine),
            claim: scenario.claim_on(engine),
            thorough: explored.thorough,
        }
    }

    /// What an engine says that does not try.
    pub(crate) fn untried(scenario: &Scenario, engine: Engine, reason: String) -> Self {
        let explored = Explored {
            executions: 0,
            fingerprint: Fingerprint::default(),
            stopped: Some(reason),
            search: None,
            part: None,
            thorough: false,
        };
        Self::new(scenario, engine, Findings::default(), explored, &Seen::default())
    }

    /// What was claimed.
    pub fn expected(&self) -> &Expectation {
        self.claim.expected()
    }

    /// Whether the engine found what was claimed ([`Claim::fits`]); a share is held to being done,
    /// with nothing against the claim.
    pub fn as_expected(&self) -> bool {
        let found: &[Counterexample] = match &self.verdict {
            Verdict::Refuted(found) => found,
            Verdict::Proved(_) | Verdict::Inconclusive { .. } => &[],
        };
        let found = Found {
            violations: found.iter().map(|found| &found.violation.kind).collect(),
            inversions: self.predictions.iter().map(|p| p.inversion.classes()).collect(),
            complete: self.complete,
            thorough: self.thorough,
        };
        match self.part {
            Some(part) => {
                let decides = *self.expected() != Expectation::Inconclusive;
                (part.done || !decides) && self.claim.allows(&found)
            }
            None => self.claim.fits(&found),
        }
    }
}

/// The verdict, and how to see it for yourself; if another was expected, which, and what happens.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verdict.as_str())?;
        if !self.as_expected() {
            write!(f, ", NOT as expected ({})", self.expected())?;
        }
        match &self.verdict {
            Verdict::Proved(_) if !self.given.is_empty() => {
                write!(f, ", given that {}", self.given.join("; "))?;
            }
            Verdict::Proved(_) => {}
            Verdict::Inconclusive { reason } => write!(f, ": {reason}")?,
            Verdict::Refuted(found) => {
                if let Some(reason) = &self.stopped {
                    write!(f, ", not explored to the end: {reason}")?;
                }
                for found in found {
                    write!(f, "\n  {}: {}", found.violation.kind, found.violation.reason)?;
                    write!(f, "\n  with schedule {}", found.schedule)?;
                    if !self.as_expected() {
                        write!(f, "\n{}", found.trace)?;
                    }
                }
            }
        }
        for prediction in &self.predictions {
            let classes = prediction.inversion.classes().join(", ");
            write!(f, "\n  lock order {classes}: {}", prediction.classification.as_str())?;
        }
        for remark in &self.remarks {
            write!(f, "\n  note: {remark}")?;
        }
        Ok(())
    }
}

/// How far an exploration came.
pub(crate) struct Explored {
    pub(crate) executions: u64,
    pub(crate) fingerprint: Fingerprint,
    /// Why it is not complete; `None` if it is.
    pub(crate) stopped: Option<String>,
    /// Which search came to this, on the native engine.
    pub(crate) search: Option<Search>,
    /// What it is a share of, if it is one.
    pub(crate) part: Option<Part>,
    /// Whether it finds every kind of violation that there is, if it is complete.
    pub(crate) thorough: bool,
}

//! What an engine found, and whether it is as expected.

use std::fmt;

use crate::expectation::{Claim, Expectation, Found};
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::observe::findings::{Counterexample, Findings};
use crate::observe::lockdep::{Dependency, Inversion, is_of};
use crate::observe::{Call, Seen, Site};
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::search::{Engine, Search};
use crate::shard::Shard;
use crate::violation::ViolationKind;

/// The verdict of an engine on a scenario.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Every interleaving was explored, no limit was reached, nothing is violated, and from no
    /// reachable state a thread can get to wait for good.
    Proved(Fingerprint),
    /// Something is violated: the shortest counterexample that was found for each kind.
    Refuted(Vec<Counterexample>),
    /// No violation was found, but not every interleaving was explored.
    Inconclusive {
        /// Why not.
        reason: Incomplete,
    },
}

impl Verdict {
    /// Returns `proved`, `refuted` or `inconclusive`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Proved(_) => "proved",
            Self::Refuted(_) => "refuted",
            Self::Inconclusive { .. } => "inconclusive",
        }
    }

    /// Returns the counterexamples; none unless something is violated.
    pub fn counterexamples(&self) -> &[Counterexample] {
        match self {
            Self::Refuted(found) => found,
            Self::Proved(_) | Self::Inconclusive { .. } => &[],
        }
    }

    /// Returns what is violated, each kind once.
    fn violations(&self) -> Vec<&ViolationKind> {
        self.counterexamples().iter().map(|found| &found.violation.kind).collect()
    }
}

/// The result of one shard of a search ([`Checker::shard`](crate::Checker::shard)), with what it
/// takes to merge the shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ShardResult {
    /// The shard.
    pub shard: Shard,
    /// The number of subtrees of all shards together, which each shard counts.
    pub subtrees: u64,
    /// A number for the beginning of the first subtree, the same in every shard of a program.
    /// Programs that begin alike share a number.
    pub program: u64,
    /// Whether the shard was explored to its end, except below a violation. Shards that are all
    /// done and violate nothing are a proof together.
    pub done: bool,
}

/// A predicted lock-order inversion, and whether an interleaving deadlocks on it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
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
    /// have gone on to deadlock, or the interrupt of the inversion never arrives in a thread here.
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

/// The result of verifying a scenario.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The engine.
    pub engine: Engine,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether every interleaving was explored.
    pub complete: bool,
    /// The reason if not.
    pub stopped: Option<Incomplete>,
    /// The number of executions.
    pub executions: u64,
    /// The number of states or traces that were explored, with their digest.
    pub fingerprint: Fingerprint,
    /// The lock-order inversions that were predicted.
    pub predictions: Vec<Prediction>,
    /// The lock order: which class was wanted while which was held, in some execution. Several
    /// scenarios may have a cycle together that none has alone.
    pub dependencies: Vec<Dependency>,
    /// The places in the model whose operations have happened in some execution, in order.
    pub coverage: Vec<Site>,
    /// The calls of the modelled functions in all executions, in order. The native engine runs each
    /// thread along each of its paths, so these are all calls.
    pub calls: Vec<Call>,
    /// The preconditions of the verdict, for this scenario and this engine, a line each.
    pub preconditions: Vec<&'static str>,
    /// Properties of the scenario that look like mistakes, though they violate nothing, a line
    /// each.
    pub remarks: Vec<String>,
    /// The search that the native engine used in the end. It differs from the one that was asked
    /// for if the states cannot be compared ([`Opaque`](crate::Opaque)), and after some
    /// refutations.
    pub search: Option<Search>,
    /// The shard that this is of, if the search was for one.
    pub shard: Option<ShardResult>,
    claim: Claim,
    thorough: bool,
    instance: Option<Box<Scenario>>,
}

/// Returns the reason if an engine has no memory as weak as the program asks for.
fn weaker(engine: Engine, seen: &Seen) -> Option<Incomplete> {
    let beyond = seen.weak() && !engine.has_weak_memory();
    beyond.then_some(Incomplete::WeakMemory { engine })
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
        let part =
            explored.part.map(|part| ShardResult { done: part.done && weaker.is_none(), ..part });
        let stopped = weaker.or(explored.stopped);
        let complete = stopped.is_none();
        // What stops an execution may hide a deadlock; waiting does not.
        let waiting = |kind: &ViolationKind| {
            matches!(kind, ViolationKind::Deadlock(_) | ViolationKind::Starvation { .. })
        };
        let nothing_hidden = findings.0.keys().all(waiting);
        let arrives = |inversion: &Inversion| inversion.links.iter().all(|link| link.arrives);
        let inversions = seen.inversions();
        let predicted: Vec<Vec<String>> = inversions.iter().map(Inversion::classes).collect();
        let classify = |inversion: Inversion| Prediction {
            classification: match findings.deadlock(&inversion.classes(), &predicted) {
                Some(found) => Classification::Feasible(found.schedule.clone()),
                None if complete && nothing_hidden && arrives(&inversion) => {
                    Classification::Infeasible
                }
                None => Classification::Open,
            },
            inversion,
        };
        let predictions = inversions.into_iter().map(classify).collect();
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
            shard: part,
            executions: explored.executions,
            fingerprint: explored.fingerprint,
            predictions,
            dependencies: seen.dependencies(),
            coverage: seen.sites(),
            calls: seen.calls(),
            remarks: seen.remarks(),
            preconditions: seen.given(engine),
            claim: scenario.claim_on(engine),
            thorough: explored.thorough,
            instance: None,
        }
    }

    /// Returns the report of an engine that did not run.
    pub(crate) fn untried(scenario: &Scenario, engine: Engine, reason: Incomplete) -> Self {
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

    /// Returns the ordinary scenario of the counterexamples, if any number of threads run a
    /// function of the scenario: it has the smallest number of threads that violates something.
    /// Without a counterexample it is the last one that was explored.
    pub fn instance(&self) -> Option<&Scenario> {
        self.instance.as_deref()
    }

    /// Adds what the proof of another instance has shown.
    pub(crate) fn absorb(&mut self, other: Self) {
        fn add<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
            for item in more {
                if !all.contains(&item) {
                    all.push(item);
                }
            }
        }
        self.executions += other.executions;
        add(&mut self.predictions, other.predictions);
        add(&mut self.dependencies, other.dependencies);
        add(&mut self.coverage, other.coverage);
        add(&mut self.calls, other.calls);
        add(&mut self.preconditions, other.preconditions);
        add(&mut self.remarks, other.remarks);
    }

    /// Returns the report of a scenario in which any number of threads run a function, of which
    /// this is for an `instance` that is not proved.
    pub(crate) fn of_instance(mut self, scenario: &Scenario, instance: Scenario) -> Self {
        self.claim = scenario.claim_on(self.engine);
        self.instance = Some(Box::new(instance));
        self
    }

    /// Returns the report of a scenario in which any number of threads run a function, of which
    /// this is the largest number that was explored: it is proved, or not for every number.
    pub(crate) fn for_any_number(mut self, proof: Result<Fingerprint, Incomplete>) -> Self {
        if proof.is_err() {
            for prediction in &mut self.predictions {
                if prediction.classification == Classification::Infeasible {
                    prediction.classification = Classification::Open;
                }
            }
        }
        self.fingerprint = proof.as_ref().copied().unwrap_or_default();
        self.stopped = proof.as_ref().err().cloned();
        self.complete = proof.is_ok();
        self.preconditions.push(ENDS);
        self.verdict = match proof {
            Ok(fingerprint) => Verdict::Proved(fingerprint),
            Err(reason) => Verdict::Inconclusive { reason },
        };
        self
    }

    /// Returns the expectation of the engine.
    pub fn expected(&self) -> &Expectation {
        self.claim.expected()
    }

    /// Whether the result is as expected. A shard must be done, and must not contradict the
    /// expectation.
    pub fn as_expected(&self) -> bool {
        let found = Found {
            violations: self.verdict.violations(),
            inversions: self.predictions.iter().map(|p| p.inversion.classes()).collect(),
            complete: self.complete,
            thorough: self.thorough,
        };
        match self.shard {
            Some(part) => {
                let decides = *self.expected() != Expectation::Inconclusive;
                (part.done || !decides) && self.claim.allows(&found)
            }
            None => self.claim.fits(&found),
        }
    }
}

impl Report {
    /// Returns the expectation that the result matches, as code to be pasted into the scenario.
    pub fn matching_expectation(&self) -> String {
        let kinds = self.verdict.violations();
        let mut code = match kinds.as_slice() {
            [] => ".expect_proof()".to_owned(),
            kinds => {
                let kinds: Vec<String> = kinds.iter().map(|kind| kind.code()).collect();
                format!(".expect_violations([{}])", kinds.join(", "))
            }
        };
        let predicted: Vec<_> = self.predictions.iter().map(|p| p.inversion.classes()).collect();
        for classes in &predicted {
            let found = |kind: &&ViolationKind| match kind {
                ViolationKind::Deadlock(found) => is_of(found, classes, &predicted),
                _ => false,
            };
            if !kinds.iter().any(found) {
                code.push_str(&format!(".expect_inversion({classes:?})"));
            }
        }
        code
    }
}

/// The verdict with its counterexamples; if another was expected, each counterexample operation by
/// operation, and the expectation that would have held, as code.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verdict.as_str())?;
        let no_verdict = matches!(self.verdict, Verdict::Inconclusive { .. });
        match self.as_expected() {
            true => {}
            // What is missing contradicts nothing.
            false if no_verdict => write!(f, " (expected: {})", self.expected())?,
            false => write!(f, ", NOT as expected ({})", self.expected())?,
        }
        match &self.verdict {
            Verdict::Proved(_) if !self.preconditions.is_empty() => {
                write!(f, ", given that {}", self.preconditions.join("; "))?;
            }
            Verdict::Proved(_) => {}
            Verdict::Inconclusive { reason } => write!(f, ": {reason}")?,
            Verdict::Refuted(found) => {
                if let Some(reason) = &self.stopped {
                    write!(f, "; the search is incomplete: {reason}")?;
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
        if !self.as_expected() && self.complete {
            write!(f, "\n  this expectation would hold: {}", self.matching_expectation())?;
        }
        Ok(())
    }
}

/// The precondition of a proof for any number of threads.
const ENDS: &str =
    "what is checked when all threads have ended is checked for small numbers of threads only";

/// The end of an exploration.
pub(crate) struct Explored {
    pub(crate) executions: u64,
    pub(crate) fingerprint: Fingerprint,
    /// The reason why it is not complete; `None` if it is.
    pub(crate) stopped: Option<Incomplete>,
    /// The search of the native engine.
    pub(crate) search: Option<Search>,
    /// The shard, if it is of one.
    pub(crate) part: Option<ShardResult>,
    /// Whether it finds every kind of violation if it is complete.
    pub(crate) thorough: bool,
}

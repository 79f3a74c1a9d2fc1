//! A proof as text, which a program that shares nothing with this library can check again.
//!
//! The text has the program as tables, as the [automaton](super::automaton) has learned it, and
//! every state that a full search has reached. A reader need not believe that the search is right:
//! what the states have to satisfy is checked state by state. A reader has to believe the tables.
//! They are what the threads and the objects did in executions of the program.
//!
//! A line is one of these. Numbers are decimal.
//!
//! - `local L T O OP [polls]`: in local state `L`, thread `T` is about to perform `OP` at object
//!   `O`. `local L T end`: it has ended.
//! - `value V O`: value `V` is one of object `O`.
//! - `set V W X`: value `V` becomes `X` when the object is set to the word `W`.
//! - `meet L V G N [idles]`: a thread in local state `L` whose object has value `V` has `N`
//!   outcomes, of which the first `G` are guaranteed. `idles`: it has nothing to do, so it does not
//!   wait.
//! - `to K L V EFFECT..`, after `meet`: outcome `K` leads to local state `L`, and the object has
//!   value `V`. Then `set O W` sets another object, `made V` creates one and `spawned L` a thread,
//!   in this order. `to K beside T O ..` is for a state of `T` threads and `O` objects.
//! - `to K violates WHAT`, `set V W violates WHAT`: it violates something.
//! - `begin L .. | V ..`: the state in which the program begins, as the local state of each thread
//!   and the value of each object. `state L .. | V ..`: a state that was reached.

use std::fmt::Write;

use crate::incomplete::Incomplete;
use crate::limits::{Limits, Listener};
use crate::report::{Explored, Verdict};
use crate::scenario::Scenario;
use crate::search::Search;

use super::automaton::Automaton;
use super::exploration::Exploration;
use super::stateful::{Aim, Stateful};

/// Explores every state of a scenario, and returns the certificate if that is a proof.
pub(crate) fn certificate(
    scenario: &Scenario,
    limits: &Limits,
    listener: &mut Listener<'_>,
) -> Result<String, Verdict> {
    let inconclusive = |reason| Verdict::Inconclusive { reason };
    if scenario.clients().is_some() || scenario.starvation_free() {
        return Err(inconclusive(Incomplete::NotCertified));
    }
    let mut exploration = Exploration::new(scenario, limits);
    let (search, stopped) = match explore(&mut exploration, listener) {
        Ok(search) => (Some(search), None),
        Err(reason) => (None, Some(reason)),
    };
    let explored = Explored {
        executions: exploration.executions,
        fingerprint: search.as_ref().map_or_else(Default::default, Stateful::fingerprint),
        stopped,
        search: Some(Search::Full),
        part: None,
        thorough: true,
    };
    match (exploration.report(explored).verdict, search) {
        (Verdict::Proved(_), Some(search)) => Ok(write(scenario.name(), &search)),
        (verdict, _) => Err(verdict),
    }
}

/// Explores every state.
fn explore(
    exploration: &mut Exploration<'_>,
    listener: &mut Listener<'_>,
) -> Result<Stateful, Incomplete> {
    exploration.check_determinism()?;
    loop {
        let mut search = Stateful::start(Aim::Full, exploration.limits.jobs.get(), exploration)?;
        search.run(exploration, listener)?;
        exploration.check_comparable()?;
        let used = exploration.execution.memory_use();
        if used == exploration.execution.assumed_memory() {
            return Ok(search);
        }
        exploration.execution.assume_memory(used);
    }
}

fn write(scenario: &str, search: &Stateful) -> String {
    let mut out = String::new();
    let written = writeln!(out, "selvedge certificate 1\nscenario {scenario}")
        .and_then(|()| search.automaton().write_tables(&mut out))
        .and_then(|()| Automaton::write_state("begin", search.beginning(), &mut out));
    written.expect("a string has room");
    search.each_state(|_, state| {
        Automaton::write_state("state", state, &mut out).expect("a string has room");
    });
    out
}

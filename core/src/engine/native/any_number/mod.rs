//! Any number of threads.
//!
//! Small numbers of threads are explored one by one, as ordinary scenarios. What violates something
//! there is a refutation. What does not is evidence, and shows what the threads do. A proof for the
//! other numbers comes from the [views](views) of a few threads: a set of views that no step
//! leaves, in none of which something is violated, and in which no threads can come to [wait for
//! each other](waits).

mod instances;
mod views;
mod waits;

use std::fmt;

use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::limits::{Limits, Listener};
use crate::op::ThreadId;
use crate::renaming::THREADS_MAX;
use crate::report::{Report, Verdict};
use crate::scenario::{Clients, Scenario};
use crate::search::Engine;
use crate::shard::Shard;

use super::exploration::Exploration;
use super::learner::Learner;
use instances::{Instances, counts};
use views::Views;

/// The largest number of threads, beside those with a name of their own, that are explored.
const INSTANCE_MAX: usize = 4;

/// The largest number of threads that a view shows.
const SHOWN_MAX: usize = 2;

/// The limit of views of so many threads.
const VIEWS_MAX: usize = 200_000;

/// Why views do not tell.
pub(super) enum Open {
    /// A step of a view violates something: this, at this place.
    Violated(String),
    /// Something else, in words.
    Cannot(String),
    /// The search was stopped.
    Stopped(Incomplete),
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violated(what) => write!(f, "{what} in a view, and in no small number"),
            Self::Cannot(why) => f.write_str(why),
            Self::Stopped(reason) => write!(f, "{reason}"),
        }
    }
}

impl From<Incomplete> for Open {
    fn from(reason: Incomplete) -> Self {
        Self::Stopped(reason)
    }
}

pub(super) fn verify(
    scenario: &Scenario,
    clients: &Clients,
    limits: &Limits,
    listener: &mut Listener<'_>,
) -> Report {
    if let Some(reason) = refused(scenario, limits) {
        return Report::untried(scenario, Engine::Native, reason);
    }
    let named = clients.instance(&vec![0; clients.names.len()]).threads().count();
    let mut open = String::new();
    let mut last: Option<Report> = None;
    for threads in usize::from(named == 0)..=INSTANCE_MAX {
        for counts in counts(threads, clients.names.len()) {
            let instance = clients.instance(&counts);
            let mut report = super::verify(&instance, limits, listener);
            if !matches!(report.verdict, Verdict::Proved(_)) {
                return report.of_instance(scenario, instance);
            }
            last.into_iter().for_each(|earlier| report.absorb(earlier));
            last = Some(report.of_instance(scenario, instance));
        }
        if threads < 2 {
            // A view leaves a thread out.
            continue;
        }
        match prove(clients, threads, limits, listener) {
            Ok(views) => return proved(last.expect("an instance"), views),
            Err(Open::Stopped(reason)) => return inconclusive(scenario, last, reason),
            Err(reason) => open = reason.to_string(),
        }
    }
    let reason = format!("no number of threads up to {INSTANCE_MAX} violates anything; {open}");
    inconclusive(scenario, last, Incomplete::AnyNumber(reason))
}

/// Returns why a question is not asked of any number of threads, if it is not.
fn refused(scenario: &Scenario, limits: &Limits) -> Option<Incomplete> {
    if scenario.starvation_free() {
        let reason = "starvation is not asked of any number of threads".to_owned();
        return Some(Incomplete::AnyNumber(reason));
    }
    let search = limits.search;
    (limits.shard != Shard::WHOLE).then_some(Incomplete::NoShards { search })
}

/// Proves that nothing is violated by any number of threads, from views of a few, after instances
/// of so many `threads` have shown what they do. Returns the number of views.
fn prove(
    clients: &Clients,
    threads: usize,
    limits: &Limits,
    listener: &mut Listener<'_>,
) -> Result<u64, Open> {
    let functions = clients.names.len();
    let instance = clients.instance(&vec![threads; functions]);
    let all = instance.threads().count();
    if all > THREADS_MAX {
        return Err(Open::Cannot(format!(
            "there are more than {THREADS_MAX} threads to tell apart"
        )));
    }
    let mut exploration = Exploration::new(&instance, limits);
    exploration.treat_alike(true);
    let mut learner = Learner::new(&mut exploration)?;
    let numbers: Vec<ThreadId> = (all - threads * functions..all).map(ThreadId::new).collect();
    let groups: Vec<Vec<ThreadId>> = numbers.chunks(threads).map(<[_]>::to_vec).collect();
    let mut instances = Instances::new(&mut learner, &mut exploration, &groups)?;
    for counts in counts(threads, functions) {
        instances.learn(&counts, listener)?;
    }
    let views = close(&mut instances, &groups, SHOWN_MAX.min(threads - 1), listener)?;
    // Equal identities must have meant equal values.
    exploration.check_comparable()?;
    Ok(views)
}

/// Closes a set of views of one thread, or of more where that does not tell. Returns the number of
/// views.
fn close(
    instances: &mut Instances<'_, '_>,
    groups: &[Vec<ThreadId>],
    shown_max: usize,
    listener: &mut Listener<'_>,
) -> Result<u64, Open> {
    let mut shown = 1;
    loop {
        let mut views = Views::new(shown, groups, instances);
        match views.close(instances, listener) {
            Ok(()) => return Ok(views.len()),
            Err(Open::Stopped(reason)) => return Err(Open::Stopped(reason)),
            // A step that no instance has shown may be possible in these views alone.
            Err(open) if shown == shown_max => return Err(open),
            Err(_) => shown += 1,
        }
    }
}

fn proved(last: Report, views: u64) -> Report {
    let fingerprint = Fingerprint { views: Some(views), ..Fingerprint::default() };
    last.for_any_number(Ok(fingerprint))
}

fn inconclusive(scenario: &Scenario, last: Option<Report>, reason: Incomplete) -> Report {
    match last {
        Some(last) => last.for_any_number(Err(reason)),
        None => Report::untried(scenario, Engine::Native, reason),
    }
}

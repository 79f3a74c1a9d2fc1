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
    /// A step that no instance has shown: this.
    Unseen(String),
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
            Self::Unseen(why) | Self::Cannot(why) => f.write_str(why),
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
        for shown in 1..=SHOWN_MAX.min(threads.saturating_sub(1)) {
            match prove(clients, shown, threads, limits, listener) {
                Ok(views) => return proved(last.expect("an instance"), views),
                Err(Open::Stopped(reason)) => return inconclusive(scenario, last, reason),
                Err(Open::Unseen(reason)) => {
                    // More threads may show it.
                    open = reason;
                    break;
                }
                Err(reason) => open = reason.to_string(),
            }
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

/// Proves that nothing is violated by any number of threads, from the views of so many `shown`,
/// after instances of so many `threads` have shown what they do. Returns the number of views.
fn prove(
    clients: &Clients,
    shown: usize,
    threads: usize,
    limits: &Limits,
    listener: &mut Listener<'_>,
) -> Result<u64, Open> {
    let slots = threads.max(shown + 1);
    let instance = clients.instance(&vec![slots; clients.names.len()]);
    let named = instance.threads().count() - slots * clients.names.len();
    if instance.threads().count() > THREADS_MAX {
        return Err(Open::Cannot(format!(
            "there are more than {THREADS_MAX} threads to tell apart"
        )));
    }
    let mut exploration = Exploration::new(&instance, limits);
    exploration.treat_alike(true);
    let mut learner = Learner::new(&mut exploration)?;
    let groups: Vec<Vec<ThreadId>> = (0..clients.names.len())
        .map(|client| (0..slots).map(|slot| ThreadId::new(named + client * slots + slot)).collect())
        .collect();
    let mut instances = Instances::new(&mut learner, &mut exploration, &groups)?;
    for counts in counts(threads, groups.len()) {
        instances.learn(&counts, listener)?;
    }
    let mut views = Views::new(shown, &groups);
    views.close(&mut instances, listener)?;
    // Equal identities must have meant equal values.
    exploration.check_comparable()?;
    Ok(views.len())
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

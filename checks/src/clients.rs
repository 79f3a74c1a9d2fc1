//! `selvedge clients`.
//!
//! A client of a driver is a few threads that call its functions. Every client of two threads with
//! at most two calls each, and every client of three threads with one call each, is verified. Of
//! those that differ only in the order of their threads, one is. A violation is new if no scenario
//! claims it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use selvedge_core::{Checker, Engine, Expectation, Report, Scenario, Verdict, ViolationKind};

use crate::app::{Failure, Known, Outcome};
use crate::cli::Clients;
use crate::style::bad;
use crate::table::time;
use crate::{interrupt, select};

/// The calls of each thread, by the numbers of the functions from 0.
type Calls = Vec<Vec<usize>>;

/// What the clients of a driver have shown.
#[derive(Default)]
struct Found {
    proved: usize,
    refuted: usize,
    inconclusive: usize,
    /// For each violation, the number of clients, and the place and name of the first.
    violations: BTreeMap<ViolationKind, (usize, usize, String)>,
    /// The first client without a verdict, and why.
    first_inconclusive: Option<(usize, String)>,
}

/// Verifies the clients of each of these drivers, and prints a summary. Returns whether every
/// violation is claimed by a scenario.
pub(crate) fn clients(
    known: &Known,
    options: &Clients,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let drivers = match options.patterns.as_slice() {
        [] => known.drivers.clone(),
        patterns => {
            let all = known.all();
            let selected = select::select(&all, patterns).map_err(Failure::Usage)?;
            selected.into_iter().cloned().collect()
        }
    };
    interrupt::listen();
    let mut outcome = Outcome::default();
    for driver in &drivers {
        if !interrupt::is_requested() {
            summary(known, driver, options.calls, &mut outcome, out)?;
        }
    }
    Ok(outcome)
}

fn summary(
    known: &Known,
    driver: &Scenario,
    calls: u8,
    outcome: &mut Outcome,
    out: &mut impl Write,
) -> io::Result<()> {
    let functions: Vec<&str> = driver.any_number_names().collect();
    let all = all_clients(functions.len(), calls);
    writeln!(out, "{}: {}", driver.name(), driver.about())?;
    for (number, function) in (1..).zip(&functions) {
        writeln!(out, "  {number:>2}  {function}")?;
    }
    let started = Instant::now();
    let found = verify_all(driver, &all);
    let Found { proved, refuted, inconclusive, violations, first_inconclusive } = found;
    writeln!(
        out,
        "{} clients: {proved} proved, {refuted} refuted, {inconclusive} inconclusive ({})",
        HumanCount(all.len() as u64),
        time(started.elapsed().as_secs_f64())
    )?;
    let left = all.len() - proved - refuted - inconclusive;
    if left > 0 {
        writeln!(out, "  interrupted; {} clients not verified", HumanCount(left as u64))?;
        outcome.note(false, true);
    }
    for (kind, (count, _, first)) in &violations {
        let by = claimed_by(known, driver, kind);
        let claimed = match by {
            Some(by) => format!("claimed by {by}"),
            None => bad("claimed by no scenario"),
        };
        writeln!(out, "  {kind} in {count}, {claimed}")?;
        writeln!(out, "      selvedge explain '{first}'")?;
        outcome.note(by.is_some(), false);
    }
    if let Some((_, first)) = first_inconclusive {
        writeln!(out, "  inconclusive, the first: {first}")?;
        outcome.note(false, true);
    }
    writeln!(out)
}

/// Returns every client of two threads with at most so many `calls` each, and of three threads with
/// one call each. Those with the fewest calls are first.
fn all_clients(functions: usize, calls: u8) -> Vec<Calls> {
    let mut threads: Vec<Vec<usize>> = (0..functions).map(|call| vec![call]).collect();
    if calls > 1 {
        let both = |first| (0..functions).map(move |second| vec![first, second]);
        threads.extend((0..functions).flat_map(both));
    }
    let mut clients = Vec::new();
    for (place, first) in threads.iter().enumerate() {
        clients.extend(threads[place..].iter().map(|second| vec![first.clone(), second.clone()]));
    }
    for first in 0..functions {
        for second in first..functions {
            clients.extend(
                (second..functions).map(|third| vec![vec![first], vec![second], vec![third]]),
            );
        }
    }
    clients.sort_by_key(|client| client.iter().map(Vec::len).sum::<usize>());
    clients
}

/// Verifies the clients on all processors, until the user interrupts that.
fn verify_all(driver: &Scenario, clients: &[Calls]) -> Found {
    let style =
        ProgressStyle::with_template("{spinner} [{elapsed}] {prefix} {human_pos} of {human_len}");
    let bar = ProgressBar::new(clients.len() as u64)
        .with_style(style.expect("the template is well-formed"))
        .with_prefix(driver.name().to_owned());
    let left = Mutex::new(clients.iter().enumerate());
    let found = Mutex::new(Found::default());
    let work = || {
        loop {
            let next = left.lock().expect("no thread panics with the lock held").next();
            let Some((place, calls)) = next.filter(|_| !interrupt::is_requested()) else { return };
            let client = driver.with_calls(calls).expect("the functions are those of the driver");
            let report = Checker::native().threads(1).run(&client);
            found.lock().expect("no thread panics with the lock held").add(place, &client, &report);
            bar.inc(1);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    found.into_inner().expect("no thread panics with the lock held")
}

impl Found {
    fn add(&mut self, place: usize, client: &Scenario, report: &Report) {
        match &report.verdict {
            Verdict::Proved(_) => self.proved += 1,
            Verdict::Refuted(counterexamples) => {
                self.refuted += 1;
                for counterexample in counterexamples {
                    self.add_violation(&counterexample.violation.kind, place, client);
                }
            }
            Verdict::Inconclusive { reason } => {
                self.inconclusive += 1;
                let earlier = self.first_inconclusive.as_ref().is_some_and(|first| first.0 < place);
                if !earlier {
                    self.first_inconclusive = Some((place, format!("{}: {reason}", client.name())));
                }
            }
        }
    }

    fn add_violation(&mut self, kind: &ViolationKind, place: usize, client: &Scenario) {
        let new = || (0, usize::MAX, String::new());
        let (count, first, name) = self.violations.entry(kind.clone()).or_insert_with(new);
        *count += 1;
        if place < *first {
            (*first, *name) = (place, client.name().to_owned());
        }
    }
}

/// Returns the first scenario of the same version that claims a violation: one with the last part
/// of the driver's name in its own.
fn claimed_by<'k>(known: &'k Known, driver: &Scenario, kind: &ViolationKind) -> Option<&'k str> {
    let version = driver.name().rsplit('/').next().unwrap_or_default();
    let claims = |scenario: &&Scenario| {
        let claimed = match scenario.expected(Engine::Native) {
            Expectation::Refuted(kinds) | Expectation::RefutedAtLeast(kinds) => {
                kinds.contains(kind)
            }
            _ => false,
        };
        let parts = || scenario.name().split(['/', '-']);
        claimed && parts().any(|part| part == version)
    };
    known.scenarios.iter().find(claims).map(Scenario::name)
}

#[cfg(test)]
mod tests {
    use selvedge_core::sync::Mutex as Lock;

    use super::*;

    fn scenario(name: &str) -> selvedge_core::ScenarioBuilder<(Lock, Lock)> {
        Scenario::builder(name, || (Lock::new("A", ()), Lock::new("B", ())))
    }

    fn a_then_b((a, b): &(Lock, Lock)) {
        let _a = a.lock();
        b.lock().unlock();
    }

    fn b_then_a((a, b): &(Lock, Lock)) {
        let _b = b.lock();
        a.lock().unlock();
    }

    /// Returns the outcome, and what is printed, for a driver with these two functions, if these
    /// scenarios are known.
    fn of_two_functions(scenarios: Vec<Scenario>) -> (Outcome, String) {
        let driver = scenario("clients/driver/v1").about("two functions");
        let driver =
            driver.any_number_of("open", a_then_b).any_number_of("close", b_then_a).build();
        let known = Known { scenarios, programs: Vec::new(), drivers: vec![driver] };
        let (options, mut out) = (Clients { patterns: Vec::new(), calls: 2 }, Vec::new());
        let Ok(outcome) = clients(&known, &options, &mut out) else {
            panic!("nothing is selected")
        };
        (outcome, String::from_utf8(out).expect("it is UTF-8"))
    }

    #[test]
    fn a_violation_that_no_scenario_claims_is_reported_with_the_smallest_client() {
        let (outcome, text) = of_two_functions(Vec::new());
        assert_eq!(outcome.code(), 1);
        // Threads that all call the same function never deadlock.
        assert!(text.contains("\n25 clients: 8 proved, 17 refuted, 0 inconclusive ("), "{text}");
        assert!(text.contains("deadlock(A, B) in 17, "), "{text}");
        assert!(text.contains("claimed by no scenario"), "{text}");
        assert!(text.contains("      selvedge explain 'clients/driver/v1@1-2'\n"), "{text}");
    }

    #[test]
    fn a_claim_of_a_scenario_of_the_same_version_is_named() {
        let abba = |name: &str| {
            let abba = scenario(name).thread("open", a_then_b).thread("close", b_then_a);
            abba.expect_violations([ViolationKind::deadlock(["A", "B"])])
        };
        let (outcome, text) =
            of_two_functions(vec![abba("driver/v2/abba"), abba("driver/v1-set/abba")]);
        assert_eq!(outcome.code(), 0);
        assert!(text.contains("in 17, claimed by driver/v1-set/abba\n"), "{text}");
        assert_eq!(of_two_functions(vec![abba("driver/v2/abba")]).0.code(), 1);
    }

    #[test]
    fn clients_that_differ_in_the_order_of_their_threads_are_one() {
        let clients = all_clients(2, 2);
        // 6 threads make 21 pairs; 2 functions make 4 triples.
        assert_eq!(clients.len(), 25);
        let mut sorted = clients.clone();
        sorted.iter_mut().for_each(|client| client.sort());
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), 25);
        assert_eq!(clients[0], [[0], [0]]);
        assert_eq!(all_clients(2, 1).len(), 3 + 4);
    }
}

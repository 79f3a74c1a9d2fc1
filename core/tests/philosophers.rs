//! Programs whose number of Mazurkiewicz traces has a closed form.

use selvedge_core::sync::Mutex;
use selvedge_core::{Checker, Report, Scenario, ScenarioBuilder, Search, ViolationKind};

/// N philosophers, each with the fork of its number at the left and the next at the right.
fn philosophers(n: usize, last_swaps: bool) -> ScenarioBuilder<Vec<Mutex>> {
    const FORKS: [&str; 6] = ["fork 0", "fork 1", "fork 2", "fork 3", "fork 4", "fork 5"];
    let world = move || FORKS[..n].iter().map(|fork| Mutex::new(fork, ())).collect();
    (0..n).fold(Scenario::builder("philosophers", world), |scenario, i| {
        let (first, second) = (i, (i + 1) % n);
        let swap = last_swaps && i == n - 1;
        let (first, second) = if swap { (second, first) } else { (first, second) };
        scenario.thread(format!("philosopher {i}"), move |forks: &Vec<Mutex>| {
            let _first = forks[first].lock();
            let _second = forks[second].lock();
        })
    })
}

fn verify(scenario: &Scenario, search: Search) -> Report {
    Checker::native().search(search).run(scenario)
}

/// Either every philosopher has the left fork, or the forks order the meals: one trace for each way
/// to direct the edges of a ring, except for the two cycles.
#[test]
fn there_are_2_to_the_n_less_2_complete_traces_and_one_deadlock() {
    for n in 2..=6 {
        let forks: Vec<String> = (0..n).map(|fork| format!("fork {fork}")).collect();
        let deadlock = ViolationKind::deadlock(forks.iter().map(String::as_str));
        let scenario = philosophers(n, false).expect_violations([deadlock]);
        for search in Search::ALL {
            let report = verify(&scenario, *search);
            assert!(report.as_expected(), "{n}: {report}");
            assert_eq!(report.complete, *search != Search::Shortest, "{n}: {report}");
        }
        for search in [Search::SleepSets, Search::Dpor] {
            let traces = verify(&scenario, search).fingerprint.traces;
            assert_eq!(traces, Some((1 << n) - 2 + 1), "{n} philosophers, {search:?}");
        }
    }
}

#[test]
fn there_is_no_deadlock_when_the_last_one_swaps() {
    for n in 2..=6 {
        let scenario = philosophers(n, true).expect_proof();
        for search in Search::ALL {
            let report = verify(&scenario, *search);
            assert!(report.as_expected() && report.complete, "{n}: {report}");
        }
        for search in [Search::SleepSets, Search::Dpor] {
            let traces = verify(&scenario, search).fingerprint.traces;
            assert_eq!(traces, Some((1 << n) - 2), "{n} philosophers, {search:?}");
        }
    }
}

/// (rounds * threads)! / rounds!^threads orders of the critical sections of one mutex.
#[test]
fn one_mutex_has_the_multinomial_number_of_traces() {
    let once = [(2, 1, 2), (3, 1, 6), (4, 1, 24)];
    let twice = [(2, 2, 6), (3, 2, 90), (4, 2, 2_520), (5, 2, 113_400)];
    for (threads, rounds, traces) in once.into_iter().chain(twice) {
        let lock = move |mutex: &Mutex| (0..rounds).for_each(|_| mutex.lock().unlock());
        let empty = Scenario::builder("rounds", || Mutex::new("M", ()));
        let scenario =
            (0..threads).fold(empty, |s, i| s.thread(format!("T{i}"), lock)).expect_proof();
        let report = verify(&scenario, Search::Dpor);
        assert_eq!(report.fingerprint.traces, Some(traces), "{threads} x {rounds}");
        assert_eq!(report.executions, traces, "{threads} x {rounds}");
        if traces < 10_000 {
            let reference = verify(&scenario, Search::SleepSets);
            assert_eq!(report.fingerprint, reference.fingerprint, "{threads} x {rounds}");
        }
    }
}

//! The default search, where there are few states, and where there are few orderings.

use selvedge_core::sync::{Atomic, Mutex};
use selvedge_core::thread::spawn;
use selvedge_core::{
    Checker, Incomplete, Report, Scenario, ScenarioBuilder, Search, Verdict, ViolationKind,
};

const NAMES: [&str; 16] = ["L"; 16];

/// So many threads, each with locks of its own, twice over.
fn independent(threads: usize) -> ScenarioBuilder<Vec<Mutex<u32>>> {
    let world = move || NAMES[..threads].iter().map(|name| Mutex::new(name, 0)).collect();
    (0..threads).fold(Scenario::builder("independent", world), |scenario, me| {
        scenario.thread(format!("T{me}"), move |locks: &Vec<Mutex<u32>>| {
            *locks[me].lock() += 1;
            *locks[me].lock() += 1;
        })
    })
}

fn verify(scenario: &Scenario, search: Search, memory: u64) -> Report {
    Checker::native().search(search).memory_limit(memory).run(scenario)
}

/// Of 16 threads there are some billions of states, and one trace.
#[test]
fn where_there_are_few_orderings_they_are_the_proof() {
    let scenario = independent(16).expect_proof();
    let report = verify(&scenario, Search::Auto, 64 << 20);
    assert!(report.as_expected(), "{report}");
    assert_eq!(report.search, Some(Search::Dpor));
    let dpor = verify(&scenario, Search::Dpor, 64 << 20);
    assert_eq!(report.fingerprint, dpor.fingerprint);
    // Whoever asks for states gets states.
    let states = verify(&scenario, Search::Reduced, 64 << 20);
    assert!(!states.complete, "{states}");
}

#[test]
fn where_there_are_few_states_they_are() {
    let scenario = independent(4).expect_proof();
    let report = verify(&scenario, Search::Auto, 64 << 20);
    assert_eq!(report.search, Some(Search::Auto));
    assert!(report.fingerprint.traces.is_none(), "{report}");
}

/// After the pause the search of states goes on where it was, and counts each state once.
#[test]
fn where_there_are_many_of_both_the_states_go_on() {
    let writers =
        (0..4).fold(Scenario::builder("writers", || Atomic::new("x", 0)), |scenario, me| {
            scenario.thread(format!("T{me}"), move |x: &Atomic| (0..16).for_each(|_| x.store(me)))
        });
    let scenario = writers.expect_proof();
    let report = verify(&scenario, Search::Auto, 4 << 30);
    assert_eq!(report.search, Some(Search::Auto), "{report}");
    let census = verify(&scenario, Search::Full, 4 << 30);
    assert!(report.fingerprint.states.unwrap() > 100_000, "{:?}", report.fingerprint);
    assert_eq!(report.fingerprint.states, census.fingerprint.states);
    assert_eq!(report.fingerprint.digest, census.fingerprint.digest);
}

#[test]
fn a_violation_among_many_states_is_found_by_the_census() {
    let scenario = independent(12)
        .thread("wrong", |locks| assert_eq!(*locks[0].lock(), 0, "late"))
        .expect_violations([ViolationKind::Panic(
            "assertion `left == right` failed: late\n  left: 1\n right: 0".to_owned(),
        )]);
    let report = verify(&scenario, Search::Auto, 16 << 20);
    assert!(!report.complete, "{report}");
    assert!(report.to_string().contains("late"), "{report}");
}

/// Orderings are explored of 64 threads at most, and to find out that there are more is to come to no
/// proof.
#[test]
fn with_too_many_threads_there_are_no_orderings() {
    let scenario = Scenario::builder("threads", || Mutex::new("A", ()))
        .thread("T", |a| {
            for _ in 0..70 {
                spawn("child", || ()).join();
                drop(a.lock());
            }
        })
        .expect_proof();
    for search in [Search::Dpor, Search::SleepSets] {
        let report = verify(&scenario, search, 64 << 20);
        let Verdict::Inconclusive { reason } = &report.verdict else { panic!("{report}") };
        assert_eq!(*reason, Incomplete::Threads { limit: 64 });
    }
    let report = Checker::shuttle().executions(10).run(&scenario);
    let Verdict::Inconclusive { reason } = &report.verdict else { panic!("{report}") };
    assert_eq!(*reason, Incomplete::Threads { limit: 64 });
    let report = verify(&scenario, Search::Auto, 64 << 20);
    assert!(report.as_expected(), "{report}");
}

/// A state has no room for any number of threads.
#[test]
fn with_far_too_many_threads_there_are_no_states() {
    let many = |threads: u32| {
        Scenario::builder("threads", || Mutex::new("A", ())).thread("T", move |a| {
            drop(a.lock());
            (0..threads).for_each(|_| drop(spawn("child", || ())));
            drop(a.lock());
        })
    };
    for search in [Search::Auto, Search::Full] {
        let report = verify(&many(5_000).expect_proof(), search, 64 << 20);
        let Verdict::Inconclusive { reason } = &report.verdict else { panic!("{report}") };
        assert_eq!(*reason, Incomplete::Crowded);
        let report = verify(&many(100).expect_proof(), search, 64 << 20);
        assert!(report.as_expected(), "{report}");
    }
}

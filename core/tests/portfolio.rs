//! The default search, where there are few states, and where there are few interleavings.

use selvedge_core::sync::{Atomic, Mutex};
use selvedge_core::thread::spawn;
use selvedge_core::{
    Checker, Incomplete, Report, Scenario, ScenarioBuilder, Search, Verdict, ViolationKind,
};

const NAMES: [&str; 16] = ["L"; 16];

/// A number of threads, each of which takes locks of its own twice.
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

/// Sixteen threads have some billions of states, and one trace.
#[test]
fn few_interleavings_are_the_proof() {
    let scenario = independent(16).expect_proof();
    let report = verify(&scenario, Search::Auto, 64 << 20);
    assert!(report.as_expected(), "{report}");
    assert_eq!(report.search, Some(Search::Dpor));
    let dpor = verify(&scenario, Search::Dpor, 64 << 20);
    assert_eq!(report.fingerprint, dpor.fingerprint);
    // A search of states never changes to interleavings.
    let states = verify(&scenario, Search::Reduced, 64 << 20);
    assert!(!states.complete, "{states}");
}

#[test]
fn few_states_are_the_proof() {
    let scenario = independent(4).expect_proof();
    let report = verify(&scenario, Search::Auto, 64 << 20);
    assert_eq!(report.search, Some(Search::Auto));
    assert!(report.fingerprint.traces.is_none(), "{report}");
}

/// After the pause the search of states continues where it was, and counts each state once.
#[test]
fn the_search_of_states_continues_where_there_are_many_of_both() {
    let writers =
        (0..4).fold(Scenario::builder("writers", || Atomic::new("x", 0)), |scenario, me| {
            scenario.thread(format!("T{me}"), move |x: &Atomic| (0..16).for_each(|_| x.store(me)))
        });
    let scenario = writers.expect_proof();
    let report = verify(&scenario, Search::Auto, 4 << 30);
    assert_eq!(report.search, Some(Search::Auto), "{report}");
    let full = verify(&scenario, Search::Full, 4 << 30);
    assert!(report.fingerprint.states.unwrap() > 100_000, "{:?}", report.fingerprint);
    assert_eq!(report.fingerprint.states, full.fingerprint.states);
    assert_eq!(report.fingerprint.digest, full.fingerprint.digest);
}

#[test]
fn a_violation_among_many_states_is_found_by_the_full_search() {
    let scenario = independent(12)
        .thread("wrong", |locks| assert_eq!(*locks[0].lock(), 0, "late"))
        .expect_violations([ViolationKind::Panic(
            "assertion `left == right` failed: late\n  left: 1\n right: 0".to_owned(),
        )]);
    let report = verify(&scenario, Search::Auto, 16 << 20);
    assert!(!report.complete, "{report}");
    assert!(report.to_string().contains("late"), "{report}");
}

/// Interleavings of at most 64 threads are explored, and a search that finds more threads proves
/// nothing.
#[test]
fn too_many_threads_for_interleavings() {
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

/// A state has a limited number of threads.
#[test]
fn too_many_threads_for_states() {
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

//! Searches that are shared by threads, stopped, and resumed have the same results as others.

use std::ops::ControlFlow;

use selvedge_core::sync::{Ghost, Mutex};
use selvedge_core::{
    Checker, Checkpoint, CheckpointError, Fingerprint, Progress, Report, Scenario, ScenarioBuilder,
    Search, Shard, ViolationKind,
};

/// Philosophers who count their meals, each of whom tests whether the first fork is free.
fn philosophers(count: usize) -> ScenarioBuilder<(Vec<Mutex<u32>>, Ghost<u32>)> {
    let world = move || {
        let forks = (0..count).map(|_| Mutex::new("fork", 0)).collect();
        (forks, Ghost::new("meals", 0))
    };
    let philosopher = move |me: usize| {
        move |(forks, meals): &(Vec<Mutex<u32>>, Ghost<u32>)| {
            drop(forks[0].try_lock());
            let mut left = forks[me].lock();
            let mut right = forks[(me + 1) % count].lock();
            *left += 1;
            *right += 1;
            meals.update(|meals| *meals += 1);
        }
    };
    let names = ["A", "B", "C", "D", "E"];
    let empty = Scenario::builder("philosophers", world);
    (0..count).fold(empty, |table, me| table.thread(names[me], philosopher(me)))
}

fn table(count: usize) -> Scenario {
    philosophers(count).expect_violations([ViolationKind::deadlock(["fork"])])
}

fn by<'a>(search: Search, threads: usize) -> Checker<'a> {
    Checker::native().search(search).threads(threads)
}

/// Returns the parts of a report that must not depend on how the search was done.
fn essence(report: &Report) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut lines: Vec<String> = report.to_string().lines().map(str::to_owned).collect();
    // Of several shortest counterexamples it may be any.
    for line in &mut lines {
        if let Some((start, schedule)) = line.split_once("with schedule ") {
            *line = format!("{start}{} steps", schedule.split('.').count());
        } else if let Some((kind, _)) = line.split_once(": ") {
            *line = kind.to_owned();
        }
    }
    (lines, report.complete, report.fingerprint)
}

/// Stops when the listener has been notified `after` times, and writes a checkpoint of the search.
fn stopped(
    scenario: &Scenario,
    checker: Checker<'_>,
    after: usize,
) -> Result<Checkpoint, Box<Report>> {
    let mut calls = 0;
    let mut checkpoint = None;
    let stop = |progress: &Progress<'_>| {
        calls += 1;
        if progress.stopping.is_some() {
            checkpoint = progress.checkpoint();
        }
        if calls == after {
            ControlFlow::Break("enough".to_owned())
        } else {
            ControlFlow::Continue(())
        }
    };
    let report = checker.on_progress(stop).run(scenario);
    checkpoint.ok_or(Box::new(report))
}

#[test]
fn a_resumed_search_has_the_same_result() {
    let scenario = table(3);
    for search in [Search::Auto, Search::Reduced, Search::Full] {
        let expected = essence(&by(search, 1).run(&scenario));
        let mut stops = 0;
        loop {
            let checkpoint = match stopped(&scenario, by(search, 1), stops + 1) {
                Ok(checkpoint) => checkpoint,
                Err(report) => break assert_eq!(essence(&report), expected),
            };
            let checkpoint = Checkpoint::from_bytes(&checkpoint.to_bytes()).unwrap();
            let report = by(search, 1).resume(&scenario, &checkpoint);
            assert_eq!(essence(&report.unwrap()), expected, "{search:?}, stop {stops}");
            stops += 1;
        }
        assert!(stops > 10, "{stops}");
    }
}

#[test]
fn a_resumed_search_of_interleavings_has_the_same_result() {
    let scenario = table(3);
    for (jobs, resumed) in [(1, 1), (2, 1), (2, 3)] {
        let expected = essence(&by(Search::Dpor, jobs).run(&scenario));
        let mut stops = 0;
        loop {
            let checkpoint = match stopped(&scenario, by(Search::Dpor, jobs), stops + 1) {
                Ok(checkpoint) => checkpoint,
                Err(report) => break assert_eq!(essence(&report), expected),
            };
            let checkpoint = Checkpoint::from_bytes(&checkpoint.to_bytes()).unwrap();
            let report = by(Search::Dpor, resumed).resume(&scenario, &checkpoint);
            assert_eq!(essence(&report.unwrap()), expected, "{jobs}, stop {stops}, {resumed}");
            stops += 1;
        }
        assert!(stops > 0);
    }
}

#[test]
fn shards_add_up_to_the_whole() {
    let scenario = table(3);
    let report = by(Search::Dpor, 1).run(&scenario).fingerprint;
    for of in [2, 3, 7] {
        let shards = (1..=of).map(|number| {
            let checker = by(Search::Dpor, 1 + number as usize % 2);
            let report = checker.shard(Shard::new(number, of).unwrap()).run(&scenario);
            assert!(!report.complete && report.shard.unwrap().done, "{report}");
            assert!(report.as_expected(), "{report}");
            report
        });
        let shards: Vec<Report> = shards.collect();
        let sum = |count: fn(&Fingerprint) -> Option<u64>| {
            shards.iter().filter_map(|s| count(&s.fingerprint)).reduce(u64::wrapping_add)
        };
        assert_eq!(sum(|c| c.traces), report.traces, "{of}");
        assert_eq!(sum(|c| c.digest), report.digest, "{of}");
        let parts: Vec<_> =
            shards.iter().map(|s| s.shard.map(|p| (p.subtrees, p.program))).collect();
        assert!(parts.iter().all(|part| *part == parts[0]), "{parts:?}");
    }
}

#[test]
fn a_share_that_hits_a_limit_is_not_done() {
    for executions in [1, 10] {
        let checker = by(Search::Dpor, 1).shard(Shard::new(1, 2).unwrap());
        let report = checker.executions(executions).run(&table(3));
        assert!(!report.shard.unwrap().done, "{report}");
        assert!(!report.as_expected(), "{report}");
    }
}

#[test]
fn the_result_is_independent_of_the_number_of_threads() {
    let scenario = table(5);
    let small = table(3);
    let one = essence(&by(Search::Dpor, 1).run(&small));
    for jobs in [2, 3, 8] {
        assert_eq!(essence(&by(Search::Dpor, jobs).run(&small)), one, "{jobs} threads");
    }
    for search in [Search::Auto, Search::Full] {
        let one = by(search, 1).run(&scenario);
        assert!(one.fingerprint.states.unwrap() > 100_000, "{:?}", one.fingerprint);
        for jobs in [2, 3, 8] {
            let report = by(search, jobs).run(&scenario);
            assert_eq!(essence(&report), essence(&one), "{search:?} by {jobs} threads");
        }
    }
}

#[test]
fn a_checkpoint_at_a_limit_is_resumed_with_a_higher_one() {
    let scenario = table(4);
    let mut checkpoint = None;
    let listener = |progress: &Progress<'_>| {
        checkpoint = progress.checkpoint().filter(|_| progress.stopping.is_some());
        ControlFlow::Continue(())
    };
    let little = by(Search::Full, 2).memory_limit(1 << 20);
    let report = little.on_progress(listener).run(&scenario);
    assert!(!report.complete, "{report}");
    let resumed = by(Search::Full, 1).resume(&scenario, &checkpoint.unwrap());
    assert_eq!(essence(&resumed.unwrap()), essence(&by(Search::Full, 1).run(&scenario)));
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let checkpoint = stopped(&table(3), by(Search::Auto, 1), 5).unwrap();
    let resume = |scenario: &Scenario| Checker::native().resume(scenario, &checkpoint);
    let other = Scenario::builder("other", || ()).thread("T", |()| {}).expect_proof();
    let error = resume(&other).unwrap_err();
    assert_eq!(error, CheckpointError::OtherScenario { scenario: "philosophers".to_owned() });
    assert_eq!(error.to_string(), "the checkpoint is of the scenario philosophers");
    let changed = [
        table(4),
        philosophers(3).thread("one more", |(_, meals)| meals.update(|m| *m += 1)).expect_proof(),
        Scenario::builder("philosophers", || ()).thread("T", |()| {}).expect_proof(),
    ];
    for scenario in changed {
        assert_eq!(resume(&scenario).unwrap_err(), CheckpointError::Outdated);
    }
}

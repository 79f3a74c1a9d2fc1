//! Threads that do the same: one state of each orbit is kept, and nothing else changes.

use selvedge_core::sync::{Condvar, Mutex, RwSem, Semaphore, WaitQueue};
use selvedge_core::{Checker, Report, Scenario, Search, Verdict, forever};

fn by(scenario: &Scenario, search: Search) -> Report {
    Checker::native().search(search).run(scenario)
}

fn verdict(report: &Report) -> String {
    match &report.verdict {
        Verdict::Refuted(found) => {
            let mut kinds: Vec<String> =
                found.iter().map(|f| f.violation.kind.to_string()).collect();
            kinds.sort();
            kinds.join(" ")
        }
        Verdict::Proved(_) => "proved".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Compares the searches, and returns the numbers of states with and without symmetry.
#[track_caller]
fn agree(scenario: &Scenario) -> (u64, u64) {
    let (full, symmetric) = (by(scenario, Search::Full), by(scenario, Search::Symmetric));
    assert_eq!(verdict(&full), verdict(&symmetric));
    for search in [Search::Auto, Search::Reduced] {
        let report = by(scenario, search);
        assert_eq!(verdict(&report) == "proved", verdict(&full) == "proved", "{search}");
    }
    let of = symmetric.fingerprint;
    if let Some(unreduced) = of.unreduced_states {
        assert_eq!(Some(unreduced), full.fingerprint.states);
    }
    (of.states.unwrap(), full.fingerprint.states.unwrap())
}

fn three_locks() -> [Mutex; 3] {
    ["0", "1", "2"].map(|class| Mutex::new(class, ()))
}

#[test]
fn identical_threads_have_one_state_for_each_orbit() {
    let one_after_the_other = |count| {
        Scenario::builder("0;1;2", three_locks)
            .identical_threads(
                count,
                |i| format!("T{i}"),
                |locks: &[Mutex; 3]| {
                    locks.iter().for_each(|lock| lock.lock().unlock());
                },
            )
            .expect_proof()
    };
    assert_eq!(agree(&one_after_the_other(5)), (231, 9_664));
    assert_eq!(by(&one_after_the_other(8), Search::Symmetric).fingerprint.states, Some(833));
}

fn nested(locks: &[Mutex; 3]) {
    let _outer = locks[0].lock();
    locks[1].lock().unlock();
}

fn inverted(locks: &[Mutex; 3]) {
    let _outer = locks[1].lock();
    locks[0].lock().unlock();
}

#[test]
fn functions_that_capture_nothing_are_recognised() {
    let scenario = Scenario::builder("abba", three_locks)
        .thread("T0", nested)
        .thread("U0", inverted)
        .thread("T1", nested)
        .thread("U1", inverted)
        .build();
    let (symmetric, full) = agree(&scenario);
    assert_eq!((symmetric, full), (57, 160));
}

#[test]
fn waiters_in_a_queue_are_distinguished() {
    let world = || (RwSem::new("sem", 0), Mutex::new("m", ()));
    let scenario = Scenario::builder("queue", world)
        .identical_threads(
            3,
            |i| format!("R{i}"),
            |(sem, m): &(RwSem<i32>, Mutex)| {
                let _read = sem.down_read();
                m.lock().unlock();
            },
        )
        .identical_threads(2, |i| format!("W{i}"), |(sem, _)| *sem.down_write() += 1)
        .build();
    let (symmetric, full) = agree(&scenario);
    assert!(symmetric * 4 < full, "{symmetric} {full}");
}

#[test]
fn threads_that_wait_for_good_are_found_under_their_names() {
    let world = || (Mutex::new("m", false), WaitQueue::new("queue"));
    let scenario = Scenario::builder("missed", world)
        .identical_threads(
            2,
            |i| format!("S{i}"),
            |(m, queue): &(Mutex<bool>, WaitQueue)| {
                queue.wait_event(|| *m.lock());
            },
        )
        .identical_threads(
            2,
            |i| format!("F{i}"),
            |(m, queue)| {
                forever(|| {
                    m.lock().unlock();
                    queue.wake_up();
                });
            },
        )
        .build();
    agree(&scenario);
}

#[test]
fn an_object_that_cannot_be_renamed_tells_threads_apart() {
    // Which of the waiters a notification wakes is an outcome, numbered by their names.
    let world = || (Mutex::new("m", 0), Condvar::new("condvar"));
    let scenario = Scenario::builder("notify", world)
        .identical_threads(
            2,
            |i| format!("W{i}"),
            |(m, condvar): &(Mutex<i32>, Condvar)| {
                drop(condvar.wait_while(m.lock(), |notified| *notified == 0));
            },
        )
        .thread("N", |(m, condvar)| {
            *m.lock() = 1;
            condvar.notify_one();
            condvar.notify_one();
        })
        .expect_proof();
    let (symmetric, full) = agree(&scenario);
    assert_eq!(symmetric, full);
}

#[test]
fn a_semaphore_grants_to_one_of_the_identical_waiters() {
    let scenario = Scenario::builder("semaphore", || Semaphore::new("sem", 1))
        .identical_threads(
            4,
            |i| format!("T{i}"),
            |sem: &Semaphore| {
                sem.down();
                sem.up();
            },
        )
        .expect_proof();
    let (symmetric, full) = agree(&scenario);
    assert!(symmetric * 6 < full, "{symmetric} {full}");
}

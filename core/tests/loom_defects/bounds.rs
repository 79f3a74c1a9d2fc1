//! Searches that are cut short, by one limit or another.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;
use selvedge_core::{Engine, Expectation, Scenario, ViolationKind, sync};

use super::{check, loom_sees_a_deadlock, selvedge_on_loom_agrees_with, unbounded};

fn abba() {
    let locks = Arc::new((Mutex::new(()), Mutex::new(())));
    let shared = Arc::clone(&locks);
    let t = thread::spawn(move || {
        let _a = shared.0.lock().unwrap();
        let _b = shared.1.lock().unwrap();
    });
    {
        let _b = locks.1.lock().unwrap();
        let _a = locks.0.lock().unwrap();
    }
    t.join().unwrap();
}

/// A search that is cut short passes, as a complete one does. Selvedge relies on loom's own log
/// event that it has completed, and otherwise reports an inconclusive result.
#[test]
fn a_search_that_is_cut_short_passes() {
    loom_sees_a_deadlock(abba);
    let mut builder = unbounded();
    builder.max_permutations = Some(1);
    builder.checkpoint_interval = 1;
    assert_eq!(check(&builder, abba), Ok(()), "loom says now that it was cut short");
    let world = || (sync::Mutex::new("A", ()), sync::Mutex::new("B", ()));
    let scenario = Scenario::builder("abba", world)
        .thread("ab", |(a, b)| {
            let _a = a.lock();
            let _b = b.lock();
        })
        .thread("ba", |(a, b)| {
            let _b = b.lock();
            let _a = a.lock();
        })
        .expect_violations([ViolationKind::deadlock(["A", "B"])])
        .on(Engine::Loom, Expectation::Inconclusive)
        .expect_inversion(["A", "B"])
        .loom_executions_max(1);
    selvedge_on_loom_agrees_with(&scenario);
}

/// The preemption bound is documented to explore all orders with at most so many preemptions. Three
/// philosophers starve with one; loom needs a bound of two. Selvedge sets no bound.
#[test]
fn a_preemption_bound_misses_orders_within_the_bound() {
    let philosophers = || {
        let forks = Arc::new([(); 3].map(|()| Mutex::new(())));
        let dine = |left: usize| {
            let forks = Arc::clone(&forks);
            move || {
                let _left = forks[left].lock().unwrap();
                let _right = forks[(left + 1) % 3].lock().unwrap();
            }
        };
        let others = [dine(0), dine(1)].map(thread::spawn);
        dine(2)();
        others.into_iter().for_each(|other| other.join().unwrap());
    };
    let mut builder = unbounded();
    builder.preemption_bound = Some(1);
    assert_eq!(check(&builder, philosophers), Ok(()), "loom keeps the bound now");
    builder.preemption_bound = Some(2);
    assert!(check(&builder, philosophers).is_err());
}

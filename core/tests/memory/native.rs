//! Runs a program on the native engine.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use selvedge_core::std::thread;
use selvedge_core::sync::{
    Ghost, WeakAtomic, fence, smp_load_acquire, smp_mb, smp_rmb, smp_store_release, smp_wmb,
};
use selvedge_core::{
    Checker, Counterexample, Engine, Scenario, Search, Verdict, ViolationKind, poll,
};

use super::program::{Act, Event, Modify, Outcomes, Program};

/// How a thread waits for a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waits {
    /// It polls.
    Polls,
    /// It spins, and yields.
    Yields,
}

struct World {
    words: Vec<WeakAtomic>,
    read: Vec<Ghost<Vec<u64>>>,
}

fn run(events: &[Event], words: &[WeakAtomic], waits: Waits) -> Vec<u64> {
    let mut read = Vec::new();
    for Event { act, word, order } in events {
        let word = &words[*word];
        match *act {
            Act::Load if *order == Ordering::Acquire => read.push(smp_load_acquire(word)),
            Act::Load => read.push(word.load(*order)),
            Act::Await(value) => {
                match waits {
                    Waits::Polls => {
                        poll("value", || (word.load(*order) == value).then_some(()));
                    }
                    Waits::Yields => {
                        while word.load(*order) != value {
                            thread::yield_now();
                        }
                    }
                }
                read.push(value);
            }
            Act::Stuck(_) => unreachable!("it is of an execution, and not of a program"),
            Act::Store(value) if *order == Ordering::Release => smp_store_release(word, value),
            Act::Store(value) => word.store(value, *order),
            Act::Swap(value) => read.push(word.swap(value, *order)),
            Act::Modify(modify, value) => read.push(modified(word, modify, value, *order)),
            Act::Cas(current, new, failure) => {
                let found = WeakAtomic::compare_exchange(word, current, new, *order, failure);
                read.push(found.unwrap_or_else(|found| found));
            }
            Act::Fence => match order {
                Ordering::Acquire => smp_rmb(),
                Ordering::Release => smp_wmb(),
                Ordering::SeqCst => smp_mb(),
                order => fence(*order),
            },
        }
    }
    read
}

fn modified(word: &WeakAtomic, modify: Modify, value: u64, order: Ordering) -> u64 {
    match modify {
        Modify::Add => WeakAtomic::fetch_add(word, value, order),
        Modify::Sub => WeakAtomic::fetch_sub(word, value, order),
        Modify::And => WeakAtomic::fetch_and(word, value, order),
        Modify::Or => WeakAtomic::fetch_or(word, value, order),
        Modify::Xor => WeakAtomic::fetch_xor(word, value, order),
        Modify::Max => word.fetch_max(value, order),
        Modify::Min => word.fetch_min(value, order),
    }
}

/// Returns what the program has ended with, over all that the engine has explored, or that a thread
/// waits for good.
pub(crate) fn outcomes(program: &Program, search: Search, waits: Waits) -> Option<Outcomes> {
    let (scenario, found) = scenario(program, waits);
    let report = Checker::new(Engine::Native).search(search).run(&scenario);
    drop(scenario);
    match &report.verdict {
        Verdict::Proved(_) => Some(std::mem::take(&mut *found.lock().unwrap())),
        Verdict::Refuted(all) if all.iter().all(waits_for_good) => None,
        _ => panic!("{program:?}{report}"),
    }
}

fn waits_for_good(found: &Counterexample) -> bool {
    matches!(found.violation.kind, ViolationKind::Deadlock(_))
}

fn scenario(program: &Program, waits: Waits) -> (Scenario, Arc<Mutex<Outcomes>>) {
    let found = Arc::new(Mutex::new(Outcomes::new()));
    let (words, threads) = (program.words().max(1), program.0.len());
    let world = move || World {
        words: (0..words).map(|word| WeakAtomic::new(["x", "y", "z"][word], 0)).collect(),
        read: (0..threads).map(|_| Ghost::new("read", Vec::new())).collect(),
    };
    let mut builder = Scenario::builder("program", world);
    for (thread, events) in program.0.iter().cloned().enumerate() {
        builder = builder.thread(["T0", "T1", "T2", "T3"][thread], move |world: &World| {
            let read = run(&events, &world.words, waits);
            world.read[thread].update(|all| *all = read);
        });
    }
    let record = Arc::clone(&found);
    let scenario = builder
        .finally(move |world| {
            let last = world.words.iter().map(|word| word.load(Ordering::Relaxed));
            let mut read = Vec::new();
            for ghost in &world.read {
                ghost.check("read", |all| {
                    read.push(all.clone());
                    Ok(())
                });
            }
            record.lock().unwrap().insert((read, last.collect()));
        })
        .expect_proof();
    (scenario, found)
}

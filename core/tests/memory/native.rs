//! Runs a program on the native engine.

use std::sync::{Arc, Mutex};

use selvedge_core::sync::{Ghost, WeakAtomic, fence};
use selvedge_core::{Checker, Engine, Scenario, Search, Verdict};

use super::program::{Act, Event, Outcomes, Program};

struct World {
    words: Vec<WeakAtomic>,
    read: Vec<Ghost<Vec<u64>>>,
}

fn run(events: &[Event], words: &[WeakAtomic]) -> Vec<u64> {
    let mut read = Vec::new();
    for Event { act, word, order } in events {
        let word = &words[*word];
        match *act {
            Act::Load => read.push(word.load(*order)),
            Act::Store(value) => word.store(value, *order),
            Act::Swap(value) => read.push(word.swap(value, *order)),
            Act::Add(value) => read.push(word.fetch_add(value, *order)),
            Act::Cas(current, new, failure) => {
                let found = word.compare_exchange(current, new, *order, failure);
                read.push(found.unwrap_or_else(|found| found));
            }
            Act::Fence => fence(*order),
        }
    }
    read
}

/// Returns what the program has ended with, over all that the engine has explored.
pub(crate) fn outcomes(program: &Program, search: Search) -> Outcomes {
    let (scenario, found) = scenario(program);
    let report = Checker::new(Engine::Native).search(search).run(&scenario);
    assert!(matches!(report.verdict, Verdict::Proved(_)), "{program:?}{report}");
    drop(scenario);
    std::mem::take(&mut found.lock().unwrap())
}

fn scenario(program: &Program) -> (Scenario, Arc<Mutex<Outcomes>>) {
    let found = Arc::new(Mutex::new(Outcomes::new()));
    let (words, threads) = (program.words().max(1), program.0.len());
    let world = move || World {
        words: (0..words).map(|word| WeakAtomic::new(["x", "y", "z"][word], 0)).collect(),
        read: (0..threads).map(|_| Ghost::new("read", Vec::new())).collect(),
    };
    let mut builder = Scenario::builder("program", world);
    for (thread, events) in program.0.iter().cloned().enumerate() {
        builder = builder.thread(["T0", "T1", "T2", "T3"][thread], move |world: &World| {
            let read = run(&events, &world.words);
            world.read[thread].update(|all| *all = read);
        });
    }
    let record = Arc::clone(&found);
    let scenario = builder
        .finally(move |world| {
            let last =
                world.words.iter().map(|word| word.load(std::sync::atomic::Ordering::Relaxed));
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

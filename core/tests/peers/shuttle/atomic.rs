//! Programs of shuttle's `atomic` tests.

use selvedge_core::Scenario;
use selvedge_core::sync::{Atomic, Ghost};

use crate::outcomes::{are_everywhere, noted};

type Words = (Atomic, Atomic, Ghost<[u64; 2]>);

fn words() -> Words {
    (Atomic::new("x", 0), Atomic::new("y", 0), Ghost::new("seen", [0; 2]))
}

fn note(seen: &Ghost<[u64; 2]>, place: usize, value: u64) {
    seen.update(|seen| seen[place] = value);
}

/// atomic: `store_store_reordering`, `store_load_reordering`, `load_store_reordering`. Exactly the
/// outcomes that sequential consistency allows.
#[test]
fn accesses_to_words_are_not_reordered() {
    let message = || {
        Scenario::builder("store_store", words)
            .thread("T1", |(x, y, _)| {
                x.store(1);
                y.store(1);
            })
            .thread("T2", |(x, y, seen)| {
                note(seen, 1, y.load());
                note(seen, 0, x.load());
            })
    };
    are_everywhere(message, |(.., seen)| noted(seen), [[0, 0], [1, 0], [1, 1]]);
    let load_first = || {
        Scenario::builder("store_load", words)
            .thread("T1", |(x, y, seen)| {
                note(seen, 0, x.load());
                y.store(1);
            })
            .thread("T2", |(x, y, seen)| {
                note(seen, 1, y.load());
                x.store(1);
            })
    };
    are_everywhere(load_first, |(.., seen)| noted(seen), [[0, 0], [0, 1], [1, 0]]);
    let store_first = || {
        Scenario::builder("load_store", words)
            .thread("T1", |(x, y, seen)| {
                x.store(1);
                note(seen, 0, y.load());
            })
            .thread("T2", |(x, y, seen)| {
                y.store(1);
                note(seen, 1, x.load());
            })
    };
    are_everywhere(store_first, |(.., seen)| noted(seen), [[0, 1], [1, 0], [1, 1]]);
}

/// Replaces the value of a word by the result of `change`, as `fetch_update`.
fn update(word: &Atomic, change: impl Fn(u64) -> u64) {
    let mut value = word.load();
    while let Err(found) = word.compare_exchange(value, change(value)) {
        value = found;
    }
}

/// atomic: `fetch_update`, of numbers and of a flag. It is one step, wherever the stores come.
#[test]
fn a_word_is_updated_beside_stores() {
    let numbers = || {
        Scenario::builder("fetch_update", || Atomic::new("x", 0))
            .thread("T1", |x| x.store(1))
            .thread("T2", |x| x.store(2))
            .thread("main", |x| update(x, |value| value + 5))
    };
    are_everywhere(numbers, Atomic::load, [1, 2, 6, 7]);
    let flag = || {
        Scenario::builder("fetch_update", || Atomic::new("x", 0))
            .thread("T1", |x| x.store(1))
            .thread("main", |x| update(x, |value| 1 - value))
    };
    are_everywhere(flag, Atomic::load, [0, 1]);
}

/// atomic: `compare_exchange`. It finds the value that was stored, or the initial one.
#[test]
fn an_exchange_finds_the_present_value() {
    let make = || {
        Scenario::builder("compare_exchange", || (Atomic::new("x", 0), Ghost::new("result", None)))
            .thread("stores", |(x, _)| x.store(1))
            .thread("exchanges", |(x, result)| {
                let found = x.compare_exchange(1, 5);
                result.update(|result| *result = Some(found));
            })
    };
    let results = [(Some(Ok(1)), 5), (Some(Err(0)), 1)];
    are_everywhere(make, |(x, result)| (noted(result), x.load()), results);
}

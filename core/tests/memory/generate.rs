//! Random programs.

use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

use fastrand::Rng;

use super::program::{Act, Event, Modify, Program};

/// Whether accesses may be sequentially consistent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accesses {
    /// Fences alone.
    NotTotal,
    /// Some are.
    Total,
}

const EVENTS_MAX: usize = 10;

/// The events that a program has most of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Often {
    Any,
    /// Loads and stores with sequentially consistent fences, or such accesses.
    Ordered,
}

/// Returns the program with this number.
pub(crate) fn program(seed: u64, accesses: Accesses) -> Program {
    let mut rng = Rng::with_seed(seed);
    // Every other program has mostly what `psc` orders, or it hardly ever matters.
    let often = if seed % 2 == 0 { Often::Ordered } else { Often::Any };
    let few = if often == Often::Ordered { 4 } else { 1 };
    let threads = if rng.u8(..3 * few) < 2 { 3 } else { 2 };
    let words = if rng.u8(..4 * few) == 0 { 3 } else { 2 };
    let (most, mut left) = (rng.usize(4..=EVENTS_MAX), 0);
    let mut program = vec![Vec::new(); threads];
    let mut value = 0;
    // A thread without events is of no use.
    let drawn: Vec<usize> = (0..most).map(|_| rng.usize(..threads)).collect();
    for thread in (0..threads).chain(drawn) {
        if left < most && program[thread].len() < 5 {
            let odd = program[thread].len() % 2 == 1;
            let event = match often {
                Often::Any => event(&mut rng, words, &mut value, accesses),
                Often::Ordered => ordered(&mut rng, words, &mut value, accesses, odd),
            };
            program[thread].push(event);
            left += 1;
        }
    }
    Program(program)
}

/// Returns the program with this number in which some loads wait for a value that another thread
/// stores.
pub(crate) fn waiting(seed: u64, accesses: Accesses) -> Program {
    let mut program = program(seed, accesses);
    let mut rng = Rng::with_seed(seed);
    let stored = |(thread, events): (usize, &Vec<Event>)| {
        let value = |event: &Event| match event.act {
            Act::Store(value) | Act::Swap(value) => Some((thread, event.word, value)),
            _ => None,
        };
        events.iter().filter_map(value).collect::<Vec<_>>()
    };
    let stored: Vec<_> = program.0.iter().enumerate().flat_map(stored).collect();
    for (thread, events) in program.0.iter_mut().enumerate() {
        for event in events.iter_mut().filter(|event| event.act == Act::Load) {
            let others = stored.iter().filter(|(by, word, _)| *by != thread && *word == event.word);
            let values: Vec<u64> = others.map(|(.., value)| *value).collect();
            if !values.is_empty() && rng.u8(..3) > 0 {
                event.act = Act::Await(values[rng.usize(..values.len())]);
            }
        }
    }
    program
}

/// Returns a load, a store, or a fence at every second place of a thread.
fn ordered(rng: &mut Rng, words: usize, value: &mut u64, accesses: Accesses, odd: bool) -> Event {
    *value += 1;
    if accesses == Accesses::NotTotal && odd && rng.u8(..6) > 0 {
        return Event { act: Act::Fence, word: 0, order: SeqCst };
    }
    let total = accesses == Accesses::Total && rng.u8(..6) > 0;
    let order = if total { SeqCst } else { Relaxed };
    let act = if rng.bool() { Act::Load } else { Act::Store(*value) };
    Event { act, word: rng.usize(..words), order }
}

fn event(rng: &mut Rng, words: usize, value: &mut u64, accesses: Accesses) -> Event {
    *value += 1;
    let total = |rng: &mut Rng, others: &[Ordering]| match accesses {
        Accesses::Total if rng.u8(..3) == 0 => SeqCst,
        _ => others[rng.usize(..others.len())],
    };
    let (act, order) = match rng.u8(..20) {
        0..=6 => (Act::Load, total(rng, &[Relaxed, Relaxed, Acquire])),
        7..=12 => (Act::Store(*value), total(rng, &[Relaxed, Relaxed, Release])),
        13 => (Act::Swap(*value), total(rng, &[Relaxed, Acquire, Release, AcqRel])),
        14 => {
            use Modify::{Add, And, Max, Min, Or, Sub, Xor};
            let modify = [Add, Add, Add, Sub, And, Or, Xor, Max, Min][rng.usize(..9)];
            let act = Act::Modify(modify, 10);
            (act, total(rng, &[Relaxed, Acquire, Release, AcqRel]))
        }
        15 => {
            let failure = total(rng, &[Relaxed, Acquire]);
            let order = total(rng, &[Relaxed, Acquire, Release, AcqRel]);
            (Act::Cas(rng.u64(..*value), 100 + *value, failure), order)
        }
        _ => {
            let orders = [Acquire, Release, AcqRel, SeqCst, SeqCst, SeqCst];
            (Act::Fence, orders[rng.usize(..orders.len())])
        }
    };
    let word = if act == Act::Fence { 0 } else { rng.usize(..words) };
    Event { act, word, order }
}

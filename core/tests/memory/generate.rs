//! Random programs.

use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

use fastrand::Rng;

use super::program::{Act, Event, Program};

/// Whether accesses may be sequentially consistent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accesses {
    /// Fences alone.
    NotTotal,
    /// Some are.
    Total,
}

const EVENTS_MAX: usize = 10;

/// Returns the program with this number.
pub(crate) fn program(seed: u64, accesses: Accesses) -> Program {
    let mut rng = Rng::with_seed(seed);
    let threads = if rng.u8(..3) == 0 { 2 } else { 3 };
    let words = if rng.u8(..4) == 0 { 3 } else { 2 };
    let (most, mut left) = (rng.usize(4..=EVENTS_MAX), 0);
    let mut program = vec![Vec::new(); threads];
    // A thread without events is of no use.
    for thread in (0..threads).chain(std::iter::repeat_with(|| rng.usize(..threads)).take(most)) {
        if left < most && program[thread].len() < 5 {
            program[thread].push(());
            left += 1;
        }
    }
    let mut value = 0;
    let mut event = |()| event(&mut rng, words, &mut value, accesses);
    Program(
        program.into_iter().map(|events| events.into_iter().map(&mut event).collect()).collect(),
    )
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
        14 => (Act::Add(10), total(rng, &[Relaxed, Acquire, Release, AcqRel])),
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

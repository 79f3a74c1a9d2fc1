//! A workqueue that is frozen and thawed: random programs against brute force.

mod reference;
mod world;

use selvedge_core::Checker;

use super::small::{self, Outcome};

/// A work, by its place in `WORKS`.
type Number = usize;

const QUEUE: &str = "wq";
const WORKS: [&str; 2] = ["w0", "w1"];
const MUTEX: &str = "M";

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Instr {
    /// Logs whether the work was queued.
    Queue(Number),
    /// Logs whether the work was pending; so does the next.
    Cancel(Number),
    CancelSync(Number),
    Flush(Number),
    FlushQueue,
    Freeze,
    /// Logs whether works are still active.
    Busy,
    Thaw,
    /// Does nothing if the mutex is held.
    Lock,
    /// Does nothing if it is not held.
    Unlock,
    /// Adds one to the word, and logs what it was.
    Count,
}

#[derive(Clone, Debug)]
struct Program {
    threads: Vec<Vec<Instr>>,
    works: [Vec<Instr>; 2],
    max_active: usize,
    /// Whether the queue has `WQ_FREEZABLE`.
    freezable: bool,
}

impl Program {
    fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (threads, length) = [(1, 7), (2, 4), (2, 4)][rng.usize(..3)];
        let thread = |rng: &mut fastrand::Rng| (0..length).map(|_| instr(rng)).collect();
        let work = |rng: &mut fastrand::Rng| {
            let of = [Instr::Count, Instr::Lock, Instr::Unlock, Instr::Thaw, Instr::Freeze];
            let length = rng.usize(..3);
            (0..length).map(|_| of[rng.usize(..of.len())]).collect()
        };
        let mut threads: Vec<Vec<Instr>> = (0..threads).map(|_| thread(&mut rng)).collect();
        // Otherwise most programs end with works that wait for good.
        if rng.u8(..4) > 0 {
            threads[0].push(Instr::Thaw);
        }
        Self {
            threads,
            works: [work(&mut rng), work(&mut rng)],
            max_active: rng.usize(1..=2),
            freezable: rng.u8(..8) > 0,
        }
    }
}

fn instr(rng: &mut fastrand::Rng) -> Instr {
    let work = rng.usize(..2);
    match rng.u8(..20) {
        0..6 => Instr::Queue(work),
        6 => Instr::Cancel(work),
        7 => Instr::CancelSync(work),
        8 => Instr::Flush(work),
        9 => Instr::FlushQueue,
        10..13 => Instr::Freeze,
        13..15 => Instr::Busy,
        15..17 => Instr::Thaw,
        17 => Instr::Lock,
        18 => Instr::Unlock,
        _ => Instr::Count,
    }
}

/// Checks that the searches agree with brute force. Returns what is possible, and whether every
/// interleaving was explored.
fn agree(program: &Program, seed: u64) -> (Outcome, bool) {
    let expected = reference::explore(program);
    let explore = |checker: Checker<'_>| world::explore(program, checker);
    small::agree(&expected, explore, 50, || format!("{seed}: {program:?}"))
}

fn agree_on(seeds: std::ops::Range<u64>) {
    let least =
        [("clean", 200), ("several ends", 200), ("frozen for good", 100), ("by traces", 200)];
    small::population(seeds, least, |seed| {
        let (outcome, by_traces) = agree(&Program::random(seed), seed);
        let frozen = outcome.violations.contains(&format!("deadlock({QUEUE})"));
        [outcome.violations.is_empty(), outcome.finals.len() > 1, frozen, by_traces]
    });
}

#[test]
fn frozen_workqueues_agree_with_brute_force() {
    agree_on(0..100);
}

/// The long form.
#[test]
#[ignore = "takes minutes"]
fn frozen_workqueues_agree_with_brute_force_on_many_programs() {
    agree_on(1_000_000..1_030_000);
}

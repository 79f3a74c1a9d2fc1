//! `ww_mutex`: random programs against brute force.

mod reference;
mod world;

use selvedge_core::Checker;

use super::small::{self, Outcome};

const CLASS: &str = "ww_mutex";

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Instr {
    /// Logs 0 for the mutex, and 2 if it is held in the context already. After `-EDEADLK` it logs
    /// 1, unlocks what is held in the context, and waits for this mutex alone.
    Lock(usize),
    /// As `Lock`, but after `-EDEADLK` it continues with what it has.
    GiveUp(usize),
    /// Logs 1 for the mutex and 0 for none.
    Try(usize),
    /// Unlocks one of the mutexes held in this block, counted cyclically from the first.
    Unlock(usize),
    /// `ww_acquire_done`, in a context only.
    Done,
    /// Adds one to the word, and logs what it was.
    Count,
}

/// A part of a thread, at the end of which it unlocks what it has taken there, the first first.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Block {
    /// Whether it is in an acquire context.
    in_context: bool,
    steps: Vec<Instr>,
}

#[derive(Clone, Debug)]
struct Program {
    wait_die: bool,
    mutexes: usize,
    threads: Vec<Vec<Block>>,
}

impl Program {
    fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (threads, length, mutexes) = [(2, 3, 2), (2, 4, 3), (3, 2, 2)][rng.usize(..3)];
        let thread = |rng: &mut fastrand::Rng| {
            let blocks = if rng.u8(..4) == 0 { 2 } else { 1 };
            let block = |rng: &mut fastrand::Rng| {
                let in_context = rng.u8(..5) > 0;
                let length = length / blocks + usize::from(blocks == 1);
                let steps = (0..length).map(|_| instr(rng, mutexes, in_context)).collect();
                Block { in_context, steps }
            };
            (0..blocks).map(|_| block(rng)).collect()
        };
        let threads = (0..threads).map(|_| thread(&mut rng)).collect();
        Self { wait_die: rng.bool(), mutexes, threads }
    }
}

fn instr(rng: &mut fastrand::Rng, mutexes: usize, in_context: bool) -> Instr {
    let mutex = rng.usize(..mutexes);
    match rng.u8(..16) {
        0..9 => Instr::Lock(mutex),
        9..11 if in_context => Instr::GiveUp(mutex),
        9..12 => Instr::Try(mutex),
        12..14 => Instr::Unlock(rng.usize(..2)),
        14 if in_context && rng.u8(..3) == 0 => Instr::Done,
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
    let least = [
        ("clean", 200),
        ("deadlock", 50),
        ("broken", 20),
        ("taken when all are", 10),
        ("several ends", 50),
        ("by traces", 200),
    ];
    small::population(seeds, least, |seed| {
        let (outcome, by_traces) = agree(&Program::random(seed), seed);
        let has = |what: &str| outcome.violations.iter().any(|found| found.starts_with(what));
        let clean = outcome.violations.is_empty();
        [
            clean,
            has("deadlock"),
            has("invariant(ww_mutex_lock)"),
            has("invariant(ww_acquire_done)"),
            clean && outcome.finals.len() > 1,
            by_traces,
        ]
    });
}

#[test]
fn ww_mutexes_agree_with_brute_force() {
    agree_on(0..300);
}

/// The long form.
#[test]
#[ignore = "takes minutes"]
fn ww_mutexes_agree_with_brute_force_on_many_programs() {
    agree_on(1_000_000..1_030_000);
}

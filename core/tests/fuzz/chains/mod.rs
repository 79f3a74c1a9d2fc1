//! Notifier chains: random programs against brute force.

mod reference;
mod world;

use selvedge_core::Checker;

use super::small::{self, Outcome};

/// How a chain is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Blocking,
    Atomic,
    Raw,
    Srcu,
}

/// A block, by its number.
type Number = usize;

const BLOCKS: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Instr {
    /// Logs whether the block was not on the chain.
    Register(Number),
    /// Logs whether it was on the chain.
    Unregister(Number),
    /// The same, with the mutex held.
    UnregisterLocked(Number),
    /// Logs whether a function has stopped it.
    Call,
    CallLocked,
    /// In a function only: appends the number to those in the word.
    Note(Number),
    /// The same, with the mutex held.
    NoteLocked(Number),
}

/// The base of the numbers in the word.
const BASE: u64 = 4;

const CHAIN: &str = "C";
const MUTEX: &str = "M";

#[derive(Clone, Debug)]
struct Program {
    kind: Kind,
    priorities: [i32; BLOCKS],
    functions: [Vec<Instr>; BLOCKS],
    /// Whether each function stops the call.
    stops: [bool; BLOCKS],
    threads: Vec<Vec<Instr>>,
}

impl Program {
    fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let kind = [Kind::Blocking, Kind::Atomic, Kind::Raw, Kind::Srcu][rng.usize(..4)];
        let function = |rng: &mut fastrand::Rng, own: Number| match rng.u8(..8) {
            0 => vec![],
            1 => vec![Instr::NoteLocked(own)],
            2 => vec![Instr::Note(own), Instr::Unregister(rng.usize(..BLOCKS))],
            _ => vec![Instr::Note(own)],
        };
        let functions = [0, 1, 2].map(|own| function(&mut rng, own));
        let changes = !functions.iter().flatten().any(|i| matches!(i, Instr::Unregister(_)));
        // "Any locking required must be provided by the caller" of a raw chain: one thread does.
        let others_change = kind != Kind::Raw;
        let mut first: Vec<Instr> = (0..rng.usize(1..=2)).map(Instr::Register).collect();
        let (threads, length) = [(1, 4), (2, 1), (2, 2)][rng.usize(..3)];
        first.extend((0..length).map(|_| instr(&mut rng, changes || others_change)));
        let mut threads: Vec<Vec<Instr>> = (1..threads)
            .map(|_| (0..length).map(|_| instr(&mut rng, others_change)).collect())
            .collect();
        threads.insert(0, first);
        let stops = [(); BLOCKS].map(|()| rng.u8(..4) == 0);
        Self { kind, priorities: [(); BLOCKS].map(|()| rng.i32(0..2)), functions, stops, threads }
    }
}

fn instr(rng: &mut fastrand::Rng, changes: bool) -> Instr {
    let block = rng.usize(..BLOCKS);
    match rng.u8(..10) {
        0 | 1 if changes => Instr::Register(block),
        2 | 3 if changes => Instr::Unregister(block),
        4 if changes => Instr::UnregisterLocked(block),
        5 => Instr::CallLocked,
        _ => Instr::Call,
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
        ("several ends", 100),
        ("deadlock", 50),
        ("sleep in atomic", 20),
        ("by traces", 200),
    ];
    small::population(seeds, least, |seed| {
        let (outcome, by_traces) = agree(&Program::random(seed), seed);
        let has = |what: &str| outcome.violations.iter().any(|found| found.starts_with(what));
        let several = outcome.finals.len() > 1;
        let clean = outcome.violations.is_empty();
        [clean, several, has("deadlock"), has("sleep-in-atomic"), by_traces]
    });
}

#[test]
fn notifier_chains_agree_with_brute_force() {
    agree_on(0..120);
}

/// The long form.
#[test]
#[ignore = "takes minutes"]
fn notifier_chains_agree_with_brute_force_on_many_programs() {
    agree_on(1_000_000..1_030_000);
}

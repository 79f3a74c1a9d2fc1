//! Callbacks of RCU and SRCU, the threads that they interrupt, and the barriers that wait for them:
//! random programs against brute force.

mod reference;
mod world;

use selvedge_core::Checker;

use super::small::{self, Outcome};

/// A domain, by its place in `CLASSES`.
type Domain = usize;

const RCU: Domain = 0;
const SRCU: Domain = 1;
const CLASSES: [&str; 2] = ["rcu", "R"];
const SPIN: &str = "P";

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Instr {
    /// Enters a section of the domain, if the thread is in none.
    Enter(Domain),
    /// Leaves it, if it is in one.
    Leave(Domain),
    Synchronize(Domain),
    /// Calls back, with one of the heads of the domain: the callback adds `BY_CALLBACK` to the
    /// word.
    Call(Domain, usize),
    /// The same with a head whose callback holds the spinlock meanwhile.
    CallLocking(Domain, usize),
    /// `rcu_dereference` of a pointer to an object that no thread frees.
    Dereference,
    /// `rcu_dereference_protected`, if the thread holds the spinlock.
    DereferenceProtected,
    /// Takes the spinlock, if the thread does not hold it.
    Spin,
    /// The same, with bottom halves disabled.
    SpinBh,
    /// The same, if it is free now. Logs whether the thread holds it.
    TrySpin,
    /// Releases the spinlock, if the thread holds it.
    Unspin,
    Barrier(Domain),
    /// Logs the word.
    Look,
    /// Adds one to the word, and logs what it was.
    Count,
}

/// The number of heads of each kind in each domain.
const HEADS: usize = 3;

const BY_CALLBACK: u64 = 16;

#[derive(Clone, Debug)]
struct Program {
    threads: Vec<Vec<Instr>>,
}

impl Program {
    fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (threads, length) = [(1, 6), (2, 3), (2, 4)][rng.usize(..3)];
        // Most programs are about one domain, so that their threads meet.
        let (domain, spins) = (rng.usize(..2), rng.bool());
        let threads = (0..threads).map(|_| steps(&mut rng, length, domain, spins)).collect();
        Self { threads }
    }
}

/// Returns the steps of a thread, which may use the spinlock if it `spins`.
fn steps(rng: &mut fastrand::Rng, length: usize, domain: Domain, spins: bool) -> Vec<Instr> {
    use Instr::*;
    let (mut steps, mut calls, mut in_rcu, mut locked) = (Vec::new(), 0, false, false);
    while steps.len() < length {
        let domain = if rng.u8(..8) == 0 { 1 - domain } else { domain };
        let head = rng.usize(..HEADS);
        let call = Call(domain, head);
        let calls_locking = CallLocking(domain, head);
        let all = [Enter(domain), Leave(domain), call, Barrier(domain), Look, Count];
        let locks = [Spin, Spin, SpinBh, TrySpin, Unspin, calls_locking, calls_locking];
        let instr = match rng.u8(..10) {
            3..8 if spins => locks[rng.usize(..locks.len())],
            0 => Synchronize(domain),
            1 => call,
            2 => Barrier(domain),
            8 if rng.u8(..3) == 0 => match spins {
                true => [Dereference, DereferenceProtected][rng.usize(..2)],
                false => Dereference,
            },
            _ => all[rng.usize(..all.len())],
        };
        // More have too many states.
        calls += usize::from(matches!(instr, Call(..) | CallLocking(..)));
        if calls > 2 {
            break;
        }
        // In a section of RCU a thread may not sleep.
        if in_rcu && matches!(instr, Synchronize(_) | Barrier(_)) {
            steps.push(Leave(RCU));
        }
        // Nor with a spinlock.
        if locked && matches!(instr, Synchronize(_) | Barrier(_)) {
            steps.push(Unspin);
        }
        locked = match instr {
            Spin | SpinBh | TrySpin => true,
            Unspin | Synchronize(_) | Barrier(_) => false,
            _ => locked,
        };
        in_rcu = match instr {
            Enter(RCU) => true,
            Leave(RCU) | Synchronize(_) | Barrier(_) => false,
            _ => in_rcu,
        };
        steps.push(instr);
    }
    steps
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
        ("deadlock", 20),
        ("on the lock", 50),
        ("called twice", 10),
        ("suspicious use", 20),
        ("several ends", 300),
        ("by traces", 300),
    ];
    small::population(seeds, least, |seed| {
        let (outcome, by_traces) = agree(&Program::random(seed), seed);
        let has = |name: &str| outcome.violations.contains(name);
        [
            !outcome.violations.is_empty(),
            has("deadlock(P)"),
            has("invariant(call_rcu)") || has("invariant(call_srcu)"),
            has("invariant(rcu_dereference)"),
            outcome.finals.len() > 1,
            by_traces,
        ]
    });
}

#[test]
fn callbacks_agree_with_brute_force() {
    agree_on(0..300);
}

/// The long form.
#[test]
#[ignore = "takes minutes"]
fn callbacks_agree_with_brute_force_on_many_programs() {
    agree_on(1_000_000..1_030_000);
}

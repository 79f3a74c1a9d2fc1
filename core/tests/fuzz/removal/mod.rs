//! What a driver removes: files, works and kernel threads; and variables. Random programs against
//! brute force.

mod reference;
mod world;

use selvedge_core::Checker;

use super::small::{self, Outcome};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Instr {
    Lock,
    /// Does nothing if the mutex is not held.
    Unlock,
    /// Logs whether there is an active reference.
    GetActive,
    /// Does nothing without a reference; neither does the next.
    PutActive,
    /// Does nothing without a reference, or while that is broken.
    Break,
    /// Does nothing if no reference is broken.
    Unbreak,
    /// Logs whether it was the first.
    RemoveSelf,
    Remove,
    /// Logs the value of the variable; so does `MarkedRead`.
    Read,
    Write(u64),
    MarkedRead,
    MarkedWrite(u64),
    /// Of the word. Logs the value; so do the last two, with the previous one.
    Load,
    Store(u64),
    Swap(u64),
    FetchAdd,
    /// `smp_mb`.
    Barrier,
    /// Logs whether the work was queued; so does the next.
    QueueWork,
    QueueDelayed,
    /// Logs whether the work was pending; so do the next four.
    ModDelayed,
    Cancel,
    CancelSync,
    Disable,
    DisableSync,
    /// Logs whether the work can be queued.
    Enable,
    Flush,
    FlushDelayed,
    /// Takes a side of the semaphore, if the thread has none.
    DownRead,
    DownWrite,
    /// The same, until a signal; logs whether it has.
    DownReadKillable,
    DownWriteKillable,
    /// Turns the write side into the read side, if the thread has it.
    Downgrade,
    Up,
    Stop,
    Park,
    Unpark,
    WakeUp,
    GetTask,
    /// In the function of the kernel thread only, with all that follows. Logs whether it is to
    /// stop.
    ShouldStop,
    /// Logs whether it is to park.
    ShouldPark,
    Parkme,
    WaitForStop,
    /// Sleeps until the word is not 0, or the thread is to stop.
    WaitForWord,
}

const MUTEX: &str = "M";
const SEM: &str = "S";
const FILE: &str = "F";
const VARIABLE: &str = "X";
const WORD: &str = "A";
const WORK: &str = "W";
const KTHREAD: &str = "K";
const ASLEEP: &str = "K (asleep)";

/// What the word counts in the number at the end, beside the variable.
const WORD_UNIT: u64 = 100;

#[derive(Clone, Debug)]
struct Program {
    threads: Vec<Vec<Instr>>,
    work: Vec<Instr>,
    /// The function of the kernel thread, if there is one.
    kthread: Option<Vec<Instr>>,
}

/// A stretch of code: what it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Theme {
    Files,
    Variables,
    Works,
    Kthreads,
    Semaphores,
}

const THEMES: [Theme; 5] =
    [Theme::Files, Theme::Variables, Theme::Works, Theme::Kthreads, Theme::Semaphores];

impl Program {
    fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let themes = [THEMES[rng.usize(..5)], THEMES[rng.usize(..5)]];
        let (threads, length) = [(2, 4), (2, 5), (3, 3)][rng.usize(..3)];
        let stretch = |rng: &mut fastrand::Rng, length: usize| -> Vec<Instr> {
            let mut one = || {
                let theme = themes[usize::from(rng.bool())];
                instr(rng, theme)
            };
            (0..length).map(|_| one()).collect()
        };
        let threads = (0..threads).map(|_| stretch(&mut rng, length)).collect();
        let mut work = stretch(&mut rng, 2);
        work.retain(|instr| !queues(*instr));
        let mut kthread = stretch(&mut rng, 1);
        use Instr::{Parkme, ShouldPark, ShouldStop, WaitForStop, WaitForWord};
        let own = [ShouldStop, ShouldPark, Parkme, WaitForStop, WaitForWord];
        kthread.extend((0..2).map(|_| own[rng.usize(..5)]));
        rng.shuffle(&mut kthread);
        Self { threads, work, kthread: themes.contains(&Theme::Kthreads).then_some(kthread) }
    }
}

/// Returns whether it may queue the work, which would have no end in the work.
fn queues(instr: Instr) -> bool {
    matches!(instr, Instr::QueueWork | Instr::QueueDelayed | Instr::ModDelayed)
}

fn instr(rng: &mut fastrand::Rng, theme: Theme) -> Instr {
    use Instr::*;
    let of = |instrs: &[Instr], rng: &mut fastrand::Rng| instrs[rng.usize(..instrs.len())];
    if rng.u8(..4) == 0 {
        return of(&[Lock, Lock, Unlock], rng);
    }
    match theme {
        Theme::Files => of(
            &[GetActive, GetActive, GetActive, PutActive, Break, Unbreak, RemoveSelf, Remove],
            rng,
        ),
        Theme::Variables if rng.bool() => {
            of(&[Load, Load, Store(1), Store(2), Swap(3), FetchAdd, Barrier], rng)
        }
        Theme::Variables => of(&[Read, Write(1), Write(2), MarkedRead, MarkedWrite(3)], rng),
        Theme::Works => of(
            &[
                QueueWork,
                QueueWork,
                QueueDelayed,
                QueueDelayed,
                ModDelayed,
                Cancel,
                CancelSync,
                Disable,
                DisableSync,
                Enable,
                Flush,
                FlushDelayed,
            ],
            rng,
        ),
        Theme::Semaphores => {
            of(&[DownRead, DownWrite, DownReadKillable, DownWriteKillable, Downgrade, Up], rng)
        }
        Theme::Kthreads => of(&[Stop, Stop, Park, Unpark, WakeUp, WakeUp, GetTask, Store(1)], rng),
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
        ("clean", 100),
        ("deadlock", 100),
        ("race", 25),
        ("of a thread that has ended", 10),
        ("by traces", 200),
    ];
    small::population(seeds, least, |seed| {
        let (outcome, by_traces) = agree(&Program::random(seed), seed);
        let has = |what: &str| outcome.violations.iter().any(|found| found.starts_with(what));
        let clean = outcome.violations.is_empty();
        [clean, has("deadlock"), has("data-race"), has("use-after-release"), by_traces]
    });
}

#[test]
fn removals_agree_with_brute_force() {
    agree_on(0..250);
}

/// The long form.
#[test]
#[ignore = "takes minutes"]
fn removals_agree_with_brute_force_on_many_programs() {
    agree_on(1_000_000..1_030_000);
}

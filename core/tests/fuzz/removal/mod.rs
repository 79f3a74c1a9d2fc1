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
    /// Wakes those who sleep on a wait queue: of the exclusive waiters one, or all.
    WakeQueue(usize),
    WakeQueueAll(usize),
    /// Sleeps on a wait queue.
    WaitOn(usize, Way),
}

/// The wait of a thread on a wait queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Way {
    /// Until the word is not 0.
    Word,
    /// The same, as an exclusive waiter.
    WordExclusive,
    /// The same, or until a signal; logs whether the word was not 0.
    WordInterruptible,
    /// Until it is woken. It has looked at nothing.
    Bare,
    /// In the function of the kernel thread only, as all that follow: until it is to stop.
    Stop,
    /// The same, as an exclusive waiter.
    StopExclusive,
    /// Until the word is not 0 or it is to stop, or until a signal; logs which.
    WordOrStop,
}

const MUTEX: &str = "M";
const SEM: &str = "S";
const FILE: &str = "F";
const VARIABLE: &str = "X";
const WORD: &str = "A";
const WORK: &str = "W";
const KTHREAD: &str = "K";
const ASLEEP: &str = "K (asleep)";
const QUEUES: [&str; 2] = ["P", "Q"];

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
    Queues,
}

const THEMES: [Theme; 6] = [
    Theme::Files,
    Theme::Variables,
    Theme::Works,
    Theme::Kthreads,
    Theme::Semaphores,
    Theme::Queues,
];

impl Program {
    fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let themes = [THEMES[rng.usize(..6)], THEMES[rng.usize(..6)]];
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
        let on_queue = [Way::Stop, Way::StopExclusive, Way::WordOrStop, Way::WordInterruptible];
        let asleep = themes.contains(&Theme::Queues);
        kthread.extend((0..2).map(|_| match asleep && rng.u8(..3) > 0 {
            true => Instr::WaitOn(rng.usize(..2), on_queue[rng.usize(..4)]),
            false => own[rng.usize(..5)],
        }));
        rng.shuffle(&mut kthread);
        let there = asleep || themes.contains(&Theme::Kthreads);
        Self { threads, work, kthread: there.then_some(kthread) }
    }
}

impl Program {
    /// Returns whether it stops a kernel thread that waits for that on a wait queue.
    fn stops_on_queue(&self) -> bool {
        use Way::{Stop, StopExclusive, WordOrStop};
        let waits =
            |instr: &Instr| matches!(instr, Instr::WaitOn(_, Stop | StopExclusive | WordOrStop));
        let stops = self.threads.iter().flatten().any(|instr| *instr == Instr::Stop);
        stops && self.kthread.iter().flatten().any(waits)
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
        Theme::Queues if rng.bool() => {
            let q = rng.usize(..2);
            let ways = [Way::Word, Way::WordExclusive, Way::WordInterruptible, Way::Bare];
            let waits = WaitOn(q, ways[rng.usize(..4)]);
            of(&[waits, WakeQueue(q), WakeQueue(q), WakeQueueAll(q)], rng)
        }
        Theme::Queues => of(&[Stop, Park, WakeUp, WakeUp, GetTask, Store(1), Store(1)], rng),
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
        ("by traces", 150),
        ("of a thread that waits on a queue and is stopped", 30),
    ];
    small::population(seeds, least, |seed| {
        let program = Program::random(seed);
        let (outcome, by_traces) = agree(&program, seed);
        let has = |what: &str| outcome.violations.iter().any(|found| found.starts_with(what));
        let clean = outcome.violations.is_empty();
        let stopped = !outcome.finals.is_empty() && program.stops_on_queue();
        [clean, has("deadlock"), has("data-race"), has("use-after-release"), by_traces, stopped]
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

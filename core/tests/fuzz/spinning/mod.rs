//! Spinning locks and interrupts: random programs against brute force.
//!
//! A program has threads, the handler of an interrupt line, or of a high-resolution timer in its
//! place, and a tasklet. Brute force models CPUs
//! with stacks: any CPU may be interrupted between any two operations, which the library does only
//! where it matters.

mod reference;
mod world;

use selvedge_core::Checker;

use super::small::{self, Outcome};

/// What a lock keeps off the CPU.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Keeps {
    Nothing,
    Bh,
    Irq,
    Save,
}

const KEEPS: [Keeps; 4] = [Keeps::Nothing, Keeps::Bh, Keeps::Irq, Keeps::Save];

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Instr {
    Spin(usize, Keeps),
    Read(Keeps),
    Write(Keeps),
    /// Logs 1 for the lock and 0 for none; so do the next two.
    TrySpin(usize, Keeps),
    TryRead,
    TryWrite,
    /// Writes under the sequence counter, until it is released.
    SeqWrite,
    /// Reads the word in a section of the sequence counter, again and again, and logs it.
    SeqRead,
    /// `spin_lock_irqsave` without a guard, and the same if it is free now.
    RawSpin(usize),
    TryRawSpin(usize),
    /// Reads the word in one section of the sequence counter, and logs it, and then whether it is
    /// to be read again.
    SeqTry,
    /// The same three of the sequence lock, whose writer takes its spinlock first, and a reader
    /// that takes only that.
    LockedWrite(Keeps),
    /// The second step of the former.
    LockedBegin,
    LockedRead,
    LockedTry,
    Exclusive,
    /// Releases the lock taken last, if there is one.
    Release,
    IrqOff,
    IrqOn,
    BhOff,
    BhOn,
    /// `local_irq_save`, and `local_irq_restore` of what was saved last.
    SaveIrqs,
    RestoreIrqs,
    PreemptOff,
    PreemptOn,
    /// Raises the line, or schedules the tasklet.
    Raise(usize),
    /// `disable_irq_nosync` and `enable_irq` of the line, and the same of the tasklet.
    Mask(usize),
    Unmask(usize),
    /// `disable_irq`, and `tasklet_disable`.
    Disable(usize),
    /// `synchronize_irq`, or the wait of `tasklet_disable`.
    Synchronize(usize),
    /// `free_irq` is this, and then `synchronize_irq`.
    Free,
    /// `request_irq`: logs whether there was no handler.
    Request,
    /// `tasklet_kill`, which is two steps.
    Kill,
    AwaitKilled,
    /// `hrtimer_cancel`: logs whether the timer was armed.
    CancelTimer,
    /// Logs `in_interrupt`.
    InInterrupt,
    MightSleep,
    /// `kref_put_lock`: logs 1 for the last put, which leaves the spinlock held.
    PutLock(usize),
    Get,
    /// Adds one to the word, and logs what it was; so do the next three.
    Count,
    /// Subtracts two from it.
    Subtract,
    /// Sets its bit 2.
    SetBit,
    /// Clears its bit 0.
    ClearBit,
}

const SPINS: [&str; 2] = ["P0", "P1"];
const RW: &str = "W0";
const SEQ: &str = "Q0";
const SEQLOCK: &str = "L0";
const SEQLOCK_COUNT: &str = "L0.seqcount";
const KREF: &str = "K";
const LINES: [&str; 2] = ["hard", "soft"];

/// The references at the beginning.
const REFERENCES: u64 = 2;

/// The line of the interrupt, and the tasklet.
const HARD: usize = 0;
const SOFT: usize = 1;

#[derive(Clone, Debug)]
struct Program {
    threads: Vec<Vec<Instr>>,
    /// The handler of each line.
    handlers: [Vec<Instr>; 2],
    /// Whether the kernel is PREEMPT_RT: spinlocks sleep, and handlers are threads.
    rt: bool,
    /// Whether the second spinlock is a `raw_spinlock_t`.
    raw: bool,
    hard: Hard,
}

/// What is behind the line of the interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Hard {
    Irq,
    /// A handler that is a thread on any kernel.
    Threaded,
    /// A handler that is a thread on none (`IRQF_NO_THREAD`).
    NoThread,
    /// A high-resolution timer: `Raise` arms it.
    Hrtimer,
    /// The same, with `HRTIMER_MODE_HARD`.
    Unforced,
}

impl Hard {
    fn is_timer(self) -> bool {
        matches!(self, Self::Hrtimer | Self::Unforced)
    }
}

impl Program {
    fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (threads, length) = [(1, 6), (2, 4), (2, 5), (3, 3)][rng.usize(..4)];
        let hard = match rng.u8(..8) {
            0 | 1 => Hard::Threaded,
            2 => Hard::NoThread,
            3 => Hard::Hrtimer,
            4 => Hard::Unforced,
            _ => Hard::Irq,
        };
        // A section is read again only where a thread writes meanwhile.
        let sequences = rng.u8(..4) == 0;
        let mut instrs =
            |length: usize, line: Option<usize>| instrs(&mut rng, length, line, sequences);
        let threads_steps = (0..threads).map(|_| instrs(length, None)).collect();
        let handlers = [HARD, SOFT].map(|line| instrs(2, Some(line)));
        let mut program =
            Self { threads: threads_steps, handlers, rt: false, raw: rng.bool(), hard };
        let fits = |instr: &Instr| match instr {
            Instr::Mask(HARD) | Instr::Unmask(HARD) | Instr::Disable(HARD) => !hard.is_timer(),
            Instr::Free | Instr::Request | Instr::Synchronize(HARD) => !hard.is_timer(),
            Instr::CancelTimer => hard.is_timer(),
            _ => true,
        };
        program.threads.iter_mut().chain(&mut program.handlers).for_each(|s| s.retain(fits));
        // Otherwise most programs have no interrupt.
        let (thread, line) = (rng.usize(..threads), rng.usize(..2));
        program.threads[thread].insert(0, Instr::Raise(line));
        program
    }

    /// Returns the program on PREEMPT_RT, without sequence counters.
    fn on_rt(mut self) -> Self {
        use Instr::{Exclusive, LockedRead, LockedTry, LockedWrite, SeqRead, SeqTry, SeqWrite};
        let plain = |instr: &Instr| {
            let locked = matches!(instr, LockedWrite(_) | LockedRead | LockedTry | Exclusive);
            !locked && !matches!(instr, SeqWrite | SeqRead | SeqTry)
        };
        self.threads.iter_mut().chain(&mut self.handlers).for_each(|steps| steps.retain(plain));
        Self { rt: true, ..self }
    }
}

/// Returns the steps of a thread, or of the handler of a line; half of them about sequence counters
/// if the program is.
fn instrs(
    rng: &mut fastrand::Rng,
    length: usize,
    handler: Option<usize>,
    sequences: bool,
) -> Vec<Instr> {
    let fits = |instr: &Instr| match (handler, instr) {
        (None, _) => true,
        // Handlers that raise each other have no end.
        (Some(HARD), Instr::Raise(line)) => *line == SOFT,
        (Some(_), Instr::Raise(_) | Instr::Unmask(_) | Instr::Mask(_)) => false,
        (Some(_), Instr::Disable(_) | Instr::Synchronize(_) | Instr::Free) => false,
        (Some(_), Instr::Kill | Instr::CancelTimer) => false,
        _ => true,
    };
    let mut steps = Vec::new();
    while steps.len() < length {
        let one = if sequences && rng.bool() { of_sequences(rng) } else { instr(rng) };
        let Some(instr) = Some(one).filter(fits) else { continue };
        // Whether it may sleep is looked at in the step that leads there.
        if matches!(instr, Instr::MightSleep | Instr::Synchronize(_) | Instr::Kill) {
            steps.push(Instr::Count);
        }
        steps.push(instr);
        if instr == Instr::SaveIrqs {
            steps.extend([Instr::Count].into_iter().filter(|_| rng.bool()));
            steps.push(Instr::RestoreIrqs);
        }
    }
    steps
}

fn of_sequences(rng: &mut fastrand::Rng) -> Instr {
    use Instr::{
        Count, Exclusive, LockedRead, LockedTry, LockedWrite, Release, SeqRead, SeqTry, SeqWrite,
    };
    let write = LockedWrite(KEEPS[rng.usize(..4)]);
    let locked = [write, write, LockedRead, LockedTry, Exclusive];
    let all = [SeqWrite, SeqWrite, SeqRead, SeqTry, Count, Release];
    match rng.bool() {
        true => locked[rng.usize(..locked.len())],
        false => all[rng.usize(..all.len())],
    }
}

fn instr(rng: &mut fastrand::Rng) -> Instr {
    let keeps = KEEPS[rng.usize(..4)];
    match rng.u8(..54) {
        0..12 => Instr::Spin(rng.usize(..2), keeps),
        48 => [Instr::RawSpin(rng.usize(..2)), Instr::TryRawSpin(rng.usize(..2))][rng.usize(..2)],
        49 => Instr::LockedWrite(keeps),
        50 => {
            let reads = [Instr::SeqTry, Instr::LockedRead, Instr::LockedTry, Instr::Exclusive];
            reads[rng.usize(..4)]
        }
        51 => Instr::Kill,
        52 => [Instr::CancelTimer, Instr::PutLock(rng.usize(..2))][rng.usize(..2)],
        53 => Instr::InInterrupt,
        12 => Instr::SeqWrite,
        13 => Instr::SeqRead,
        14..16 => Instr::Read(keeps),
        16..19 => Instr::Write(keeps),
        19 => Instr::TrySpin(rng.usize(..2), keeps),
        20 => Instr::TryRead,
        21 => Instr::TryWrite,
        22..28 => Instr::Release,
        28 => Instr::IrqOff,
        29 => Instr::IrqOn,
        30 => Instr::BhOff,
        31 => Instr::BhOn,
        32..35 => Instr::Raise(rng.usize(..2)),
        35 => Instr::Mask(rng.usize(..2)),
        36 => Instr::Unmask(rng.usize(..2)),
        43 => Instr::Disable(rng.usize(..2)),
        44 => [Instr::Free, Instr::Request][rng.usize(..2)],
        45 | 46 => Instr::SaveIrqs,
        47 => [Instr::PreemptOff, Instr::PreemptOn][rng.usize(..2)],
        40 | 41 => Instr::PutLock(rng.usize(..2)),
        42 => Instr::Get,
        37 => [Instr::Synchronize(HARD), Instr::MightSleep][rng.usize(..2)],
        38 => [Instr::Subtract, Instr::SetBit, Instr::ClearBit][rng.usize(..3)],
        _ => Instr::Count,
    }
}

/// Checks that the searches agree with brute force. Returns what is possible, and whether every
/// interleaving was explored.
fn agree(program: &Program, seed: u64) -> (Outcome, bool) {
    let expected = reference::explore(program);
    let explore = |checker: Checker<'_>| world::explore(program, checker);
    small::agree(&expected, explore, 100, || format!("{seed}: {program:#?}"))
}

fn agree_on(seeds: std::ops::Range<u64>) {
    let total = seeds.end - seeds.start;
    let (mut clean, mut own, mut several, mut traces, mut atomic) = (0, 0, 0, 0, 0);
    let (mut freed, mut threaded) = (0, 0);
    for seed in seeds {
        let program = Program::random(seed);
        let (outcome, by_traces) = agree(&program, seed);
        let has = |what: &dyn Fn(&String) -> bool| u64::from(outcome.violations.iter().any(what));
        clean += u64::from(outcome.violations.is_empty());
        own += has(&|name| name.starts_with("deadlock") && !name.contains(','));
        several += has(&|name| name.starts_with("deadlock") && name.contains(','));
        atomic += has(&|name| name.starts_with("sleep-in-atomic"));
        freed += has(&|name| name.starts_with("use-after-release"));
        threaded +=
            u64::from(program.hard == Hard::Threaded) * has(&|name| name.starts_with("deadlock"));
        traces += u64::from(by_traces);
    }
    for (name, count, least) in [
        ("put too often", freed, 10),
        ("deadlock with a threaded handler", threaded, 20),
        ("clean", clean, 100),
        ("on one lock", own, 100),
        ("on several locks", several, 20),
        ("sleep in atomic", atomic, 10),
        ("by traces", traces, 300),
    ] {
        assert!(count * 1_000 >= least * total, "{name}: {count} of {total}");
    }
}

/// Checks the programs of these seeds on PREEMPT_RT.
fn agree_on_rt(seeds: std::ops::Range<u64>) {
    let total = seeds.end - seeds.start;
    let (mut clean, mut deadlock, mut asleep) = (0, 0, 0);
    for seed in seeds {
        let (outcome, _) = agree(&Program::random(seed).on_rt(), seed);
        let has = |what: &str| u64::from(outcome.violations.iter().any(|v| v.starts_with(what)));
        clean += u64::from(outcome.violations.is_empty());
        deadlock += has("deadlock");
        asleep += has("sleep-in-atomic");
    }
    for (name, count, least) in
        [("clean", clean, 100), ("deadlock", deadlock, 50), ("sleep in atomic", asleep, 50)]
    {
        assert!(count * 1_000 >= least * total, "{name}: {count} of {total}");
    }
}

#[test]
fn threads_on_preempt_rt_agree_with_brute_force() {
    agree_on_rt(0..250);
}

/// The long form.
#[test]
#[ignore = "takes minutes"]
fn threads_on_preempt_rt_agree_with_brute_force_on_many_programs() {
    agree_on_rt(1_000_000..1_030_000);
}

#[test]
fn interrupts_agree_with_brute_force() {
    agree_on(0..220);
}

/// The long form.
#[test]
#[ignore = "takes minutes"]
fn interrupts_agree_with_brute_force_on_many_programs() {
    agree_on(1_000_000..1_030_000);
}

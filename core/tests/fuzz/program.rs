//! Small concurrent programs as data, and a generator of them.

/// A closed program: what the threads share, and what each of them does.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) mutexes: usize,
    pub(crate) sems: usize,
    pub(crate) atomics: usize,
    pub(crate) queues: usize,
    pub(crate) threads: Vec<Vec<Step>>,
}

/// One instruction, done if what the thread learnt last is as it should be. At its end a thread
/// releases whatever it still holds, the last first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) when: When,
    pub(crate) instr: Instr,
}

/// A look at the newest entry of the thread's own log; an empty log counts as zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    Always,
    LearntZero,
    LearntOther,
}

impl When {
    pub(crate) fn holds(self, log: &[u64]) -> bool {
        let zero = learnt(log) == 0;
        match self {
            Self::Always => true,
            Self::LearntZero => zero,
            Self::LearntOther => !zero,
        }
    }
}

/// What a thread has learnt last.
pub(crate) fn learnt(log: &[u64]) -> u64 {
    log.last().copied().unwrap_or(0)
}

/// What a thread can do. Numbers name mutexes, semaphores, atomics or queues.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Instr {
    Lock(usize),
    /// Without a guard, so that the data is out of reach.
    RawLock(usize),
    /// Logs 1 for the lock and 0 for the signal.
    LockInterruptible(usize),
    /// Logs 1 for the lock and 0 for none; so do the other trylocks.
    TryLock(usize),
    DownRead(usize),
    DownWrite(usize),
    TryDownRead(usize),
    TryDownWrite(usize),
    /// Releases one of the locks held, counted from the first and round and round; in this way
    /// locks are released in any order. Does nothing if none is held.
    Release(usize),
    /// Logs the data behind the lock taken last. Does nothing if there is none in reach.
    Look,
    /// Adds to the data behind the lock taken last. Does nothing if that is not writable.
    Add(u64),
    /// Logs the value; so do the next two, with the value before.
    Load(usize),
    FetchAdd(usize, u64),
    CompareExchange(usize, u64, u64),
    Store(usize, u64),
    /// Stores one more than what was learnt last.
    StoreLearnt(usize),
    /// `wait_event` on a queue until an atomic is not zero.
    WaitForAtomic(usize, usize),
    /// `wait_event` on a queue until the data behind a mutex is not zero.
    WaitForData(usize, usize),
    Prepare(usize),
    Schedule(usize),
    Finish(usize),
    WakeUp(usize),
    WakeUpAll(usize),
}

impl Instr {
    /// How many variants there are.
    pub(crate) const KINDS: usize = 23;

    /// The name of the variant.
    pub(crate) fn kind(self) -> String {
        format!("{self:?}").split('(').next().unwrap_or_default().to_owned()
    }
}

/// What a stretch of code is about. A program keeps to two, or its threads would hardly meet.
#[derive(Clone, Copy, Debug)]
enum Theme {
    Mutexes,
    Sems,
    Atomics,
    Waiting,
}

impl Program {
    /// The program of this number.
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut program = Self {
            mutexes: rng.usize(1..=3),
            sems: rng.usize(1..=2),
            atomics: rng.usize(1..=2),
            queues: 1,
            threads: Vec::new(),
        };
        let threads = rng.usize(2..=4);
        // Brute force pays for every operation, and the more so the more threads there are.
        let length = 7 - threads;
        let all = [Theme::Mutexes, Theme::Mutexes, Theme::Sems, Theme::Atomics, Theme::Waiting];
        let themes = rng.choose_multiple(all, 2);
        for _ in 0..threads {
            let thread = program.thread(&mut rng, &themes, length);
            program.threads.push(thread);
        }
        program
    }

    fn thread(&self, rng: &mut fastrand::Rng, themes: &[Theme], length: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..length {
            let theme = themes[rng.usize(..themes.len())];
            let instr = self.instr(rng, theme);
            let when = match rng.u8(..8) {
                0 => When::LearntZero,
                1 => When::LearntOther,
                _ => When::Always,
            };
            steps.push(Step { when, instr });
            // Data costs nothing: other threads see only what is left behind the lock.
            let data = match rng.u8(..3) {
                0 => Some(Instr::Look),
                1 => Some(Instr::Add(rng.u64(1..=2))),
                _ => None,
            };
            if matches!(theme, Theme::Mutexes | Theme::Sems) {
                steps.extend(data.map(|instr| Step { when: When::Always, instr }));
            }
        }
        steps
    }

    fn instr(&self, rng: &mut fastrand::Rng, theme: Theme) -> Instr {
        let mutex = rng.usize(..self.mutexes);
        let sem = rng.usize(..self.sems);
        let atomic = rng.usize(..self.atomics);
        let queue = rng.usize(..self.queues);
        match theme {
            Theme::Mutexes => match rng.u8(..12) {
                0..4 => Instr::Lock(mutex),
                4 => Instr::RawLock(mutex),
                5 => Instr::LockInterruptible(mutex),
                6..9 => Instr::TryLock(mutex),
                _ => Instr::Release(rng.usize(..3)),
            },
            Theme::Sems => match rng.u8(..12) {
                0..4 => Instr::DownRead(sem),
                4..7 => Instr::DownWrite(sem),
                7 => Instr::TryDownRead(sem),
                8 => Instr::TryDownWrite(sem),
                _ => Instr::Release(rng.usize(..3)),
            },
            Theme::Atomics => match rng.u8(..6) {
                0 | 1 => Instr::Load(atomic),
                2 => Instr::Store(atomic, rng.u64(1..=2)),
                3 => Instr::StoreLearnt(atomic),
                4 => Instr::FetchAdd(atomic, 1),
                _ => Instr::CompareExchange(atomic, rng.u64(0..=1), 2),
            },
            Theme::Waiting => match rng.u8(..12) {
                0 | 1 => Instr::WaitForAtomic(queue, atomic),
                2 => Instr::WaitForData(queue, mutex),
                3 => Instr::Prepare(queue),
                4 | 5 => Instr::Schedule(queue),
                6 => Instr::Finish(queue),
                7 | 8 => Instr::Store(atomic, 1),
                9 | 10 => Instr::WakeUp(queue),
                _ => Instr::WakeUpAll(queue),
            },
        }
    }
}

/// How a program can end. Whoever runs it has to come to the same.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Outcome {
    /// Every final state.
    pub(crate) finals: std::collections::BTreeSet<Final>,
    /// Every deadlock, as the classes on its shortest cycle of waits.
    pub(crate) deadlocks: std::collections::BTreeSet<Vec<String>>,
}

/// Everything there is to see when every thread has ended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Final {
    pub(crate) logs: Vec<Vec<u64>>,
    pub(crate) mutexes: Vec<u64>,
    pub(crate) sems: Vec<u64>,
    pub(crate) atomics: Vec<u64>,
}

pub(crate) const MUTEXES: [&str; 3] = ["M0", "M1", "M2"];
pub(crate) const SEMS: [&str; 2] = ["S0", "S1"];
pub(crate) const ATOMICS: [&str; 2] = ["A0", "A1"];
pub(crate) const QUEUES: [&str; 1] = ["Q0"];

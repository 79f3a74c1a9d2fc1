//! Small concurrent programs as data, and a generator of them.

use std::collections::BTreeSet;
use std::fmt;

/// A closed program: what the threads share, and what each of them does.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) mutexes: usize,
    pub(crate) sems: usize,
    pub(crate) atomics: usize,
    pub(crate) queues: usize,
    /// What each thread does.
    pub(crate) threads: Vec<Vec<Step>>,
    /// How many of the threads are there from the beginning; others start the rest.
    pub(crate) started: usize,
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
    /// Starts the thread of this number. No thread is started in two places.
    Spawn(usize),
    /// Waits for the end of the thread of this number. Does nothing if it was not started.
    Join(usize),
}

/// One thread a line, for whoever has to find out why the two disagree.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (me, steps) in self.threads.iter().enumerate() {
            write!(f, "\n  T{me}:")?;
            for Step { when, instr } in steps {
                match when {
                    When::Always => write!(f, " {instr:?};")?,
                    when => write!(f, " {when:?} => {instr:?};")?,
                }
            }
        }
        Ok(())
    }
}

impl Instr {
    /// How many variants there are.
    pub(crate) const KINDS: usize = 25;

    /// The class of the lock that it takes, if it takes one.
    fn takes(self) -> Option<&'static str> {
        match self {
            Self::Lock(m) | Self::RawLock(m) | Self::LockInterruptible(m) | Self::TryLock(m) => {
                Some(MUTEXES[m])
            }
            Self::DownRead(s) | Self::DownWrite(s) => Some(SEMS[s]),
            Self::TryDownRead(s) | Self::TryDownWrite(s) => Some(SEMS[s]),
            _ => None,
        }
    }

    /// Whether a thread may do it with a spinlock held, or to one.
    fn spins(self) -> bool {
        matches!(
            self,
            Self::Lock(_)
                | Self::TryLock(_)
                | Self::Release(_)
                | Self::Look
                | Self::Add(_)
                | Self::Load(_)
                | Self::FetchAdd(..)
                | Self::CompareExchange(..)
                | Self::Store(..)
                | Self::StoreLearnt(_)
                | Self::WakeUp(_)
                | Self::WakeUpAll(_)
        )
    }

    /// What it adds to the length of a thread: whoever sleeps and looks again is dear.
    fn cost(self) -> u32 {
        match self {
            Self::WaitForAtomic(..) | Self::WaitForData(..) | Self::Prepare(_) => 2,
            _ => 1,
        }
    }

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
    Spawning,
}

impl Program {
    /// The program of this number.
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut program = Self {
            mutexes: rng.usize(1..=3),
            sems: rng.usize(1..=2),
            atomics: rng.usize(1..=2),
            queues: rng.usize(1..=2),
            threads: Vec::new(),
            started: 0,
        };
        // Every operation is dear, and the more so the more threads there are.
        let (threads, length) = [(2, 5), (2, 5), (3, 4), (3, 4), (4, 3)][rng.usize(..5)];
        let all = [Theme::Mutexes, Theme::Mutexes, Theme::Sems, Theme::Atomics, Theme::Spawning];
        let all = all.into_iter().chain([Theme::Waiting; 2]);
        let mut themes = rng.choose_multiple(all, 2);
        let spawning = themes.iter().any(|theme| matches!(theme, Theme::Spawning));
        let (threads, length) = if spawning { (2, length.min(4)) } else { (threads, length) };
        program.started = threads;
        for _ in 0..threads {
            let thread = program.thread(&mut rng, &themes, length);
            program.threads.push(thread);
        }
        themes.retain(|theme| !matches!(theme, Theme::Spawning));
        program.spawn_the_rest(&mut rng, &themes);
        program
    }

    /// Whether somebody looks at a condition again after each wake-up.
    pub(crate) fn rechecks(&self) -> bool {
        let rechecks = |instr| matches!(instr, Instr::WaitForAtomic(..) | Instr::WaitForData(..));
        self.threads.iter().flatten().any(|step| rechecks(step.instr))
    }

    /// Whether its mutexes can be spinlocks, because nobody ever sleeps.
    pub(crate) fn spins(&self) -> bool {
        self.threads.iter().flatten().all(|step| step.instr.spins())
    }

    /// Gives each thread that is to be started a number and something to do.
    fn spawn_the_rest(&mut self, rng: &mut fastrand::Rng, themes: &[Theme]) {
        let mut spawned = Vec::new();
        for thread in &mut self.threads {
            let mut mine = None;
            thread.retain_mut(|step| match &mut step.instr {
                Instr::Spawn(number) if spawned.len() < CHILDREN.len() => {
                    *number = self.started + spawned.len();
                    spawned.push(*number);
                    mine = Some(*number);
                    true
                }
                Instr::Spawn(_) => false,
                Instr::Join(number) => {
                    *number = mine.unwrap_or(0);
                    mine.is_some()
                }
                _ => true,
            });
        }
        for _ in spawned {
            let thread = self.thread(rng, themes, 2);
            self.threads.push(thread);
        }
    }

    fn thread(&self, rng: &mut fastrand::Rng, themes: &[Theme], length: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut taken = Vec::new();
        let mut budget = length;
        while budget > 0 {
            let theme = themes[rng.usize(..themes.len())];
            let mut instr = self.instr(rng, theme);
            // A thread that waits for itself is a deadlock soon found; most are to be others.
            while instr.takes().is_some_and(|lock| taken.contains(&lock)) && rng.u8(..8) > 0 {
                instr = self.instr(rng, theme);
            }
            match instr {
                Instr::Release(n) if !taken.is_empty() => drop(taken.remove(n % taken.len())),
                _ => taken.extend(instr.takes()),
            }
            let when = match rng.u8(..8) {
                0 => When::LearntZero,
                1 => When::LearntOther,
                _ => When::Always,
            };
            steps.push(Step { when, instr });
            let more = Self::sequel(rng, instr);
            steps.extend(more.into_iter().map(|instr| Step { when, instr }));
            budget = budget.saturating_sub(instr.cost());
        }
        steps
    }

    /// What mostly comes after `instr`: a look at the data after a lock, a sleep after its
    /// preparation, a wake-up after a store.
    fn sequel(rng: &mut fastrand::Rng, instr: Instr) -> Vec<Instr> {
        match (instr, rng.u8(..4)) {
            (Instr::Prepare(queue), 1..) => vec![Instr::Schedule(queue), Instr::Finish(queue)],
            (Instr::Store(..), 0) => vec![Instr::WakeUp(0)],
            (Instr::Store(..), 1) => vec![Instr::WakeUpAll(0)],
            (_, 0 | 1) if instr.takes().is_some() => vec![Instr::Add(rng.u64(1..=2))],
            (_, 2) if instr.takes().is_some() => vec![Instr::Look],
            _ => Vec::new(),
        }
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
                0..3 => Instr::WaitForAtomic(queue, atomic),
                3 => Instr::WaitForData(queue, mutex),
                4 => Instr::Prepare(queue),
                5 => Instr::Schedule(queue),
                6 => Instr::Finish(queue),
                7..10 => Instr::Store(atomic, 1),
                10 => Instr::WakeUp(queue),
                _ => Instr::WakeUpAll(queue),
            },
            // Which thread that is comes later.
            Theme::Spawning => match rng.u8(..5) {
                0 | 1 => Instr::Spawn(0),
                2 => Instr::Join(0),
                3 => Instr::Store(atomic, 1),
                _ => Instr::Load(atomic),
            },
        }
    }
}

/// How a program can end. Whoever runs it has to come to the same.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Outcome {
    /// Every final state.
    pub(crate) finals: BTreeSet<Final>,
    /// Every deadlock, as the classes on its shortest cycle of waits.
    pub(crate) deadlocks: BTreeSet<Vec<String>>,
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
pub(crate) const ATOMICS: [&str; 3] = ["A0", "A1", "A2"];
pub(crate) const QUEUES: [&str; 2] = ["Q0", "Q1"];
pub(crate) const CHILDREN: [&str; 2] = ["C0", "C1"];

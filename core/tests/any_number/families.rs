//! Random families of threads: what violates something for a small number is never proved for any
//! number.

use std::ops::Range;

use selvedge_core::sync::{Atomic, Completion, Mutex, Plain, RwSem, UnfairRwSem, WaitQueue};
use selvedge_core::{Checker, Scenario, ScenarioBuilder, Verdict, invariant_broken};

/// A step of a function.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    Lock(usize),
    /// Takes the mutex if it is free, and performs the next step only if it was.
    TryLock(usize),
    Read(usize),
    Write(usize),
    ReadUnfair,
    WriteUnfair,
    /// Releases what was taken last.
    Release,
    Store(usize, u8),
    /// Skips the next step unless the word has this value.
    If(usize, u8),
    /// Adds one, without a carry.
    Flip(usize),
    /// Violates an invariant if the word has this value.
    Never(usize, u8),
    PlainWrite,
    PlainRead,
    /// Sleeps until the word has this value.
    Wait(usize, u8),
    WakeAll,
    WaitForCompletion,
    CompleteAll,
}

/// What the threads share.
struct World {
    mutexes: [Mutex; 2],
    sems: [RwSem; 1],
    unfair: UnfairRwSem,
    words: [Atomic<u8>; 2],
    plain: Plain<u8>,
    queue: WaitQueue,
    done: Completion,
}

fn world() -> World {
    World {
        mutexes: ["m0", "m1"].map(|class| Mutex::new(class, ())),
        sems: ["s0"].map(|class| RwSem::new(class, ())),
        unfair: UnfairRwSem::new("u", ()),
        words: ["w0", "w1"].map(|name| Atomic::new(name, 0)),
        plain: Plain::new("p", 0),
        queue: WaitQueue::new("q"),
        done: Completion::new("c"),
    }
}

fn function(rng: &mut fastrand::Rng) -> Vec<Step> {
    let step = |rng: &mut fastrand::Rng| {
        let (word, value) = (rng.usize(..2), rng.u8(..2));
        match rng.u8(..26) {
            0..=4 => Step::Lock(rng.usize(..2)),
            5 => Step::TryLock(rng.usize(..2)),
            6 | 7 => Step::Read(0),
            8 => Step::Write(0),
            9 => Step::ReadUnfair,
            10 => Step::WriteUnfair,
            11..=13 => Step::Release,
            14 => Step::Store(word, value),
            15 => Step::If(word, value),
            16 => Step::Flip(word),
            17 => Step::Never(word, value.max(1)),
            18 => Step::PlainRead,
            19 => Step::PlainWrite,
            20 | 21 => Step::Wait(word, value),
            22 | 23 => Step::WakeAll,
            24 => Step::WaitForCompletion,
            _ => Step::CompleteAll,
        }
    };
    let length = rng.usize(2..=5);
    (0..length).map(|_| step(rng)).collect()
}

fn run(world: &World, steps: &[Step]) {
    let mut held: Vec<Step> = Vec::new();
    let mut skips = false;
    for step in steps {
        if std::mem::take(&mut skips) {
            continue;
        }
        match *step {
            Step::Lock(m) => world.mutexes[m].raw_lock(),
            Step::TryLock(m) => skips = !world.mutexes[m].raw_try_lock(),
            Step::Read(s) => world.sems[s].raw_down_read(),
            Step::Write(s) => world.sems[s].raw_down_write(),
            Step::ReadUnfair => world.unfair.raw_down_read(),
            Step::WriteUnfair => world.unfair.raw_down_write(),
            Step::Release => held.pop().into_iter().for_each(|step| release(world, step)),
            Step::Store(word, value) => world.words[word].store(value),
            Step::If(word, value) => skips = world.words[word].load() != value,
            Step::Flip(word) => drop(world.words[word].swap(1 - world.words[word].load())),
            Step::Never(word, value) => {
                if world.words[word].load() == value {
                    invariant_broken("NEVER", "the word has the value");
                }
            }
            Step::PlainWrite => world.plain.write(1),
            Step::PlainRead => drop(world.plain.read()),
            Step::Wait(word, value) => world.queue.wait_event(|| world.words[word].load() == value),
            Step::WakeAll => world.queue.wake_up_all(),
            Step::WaitForCompletion => world.done.wait_for_completion(),
            Step::CompleteAll => world.done.complete_all(),
        }
        let takes = match step {
            Step::TryLock(_) => !skips,
            Step::Lock(_) | Step::Read(_) | Step::Write(_) => true,
            Step::ReadUnfair | Step::WriteUnfair => true,
            _ => false,
        };
        if takes {
            held.push(*step);
        }
    }
    held.into_iter().rev().for_each(|step| release(world, step));
}

fn release(world: &World, step: Step) {
    match step {
        Step::Lock(m) | Step::TryLock(m) => world.mutexes[m].raw_unlock(),
        Step::Read(s) => world.sems[s].raw_up_read(),
        Step::Write(s) => world.sems[s].raw_up_write(),
        Step::ReadUnfair => world.unfair.raw_up_read(),
        _ => world.unfair.raw_up_write(),
    }
}

/// A family: some functions, each run by any number of threads.
struct Family(Vec<Vec<Step>>);

impl Family {
    fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let functions = rng.usize(1..=2);
        Self((0..functions).map(|_| function(&mut rng)).collect())
    }

    fn builder(&self) -> ScenarioBuilder<World> {
        Scenario::builder("family", world)
    }

    fn any_number(&self) -> Scenario {
        let functions = self.0.iter().cloned().enumerate();
        let with = |builder: ScenarioBuilder<World>, (at, steps): (usize, Vec<Step>)| {
            builder.any_number_of(format!("f{at}"), move |world| run(world, &steps))
        };
        functions.fold(self.builder(), with).build()
    }

    fn instance(&self, counts: &[usize]) -> Scenario {
        let functions = self.0.iter().cloned().zip(counts).enumerate();
        let with = |builder: ScenarioBuilder<World>, (at, (steps, count)): (usize, _)| {
            let name = |i| format!("f{at} {i}");
            let steps: Vec<Step> = steps;
            let count: &usize = count;
            builder.identical_threads(*count, name, move |world| run(world, &steps))
        };
        functions.fold(self.builder(), with).build()
    }

    /// Returns whether so many threads violate something; nothing if there are too many states.
    fn is_refuted(&self, threads: usize) -> Option<bool> {
        let counts = match self.0.len() {
            1 => vec![vec![threads]],
            _ => (0..=threads).map(|first| vec![first, threads - first]).collect(),
        };
        let mut refuted = false;
        for counts in counts {
            let checker = Checker::native().memory_limit(1 << 24);
            match checker.run(&self.instance(&counts)).verdict {
                Verdict::Refuted(_) => refuted = true,
                Verdict::Proved(_) => {}
                Verdict::Inconclusive { .. } => return None,
            }
        }
        Some(refuted)
    }
}

/// What became of the families.
#[derive(Default, Debug)]
struct Population {
    proved: usize,
    refuted: usize,
    open: usize,
}

fn compare(seeds: Range<u64>, largest: usize) -> Population {
    let mut population = Population::default();
    for seed in seeds {
        let family = Family::random(seed);
        let report = Checker::native().memory_limit(1 << 26).run(&family.any_number());
        let smallest = (1..=largest).find(|threads| family.is_refuted(*threads) == Some(true));
        match &report.verdict {
            Verdict::Proved(_) => {
                assert_eq!(smallest, None, "proved; seed {seed}: {:?}", family.0);
                population.proved += 1;
            }
            Verdict::Refuted(_) => population.refuted += 1,
            Verdict::Inconclusive { reason } => {
                assert_eq!(smallest, None, "open: {reason}; seed {seed}: {:?}", family.0);
                population.open += 1;
            }
        }
    }
    eprintln!("{population:?}");
    population
}

#[test]
fn no_family_is_proved_that_a_few_threads_refute() {
    let Population { proved, refuted, open } = compare(0..300, 4);
    assert!(proved > 50 && refuted > 50, "{proved} {refuted}");
    assert!(open * 10 < proved + refuted, "{open}");
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn ten_thousand_families_agree() {
    compare(300..10_300, 5);
}

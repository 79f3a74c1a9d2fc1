//! The order of lock classes: what lockdep predicts of one thread, against every path of
//! dependencies.
//!
//! Brute force links each wanted lock to every held one, and follows every path whose links really
//! wait for each other (Documentation/locking/lockdep-design.rst, "strong" paths). The library
//! reports the shortest cycles along the nearest held locks.

use std::collections::BTreeSet;

use selvedge_core::observe::lockdep::Mode;
use selvedge_core::sync::{Mutex, MutexGuard, ReadGuard, RwSem, UnfairRwSem, WriteGuard};
use selvedge_core::{Engine, Scenario};

/// The locks: two mutexes of class `A`, one of class `B`, and two semaphores, of which the second
/// favours readers.
const OBJECTS: [&str; 5] = ["A", "A", "B", "S", "U"];
const B: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Plain,
    /// With the subclass 1, of a mutex.
    Nested,
    /// With `B` as the lock that makes the order irrelevant, of a mutex of class `A`.
    NestLock,
    Try,
    Read,
}

#[derive(Clone, Copy, Debug)]
enum Instr {
    /// Takes a lock that is not held.
    Take(usize, How),
    /// Releases one of the locks, counted cyclically from the first.
    Release(usize),
}

fn random(seed: u64) -> Vec<Instr> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut held, mut steps): (Vec<usize>, _) = (Vec::new(), Vec::new());
    let length = rng.usize(6..24);
    while steps.len() < length {
        if !held.is_empty() && rng.u8(..5) < 2 {
            let place = rng.usize(..held.len());
            held.remove(place);
            steps.push(Instr::Release(place));
            continue;
        }
        let free: Vec<usize> = (0..OBJECTS.len()).filter(|o| !held.contains(o)).collect();
        let Some(object) = rng.choice(free) else { continue };
        let how = match (object, rng.u8(..8)) {
            (_, 0) => How::Try,
            (0 | 1, 1 | 2) => How::Nested,
            (0 | 1, 3) if held.contains(&B) => How::NestLock,
            (3 | 4, 1..5) => How::Read,
            _ => How::Plain,
        };
        held.push(object);
        steps.push(Instr::Take(object, how));
    }
    steps
}

/// A lock class as a number: its place in the names below.
type Class = usize;

const CLASSES: [&str; 5] = ["A", "A/1", "B", "S", "U"];

fn class(object: usize, how: How) -> Class {
    match (object, how) {
        (0 | 1, How::Nested) => 1,
        (0 | 1, _) => 0,
        (other, _) => other,
    }
}

fn mode(object: usize, how: How) -> Mode {
    match (object, how) {
        (3, How::Read) => Mode::Shared,
        (4, How::Read) => Mode::SharedRecursive,
        _ => Mode::Exclusive,
    }
}

/// A dependency: from, the mode of the holder, to, and the mode of the waiter.
type Edge = (Class, Mode, Class, Mode);

#[derive(Default)]
struct Reference {
    held: Vec<(Class, Mode)>,
    edges: BTreeSet<Edge>,
    /// Those of them whose first lock was taken last.
    nearest: BTreeSet<Edge>,
    recursive: bool,
}

impl Reference {
    fn run(steps: &[Instr]) -> Self {
        let mut reference = Self::default();
        for step in steps {
            match *step {
                Instr::Release(place) => drop(reference.held.remove(place)),
                Instr::Take(object, how) => reference.take(object, how),
            }
        }
        reference
    }

    fn take(&mut self, object: usize, how: How) {
        let (class, mode) = (class(object, how), mode(object, how));
        let place = |of: Class| self.held.iter().position(|(held, _)| *held == of);
        // check_deadlock: the lock that nests is held before all others of the class.
        let below = place(B).zip(place(class)).is_some_and(|(outer, first)| outer < first);
        if how != How::Try && !(how == How::NestLock && below) {
            self.want(class, mode);
        }
        self.held.push((class, mode));
    }

    fn want(&mut self, class: Class, mode: Mode) {
        let shared = |mode: Mode| mode != Mode::Exclusive;
        for (held, how) in &self.held {
            if *held == class {
                self.recursive |= !(mode == Mode::SharedRecursive && shared(*how));
                if !(shared(mode) && shared(*how)) {
                    // It waits for itself, whatever others do.
                    return;
                }
            }
        }
        let others: Vec<_> = self.held.iter().filter(|(held, _)| *held != class).collect();
        let edges = others.iter().map(|(from, how)| (*from, *how, class, mode));
        self.nearest.extend(edges.clone().next_back());
        self.edges.extend(edges);
    }

    /// Returns whether a thread that is reached by the first dependency waits in the second.
    fn joins(one: &Edge, other: &Edge) -> bool {
        let waits = one.3 != Mode::SharedRecursive || other.1 == Mode::Exclusive;
        one.2 == other.0 && waits
    }

    /// Returns whether some strong path leads back to where it begins.
    fn has_cycle(&self) -> bool {
        self.edges.iter().any(|first| {
            let mut reached: BTreeSet<Edge> = BTreeSet::from([*first]);
            loop {
                let more = |next: &&Edge| reached.iter().any(|edge| Self::joins(edge, next));
                let next: BTreeSet<Edge> = self.edges.iter().filter(more).copied().collect();
                if next.contains(first) {
                    return true;
                }
                let before = reached.len();
                reached.extend(next);
                if reached.len() == before {
                    return false;
                }
            }
        })
    }
}

struct World {
    mutexes: [Mutex; 3],
    fair: RwSem,
    unfair: UnfairRwSem,
}

#[expect(dead_code, reason = "the guards are held")]
enum Held<'w> {
    Mutex(MutexGuard<'w, ()>),
    Read(ReadGuard<'w, ()>),
    Write(WriteGuard<'w, ()>),
}

fn take(w: &World, object: usize, how: How) -> Held<'_> {
    let free = "no other thread has it";
    match (object, how) {
        (3, How::Read) => Held::Read(w.fair.down_read()),
        (3, How::Try) => Held::Write(w.fair.try_down_write().expect(free)),
        (3, _) => Held::Write(w.fair.down_write()),
        (4, How::Read) => Held::Read(w.unfair.down_read()),
        (4, How::Try) => Held::Write(w.unfair.try_down_write().expect(free)),
        (4, _) => Held::Write(w.unfair.down_write()),
        (m, How::Try) => Held::Mutex(w.mutexes[m].try_lock().expect(free)),
        (m, How::Nested) => Held::Mutex(w.mutexes[m].mutex_lock_nested(1)),
        (m, How::NestLock) => Held::Mutex(w.mutexes[m].mutex_lock_nest_lock(&w.mutexes[B])),
        (m, _) => Held::Mutex(w.mutexes[m].lock()),
    }
}

/// Checks one program, and returns whether lockdep complains, and the length of its longest cycle.
fn agree(seed: u64) -> (bool, usize) {
    let steps = random(seed);
    let reference = Reference::run(&steps);
    let program = steps.clone();
    let world = || World {
        mutexes: [0, 1, 2].map(|place| Mutex::new(OBJECTS[place], ())),
        fair: RwSem::new("S", ()),
        unfair: UnfairRwSem::new("U", ()),
    };
    let scenario = Scenario::builder("order", world).thread("T", move |w| {
        let mut held = Vec::new();
        for step in &program {
            match *step {
                Instr::Take(object, how) => held.push(take(w, object, how)),
                Instr::Release(place) => drop(held.remove(place)),
            }
        }
        held.into_iter().rev().for_each(drop);
    });
    let report = scenario.build().verify(Engine::Native);
    let complains = reference.recursive || reference.has_cycle();
    assert_eq!(!report.predictions.is_empty(), complains, "{seed}: {steps:?}\n{report}");
    let mut names = BTreeSet::new();
    let mut longest = 0;
    for prediction in &report.predictions {
        let links = &prediction.inversion.links;
        names.insert(prediction.inversion.classes());
        longest = longest.max(links.len());
        let number = |name: &str| CLASSES.iter().position(|class| *class == name).expect("known");
        let edge = |link: &selvedge_core::observe::lockdep::Link| {
            (number(&link.held.0), link.modes.0, number(&link.wanted.0), link.modes.1)
        };
        let edges: Vec<Edge> = links.iter().map(edge).collect();
        for (at, edge) in edges.iter().enumerate().filter(|_| edges.len() > 1) {
            // The mode of a dependency stands for those that are as strong.
            let known = reference.edges.iter().any(|known| (known.0, known.2) == (edge.0, edge.2));
            assert!(known, "{seed}: {steps:?}\n{}", prediction.inversion);
            let next = &edges[(at + 1) % edges.len()];
            assert!(Reference::joins(edge, next), "{seed}: {steps:?}\n{}", prediction.inversion);
        }
    }
    // A cycle of two dependencies on the nearest locks has nothing shorter.
    for one in &reference.nearest {
        for other in &reference.nearest {
            if Reference::joins(one, other) && Reference::joins(other, one) {
                let mut classes = [CLASSES[one.0], CLASSES[one.2]].map(str::to_owned).to_vec();
                classes.sort();
                assert!(names.contains(&classes), "{seed}: {classes:?} of {steps:?}\n{report}");
            }
        }
    }
    (complains, longest)
}

fn agree_on(seeds: std::ops::Range<u64>) {
    let total = seeds.end - seeds.start;
    let (mut complains, mut long) = (0, 0);
    for seed in seeds {
        let (one, longest) = agree(seed);
        complains += u64::from(one);
        long += u64::from(longest > 2);
    }
    for (name, count, least) in [
        ("complains", complains, 200),
        ("is quiet", total - complains, 100),
        ("a chain of three", long, 20),
    ] {
        assert!(count * 1_000 >= least * total, "{name}: {count} of {total}");
    }
}

#[test]
fn predictions_agree_with_every_path() {
    agree_on(0..20_000);
}

/// The long form.
#[test]
#[ignore = "takes minutes"]
fn predictions_agree_with_every_path_of_many_programs() {
    agree_on(1_000_000..1_300_000);
}

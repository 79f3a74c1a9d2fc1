//! Lock-order prediction, as the kernel's lockdep does it.
//!
//! A deadlock needs a particular interleaving; a lock-order inversion shows in any interleaving
//! that takes the locks. Lockdep records, for each *class* of locks, which classes were ever wanted
//! while it was held, and reports cycles of such dependencies.
//!
//! A dependency `A -> B` (B wanted while A held) has a kind, from how A is held and how B is
//! wanted. A lock that is held exclusively (`E`) blocks every thread. A lock that is held shared
//! (`S`) blocks every thread except a *recursive* reader (`N`): a plain reader queues behind a
//! waiting writer. A recursive reader (`R`, the kernel's `rwlock_t`) is blocked only by `E`. A path
//! that enters a class by `R` and leaves it by `S` therefore blocks no thread there; a cycle counts
//! if it has no such place (`Documentation/locking/lockdep-design.rst`, "strong" paths).
//!
//! For each dependency the shortest cycle that contains it is reported: a longer one through the
//! same dependencies may not be. The kernel's lockdep stops at the first cycle that a dependency
//! closes. Here all observed dependencies are considered together, so that the report does not
//! depend on their order.
//!
//! A trylock never waits, so nothing depends *on* it, but what is wanted while it is held depends
//! on the lock it took. The kernel links a wanted lock to the nearest held ones and relies on
//! transitivity. Here every held lock is linked, since transitivity does not hold where a path is
//! not strong. A cycle is then reported along the nearest held locks wherever these lead to the
//! same place, so that a cycle of eight classes is reported as that, and not as the shorter ones
//! that skip some of them.

mod cycles;
mod inversion;
mod splat;
mod usage;
mod wait_type;

use std::panic::Location;

use rustc_hash::{FxHashMap, FxHashSet};

pub use super::place::{Line, Taken};
pub use crate::cpu::Context;
use crate::cpu::Cpu;
pub use crate::operations::Mode;

pub(crate) use inversion::is_of;
pub use inversion::{Inversion, Link};
pub use splat::splat;

use usage::Usage;
pub(crate) use wait_type::WaitType;

/// A lock class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClassId(u16);

impl Mode {
    fn shared(self) -> bool {
        self != Self::Exclusive
    }

    /// Returns whether a lock wanted in this mode waits for one held in mode `held`.
    fn waits_for(self, held: Self) -> bool {
        self != Self::SharedRecursive || held == Self::Exclusive
    }
}

#[derive(Clone, Copy, Debug)]
struct Held {
    class: ClassId,
    mode: Mode,
    taken: Taken,
    /// What ran on the CPU. An interrupt does not wait for what is held below it because that is
    /// held.
    context: Context,
    /// The chain before this lock, which is restored when the lock is the last to be released.
    below: u32,
}

/// The locks that one task holds, in the order in which it took them.
#[derive(Clone, Debug, Default)]
pub struct Task {
    held: Vec<Held>,
    /// The interned sequence of the held classes and modes.
    chain: u32,
    cpu: Cpu,
}

impl Task {
    /// Returns the classes held, in the order in which they were taken.
    pub fn held(&self) -> impl Iterator<Item = ClassId> + '_ {
        self.held.iter().map(|held| held.class)
    }

    /// Returns what forbids the task to sleep, or to take a spinlock that sleeps, apart from what
    /// it holds.
    pub(super) fn forbids_sleep(&self, spinlock: bool) -> Option<&'static str> {
        self.cpu.forbids_sleep(spinlock)
    }

    /// Notes that an interrupt of this kind begins on the CPU of the task.
    pub fn interrupt(&mut self, interrupt: Context) {
        self.cpu = self.cpu.handling(interrupt);
    }

    /// Notes that the interrupts on the CPU of the task have returned.
    pub fn interrupts_return(&mut self) {
        self.cpu = Cpu::default();
    }
}

/// An observed dependency: a class was wanted while another was held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Dependency {
    /// The class that was held, and its mode.
    pub held: (&'static str, Mode),
    /// The class that was wanted, and its mode.
    pub wanted: (&'static str, Mode),
}

#[derive(Clone, Debug)]
struct Edge {
    from: ClassId,
    to: ClassId,
    held: Mode,
    wanted: Mode,
    task: String,
    held_at: Taken,
    wanted_at: Taken,
    interrupt: Option<Context>,
    /// Whether no other lock was taken in between.
    nearest: bool,
    /// Whether the interrupt, if there is one, arrives in threads.
    arrives: bool,
}

/// The dependency graph over everything that was observed.
///
/// ```
/// use selvedge_core::observe::lockdep::{Lockdep, Mode, Task};
/// let mut lockdep = Lockdep::default();
/// let (a, b) = (lockdep.class("A"), lockdep.class("B"));
/// let mut task = Task::default();
/// for (first, second) in [(a, b), (b, a)] {
///     for class in [first, second] {
///         lockdep.acquire(&mut task, "task", class, Mode::Exclusive);
///     }
///     for class in [second, first] {
///         lockdep.release(&mut task, class);
///     }
/// }
/// assert_eq!(lockdep.dependencies().len(), 2);
/// assert_eq!(lockdep.inversions()[0].classes(), ["A", "B"]);
/// ```
#[derive(Debug, Default)]
pub struct Lockdep {
    names: Vec<&'static str>,
    index: FxHashMap<&'static str, ClassId>,
    edges: Vec<Edge>,
    from: FxHashMap<ClassId, Vec<usize>>,
    known: FxHashMap<(ClassId, ClassId, bool, bool), usize>,
    chains: FxHashMap<(u32, ClassId, Mode), u32>,
    /// The combinations that were already checked: a class wanted on top of a chain.
    checked: FxHashSet<(u32, ClassId, Mode, Context)>,
    /// The classes that were wanted by a task that held one of them: not a dependency, but a cycle.
    recursive: FxHashMap<ClassId, Edge>,
    usage: Usage,
    /// How the waiters for each class wait, if that is known.
    wait_types: FxHashMap<ClassId, WaitType>,
}

impl Lockdep {
    /// Returns the class of this name.
    ///
    /// # Panics
    ///
    /// If there are 65,536 others.
    pub fn class(&mut self, name: &'static str) -> ClassId {
        if let Some(class) = self.index.get(name) {
            return *class;
        }
        let class = ClassId(u16::try_from(self.names.len()).expect("fewer than 2^16 lock classes"));
        self.names.push(name);
        self.index.insert(name, class);
        class
    }

    /// Returns the name of a class.
    ///
    /// # Panics
    ///
    /// If it is a class of another `Lockdep`, and there is none with its number here.
    pub fn name(&self, class: ClassId) -> &'static str {
        self.names[usize::from(class.0)]
    }

    /// Returns the cycles among the dependencies so far, each once, the shortest first.
    pub fn inversions(&self) -> Vec<Inversion> {
        let mut graph = Self {
            names: self.names.clone(),
            edges: self.edges.clone(),
            from: self.from.clone(),
            known: self.known.clone(),
            recursive: self.recursive.clone(),
            wait_types: self.wait_types.clone(),
            ..Self::default()
        };
        for edge in self.usage.edges() {
            if edge.from != edge.to {
                graph.depend(edge);
            } else if edge.wanted.waits_for(edge.held) {
                graph.recursive.entry(edge.to).or_insert(edge);
            }
        }
        graph.cycles(&self.usage)
    }

    /// Returns the dependencies so far between two classes, in order.
    pub fn dependencies(&self) -> Vec<Dependency> {
        let dependency = |edge: &Edge| Dependency {
            held: (self.name(edge.from), edge.held),
            wanted: (self.name(edge.to), edge.wanted),
        };
        let mut dependencies: Vec<Dependency> = self.edges.iter().map(dependency).collect();
        dependencies.sort_unstable();
        dependencies.dedup();
        dependencies
    }

    /// Notes how the waiters for a class wait.
    pub(crate) fn set_wait_type(&mut self, class: ClassId, wait_type: WaitType) {
        self.wait_types.insert(class, wait_type);
    }

    /// Records a blocking acquisition that succeeds: [`want`](Self::want), then
    /// [`hold`](Self::hold).
    #[track_caller]
    pub fn acquire(&mut self, task: &mut Task, name: &str, class: ClassId, mode: Mode) {
        let taken = Taken { function: None, at: Location::caller(), line: None };
        self.want(task, name, class, mode, taken);
        self.hold(task, name, class, mode, taken);
    }

    /// Records that the task is about to wait for `class`: every lock it holds gets a dependency.
    pub fn want(&mut self, task: &Task, name: &str, class: ClassId, mode: Mode, taken: Taken) {
        let context = task.cpu.context;
        self.usage.want(task.cpu, class, mode, name, taken);
        if task.held.is_empty() || !self.checked.insert((task.chain, class, mode, context)) {
            return;
        }
        let held = || task.held.iter().filter(|held| held.context == context);
        let edge = |held: &Held, nearest: bool| Edge {
            from: held.class,
            to: class,
            held: held.mode,
            wanted: mode,
            task: name.to_owned(),
            held_at: held.taken,
            wanted_at: taken,
            interrupt: None,
            nearest,
            arrives: true,
        };
        for held in held().filter(|held| held.class == class) {
            if !(mode == Mode::SharedRecursive && held.mode.shared()) {
                self.recursive.entry(class).or_insert_with(|| edge(held, true));
            }
            if !(mode.shared() && held.mode.shared()) {
                // It waits for itself, whatever other tasks do.
                return;
            }
        }
        for (above, held) in held().rev().filter(|held| held.class != class).enumerate() {
            self.depend(edge(held, above == 0));
        }
    }

    /// Adds what another has observed of the same program.
    pub(crate) fn absorb(&mut self, other: &Self) {
        for edge in &other.edges {
            let (from, to) = (self.class(other.name(edge.from)), self.class(other.name(edge.to)));
            self.depend(Edge { from, to, ..edge.clone() });
        }
        for edge in other.recursive.values() {
            let class = self.class(other.name(edge.from));
            let edge = || Edge { from: class, to: class, ..edge.clone() };
            self.recursive.entry(class).or_insert_with(edge);
        }
        let mut usage = std::mem::take(&mut self.usage);
        usage.absorb(&other.usage, |class| self.class(other.name(class)));
        self.usage = usage;
        for (class, wait_type) in &other.wait_types {
            let class = self.class(other.name(*class));
            self.wait_types.insert(class, *wait_type);
        }
    }

    /// Records that the task holds `class` now, after a wait or a successful trylock.
    pub fn hold(&mut self, task: &mut Task, name: &str, class: ClassId, mode: Mode, taken: Taken) {
        self.usage.hold(task.cpu, class, mode, name, taken);
        let context = task.cpu.context;
        task.held.push(Held { class, mode, taken, context, below: task.chain });
        task.chain = self.chain(task.chain, class, mode);
    }

    /// Records that the task enables interrupts of this kind, or disables them.
    pub fn enable(&mut self, task: &mut Task, name: &str, interrupt: Context, enabled: bool) {
        let cpu = match interrupt {
            Context::Softirq => Cpu { bh_disabled: u32::from(!enabled), ..task.cpu },
            _ => Cpu { interrupts: enabled, ..task.cpu },
        };
        self.set_cpu(task, name, cpu);
    }

    /// Records the state of the CPU of the task. What it holds is held in that state.
    pub(crate) fn set_cpu(&mut self, task: &mut Task, name: &str, cpu: Cpu) {
        task.cpu = cpu;
        for Held { class, mode, taken, .. } in &task.held {
            self.usage.hold(cpu, *class, *mode, name, *taken);
        }
    }

    /// Records that the task has released `class`. Locks may be released in any order.
    pub fn release(&mut self, task: &mut Task, class: ClassId) {
        if let Some(place) = task.held.iter().rposition(|held| held.class == class) {
            self.release_at(task, place);
        }
    }

    /// Records that the task has released the lock at this place among those that it holds.
    pub(crate) fn release_at(&mut self, task: &mut Task, place: usize) {
        let released = task.held.remove(place);
        task.chain = released.below;
        for place in place..task.held.len() {
            let Held { class, mode, .. } = task.held[place];
            task.held[place].below = task.chain;
            task.chain = self.chain(task.chain, class, mode);
        }
    }

    fn chain(&mut self, below: u32, class: ClassId, mode: Mode) -> u32 {
        let next = u32::try_from(self.chains.len() + 1).expect("fewer than 2^32 lock chains");
        *self.chains.entry((below, class, mode)).or_insert(next)
    }

    /// Adds a dependency, if it is new, or the first of the nearest lock.
    fn depend(&mut self, edge: Edge) {
        let recursive = edge.wanted == Mode::SharedRecursive;
        let key = (edge.from, edge.to, edge.held.shared(), recursive);
        match self.known.get(&key) {
            Some(known) if edge.nearest && !self.edges[*known].nearest => {
                self.edges[*known] = edge;
            }
            Some(_) => {}
            None => {
                self.known.insert(key, self.edges.len());
                self.from.entry(edge.from).or_default().push(self.edges.len());
                self.edges.push(edge);
            }
        }
    }
}

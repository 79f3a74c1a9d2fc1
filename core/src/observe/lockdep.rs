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
//! transitivity. Here every held lock is linked: the graph is small, and transitivity does not hold
//! where a path is not strong.

mod usage;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;

use rustc_hash::{FxHashMap, FxHashSet};

pub use super::place::{Line, Taken};
pub use crate::cpu::Context;
use crate::cpu::Cpu;
pub use crate::operations::Mode;
use crate::violation::sorted_classes;

use usage::Usage;

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

/// One dependency of a cycle: `wanted` was wanted while `held` was held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The task in which it was observed.
    pub task: String,
    /// The class that was held, and the place where it was taken.
    pub held: (String, Taken),
    /// The class that was wanted, and the place.
    pub wanted: (String, Taken),
    /// The kind of the interrupt that wants it, if it interrupts the task that holds the other.
    pub interrupt: Option<Context>,
}

/// A cycle of dependencies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inversion {
    /// The dependencies, each of which begins with the class at which the one before ends.
    pub links: Vec<Link>,
}

impl Inversion {
    /// Returns the classes on the cycle, sorted, as its name.
    pub fn classes(&self) -> Vec<String> {
        sorted_classes(self.links.iter().map(|link| link.held.0.clone()))
    }

    /// Returns what is detected, in the kernel's words.
    fn warning(&self) -> String {
        let interrupt = self.links.iter().find_map(|link| link.interrupt);
        let alone = self.links.len() == 1;
        let kind = match interrupt {
            Some(Context::Hardirq) => "HARDIRQ",
            Some(_) => "SOFTIRQ",
            None if alone => return "possible recursive locking".to_owned(),
            None => return "possible circular locking dependency".to_owned(),
        };
        match alone {
            true => format!("inconsistent lock state ({kind}-ON and IN-{kind})"),
            false => format!("{kind}-safe -> {kind}-unsafe lock order"),
        }
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
    known: FxHashSet<(ClassId, ClassId, bool, bool)>,
    chains: FxHashMap<(u32, ClassId, Mode), u32>,
    /// The combinations that were already checked: a class wanted on top of a chain.
    checked: FxHashSet<(u32, ClassId, Mode, Context)>,
    /// The classes that were wanted by a task that held one of them: not a dependency, but a cycle.
    recursive: FxHashMap<ClassId, Edge>,
    usage: Usage,
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
            ..Self::default()
        };
        for edge in self.usage.edges() {
            if edge.from != edge.to {
                graph.depend(edge);
            } else if edge.wanted.waits_for(edge.held) {
                graph.recursive.entry(edge.to).or_insert(edge);
            }
        }
        graph.cycles()
    }

    fn cycles(&self) -> Vec<Inversion> {
        let name = |edge: &Edge| (self.name(edge.from), self.name(edge.to));
        let mut closing: Vec<&Edge> = self.edges.iter().collect();
        closing.sort_by_key(|edge| name(edge));
        let cycle = |closing: &Edge| Some(self.cycle(&self.strong_path(closing)?, closing));
        let cycles = closing.into_iter().filter_map(cycle);
        let recursive = self.recursive.values().map(|edge| self.cycle(&[], edge));
        let by_name: BTreeMap<Vec<String>, Inversion> =
            cycles.chain(recursive).map(|inversion| (inversion.classes(), inversion)).collect();
        let mut inversions: Vec<Inversion> = by_name.into_values().collect();
        inversions.sort_by_key(|inversion| inversion.links.len());
        inversions
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
        let edge = |held: &Held| Edge {
            from: held.class,
            to: class,
            held: held.mode,
            wanted: mode,
            task: name.to_owned(),
            held_at: held.taken,
            wanted_at: taken,
            interrupt: None,
        };
        let held = || task.held.iter().filter(|held| held.context == context);
        for held in held().filter(|held| held.class == class) {
            if !(mode == Mode::SharedRecursive && held.mode.shared()) {
                self.recursive.entry(class).or_insert_with(|| edge(held));
            }
            if !(mode.shared() && held.mode.shared()) {
                // It waits for itself, whatever other tasks do.
                return;
            }
        }
        for held in held().filter(|held| held.class != class) {
            self.depend(edge(held));
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
        let Some(place) = task.held.iter().rposition(|held| held.class == class) else { return };
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

    /// Adds a dependency, if it is new.
    fn depend(&mut self, edge: Edge) {
        let recursive = edge.wanted == Mode::SharedRecursive;
        if self.known.insert((edge.from, edge.to, edge.held.shared(), recursive)) {
            self.from.entry(edge.from).or_default().push(self.edges.len());
            self.edges.push(edge);
        }
    }

    /// Returns the shortest path back from the end of `closing` to its beginning on which every
    /// link really waits for the next: breadth first over (class, mode in which it was wanted).
    fn strong_path(&self, closing: &Edge) -> Option<Vec<usize>> {
        let mut coverage: Vec<(usize, Option<usize>)> = Vec::new();
        let mut seen: FxHashSet<(ClassId, Mode)> = FxHashSet::default();
        let leave = |class: ClassId, wanted: Mode, seen: &FxHashSet<(ClassId, Mode)>| {
            let edges = self.from.get(&class).map_or(&[][..], Vec::as_slice);
            let follow = |i: &&usize| {
                let edge = &self.edges[**i];
                wanted.waits_for(edge.held) && !seen.contains(&(edge.to, edge.wanted))
            };
            let mut edges: Vec<usize> = edges.iter().filter(follow).copied().collect();
            edges.sort_by_key(|i| self.name(self.edges[*i].to));
            edges
        };
        let mut queue: Vec<(usize, Option<usize>)> =
            leave(closing.to, closing.wanted, &seen).into_iter().map(|edge| (edge, None)).collect();
        let mut next = 0;
        while let Some(&(index, parent)) = queue.get(next) {
            next += 1;
            let edge = &self.edges[index];
            if !seen.insert((edge.to, edge.wanted)) {
                continue;
            }
            coverage.push((index, parent));
            let here = coverage.len() - 1;
            if edge.to == closing.from && edge.wanted.waits_for(closing.held) {
                return Some(unroll(&coverage, here));
            }
            queue.extend(leave(edge.to, edge.wanted, &seen).into_iter().map(|e| (e, Some(here))));
        }
        None
    }

    fn cycle(&self, path: &[usize], closing: &Edge) -> Inversion {
        let link = |edge: &Edge| Link {
            task: edge.task.clone(),
            held: (self.name(edge.from).to_owned(), edge.held_at),
            wanted: (self.name(edge.to).to_owned(), edge.wanted_at),
            interrupt: edge.interrupt,
        };
        let mut links: Vec<Link> = path.iter().map(|index| link(&self.edges[*index])).collect();
        links.push(link(closing));
        Inversion { links }
    }
}

fn unroll(coverage: &[(usize, Option<usize>)], last: usize) -> Vec<usize> {
    let mut path = Vec::new();
    let mut here = Some(last);
    while let Some(step) = here {
        path.push(coverage[step].0);
        here = coverage[step].1;
    }
    path.reverse();
    path
}

/// The report as kernel developers know it: the wanted lock over the held one, the existing chains,
/// and the scenario with one CPU for each link of the cycle.
impl fmt::Display for Inversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [existing @ .., closing] = self.links.as_slice() else { return Ok(()) };
        writeln!(f, "WARNING: {} detected", self.warning())?;
        writeln!(f, "{} is trying to acquire lock:", closing.task)?;
        writeln!(f, " ({}), at: {}", closing.wanted.0, closing.wanted.1)?;
        writeln!(f, "but task is already holding lock:")?;
        writeln!(f, " ({}), at: {}", closing.held.0, closing.held.1)?;
        if !existing.is_empty() {
            writeln!(f, "which lock already depends on the new lock.")?;
            writeln!(f, "the existing dependency chain (in reverse order) is:")?;
            for (n, link) in self.links.iter().enumerate().rev() {
                let interrupt = link.interrupt.map_or("", |_| "an interrupt of ");
                let (held, wanted, task) = (&link.held.0, &link.wanted.0, &link.task);
                writeln!(f, "-> #{n} ({held}) -> ({wanted}), by {interrupt}{task}:")?;
                writeln!(f, "       held   at: {}", link.held.1)?;
                writeln!(f, "       wanted at: {}", link.wanted.1)?;
            }
        }
        writeln!(f, "Possible unsafe locking scenario:")?;
        for (cpu, _) in self.links.iter().enumerate() {
            write!(f, "  {:<34}", format!("CPU{cpu}"))?;
        }
        writeln!(f)?;
        let indents = || self.links.iter().enumerate().map(|(cpu, link)| (cpu * 36, link));
        for (indent, link) in indents() {
            writeln!(f, "  {:indent$}lock({});", "", link.held.0)?;
        }
        for (indent, link) in indents() {
            if link.interrupt.is_some() {
                writeln!(f, "  {:indent$}<Interrupt>", "")?;
            }
            writeln!(f, "  {:indent$}lock({});", "", link.wanted.0)?;
        }
        write!(f, " *** DEADLOCK ***")
    }
}

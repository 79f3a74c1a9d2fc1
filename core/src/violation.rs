//! Violations: the errors that a scenario can have.

use std::fmt;

use crate::machine::Fault;

/// A violation found in one execution.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The violation, precise enough to expect it by name.
    pub kind: ViolationKind,
    /// One line: the thread, its operation, the object and the place.
    pub reason: String,
    /// The threads that wait for good, for a deadlock; the thread that starves; empty otherwise.
    pub waits: Vec<Wait>,
    /// For a starvation, the number of operations before the cycle begins. Those from there to the
    /// end of the schedule repeat.
    pub again_from: Option<usize>,
}

impl Violation {
    pub(crate) fn new(kind: ViolationKind, reason: String) -> Self {
        Self { kind, reason, waits: Vec::new(), again_from: None }
    }
}

/// The kind of a violation. Two executions show the same violation if and only if their kinds are
/// equal.
///
/// Each kind has a function that makes it, for an expectation:
///
/// | violation | function |
/// |---|---|
/// | threads wait for each other, or for what no thread does | [`deadlock`](Self::deadlock) |
/// | a thread waits for ever on a fair cycle | [`starvation`](Self::starvation) |
/// | an invariant, of the scenario or of a primitive | [`invariant`](Self::invariant) |
/// | an access after the release | [`use_after_release`](Self::use_after_release) |
/// | a second release | [`double_release`](Self::double_release) |
/// | a leak at the end | [`leak`](Self::leak) |
/// | memory is released with a held lock in it | [`freed_while_held`](Self::freed_while_held) |
/// | an unlock by a thread that is not the owner | [`not_owner`](Self::not_owner) |
/// | a data race on a variable | [`data_race`](Self::data_race) |
/// | a sleep in atomic context | [`sleep_in_atomic`](Self::sleep_in_atomic) |
/// | a panic of a thread | [`panic`](Self::panic) |
///
/// The classes of a deadlock are a set: `deadlock(["A", "B"])` equals `deadlock(["B", "A"])`, and
/// `deadlock(["A", "A"])` equals `deadlock(["A"])`.
///
/// ```
/// use selvedge_core::ViolationKind;
/// assert_eq!(ViolationKind::deadlock(["B", "A", "B"]), ViolationKind::deadlock(["A", "B"]));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum ViolationKind {
    /// Threads that wait for good, whatever the others do. If they wait for each other, it has the
    /// lock classes on the cycle, sorted (and the names of flags and threads on it). Without a
    /// cycle, it has the classes of those objects whose waiters wait behind no other thread.
    Deadlock(Vec<String>),
    /// A thread that can continue now and then, and waits for ever on a fair cycle of states.
    Starvation {
        /// The thread's name.
        thread: String,
        /// The class of the object that it waits for, or the name of what it polls for.
        class: String,
    },
    /// A violated invariant of the scenario, by its id.
    Invariant(String),
    /// An access to an object after its release, by the object's class.
    UseAfterRelease(String),
    /// A second release of an object, by its class.
    DoubleRelease(String),
    /// An object that is leaked at the end: never released, still held, or still referenced.
    Leak(String),
    /// The release of memory that contains a held lock, by the lock's class. If the thread that
    /// releases it is the holder, the kernel's lockdep reports "held lock freed"
    /// (`debug_check_no_locks_freed`, kernel/locking/lockdep.c, which looks at the locks of the
    /// current task); it does not see that another thread is.
    FreedWhileHeld(String),
    /// An unlock by a thread that is not the owner, by lock class.
    NotOwner(String),
    /// Two accesses to a variable that nothing orders, of which one writes it and one is plain, by
    /// the name of the variable.
    DataRace(String),
    /// An operation that may sleep, where sleeping is not allowed.
    SleepInAtomic {
        /// The operation that may sleep: the class of the object, or the name that the model
        /// declares.
        sleeps: String,
        /// The class of what forbids it: a spinlock, a read section of RCU, or an interrupt or a
        /// timer whose function runs; if there are several, the one taken last. Without any, the
        /// function that forbids it, such as `local_irq_disable`.
        holds: String,
    },
    /// A panic in a thread of the scenario, by its message.
    Panic(String),
}

impl ViolationKind {
    /// Returns a deadlock on exactly these classes, in any order.
    pub fn deadlock<'a>(classes: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Deadlock(sorted_classes(classes.into_iter().map(str::to_owned)))
    }

    /// Returns a starvation of `thread`, which waits for ever for an object of class `class`.
    pub fn starvation(thread: &str, class: &str) -> Self {
        Self::Starvation { thread: thread.to_owned(), class: class.to_owned() }
    }

    /// Returns the violation of invariant `id`.
    pub fn invariant(id: &str) -> Self {
        Self::Invariant(id.to_owned())
    }

    /// Returns the violation that `sleeps` happens with `holds` held.
    pub fn sleep_in_atomic(sleeps: &str, holds: &str) -> Self {
        Self::SleepInAtomic { sleeps: sleeps.to_owned(), holds: holds.to_owned() }
    }

    /// Returns an access to an object of class `class` after its release.
    pub fn use_after_release(class: &str) -> Self {
        Self::UseAfterRelease(class.to_owned())
    }

    /// A second release of an object of class `class`.
    pub fn double_release(class: &str) -> Self {
        Self::DoubleRelease(class.to_owned())
    }

    /// A leak of an object of class `class`.
    pub fn leak(class: &str) -> Self {
        Self::Leak(class.to_owned())
    }

    /// The release of memory that a held lock of class `class` lives in.
    pub fn freed_while_held(class: &str) -> Self {
        Self::FreedWhileHeld(class.to_owned())
    }

    /// An unlock of a lock of class `class` by a thread that is not its owner.
    pub fn not_owner(class: &str) -> Self {
        Self::NotOwner(class.to_owned())
    }

    /// Returns a data race on the variable `name`.
    pub fn data_race(name: &str) -> Self {
        Self::DataRace(name.to_owned())
    }

    /// A panic with this message.
    pub fn panic(message: &str) -> Self {
        Self::Panic(message.to_owned())
    }

    /// Returns the expression that makes this value, to be pasted into an expectation.
    pub fn code(&self) -> String {
        let call = |name: &str, arguments: &[&String]| {
            let quoted: Vec<String> = arguments.iter().map(|text| format!("{text:?}")).collect();
            format!("ViolationKind::{name}({})", quoted.join(", "))
        };
        match self {
            Self::Deadlock(classes) => format!("ViolationKind::deadlock({classes:?})"),
            Self::Starvation { thread, class } => call("starvation", &[thread, class]),
            Self::Invariant(id) => call("invariant", &[id]),
            Self::UseAfterRelease(class) => call("use_after_release", &[class]),
            Self::DoubleRelease(class) => call("double_release", &[class]),
            Self::Leak(class) => call("leak", &[class]),
            Self::FreedWhileHeld(class) => call("freed_while_held", &[class]),
            Self::NotOwner(class) => call("not_owner", &[class]),
            Self::DataRace(name) => call("data_race", &[name]),
            Self::SleepInAtomic { sleeps, holds } => call("sleep_in_atomic", &[sleeps, holds]),
            Self::Panic(message) => call("panic", &[message]),
        }
    }
}

/// Returns the classes of a cycle as its name: sorted, each once.
pub(crate) fn sorted_classes(classes: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut classes: Vec<String> = classes.into_iter().collect();
    classes.sort();
    classes.dedup();
    classes
}

impl fmt::Display for ViolationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadlock(classes) => write!(f, "deadlock({})", classes.join(", ")),
            Self::Starvation { thread, class } => write!(f, "starvation({thread}, {class})"),
            Self::Invariant(id) => write!(f, "invariant({id})"),
            Self::UseAfterRelease(class) => write!(f, "{}({class})", Fault::UseAfterRelease),
            Self::DoubleRelease(class) => write!(f, "{}({class})", Fault::DoubleRelease),
            Self::Leak(class) => write!(f, "leak({class})"),
            Self::FreedWhileHeld(class) => write!(f, "{}({class})", Fault::FreedWhileHeld),
            Self::NotOwner(class) => write!(f, "{}({class})", Fault::NotOwner),
            Self::DataRace(name) => write!(f, "{}({name})", Fault::DataRace),
            Self::SleepInAtomic { sleeps, holds } => {
                write!(f, "sleep-in-atomic({sleeps}, {holds})")
            }
            Self::Panic(message) => write!(f, "panic({message})"),
        }
    }
}

/// A thread that cannot continue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    /// The thread's name.
    pub thread: String,
    /// The operation that it waits for, such as `mutex_lock(ap_perms_mutex)`.
    pub wants: String,
    /// The place: the kernel function modelled, and the line of the model.
    pub at: String,
    /// The names of the threads that would have to act first. Empty if none is known.
    pub waits_for: Vec<String>,
    /// Whether the thread is on the reported cycle, or only stuck behind it.
    pub on_cycle: bool,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} waits at {} for {}", self.thread, self.at, self.wants)?;
        match self.waits_for.as_slice() {
            [] => f.write_str(", and no thread ends that"),
            names => write!(f, ", held up by {}", names.join(", ")),
        }
    }
}

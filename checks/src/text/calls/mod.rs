//! The functions of the kernel that a text can call.

mod locks;
mod objects;

use super::kind::Kind;
use super::object::Object;

/// A function of the kernel.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The kinds of its object. Without any, it has none.
    pub(crate) on: &'static [Kind],
    pub(crate) does: Does,
}

/// What a function does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// Takes a lock.
    Take(Lock),
    /// Takes a lock of a subclass, which is the second argument.
    Nested(Lock),
    /// Tries to take a lock, and returns this if it has; otherwise 1 or 0, whichever is left.
    Try(Lock, i64),
    /// Releases a lock.
    Release(Way),
    /// Anything on one object: what it does, what the value in Rust is, and how that is written,
    /// with `{}` for the object and `{0}` for the argument.
    Object(fn(&Object, &[i64]) -> i64, Returns, &'static str),
    /// Anything without an object.
    Free(fn(), &'static str),
    /// What needs more than its object.
    Special(Special),
}

/// How a lock is taken, and the function that releases it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lock {
    pub(crate) way: Way,
    pub(crate) release: &'static str,
}

/// The way in which a lock is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Mutex,
    MutexInterruptible,
    Spin,
    SpinBh,
    SpinIrq,
    SpinIrqsave,
    Read,
    ReadBh,
    ReadIrq,
    ReadIrqsave,
    Write,
    WriteBh,
    WriteIrq,
    WriteIrqsave,
    DownRead,
    DownReadKillable,
    DownWrite,
    DownWriteKillable,
    Down,
    DownInterruptible,
    DownTimeout,
    Rcu,
    Srcu,
}

/// The type in Rust of what a function returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Returns {
    Nothing,
    Bool,
    Int,
}

/// A function with arguments of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Special {
    WaitEvent,
    WaitEventExclusive,
    WaitEventTimeout,
    WaitEventInterruptible,
    WaitEventKillable,
    ShouldStop,
    ShouldPark,
    ParkMe,
    CallRcu,
    KfreeRcu,
    RcuDereference,
    KrefPut,
    MightSleep,
    Sleeps,
    IrqSave,
    IrqRestore,
    BugOn,
    Maybe,
    Downgrade,
    Swap,
    CompareExchange,
}

/// Returns the function of this name.
pub(crate) fn named(name: &str) -> Option<&'static Row> {
    all().find(|row| row.name == name)
}

/// Returns all functions.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    locks::ROWS.iter().chain(objects::rows())
}

impl Row {
    const fn new(name: &'static str, on: &'static [Kind], does: Does) -> Self {
        Self { name, on, does }
    }
}

/// Returns the plain function that takes a lock of the kind alone.
pub(crate) fn plain_lock(kind: Kind) -> Option<&'static Row> {
    named(match kind {
        Kind::Mutex => "mutex_lock",
        Kind::SpinLock => "spin_lock",
        Kind::RawSpinLock => "raw_spin_lock",
        Kind::RwLock => "write_lock",
        Kind::RwSem => "down_write",
        Kind::Semaphore => "down",
        _ => return None,
    })
}

/// Returns the function that a guard of this class begins with, as in include/linux/cleanup.h.
pub(crate) fn guard(class: &str) -> Option<&'static Row> {
    let known = GUARDS.iter().find(|(known, _)| *known == class)?;
    named(known.1)
}

/// The classes of guards, by the headers that define them.
pub(crate) const GUARDS: &[(&str, &str)] = &[
    ("mutex", "mutex_lock"),
    ("spinlock", "spin_lock"),
    ("spinlock_bh", "spin_lock_bh"),
    ("spinlock_irq", "spin_lock_irq"),
    ("spinlock_irqsave", "spin_lock_irqsave"),
    ("raw_spinlock", "raw_spin_lock"),
    ("raw_spinlock_irq", "raw_spin_lock_irq"),
    ("raw_spinlock_irqsave", "raw_spin_lock_irqsave"),
    ("read_lock", "read_lock"),
    ("write_lock", "write_lock"),
    ("rwsem_read", "down_read"),
    ("rwsem_write", "down_write"),
    ("rcu", "rcu_read_lock"),
    ("srcu", "srcu_read_lock"),
];

//! The functions that take and release locks.

use super::Does::{Nested, Release, Take, Try};
use super::{Does, Kind, Lock, Row, Way};

const fn take(name: &'static str, on: &'static [Kind], way: Way, release: &'static str) -> Row {
    Row::new(name, on, Take(Lock { way, release }))
}

/// A function that may fail to take the lock, and returns `taken` if it takes it.
const fn attempt(
    name: &'static str,
    on: &'static [Kind],
    (way, taken): (Way, i64),
    release: &'static str,
) -> Row {
    Row::new(name, on, Try(Lock { way, release }, taken))
}

const fn release(name: &'static str, on: &'static [Kind], way: Way) -> Row {
    Row::new(name, on, Release(way))
}

const fn nested(name: &'static str, way: Way, release: &'static str) -> Row {
    Row::new(name, MUTEX, Nested(Lock { way, release }))
}

const MUTEX: &[Kind] = &[Kind::Mutex];
const SPIN: &[Kind] = &[Kind::SpinLock];
const RAW: &[Kind] = &[Kind::RawSpinLock];
const RW: &[Kind] = &[Kind::RwLock];
const SEM: &[Kind] = &[Kind::RwSem];
const COUNT: &[Kind] = &[Kind::Semaphore];

pub(super) const ROWS: &[Row] = &[
    take("mutex_lock", MUTEX, Way::Mutex, "mutex_unlock"),
    nested("mutex_lock_nested", Way::Mutex, "mutex_unlock"),
    attempt("mutex_lock_interruptible", MUTEX, (Way::MutexInterruptible, 0), "mutex_unlock"),
    attempt("mutex_lock_killable", MUTEX, (Way::MutexInterruptible, 0), "mutex_unlock"),
    attempt("mutex_trylock", MUTEX, (Way::Mutex, 1), "mutex_unlock"),
    release("mutex_unlock", MUTEX, Way::Mutex),
    take("spin_lock", SPIN, Way::Spin, "spin_unlock"),
    take("spin_lock_bh", SPIN, Way::SpinBh, "spin_unlock_bh"),
    take("spin_lock_irq", SPIN, Way::SpinIrq, "spin_unlock_irq"),
    take("spin_lock_irqsave", SPIN, Way::SpinIrqsave, "spin_unlock_irqrestore"),
    attempt("spin_trylock", SPIN, (Way::Spin, 1), "spin_unlock"),
    attempt("spin_trylock_bh", SPIN, (Way::SpinBh, 1), "spin_unlock_bh"),
    attempt("spin_trylock_irq", SPIN, (Way::SpinIrq, 1), "spin_unlock_irq"),
    attempt("spin_trylock_irqsave", SPIN, (Way::SpinIrqsave, 1), "spin_unlock_irqrestore"),
    release("spin_unlock", SPIN, Way::Spin),
    release("spin_unlock_bh", SPIN, Way::SpinBh),
    release("spin_unlock_irq", SPIN, Way::SpinIrq),
    release("spin_unlock_irqrestore", SPIN, Way::SpinIrqsave),
    take("raw_spin_lock", RAW, Way::Spin, "raw_spin_unlock"),
    take("raw_spin_lock_bh", RAW, Way::SpinBh, "raw_spin_unlock_bh"),
    take("raw_spin_lock_irq", RAW, Way::SpinIrq, "raw_spin_unlock_irq"),
    take("raw_spin_lock_irqsave", RAW, Way::SpinIrqsave, "raw_spin_unlock_irqrestore"),
    attempt("raw_spin_trylock", RAW, (Way::Spin, 1), "raw_spin_unlock"),
    release("raw_spin_unlock", RAW, Way::Spin),
    release("raw_spin_unlock_bh", RAW, Way::SpinBh),
    release("raw_spin_unlock_irq", RAW, Way::SpinIrq),
    release("raw_spin_unlock_irqrestore", RAW, Way::SpinIrqsave),
    take("read_lock", RW, Way::Read, "read_unlock"),
    take("read_lock_bh", RW, Way::ReadBh, "read_unlock_bh"),
    take("read_lock_irq", RW, Way::ReadIrq, "read_unlock_irq"),
    take("read_lock_irqsave", RW, Way::ReadIrqsave, "read_unlock_irqrestore"),
    attempt("read_trylock", RW, (Way::Read, 1), "read_unlock"),
    release("read_unlock", RW, Way::Read),
    release("read_unlock_bh", RW, Way::ReadBh),
    release("read_unlock_irq", RW, Way::ReadIrq),
    release("read_unlock_irqrestore", RW, Way::ReadIrqsave),
    take("write_lock", RW, Way::Write, "write_unlock"),
    take("write_lock_bh", RW, Way::WriteBh, "write_unlock_bh"),
    take("write_lock_irq", RW, Way::WriteIrq, "write_unlock_irq"),
    take("write_lock_irqsave", RW, Way::WriteIrqsave, "write_unlock_irqrestore"),
    attempt("write_trylock", RW, (Way::Write, 1), "write_unlock"),
    release("write_unlock", RW, Way::Write),
    release("write_unlock_bh", RW, Way::WriteBh),
    release("write_unlock_irq", RW, Way::WriteIrq),
    release("write_unlock_irqrestore", RW, Way::WriteIrqsave),
    take("down_read", SEM, Way::DownRead, "up_read"),
    attempt("down_read_killable", SEM, (Way::DownReadKillable, 0), "up_read"),
    attempt("down_read_trylock", SEM, (Way::DownRead, 1), "up_read"),
    release("up_read", SEM, Way::DownRead),
    take("down_write", SEM, Way::DownWrite, "up_write"),
    attempt("down_write_killable", SEM, (Way::DownWriteKillable, 0), "up_write"),
    attempt("down_write_trylock", SEM, (Way::DownWrite, 1), "up_write"),
    release("up_write", SEM, Way::DownWrite),
    take("percpu_down_read", SEM, Way::DownRead, "percpu_up_read"),
    release("percpu_up_read", SEM, Way::DownRead),
    take("percpu_down_write", SEM, Way::DownWrite, "percpu_up_write"),
    release("percpu_up_write", SEM, Way::DownWrite),
    take("down", COUNT, Way::Down, "up"),
    attempt("down_interruptible", COUNT, (Way::DownInterruptible, 0), "up"),
    attempt("down_killable", COUNT, (Way::DownInterruptible, 0), "up"),
    attempt("down_timeout", COUNT, (Way::DownTimeout, 0), "up"),
    attempt("down_trylock", COUNT, (Way::Down, 0), "up"),
    release("up", COUNT, Way::Down),
    take("rcu_read_lock", &[], Way::Rcu, "rcu_read_unlock"),
    release("rcu_read_unlock", &[], Way::Rcu),
    take("srcu_read_lock", &[Kind::Srcu], Way::Srcu, "srcu_read_unlock"),
    release("srcu_read_unlock", &[Kind::Srcu], Way::Srcu),
];

impl Does {
    /// Returns the lock that it takes, or tries to.
    pub(crate) fn lock(self) -> Option<Lock> {
        match self {
            Take(lock) | Nested(lock) | Try(lock, _) => Some(lock),
            _ => None,
        }
    }
}

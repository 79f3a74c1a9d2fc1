//! How a thread waits for a lock.

use crate::operations::OpKind;

/// How a thread waits for a lock, and what it may wait for while it holds the lock: the wait types
/// of `include/linux/lockdep_types.h`, v6.6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WaitType {
    /// A read section of RCU, which never waits.
    Free,
    /// A lock that spins on PREEMPT_RT too.
    Spin,
    /// A lock that spins, and sleeps on PREEMPT_RT.
    Config,
    /// A lock that sleeps.
    Sleep,
}

impl WaitType {
    /// Returns that of the object, if the operation shows it.
    pub(crate) fn of(kind: OpKind) -> Option<Self> {
        let row = kind.row();
        if kind == OpKind::RcuReadLock {
            return Some(Self::Free);
        }
        row.takes.and(row.waits)?;
        Some(match (row.sleeps, row.raw) {
            (true, _) => Self::Sleep,
            (false, true) => Self::Spin,
            (false, false) => Self::Config,
        })
    }

    /// Returns the outer and the inner type, as a report has them.
    pub(super) fn marks(self) -> &'static str {
        match self {
            Self::Free => "{1:3}",
            Self::Spin => "{2:2}",
            Self::Config => "{3:3}",
            Self::Sleep => "{4:4}",
        }
    }
}

//! The forms of the functions that take a lock for which other threads spin, and of their unlocks:
//! `spin_lock`, `spin_lock_bh`, `spin_lock_irq` and `spin_lock_irqsave` are one operation. So are
//! the call of a function of a module and its return.

use super::OpKind::{self, *};

/// The names of a function in its forms, and of its second half.
macro_rules! forms {
    ($name:literal, $saved:literal, $half:literal) => {
        [
            concat!($name, $half),
            concat!($name, "_bh", $half),
            concat!($name, "_irq", $half),
            concat!($name, $saved, $half),
        ]
    };
    ($name:literal) => {
        forms!($name, "_irqsave", "")
    };
}

/// The number of the form in which a function of a module returns.
pub(crate) const RETURNS: u64 = 1;

/// Returns the name of an operation in the form with this number, if it is one of those that have
/// forms.
pub(crate) fn form(kind: OpKind, number: u64) -> Option<&'static str> {
    let forms = match kind {
        CallModule => return Some(["call", "return"][number as usize]),
        SpinLock => forms!("spin_lock"),
        TrySpinLock => forms!("spin_trylock"),
        SpinUnlock => forms!("spin_unlock", "_irqrestore", ""),
        RawSpinLock => forms!("raw_spin_lock"),
        TryRawSpinLock => forms!("raw_spin_trylock"),
        RawSpinUnlock => forms!("raw_spin_unlock", "_irqrestore", ""),
        ReadLock => forms!("read_lock"),
        AwaitReadLock => forms!("read_lock", "_irqsave", " (queued)"),
        ReadLockPassing => forms!("read_lock", "_irqsave", " (passing)"),
        ReadUnlock => forms!("read_unlock", "_irqrestore", ""),
        WriteLock => forms!("write_lock"),
        AwaitWriteLock => forms!("write_lock", "_irqsave", " (queued)"),
        WriteLockPassed => forms!("write_lock", "_irqsave", " (passed)"),
        WriteUnlock => forms!("write_unlock", "_irqrestore", ""),
        _ => return None,
    };
    Some(forms[number as usize])
}

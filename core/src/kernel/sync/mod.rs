//! Synchronisation primitives, with the names of `rust/kernel/sync.rs` (v6.15).

mod arc;
mod completion;
mod condvar;
pub mod lock;
mod locked_by;
pub mod rcu;
mod set_once;
pub mod srcu;

pub use arc::{Arc, ArcBorrow, UniqueArc};
pub use completion::Completion;
pub use condvar::{CondVar, CondVarTimeoutResult, Jiffies};
pub use lock::mutex::{Mutex, MutexBackend, MutexGuard};
pub use lock::spinlock::{SpinLock, SpinLockBackend, SpinLockGuard};
pub use lock::{Backend, GlobalGuard, GlobalLock, GlobalLockBackend, Guard, Lock};
pub use locked_by::LockedBy;
pub use set_once::SetOnce;
pub use srcu::Srcu;

#[doc(inline)]
pub use crate::{global_lock, new_condvar, new_mutex, new_spinlock, new_srcu};

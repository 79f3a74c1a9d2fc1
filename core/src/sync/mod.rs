//! The kernel's synchronisation objects, one file each.
//!
//! Every type here is a handle on a small state machine and works under every engine. An object
//! asks, when it is made, which runtime is in charge (see [`runtime`](crate::runtime)).

mod atomic;
mod ghost;
mod hardware;
mod holders;
mod kref;
mod module;
mod mutex;
mod outside;
mod rwsem;
mod srcu;
mod tracked;
mod unfair_rwsem;
mod waitqueue;

pub use atomic::Atomic;
pub use ghost::Ghost;
pub use hardware::Hardware;
pub use kref::Kref;
pub use module::{ModuleBusy, ModuleRef};
pub use mutex::{Interrupted, Mutex, MutexGuard};
pub use rwsem::{ReadGuard, RwSem, WriteGuard};
pub use srcu::{Srcu, SrcuReader};
pub use tracked::Tracked;
pub use unfair_rwsem::UnfairRwSem;
pub use waitqueue::WaitQueue;

//! The kernel's synchronisation objects, one file each, and the condition variable of user space.
//!
//! Every type here is a handle on a small state machine and works under every engine. An object
//! that is made while an engine runs a scenario belongs to that execution. Outside of any engine,
//! objects work on plain `std` threads. In a build with `--cfg loom` they work on loom, inside the
//! caller's own `loom::model(..)`.
//!
//! Each constructor takes the name of the object, its class, as a literal or a `String`;
//! [`Name::here`](crate::Name::here) is the caller's line, for an object without a name.

mod again;
mod atomic;
mod choice;
mod completion;
mod condvar;
pub(crate) mod data;
mod ghost;
mod handler;
mod hardware;
mod head;
mod hidden;
mod holders;
mod irq;
mod kernfs;
mod kref;
mod kthread;
mod line;
mod local_irq;
mod module;
mod mutex;
mod named;
mod notifier;
mod outside;
mod owned;
mod percpu;
pub(crate) mod plain;
mod rcu;
mod readers;
mod rwlock;
mod rwsem;
mod semaphore;
mod seqlock;
mod spinlock;
mod srcu;
mod tasklet;
mod timer;
pub(crate) mod tracked;
mod unfair_rwsem;
mod waiters;
mod waitqueue;
mod weak;
mod work;
mod workqueue;
mod works;
mod ww_mutex;
mod ww_state;

pub use atomic::{Atomic, AtomicInteger, AtomicValue};
pub use choice::Choice;
pub use completion::Completion;
pub use condvar::Condvar;
pub use ghost::Ghost;
pub use hardware::Hardware;
pub use head::RcuHead;
pub use irq::Irq;
pub use kernfs::{ActiveReference, Kernfs};
pub use kref::Kref;
pub use kthread::Kthread;
pub use local_irq::{
    IrqFlags, in_interrupt, local_bh_disable, local_bh_enable, local_irq_disable, local_irq_enable,
    local_irq_restore, local_irq_save, preempt_disable, preempt_enable,
};
pub use module::{ModuleBusy, ModuleRef, ModuleText};
pub use mutex::{Interrupted, Mutex, MutexGuard};
pub use notifier::{NotifierBlock, NotifierChain, Notify};
pub use percpu::PerCpu;
pub use plain::Plain;
pub use rcu::{Rcu, RcuReader};
pub use rwlock::{ReadLockGuard, RwLock, WriteLockGuard};
pub use rwsem::{ReadGuard, RwSem, WriteGuard};
pub use semaphore::Semaphore;
pub use seqlock::{SeqCount, SeqLock, SeqLockWriter, SeqSection, SeqWriter};
pub use spinlock::{SpinGuard, SpinLock};
pub use srcu::{Srcu, SrcuReader};
pub use tasklet::Tasklet;
pub use timer::Timer;
pub use tracked::Tracked;
pub use unfair_rwsem::UnfairRwSem;
pub use waitqueue::WaitQueue;
pub use weak::{WeakAtomic, fence, smp_load_acquire, smp_mb, smp_rmb, smp_store_release, smp_wmb};
pub use work::Work;
pub use workqueue::Workqueue;
pub use ww_mutex::{WwAcquireCtx, WwClass, WwError, WwGuard, WwMutex};

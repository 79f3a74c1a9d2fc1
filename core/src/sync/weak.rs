//! Atomic words whose accesses are ordered as the caller asks, and fences.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;

use crate::op::{Op, Place};
use crate::operations::OpKind;
#[cfg(feature = "loom")]
use crate::runtime::loom_word::Word;
use crate::runtime::object::Object;
use crate::runtime::{self, Runtime};

use super::atomic;

/// A word that threads read and write in no more order than they ask for: `READ_ONCE` and
/// `WRITE_ONCE` are [`Relaxed`](Ordering::Relaxed), `smp_load_acquire` and `smp_store_release` are
/// [`Acquire`](Ordering::Acquire) and [`Release`](Ordering::Release), and [`smp_mb`] is a fence.
///
/// Only loom has such a memory, that of C11 without loads that are satisfied by a later store. The
/// other engines let one whole operation happen after the other. What they find is real, but where
/// they find nothing they say that weaker orderings are beyond them. The final check comes after all
/// that the threads have done.
///
/// loom 0.7.2 overlooks outcomes if two threads each load a word and later store it. It takes
/// sequentially consistent accesses for acquire and release: where that is the matter, use [`smp_mb`]
/// or an [`Atomic`](super::Atomic). An exchange or an addition beside another thread's plain store is
/// not one step there, so what it finds after such a pair decides nothing
/// ([`Inconclusive`](crate::Verdict::Inconclusive)). And the order in which loom lets accesses happen is
/// not that in which they take effect, so no schedule replays them.
///
/// ```
/// # #[cfg(feature = "loom")] {
/// use selvedge_core::sync::WeakAtomic;
/// use selvedge_core::{Engine, Scenario};
/// use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
/// let world = || (WeakAtomic::new("ring", 0), WeakAtomic::new("fq_domain", 0));
/// let scenario = Scenario::builder("publish", world)
///     .thread("init", |(ring, fq_domain)| {
///         ring.store(1, Relaxed);
///         fq_domain.store(1, Release);
///     })
///     .thread("queue", |(ring, fq_domain)| {
///         if fq_domain.load(Acquire) == 1 {
///             assert_eq!(ring.load(Relaxed), 1);
///         }
///     })
///     .expect_proof();
/// assert!(scenario.verify(Engine::Loom).as_expected());
/// assert!(!scenario.verify(Engine::Native).as_expected());
/// # }
/// ```
pub struct WeakAtomic {
    home: Home,
}

enum Home {
    /// Every access is one step in one total order.
    Ordered(Object),
    #[cfg(feature = "loom")]
    Loom(Box<Word>),
}

impl WeakAtomic {
    /// A word that holds `value`, named `class`.
    pub fn new(class: &'static str, value: u64) -> Self {
        let machine = atomic::machine(value);
        let home = match runtime::current() {
            #[cfg(feature = "loom")]
            Runtime::Loom(host) => Home::Loom(Box::new(Word::new(class, value, machine, host))),
            Runtime::Native(_) | Runtime::Std => Home::Ordered(Object::new(class, machine)),
            #[cfg(feature = "shuttle")]
            Runtime::Shuttle(_) => Home::Ordered(Object::new(class, machine)),
        };
        Self { home }
    }

    /// The value.
    ///
    /// # Panics
    ///
    /// On loom if `ordering` releases.
    #[track_caller]
    pub fn load(&self, ordering: Ordering) -> u64 {
        self.perform(Op::new(OpKind::Load), ordering, Location::caller())
    }

    /// Sets the value.
    ///
    /// # Panics
    ///
    /// On loom if `ordering` acquires.
    #[track_caller]
    pub fn store(&self, value: u64, ordering: Ordering) {
        self.perform(Op::with(OpKind::Store, value), ordering, Location::caller());
    }

    /// `atomic_xchg`: yields the value before.
    #[track_caller]
    pub fn swap(&self, value: u64, ordering: Ordering) -> u64 {
        self.perform(Op::with(OpKind::Swap, value), ordering, Location::caller())
    }

    /// `atomic_fetch_add`, wrapping: yields the value before.
    #[track_caller]
    pub fn fetch_add(&self, value: u64, ordering: Ordering) -> u64 {
        self.perform(Op::with(OpKind::FetchAdd, value), ordering, Location::caller())
    }

    fn perform(&self, op: Op, ordering: Ordering, at: Place) -> u64 {
        if ordering != Ordering::SeqCst {
            runtime::note_weak();
        }
        match &self.home {
            Home::Ordered(object) => object.perform(op, at),
            #[cfg(feature = "loom")]
            Home::Loom(word) => word.perform(op, ordering, at),
        }
    }
}

impl fmt::Debug for WeakAtomic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("WeakAtomic");
        match &self.home {
            Home::Ordered(object) => debug.field("object", object),
            #[cfg(feature = "loom")]
            Home::Loom(word) => debug.field("object", word),
        };
        debug.finish_non_exhaustive()
    }
}

/// `smp_mb`: what the calling thread did before is seen before what it does after.
///
/// No step of its own. Where every operation is whole, it does nothing.
pub fn smp_mb() {
    match runtime::current() {
        #[cfg(feature = "loom")]
        Runtime::Loom(_) => ::loom::sync::atomic::fence(Ordering::SeqCst),
        Runtime::Native(_) | Runtime::Std => {}
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(_) => {}
    }
}

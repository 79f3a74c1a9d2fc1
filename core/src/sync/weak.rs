//! Atomic words whose accesses are ordered as the caller requests, and fences.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;

use crate::name::Name;
use crate::op::{Op, Place};
use crate::operations::OpKind;
#[cfg(any(loom, feature = "loom"))]
use crate::runtime::loom_word::Word;
use crate::runtime::object::Object;
use crate::runtime::{self, Runtime};

use super::atomic;

/// A word whose accesses have only the order that the caller requests: `READ_ONCE` and `WRITE_ONCE`
/// are [`Relaxed`](Ordering::Relaxed), `smp_load_acquire` and `smp_store_release` are
/// [`Acquire`](Ordering::Acquire) and [`Release`](Ordering::Release), and [`smp_mb`] is a fence.
///
/// Only loom has such a memory: that of C11 without loads that are satisfied by a later store. The
/// other engines execute the accesses in one total order. Their violations are real, but where they
/// find none they report that they do not cover weaker orderings. The final check happens after
/// everything that the threads have done.
///
/// loom 0.7.2 overlooks outcomes if two threads each load a word and later store it. It treats
/// sequentially consistent accesses as acquire and release: where that difference is relevant, use
/// [`smp_mb`] or an [`Atomic`](super::Atomic). An exchange or an addition beside another thread's
/// plain store is not one step there, so a violation found after such a pair decides nothing
/// ([`Inconclusive`](crate::Verdict::Inconclusive)). The order in which loom executes accesses is
/// not that in which they take effect, so no schedule replays them.
///
/// ```
/// # #[cfg(any(loom, feature = "loom"))] {
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
    #[cfg(any(loom, feature = "loom"))]
    Loom(Box<Word>),
}

impl WeakAtomic {
    /// Creates a word that holds `value`, named `class`.
    pub fn new(class: impl Into<Name>, value: u64) -> Self {
        let class = class.into();
        let machine = atomic::machine(value);
        let home = match runtime::current() {
            #[cfg(any(loom, feature = "loom"))]
            Runtime::Loom(host) => {
                Home::Loom(Box::new(Word::new(class.as_str(), value, machine, host)))
            }
            Runtime::Native(_) | Runtime::Std => Home::Ordered(Object::new(class, machine)),
            #[cfg(feature = "shuttle")]
            Runtime::Shuttle(_) => Home::Ordered(Object::new(class, machine)),
        };
        Self { home }
    }

    /// Returns the value.
    ///
    /// # Panics
    ///
    /// On loom, if `ordering` is a release ordering.
    #[doc(alias("READ_ONCE", "smp_load_acquire"))]
    #[track_caller]
    pub fn load(&self, ordering: Ordering) -> u64 {
        self.perform(Op::new(OpKind::Load), ordering, Location::caller())
    }

    /// Sets the value.
    ///
    /// # Panics
    ///
    /// On loom, if `ordering` is an acquire ordering.
    #[doc(alias("WRITE_ONCE", "smp_store_release"))]
    #[track_caller]
    pub fn store(&self, value: u64, ordering: Ordering) {
        self.perform(Op::with(OpKind::Store, value), ordering, Location::caller());
    }

    /// `atomic_xchg`: sets the value and returns the previous one.
    #[doc(alias = "atomic_xchg")]
    #[track_caller]
    pub fn swap(&self, value: u64, ordering: Ordering) -> u64 {
        self.perform(Op::with(OpKind::Swap, value), ordering, Location::caller())
    }

    /// `atomic_fetch_add`: adds `value`, wrapping, and returns the previous value.
    #[doc(alias = "atomic_fetch_add")]
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
            #[cfg(any(loom, feature = "loom"))]
            Home::Loom(word) => word.perform(op, ordering, at),
        }
    }
}

impl fmt::Debug for WeakAtomic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("WeakAtomic");
        match &self.home {
            Home::Ordered(object) => debug.field("object", object),
            #[cfg(any(loom, feature = "loom"))]
            Home::Loom(word) => debug.field("object", word),
        };
        debug.finish_non_exhaustive()
    }
}

/// `smp_mb`: orders the caller's earlier accesses before its later ones.
///
/// It is not a step of its own. It does nothing under the engines that execute accesses in one
/// total order.
pub fn smp_mb() {
    match runtime::current() {
        #[cfg(any(loom, feature = "loom"))]
        Runtime::Loom(_) => ::loom::sync::atomic::fence(Ordering::SeqCst),
        Runtime::Native(_) | Runtime::Std => {}
        #[cfg(feature = "shuttle")]
        Runtime::Shuttle(_) => {}
    }
}

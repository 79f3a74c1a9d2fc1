//! Atomic words whose accesses are ordered as the caller requests, and fences.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::atomic::Ordering;

use crate::name::Name;
use crate::op::{How, Op, Place};
use crate::operations::OpKind;
#[cfg(any(loom, feature = "loom"))]
use crate::runtime::loom_word::Word;
use crate::runtime::native;
use crate::runtime::object::Object;
use crate::runtime::{self, Runtime};

use super::atomic;
use super::atomic::{AtomicInteger, AtomicValue};
use super::named::Named;

/// A word whose accesses have only the order that the caller requests: `READ_ONCE` and `WRITE_ONCE`
/// are [`Relaxed`](Ordering::Relaxed), [`smp_load_acquire`] and [`smp_store_release`] are
/// [`Acquire`](Ordering::Acquire) and [`Release`](Ordering::Release), and [`smp_mb`], [`smp_rmb`]
/// and [`smp_wmb`] are fences.
///
/// The native engine has the memory of RC11, which is that of C11 without loads that are satisfied
/// by a later store. `docs/memory.md` describes it, and where the kernel's own model differs. Where
/// every access of a program is [`SeqCst`](Ordering::SeqCst), that is one total order. shuttle
/// always executes the accesses in one: its violations are real, but where it finds none it reports
/// that it does not cover weaker orderings. The final check happens after everything that the
/// threads have done.
///
/// loom has that memory too, with gaps. loom 0.7.2 overlooks outcomes if two threads each load a
/// word and later store it. It treats sequentially consistent accesses as acquire and release:
/// where that difference is relevant, use [`smp_mb`] or an [`Atomic`](super::Atomic). An exchange
/// or an addition beside another thread's plain store is not one step there, so a violation found
/// after such a pair decides nothing. The order in which loom executes accesses is not that in
/// which they take effect, so no schedule replays them.
///
/// ```
/// use selvedge_core::sync::WeakAtomic;
/// use selvedge_core::{Engine, Scenario, ViolationKind};
/// use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};
/// let scenario = |order: Ordering| {
///     let world = || (WeakAtomic::new("ring", 0), WeakAtomic::new("fq_domain", 0));
///     Scenario::builder("publish", world)
///         .thread("init", move |(ring, fq_domain)| {
///             ring.store(1, Relaxed);
///             fq_domain.store(1, order);
///         })
///         .thread("queue", |(ring, fq_domain)| {
///             if fq_domain.load(Acquire) == 1 {
///                 assert_eq!(ring.load(Relaxed), 1, "the ring is there");
///             }
///         })
/// };
/// scenario(Release).expect_proof().assert_as_expected(Engine::Native);
/// assert!(!scenario(Relaxed).expect_proof().verify(Engine::Native).as_expected());
/// ```
pub struct WeakAtomic<T = u64> {
    home: Home,
    value: PhantomData<fn(T) -> T>,
}

enum Home {
    /// Every access is one step in one total order.
    Ordered(Object),
    /// The word is one of the memory of the execution. The object has its name.
    Native(Object, native::Handle),
    #[cfg(any(loom, feature = "loom"))]
    Loom(Box<Word>),
}

impl<T: AtomicValue> WeakAtomic<T> {
    /// Creates a word that holds `value`, named `class`.
    pub fn new(class: impl Into<Name>, value: T) -> Self {
        let (class, value) = (class.into(), value.to_word());
        let machine = atomic::machine(value);
        let home = match runtime::current() {
            #[cfg(any(loom, feature = "loom"))]
            Runtime::Loom(host) => {
                Home::Loom(Box::new(Word::new(class.as_str(), value, machine, host)))
            }
            Runtime::Native(execution) if execution.assumed_memory().words => {
                let name = Object::new(class, Box::new(Named));
                let id = name.native().expect("it is an object of the execution");
                Home::Native(name, execution.word(id, value))
            }
            Runtime::Native(_) | Runtime::Std => Home::Ordered(Object::new(class, machine)),
            #[cfg(feature = "shuttle")]
            Runtime::Shuttle(_) => Home::Ordered(Object::new(class, machine)),
        };
        Self { home, value: PhantomData }
    }

    /// Returns the value.
    ///
    /// # Panics
    ///
    /// If `ordering` is a release ordering.
    #[doc(alias("READ_ONCE", "smp_load_acquire"))]
    #[track_caller]
    pub fn load(&self, ordering: Ordering) -> T {
        assert!(!releases(ordering), "there is no such thing as a load that is a release");
        self.access(Op::new(OpKind::Load), ordering, Location::caller())
    }

    /// Sets the value.
    ///
    /// # Panics
    ///
    /// If `ordering` is an acquire ordering.
    #[doc(alias("WRITE_ONCE", "smp_store_release"))]
    #[track_caller]
    pub fn store(&self, value: T, ordering: Ordering) {
        assert!(!acquires(ordering), "there is no such thing as a store that is an acquire");
        let op = Op::with(OpKind::Store, value.to_word());
        self.perform(op, ordering, ordering, Location::caller());
    }

    /// `atomic_xchg`: sets the value and returns the previous one.
    #[doc(alias = "atomic_xchg")]
    #[track_caller]
    pub fn swap(&self, value: T, ordering: Ordering) -> T {
        self.access(Op::with(OpKind::Swap, value.to_word()), ordering, Location::caller())
    }

    /// `atomic_cmpxchg`: stores `new` with the ordering `success` if the word holds `current`, and
    /// otherwise only loads, with the ordering `failure`. It never fails spuriously.
    ///
    /// # Errors
    ///
    /// The value found, if it is not `current`.
    ///
    /// # Panics
    ///
    /// If `failure` is a release ordering.
    #[doc(alias("atomic_cmpxchg", "cmpxchg"))]
    #[track_caller]
    pub fn compare_exchange(
        &self,
        current: T,
        new: T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<T, T> {
        assert!(!releases(failure), "there is no such thing as a load that is a release");
        let current = current.to_word();
        let op = Op::with_two(OpKind::CompareExchange, current, new.to_word());
        let found = self.perform(op, success, failure, Location::caller());
        let value = T::from_word(found);
        if found == current { Ok(value) } else { Err(value) }
    }

    fn access(&self, op: Op, ordering: Ordering, at: Place) -> T {
        T::from_word(self.perform(op, ordering, ordering, at))
    }

    fn perform(&self, op: Op, changes: Ordering, reads: Ordering, at: Place) -> u64 {
        runtime::note_ordering(changes);
        runtime::note_ordering(reads);
        match &self.home {
            Home::Ordered(object) => object.perform(op, at),
            Home::Native(name, memory) => {
                name.touch_memory(at);
                let weak = runtime::native().weak(name.native(), changes, reads);
                name.perform_in(memory, Op { weak, ..op }, at)
            }
            #[cfg(any(loom, feature = "loom"))]
            Home::Loom(word) => word.perform(op, changes, reads, at),
        }
    }
}

impl<T: AtomicInteger> WeakAtomic<T> {
    /// `atomic_fetch_add`: adds `value`, wrapping, and returns the previous value.
    #[doc(alias = "atomic_fetch_add")]
    #[track_caller]
    pub fn fetch_add(&self, value: T, ordering: Ordering) -> T {
        let unused = u64::from(u64::BITS - T::BITS);
        let op = Op::with_two(OpKind::FetchAdd, value.to_word(), unused);
        self.access(op, ordering, Location::caller())
    }

    /// `atomic_fetch_sub`: subtracts `value`, wrapping, and returns the previous value.
    #[doc(alias = "atomic_fetch_sub")]
    #[track_caller]
    pub fn fetch_sub(&self, value: T, ordering: Ordering) -> T {
        self.modify(How::Sub, value, ordering, Location::caller())
    }

    /// `atomic_fetch_and`: clears the bits that `value` does not have, and returns the previous
    /// value.
    #[doc(alias = "atomic_fetch_and")]
    #[track_caller]
    pub fn fetch_and(&self, value: T, ordering: Ordering) -> T {
        self.modify(How::And, value, ordering, Location::caller())
    }

    /// Flips the bits of what [`fetch_and`](Self::fetch_and) would leave, and returns the previous
    /// value.
    #[track_caller]
    pub fn fetch_nand(&self, value: T, ordering: Ordering) -> T {
        self.modify(How::Nand, value, ordering, Location::caller())
    }

    /// `atomic_fetch_or`: sets the bits of `value`, and returns the previous value.
    #[doc(alias = "atomic_fetch_or")]
    #[track_caller]
    pub fn fetch_or(&self, value: T, ordering: Ordering) -> T {
        self.modify(How::Or, value, ordering, Location::caller())
    }

    /// `atomic_fetch_xor`: flips the bits of `value`, and returns the previous value.
    #[doc(alias = "atomic_fetch_xor")]
    #[track_caller]
    pub fn fetch_xor(&self, value: T, ordering: Ordering) -> T {
        self.modify(How::Xor, value, ordering, Location::caller())
    }

    /// Sets the greater of the value and `value`, and returns the previous value.
    #[track_caller]
    pub fn fetch_max(&self, value: T, ordering: Ordering) -> T {
        self.modify(How::Max, value, ordering, Location::caller())
    }

    /// Sets the smaller of the value and `value`, and returns the previous value.
    #[track_caller]
    pub fn fetch_min(&self, value: T, ordering: Ordering) -> T {
        self.modify(How::Min, value, ordering, Location::caller())
    }

    fn modify(&self, how: How, value: T, ordering: Ordering, at: Place) -> T {
        self.access(how.on(T::BITS, T::SIGNED).op(value.to_word()), ordering, at)
    }
}

impl WeakAtomic<bool> {
    /// Changes the value as that of an integer of one bit, and returns the previous value.
    pub(crate) fn change(&self, how: How, value: bool, ordering: Ordering, at: Place) -> bool {
        self.access(how.on(1, false).op(value.to_word()), ordering, at)
    }
}

fn acquires(ordering: Ordering) -> bool {
    matches!(ordering, Ordering::Acquire | Ordering::AcqRel)
}

fn releases(ordering: Ordering) -> bool {
    matches!(ordering, Ordering::Release | Ordering::AcqRel)
}

impl<T> fmt::Debug for WeakAtomic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("WeakAtomic");
        match &self.home {
            Home::Ordered(object) | Home::Native(object, _) => debug.field("object", object),
            #[cfg(any(loom, feature = "loom"))]
            Home::Loom(word) => debug.field("object", word),
        };
        debug.finish_non_exhaustive()
    }
}

/// `smp_load_acquire`: returns the value of `word`. What comes after it in the caller's program
/// order happens after what came before the release that it has read.
#[track_caller]
pub fn smp_load_acquire<T: AtomicValue>(word: &WeakAtomic<T>) -> T {
    word.load(Ordering::Acquire)
}

/// `smp_store_release`: sets the value of `word`. What came before it in the caller's program order
/// happens before what comes after an acquire that reads it.
#[track_caller]
pub fn smp_store_release<T: AtomicValue>(word: &WeakAtomic<T>, value: T) {
    word.store(value, Ordering::Release);
}

/// `smp_mb`: orders the caller's earlier accesses before its later ones.
///
/// It is not a step of its own where the world has no [`WeakAtomic`], nor on loom. It does nothing
/// on shuttle, which executes accesses in one total order.
#[track_caller]
pub fn smp_mb() {
    runtime::fence(Ordering::SeqCst, Location::caller());
}

/// `smp_rmb`: orders the caller's earlier loads before its later ones.
///
/// It is an acquire fence, which also orders earlier loads before later stores. The kernel's does
/// not.
#[track_caller]
pub fn smp_rmb() {
    runtime::fence(Ordering::Acquire, Location::caller());
}

/// `smp_wmb`: orders the caller's earlier stores before its later ones.
///
/// It is a release fence, which also orders earlier loads before later stores. The kernel's does
/// not.
#[track_caller]
pub fn smp_wmb() {
    runtime::fence(Ordering::Release, Location::caller());
}

/// A fence of C11, as [`std::sync::atomic::fence`].
///
/// # Panics
///
/// If `ordering` is relaxed.
#[track_caller]
pub fn fence(ordering: Ordering) {
    assert!(ordering != Ordering::Relaxed, "there is no such thing as a relaxed fence");
    runtime::fence(ordering, Location::caller());
}

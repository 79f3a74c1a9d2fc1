//! Atomic words, sequentially consistent on every engine.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{How, Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::Object;

/// A value of an [`Atomic`]: one that a word holds.
///
/// Implemented for `bool`, the integers of up to 64 bits, and `Option`s. A driver's own `enum` or
/// index implements it in two lines:
///
/// ```
/// use selvedge_core::sync::{Atomic, AtomicValue};
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// enum State {
///     Online,
///     Offline,
/// }
///
/// impl AtomicValue for State {
///     fn to_word(self) -> u64 {
///         self as u64
///     }
///
///     fn from_word(word: u64) -> Self {
///         [Self::Online, Self::Offline][word as usize]
///     }
/// }
///
/// # selvedge_core::check(|| {
/// let state = Atomic::new("state", Some(State::Online));
/// assert_eq!(state.swap(None), Some(State::Online));
/// assert_eq!(state.load(), None);
/// # });
/// ```
pub trait AtomicValue: Copy {
    /// Returns the word for the value, another one for each value.
    fn to_word(self) -> u64;

    /// Returns the value of a word that [`to_word`](Self::to_word) has returned.
    fn from_word(word: u64) -> Self;
}

/// An integer of an [`Atomic`], which can be added to.
pub trait AtomicInteger: AtomicValue {
    /// The number of its bits. A sum wraps there.
    const BITS: u32;

    /// Whether its highest bit is a sign.
    const SIGNED: bool = false;
}

macro_rules! atomic_integers {
    ($($integer:ident as $unsigned:ident,)*) => {$(
        impl AtomicValue for $integer {
            fn to_word(self) -> u64 {
                self as $unsigned as u64
            }

            fn from_word(word: u64) -> Self {
                word as Self
            }
        }

        impl AtomicInteger for $integer {
            const BITS: u32 = $integer::BITS;
            const SIGNED: bool = $integer::MIN != 0;
        }
    )*};
}

atomic_integers! {
    u8 as u8, u16 as u16, u32 as u32, u64 as u64, usize as usize,
    i8 as u8, i16 as u16, i32 as u32, i64 as u64, isize as usize,
}

impl AtomicValue for bool {
    fn to_word(self) -> u64 {
        u64::from(self)
    }

    fn from_word(word: u64) -> Self {
        word != 0
    }
}

/// `None` is the word 0, as a null pointer is.
impl<T: AtomicValue> AtomicValue for Option<T> {
    fn to_word(self) -> u64 {
        let above = |value: T| value.to_word().checked_add(1);
        self.map_or(0, |value| above(value).expect("a word holds the value and that there is one"))
    }

    fn from_word(word: u64) -> Self {
        word.checked_sub(1).map(T::from_word)
    }
}

/// A word that threads read and write without a lock: `atomic_t`, or a field that the driver
/// accesses with `READ_ONCE` and `WRITE_ONCE`.
///
/// Every access is one step in one total order. [`WeakAtomic`](super::WeakAtomic) has weaker
/// accesses. A trace shows the word, which is the value of an unsigned integer, and for another
/// [`AtomicValue`] the number that stands for it.
///
/// # What is left out
///
/// Memory orders: each access is indivisible and visible to all threads at once.
pub struct Atomic<T = u64> {
    object: Object,
    value: PhantomData<fn(T) -> T>,
}

impl<T: AtomicValue> Atomic<T> {
    /// Creates a word that holds `value`, named `class`.
    pub fn new(class: impl Into<Name>, value: T) -> Self {
        Self { object: Object::new(class, machine(value.to_word())), value: PhantomData }
    }

    /// `atomic_read`, `READ_ONCE`: returns the value.
    #[doc(alias("atomic_read", "READ_ONCE"))]
    #[track_caller]
    pub fn load(&self) -> T {
        self.perform(Op::new(OpKind::Load), Location::caller())
    }

    /// `atomic_set`, `WRITE_ONCE`: sets the value.
    #[doc(alias("atomic_set", "WRITE_ONCE"))]
    #[track_caller]
    pub fn store(&self, value: T) {
        self.object.perform(Op::with(OpKind::Store, value.to_word()), Location::caller());
    }

    /// `atomic_xchg`: sets the value and returns the previous one.
    #[doc(alias("atomic_xchg", "xchg"))]
    #[track_caller]
    pub fn swap(&self, value: T) -> T {
        self.perform(Op::with(OpKind::Swap, value.to_word()), Location::caller())
    }

    /// `atomic_cmpxchg`: stores `new` if the word holds `current`. It never fails spuriously.
    ///
    /// # Errors
    ///
    /// The value found, if it is not `current`.
    #[doc(alias("atomic_cmpxchg", "cmpxchg"))]
    #[track_caller]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T> {
        let current = current.to_word();
        let op = Op::with_two(OpKind::CompareExchange, current, new.to_word());
        let found = self.object.perform(op, Location::caller());
        let value = T::from_word(found);
        if found == current { Ok(value) } else { Err(value) }
    }

    fn perform(&self, op: Op, at: Place) -> T {
        T::from_word(self.object.perform(op, at))
    }
}

impl<T: AtomicInteger> Atomic<T> {
    /// `atomic_fetch_add`: adds `value`, wrapping, and returns the previous value. The kernel's
    /// `atomic_add_return` and `atomic_inc_return` return the new one.
    #[doc(alias("atomic_fetch_add", "atomic_add", "atomic_inc", "atomic_add_return"))]
    #[doc(alias = "atomic_inc_return")]
    #[track_caller]
    pub fn fetch_add(&self, value: T) -> T {
        let unused = u64::from(u64::BITS - T::BITS);
        let op = Op::with_two(OpKind::FetchAdd, value.to_word(), unused);
        self.perform(op, Location::caller())
    }

    /// `atomic_fetch_sub`: subtracts `value`, wrapping, and returns the previous value. The
    /// kernel's `atomic_dec_return` returns the new one, and `atomic_dec_and_test` whether that is
    /// 0: `fetch_sub(1) == 1`.
    #[doc(alias("atomic_fetch_sub", "atomic_sub", "atomic_dec", "atomic_sub_return"))]
    #[doc(alias("atomic_dec_return", "atomic_dec_and_test"))]
    #[track_caller]
    pub fn fetch_sub(&self, value: T) -> T {
        self.perform(How::Sub.on(T::BITS, T::SIGNED).op(value.to_word()), Location::caller())
    }

    /// `atomic_fetch_or`: sets the bits of `value`, and returns the previous value, from which
    /// `test_and_set_bit` returns one bit.
    #[doc(alias("atomic_fetch_or", "atomic_or", "set_bit", "test_and_set_bit"))]
    #[track_caller]
    pub fn fetch_or(&self, value: T) -> T {
        self.perform(How::Or.on(T::BITS, T::SIGNED).op(value.to_word()), Location::caller())
    }

    /// `atomic_fetch_and`: clears the bits that `value` does not have, and returns the previous
    /// value, from which `test_and_clear_bit` returns one bit.
    #[doc(alias("atomic_fetch_and", "atomic_and", "clear_bit", "test_and_clear_bit"))]
    #[track_caller]
    pub fn fetch_and(&self, value: T) -> T {
        self.perform(How::And.on(T::BITS, T::SIGNED).op(value.to_word()), Location::caller())
    }
}

impl<T> fmt::Debug for Atomic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Atomic").field("object", &self.object).finish_non_exhaustive()
    }
}

/// Creates the machine of a word that holds `value`.
pub(super) fn machine(value: u64) -> Box<dyn Machine> {
    Box::new(State { value })
}

#[derive(Clone)]
struct State {
    value: u64,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready::YES
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        let before = self.value;
        match op.kind {
            OpKind::Load => {}
            OpKind::CompareExchange if before != op.a => {}
            _ => self.value = op.updates(before),
        }
        Ok(if op.kind == OpKind::Store { 0 } else { before })
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.value);
    }
}

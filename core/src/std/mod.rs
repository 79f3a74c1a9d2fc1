//! The names of `std` for threads and what they share, for programs written for loom or shuttle.
//!
//! A test changes its `use` lines, `loom::` or `shuttle::` to `selvedge_core::std::`, and nothing
//! else:
//!
//! ```
//! use selvedge_core::std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
//! use selvedge_core::std::sync::Arc;
//! use selvedge_core::std::thread;
//!
//! selvedge_core::model(|| {
//!     let shared = Arc::new((AtomicUsize::new(0), AtomicBool::new(false)));
//!     let other = Arc::clone(&shared);
//!     let writer = thread::spawn(move || {
//!         other.0.store(42, Relaxed);
//!         other.1.store(true, Release);
//!     });
//!     while !shared.1.load(Acquire) {
//!         thread::yield_now();
//!     }
//!     assert_eq!(shared.0.load(Relaxed), 42);
//!     writer.join().unwrap();
//! });
//! ```
//!
//! # How it is explored
//!
//! Atomics have the memory of RC11 ([`WeakAtomic`](crate::sync::WeakAtomic)), so an ordering that
//! is too weak is found. [`UnsafeCell`](cell::UnsafeCell) finds data races. Everything that a
//! thread can do is an operation of the engine: dropping an [`Arc`](sync::Arc) is one, and so is
//! each wake-up of a [`Condvar`](sync::Condvar), spurious ones included.
//!
//! The value behind a [`Mutex`](sync::Mutex) or an `UnsafeCell` need not be [`Hash`], so its states
//! cannot be compared, and the search is source-DPOR ([`Search::Dpor`](crate::Search::Dpor)).
//! [`Mutex::hashed`](sync::Mutex::hashed) creates a mutex whose states can be compared.
//!
//! A loop that spins calls [`thread::yield_now`] or [`hint::spin_loop`], and one that waits for a
//! condition variable calls its `wait`. If the loop has only looked since the last such call, it
//! continues when something has changed that it has looked at. A loop that no change can end is a
//! deadlock. The verdict rests on it that such a loop does the same in each round: one that gives
//! up after some rounds has to count them in something shared.
//!
//! # What differs from `std`
//!
//! - There is no poisoning: a panic is a violation and ends the execution, so `lock` never fails.
//! - There is no time: a timeout may expire at any moment.
//! - Values that threads share are `'static`. There is no `thread::scope`.
//! - Objects belong to an execution, so they are made within [`model()`], and not in a `static`. A
//!   [`thread_local!`](crate::thread_local) is one of the execution.
//! - An execution that ends early is unwound. The value of an [`Arc`](sync::Arc) is forgotten then.
//!   Any other destructor that asserts something should do so only if not
//!   [`thread::panicking`].
//! - The address of an object may be that of another that was dropped before, and may differ from
//!   one run of the same interleaving to the next. A program whose behaviour depends on addresses
//!   is not deterministic, and is refused as such.

pub mod alloc;
pub mod cell;
pub mod future;
pub mod hint;
pub mod model;
pub(crate) mod own;
pub mod sync;
pub mod thread;
mod token;

#[doc(inline)]
pub use crate::thread_local;
pub use model::model;

//! The names of the Linux kernel's Rust abstractions for synchronisation, for drivers in Rust.
//!
//! Code that is written against `kernel::sync` changes its `use` lines, `kernel::` to
//! `selvedge_core::kernel::`, and leaves out `#[pin_data]` and `#[pin]`:
//!
//! ```
//! use selvedge_core::kernel::prelude::*;
//! use selvedge_core::kernel::sync::{Arc, CondVar, Mutex, new_condvar, new_mutex};
//! use selvedge_core::thread;
//!
//! struct Inner {
//!     requests: Vec<u32>,
//!     stopped: bool,
//! }
//!
//! struct Queue {
//!     inner: Mutex<Inner>,
//!     changed: CondVar,
//! }
//!
//! impl Queue {
//!     fn new() -> impl PinInit<Self> {
//!         pin_init!(Self {
//!             inner <- new_mutex!(Inner { requests: Vec::new(), stopped: false }, "Queue::inner"),
//!             changed <- new_condvar!("Queue::changed"),
//!         })
//!     }
//!
//!     fn submit(&self, request: u32) -> Result {
//!         let mut inner = self.inner.lock();
//!         if inner.stopped {
//!             return Err(ESHUTDOWN);
//!         }
//!         inner.requests.push(request);
//!         self.changed.notify_one();
//!         Ok(())
//!     }
//!
//!     fn next(&self) -> Option<u32> {
//!         let mut inner = self.inner.lock();
//!         while inner.requests.is_empty() && !inner.stopped {
//!             self.changed.wait(&mut inner);
//!         }
//!         inner.requests.pop()
//!     }
//!
//!     fn stop(&self) {
//!         self.inner.lock().stopped = true;
//!         self.changed.notify_all(); // without it the worker waits for good
//!     }
//! }
//!
//! selvedge_core::check(|| {
//!     let queue = Arc::pin_init(Queue::new(), GFP_KERNEL).unwrap();
//!     let other = queue.clone();
//!     let worker = thread::spawn("worker", move || while other.next().is_some() {});
//!     queue.submit(1).unwrap();
//!     queue.stop();
//!     worker.join();
//!     assert_eq!(queue.submit(2), Err(ESHUTDOWN));
//! });
//! ```
//!
//! The types are made of those of [`sync`](crate::sync), so sleeping in atomic context, the order
//! of locks, deadlocks and uses after a release are found as there. Threads are those of
//! [`thread`](crate::thread), and interrupts those of [`Irq`](crate::sync::Irq).
//!
//! # How it is explored
//!
//! A lock compares its data by their [`Hash`](std::hash::Hash) if their type has it, and each state
//! is visited once if all of a program are so. A [`CondVar`](sync::CondVar), a
//! [`LockedBy`](sync::LockedBy) and a [`SetOnce`](sync::SetOnce) make the search one of
//! interleavings ([`Search::Dpor`](crate::Search::Dpor)), as a value without `Hash` does. An
//! [`Arc`](sync::Arc) has no `Hash`, since two of equal values are not one.
//!
//! # What differs from the kernel
//!
//! - Nothing is pinned. A macro such as [`new_mutex!`](sync::new_mutex) makes the object where the
//!   kernel's makes an initialiser, and [`PinInit`](init::PinInit) takes it for one.
//! - An object belongs to an execution, so it is not made in a `static`.
//!   [`global_lock!`](sync::global_lock) declares a static whose lock begins afresh in each.
//! - The data of a lock are [`Send`], `'static` and sized.
//! - An allocation never fails, and sleeps where its flags let it.
//! - What the kernel requires of the caller of an `unsafe` function is checked here, so these
//!   functions have no undefined behaviour.

pub mod alloc;
pub mod error;
pub mod init;
pub mod prelude;
pub mod revocable;
pub mod sync;

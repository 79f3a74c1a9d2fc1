//! Allocators of I/O virtual addresses (IOVAs), and the ways to put off the flush that reusing one
//! needs.
//!
//! A driver maps a buffer, tells the device the address, and unmaps it. The machine caches
//! translations, so an address that was unmapped can still reach the old page until the cache is
//! flushed; it is *parked* until then and must not be handed out. A flush is expensive, above all
//! in a guest. What the schemes differ in is how many addresses share one.
//!
//! Everything here is data: no locks, no threads, no clock, no I/O. A flush is two calls of the
//! caller's, one when it begins and one when it has ended, so that the same code stands behind
//! the locks of a model, in a simulation in which a flush takes time, and in a benchmark.
//!
//! - [`LazyBitmap`]: the bitmap of the s390 DMA code, a second bit for what is parked.
//! - [`Ring`]: one ring of Linux's flush queue.
//! - [`Swap`]: free, parked, and parked before the flush that runs.
//!
//! An address is counted in pages of 4 KiB from 0: a [`Pfn`].

#![no_std]
#![deny(missing_docs)]

extern crate alloc;

mod lazy_bitmap;
mod request;
mod ring;
mod swap;
mod words;

pub use lazy_bitmap::LazyBitmap;
pub use request::{BadFree, BadRequest, Pages, Pfn, Refused, Request};
pub use ring::{Entry, Ring};
pub use swap::{BadFlush, Swap};

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
//! What hands out addresses, one [`Allocator`] each:
//!
//! - [`LazyBitmap`]: the bitmap of the s390 DMA code, with a second bit for what is parked.
//! - [`CachedTree`]: Linux's tree of what is allocated, searched from where it was last.
//! - [`Magazines`]: stacks of a CPU's own before any of them, as in Linux before the tree.
//! - [`GapTree`]: a tree in which each subtree knows its widest gap.
//! - [`Radix`]: a bitmap in which nothing is searched, and short stacks of what was freed last.
//!
//! What puts off the flush:
//!
//! - [`FlushQueue`]: Linux's, over any of them; each of its queues is a [`Ring`].
//! - [`SwapBitmap`] and [`SwapLists`]: flush when nothing is free any more. The latter are a
//!   [`Swap`] for each size.
//!
//! An address is counted in pages of 4 KiB from 0: a [`Pfn`].

#![no_std]
#![deny(missing_docs)]

extern crate alloc;

mod allocator;
mod blocks;
mod cached_tree;
mod extents;
mod flush_queue;
mod gap_tree;
mod lazy_bitmap;
mod magazines;
mod radix;
mod request;
mod ring;
mod summary;
mod swap;
mod swap_bitmap;
mod swap_lists;
mod words;

pub use allocator::{Allocator, BadFlush};
pub use cached_tree::CachedTree;
pub use flush_queue::FlushQueue;
pub use gap_tree::GapTree;
pub use lazy_bitmap::LazyBitmap;
pub use magazines::{CpuCache, Depot, MAGAZINE, Magazine, Magazines, ORDERS};
pub use radix::Radix;
pub use request::{BadRequest, NotFreed, Pages, Pfn, Refused, Request};
pub use ring::{Entry, Ring};
pub use swap::Swap;
pub use swap_bitmap::SwapBitmap;
pub use swap_lists::SwapLists;

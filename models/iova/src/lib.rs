//! Allocators of I/O virtual addresses (IOVAs), and schemes that defer the flush that reuse needs.
//!
//! A driver maps a buffer, passes the address to the device, and unmaps it. The hardware caches
//! translations, so an unmapped address can still reach the old page until the cache is flushed.
//! Until then the address is *parked* and must not be reused. A flush is expensive, above all in a
//! guest. The schemes differ in how many addresses share one flush.
//!
//! Everything here is data, without locks, threads, a clock or I/O. The caller reports the
//! beginning and the end of a flush with two calls. The same code can therefore be used behind the
//! locks of a model, in a simulation in which a flush takes time, and in a benchmark.
//!
//! The allocators implement [`Allocator`]:
//!
//! - [`LazyBitmap`]: the bitmap of the s390 DMA code, with a second bit for parked pages.
//! - [`CachedTree`]: Linux's tree of the allocated ranges, searched from the last allocation.
//! - [`Magazines`]: per-CPU stacks in front of any of them, as in front of the tree in Linux.
//! - [`GapTree`]: a tree in which each subtree knows its widest gap.
//! - [`MapleTree`]: the same with a B-tree of the widths of Linux's maple tree.
//! - [`Radix`]: a bitmap in which no operation searches, and short stacks of recently freed pages.
//!
//! The schemes that defer the flush:
//!
//! - [`FlushQueue`]: Linux's flush queue over any of them. Each of its queues is a [`Ring`].
//! - [`SwapBitmap`] and [`SwapLists`]: flush when no page is free. The latter has a [`Swap`] for
//!   each size.
//!
//! [`check`] compares any allocator with a reference, an own one as well.
//!
//! Addresses are counted in pages of 4 KiB from 0, as a [`Pfn`].

#![no_std]
#![deny(missing_docs)]

extern crate alloc;

mod allocator;
mod blocks;
mod cached_tree;
pub mod check;
mod extents;
mod flush_queue;
mod gap_tree;
mod lazy_bitmap;
mod magazines;
mod maple_tree;
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
pub use maple_tree::MapleTree;
pub use radix::Radix;
pub use request::{BadRequest, NotFreed, Pages, Pfn, Refused, Request};
pub use ring::{Entry, Ring};
pub use swap::Swap;
pub use swap_bitmap::SwapBitmap;
pub use swap_lists::SwapLists;

//! A check of any [`Allocator`] against a reference that is trivially correct.
//!
//! In the reference a page is free, allocated by a call, or parked since a certain flush. Many
//! random sequences of calls run on the allocator and on the reference, always the same ones, from
//! two CPUs and in a small aperture that becomes full. The first sequence that goes wrong is
//! shortened before it is reported.
//!
//! ```
//! use selvedge_iova::check::{Promises, against_reference};
//! # use selvedge_iova::{Allocator, NotFreed, Pages, Pfn, Refused, Request};
//!
//! /// The lowest pages that are free and suit the request.
//! struct FirstFit {
//!     aperture: Pages,
//!     /// In order.
//!     out: Vec<Pages>,
//! }
//!
//! impl FirstFit {
//!     fn new(aperture: Pages) -> Self {
//!         Self { aperture, out: Vec::new() }
//!     }
//! }
//!
//! impl Allocator for FirstFit {
//!     fn alloc(&mut self, _cpu: usize, request: Request) -> Result<Pfn, Refused> {
//!         let end = request.limit().min(self.aperture.pfn + self.aperture.count);
//!         let mut pfn = self.aperture.pfn.next_multiple_of(request.align());
//!         let mut at = 0;
//!         for next in &self.out {
//!             if next.pfn >= pfn + request.count() {
//!                 break;
//!             }
//!             pfn = pfn.max(next.pfn + next.count).next_multiple_of(request.align());
//!             at += 1;
//!         }
//!         if pfn + request.count() > end {
//!             return Err(Refused::Exhausted);
//!         }
//!         self.out.insert(at, Pages { pfn, count: request.count() });
//!         Ok(pfn)
//!     }
//!
//!     fn free(&mut self, _cpu: usize, pages: Pages) -> Result<(), NotFreed> {
//!         let at = self.out.binary_search(&pages).map_err(|_| NotFreed::NotAllocated)?;
//!         self.out.remove(at);
//!         Ok(())
//!     }
//! }
//!
//! against_reference(Promises::eager(), FirstFit::new)?;
//! # Ok::<_, selvedge_iova::check::Wrong>(())
//! ```
//!
//! With `pfn + request.count() - 1 > end` instead, the last line is the error
//!
//! ```text
//! call 6 is wrong: 71 pages at page 256 are not within 3..326
//!   1. alloc on CPU 1: 4 pages aligned to 4 -> page 4
//!   2. alloc on CPU 1: 1 page -> page 3
//!   3. alloc on CPU 0: 124 pages below page 203 -> page 8
//!   4. free on CPU 0: 1 page at page 3 -> done
//!   5. free on CPU 0: 1 page at page 3 -> refused: not allocated
//!   6. alloc on CPU 0: 71 pages aligned to 128 -> page 256
//! ```

mod calls;
mod promises;
mod reference;
mod run;
mod sequence;

#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use promises::Promises;

use crate::allocator::Allocator;
use crate::request::Pages;
use calls::Call;
use sequence::Op;

/// The aperture in which an allocator is checked. It is small, so that it becomes full, and not a
/// multiple of a power of two.
pub const APERTURE: Pages = Pages { pfn: 3, count: 323 };

/// The number of CPUs that call the allocator, one after the other.
pub const CPUS: usize = 2;

/// The number of pages of the largest request.
pub const LARGEST: u64 = 140;

/// The number of sequences, of 500 operations on average.
const SEQUENCES: u64 = 300;

/// The number of calls that an error shows of its beginning, and of its end.
const SHOWN: usize = 20;

/// Runs the sequences on allocators that `make` creates in [`APERTURE`], one for each sequence.
///
/// A panic of the allocator passes through.
///
/// # Errors
///
/// If a call returns what the reference or the promises exclude.
pub fn against_reference<A: Allocator>(
    promises: Promises,
    make: impl Fn(Pages) -> A,
) -> Result<(), Wrong> {
    let run = |ops: &[(usize, Op)]| run::run(make(APERTURE), promises, ops);
    let mut found = None;
    for seed in 0..SEQUENCES {
        let ops = sequence::random(seed);
        if let Err(wrong) = run(&ops) {
            if !wrong.at_the_end {
                return Err(shortest(wrong, ops, run));
            }
            // Another sequence may go wrong earlier.
            found.get_or_insert((wrong, ops));
        }
    }
    found.map_or(Ok(()), |(wrong, ops)| Err(shortest(wrong, ops, run)))
}

/// Leaves out of a sequence whatever it goes wrong without, in no more calls. The many calls that
/// free and allocate everything at the end are worse than any others.
fn shortest(
    mut wrong: Wrong,
    mut ops: Vec<(usize, Op)>,
    run: impl Fn(&[(usize, Op)]) -> Result<(), Wrong>,
) -> Wrong {
    let cost = |wrong: &Wrong| (wrong.at_the_end, wrong.call());
    let mut part = ops.len().next_power_of_two();
    while part > 0 {
        let mut from = 0;
        while from < ops.len() {
            let rest = [&ops[..from], &ops[ops.len().min(from + part)..]].concat();
            match run(&rest) {
                Err(other) if cost(&other) <= cost(&wrong) => (wrong, ops) = (other, rest),
                _ => from += part,
            }
        }
        part /= 2;
    }
    wrong
}

/// The error that an allocator did not behave as the reference: its calls up to the wrong one. The
/// text leaves out the middle of many.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrong {
    calls: Vec<Call>,
    /// All operations went right, and what follows them did not.
    at_the_end: bool,
    what: String,
}

impl Wrong {
    /// Returns the number of the wrong call, of those that led to it. The first has the number 1.
    pub fn call(&self) -> usize {
        self.calls.len()
    }

    /// Returns the text of each of these calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = impl fmt::Display> {
        self.calls.iter()
    }

    /// Returns what is wrong with the last of them.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} is wrong: {}", self.call(), self.what)?;
        let width = self.call().checked_ilog10().unwrap_or(0) as usize + 3;
        let left_out = SHOWN..self.call().saturating_sub(SHOWN).max(SHOWN);
        for (at, call) in self.calls.iter().enumerate() {
            if left_out.contains(&at) {
                if at == SHOWN {
                    write!(f, "\n{:>width$} {} calls", "..", left_out.len())?;
                }
                continue;
            }
            write!(f, "\n{:>width$}. {call}", at + 1)?;
        }
        Ok(())
    }
}

/// As [`Display`](fmt::Display), since `unwrap` and a test that returns the error show this.
impl fmt::Debug for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Wrong {}

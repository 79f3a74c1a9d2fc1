//! The calls of an allocator, with their results.

use alloc::vec::Vec;
use core::fmt;

use crate::allocator::{Allocator, BadFlush};
use crate::request::{NotFreed, Pages, Pfn, Refused, Request};

/// A call and its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Alloc(usize, Request, Result<Pfn, Refused>),
    Free(usize, Pages, Result<(), NotFreed>),
    BeginFlush(Result<(), BadFlush>),
    FinishFlush(Result<(), BadFlush>),
    Parked(u64),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alloc(cpu, request, got) => {
                write!(f, "alloc on CPU {cpu}: {}", pages(request.count()))?;
                if request.align() > 1 {
                    write!(f, " aligned to {}", request.align())?;
                }
                if *request != unlimited(*request) {
                    write!(f, " below page {}", request.limit())?;
                }
                match got {
                    Ok(pfn) => write!(f, " -> page {pfn}"),
                    Err(refused) => write!(f, " -> refused: {refused}"),
                }
            }
            Self::Free(cpu, range, got) => {
                write!(f, "free on CPU {cpu}: {} at page {}", pages(range.count), range.pfn)?;
                result(f, *got)
            }
            Self::BeginFlush(got) => {
                f.write_str("begin_flush")?;
                result(f, *got)
            }
            Self::FinishFlush(got) => {
                f.write_str("finish_flush")?;
                result(f, *got)
            }
            Self::Parked(parked) => write!(f, "parked -> {parked}"),
        }
    }
}

fn result(f: &mut fmt::Formatter<'_>, got: Result<(), impl fmt::Display>) -> fmt::Result {
    match got {
        Ok(()) => f.write_str(" -> done"),
        Err(error) => write!(f, " -> refused: {error}"),
    }
}

/// Returns the request without its limit.
fn unlimited(request: Request) -> Request {
    let all = Request::pages(request.count()).expect("the request was valid");
    if request.align() > 1 { all.size_aligned() } else { all }
}

fn pages(count: u64) -> impl fmt::Display {
    struct Count(u64);
    impl fmt::Display for Count {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} {}", self.0, if self.0 == 1 { "page" } else { "pages" })
        }
    }
    Count(count)
}

/// An allocator that records its calls.
pub(super) struct Recorder<A> {
    allocator: A,
    pub(super) calls: Vec<Call>,
}

impl<A: Allocator> Recorder<A> {
    pub(super) fn new(allocator: A) -> Self {
        Self { allocator, calls: Vec::new() }
    }

    pub(super) fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused> {
        let got = self.allocator.alloc(cpu, request);
        self.calls.push(Call::Alloc(cpu, request, got));
        got
    }

    pub(super) fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        let got = self.allocator.free(cpu, pages);
        self.calls.push(Call::Free(cpu, pages, got));
        got
    }

    pub(super) fn begin_flush(&mut self) -> Result<(), BadFlush> {
        let got = self.allocator.begin_flush();
        self.calls.push(Call::BeginFlush(got));
        got
    }

    pub(super) fn finish_flush(&mut self) -> Result<(), BadFlush> {
        let got = self.allocator.finish_flush();
        self.calls.push(Call::FinishFlush(got));
        got
    }

    /// Records the call only if `wrong` says so, since it follows every other call.
    pub(super) fn parked(&mut self, wrong: impl FnOnce(u64) -> bool) -> u64 {
        let parked = self.allocator.parked();
        if wrong(parked) {
            self.calls.push(Call::Parked(parked));
        }
        parked
    }

    pub(super) fn flushes_alone(&self) -> bool {
        self.allocator.flushes_alone()
    }
}

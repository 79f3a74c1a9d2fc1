//! A sequence of operations on an allocator and on the reference.

use alloc::format;
use alloc::string::String;

use super::calls::Recorder;
use super::promises::Promises;
use super::reference::Reference;
use super::sequence::Op;
use super::{APERTURE, Wrong};
use crate::allocator::{Allocator, BadFlush};
use crate::request::{NotFreed, Pages, Refused, Request};

/// Runs the operations and then frees all pages.
///
/// # Errors
///
/// If the allocator behaves otherwise than the reference.
pub(super) fn run<A: Allocator>(
    allocator: A,
    promises: Promises,
    ops: &[(usize, Op)],
) -> Result<(), Wrong> {
    let mut run =
        Run { allocator: Recorder::new(allocator), reference: Reference::new(), promises };
    let steps = ops.iter().try_for_each(|(cpu, op)| {
        run.step(*cpu, *op)?;
        run.parked()
    });
    let at_the_end = steps.is_ok();
    let all = steps.and_then(|()| run.nothing_is_lost());
    all.map_err(|what| Wrong { calls: run.allocator.calls, at_the_end, what })
}

struct Run<A> {
    allocator: Recorder<A>,
    reference: Reference,
    promises: Promises,
}

/// What is wrong with the last call.
type What = Result<(), String>;

impl<A: Allocator> Run<A> {
    fn step(&mut self, cpu: usize, op: Op) -> What {
        match op {
            Op::Alloc { count, aligned, limit } => {
                let uniform = self.promises.uniform;
                let request = Request::pages(count).expect("at least one page");
                let request = if aligned || uniform { request.size_aligned() } else { request };
                let request = match limit {
                    Some(pages) if !uniform => {
                        request.below(pages * 4096).expect("a multiple of the page size")
                    }
                    _ => request,
                };
                self.alloc(cpu, request)
            }
            Op::Free { which } => match self.reference.out.len() {
                0 => Ok(()),
                out => self.free(cpu, which % out),
            },
            Op::FreeAny { pfn, count } => {
                let pages = Pages { pfn, count };
                match self.reference.out.iter().position(|out| *out == pages) {
                    Some(at) => self.free(cpu, at),
                    None => self.free_badly(cpu, pages),
                }
            }
            Op::BeginFlush => {
                let may = self.reference.running() == 0 || self.promises.flushes_overlap;
                // An allocator that flushes alone behaves as one that holds the lock meanwhile.
                match (may, self.allocator.flushes_alone()) {
                    (true, true) => self.flush(),
                    (true, false) => self.begin_flush(),
                    (false, _) => same(self.allocator.begin_flush(), Err(BadFlush::Running)),
                }
            }
            Op::FinishFlush { which } => match self.reference.running() {
                0 if self.promises.parks && !self.allocator.flushes_alone() => {
                    same(self.allocator.finish_flush(), Err(BadFlush::NotRunning))
                }
                0 => Ok(()),
                running => self.finish_flush(which % running),
            },
        }
    }

    fn begin_flush(&mut self) -> What {
        same(self.allocator.begin_flush(), Ok(()))?;
        self.reference.begin_flush();
        Ok(())
    }

    fn finish_flush(&mut self, at: usize) -> What {
        same(self.allocator.finish_flush(), Ok(()))?;
        self.reference.finish_flush(at);
        Ok(())
    }

    /// Ends the running flushes and flushes once more.
    fn flush(&mut self) -> What {
        while self.reference.running() > 0 {
            self.finish_flush(0)?;
        }
        self.begin_flush()?;
        self.finish_flush(0)
    }

    fn alloc(&mut self, cpu: usize, request: Request) -> What {
        let mut got = self.allocator.alloc(cpu, request);
        if let Err(refused @ (Refused::Dry | Refused::Flushing)) = got {
            if !self.promises.parks {
                return Err(format!("{refused:?} is refused, and nothing is ever parked"));
            }
            self.flush()?;
            got = self.allocator.alloc(cpu, request);
        }
        match got {
            Ok(pfn) => {
                if pfn % request.align() != 0 {
                    return Err(format!("page {pfn} is no multiple of {}", request.align()));
                }
                let pages = Pages { pfn, count: request.count() };
                match pages.end() {
                    Some(end) if end <= request.limit() => {}
                    end => {
                        let (end, limit) = (end.unwrap_or(u64::MAX), request.limit());
                        return Err(format!(
                            "page {pfn} ends at page {end}, above the limit at page {limit}"
                        ));
                    }
                }
                self.reference.alloc(self.allocator.calls.len(), pages)
            }
            Err(Refused::Exhausted) => match self.reference.fits(request, true) {
                Some(pfn) if self.promises.complete => {
                    Err(format!("the request is refused, and it fits at page {pfn}"))
                }
                _ => Ok(()),
            },
            Err(refused) => Err(format!("{refused:?} is refused right after a flush")),
        }
    }

    fn free(&mut self, cpu: usize, at: usize) -> What {
        let pages = self.reference.out[at];
        match self.allocator.free(cpu, pages) {
            Ok(()) => {
                let call = self.allocator.calls.len();
                self.reference.free(call, at, self.promises.parks);
                // A second free of the same pages must fail.
                match self.allocator.free(cpu, pages) {
                    Ok(()) => Err(format!("the pages were freed already, by call {call}")),
                    Err(_) => Ok(()),
                }
            }
            Err(NotFreed::Full) if self.promises.parks => {
                self.flush()?;
                same(self.allocator.free(cpu, pages), Ok(()))?;
                self.reference.free(self.allocator.calls.len(), at, self.promises.parks);
                Ok(())
            }
            Err(error) => Err(format!("{error:?} is refused, and the pages are allocated")),
        }
    }

    /// Frees pages that are not one mapping.
    fn free_badly(&mut self, cpu: usize, pages: Pages) -> What {
        if !self.promises.knows_mappings && self.reference.all_out(pages) {
            return Ok(());
        }
        match self.allocator.free(cpu, pages) {
            Ok(()) => Err("the pages are not those of one request".into()),
            Err(_) => Ok(()),
        }
    }

    /// Compares the number of parked pages. An allocator may park more than what was freed since
    /// the last flush.
    fn parked(&mut self) -> What {
        let (least, most) = (self.reference.parked(), self.promises.parked_max);
        let parked = self.allocator.parked(|parked| parked < least || parked > most);
        if parked > most {
            return Err(format!("at most {most} pages may be parked"));
        }
        if parked < least {
            return Err(format!("{least} pages were freed and wait for a flush"));
        }
        Ok(())
    }

    /// Frees all pages and flushes. Afterwards every page can be allocated.
    fn nothing_is_lost(&mut self) -> What {
        while !self.reference.out.is_empty() {
            self.free(0, 0)?;
        }
        self.flush()?;
        if self.allocator.parked(|parked| parked > 0) > 0 {
            return Err("all pages were freed and flushed".into());
        }
        self.promises.complete = true;
        let page = Request::pages(1).expect("at least one page");
        for _ in 0..APERTURE.count {
            self.alloc(0, page)?;
        }
        self.flush()?;
        let got = self.allocator.alloc(0, page);
        if let Ok(pfn) = got {
            self.reference.alloc(self.allocator.calls.len(), Pages { pfn, count: 1 })?;
        }
        same(got, Err(Refused::Exhausted))
    }
}

fn same<T, E>(got: Result<T, E>, expected: Result<T, E>) -> What
where
    Result<T, E>: core::fmt::Debug + PartialEq,
{
    if got == expected { Ok(()) } else { Err(format!("expected {expected:?}")) }
}

//! Allocators with a bug each, and what is reported of them.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::request::{NotFreed, Pfn, Refused, Request};
use crate::{BadFlush, GapTree, SwapBitmap};

#[derive(Clone, Copy, PartialEq)]
enum Bug {
    ForgetsAlignment,
    ForgetsLimit,
    BelowTheAperture,
    Overlaps,
    RefusesLarge,
    KeepsWhatIsFreed,
    FreesTwice,
    FreesPart,
    FreesNothing,
    IsDry,
    ReusesTooEarly,
    ParksTooMany,
    ParksNone,
    EndsAnyFlush,
}

/// An allocator with a bug.
struct Buggy<A> {
    bug: Bug,
    allocator: A,
    out: Vec<Pfn>,
    freed: Vec<Pages>,
}

impl<A: Allocator> Allocator for Buggy<A> {
    fn alloc(&mut self, cpu: usize, request: Request) -> Result<Pfn, Refused> {
        let all = Request::pages(request.count()).unwrap();
        let asked = match self.bug {
            Bug::ForgetsAlignment => all.below(request.limit().min(1 << 40) * 4096).unwrap(),
            Bug::ForgetsLimit if request.align() > 1 => all.size_aligned(),
            Bug::ForgetsLimit => all,
            Bug::Overlaps if request == all && !self.out.is_empty() => return Ok(self.out[0]),
            Bug::RefusesLarge if request.count() > 100 => return Err(Refused::Exhausted),
            Bug::IsDry if request.count() == 2 => return Err(Refused::Dry),
            Bug::ReusesTooEarly => match self.freed.pop() {
                Some(pages) if pages.count == request.count() && request.align() == 1 => {
                    return Ok(pages.pfn);
                }
                _ => request,
            },
            _ => request,
        };
        let result = self.allocator.alloc(cpu, asked);
        self.out.extend(result.ok().filter(|_| request == all));
        result
    }

    fn free(&mut self, cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        match self.bug {
            Bug::FreesTwice if self.freed.contains(&pages) => return Ok(()),
            Bug::FreesPart if pages.count == 3 => return Ok(()),
            Bug::FreesNothing if pages.count > 100 => return Err(NotFreed::NotAllocated),
            _ => {}
        }
        let result = self.allocator.free(cpu, pages);
        if result.is_ok() {
            self.freed.push(pages);
            if self.bug == Bug::KeepsWhatIsFreed && pages.count == 5 {
                let _ = self.allocator.alloc(cpu, Request::pages(1).unwrap());
            }
        }
        result
    }

    fn begin_flush(&mut self) -> Result<(), BadFlush> {
        self.freed.clear();
        self.allocator.begin_flush()
    }

    fn finish_flush(&mut self) -> Result<(), BadFlush> {
        let ended = self.allocator.finish_flush();
        if self.bug == Bug::EndsAnyFlush { Ok(()) } else { ended }
    }

    fn parked(&self) -> u64 {
        match self.bug {
            Bug::ParksTooMany => self.allocator.parked() + 1,
            Bug::ParksNone => 0,
            _ => self.allocator.parked(),
        }
    }
}

fn wrong(bug: Bug) -> Wrong {
    let below = if bug == Bug::BelowTheAperture { 1 } else { 0 };
    let eager = |Pages { pfn, count }| {
        let pages = Pages { pfn: pfn - below, count: count + below };
        Buggy { bug, allocator: GapTree::new(pages), out: vec![], freed: vec![] }
    };
    let parks =
        |pages| Buggy { bug, allocator: SwapBitmap::new(pages), out: vec![], freed: vec![] };
    let promises = Promises::eager().parks(APERTURE.count).one_flush_at_a_time();
    let result = match bug {
        Bug::ReusesTooEarly | Bug::ParksTooMany | Bug::ParksNone | Bug::EndsAnyFlush => {
            against_reference(promises, parks)
        }
        _ => against_reference(Promises::eager(), eager),
    };
    result.expect_err("the bug must be found")
}

#[test]
fn every_bug_is_found_with_few_calls() {
    let bugs = [
        (Bug::ForgetsAlignment, "is no multiple of", 2),
        (Bug::ForgetsLimit, "above the limit at page", 1),
        (Bug::BelowTheAperture, "not within 3..326", 1),
        (Bug::Overlaps, "is allocated, by call", 4),
        (Bug::RefusesLarge, "the request is refused, and it fits at page 3", 1),
        (Bug::KeepsWhatIsFreed, "the request is refused, and it fits at page", 20),
        (Bug::FreesTwice, "the pages were freed already, by call 2", 3),
        (Bug::FreesPart, "the pages are not those of one request", 1),
        (Bug::FreesNothing, "NotAllocated is refused, and the pages are allocated", 2),
        (Bug::IsDry, "Dry is refused, and nothing is ever parked", 1),
        (Bug::ReusesTooEarly, "is parked by call 2, and no flush has begun", 4),
        (Bug::ParksTooMany, "all pages were freed and flushed", 3),
        (Bug::ParksNone, "wait for a flush", 4),
        (Bug::EndsAnyFlush, "expected Err(NotRunning)", 1),
    ];
    for (bug, what, calls) in bugs {
        let wrong = wrong(bug);
        assert!(wrong.what().contains(what), "{wrong}");
        assert!(wrong.call() <= calls, "{wrong}");
    }
}

#[test]
fn the_text_has_the_calls() {
    let text = wrong(Bug::FreesTwice).to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(lines[0], "call 3 is wrong: the pages were freed already, by call 2");
    assert!(lines[1].starts_with("  1. alloc on CPU "), "{text}");
    assert!(lines[2].starts_with("  2. free on CPU ") && lines[2].ends_with(" -> done"), "{text}");
    assert_eq!(lines[2].split_once('.').unwrap().1, lines[3].split_once('.').unwrap().1);
}

#[test]
fn the_middle_of_many_calls_is_left_out() {
    let calls = (1..=50).map(Call::Parked).collect();
    let text = Wrong { calls, at_the_end: false, what: "X".into() }.to_string();
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    assert_eq!(lines[0], "call 50 is wrong: X");
    assert_eq!(
        lines[19..23],
        ["19. parked -> 19", "20. parked -> 20", ".. 10 calls", "31. parked -> 31"]
    );
    assert_eq!(lines.last(), Some(&"50. parked -> 50"));
}

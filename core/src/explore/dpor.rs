//! Source-DPOR: every Mazurkiewicz trace once, by reversing races.
//!
//! P. A. Abdulla, S. Aronis, B. Jonsson and K. Sagonas, "Source sets: a foundation for optimal
//! dynamic partial order reduction", J.ACM 64(4), 2017, algorithm 1. A point of an execution
//! wants one thread to move first. Others are added only for a reason that a later operation
//! shows: it is in a *race* with the one taken here. The two depend on each other, nothing
//! between them orders them, and so they could have come the other way round. What has to run
//! for that is the operations in between that do not depend on the earlier one, and then the
//! later one; the *initials* of this sequence are the threads that can begin it. If none of them
//! is wanted at the point already, or asleep there, one of them is wanted from now on. What is
//! wanted at a point when it has been left for the last time is a source set. Sleep sets
//! ([`Path`]) see to it that no trace comes twice.
//!
//! # Locks
//!
//! A `mutex_lock` depends on the unlock before it, but cannot come before it: that is no race. It
//! could have come before the holder *took* the mutex. So its partner is the matching acquire;
//! whether something orders the two is asked of what happened before the thread came to its
//! lock, without what it learned from the unlock. A thread that is still waiting for a mutex
//! when an execution ends, or is cut because everybody else sleeps, is in the same race with the
//! acquire of the holder: it has no event that would show it.
//!
//! Whoever waits for a semaphore has a place in its queue, and whoever joins waits for an end:
//! neither could have come first.
//!
//! # What it does not see
//!
//! An execution that a violation stops does not show what its threads would have done next, so
//! not their races either. The search goes on, but it cannot claim to have seen everything.

use smallvec::SmallVec;

use super::dependency::dependent;
use super::happens_before::Clock;
use super::path::{Path, Threads};
use super::{Decision, Enabled, Happened, Point, Strategy};
use crate::op::{OpKind, ThreadId};
use crate::verdict::Certificate;

/// Explores every trace once, and little more.
#[derive(Debug, Default)]
pub(crate) struct Dpor {
    path: Path,
    /// Whether a violation has stopped an execution.
    hidden: bool,
}

/// The first event of a thread within a sequence.
struct First<'a> {
    thread: ThreadId,
    /// How many events of the thread came before.
    position: u32,
    clock: &'a Clock,
}

impl Dpor {
    /// Has the races of the newest event reversed.
    fn reverse_races(&mut self) {
        let Some((newest, before)) = self.path.order.events.split_last() else { return };
        let later = &newest.event;
        let locks = later.kind() == OpKind::Lock;
        // What orders the two: with what the event needed to become possible, and without.
        let mut known = newest.known.clone();
        let mut needed = newest.needed.clone();
        let mut races: SmallVec<[(usize, Option<Clock>); 4]> = SmallVec::new();
        for (position, past) in before.iter().enumerate().rev() {
            let one_mutex = locks && past.event.what.object == later.what.object;
            let partner = match one_mutex {
                true => past.event.acquires() && !known.covers(past),
                false => dependent(&past.event, later) && !needed.covers(past),
            };
            if partner {
                races.push((position, one_mutex.then(|| known.clone())));
                known.join(&past.clock);
                needed.join(&past.clock);
            }
        }
        let (thread, end) = (later.thread(), before.len());
        for (position, clock) in races {
            let clock = clock.unwrap_or_else(|| self.path.order.events[end].clock.clone());
            self.reverse(position, end, thread, &clock);
        }
    }

    /// Has the races of those reversed who wait for a mutex.
    fn reverse_blocked(&mut self, point: &dyn Point) {
        for (thread, mutex, op) in point.blocked() {
            let order = &self.path.order;
            let known = order.known_to(thread);
            let acquire = order.last_acquire(mutex).filter(|_| op.kind == OpKind::Lock);
            if let Some(acquire) = acquire.filter(|a| !known.covers(&order.events[*a])) {
                self.reverse(acquire, order.events.len(), thread, &known);
            }
        }
    }

    /// Sees to it that `later`, with `clock` before it, is explored before the event at
    /// `earlier`; between the two are events up to `end`.
    fn reverse(&mut self, earlier: usize, end: usize, later: ThreadId, clock: &Clock) {
        let events = &self.path.order.events;
        let mut firsts: SmallVec<[First<'_>; 6]> = SmallVec::new();
        let depends = |clock: &Clock| clock.covers(&events[earlier]);
        for past in events[earlier + 1..end].iter().filter(|past| !depends(&past.clock)) {
            let thread = past.event.thread();
            if firsts.iter().all(|first| first.thread != thread) {
                firsts.push(First { thread, position: past.position(), clock: &past.clock });
            }
        }
        if firsts.iter().all(|first| first.thread != later) {
            firsts.push(First { thread: later, position: u32::MAX, clock });
        }
        let begins = |one: &&First<'_>| {
            let comes_first = |other: &First<'_>| {
                other.thread != one.thread && one.clock.of(other.thread) > other.position
            };
            !firsts.iter().any(comes_first)
        };
        let node = &mut self.path.nodes[earlier];
        let initials: SmallVec<[ThreadId; 6]> =
            firsts.iter().filter(begins).map(|f| f.thread).collect();
        // Luck that was had once is not had again.
        let possible =
            |thread: &&ThreadId| node.enabled.iter().any(|e| e.choice.thread == **thread);
        let expected = |thread: &ThreadId| node.wanted.contains(*thread) || node.sleeps(*thread);
        if !initials.iter().filter(possible).any(expected)
            && let Some(initial) = initials.iter().rfind(possible)
        {
            node.wanted.insert(*initial);
        }
    }
}

impl Strategy for Dpor {
    fn begin(&mut self) -> bool {
        self.path.begin()
    }

    fn forced(&mut self) -> Option<Enabled> {
        self.path.forced()
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        let decision = self.path.choose(point, Threads::only);
        if decision == Decision::Cut {
            self.reverse_blocked(point);
        }
        decision
    }

    fn happened(&mut self, happened: Happened) {
        self.hidden |= happened.violated;
        if self.path.happened(happened) {
            self.reverse_races();
        }
    }

    fn certificate(&self) -> Certificate {
        self.path.certificate()
    }

    fn digest(&self) -> Option<u64> {
        Some(self.path.digest())
    }

    fn unexplored(&self) -> Option<String> {
        let reason = "a violation stopped executions that might have shown other orderings";
        self.path.unexplored().or_else(|| self.hidden.then(|| reason.to_owned()))
    }
}

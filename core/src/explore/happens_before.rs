//! The happens-before relation of an execution.
//!
//! A trace is its operations and the order that their dependence puts them in: *happens-before*.
//! Each event of an execution gets a vector clock, which counts for each thread the events that
//! happened before it, itself included. Two executions are the same trace exactly if their events
//! have the same clocks, in whatever order they were run. A sum of hashes over (thread, position,
//! operation, reply, clock), which is independent of the order, is therefore a fingerprint of the
//! trace.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::dependency::{Event, dependent, enables};
use crate::machine::QUEUED;
use crate::mix::mix;
use crate::op::{ObjectId, Op, ThreadId};
use crate::operations::OpKind;
use crate::operations::Traced;

/// The number of threads whose events are counted in place.
const FEW: usize = 8;

/// The number of events of each thread that have happened before something.
#[derive(Clone, Default, Debug)]
pub(super) struct Clock {
    /// The counts of the first threads; most programs have no others. An array is copied and joined
    /// in a few instructions, and clocks dominate the cost of the search.
    few: [u32; FEW],
    more: Vec<u32>,
}

impl Clock {
    pub(super) fn of(&self, thread: ThreadId) -> u32 {
        let index = thread.index();
        match self.few.get(index) {
            Some(count) => *count,
            None => self.more.get(index - FEW).copied().unwrap_or(0),
        }
    }

    /// Returns whether the event of `past` is among them.
    pub(super) fn covers(&self, past: &Past) -> bool {
        self.of(past.event.thread()) > past.position()
    }

    pub(super) fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.few.iter_mut().zip(&other.few) {
            *mine = (*mine).max(*theirs);
        }
        if self.more.len() < other.more.len() {
            self.more.resize(other.more.len(), 0);
        }
        for (mine, theirs) in self.more.iter_mut().zip(&other.more) {
            *mine = (*mine).max(*theirs);
        }
    }

    fn count(&mut self, thread: ThreadId) {
        let index = thread.index();
        if index >= FEW && self.more.len() <= index - FEW {
            self.more.resize(index - FEW + 1, 0);
        }
        match self.few.get_mut(index) {
            Some(count) => *count += 1,
            None => self.more[index - FEW] += 1,
        }
    }

    fn counts(&self) -> impl Iterator<Item = u32> {
        self.few.iter().chain(&self.more).copied()
    }
}

/// An event of the present execution, and what happened before it.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) event: Event,
    pub(super) clock: Clock,
    before: Before,
    /// The fingerprint of the events up to this one.
    fingerprint: u64,
}

/// The last events before another one, of the same thread and on the same object.
#[derive(Clone, Copy, Debug)]
struct Before {
    of_thread: Option<usize>,
    on_object: Option<usize>,
}

impl Past {
    /// Returns the number of events of its thread before it.
    pub(super) fn position(&self) -> u32 {
        self.clock.of(self.event.thread()) - 1
    }
}

/// The events of the present execution, in the order in which they were run.
#[derive(Debug, Default)]
pub(super) struct HappensBefore {
    pub(super) events: Vec<Past>,
    /// The events that happened before the newest one, as far as its thread knew.
    pub(super) known: Clock,
    /// The same with what made the event possible.
    pub(super) needed: Clock,
    /// The last event of each thread.
    of_thread: Vec<Option<usize>>,
    on_object: Vec<Option<usize>>,
    /// The number of events that depend on events of other objects.
    far_reaching: usize,
}

impl HappensBefore {
    /// Returns what happened before the next operation of `thread`: its last event, or the event in
    /// which it was started. The threads of the scenario were started before everything.
    pub(super) fn known_to(&self, thread: ThreadId) -> Clock {
        let last = last(&self.of_thread, thread.index()).or_else(|| {
            let spawned = |past: &Past| past.event.spawned.contains(&thread.index());
            (self.far_reaching > 0).then(|| self.events.iter().rposition(spawned))?
        });
        last.map(|last| self.events[last].clock.clone()).unwrap_or_default()
    }

    /// Returns the last event of `thread`.
    pub(super) fn last_of(&self, thread: ThreadId) -> Option<usize> {
        last(&self.of_thread, thread.index())
    }

    /// Returns the events of `thread`, the last first.
    pub(super) fn of(&self, thread: ThreadId) -> impl Iterator<Item = usize> {
        std::iter::successors(self.last_of(thread), |at| self.events[*at].before.of_thread)
    }

    /// Returns the event of the same thread before the event `at`.
    pub(super) fn before(&self, at: usize) -> Option<usize> {
        self.events[at].before.of_thread
    }

    /// Returns the events on `object`, the last first.
    pub(super) fn on(&self, object: ObjectId) -> impl Iterator<Item = usize> {
        let last = last(&self.on_object, object.index());
        std::iter::successors(last, |at| self.events[*at].before.on_object)
    }

    /// Adds an event, which would not have been possible without the one at `enabled_by`.
    pub(super) fn push(&mut self, event: Event, enabled_by: Option<usize>) {
        let known = self.known_to(event.thread());
        let mut needed = known.clone();
        if let Some(earlier) = enabled_by {
            needed.join(&self.events[earlier].clock);
        }
        if event.kind() == OpKind::Join {
            needed.join(&self.known_to(ThreadId::new(event.what.op.a as usize)));
        }
        let mut clock = known.clone();
        for past in self.related(&event, self.events.len()) {
            let past = &self.events[past];
            if !needed.covers(past) && enables(&past.event, &event) {
                needed.join(&past.clock);
            }
            if !clock.covers(past) && dependent(&past.event, &event) {
                clock.join(&past.clock);
            }
        }
        clock.join(&needed);
        clock.count(event.thread());
        let fingerprint = self.fingerprint().wrapping_add(fingerprint(&event, &clock));
        let before = Before {
            of_thread: last(&self.of_thread, event.thread().index()),
            on_object: last(&self.on_object, event.what.object.index()),
        };
        let now = Some(self.events.len());
        set(&mut self.of_thread, event.thread().index(), now);
        set(&mut self.on_object, event.what.object.index(), now);
        self.far_reaching += usize::from(event.is_far_reaching());
        self.events.push(Past { event, clock, before, fingerprint });
        (self.known, self.needed) = (known, needed);
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let Past { event, before, .. } = self.events.pop()?;
        self.of_thread[event.thread().index()] = before.of_thread;
        self.on_object[event.what.object.index()] = before.on_object;
        self.far_reaching -= usize::from(event.is_far_reaching());
        Some(event)
    }

    /// Returns the events before position `end` that may depend on `event`, the last first: those
    /// on its object, or all if some are far-reaching.
    pub(super) fn related(&self, event: &Event, end: usize) -> impl Iterator<Item = usize> {
        let all = self.far_reaching > 0 || event.is_far_reaching();
        let object = event.what.object;
        let before = move |at: usize| match all {
            true => at.checked_sub(1),
            false => self.events[at].before.on_object,
        };
        let first = match all {
            true => end.checked_sub(1),
            false if end == self.events.len() => last(&self.on_object, object.index()),
            false => self.events[end].before.on_object,
        };
        std::iter::successors(first, move |at| before(*at))
    }

    /// Returns a number that is equal for two executions if they are the same trace.
    pub(super) fn fingerprint(&self) -> u64 {
        self.events.last().map_or(0, |last| last.fingerprint)
    }
}

fn last(of: &[Option<usize>], index: usize) -> Option<usize> {
    of.get(index).copied().flatten()
}

fn set(of: &mut Vec<Option<usize>>, index: usize, to: Option<usize>) {
    if of.len() <= index {
        of.resize(index + 1, None);
    }
    of[index] = to;
}

fn fingerprint(event: &Event, clock: &Clock) -> u64 {
    let Op { kind, a, b, weak } = event.what.op;
    // The number of a value, or of a thread's observations at its end, depends on what was explored
    // before and on the search. It follows from what happened before.
    let (a, reply) = match kind.row().traced {
        Traced::Reply => (a, event.reply),
        Traced::NoValue if event.reply < QUEUED => (a, 0),
        Traced::NoValue => (a, event.reply),
        Traced::NoArgument => (0, event.reply),
        Traced::Nothing => (a, 0),
    };
    let who = [event.thread().index(), event.what.object.index(), kind as usize];
    let weak = weak.is_some().then(|| weak.traced());
    let words = who.into_iter().map(|word| word as u64).chain([a, b, reply]).chain(weak);
    let mut hasher = FxHasher::default();
    words.for_each(|word| hasher.write_u64(word));
    // A thread without events may be missing at the end of a clock.
    let counts = clock.counts().enumerate().filter(|(_, count)| *count > 0);
    counts.for_each(|(thread, count)| hasher.write_u64((thread as u64) << 32 | u64::from(count)));
    mix(0, hasher.finish())
}

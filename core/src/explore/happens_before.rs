//! What happened before what.
//!
//! A trace is its operations and the order that their dependence puts them in: *happens-before*.
//! Each event of an execution gets a vector clock that says how many events of each thread
//! happened before it, itself included. Two executions are the same trace exactly if their events
//! have the same clocks, whatever the order in which they were run; so an order-blind sum of
//! hashes over (thread, position, operation, reply, clock) is a fingerprint of the trace.

use smallvec::SmallVec;

use super::dependency::{Event, dependent, enables};
use crate::machine::QUEUED;
use crate::op::{Op, OpKind, ThreadId};

/// How many events of each thread have happened before something.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Clock(SmallVec<[u32; 6]>);

impl Clock {
    pub(super) fn of(&self, thread: ThreadId) -> u32 {
        self.0.get(thread.index()).copied().unwrap_or(0)
    }

    /// Whether the event that `past` is about is among them.
    pub(super) fn covers(&self, past: &Past) -> bool {
        self.of(past.event.thread()) > past.position()
    }

    pub(super) fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    fn count(&mut self, thread: ThreadId) {
        if self.0.len() <= thread.index() {
            self.0.resize(thread.index() + 1, 0);
        }
        self.0[thread.index()] += 1;
    }
}

/// An event of the present execution, and what happened before it.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) event: Event,
    pub(super) clock: Clock,
    /// What had happened before, as far as the thread knew.
    pub(super) known: Clock,
    /// That, and what made the event possible.
    pub(super) needed: Clock,
    /// Of the events up to this one.
    fingerprint: u64,
}

impl Past {
    /// How many events of its thread came before.
    pub(super) fn position(&self) -> u32 {
        self.clock.of(self.event.thread()) - 1
    }
}

/// The events of the present execution, in the order in which they were run.
#[derive(Debug, Default)]
pub(super) struct HappensBefore {
    pub(super) events: Vec<Past>,
}

impl HappensBefore {
    /// What has happened before anything that `thread` does next: its last event, or the one in
    /// which it was started. The threads of the scenario were started before everything.
    pub(super) fn known_to(&self, thread: ThreadId) -> Clock {
        let last = self.events.iter().rfind(|past| {
            past.event.thread() == thread || past.event.born.contains(&thread.index())
        });
        last.map(|past| past.clock.clone()).unwrap_or_default()
    }

    pub(super) fn push(&mut self, event: Event) {
        let known = self.known_to(event.thread());
        let mut needed = known.clone();
        if event.kind() == OpKind::Join {
            needed.join(&self.known_to(ThreadId::new(event.what.op.a as usize)));
        }
        let mut clock = known.clone();
        for past in self.events.iter().rev() {
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
        self.events.push(Past { event, clock, known, needed, fingerprint });
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.events.pop().map(|past| past.event)
    }

    /// Equal for two executions if they are the same trace.
    pub(super) fn fingerprint(&self) -> u64 {
        self.events.last().map_or(0, |last| last.fingerprint)
    }
}

fn fingerprint(event: &Event, clock: &Clock) -> u64 {
    use OpKind::{
        AwaitRead, AwaitWrite, DownRead, DownWrite, Lock, LockInterruptible, TryDownRead,
        TryDownWrite, TryLock, Unlock, UpWrite,
    };
    let Op { kind, a, b } = event.what.op;
    // The number of a value behind a lock depends on what was explored before.
    let (a, reply) = match kind {
        Unlock | UpWrite => (0, event.reply),
        Lock | LockInterruptible | TryLock | DownRead | AwaitRead | TryDownRead | DownWrite
        | AwaitWrite | TryDownWrite
            if event.reply < QUEUED =>
        {
            (a, 0)
        }
        _ => (a, event.reply),
    };
    let who = [event.thread().index(), event.what.object.index(), kind as usize];
    let words = who.into_iter().map(|word| word as u64).chain([a, b, reply]);
    words
        .chain(clock.0.iter().map(|count| u64::from(*count)))
        .fold(0, |hash, word| mix(hash ^ word))
}

/// Spreads the bits of a word over all of it, so that sums of such words tell sets apart: the
/// finaliser of `SplitMix64`.
pub(super) fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

//! Source-DPOR: explores every Mazurkiewicz trace once, by reversing races.
//!
//! P. A. Abdulla, S. Aronis, B. Jonsson and K. Sagonas, "Source sets: a foundation for optimal
//! dynamic partial order reduction", J.ACM 64(4), 2017, algorithm 1. At first one thread is
//! *wanted* at each point of an execution. Others are added only for a reason that a later
//! operation shows: it is in a *race* with the operation taken at the point. The two depend on each
//! other and nothing between them orders them, so they could have happened in the other order. For
//! that, the operations in between that do not depend on the earlier one have to run, and then the
//! later one. The *initials* of this sequence are the threads that can begin it. If none of them is
//! wanted at the point already, or asleep there, one of them is wanted from now on. The threads
//! wanted at a point when the search leaves it for the last time are a source set. Sleep sets
//! ([`Path`]) ensure that no trace is explored twice.
//!
//! # Locks
//!
//! A `mutex_lock` depends on the unlock before it, but cannot happen before it, so the two are not
//! in a race. It could have happened before the holder *took* the mutex. Its partner is therefore
//! the matching acquire. Whether something orders the two is decided by what happened before the
//! thread reached its lock, without what it observed from the unlock. A thread that still waits for
//! a mutex when an execution ends, or is cut because all other threads sleep, is in the same race
//! with the holder's acquire. It has no event that would show it.
//!
//! A thread that waits for a semaphore has a place in its queue, and a thread that joins waits for
//! an end: neither could have come first.
//!
//! # What it does not see
//!
//! An execution that a violation stops does not show the next operations of its threads, and so not
//! their races. The search continues, but it cannot claim to be complete. A deadlock hides nothing.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::dependency::dependent;
use super::happens_before::{Clock, HappensBefore, Past};
use super::path::{Path, SavedPath, ThreadSet};
use super::{Decision, Enabled, Happened, Point, Strategy};
use crate::cycles;
use crate::explore::subtrees::Subtrees;
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::op::{ObjectId, ThreadId};
use crate::shard::Shard;

/// Explores every trace of the parts that it takes once, and few executions more.
#[derive(Debug)]
pub(crate) struct Dpor {
    path: Path,
    subtrees: Arc<Subtrees>,
    /// The number of parts that it has reached.
    seen: u64,
    /// A digest of the path to the first part, which differs between programs.
    first: Option<u64>,
    /// Whether a violation has stopped an execution.
    violated: bool,
    /// Whether every thread is tried at each point, since a signal may end a wait in a queue.
    all: bool,
}

/// A search that was stopped between two executions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SavedDpor {
    path: SavedPath,
    seen: u64,
    first: Option<u64>,
    violated: bool,
    all: bool,
}

/// Two operations that could have happened in the other order.
struct Race {
    /// The event that happened first.
    earlier: usize,
    /// The thread of the later operation, which may not have happened yet.
    later: ThreadId,
    /// The events that the later operation has to come after in either order.
    after: Clock,
}

impl Dpor {
    /// Creates a search of the parts of `subtrees` that no other search has taken.
    pub(crate) fn new(subtrees: Arc<Subtrees>) -> Self {
        let (path, first) = (Path::default(), None);
        Self { path, subtrees, seen: 0, first, violated: false, all: false }
    }

    pub(crate) fn save(&self) -> SavedDpor {
        let Self { seen, first, violated, all, .. } = *self;
        SavedDpor { path: self.path.save(), seen, first, violated, all }
    }

    /// Restores the saved search, once it has been led through its last execution again. Returns
    /// `None` if that is not possible any more.
    pub(crate) fn restore(
        saved: SavedDpor,
        subtrees: Arc<Subtrees>,
        prefix: impl FnOnce(&mut dyn Strategy) -> bool,
    ) -> Option<Self> {
        let SavedDpor { path, seen, first, violated, all } = saved;
        let steps = path.happened();
        let path = Path::restore(path, seen > 0);
        let mut repeat =
            Repeat { search: Self { path, subtrees, seen, first, violated, all }, steps };
        let led = steps == 0 || prefix(&mut repeat);
        (led && repeat.search.path.order.events.len() == steps).then_some(repeat.search)
    }

    /// Returns the number of parts that it has reached, and a digest of the path to the first.
    pub(crate) fn seen(&self) -> (u64, Option<u64>) {
        (self.seen, self.first)
    }

    /// Returns its depth, the number of points to return to, and an estimate of the part that it
    /// has explored.
    pub(crate) fn progress(&self) -> (usize, u64, f64) {
        self.path.progress()
    }

    /// Returns whether it has reached a part that another search explores.
    fn passes_by(&mut self, point: &dyn Point) -> bool {
        let depth = self.path.nodes.len();
        let begins = depth == self.subtrees.depth();
        let ends_early = depth < self.subtrees.depth() && self.path.ends_at(point);
        if !begins && !ends_early {
            return false;
        }
        self.first.get_or_insert(self.path.order.fingerprint());
        self.seen += 1;
        !self.subtrees.take(self.seen - 1)
    }

    /// Returns whether executions were stopped that might have shown other interleavings.
    pub(crate) fn stopped_by_a_violation(&self) -> bool {
        self.violated
    }

    /// Makes the search explore the other order too.
    fn reverse(&mut self, race: &Race) {
        if self.all {
            return;
        }
        let mut initials = initials(&self.path.order, race);
        // To come first, a woken sleeper would have to wake spuriously, and a thread that repeats a
        // round would have to do so in vain. Those may be left out; every other thread can move.
        let releases = !self.path.order.events[race.earlier].event.frees.is_empty();
        initials.retain(|thread| {
            let moves = self.path.nodes[race.earlier].can_move(*thread);
            let left_out = self.path.leaves_out() || self.path.has_woken(*thread, race.earlier);
            assert!(moves || left_out || releases, "an initial can begin");
            moves
        });
        let node = &mut self.path.nodes[race.earlier];
        let begun_with = |thread: &ThreadId| node.wanted.contains(*thread) || node.sleeps(*thread);
        if !initials.iter().any(begun_with) {
            if let Some(first) = initials.first() {
                node.wanted.insert(*first);
            }
        }
    }
}

/// The last execution of a search that was stopped, as far as the search needs it.
struct Repeat {
    search: Dpor,
    steps: usize,
}

impl Strategy for Repeat {
    fn begin(&mut self) -> bool {
        unreachable!("this execution was begun before")
    }

    fn forced(&mut self) -> Option<Enabled> {
        (self.search.path.order.events.len() < self.steps).then(|| self.search.path.forced())?
    }

    fn choose(&mut self, _: &dyn Point) -> Decision {
        Decision::Cut
    }

    fn happened(&mut self, happened: Happened) {
        self.search.happened(happened);
    }
}

/// Returns the races of the newest event with earlier ones.
fn races(order: &HappensBefore) -> SmallVec<[Race; 2]> {
    let mut races = SmallVec::new();
    let Some((newest, before)) = order.events.split_last() else { return races };
    let event = &newest.event;
    // The events that order an earlier event and this one, with what made this one possible and
    // without.
    let mut needed = order.needed.clone();
    let mut known = order.known.clone();
    for earlier in order.related(event, before.len()) {
        let past = &before[earlier];
        let unfair = event.kind().row().can_be_disabled && !event.kind().row().tries_unfair;
        if unfair && past.event.what.object == event.what.object {
            // A thread that could have come first was tried where the other did. A trylock could
            // have come where a lock cannot: before the mutex was unlocked.
            continue;
        }
        let locks = event.kind().row().locks && past.event.what.object == event.what.object;
        let race = if locks {
            past.event.acquires() && !known.covers(past)
        } else {
            dependent(&past.event, event) && !needed.covers(past)
        };
        if race {
            let after = if locks { known.clone() } else { newest.clock.clone() };
            races.push(Race { earlier, later: event.thread(), after });
            needed.join(&past.clock);
            known.join(&past.clock);
        }
    }
    races
}

/// Returns the race with the holder of the mutex that `thread` waits for.
fn race_for(mutex: ObjectId, thread: ThreadId, order: &HappensBefore) -> Option<Race> {
    let after = order.known_to(thread);
    let taken = |past: &Past| past.event.what.object == mutex && past.event.acquires();
    let earlier = order.events.iter().rposition(taken)?;
    let race = !after.covers(&order.events[earlier]);
    race.then_some(Race { earlier, later: thread, after })
}

/// Returns the threads that can begin the sequence after which the later operation comes first:
/// those whose first event in it comes after no other event in it.
fn initials(order: &HappensBefore, race: &Race) -> SmallVec<[ThreadId; 6]> {
    let Race { earlier, later, after } = race;
    let (earlier, between) = (&order.events[*earlier], &order.events[earlier + 1..]);
    // For each thread, the number of events before its first one here, and what happened before
    // that.
    let mut firsts: SmallVec<[(ThreadId, u32, &Clock); 6]> = SmallVec::new();
    for past in between.iter().filter(|past| !past.clock.covers(earlier)) {
        let thread = past.event.thread();
        if firsts.iter().all(|(known, ..)| *known != thread) {
            firsts.push((thread, past.position(), &past.clock));
        }
    }
    if firsts.iter().all(|(known, ..)| known != later) {
        // Nothing here comes after it.
        firsts.push((*later, u32::MAX, after));
    }
    let begins = |(thread, _, clock): &&(ThreadId, u32, &Clock)| {
        firsts.iter().all(|(other, before, _)| other == thread || clock.of(*other) <= *before)
    };
    firsts.iter().filter(begins).map(|(thread, ..)| *thread).collect()
}

impl Strategy for Dpor {
    fn begin(&mut self) -> bool {
        self.path.begin()
    }

    fn unchanged(&mut self, known: usize) -> usize {
        self.path.unchanged(known)
    }

    fn forced(&mut self) -> Option<Enabled> {
        self.path.forced()
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        if self.passes_by(point) {
            self.path.pass_by();
            return Decision::Cut;
        }
        // A writer that readers pass races with each of them, and may become possible and
        // impossible in between. That is too many cases for so rare a lock.
        let unfair = point.enabled().iter().any(|enabled| enabled.op.kind.row().can_be_disabled);
        // A thread that leaves a queue lets others pass that were behind it, or were to be.
        if !self.all && point.enabled().iter().any(|enabled| enabled.op.kind.row().leaves_queue) {
            self.all = true;
            self.path.nodes.iter_mut().for_each(|node| node.wanted = ThreadSet::ALL);
        }
        let all = unfair || self.all || self.path.nodes.len() < self.subtrees.depth();
        let wanted = |first| if all { ThreadSet::ALL } else { ThreadSet::only(first) };
        let decision = self.path.choose(point, wanted);
        if decision == Decision::Cut && !self.path.is_crowded() {
            for (thread, mutex, op) in point.blocked() {
                let locks = op.kind.row().locks;
                let race = locks.then(|| race_for(mutex, thread, &self.path.order)).flatten();
                if let Some(race) = race {
                    self.reverse(&race);
                }
            }
        }
        decision
    }

    fn happened(&mut self, happened: Happened) {
        self.violated |= happened.violated;
        if self.path.happened(happened) {
            for race in races(&self.path.order) {
                self.reverse(&race);
            }
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.path.fingerprint()
    }

    fn digest(&self) -> Option<u64> {
        Some(self.path.digest())
    }

    fn goes_round(&self) -> Option<cycles::Threads> {
        self.path.only_rounds()
    }

    fn unexplored(&self) -> Option<Incomplete> {
        self.unexplored_beside(self.path.tried())
    }
}

impl Dpor {
    /// Returns the mutexes that a thread tries, as far as this search has seen.
    pub(crate) fn tried(&self) -> &FxHashSet<ObjectId> {
        self.path.tried()
    }

    /// Returns what has been left out if a thread, perhaps in another part, tries these mutexes.
    pub(crate) fn unexplored_beside(&self, tried: &FxHashSet<ObjectId>) -> Option<Incomplete> {
        let share = self.subtrees.shard() != Shard::WHOLE;
        let reason = "a violation stopped executions that might have shown other orderings";
        self.path
            .unexplored_beside(tried, share)
            .or_else(|| self.violated.then(|| Incomplete::LeftOut(reason.to_owned())))
    }
}

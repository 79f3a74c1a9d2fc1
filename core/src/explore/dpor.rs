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
//! not their races either. The search goes on, but it cannot claim to have seen everything. A
//! deadlock hides nothing.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::dependency::dependent;
use super::happens_before::{Clock, HappensBefore, Past};
use super::path::{Path, SavedPath, Threads};
use super::{Decision, Enabled, Happened, Point, Strategy};
use crate::cycles;
use crate::explore::subtrees::Subtrees;
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::op::{ObjectId, ThreadId};
use crate::shard::Shard;

/// Explores every trace of the parts that it takes once, and little more.
#[derive(Debug)]
pub(crate) struct Dpor {
    path: Path,
    subtrees: Arc<Subtrees>,
    /// How many parts it has come to.
    seen: u64,
    /// What leads to the first part: other programs have others.
    first: Option<u64>,
    /// Whether a violation has stopped an execution.
    violated: bool,
}

/// A search that has been put aside between two executions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SavedDpor {
    path: SavedPath,
    seen: u64,
    first: Option<u64>,
    violated: bool,
}

/// Two operations that could have come the other way round.
struct Race {
    /// The event that came first.
    earlier: usize,
    /// Whose operation came later, or has not come yet.
    later: ThreadId,
    /// What that operation has to come after all the same.
    after: Clock,
}

impl Dpor {
    /// A search for what nobody else has taken of `subtrees`.
    pub(crate) fn new(subtrees: Arc<Subtrees>) -> Self {
        Self { path: Path::default(), subtrees, seen: 0, first: None, violated: false }
    }

    pub(crate) fn save(&self) -> SavedDpor {
        let Self { seen, first, violated, .. } = *self;
        SavedDpor { path: self.path.save(), seen, first, violated }
    }

    /// The search that was saved, once it has been led through its last execution again; nothing
    /// if that is not possible any more.
    pub(crate) fn restore(
        saved: SavedDpor,
        subtrees: Arc<Subtrees>,
        prefix: impl FnOnce(&mut dyn Strategy) -> bool,
    ) -> Option<Self> {
        let SavedDpor { path, seen, first, violated } = saved;
        let steps = path.happened();
        let path = Path::restore(path, seen > 0);
        let mut again = Again { search: Self { path, subtrees, seen, first, violated }, steps };
        let led = steps == 0 || prefix(&mut again);
        (led && again.search.path.order.events.len() == steps).then_some(again.search)
    }

    /// How many parts it has come to, and what leads to the first.
    pub(crate) fn seen(&self) -> (u64, Option<u64>) {
        (self.seen, self.first)
    }

    /// How deep it is, how many points it has to come back to, and the part that it has explored
    /// as far as can be told.
    pub(crate) fn progress(&self) -> (usize, u64, f64) {
        self.path.progress()
    }

    /// Whether it has come to a part that is not for it.
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

    /// Whether executions were stopped that might have shown other orderings.
    pub(crate) fn stopped_by_a_violation(&self) -> bool {
        self.violated
    }

    /// Sees to it that the other way round is explored too.
    fn reverse(&mut self, race: &Race) {
        let mut initials = initials(&self.path.order, race);
        // To come first, a sleeper that was woken would have to wake spuriously, and a thread that
        // begins a round again would have to do so in vain. That may be left out. A thread that waits
        // for a lock in memory that this releases cannot come first: only the release ends its wait.
        // Every other thread can move.
        let releases = !self.path.order.events[race.earlier].event.frees.is_empty();
        initials.retain(|thread| {
            let moves = self.path.nodes[race.earlier].can_move(*thread);
            let left_out = self.path.leaves_out() || self.path.has_woken(*thread, race.earlier);
            assert!(moves || left_out || releases, "an initial can begin");
            moves
        });
        let node = &mut self.path.nodes[race.earlier];
        let begun_with = |thread: &ThreadId| node.wanted.contains(*thread) || node.sleeps(*thread);
        if let Some(first) = initials.first()
            && !initials.iter().any(begun_with)
        {
            node.wanted.insert(*first);
        }
    }
}

/// The last execution of a search that was put aside, as far as the search wants to know.
struct Again {
    search: Dpor,
    steps: usize,
}

impl Strategy for Again {
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

/// The races of the newest event with earlier ones.
fn races(order: &HappensBefore) -> SmallVec<[Race; 2]> {
    let mut races = SmallVec::new();
    let Some((newest, before)) = order.events.split_last() else { return races };
    let event = &newest.event;
    // What orders an earlier event and this one, with what made this one possible and without.
    let mut needed = order.needed.clone();
    let mut known = order.known.clone();
    for earlier in order.related(event, before.len()) {
        let past = &before[earlier];
        let unfair = event.kind().row().can_be_disabled && !event.kind().row().tries_unfair;
        if unfair && past.event.what.object == event.what.object {
            // Whoever could have come first was tried where the other did. Who only tries could
            // have come where others cannot: before somebody let go.
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

/// The race with the holder of the mutex that `thread` waits for.
fn race_for(mutex: ObjectId, thread: ThreadId, order: &HappensBefore) -> Option<Race> {
    let after = order.known_to(thread);
    let taken = |past: &Past| past.event.what.object == mutex && past.event.acquires();
    let earlier = order.events.iter().rposition(taken)?;
    let race = !after.covers(&order.events[earlier]);
    race.then_some(Race { earlier, later: thread, after })
}

/// The threads that can begin what has to run for the later operation to come first: those whose
/// first event in it comes after no other event in it.
fn initials(order: &HappensBefore, race: &Race) -> SmallVec<[ThreadId; 6]> {
    let Race { earlier, later, after } = race;
    let (earlier, between) = (&order.events[*earlier], &order.events[earlier + 1..]);
    // Of each thread, how many events come before its first here, and what happened before that.
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
        // A writer that is passed by readers races with each of them, and may be able to go on or
        // not in between: too many cases for too rare a lock.
        let unfair = point.enabled().iter().any(|enabled| enabled.op.kind.row().can_be_disabled);
        let everybody = unfair || self.path.nodes.len() < self.subtrees.depth();
        let wanted = |first| if everybody { Threads::ALL } else { Threads::only(first) };
        let decision = self.path.choose(point, wanted);
        if decision == Decision::Cut && !self.path.is_crowded() {
            for (thread, mutex, op) in point.blocked() {
                if op.kind.row().locks
                    && let Some(race) = race_for(mutex, thread, &self.path.order)
                {
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
    /// The mutexes that somebody tries, as far as this search has seen.
    pub(crate) fn tried(&self) -> &FxHashSet<ObjectId> {
        self.path.tried()
    }

    /// What has been left out, if somebody, perhaps in another part, tries these mutexes.
    pub(crate) fn unexplored_beside(&self, tried: &FxHashSet<ObjectId>) -> Option<Incomplete> {
        let share = self.subtrees.shard() != Shard::WHOLE;
        let reason = "a violation stopped executions that might have shown other orderings";
        self.path
            .unexplored_beside(tried, share)
            .or_else(|| self.violated.then(|| Incomplete::LeftOut(reason.to_owned())))
    }
}

//! A walk through the tree of executions with sleep sets, which the stateless searches share.
//!
//! After a branch has been explored its operation is put to sleep: other branches need not begin
//! with it until an operation happens that depends on it (P. Godefroid, "Partial-Order Methods for
//! the Verification of Concurrent Systems", 1996). An execution in which all threads sleep is cut.
//! If every thread is *wanted* first at every point, there is one execution that is not cut for
//! each trace. A search that wants fewer and still misses no trace has the same executions.
//!
//! A waiter can wake spuriously, evaluate its condition and sleep again any number of times. Such a
//! program has infinitely many traces, and a search that does not compare states cannot recognise
//! the repetition. If the waiter is known to evaluate its condition and sleep again, it wakes only
//! where something has changed that it has looked at: see [`rounds`](super::rounds). Any other
//! waiter wakes spuriously once in an execution. Where it could have done so again, the search is
//! not a proof and reports that.

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::dependency::{Event, dependent};
use super::happens_before::HappensBefore;
use super::rounds::{self, Looks};
use crate::cycles;
use crate::explore::{Decision, Enabled, Happened, Point};
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::mix::mix;
use crate::op::{ObjectId, ThreadId};
use crate::schedule::Choice;

/// The number of threads that can be distinguished where interleavings are explored one by one.
const THREADS_MAX: usize = 64;

/// A set of the first threads, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct ThreadSet(u64);

impl ThreadSet {
    pub(super) const ALL: Self = Self(u64::MAX);

    pub(super) fn only(thread: ThreadId) -> Self {
        Self(cycles::bit(thread))
    }

    pub(super) fn contains(self, thread: ThreadId) -> bool {
        self.0 & Self::only(thread).0 != 0
    }

    pub(super) fn insert(&mut self, thread: ThreadId) {
        self.0 |= Self::only(thread).0;
    }
}

/// A point on the present path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) enabled: SmallVec<[Enabled; 6]>,
    /// The operations that need not come first here: those that slept on arrival, and those
    /// explored.
    pub(super) asleep: Vec<Event>,
    /// The threads that move first in some branch, unless asleep.
    pub(super) wanted: ThreadSet,
    taken: Enabled,
}

impl Node {
    pub(super) fn can_move(&self, thread: ThreadId) -> bool {
        self.enabled.iter().any(|enabled| enabled.choice.thread == thread)
    }

    /// Returns whether no operation of `thread` need come first here.
    pub(super) fn sleeps(&self, thread: ThreadId) -> bool {
        self.enabled.iter().all(|e| e.choice.thread != thread || self.asleep(e.choice))
    }

    fn asleep(&self, choice: Choice) -> bool {
        self.asleep.iter().any(|asleep| asleep.what.choice == choice)
    }

    /// Any order is correct. In programs whose threads search an array that others fill from the
    /// front, this one saves half of the executions.
    fn next(&self) -> Option<Enabled> {
        let next = |e: &&Enabled| self.wanted.contains(e.choice.thread) && !self.asleep(e.choice);
        self.enabled.iter().rfind(next).copied()
    }
}

/// The present execution, as a path through the tree.
#[derive(Debug, Default)]
pub(super) struct Path {
    pub(super) nodes: Vec<Node>,
    pub(super) order: HappensBefore,
    depth: usize,
    begun: bool,
    /// The number of executions that were not cut, each of which is another trace.
    traces: u64,
    digest: u64,
    /// Whether a thread was kept from waking spuriously a second time.
    bounded: bool,
    /// Whether a thread was kept from repeating a round in vain.
    left_out: bool,
    /// Whether there were more threads than can be distinguished, which ends the search.
    crowded: bool,
    /// If every thread with a guaranteed outcome would only repeat a round in vain at the last
    /// point, those that poll.
    only_rounds: Option<cycles::Threads>,
    /// The mutexes that threads were kept from, since they would only look.
    kept_from: FxHashSet<ObjectId>,
    /// The mutexes that a thread tries, which can see whether they have an owner.
    tried: FxHashSet<ObjectId>,
}

/// A saved path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedPath {
    nodes: Vec<Node>,
    traces: u64,
    digest: u64,
    bounded: bool,
    left_out: bool,
    crowded: bool,
    kept_from: FxHashSet<ObjectId>,
    tried: FxHashSet<ObjectId>,
    /// The number of the nodes' steps that had happened: all, or all but the last.
    happened: usize,
}

impl SavedPath {
    pub(super) fn happened(&self) -> usize {
        self.happened
    }
}

impl Path {
    pub(super) fn save(&self) -> SavedPath {
        let Self { traces, digest, bounded, left_out, crowded, .. } = *self;
        let happened = self.order.events.len();
        let (kept_from, tried) = (self.kept_from.clone(), self.tried.clone());
        let nodes = self.nodes.clone();
        SavedPath { nodes, traces, digest, bounded, left_out, crowded, kept_from, tried, happened }
    }

    /// Restores the saved path. Its events have to happen again.
    pub(super) fn restore(saved: SavedPath, begun: bool) -> Self {
        let SavedPath { nodes, traces, digest, bounded, left_out, crowded, .. } = saved;
        let SavedPath { kept_from, tried, .. } = saved;
        let path = Self { nodes, traces, digest, bounded, left_out, begun, ..Self::default() };
        Self { kept_from, tried, crowded, ..path }
    }

    /// Returns its depth, the number of points to return to, and the part of the tree that is
    /// explored. Each branch of a point counts as an equal share. More branches may be wanted
    /// later, so this is usually an upper bound.
    pub(super) fn progress(&self) -> (usize, u64, f64) {
        let (mut frontier, mut behind, mut share) = (0, 0.0, 1.0);
        for node in &self.nodes {
            let wanted = node.enabled.iter().filter(|e| node.wanted.contains(e.choice.thread));
            let (done, open): (Vec<&Enabled>, _) = wanted.partition(|e| node.asleep(e.choice));
            let branches = (done.len() + open.len()) as f64;
            frontier += u64::from(open.len() > 1);
            behind += share * done.len() as f64 / branches;
            share /= branches;
        }
        (self.nodes.len(), frontier, behind)
    }

    /// Begins the next execution, along the path to a branch that is left to explore.
    pub(super) fn begin(&mut self) -> bool {
        if self.crowded {
            return false;
        }
        self.depth = 0;
        self.only_rounds = None;
        // The branch that was chosen last may not have been taken.
        let ahead = self.nodes.len() > self.order.events.len();
        if !std::mem::replace(&mut self.begun, true) || ahead {
            return true;
        }
        while let Some(node) = self.nodes.last_mut() {
            node.asleep.extend(self.order.pop());
            if let Some(next) = node.next() {
                node.taken = next;
                return true;
            }
            self.nodes.pop();
        }
        false
    }

    pub(super) fn unchanged(&mut self, known: usize) -> usize {
        self.depth = self.order.events.len().min(known);
        self.depth
    }

    pub(super) fn forced(&mut self) -> Option<Enabled> {
        let node = self.nodes.get(self.depth)?;
        self.depth += 1;
        Some(node.taken)
    }

    /// Returns whether nothing is left to happen, except what is left out.
    pub(super) fn ends_at(&self, point: &dyn Point) -> bool {
        point.enabled().iter().all(|enabled| self.left_out(enabled).is_some())
    }

    /// Continues to a new point, with a thread that is awake. `wanted` returns the other threads to
    /// try there.
    pub(super) fn choose(
        &mut self,
        point: &dyn Point,
        wanted: impl FnOnce(ThreadId) -> ThreadSet,
    ) -> Decision {
        self.only_rounds = None;
        self.crowded = point.threads() > THREADS_MAX;
        if self.crowded {
            return Decision::Cut;
        }
        let mut enabled: SmallVec<[Enabled; 6]> = SmallVec::new();
        let mut undecided = false;
        for what in point.enabled() {
            match self.left_out(what) {
                None => enabled.push(*what),
                Some(LeftOut::WakesAgain) => self.bounded = true,
                Some(LeftOut::InVain(looks)) => {
                    self.left_out = true;
                    undecided |= looks.are_stale(&self.order) || what.wakes_by_itself();
                    self.kept_from.extend(looks.mutexes(&self.order));
                }
            }
        }
        // An optional outcome may still happen, but no thread may rely on it.
        if !undecided
            && !enabled.iter().any(|what| what.guaranteed)
            && point.enabled().iter().any(|what| what.guaranteed)
        {
            let guaranteed = point.enabled().iter().filter(|what| what.guaranteed);
            let threads = guaranteed.map(|what| what.choice.thread);
            let polls = threads.filter(|thread| self.polls_in_vain(*thread));
            self.only_rounds = Some(polls.fold(0, |all, thread| all | cycles::bit(thread)));
        }
        if enabled.is_empty() {
            self.traces += 1;
            self.digest = self.digest.wrapping_add(mix(0, self.order.fingerprint()));
            return Decision::Cut;
        }
        let asleep = self.asleep_on_arrival();
        let mut node = Node { taken: enabled[0], enabled, asleep, wanted: ThreadSet::ALL };
        let Some(taken) = node.next() else { return Decision::Cut };
        node.taken = taken;
        node.wanted = wanted(taken.choice.thread);
        self.nodes.push(node);
        self.depth += 1;
        Decision::Take(taken.choice)
    }

    /// Leaves a point without a decision: the findings about the last one do not hold for it.
    pub(super) fn pass_by(&mut self) {
        self.only_rounds = None;
    }

    /// Returns why `what` is left out, if it is.
    fn left_out(&self, what: &Enabled) -> Option<LeftOut> {
        let thread = what.choice.thread;
        match Looks::before(what, &self.order) {
            Some(looks) => looks.in_vain(what, &self.order).then_some(LeftOut::InVain(looks)),
            None => {
                let woken = || self.has_woken(thread, self.order.events.len());
                (what.wakes_spuriously() && woken()).then_some(LeftOut::WakesAgain)
            }
        }
    }

    /// Returns whether there are more threads than can be distinguished.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Returns whether a thread may be kept from continuing that has not ended and does not wait.
    pub(super) fn leaves_out(&self) -> bool {
        self.bounded || self.left_out
    }

    fn polls_in_vain(&self, thread: ThreadId) -> bool {
        self.order.last_of(thread).is_some_and(|last| self.order.events[last].event.round.polls)
    }

    /// If every thread with a guaranteed outcome would only repeat a round in vain at the last
    /// point, returns those that poll.
    pub(super) fn only_rounds(&self) -> Option<cycles::Threads> {
        self.only_rounds
    }

    /// Returns whether `thread` has woken spuriously in the first `events` events.
    pub(super) fn has_woken(&self, thread: ThreadId, events: usize) -> bool {
        let mut before = self.order.events[..events].iter().map(|past| &past.event.what);
        before.any(|what| what.choice.thread == thread && what.wakes_spuriously())
    }

    fn asleep_on_arrival(&self) -> Vec<Event> {
        let (Some(before), Some(taken)) = (self.nodes.last(), self.order.events.last()) else {
            return Vec::new();
        };
        let still = before.asleep.iter().filter(|asleep| !dependent(asleep, &taken.event));
        still.cloned().collect()
    }

    /// Receives the effect of the operation chosen last. Returns whether it is new, and not part of
    /// the way to the branch.
    pub(super) fn happened(&mut self, happened: Happened) -> bool {
        let new = self.depth > self.order.events.len();
        if new {
            let taken = self.nodes[self.depth - 1].taken;
            if taken.op.kind.row().tries_lock {
                self.tried.insert(taken.object);
            }
            rounds::record(taken, happened, &mut self.order);
        }
        new
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint { traces: Some(self.traces), ..Fingerprint::default() }
    }

    /// Returns a digest that is the same for every search that explores the same traces, in any
    /// order.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn unexplored(&self) -> Option<Incomplete> {
        self.unexplored_beside(&self.tried, false)
    }

    /// As [`unexplored`](Self::unexplored), if other searches have reached mutexes that are tried.
    /// `share` is whether others have seen what this search does not know.
    pub(super) fn unexplored_beside(
        &self,
        tried: &FxHashSet<ObjectId>,
        share: bool,
    ) -> Option<Incomplete> {
        let reason = if self.crowded {
            return Some(Incomplete::Threads { limit: THREADS_MAX });
        } else if self.bounded {
            "a second spurious wake-up of one thread was not explored"
        } else if !self.kept_from.is_disjoint(tried) {
            "rounds of a thread were left out in which it takes a mutex that is tried"
        } else if share && !self.kept_from.is_empty() {
            "a share does not know whether a mutex is tried for which rounds were left out"
        } else {
            return None;
        };
        Some(Incomplete::LeftOut(reason.to_owned()))
    }

    /// Returns the mutexes that a thread tries.
    pub(super) fn tried(&self) -> &FxHashSet<ObjectId> {
        &self.tried
    }
}

/// The reason why a possible operation is left out.
enum LeftOut {
    /// It is a second spurious wake-up of a thread that is not known to sleep again.
    WakesAgain,
    /// It would repeat a round in which the thread has only looked at objects that have not
    /// changed.
    InVain(Looks),
}

//! A walk through the tree of executions, with sleep sets: what the stateless searches share.
//!
//! After a branch has been explored its operation is put to sleep: other branches need not begin
//! with it, until something that depends on it happens (P. Godefroid, "Partial-Order Methods for
//! the Verification of Concurrent Systems", 1996). An execution in which everybody sleeps is cut.
//! Of the executions that are not cut there is one for each trace, if every thread is *wanted*
//! first at every point; a search that wants fewer and still misses no trace comes to the same.
//!
//! A waiter can wake spuriously, look at its condition and sleep again as often as it likes. Such
//! a program has infinitely many traces, and without states to compare nobody would see that
//! nothing comes of it. If it is known that it looks again and sleeps again, it wakes only where
//! something has changed that it has looked at: see [`rounds`](super::rounds). Another one wakes
//! spuriously once in an execution; where it could have done so again, the search is not a proof and
//! says so.

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::dependency::{Event, dependent};
use super::happens_before::HappensBefore;
use super::rounds::Looks;
use crate::cycles;
use crate::explore::{Decision, Enabled, Happened, Point};
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;
use crate::mix::mix;
use crate::op::{ObjectId, ThreadId};
use crate::schedule::Choice;

/// How many threads can be told apart where orderings are explored one by one.
const THREADS_MAX: usize = 64;

/// A set of the first threads, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Threads(u64);

impl Threads {
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
    /// What need not be begun with here: what slept on arrival, and what has been explored.
    pub(super) asleep: Vec<Event>,
    /// Who is to move first, in one branch or another, unless asleep.
    pub(super) wanted: Threads,
    taken: Enabled,
}

impl Node {
    pub(super) fn can_move(&self, thread: ThreadId) -> bool {
        self.enabled.iter().any(|enabled| enabled.choice.thread == thread)
    }

    /// Whether nothing that `thread` can do here need be begun with.
    pub(super) fn sleeps(&self, thread: ThreadId) -> bool {
        self.enabled.iter().all(|e| e.choice.thread != thread || self.asleep(e.choice))
    }

    fn asleep(&self, choice: Choice) -> bool {
        self.asleep.iter().any(|asleep| asleep.what.choice == choice)
    }

    /// Any order will do. This one spares searchers of an array that others fill from the front
    /// half of their executions, and costs nobody anything.
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
    /// Executions that were not cut: each is another trace.
    traces: u64,
    digest: u64,
    /// Whether somebody was kept from waking spuriously a second time.
    bounded: bool,
    /// Whether somebody was kept from going round in vain.
    left_out: bool,
    /// Whether there were more threads than can be told apart, which is the end of the search.
    crowded: bool,
    /// If everybody whom no luck helps would only go round in vain at the last point, who polls.
    only_rounds: Option<cycles::Threads>,
    /// The mutexes that threads were kept away from, since they would only look.
    kept_from: FxHashSet<ObjectId>,
    /// The mutexes that somebody tries, and so can see who has them.
    tried: FxHashSet<ObjectId>,
}

/// A path that has been put aside.
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
    /// How many of the nodes' steps had happened: all, or all but the last.
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

    /// The path that was saved. What had happened on it has to happen again.
    pub(super) fn restore(saved: SavedPath, begun: bool) -> Self {
        let SavedPath { nodes, traces, digest, bounded, left_out, crowded, .. } = saved;
        let SavedPath { kept_from, tried, .. } = saved;
        let path = Self { nodes, traces, digest, bounded, left_out, begun, ..Self::default() };
        Self { kept_from, tried, crowded, ..path }
    }

    /// How deep it is, how many points there are to come back to, and the part of the tree that
    /// lies behind it. Each branch of a point is taken for an equal share; and there will be
    /// more branches than are wanted now, so this is an upper bound more often than not.
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

    /// Whether nothing is left to happen, but what is left out.
    pub(super) fn ends_at(&self, point: &dyn Point) -> bool {
        point.enabled().iter().all(|enabled| self.left_out(enabled).is_some())
    }

    /// Goes on to a point that has not been seen, with whoever is awake. `wanted` says who else
    /// is to be tried there.
    pub(super) fn choose(
        &mut self,
        point: &dyn Point,
        wanted: impl FnOnce(ThreadId) -> Threads,
    ) -> Decision {
        self.only_rounds = None;
        self.crowded = point.threads() > THREADS_MAX;
        if self.crowded {
            return Decision::Cut;
        }
        let mut enabled: SmallVec<[Enabled; 6]> = SmallVec::new();
        for what in point.enabled() {
            match self.left_out(what) {
                None => enabled.push(*what),
                Some(LeftOut::WakesAgain) => self.bounded = true,
                Some(LeftOut::InVain(looks)) => {
                    self.left_out = true;
                    self.kept_from.extend(looks.mutexes(&self.order));
                }
            }
        }
        // Luck may help somebody yet, but nobody may rely on it.
        if !enabled.iter().any(|what| what.guaranteed)
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
        let mut node = Node { taken: enabled[0], enabled, asleep, wanted: Threads::ALL };
        let Some(taken) = node.next() else { return Decision::Cut };
        node.taken = taken;
        node.wanted = wanted(taken.choice.thread);
        self.nodes.push(node);
        self.depth += 1;
        Decision::Take(taken.choice)
    }

    /// Leaves a point without a decision: what was found at the last one is not true of it.
    pub(super) fn pass_by(&mut self) {
        self.only_rounds = None;
    }

    /// Why `what` is left out, if it is.
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

    /// Whether there are more threads than can be told apart.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Whether somebody may be kept from going on who has not ended and does not wait.
    pub(super) fn leaves_out(&self) -> bool {
        self.bounded || self.left_out
    }

    fn polls_in_vain(&self, thread: ThreadId) -> bool {
        self.order.last_of(thread).is_some_and(|last| self.order.events[last].event.round.polls)
    }

    /// If everybody whom no luck helps would only go round in vain at the last point, who polls.
    pub(super) fn only_rounds(&self) -> Option<cycles::Threads> {
        self.only_rounds
    }

    /// Whether `thread` has woken spuriously in the first so many events.
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

    /// Hears what the operation chosen last turned out to be; true if it is a new one, and not
    /// part of the way to the branch.
    pub(super) fn happened(&mut self, happened: Happened) -> bool {
        let new = self.depth > self.order.events.len();
        if new {
            let taken = self.nodes[self.depth - 1].taken;
            let mut event = Event::new(taken, happened);
            let mut enabled_by = None;
            if let Some(looks) = Looks::before(&taken, &self.order) {
                event.watches = looks.watches().collect();
                if let [change] = looks.changes(event.thread(), &self.order)[..]
                    && looks.waits_for_change(&taken)
                {
                    enabled_by = Some(change);
                }
            }
            if event.kind().row().tries_lock {
                self.tried.insert(event.what.object);
            }
            self.order.push(event, enabled_by);
        }
        new
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint { traces: Some(self.traces), ..Fingerprint::default() }
    }

    /// The same for every search that explores the same traces, in whatever order.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn unexplored(&self) -> Option<Incomplete> {
        self.unexplored_beside(&self.tried, false)
    }

    /// As [`unexplored`](Self::unexplored), if others have come to mutexes that are tried.
    /// `share`: whether others have come to what this search does not know of.
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
            "whether a mutex is tried, in the sections of which rounds were left out, a share does not know"
        } else {
            return None;
        };
        Some(Incomplete::LeftOut(reason.to_owned()))
    }

    /// The mutexes that somebody tries.
    pub(super) fn tried(&self) -> &FxHashSet<ObjectId> {
        &self.tried
    }
}

/// Why something that can happen is left out.
enum LeftOut {
    /// It is a second wake-up for no reason, of a thread of which it is not known what it does then.
    WakesAgain,
    /// It would begin a round again in which the thread has only looked, at what has not changed.
    InVain(Looks),
}

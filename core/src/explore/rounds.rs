//! Rounds in vain: a thread that polls, or is woken, looks at something and goes back to where it was.
//!
//! Such a round has no end of repetitions, and a search that compares no states would run each of
//! them. But if the thread has only looked, an execution with the round and one without come to the
//! same: whatever the others do then, they can do in the other one too, and the thread can begin its
//! round later. So of the executions with rounds in vain one is enough, and after it the thread goes on
//! only when something has changed that it has looked at. That is the assumption that model checkers
//! make of spin loops (M. Kokologiannakis, X. Ren and V. Vafeiadis, "Dynamic partial order reductions
//! for spinloops", FMCAD 2021).
//!
//! Two places in a program say that a thread comes back to where it was: the end of a round of
//! [`poll`](crate::poll) and [`forever`](crate::forever), and a sleep that is part of a `wait_event`,
//! which looks at its condition again after each wake-up. A round only looks if each of its
//! operations leaves its object as it was, or takes and gives back a mutex without a change of the
//! data behind it. The latter others see who try that mutex; so a search in which a mutex is tried
//! that a thread was kept away from is no proof. A round that tries a mutex itself, and is refused,
//! looks at who has it.
//!
//! Whoever waits exclusively is not such a case: while it is awake, a wake-up goes to another.

use smallvec::SmallVec;

use crate::machine::KEEP;
use crate::op::{ObjectId, RECHECKS, RECHECKS_LOCKED, ThreadId};
use crate::operations::OpKind;

use super::Enabled;
use super::dependency::{Event, Watch};
use super::happens_before::HappensBefore;

/// What a thread has looked at in vain, each object with the event of the first look.
pub(super) struct Looks(SmallVec<[(Watch, usize); 4]>);

/// The mutexes that a round leaves as it has found them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// Each that it takes it gives back.
    All,
    /// And it has given back one that it takes again before it comes to where it began.
    ButOne,
}

impl Looks {
    /// What the thread of `what` has looked at in the round that this operation begins again, if it
    /// does, and the thread has only looked.
    ///
    /// A sleep begins a round however it ends: that it ends with a wake-up does not mean that it could
    /// not have ended with a change before.
    pub(super) fn before(what: &Enabled, order: &HappensBefore) -> Option<Self> {
        let thread = what.choice.thread;
        let last = order.last_of(thread)?;
        let rounds = order.events[last].event.round.operations as usize;
        if rounds > 0 {
            // Of rounds in this one that were in vain only the last is counted.
            let mut left = rounds;
            let mut first = last;
            let in_round = order.of(thread).take_while(|at| {
                let in_round = left > 0;
                if *at != last {
                    left += order.events[*at].event.round.operations as usize;
                }
                left = left.saturating_sub(1);
                if in_round {
                    first = *at;
                }
                in_round
            });
            let looks = Self::collect(in_round, Leaves::All, order);
            // A thread may go on elsewhere, knowing no more than before.
            let first = &order.events[first].event.what;
            let again = (first.object, first.op) == (what.object, what.op);
            return looks.filter(|_| again);
        }
        let leaves = match what.op.b {
            RECHECKS => Leaves::All,
            RECHECKS_LOCKED => Leaves::ButOne,
            _ => return None,
        };
        what.op.kind.row().wakes_spuriously.then(|| {
            let queued = |at: &usize| order.events[*at].event.kind() != OpKind::PrepareToWait;
            Self::collect(order.of(thread).take_while(queued), leaves, order)
        })?
    }

    /// `events`: from the last to the first.
    fn collect(
        events: impl Iterator<Item = usize>,
        leaves: Leaves,
        order: &HappensBefore,
    ) -> Option<Self> {
        let mut looks: SmallVec<[(Watch, usize); 4]> = SmallVec::new();
        let mut given_back: SmallVec<[ObjectId; 2]> = SmallVec::new();
        for at in events {
            let event = &order.events[at].event;
            if !event.only_looks() {
                return None;
            }
            let object = event.what.object;
            if event.kind().row().unlocks {
                given_back.push(object);
            } else if event.kind().row().locks {
                // Whoever keeps a mutex does not come back to where it was.
                let given = given_back.iter().rposition(|given| *given == object)?;
                given_back.remove(given);
            }
            let mut owner = event.kind().row().tries_lock;
            looks.retain(|(watch, _)| {
                let same = watch.object == object;
                owner |= same && watch.owner;
                !same
            });
            looks.push((Watch { object, owner }, at));
        }
        let left = given_back.len() <= usize::from(leaves == Leaves::ButOne);
        left.then_some(Self(looks))
    }

    /// Whether `what` need not happen, since nothing comes of it.
    pub(super) fn in_vain(&self, what: &Enabled, order: &HappensBefore) -> bool {
        self.waits_for_change(what) && self.changes(what.choice.thread, order).is_empty()
    }

    /// Whether nothing but a change makes `what` possible: a signal ends a sleep too, and a wake-up.
    pub(super) fn waits_for_change(&self, what: &Enabled) -> bool {
        !what.op.kind.row().wakes_spuriously || what.wakes_spuriously()
    }

    /// The events of others that have changed something after the look at it.
    pub(super) fn changes(&self, thread: ThreadId, order: &HappensBefore) -> SmallVec<[usize; 2]> {
        let mut changes = SmallVec::new();
        for (watch, look) in &self.0 {
            let on_object = order.on(watch.object).take_while(|at| at > look);
            changes.extend(on_object.filter(|at| {
                let event = &order.events[*at].event;
                event.thread() != thread && event.changes(*watch)
            }));
            // The memory may be gone.
            let freed = |at: &usize| order.events[*at].event.frees.contains(&watch.object);
            changes.extend((look + 1..order.events.len()).filter(freed));
        }
        changes
    }

    /// The mutexes behind which it has looked.
    pub(super) fn mutexes(&self, order: &HappensBefore) -> impl Iterator<Item = ObjectId> {
        let kind = |at: usize| order.events[at].event.kind();
        let mutexes =
            self.0.iter().filter(move |(_, at)| kind(*at).row().locks || kind(*at).row().unlocks);
        mutexes.map(|(watch, _)| watch.object)
    }

    pub(super) fn watches(&self) -> impl Iterator<Item = Watch> {
        self.0.iter().map(|(watch, _)| *watch)
    }
}

impl Event {
    /// Whether nobody can see later that it has happened: see the module's text.
    fn only_looks(&self) -> bool {
        let kind = self.kind();
        let gives_back = kind.row().unlocks && self.what.op.a == KEEP;
        self.what.guaranteed
            && !self.creates
            && self.frees.is_empty()
            && (self.reads() || kind.row().locks || gives_back)
    }

    /// Whether it is about what somebody has looked at, who may see something else afterwards.
    pub(super) fn changes(&self, watch: Watch) -> bool {
        let gives_back = self.kind().row().unlocks && self.what.op.a == KEEP && !watch.owner;
        self.what.object == watch.object && !self.reads() && !self.acquires() && !gives_back
    }
}

impl Enabled {
    /// Whether it is a wake-up for no reason: the last of the optional outcomes of a sleep, since a
    /// signal comes before.
    pub(super) fn wakes_spuriously(&self) -> bool {
        let signal = matches!(self.op.kind, OpKind::SleepInterruptible | OpKind::SleepKillable)
            && self.choice.outcome == 0;
        self.op.kind.row().wakes_spuriously && !self.guaranteed && !signal
    }
}

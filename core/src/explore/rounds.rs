//! Rounds in vain: a thread that polls, or is woken, looks at something and returns to the local
//! state that it had before.
//!
//! Such a round can be repeated without end, and a search that compares no states would run each
//! repetition. But if the thread has only looked, executions with and without the round are
//! equivalent: whatever the other threads do after it, they can do without it too, and the thread
//! can begin its round later. One execution with a round in vain therefore suffices. After it the
//! thread continues only when something has changed that it has looked at. Model checkers make this
//! assumption of spin loops (M. Kokologiannakis, X. Ren and V. Vafeiadis, "Dynamic partial order
//! reductions for spinloops", FMCAD 2021).
//!
//! A thread returns to an earlier local state at two places: the end of a round of
//! [`poll`](crate::poll) and [`forever`](crate::forever), and a sleep that is part of a
//! `wait_event`, which evaluates its condition again after each wake-up. A round only looks if each
//! of its operations leaves its object as it was, or takes and releases a mutex without a change of
//! the data behind it. A thread that tries that mutex can see the latter. A search in which a mutex
//! is tried that a thread was kept from is therefore not a proof. A round that itself tries a
//! mutex, and is refused, looks at its owner.
//!
//! An exclusive waiter is not such a case: while it is awake, a wake-up goes to another.
//!
//! A load of a word of the memory is a look, though it changes what its thread may read later: an
//! execution of RC11 from which a load is removed is one too. It may have read a store that is not
//! the last. Such a round is not repeated either, for the execution in which the load reads the
//! last store is explored beside this one. But nothing follows from it about a thread that polls
//! for good.

use smallvec::SmallVec;

use crate::machine::KEEP;
use crate::op::{ObjectId, RECHECKS, RECHECKS_LOCKED, ThreadId};
use crate::operations::OpKind;

use super::dependency::{Event, Watch};
use super::happens_before::HappensBefore;
use super::{Enabled, Happened};

/// The objects that a thread has looked at in vain, each with the event of the first look.
pub(super) struct Looks(SmallVec<[(Watch, usize); 4]>);

/// The mutexes that a round leaves as it has found them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// It releases each mutex that it takes.
    All,
    /// It also has released one before that it takes again at the end of the round.
    ButOne,
    /// It releases each mutex that it takes. It begins where it wakes up from a condition variable
    /// by itself, and waits for that again at its end.
    AllAndWaits,
}

/// Adds an operation to the happens-before relation, with what it has to come after because its
/// thread begins a round again.
pub(super) fn record(taken: Enabled, happened: Happened, order: &mut HappensBefore) {
    let mut event = Event::new(taken, happened);
    let mut enabled_by = None;
    if let Some(looks) = Looks::before(&taken, order) {
        event.watches = looks.watches().collect();
        if let [change] = looks.changes(event.thread(), order)[..] {
            enabled_by = looks.waits_for_change(&taken).then_some(change);
        }
    }
    order.push(event, enabled_by);
}

impl Looks {
    /// Returns what the thread of `what` has looked at in the round that this operation begins
    /// again, if it begins one, and the thread has only looked.
    ///
    /// A sleep begins a round whatever its outcome: a sleep that ended with a wake-up could have
    /// ended with a change before.
    pub(super) fn before(what: &Enabled, order: &HappensBefore) -> Option<Self> {
        let thread = what.choice.thread;
        let last = order.last_of(thread)?;
        if order.events[last].event.round.operations > 0 {
            return Self::of_rounds(what, last, order);
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

    /// Returns what the thread has looked at in the round that ends with the event `last`, which
    /// the operation begins again. A wait may end by itself in two ways. A round that has begun
    /// with the other may do something else, so those before it count too, up to one that has begun
    /// with the same.
    fn of_rounds(what: &Enabled, last: usize, order: &HappensBefore) -> Option<Self> {
        let wakes = what.op.kind == OpKind::CondvarWakes;
        let leaves = if wakes { Leaves::AllAndWaits } else { Leaves::All };
        let mut events: SmallVec<[usize; 8]> = SmallVec::new();
        let mut next = Some(last);
        while let Some(end) = next.filter(|end| order.events[*end].event.round.operations > 0) {
            // Of the rounds in vain within this one only the last counts.
            let mut left = order.events[end].event.round.operations as usize;
            let mut first = end;
            for at in std::iter::successors(next, |at| order.before(*at)) {
                if left == 0 {
                    break;
                }
                if at != end {
                    left += order.events[at].event.round.operations as usize;
                }
                left = left.saturating_sub(1);
                events.push(at);
                first = at;
            }
            // A thread may continue elsewhere with the same observations.
            let begins = &order.events[first].event.what;
            if (begins.object, begins.op) == (what.object, what.op) {
                return Self::collect(events.into_iter(), leaves, order);
            }
            if !wakes || (begins.object, begins.op.kind) != (what.object, what.op.kind) {
                return None;
            }
            next = order.before(first);
        }
        None
    }

    /// `events` are in order from the last to the first.
    fn collect(
        events: impl Iterator<Item = usize>,
        leaves: Leaves,
        order: &HappensBefore,
    ) -> Option<Self> {
        let mut looks: SmallVec<[(Watch, usize); 4]> = SmallVec::new();
        let mut released: SmallVec<[ObjectId; 2]> = SmallVec::new();
        for at in events {
            let event = &order.events[at].event;
            let waits = leaves == Leaves::AllAndWaits && event.waits_in_vain();
            if !(waits || event.only_looks()) {
                return None;
            }
            let (object, word) = (event.what.object, event.what.op.weak.object());
            if event.kind().row().unlocks {
                released.push(object);
            } else if event.kind().row().locks {
                // A thread that keeps a mutex does not return to its earlier local state.
                let place = released.iter().rposition(|mutex| *mutex == object)?;
                released.remove(place);
            }
            let mut owner = event.kind().row().tries_lock;
            looks.retain(|(watch, _)| {
                let same = (watch.object, watch.word) == (object, word);
                owner |= same && watch.owner;
                !same
            });
            looks.push((Watch { object, owner, word }, at));
        }
        let left = released.len() <= usize::from(leaves == Leaves::ButOne);
        left.then_some(Self(looks))
    }

    /// Returns whether `what` need not happen, since it has no effect.
    pub(super) fn in_vain(&self, what: &Enabled, order: &HappensBefore) -> bool {
        self.waits_for_change(what) && self.changes(what.choice.thread, order).is_empty()
    }

    /// Returns whether only a change makes `what` possible; a signal and a wake-up end a sleep too.
    pub(super) fn waits_for_change(&self, what: &Enabled) -> bool {
        !what.op.kind.row().wakes_spuriously || what.wakes_spuriously()
    }

    /// Returns the events of other threads that have changed something after the look at it.
    pub(super) fn changes(&self, thread: ThreadId, order: &HappensBefore) -> SmallVec<[usize; 2]> {
        let mut changes = SmallVec::new();
        for (watch, look) in &self.0 {
            let on_object = order.on(watch.object).take_while(|at| at > look);
            changes.extend(on_object.filter(|at| {
                let event = &order.events[*at].event;
                event.thread() != thread && event.changes(*watch)
            }));
            // The memory may be freed.
            let freed = |at: &usize| order.events[*at].event.frees.contains(&watch.object);
            changes.extend((look + 1..order.events.len()).filter(freed));
        }
        changes
    }

    /// Returns whether it has read a store of the memory though there was a later one, which it
    /// reads at some time if it looks again.
    pub(super) fn are_stale(&self, order: &HappensBefore) -> bool {
        self.0.iter().any(|(watch, at)| {
            let outcome = order.events[*at].event.what.choice.outcome;
            watch.word.is_some() && outcome > 0
        })
    }

    /// Returns the mutexes whose data it has looked at.
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
    /// Returns whether no thread can see later that it has happened: see the module's
    /// documentation.
    fn only_looks(&self) -> bool {
        let kind = self.kind();
        let releases = kind.row().unlocks && self.what.op.a == KEEP;
        self.what.guaranteed
            && !self.creates
            && self.frees.is_empty()
            && (self.leaves_as_it_was() || kind.row().locks || releases)
    }

    /// Returns whether it is a part of a wait for a condition variable that ends by itself. If the
    /// thread waits again, the waiters are as they were. Whether a notification came in between
    /// shows in [`Looks::changes`].
    fn waits_in_vain(&self) -> bool {
        match self.kind() {
            OpKind::CondvarWakes => self.reply == 1,
            kind => kind == OpKind::CondvarWait && !self.creates,
        }
    }

    /// Returns whether it may change what a thread sees that has looked at `watch`.
    pub(super) fn changes(&self, watch: Watch) -> bool {
        let releases = self.kind().row().unlocks && self.what.op.a == KEEP && !watch.owner;
        // Only a notification changes what another waiter can expect.
        let waits = matches!(self.kind(), OpKind::CondvarWait | OpKind::CondvarWakes);
        (self.what.object, self.what.op.weak.object()) == (watch.object, watch.word)
            && !self.leaves_as_it_was()
            && !self.acquires()
            && !releases
            && !waits
    }
}

impl Enabled {
    /// Returns whether it is a spurious wake-up: the last of the optional outcomes of a sleep,
    /// since a signal comes before.
    pub(super) fn wakes_spuriously(&self) -> bool {
        let signal = matches!(self.op.kind, OpKind::SleepInterruptible | OpKind::SleepKillable)
            && self.choice.outcome == 0;
        self.op.kind.row().wakes_spuriously && !self.guaranteed && !signal
    }

    /// Returns whether it is a spurious wake-up that was decided on at the beginning of the wait.
    /// Nothing follows from it about who waits for good: the wait could have ended otherwise.
    pub(super) fn wakes_by_itself(&self) -> bool {
        self.op.kind == OpKind::CondvarWakes && self.op.a == 0
    }
}

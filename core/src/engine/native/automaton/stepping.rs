//! The steps of the automaton: the transitions of a state, for each kind of search.

use smallvec::SmallVec;

use crate::cycles::{Threads, Waits, bit};
use crate::engine::native::successor::Successor;
use crate::explore::{CameRound, Enabled};
use crate::machine::{Fault, Ready};
use crate::op::{ObjectId, Op, ThreadId};
use crate::runtime::native::{Dimensions, FREED};
use crate::schedule::Choice;

use super::state::{NextOp, State, numbers, pair, parts};
use super::{
    Automaton, ClosedKey, Continuation, Expanded, Leads, NumberedEffect, Transition, Transitions,
    Unknown, Violated,
};

/// The effect of a step.
enum Does<'a> {
    Changes(Changes<'a>),
    Violates(Violated<'a>),
}

/// The changes of a step: the new state of the object, the continuation of the thread, and the
/// rest.
struct Changes<'a> {
    object: u32,
    thread: u32,
    effects: &'a [NumberedEffect],
}

impl Automaton {
    /// Expands `state`: each transition is passed to `leads`, with the thread and the outcome. If
    /// `reduced`, a mutex that can be unlocked is, and nothing else is tried.
    pub(in crate::engine::native) fn expand(
        &self,
        state: &State,
        reduced: bool,
        scratch: &mut Vec<u32>,
        mut leads: impl FnMut(ThreadId, u8, Leads<'_>),
    ) -> Result<Expanded, Unknown> {
        let (_, threads, _) = parts(state);
        if let Some(next_op) = reduced.then(|| self.unlock_first(threads)).flatten() {
            self.advance(state, next_op, scratch, &mut leads)?;
            return Ok(Expanded::Continues);
        }
        let mut expanded = Expanded::Terminal;
        let mut waits = false;
        for (next_op, _) in self.next_ops(threads) {
            let meeting = self.advance(state, next_op, scratch, &mut leads)?;
            if meeting.ready.guaranteed > 0 {
                expanded = Expanded::Continues;
            }
            waits |= meeting.blockers != 0;
        }
        if waits && expanded == Expanded::Continues {
            let closed = self.closed(state)?;
            if closed != 0 {
                return Ok(Expanded::Closed(closed));
            }
        }
        Ok(expanded)
    }

    /// Returns the threads that wait for each other in `state`, whatever the others do.
    pub(in crate::engine::native) fn closed(&self, state: &State) -> Result<Threads, Unknown> {
        let (_, threads, _) = parts(state);
        let mut waits = Waits::default();
        for (thread, number) in threads.iter().enumerate() {
            match self.next_op_of(thread, *number) {
                Some((next_op, _)) => {
                    waits.waits(next_op.thread, self.meeting(state, next_op)?.blockers)
                }
                None => waits.ended(ThreadId::new(thread)),
            }
        }
        Ok(waits.closed())
    }

    /// Returns a key that distinguishes a closed set of threads from others.
    pub(in crate::engine::native) fn closed_key(
        &self,
        state: &State,
        closed: Threads,
    ) -> ClosedKey {
        let (_, threads, _) = parts(state);
        let next_ops = self.next_ops(threads).map(|(next_op, _)| next_op);
        let next_ops = next_ops.filter(|next_op| closed & bit(next_op.thread) != 0);
        next_ops
            .map(|next_op| numbers(state, next_op))
            .map(|(thread, object)| pair(thread, object))
            .collect()
    }

    /// Returns a thread that is about to unlock a mutex that no thread tries.
    fn unlock_first(&self, threads: &[u32]) -> Option<NextOp> {
        let mut next_ops = self.next_ops(threads);
        let first =
            next_ops.find(|(next_op, op)| op.kind.row().unlocks && !self.tried(next_op.object));
        first.map(|(next_op, _)| next_op)
    }

    /// Unlocks every mutex that can be unlocked first, and passes its thread to `each`, with
    /// whether it polls as it does. Stops before a step with further effects: one that violates
    /// something, or creates something.
    pub(in crate::engine::native) fn unlock_all(
        &self,
        state: &mut Vec<u32>,
        mut each: impl FnMut(ThreadId, bool),
    ) -> Result<(), Unknown> {
        while let Some(next_op) = self.unlock_first(parts(state).1) {
            let polls = self.polls(state, next_op.thread);
            let transition = self.meeting(state, next_op)?.outcomes[0].0;
            if matches!(transition, Transition::Creates { .. }) {
                return Ok(());
            }
            let Does::Changes(changes) = self.does(state, next_op, 0, transition)? else {
                return Ok(());
            };
            let change = |state: &mut Vec<u32>| {
                changes.at(state, next_op).into_iter().for_each(|(at, number)| state[at] = number);
            };
            if changes.effects.is_empty() {
                // The common case, which nothing can prevent.
                change(state);
            } else {
                let mut next = state.clone();
                change(&mut next);
                if self.take_effect(changes.effects, &mut next)?.is_some() {
                    return Ok(());
                }
                *state = next;
            }
            each(next_op.thread, polls);
        }
        Ok(())
    }

    /// Passes on the successor of an operation for each outcome that it has now.
    #[inline(always)]
    fn advance(
        &self,
        state: &State,
        next_op: NextOp,
        scratch: &mut Vec<u32>,
        leads: &mut impl FnMut(ThreadId, u8, Leads<'_>),
    ) -> Result<&Transitions, Unknown> {
        let meeting = self.meeting(state, next_op)?;
        for (outcome, (transition, _)) in (0..).zip(&meeting.outcomes) {
            let next = match *transition {
                // The common case, in which nothing has to be looked up or copied.
                Transition::Continues { object, thread } => {
                    let changes = Changes { object, thread, effects: &[] };
                    Leads::To(Successor::new(state, changes.at(state, next_op)))
                }
                transition => match self.does(state, next_op, outcome, transition)? {
                    Does::Violates(what) => Leads::Violates(what),
                    Does::Changes(changes) => match self.go(state, next_op, &changes, scratch)? {
                        Ok(()) => Leads::To(Successor::whole(scratch)),
                        Err(what) => Leads::Violates(what),
                    },
                },
            };
            leads(next_op.thread, outcome, next);
        }
        Ok(meeting)
    }

    /// Returns what can happen at an operation.
    #[inline(always)]
    fn meeting(&self, state: &State, next_op: NextOp) -> Result<&Transitions, Unknown> {
        let (thread, object) = numbers(state, next_op);
        self.transitions.get(&pair(thread, object)).ok_or(Unknown::Transitions(thread, object))
    }

    /// Returns the effect of a step out of `state`.
    fn does(
        &self,
        state: &State,
        next_op: NextOp,
        outcome: u8,
        transition: Transition,
    ) -> Result<Does<'_>, Unknown> {
        let (object, continuation) = match transition {
            Transition::Continues { object, thread } => {
                return Ok(Does::Changes(Changes { object, thread, effects: &[] }));
            }
            Transition::Does { object, continuation } => (object, continuation),
            Transition::Creates { object, creator } => {
                let continuation = self.creators[creator as usize].get(&parts(state).0);
                (object, *continuation.ok_or(Unknown::Step(next_op.thread, outcome))?)
            }
            Transition::Unseen => return Err(Unknown::Step(next_op.thread, outcome)),
            Transition::Faults(fault) => {
                return Ok(Does::Violates(Violated::Rule(next_op.object, fault)));
            }
        };
        Ok(match &self.continuations[continuation as usize] {
            // The effects of the step come before what its thread did next.
            Continuation { violated: Some(kind), effects, .. } => {
                let broken = self.take_effect(effects, &mut state.to_vec())?;
                let rule = |(object, fault)| Violated::Rule(object, fault);
                Does::Violates(broken.map_or(Violated::Other(kind), rule))
            }
            Continuation { next, effects, violated: None, .. } => {
                let thread = *next + self.alike.place(next_op.thread);
                Does::Changes(Changes { object, thread, effects })
            }
        })
    }

    /// Writes the successor of `state` by a step to `next`, unless an effect apart from its
    /// operation violates the rule of an object.
    fn go(
        &self,
        state: &State,
        next_op: NextOp,
        changes: &Changes<'_>,
        next: &mut Vec<u32>,
    ) -> Result<Result<(), Violated<'_>>, Unknown> {
        Successor::new(state, changes.at(state, next_op)).write_to(next);
        let broken = self.take_effect(changes.effects, next)?;
        Ok(broken.map_or(Ok(()), |(object, fault)| Err(Violated::Rule(object, fault))))
    }

    /// Returns what can happen in `state`, for a search that chooses among it, and the threads that
    /// wait for each other there.
    pub(in crate::engine::native) fn enabled(
        &self,
        state: &State,
    ) -> Result<(SmallVec<[Enabled; 6]>, Threads), Unknown> {
        let (_, threads, _) = parts(state);
        let (mut enabled, mut waits) = (SmallVec::new(), false);
        for (next_op, op) in self.next_ops(threads) {
            let meeting = self.meeting(state, next_op)?;
            enabled.extend(Enabled::each_outcome(
                next_op.thread,
                next_op.object,
                op,
                meeting.ready,
            ));
            waits |= meeting.blockers != 0;
        }
        let closed = if waits { self.closed(state)? } else { 0 };
        Ok((enabled, closed))
    }

    /// Returns what is announced in `state` and cannot happen. Everything about `state` must be
    /// known.
    pub(in crate::engine::native) fn blocked(
        &self,
        state: &State,
    ) -> Vec<(ThreadId, ObjectId, Op)> {
        let mut blocked = Vec::new();
        let known = self.each_pending(state, |thread, (object, op), ready| {
            if ready == Ready::NO {
                blocked.push((thread, object, op));
            }
        });
        known.expect("the caller has asked what is enabled");
        blocked
    }

    /// Returns whether the next operation of `thread` is a look at something that it polls for.
    pub(in crate::engine::native) fn polls(&self, state: &State, thread: ThreadId) -> bool {
        let (_, threads, _) = parts(state);
        self.threads[threads[thread.index()] as usize].next.polls
    }

    /// Enumerates the announced operations of all threads that have something to do, with their
    /// outcomes in `state`.
    pub(in crate::engine::native) fn each_pending(
        &self,
        state: &State,
        mut look: impl FnMut(ThreadId, (ObjectId, Op), Ready),
    ) -> Result<(), Unknown> {
        let (_, threads, _) = parts(state);
        for (next_op, op) in self.next_ops(threads) {
            let meeting = self.meeting(state, next_op)?;
            if !meeting.idles {
                look(next_op.thread, (next_op.object, op), meeting.ready);
            }
        }
        Ok(())
    }

    /// Returns the observation of the thread in the step that `choice` takes, and the violation of
    /// the step. Without a violation, `next` is its successor.
    pub(in crate::engine::native) fn step(
        &self,
        state: &State,
        choice: Choice,
        next: &mut Vec<u32>,
    ) -> Result<(u64, Result<(), Violated<'_>>), Unknown> {
        let Choice { thread, outcome } = choice;
        let next_op = self.next_op(state, thread);
        let (transition, reply) = self.meeting(state, next_op)?.outcomes[usize::from(outcome)];
        Ok(match self.does(state, next_op, outcome, transition)? {
            Does::Violates(what) => (reply, Err(what)),
            Does::Changes(changes) => (reply, self.go(state, next_op, &changes, next)?),
        })
    }

    /// Returns the objects whose memory the step that `choice` takes releases, and whether it
    /// returns its thread to an earlier local state.
    pub(in crate::engine::native) fn aside(
        &self,
        state: &State,
        choice: Choice,
    ) -> (Box<[ObjectId]>, CameRound) {
        if !self.asides {
            return Default::default();
        }
        let next_op = self.next_op(state, choice.thread);
        let Ok(meeting) = self.meeting(state, next_op) else { return Default::default() };
        let continuation = match meeting.outcomes[usize::from(choice.outcome)].0 {
            Transition::Does { continuation, .. } => Some(continuation),
            Transition::Creates { creator, .. } => {
                self.creators[creator as usize].get(&parts(state).0).copied()
            }
            Transition::Continues { .. } | Transition::Unseen | Transition::Faults(_) => None,
        };
        let Some(continuation) = continuation else { return Default::default() };
        let Continuation { effects, round, .. } = &self.continuations[continuation as usize];
        let freed = |effect: &NumberedEffect| match effect {
            NumberedEffect::Set(object, FREED) => Some(*object),
            _ => None,
        };
        (effects.iter().filter_map(freed).collect(), *round)
    }

    /// Returns the threads that cannot continue in `state`, in which everything is known.
    pub(in crate::engine::native) fn waiting(&self, state: &State) -> Threads {
        let mut waiting = 0;
        let known = self.each_pending(state, |thread, _, ready| {
            waiting |= if ready.guaranteed == 0 { bit(thread) } else { 0 };
        });
        known.expect("the caller has asked what is enabled");
        waiting
    }

    /// Applies `effects` to `state`. Fails with the object whose rule one of them violates.
    fn take_effect(
        &self,
        effects: &[NumberedEffect],
        state: &mut Vec<u32>,
    ) -> Result<Option<(ObjectId, Fault)>, Unknown> {
        for effect in effects {
            let dimensions = Dimensions(state[0]);
            match *effect {
                NumberedEffect::Set(id, value) => {
                    let object = &mut state[1 + dimensions.threads() + id.index()];
                    let becomes = self.assignments.get(&(*object, value));
                    match *becomes.ok_or(Unknown::Assignment(*object, value))? {
                        Ok(becomes) => *object = becomes,
                        Err(fault) => return Ok(Some((id, fault))),
                    }
                }
                NumberedEffect::Made(object) => {
                    state[0] = Dimensions::new(dimensions.threads(), dimensions.objects() + 1).0;
                    state.push(object);
                }
                NumberedEffect::Spawned(thread) => {
                    state[0] = Dimensions::new(dimensions.threads() + 1, dimensions.objects()).0;
                    state.insert(1 + dimensions.threads(), thread);
                }
            }
        }
        Ok(None)
    }
}

impl Changes<'_> {
    /// Returns the words of `state` that change, without the effects.
    fn at(&self, state: &State, next_op: NextOp) -> [(usize, u32); 2] {
        let threads = Dimensions(state[0]).threads();
        [
            (1 + next_op.thread.index(), self.thread),
            (1 + threads + next_op.object.index(), self.object),
        ]
    }
}

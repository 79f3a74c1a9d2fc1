//! Choices among the outcomes of an operation, on threads that a host schedules.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::{Machine, Ready};
use crate::op::{ObjectId, Op, ThreadId};
use crate::schedule::Choice;

/// The source of the choices among the outcomes of an operation.
pub(crate) enum ChoiceSource {
    /// The choices are given in advance: the n-th question to a thread gets the answer recorded for
    /// it, or 0. Each question is recorded, with the number of possible answers.
    Scripted {
        answers: BTreeMap<ChoicePoint, u8>,
        asked: BTreeMap<ChoicePoint, u8>,
        count: BTreeMap<ThreadId, u32>,
        /// The threads that have woken spuriously.
        woken: BTreeSet<ThreadId>,
    },
    /// The engine chooses at random.
    Random(fn(u8) -> u8),
    /// The engine chooses before it resumes the thread: it schedules operations, not threads. For
    /// that it has to see what the threads see.
    Scheduled {
        chosen: Option<Choice>,
        /// Every object, as the last operation has left it.
        machines: Vec<Box<dyn Machine>>,
    },
}

/// The n-th question to a thread, from 0.
pub(crate) type ChoicePoint = (ThreadId, u32);

impl ChoiceSource {
    /// Creates a source that answers every question with 0 until answers are given.
    pub(crate) fn given() -> Self {
        Self::Scripted {
            answers: BTreeMap::new(),
            asked: BTreeMap::new(),
            count: BTreeMap::new(),
            woken: BTreeSet::new(),
        }
    }

    /// Creates a source for a scheduler of operations, with no operation chosen yet.
    pub(crate) fn turns() -> Self {
        Self::Scheduled { chosen: None, machines: Vec::new() }
    }

    /// Returns the outcome of `op` of `me`, of those possible now, the guaranteed ones first. If
    /// there is no guaranteed one, 0 means that the thread waits, and the optional ones are
    /// numbered from 1.
    pub(super) fn ask(
        &mut self,
        me: ThreadId,
        op: Op,
        ready: Ready,
        unexplored: &mut Option<String>,
    ) -> u8 {
        let outcomes = ready.guaranteed.max(1) + ready.optional;
        match self {
            Self::Random(draw) => draw(outcomes),
            Self::Scheduled { chosen, .. } => {
                let mine = chosen.filter(|choice| choice.thread == me);
                mine.map_or(0, |choice| choice.outcome + u8::from(ready.guaranteed == 0))
            }
            Self::Scripted { answers, asked, count, woken } => {
                let spurious = op.kind.row().wakes_spuriously && ready.optional > 0;
                let again = spurious && woken.contains(&me);
                if again {
                    // A waiter that wakes in vain asks again, for ever.
                    *unexplored = Some("a second spurious wake-up of one thread".to_owned());
                }
                let open = outcomes - u8::from(again);
                if open == 1 {
                    return 0;
                }
                let number = count.entry(me).or_default();
                let question = (me, *number);
                *number += 1;
                // In another interleaving the same question may have had more answers. An answer
                // that is not possible here was tried as the last possible one.
                let most = asked.entry(question).or_default();
                *most = open.max(*most);
                let answer = answers.get(&question).copied().unwrap_or(0).min(open - 1);
                if spurious && answer == outcomes - 1 {
                    woken.insert(me);
                }
                answer
            }
        }
    }

    pub(super) fn see(&mut self, object: ObjectId, machine: &(dyn Machine + 'static)) {
        if let Self::Scheduled { machines, .. } = self {
            machines[object.index()] = dyn_clone::clone_box(machine);
        }
    }
}

//! Who answers where an operation can end in more than one way, on threads that a host schedules.

use std::collections::{BTreeMap, BTreeSet};

use crate::explore::Choice;
use crate::machine::{Machine, Ready};
use crate::op::{ObjectId, Op, OpKind, ThreadId};

/// Who answers where an operation can end in more than one way.
pub(crate) enum Chooser {
    /// The answers are given in advance: the n-th question to a thread gets the answer noted
    /// for it, or 0. What was asked is noted, with the number of possible answers.
    Given {
        answers: BTreeMap<Question, u8>,
        asked: BTreeMap<Question, u8>,
        count: BTreeMap<ThreadId, u32>,
        /// Threads that have woken spuriously.
        woken: BTreeSet<ThreadId>,
    },
    /// The engine's own randomness answers.
    Random(fn(u8) -> u8),
    /// The engine has answered before it let the thread go on: it schedules operations, not
    /// threads. For that it has to see what the threads see.
    Turns {
        chosen: Option<Choice>,
        /// Every object as the last operation has left it.
        machines: Vec<Box<dyn Machine>>,
    },
}

/// The n-th question to a thread, from 0.
pub(crate) type Question = (ThreadId, u32);

impl Chooser {
    /// Every question is answered with 0 until answers are given.
    pub(crate) fn given() -> Self {
        Self::Given {
            answers: BTreeMap::new(),
            asked: BTreeMap::new(),
            count: BTreeMap::new(),
            woken: BTreeSet::new(),
        }
    }

    /// A scheduler of operations, with no operation chosen yet.
    pub(crate) fn turns() -> Self {
        Self::Turns { chosen: None, machines: Vec::new() }
    }

    pub(super) fn ask(
        &mut self,
        me: ThreadId,
        op: Op,
        ready: Ready,
        unexplored: &mut Option<String>,
    ) -> u8 {
        let ways = ready.chance + 1;
        match self {
            Self::Random(draw) => draw(ways),
            Self::Turns { chosen, .. } => {
                let mine = chosen.filter(|choice| choice.thread == me);
                mine.map_or(0, |choice| (choice.way + 1).saturating_sub(ready.sure))
            }
            Self::Given { answers, asked, count, woken } => {
                if op.kind == OpKind::Sleep && woken.contains(&me) {
                    // A waiter that wakes in vain asks again, for ever.
                    *unexplored = Some("a second spurious wake-up of one thread".to_owned());
                    return 0;
                }
                let number = count.entry(me).or_default();
                let question = (me, *number);
                *number += 1;
                asked.insert(question, ways);
                let answer = answers.get(&question).copied().unwrap_or(0);
                if op.kind == OpKind::Sleep && answer > 0 {
                    woken.insert(me);
                }
                answer
            }
        }
    }

    pub(super) fn see(&mut self, object: ObjectId, machine: &(dyn Machine + 'static)) {
        if let Self::Turns { machines, .. } = self {
            machines[object.index()] = dyn_clone::clone_box(machine);
        }
    }
}

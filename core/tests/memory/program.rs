//! Programs of words and fences, and what they can end with.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::Ordering;

/// What an event does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    Load,
    /// Loads until it finds this value.
    Await(u64),
    /// Of an execution that does not continue: the last load of one that waits for this value.
    Stuck(u64),
    Store(u64),
    Swap(u64),
    /// Replaces the value by that of an operation with this one.
    Modify(Modify, u64),
    /// From, to, and the ordering where it finds something else.
    Cas(u64, u64, Ordering),
    Fence,
}

/// What a read-modify-write makes of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Modify {
    Add,
    Sub,
    And,
    Or,
    Xor,
    Max,
    Min,
}

/// An event of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    pub(crate) act: Act,
    /// The word, if it is no fence.
    pub(crate) word: usize,
    pub(crate) order: Ordering,
}

/// The threads of a program, each with its events. All words hold 0 at first.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Program(pub(crate) Vec<Vec<Event>>);

/// The values that each thread has read, in order, and the last value of each word.
pub(crate) type Outcome = (Vec<Vec<u64>>, Vec<u64>);

pub(crate) type Outcomes = BTreeSet<Outcome>;

impl Program {
    pub(crate) fn words(&self) -> usize {
        self.events().map(|event| event.word + 1).max().unwrap_or(0)
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.0.iter().flatten()
    }

    /// Returns the same program with sequentially consistent accesses.
    pub(crate) fn sequentially_consistent(&self) -> Self {
        let total = |event: &Event| {
            let act = match event.act {
                Act::Cas(current, new, _) => Act::Cas(current, new, Ordering::SeqCst),
                act => act,
            };
            Event { act, order: Ordering::SeqCst, ..*event }
        };
        Self(self.0.iter().map(|events| events.iter().map(total).collect()).collect())
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (thread, events) in self.0.iter().enumerate() {
            writeln!(f, "T{thread}:")?;
            for Event { act, word, order } in events {
                writeln!(f, "    {act:?} {} {order:?}", ["x", "y", "z"][*word])?;
            }
        }
        Ok(())
    }
}

//! Data races between accesses that nothing orders, though they may not overlap.

use crate::machine::Fault;
use crate::op::ThreadId;

use super::Memory;

/// An access of a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Touch {
    Read,
    Write,
    MarkedRead,
    MarkedWrite,
}

impl Touch {
    pub(super) const ALL: [Self; 4] =
        [Self::Read, Self::Write, Self::MarkedRead, Self::MarkedWrite];

    fn is_marked(self) -> bool {
        matches!(self, Self::MarkedRead | Self::MarkedWrite)
    }

    fn writes(self) -> bool {
        matches!(self, Self::Write | Self::MarkedWrite)
    }

    /// Returns whether two accesses race that nothing orders.
    fn conflicts(self, other: Self) -> bool {
        (self.writes() || other.writes()) && !(self.is_marked() && other.is_marked())
    }
}

/// The number of an access: of an object, by a thread.
fn number(object: u32, thread: ThreadId, touch: Touch) -> u32 {
    object << 14 | (thread.index() as u32) << 2 | touch as u32
}

fn parts(number: u32) -> (u32, usize, Touch) {
    (number >> 14, (number >> 2 & 0xFFF) as usize, Touch::ALL[(number & 3) as usize])
}

impl Memory {
    /// Notes an access. It is a race with one that it conflicts with and that does not happen
    /// before it.
    pub(super) fn touch(&mut self, me: ThreadId, on: u32, touch: Touch) -> Result<(), Fault> {
        let Some(Some(thread)) = self.threads.get(me.index()) else { return Ok(()) };
        let known = &thread.now.accesses;
        let races = self.accesses.iter().any(|access| {
            let (object, by, other) = parts(access);
            object == on && by != me.index() && touch.conflicts(other) && !known.contains(access)
        });
        if races {
            return Err(Fault::DataRace);
        }
        // What could race with the accesses before a plain write could race with it too.
        let new = number(on, me, touch);
        let over = |access: u32| access == new || (touch == Touch::Write && parts(access).0 == on);
        self.accesses.retain(|access| !over(access));
        self.views().for_each(|view| view.accesses.retain(|access| !over(access)));
        self.accesses.insert(new);
        let thread = self.thread(me);
        thread.now.accesses.insert(new);
        thread.acquired.accesses.insert(new);
        Ok(())
    }

    /// Forgets the accesses that happen before whatever comes.
    pub(super) fn forget_accesses(&mut self) {
        if self.accesses.is_empty() {
            return;
        }
        let threads = || self.threads.iter().flatten();
        let mut known = self.accesses.clone();
        known.retain(|access| threads().all(|thread| thread.now.accesses.contains(access)));
        self.accesses.retain(|access| !known.contains(access));
        self.views().for_each(|view| view.accesses.retain(|access| !known.contains(access)));
    }
}

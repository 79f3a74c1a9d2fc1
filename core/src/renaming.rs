//! New names for threads: a state of identical threads is as good as one in which they have changed
//! places.

use serde::{Deserialize, Serialize};

use crate::op::ThreadId;

/// The number of threads that a renaming can tell apart.
pub(crate) const THREADS_MAX: usize = 32;

/// The new number of each of the first [`THREADS_MAX`] threads. Other threads keep theirs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Renaming([u8; THREADS_MAX]);

/// The number that stands for [`ThreadId::HIDDEN`].
const HIDDEN: u8 = u8::MAX;

impl Renaming {
    /// Each thread keeps its name.
    pub(crate) const NONE: Self = {
        let mut numbers = [0; THREADS_MAX];
        let mut thread = 0;
        while thread < THREADS_MAX {
            numbers[thread] = thread as u8;
            thread += 1;
        }
        Self(numbers)
    };

    /// Gives thread `from` the name of thread `to`.
    #[must_use]
    pub(crate) fn with(mut self, from: usize, to: usize) -> Self {
        debug_assert!(to < THREADS_MAX, "a renaming has room for {THREADS_MAX} threads");
        self.0[from] = to as u8;
        self
    }

    /// Hides thread `from`.
    #[must_use]
    pub(crate) fn hide(mut self, from: usize) -> Self {
        self.0[from] = HIDDEN;
        self
    }

    /// Returns the new name of a thread. The creator of the world and hidden threads keep theirs.
    pub(crate) fn of(self, thread: ThreadId) -> ThreadId {
        match self.0.get(thread.index()) {
            None => thread,
            Some(&HIDDEN) => ThreadId::HIDDEN,
            Some(number) => ThreadId::new(usize::from(*number)),
        }
    }

    /// Returns the renaming that does this one and then `next`. Neither hides a thread.
    #[must_use]
    pub(crate) fn then(self, next: Self) -> Self {
        let threads = (0..THREADS_MAX).map(ThreadId::new);
        threads.fold(Self::NONE, |all, thread| {
            all.with(thread.index(), next.of(self.of(thread)).index())
        })
    }

    /// Returns the renaming that takes this one back, which must give no name twice.
    #[must_use]
    pub(crate) fn inverse(self) -> Self {
        let threads = (0..THREADS_MAX).map(ThreadId::new);
        threads.fold(Self::NONE, |all, thread| all.with(self.of(thread).index(), thread.index()))
    }

    /// Renames each of `threads`.
    pub(crate) fn apply<'a>(self, threads: impl IntoIterator<Item = &'a mut ThreadId>) {
        threads.into_iter().for_each(|thread| *thread = self.of(*thread));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renaming_and_its_inverse_cancel_each_other() {
        let cycle = Renaming::NONE.with(0, 1).with(1, 2).with(2, 0);
        assert_eq!(cycle.then(cycle.inverse()), Renaming::NONE);
        assert_eq!(cycle.then(cycle), cycle.inverse());
        let mut threads = [ThreadId::new(2), ThreadId::new(40), ThreadId::SETUP];
        cycle.hide(2).apply(&mut threads);
        assert_eq!(threads, [ThreadId::HIDDEN, ThreadId::new(40), ThreadId::SETUP]);
    }
}

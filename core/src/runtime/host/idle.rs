//! The idle threads of a host, which end when all the others have.

use crate::op::ThreadId;

use super::{Host, Inner, Wake};

/// A thread that has nothing to do.
pub(super) struct Idle {
    pub(super) thread: ThreadId,
    wake: Wake,
    /// Whether it has released the object at which it idles.
    parked: bool,
}

impl Host {
    /// Notes that thread `me` has nothing to do until another one gives it something. `wake` wakes
    /// it.
    pub(crate) fn begins_to_idle(&self, me: ThreadId, wake: Wake) {
        self.inner().idle.push(Idle { thread: me, wake, parked: false });
    }

    /// Returns whether thread `me` still has nothing to do. If so, it parks.
    pub(crate) fn parks(&self, me: ThreadId) -> bool {
        let mut inner = self.inner();
        let mine = inner.idle.iter_mut().find(|idle| idle.thread == me);
        mine.map(|idle| idle.parked = true).is_some()
    }

    /// Returns the threads that are parked because they have nothing to do.
    #[cfg(feature = "shuttle")]
    pub(crate) fn parked(&self) -> Vec<ThreadId> {
        let inner = self.inner();
        inner.idle.iter().filter(|idle| idle.parked).map(|idle| idle.thread).collect()
    }

    /// Notes that thread `me`, which idles, has something to do.
    pub(crate) fn resumes(&self, me: ThreadId) {
        self.wake_idle(|inner| {
            let place = inner.idle.iter().position(|idle| idle.thread == me);
            place.map(|place| inner.idle.remove(place)).into_iter().collect()
        });
    }

    /// Ends the idle threads, if all the others have ended.
    pub(crate) fn end_idle_threads(&self) {
        self.wake_idle(|inner| {
            inner.over |= inner.idle.len() == inner.running;
            if inner.over { std::mem::take(&mut inner.idle) } else { Vec::new() }
        });
    }

    /// Wakes the threads that `take` takes out of the idle ones. They may continue before this
    /// returns.
    fn wake_idle(&self, take: impl FnOnce(&mut Inner) -> Vec<Idle>) {
        let woken = take(&mut self.inner());
        woken.iter().for_each(|idle| (idle.wake)());
    }

    /// Returns whether the idle threads are to end.
    pub(crate) fn is_over(&self) -> bool {
        self.inner().over
    }
}

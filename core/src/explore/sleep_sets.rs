//! Sleep sets: every Mazurkiewicz trace once, by trying everything everywhere.
//!
//! At each point of the [`Path`] every thread is tried first, unless asleep. So every state is
//! visited, many times over, and many executions are begun only to be cut; but that no trace is
//! missed rests on nothing but the sleep sets. That makes it the reference for what is cleverer:
//! see [`Dpor`](crate::explore::Dpor).

use crate::cycles;
use crate::explore::path::{Path, Threads};
use crate::explore::{Decision, Enabled, Happened, Point, Strategy};
use crate::fingerprint::Fingerprint;
use crate::incomplete::Incomplete;

/// Explores every trace once.
#[derive(Debug, Default)]
pub(crate) struct SleepSets {
    path: Path,
    /// Whether a violation has stopped an execution.
    violated: bool,
}

impl SleepSets {
    /// Whether executions were stopped that might have shown other violations.
    pub(crate) fn stopped_by_a_violation(&self) -> bool {
        self.violated
    }
}

impl Strategy for SleepSets {
    fn begin(&mut self) -> bool {
        self.path.begin()
    }

    fn forced(&mut self) -> Option<Enabled> {
        self.path.forced()
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        self.path.choose(point, |_| Threads::ALL)
    }

    fn happened(&mut self, happened: Happened) {
        self.violated |= happened.violated;
        self.path.happened(happened);
    }

    fn fingerprint(&self) -> Fingerprint {
        self.path.fingerprint()
    }

    fn digest(&self) -> Option<u64> {
        Some(self.path.digest())
    }

    fn goes_round(&self) -> Option<cycles::Threads> {
        self.path.only_rounds()
    }

    fn unexplored(&self) -> Option<Incomplete> {
        self.path.unexplored()
    }
}

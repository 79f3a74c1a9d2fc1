//! Sleep sets: explores every Mazurkiewicz trace once, by trying every thread at every point.
//!
//! At each point of the [`Path`] every thread is tried first, unless asleep. Every state is
//! therefore visited, many times, and many executions are begun only to be cut. But only the sleep
//! sets are needed to show that no trace is missed. That makes this search the reference for better
//! ones: see [`Dpor`](crate::explore::Dpor).

use crate::cycles;
use crate::explore::path::{Path, ThreadSet};
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
    /// Returns whether executions were stopped that might have shown other violations.
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
        self.path.choose(point, |_| ThreadSet::ALL)
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

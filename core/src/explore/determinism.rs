//! The determinism check: one execution twice, to see whether the program behaves identically.

use smallvec::SmallVec;

use crate::explore::prefix::BEYOND;
use crate::explore::{Decision, Enabled, Point, Strategy};

/// Schedules the threads in turns through one execution, and then repeats it.
///
/// A program that depends on something outside its world would make every search unsound. This
/// check finds those that do so in their first execution. A search finds more of them on the way,
/// when an operation that must come is not there. A dependence that never affects which operations
/// come is not found.
#[derive(Debug, Default)]
pub(crate) struct DeterminismCheck {
    executions: u32,
    seen: Vec<SmallVec<[Enabled; 6]>>,
    depth: usize,
    /// Whether the second execution differed.
    pub(crate) diverged: bool,
}

impl Strategy for DeterminismCheck {
    fn begin(&mut self) -> bool {
        self.executions += 1;
        // The second execution may have ended before the first did.
        self.diverged |= self.executions == 3 && self.depth != self.seen.len();
        self.depth = 0;
        self.executions <= 2
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        let enabled = point.enabled();
        if self.executions == 1 {
            self.seen.push(SmallVec::from_slice(enabled));
        } else if self.seen.get(self.depth).map(SmallVec::as_slice) != Some(enabled) {
            self.diverged = true;
            return Decision::Cut;
        }
        self.depth += 1;
        // Optional outcomes might continue for ever.
        let guaranteed: SmallVec<[&Enabled; 6]> = enabled.iter().filter(|e| e.guaranteed).collect();
        match guaranteed.as_slice() {
            [] => Decision::Cut,
            _ if self.depth > BEYOND => Decision::Cut,
            guaranteed => Decision::Take(guaranteed[self.depth % guaranteed.len()].choice),
        }
    }
}

//! A strategy that follows a schedule and then continues to the end.

use crate::explore::{Decision, Enabled, Point, Strategy};
use crate::schedule::{Choice, Schedule};

/// Follows a schedule that is known to be possible, and then schedules the threads in turns until
/// they have ended or cannot continue, so that an execution shows as much of the program as it can.
#[derive(Debug)]
pub(crate) struct PrefixReplay<'a> {
    schedule: &'a Schedule,
    step: usize,
    begun: bool,
    /// Whether a step of the schedule was not possible.
    pub(crate) diverged: bool,
}

/// The number of steps beyond its schedule, since an endless program has no end.
pub(super) const BEYOND: usize = 1_000;

impl<'a> PrefixReplay<'a> {
    pub(crate) fn new(schedule: &'a Schedule) -> Self {
        Self { schedule, step: 0, begun: false, diverged: false }
    }

    fn wanted(&self, enabled: &[Enabled]) -> Option<Choice> {
        if let Some(choice) = self.schedule.0.get(self.step) {
            return enabled.iter().map(|enabled| enabled.choice).find(|c| c == choice);
        }
        if self.step == self.schedule.len() + BEYOND {
            return None;
        }
        // Optional outcomes might continue for ever.
        enabled.iter().find(|enabled| enabled.guaranteed).map(|enabled| enabled.choice)
    }
}

impl Strategy for PrefixReplay<'_> {
    fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        let Some(choice) = self.wanted(point.enabled()) else {
            self.diverged = self.step < self.schedule.len();
            return Decision::Cut;
        };
        self.step += 1;
        Decision::Take(choice)
    }
}

//! A strategy that follows one schedule once.

use crate::cycles::{self, Threads};

use crate::explore::{Decision, Happened, Point, Strategy};
use crate::schedule::{Choice, Schedule};

/// Follows a schedule to its end, or to the first step that is not possible.
#[derive(Debug)]
pub(crate) struct Replay<'a> {
    schedule: &'a Schedule,
    /// The threads that wait for good at its end, as far as known.
    waiting: Threads,
    /// The polling threads that have repeated a round, if at its end every thread that can continue
    /// would only do so.
    polls: Option<Threads>,
    step: usize,
    begun: bool,
    /// Whether it has been followed to its end.
    ended: bool,
    /// The step that was not possible, and those that were.
    stopped_at: Option<(usize, Vec<Choice>)>,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(schedule: &'a Schedule) -> Self {
        Self {
            schedule,
            waiting: 0,
            polls: None,
            step: 0,
            begun: false,
            ended: false,
            stopped_at: None,
        }
    }

    /// Sets the threads that wait for good at the end of the schedule.
    pub(crate) fn at_whose_end_wait(self, waiting: Threads) -> Self {
        Self { waiting, ..self }
    }

    /// Declares that at the end of the schedule every thread that can continue would only repeat a
    /// round.
    pub(crate) fn at_whose_end_others_go_round(self) -> Self {
        Self { polls: Some(0), ..self }
    }

    /// Returns the step that was not possible, and those that were.
    pub(crate) fn impossible(&self) -> Option<(usize, &[Choice])> {
        let (step, possible) = self.stopped_at.as_ref()?;
        (!possible.is_empty()).then_some((*step, possible))
    }

    /// Returns the number of steps that were followed.
    pub(crate) fn followed(&self) -> usize {
        self.step
    }
}

impl Strategy for Replay<'_> {
    fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        let Some(choice) = self.schedule.0.get(self.step) else {
            self.ended = true;
            return Decision::Cut;
        };
        if !point.enabled().iter().any(|enabled| enabled.choice == *choice) {
            let possible = point.enabled().iter().map(|enabled| enabled.choice).collect();
            self.stopped_at = Some((self.step, possible));
            return Decision::Cut;
        }
        self.step += 1;
        Decision::Take(*choice)
    }

    fn happened(&mut self, happened: Happened) {
        let taken = self.step.checked_sub(1).and_then(|last| self.schedule.0.get(last));
        if let (Some(polls), Some(taken)) = (&mut self.polls, taken) {
            let thread = cycles::bit(taken.thread);
            *polls = if happened.round.polls { *polls | thread } else { *polls & !thread };
        }
    }

    fn goes_round(&self) -> Option<Threads> {
        self.polls.filter(|_| self.ended)
    }

    fn waiting(&self) -> Option<Threads> {
        self.stopped_at.is_none().then_some(self.waiting)
    }
}

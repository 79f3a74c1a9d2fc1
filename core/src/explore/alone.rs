//! One execution in which a thread runs alone, to see whether it is in a loop that it never leaves
//! by itself.

use crate::op::ThreadId;
use crate::schedule::Choice;

use super::{Decision, Enabled, Point, Strategy};

/// The steps after which the thread has shown what it does.
const STEPS: usize = 1000;

/// Follows one thread as far as it goes. Its optional outcomes come again and again: it wakes
/// spuriously where it sleeps. Where the thread cannot continue, the first other one does.
#[derive(Debug)]
pub(crate) struct Alone {
    thread: ThreadId,
    steps: usize,
    begun: bool,
    /// The most threads that there have been.
    pub(crate) threads: usize,
}

impl Alone {
    pub(crate) fn new(thread: ThreadId) -> Self {
        Self { thread, steps: 0, begun: false, threads: 0 }
    }

    fn next(&self, enabled: &[Enabled]) -> Option<Choice> {
        let mine = enabled.iter().rfind(|enabled| enabled.choice.thread == self.thread);
        let other = || enabled.iter().find(|enabled| enabled.guaranteed);
        mine.or_else(other).map(|enabled| enabled.choice)
    }
}

impl Strategy for Alone {
    fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        self.steps += 1;
        self.threads = self.threads.max(point.threads());
        match self.next(point.enabled()) {
            Some(choice) if self.steps <= STEPS => Decision::Take(choice),
            _ => Decision::Cut,
        }
    }
}

//! Where a thread is.

use crate::observe::lockdep::Line;
use crate::op::ThreadId;

use super::Host;

impl Host {
    pub(crate) fn enter_function(&self, me: ThreadId, name: &'static str) {
        self.inner().observers.enter_function(me, name);
    }

    pub(crate) fn leave_function(&self, me: ThreadId) {
        self.inner().observers.leave_function(me);
    }

    pub(crate) fn set_line(&self, me: ThreadId, line: Option<Line>) -> Option<Line> {
        self.inner().observers.set_line(me, line)
    }
}

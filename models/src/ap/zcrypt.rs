//! The host's own driver at work: a request on a queue, while the queue is taken from the driver.
//!
//! The bus does not ask the default drivers whether a queue may be taken. This is enough, since the
//! bus ends every request of a queue that loses its driver with `-EAGAIN`, and zcrypt sends it to
//! another queue.
//!
//! Source: `ap_queue_message` and `ap_queue_prepare_remove` in `drivers/s390/crypto/ap_queue.c`,
//! v5.10 and v6.1.

use selvedge_core::function;
use selvedge_core::sync::{Completion, SpinLock};

use crate::Errno;

/// What happens to the requests of a queue that loses its driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// They end with an error: `__ap_flush_queue`.
    Flushes,
    /// They are forgotten. No version does so.
    Forgets,
}

/// A queue with a request.
#[derive(Debug)]
pub struct Queue {
    removal: Removal,
    /// `aq->lock`.
    lock: SpinLock<State>,
    /// `ap_msg->receive`, which completes the request.
    request: Completion,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct State {
    /// `AP_DEV_STATE_SHUTDOWN`.
    shutdown: bool,
    /// Whether the request is on `pendingq`.
    pending: bool,
    /// `ap_msg->rc`, once the request has ended.
    rc: Option<Result<(), Errno>>,
}

impl Queue {
    /// Creates a queue that is bound to zcrypt and has no request.
    pub fn new(removal: Removal) -> Self {
        let lock = SpinLock::new("aq->lock", State::default());
        Self { removal, lock, request: Completion::new("request") }
    }

    /// Models `ap_queue_message` and the wait of zcrypt for the reply.
    ///
    /// # Errors
    ///
    /// [`Errno::Enodev`] if the queue has lost its driver, [`Errno::Eagain`] if it loses it
    /// meanwhile.
    pub fn ap_queue_message(&self) -> Result<(), Errno> {
        let _function = function("ap_queue_message");
        let mut state = self.lock.spin_lock_bh();
        if state.shutdown {
            return Err(Errno::Enodev);
        }
        state.pending = true;
        state.unlock();
        self.request.wait_for_completion();
        self.lock.spin_lock_bh().rc.unwrap_or(Ok(()))
    }

    /// Models `ap_sm_recv`, by which the reply of the card arrives.
    pub fn ap_sm_recv(&self) {
        let _function = function("ap_sm_recv");
        let mut state = self.lock.spin_lock_bh();
        if std::mem::take(&mut state.pending) {
            self.end(&mut state, Ok(()));
        }
    }

    /// Models `ap_queue_prepare_remove`, which runs when the queue is taken from zcrypt.
    pub fn ap_queue_prepare_remove(&self) {
        let _function = function("ap_queue_prepare_remove");
        let mut state = self.lock.spin_lock_bh();
        if std::mem::take(&mut state.pending) && self.removal == Removal::Flushes {
            self.end(&mut state, Err(Errno::Eagain));
        }
        state.shutdown = true;
    }

    fn end(&self, state: &mut State, rc: Result<(), Errno>) {
        state.rc = Some(rc);
        self.request.complete_all();
    }
}

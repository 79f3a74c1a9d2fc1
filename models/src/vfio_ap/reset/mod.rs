//! The reset of a queue, as a function from the response of the queue to the next step of the
//! driver.
//!
//! PQAP(ZAPQ) only begins a reset, and does not begin one if one is already running. To ensure that
//! a queue is clean, the driver must poll it until the reset is complete, and begin again if that
//! was not its own reset. The versions differ in how long they wait, in how they handle each
//! response, and in whether they release the page and the subclass of the interrupts at the end.
//!
//! [`Protocol::next`] is pure and total: it defines the next step for every state and every
//! response. [`vfio_ap_mdev_reset_queue`] runs it against the hardware with the driver's mutex
//! held.
//!
//! Source: `vfio_ap_mdev_reset_queue` in `drivers/s390/crypto/vfio_ap_ops.c`. Each [`Protocol`]
//! lists its commits.

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;

use selvedge_core::function;

use crate::Errno;
use crate::ap::Apqn;
use crate::vfio_ap::ap_queue::{ResponseCode, Status};
use crate::vfio_ap::aqic::{WithoutGuest, vfio_ap_free_aqic_resources, vfio_ap_irq_disable};
use crate::vfio_ap::matrix_dev::Mdevs;
use crate::vfio_ap::world::World;

/// A version of the reset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// v5.3 to v5.10, commit ec89b55e3bce: two tries and two polls. The interrupts are disabled
    /// afterwards, regardless of the result (B28a).
    V5_3,
    /// v5.11 to v6.3, commit 6c12a6384e0c: the reset itself disables the interrupts. It waits once
    /// for another reset. It gives up on a busy queue and then releases nothing (B28b).
    V5_11,
    /// v6.4 and v6.5, commits 62414d901c3a, 0daf9878a799, 3ba41768105c, 5a42b348adf9, 51d4d9877087
    /// and 7cb7636a1ac1: the queue is polled ten times, and the response is checked. When another
    /// reset is complete, a new one begins. A queue on standby counts as reset. It gives up on a
    /// queue that is busy (B28b). Only the subject of commit 4bdf3c3956d8 is known to us.
    V6_4,
    /// v6.6 and v6.7, commits 9261f0438835, dd174833e44e and 411b0109daa5: the wait has no limit,
    /// and the reset begins again if another one has completed. A queue on standby counts as reset,
    /// and one that has failed does not.
    V6_6,
    /// v6.8 and later, commit e1f17f8ea93d: a queue that has failed counts as reset too, and the
    /// caller gets `-EIO` for both.
    V6_8,
}

/// The state of a reset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// The next instruction is PQAP(ZAPQ).
    Zapq {
        /// The number of retries after this one.
        retries: u8,
    },
    /// The next instruction is PQAP(TAPQ), after 20 ms. Up to v6.5.
    Tapq {
        /// The number of polls after this one.
        polls: u8,
        /// Whether the queue has begun our reset, as opposed to another one.
        ours: bool,
    },
    /// The next instruction is PQAP(TAPQ), after 20 ms, by the work and without a limit. Since
    /// v6.6.
    Verify {
        /// The response to the last PQAP(ZAPQ): `q->reset_status`.
        reset_rc: ResponseCode,
    },
    /// The next instruction is another PQAP(ZAPQ), by the work. Since v6.6.
    ZapqAgain,
    /// The reset is done.
    Done(Outcome),
}

/// The outcome of a reset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Outcome {
    /// The result of the function, or since v6.6 the result that the waiter derives from the work.
    pub result: Result<(), Errno>,
    /// Whether the resources of the interrupts are released.
    pub frees: bool,
    /// Whether the log has a warning.
    pub warns: bool,
    /// The response to the last PQAP(ZAPQ).
    pub reset_rc: ResponseCode,
}

impl Outcome {
    fn freed(result: Result<(), Errno>, reset_rc: ResponseCode) -> Self {
        Self { result, frees: true, warns: false, reset_rc }
    }

    fn given_up(reset_rc: ResponseCode) -> Self {
        Self { result: Err(Errno::Eio), frees: false, warns: true, reset_rc }
    }

    /// Returns whether the filter lets a guest have the queue, since v6.6. Since v6.8 a queue that
    /// is on standby or has failed was reset with its adapter, although the caller of the reset
    /// gets `-EIO`.
    pub fn passes_filter(&self, protocol: Protocol) -> bool {
        match self.reset_rc {
            ResponseCode::Normal => true,
            ResponseCode::Deconfigured | ResponseCode::Checkstopped => protocol == Protocol::V6_8,
            _ => false,
        }
    }
}

impl Protocol {
    /// Every version.
    pub const ALL: [Self; 5] = [Self::V5_3, Self::V5_11, Self::V6_4, Self::V6_6, Self::V6_8];

    /// Returns the initial state of a reset.
    pub fn begin(self) -> State {
        let retries = match self {
            Self::V5_3 | Self::V5_11 => 1,
            // The response to TAPQ decides whether it is tried again.
            Self::V6_4 | Self::V6_6 | Self::V6_8 => 0,
        };
        State::Zapq { retries }
    }

    /// Returns the state after `state` when the queue responds with `status`. A state that is done
    /// does not change.
    pub fn next(self, state: State, status: Status) -> State {
        match state {
            State::Zapq { retries } => self.after_zapq(retries, status),
            State::Tapq { polls, ours } => self.after_tapq(polls, ours, status),
            State::Verify { reset_rc } => self.after_tapq_of_work(reset_rc, status.code),
            // The work polls before it decides, regardless of the response.
            State::ZapqAgain => State::Verify { reset_rc: status.code },
            State::Done(_) => state,
        }
    }

    fn after_zapq(self, retries: u8, status: Status) -> State {
        use ResponseCode::{
            Busy, Checkstopped, Deconfigured, Normal, QNotAvail, ResetInProgress,
            StateChangeInProgress,
        };
        let code = status.code;
        match (self, code) {
            (Self::V6_6 | Self::V6_8, Normal | ResetInProgress | Busy | StateChangeInProgress) => {
                State::Verify { reset_rc: code }
            }
            (Self::V6_6, Deconfigured) => State::Done(Outcome::freed(Ok(()), Normal)),
            (Self::V6_8, Deconfigured | Checkstopped) => {
                State::Done(Outcome::freed(Err(Errno::Eio), code))
            }
            (_, Normal) => State::Tapq { polls: self.polls(), ours: true },
            (Self::V5_3, ResetInProgress | Busy) | (Self::V5_11, ResetInProgress)
                if retries > 0 =>
            {
                State::Zapq { retries: retries - 1 }
            }
            (Self::V5_3, ResetInProgress | Busy) => {
                State::Done(Outcome::freed(Err(Errno::Ebusy), code))
            }
            (Self::V5_11 | Self::V6_4, ResetInProgress) => {
                State::Tapq { polls: self.polls(), ours: false }
            }
            (Self::V5_11, QNotAvail | Deconfigured | Checkstopped) => {
                let warns = status.irq_enabled;
                State::Done(Outcome { warns, ..Outcome::freed(Err(Errno::Ebusy), code) })
            }
            (Self::V6_4, Deconfigured) => State::Done(Outcome::freed(Ok(()), code)),
            (Self::V5_3, _) => State::Done(Outcome::freed(Err(Errno::Eio), code)),
            _ => State::Done(Outcome::given_up(code)),
        }
    }

    /// Returns the number of polls with TAPQ after the first one.
    fn polls(self) -> u8 {
        match self {
            Self::V6_4 => 9,
            _ => 1,
        }
    }

    /// Handles a response to TAPQ up to v6.5. Resources are freed even if the reset is not verified
    /// (B28c).
    fn after_tapq(self, polls: u8, ours: bool, status: Status) -> State {
        let reset_rc = if ours { ResponseCode::Normal } else { ResponseCode::ResetInProgress };
        let empty = status.queue_empty;
        let clean = empty && !status.irq_enabled;
        let over = match (self, status.code) {
            (Self::V6_4, ResponseCode::Normal | ResponseCode::ResetInProgress) => clean,
            (Self::V6_4, ResponseCode::Deconfigured) => true,
            (Self::V6_4, _) => {
                let outcome = Outcome::freed(Err(Errno::Eio), reset_rc);
                return State::Done(Outcome { warns: true, ..outcome });
            }
            (Self::V5_3, _) => empty,
            (Self::V5_11 | Self::V6_6 | Self::V6_8, _) => clean,
        };
        if over && !ours && self == Self::V6_4 {
            return self.begin();
        }
        if !over && polls > 0 {
            return State::Tapq { polls: polls - 1, ours };
        }
        let result = match self {
            Self::V6_4 if !over => Err(Errno::Ebusy),
            _ if !ours => Err(Errno::Ebusy),
            _ => Ok(()),
        };
        State::Done(Outcome { warns: !over, ..Outcome::freed(result, reset_rc) })
    }

    /// Handles a response to TAPQ since v6.6. The work only warns, and the result is that of ZAPQ.
    fn after_tapq_of_work(self, reset_rc: ResponseCode, code: ResponseCode) -> State {
        use ResponseCode::{
            AssocFailed, AssocSecretNotUnique, Busy, Checkstopped, Deconfigured, Normal,
            ResetInProgress, StateChangeInProgress,
        };
        let result = if reset_rc == Normal { Ok(()) } else { Err(Errno::Eio) };
        let not_begun = matches!(reset_rc, ResetInProgress | Busy | StateChangeInProgress);
        match (self, code) {
            (_, ResetInProgress | Busy) => State::Verify { reset_rc },
            // Every instruction gets this response until the queue is reset.
            (_, AssocSecretNotUnique | AssocFailed) => State::ZapqAgain,
            (Self::V6_6, Checkstopped) => {
                State::Done(Outcome { result, frees: false, warns: true, reset_rc })
            }
            // The reset that is complete was not ours.
            (_, Normal | Deconfigured | Checkstopped) if not_begun => State::ZapqAgain,
            // The queue is on standby, so it was reset whatever ZAPQ had answered.
            (Self::V6_6, Deconfigured) => State::Done(Outcome::freed(Ok(()), Normal)),
            (_, Normal | Deconfigured | Checkstopped) => {
                State::Done(Outcome::freed(result, reset_rc))
            }
            _ => State::Done(Outcome { result, frees: false, warns: true, reset_rc }),
        }
    }
}

/// Models `vfio_ap_mdev_reset_queue` to its end, including the work that verifies the reset since
/// v6.6. The caller holds the driver's mutex.
pub fn vfio_ap_mdev_reset_queue(
    w: &World,
    mdevs: &mut Mdevs,
    apqn: Apqn,
    protocol: Protocol,
) -> Outcome {
    let _function = function("vfio_ap_mdev_reset_queue");
    let mut state = protocol.begin();
    let outcome = loop {
        let status = match state {
            State::Zapq { .. } | State::ZapqAgain => w.hardware.zapq(apqn),
            State::Tapq { .. } => w.hardware.tapq(apqn),
            State::Verify { .. } => w.hardware.wait_for_reset(apqn),
            State::Done(outcome) => break outcome,
        };
        state = protocol.next(state, status);
    };
    match protocol {
        Protocol::V5_3 => _ = vfio_ap_irq_disable(w, mdevs, apqn, WithoutGuest::Follow),
        _ if outcome.frees => vfio_ap_free_aqic_resources(w, mdevs, apqn, WithoutGuest::Keep),
        _ => {}
    }
    outcome
}

/// Models `vfio_ap_mdev_reset_queues`, which resets one queue after the other and returns the first
/// error.
///
/// # Errors
///
/// The error of the reset of a queue.
pub fn vfio_ap_mdev_reset_queues(
    w: &World,
    mdevs: &mut Mdevs,
    mdev: usize,
    protocol: Protocol,
) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_reset_queues");
    let mut result = Ok(());
    for apqn in mdevs.queues_of(mdev) {
        result = result.and(vfio_ap_mdev_reset_queue(w, mdevs, apqn, protocol).result);
    }
    result
}

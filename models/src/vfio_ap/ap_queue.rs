//! An AP queue, as the hardware sees it.
//!
//! PQAP(ZAPQ) resets a queue, PQAP(TAPQ) queries it, and PQAP(AQIC) enables or disables its
//! interrupts. A reset takes a while. ZAPQ starts it, and the queue responds to everything with
//! [`ResetInProgress`](ResponseCode::ResetInProgress) until it is complete. Everything here is
//! pure: the new state and the response depend only on the old state and the instruction.
//!
//! Source: "s390/vfio-ap: AP Queue Interrupt Control" (commit ec89b55e3bce) and
//! `arch/s390/include/asm/ap.h` for the response codes.

use crate::ap::Apqn;

/// The response code in the status word that each instruction returns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResponseCode {
    /// 00: accepted. After ZAPQ the reset has begun.
    Normal,
    /// 01: the queue does not exist.
    QNotAvail,
    /// 02: a reset is in progress.
    ResetInProgress,
    /// 03: the adapter is on standby.
    Deconfigured,
    /// 04: the adapter has failed.
    Checkstopped,
    /// 05: busy, and the instruction may be repeated.
    Busy,
    /// 06: the address of the notification byte is invalid.
    InvalidAddress,
    /// 07: interrupts are already in the requested state.
    OtherwiseChanged,
    /// 08: the interrupt state area of the guest is invalid.
    InvalidGisa,
    /// 09: bound to another guest (secure execution).
    QBoundToAnother,
    /// 0A: a bind or an association is in progress (secure execution).
    StateChangeInProgress,
    /// 0B: not bound (secure execution).
    QNotBound,
    /// 10: no room for a message, or no reply: NQAP and DQAP only.
    QFull,
    /// 30: the bind failed (secure execution).
    BindError,
    /// 31: not in a state to be associated (secure execution).
    QNotAvailForAssoc,
    /// 35: the secret of an association is not unique. This remains until a reset.
    AssocSecretNotUnique,
    /// 36: an association failed. This remains until a reset.
    AssocFailed,
}

impl ResponseCode {
    /// Every code that one of the instructions can return.
    pub const ALL: [Self; 17] = [
        Self::Normal,
        Self::QNotAvail,
        Self::ResetInProgress,
        Self::Deconfigured,
        Self::Checkstopped,
        Self::Busy,
        Self::InvalidAddress,
        Self::OtherwiseChanged,
        Self::InvalidGisa,
        Self::QBoundToAnother,
        Self::StateChangeInProgress,
        Self::QNotBound,
        Self::QFull,
        Self::BindError,
        Self::QNotAvailForAssoc,
        Self::AssocSecretNotUnique,
        Self::AssocFailed,
    ];
}

/// `struct ap_queue_status`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Status {
    /// The response code.
    pub code: ResponseCode,
    /// Whether the queue has no messages.
    pub queue_empty: bool,
    /// Whether interrupts of the queue are enabled.
    pub irq_enabled: bool,
}

/// The target of the interrupts of a queue: the guest, the page of the byte that is set, and the
/// interruption subclass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Irq {
    /// The number of the guest.
    pub vm: u8,
    /// The page with the notification indicator byte (NIB). [`NO_PAGE`](Self::NO_PAGE) is in none
    /// of the guest's memory slots.
    pub nib: u8,
    /// The guest's interruption subclass (ISC).
    pub isc: u8,
}

impl Irq {
    /// A page that the guest does not have.
    pub const NO_PAGE: u8 = 0;
}

/// The state of the adapter of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Config {
    /// Available.
    Configured,
    /// On standby.
    Deconfigured,
    /// Failed.
    Checkstopped,
    /// Not in the configuration of the hardware.
    Absent,
}

/// The state of the secret that a protected guest associates with a queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Association {
    /// The secret is associated, or no association was requested.
    Settled,
    /// The association is in progress. No reset begins meanwhile.
    InProgress {
        /// The number of PQAP(ZAPQ) that the queue will still answer with
        /// [`ResponseCode::StateChangeInProgress`].
        refuses: u8,
        /// The result of the association after that.
        failure: ResponseCode,
    },
    /// The association failed. Every instruction reports this
    /// ([`ResponseCode::AssocSecretNotUnique`], [`ResponseCode::AssocFailed`]) until the queue is
    /// reset.
    Failed(ResponseCode),
}

/// A queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ApQueue {
    /// The number.
    pub apqn: Apqn,
    /// The state of its adapter.
    pub config: Config,
    /// Whether a reset is running.
    pub resetting: bool,
    /// The target of its interrupts.
    pub irq: Option<Irq>,
    /// The guest whose messages or replies are in the queue.
    pub messages: Option<u8>,
    /// The number of instructions that the queue will still answer with [`ResponseCode::Busy`].
    pub busy: u8,
    /// Whether a reset completes as soon as it begins.
    pub quick: bool,
    /// The state of its secret.
    pub association: Association,
}

impl ApQueue {
    /// Creates a configured, empty queue whose reset takes no time.
    pub fn new(apqn: Apqn) -> Self {
        Self {
            apqn,
            config: Config::Configured,
            resetting: false,
            irq: None,
            messages: None,
            busy: 0,
            quick: true,
            association: Association::Settled,
        }
    }

    fn status(&self, code: ResponseCode) -> Status {
        Status { code, queue_empty: self.messages.is_none(), irq_enabled: self.irq.is_some() }
    }

    /// Returns why the queue executes no instruction now, or `None`.
    fn refuses(&self) -> Option<ResponseCode> {
        match self.config {
            Config::Absent => Some(ResponseCode::QNotAvail),
            Config::Deconfigured => Some(ResponseCode::Deconfigured),
            Config::Checkstopped => Some(ResponseCode::Checkstopped),
            Config::Configured if self.resetting => Some(ResponseCode::ResetInProgress),
            Config::Configured => None,
        }
    }

    /// Returns why the queue executes no instruction other than a reset, or `None`.
    fn refuses_all_but_reset(&self) -> Option<ResponseCode> {
        self.refuses().or(match self.association {
            Association::Failed(code) => Some(code),
            Association::Settled | Association::InProgress { .. } => None,
        })
    }

    fn is_busy(&mut self) -> Option<ResponseCode> {
        self.busy = self.busy.checked_sub(1)?;
        Some(ResponseCode::Busy)
    }

    /// Returns the response to a reset if an association prevents it.
    fn is_associating(&mut self) -> Option<ResponseCode> {
        let Association::InProgress { refuses, failure } = self.association else { return None };
        self.association = match refuses.saturating_sub(1) {
            0 => Association::Failed(failure),
            refuses => Association::InProgress { refuses, failure },
        };
        Some(ResponseCode::StateChangeInProgress)
    }

    /// Executes PQAP(TAPQ).
    pub fn tapq(&self) -> Status {
        self.status(self.refuses_all_but_reset().unwrap_or(ResponseCode::Normal))
    }

    /// Executes PQAP(ZAPQ), which begins a reset.
    pub fn zapq(&mut self) -> Status {
        let refused = self.refuses().or_else(|| self.is_busy()).or_else(|| self.is_associating());
        if refused.is_none() {
            self.resetting = true;
            if self.quick {
                self.reset_completes();
            }
        }
        self.status(refused.unwrap_or(ResponseCode::Normal))
    }

    /// Completes the reset. The queue is then empty, its interrupts are disabled, and no
    /// association has failed.
    pub fn reset_completes(&mut self) {
        if self.resetting {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.resetting = false;
        self.irq = None;
        self.messages = None;
        self.association = Association::Settled;
    }

    /// Removes the adapter from the configuration of the hardware. The queue is then empty, and its
    /// interrupts are disabled.
    pub fn leaves(&mut self) {
        self.config = Config::Absent;
        self.clear();
    }

    /// Executes PQAP(AQIC), which enables interrupts to a target or disables them.
    pub fn aqic(&mut self, irq: Option<Irq>) -> Status {
        let refused = self.refuses_all_but_reset().or_else(|| self.is_busy()).or_else(|| {
            (irq.is_some() == self.irq.is_some()).then_some(ResponseCode::OtherwiseChanged)
        });
        if refused.is_none() {
            self.irq = irq;
        }
        self.status(refused.unwrap_or(ResponseCode::Normal))
    }

    /// Returns the page that the queue may write to.
    pub fn writes_to(&self) -> Option<u8> {
        self.irq.filter(|_| self.config == Config::Configured).map(|irq| irq.nib)
    }

    /// Executes NQAP, which puts a message of a guest into the queue. The caller has checked the
    /// APCB.
    pub fn nqap(&mut self, vm: u8) -> Status {
        let refused = self.refuses_all_but_reset();
        if refused.is_none() {
            self.messages = Some(vm);
        }
        self.status(refused.unwrap_or(ResponseCode::Normal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IRQ: Irq = Irq { vm: 1, nib: 1, isc: 3 };

    fn queue() -> ApQueue {
        ApQueue { quick: false, ..ApQueue::new(Apqn { apid: 1, apqi: 4 }) }
    }

    #[test]
    fn a_reset_takes_its_time_and_clears_everything() {
        let mut queue = queue();
        assert_eq!(queue.nqap(1).code, ResponseCode::Normal);
        assert_eq!(queue.aqic(Some(IRQ)).code, ResponseCode::Normal);
        assert_eq!(queue.zapq().code, ResponseCode::Normal);
        assert_eq!(queue.tapq().code, ResponseCode::ResetInProgress);
        assert_eq!(queue.zapq().code, ResponseCode::ResetInProgress);
        assert!(queue.tapq().irq_enabled && !queue.tapq().queue_empty);
        queue.reset_completes();
        assert!(!queue.tapq().irq_enabled && queue.tapq().queue_empty);
        assert_eq!(queue.tapq().code, ResponseCode::Normal);
    }

    #[test]
    fn interrupts_are_switched_once() {
        let mut queue = queue();
        assert_eq!(queue.aqic(None).code, ResponseCode::OtherwiseChanged);
        assert_eq!(queue.aqic(Some(IRQ)).code, ResponseCode::Normal);
        assert_eq!(queue.aqic(Some(IRQ)).code, ResponseCode::OtherwiseChanged);
        assert_eq!(queue.aqic(None).code, ResponseCode::Normal);
    }

    #[test]
    fn a_busy_queue_and_one_that_is_gone_do_nothing() {
        let mut queue = ApQueue { busy: 1, ..queue() };
        assert_eq!(queue.zapq().code, ResponseCode::Busy);
        assert_eq!(queue.zapq().code, ResponseCode::Normal);
        for (config, code) in [
            (Config::Absent, ResponseCode::QNotAvail),
            (Config::Deconfigured, ResponseCode::Deconfigured),
            (Config::Checkstopped, ResponseCode::Checkstopped),
        ] {
            let before = ApQueue { config, ..queue };
            let mut queue = before;
            assert_eq!(queue.zapq().code, code);
            assert_eq!(queue.aqic(Some(IRQ)).code, code);
            assert_eq!(queue.nqap(1).code, code);
            assert_eq!(queue, before);
        }
    }

    #[test]
    fn every_instruction_reports_a_failed_association_until_a_reset() {
        for failure in [ResponseCode::AssocSecretNotUnique, ResponseCode::AssocFailed] {
            let association = Association::InProgress { refuses: 2, failure };
            let mut queue = ApQueue { association, ..queue() };
            for _ in 0..2 {
                assert_eq!(queue.tapq().code, ResponseCode::Normal);
                assert_eq!(queue.zapq().code, ResponseCode::StateChangeInProgress);
            }
            assert_eq!(queue.tapq().code, failure);
            assert_eq!(queue.aqic(Some(IRQ)).code, failure);
            assert_eq!(queue.nqap(1).code, failure);
            assert_eq!(queue.zapq().code, ResponseCode::Normal);
            assert_eq!(queue.tapq().code, ResponseCode::ResetInProgress);
            queue.reset_completes();
            assert_eq!(queue.tapq().code, ResponseCode::Normal);
        }
    }
}

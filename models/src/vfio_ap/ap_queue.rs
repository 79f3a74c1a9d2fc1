//! One AP queue, as the hardware sees it.
//!
//! A queue is reset by PQAP(ZAPQ), asked by PQAP(TAPQ), and told whether to interrupt by
//! PQAP(AQIC). A reset takes a while: ZAPQ starts it and the queue answers everything with
//! [`ResetInProgress`](ResponseCode::ResetInProgress) until it is over. Everything here is pure:
//! what the queue becomes and answers is a function of what it is and of the instruction.
//!
//! Source: "s390/vfio-ap: AP Queue Interrupt Control" (commit ec89b55e3bce) and
//! `arch/s390/include/asm/ap.h` for the response codes.

use crate::ap::Apqn;

/// The response code in the status word that each instruction returns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResponseCode {
    /// 00: accepted. After ZAPQ: the reset has begun.
    Normal,
    /// 01: there is no such queue.
    QNotAvail,
    /// 02: somebody's reset is running.
    ResetInProgress,
    /// 03: the adapter is on standby.
    Deconfigured,
    /// 04: the adapter has failed.
    Checkstopped,
    /// 05: try again.
    Busy,
    /// 06: the notification byte has an address that will not do.
    InvalidAddress,
    /// 07: interrupts are as they were to become.
    OtherwiseChanged,
    /// 08: the guest's interrupt state area will not do.
    InvalidGisa,
    /// 09: bound to another guest (secure execution).
    QBoundToAnother,
    /// 0A: a bind or an association is in progress (secure execution).
    StateChangeInProgress,
    /// 0B: not bound (secure execution).
    QNotBound,
    /// 10: no room for a message, or no reply: NQAP and DQAP only.
    QFull,
    /// 30: the bind did not work (secure execution).
    BindError,
    /// 31: not in a state to be associated (secure execution).
    QNotAvailForAssoc,
    /// 35: the secret of an association is not unique; stays until a reset.
    AssocSecretNotUnique,
    /// 36: an association failed; stays until a reset.
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
    /// Whether no message is in the queue.
    pub queue_empty: bool,
    /// Whether the queue interrupts.
    pub irq_enabled: bool,
}

/// Where the interrupts of a queue go: the guest, the byte in its memory that is set, and its
/// interruption subclass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Irq {
    /// The guest, by number.
    pub vm: u8,
    /// The page with the notification indicator byte (NIB); [`NO_PAGE`](Self::NO_PAGE) is in none of
    /// the guest's memory slots.
    pub nib: u8,
    /// The guest's interruption subclass (ISC).
    pub isc: u8,
}

impl Irq {
    /// A page that the guest does not have.
    pub const NO_PAGE: u8 = 0;
}

/// Whether a queue's adapter is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Config {
    /// It is.
    Configured,
    /// On standby.
    Deconfigured,
    /// Failed.
    Checkstopped,
    /// Not part of the hardware's configuration.
    Absent,
}

/// What has become of the secret that a protected guest associates with a queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Association {
    /// It is associated, or nobody has asked for it.
    Classification,
    /// It is being associated. No reset begins meanwhile.
    InProgress {
        /// How many PQAP(ZAPQ) it will still answer with [`ResponseCode::StateChangeInProgress`].
        refuses: u8,
        /// What comes of it then.
        failure: ResponseCode,
    },
    /// It could not be, and every instruction is told so ([`ResponseCode::AssocSecretNotUnique`],
    /// [`ResponseCode::AssocFailed`]) until the queue is reset.
    Failed(ResponseCode),
}

/// A queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ApQueue {
    /// Its number.
    pub apqn: Apqn,
    /// Whether its adapter is there.
    pub config: Config,
    /// Whether a reset is running.
    pub resetting: bool,
    /// Where its interrupts go.
    pub irq: Option<Irq>,
    /// The guest whose messages, or replies to them, are in it.
    pub messages: Option<u8>,
    /// How many instructions it will still answer with [`ResponseCode::Busy`].
    pub busy: u8,
    /// Whether a reset is over as soon as it begins.
    pub quick: bool,
    /// What has become of the secret that is to go with it.
    pub association: Association,
}

impl ApQueue {
    /// A configured queue with nothing in it, which needs no time to be reset.
    pub fn new(apqn: Apqn) -> Self {
        Self {
            apqn,
            config: Config::Configured,
            resetting: false,
            irq: None,
            messages: None,
            busy: 0,
            quick: true,
            association: Association::Classification,
        }
    }

    fn status(&self, code: ResponseCode) -> Status {
        Status { code, queue_empty: self.messages.is_none(), irq_enabled: self.irq.is_some() }
    }

    /// Why the queue executes nothing now, if it does not.
    fn refuses(&self) -> Option<ResponseCode> {
        match self.config {
            Config::Absent => Some(ResponseCode::QNotAvail),
            Config::Deconfigured => Some(ResponseCode::Deconfigured),
            Config::Checkstopped => Some(ResponseCode::Checkstopped),
            Config::Configured if self.resetting => Some(ResponseCode::ResetInProgress),
            Config::Configured => None,
        }
    }

    /// The same of any instruction but the one that resets it.
    fn refuses_all_but_reset(&self) -> Option<ResponseCode> {
        self.refuses().or(match self.association {
            Association::Failed(code) => Some(code),
            Association::Classification | Association::InProgress { .. } => None,
        })
    }

    fn is_busy(&mut self) -> Option<ResponseCode> {
        self.busy = self.busy.checked_sub(1)?;
        Some(ResponseCode::Busy)
    }

    /// Whether an association keeps it from being reset.
    fn is_associating(&mut self) -> Option<ResponseCode> {
        let Association::InProgress { refuses, failure } = self.association else { return None };
        self.association = match refuses.saturating_sub(1) {
            0 => Association::Failed(failure),
            refuses => Association::InProgress { refuses, failure },
        };
        Some(ResponseCode::StateChangeInProgress)
    }

    /// PQAP(TAPQ).
    pub fn tapq(&self) -> Status {
        self.status(self.refuses_all_but_reset().unwrap_or(ResponseCode::Normal))
    }

    /// PQAP(ZAPQ): begins a reset.
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

    /// The reset is over: nothing is in the queue, it does not interrupt, and no association has
    /// failed.
    pub fn reset_completes(&mut self) {
        if self.resetting {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.resetting = false;
        self.irq = None;
        self.messages = None;
        self.association = Association::Classification;
    }

    /// Its adapter leaves the hardware's configuration: nothing is in it any more, and it does not
    /// interrupt.
    pub fn leaves(&mut self) {
        self.config = Config::Absent;
        self.clear();
    }

    /// PQAP(AQIC): makes the queue interrupt there, or nowhere.
    pub fn aqic(&mut self, irq: Option<Irq>) -> Status {
        let refused = self.refuses_all_but_reset().or_else(|| self.is_busy()).or_else(|| {
            (irq.is_some() == self.irq.is_some()).then_some(ResponseCode::OtherwiseChanged)
        });
        if refused.is_none() {
            self.irq = irq;
        }
        self.status(refused.unwrap_or(ResponseCode::Normal))
    }

    /// The page that the queue may write to.
    pub fn writes_to(&self) -> Option<u8> {
        self.irq.filter(|_| self.config == Config::Configured).map(|irq| irq.nib)
    }

    /// NQAP: a guest puts a message into the queue. Whether it may, its APCB says.
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
    fn an_association_that_fails_is_told_by_everything_until_a_reset() {
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

//! The reset of a queue: what the driver does next, given what the queue has answered.
//!
//! PQAP(ZAPQ) only begins a reset, and begins none if one is running already. So whoever wants to
//! be sure that a queue is clean must poll it until the reset is over, and begin again if the
//! reset that is over was not its own. How long to wait, what to do with each answer, and whether
//! to give the interrupts' page and subclass back at the end, are what the versions differ in.
//!
//! [`Protocol::next`] is pure and total: it says for every state and every answer what comes next.
//! [`vfio_ap_mdev_reset_queue`] runs it against the machine, with the driver's mutex held.
//!
//! Source: `vfio_ap_mdev_reset_queue` in `drivers/s390/crypto/vfio_ap_ops.c`; the commits are at
//! each [`Protocol`].

use selvedge_core::function;

use super::ap_queue::{ResponseCode, Status};
use super::aqic::{WithoutGuest, vfio_ap_free_aqic_resources, vfio_ap_irq_disable};
use super::matrix_dev::Mdevs;
use super::world::World;
use crate::ap::{Apqn, Errno};

/// A version of the reset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// v5.3 to v5.10, commit ec89b55e3bce: two tries, two polls; the interrupts are switched off
    /// afterwards, whatever came of it.
    V5_3,
    /// v5.11 to v6.3, commit 6c12a6384e0c: the reset itself switches them off. Another reset is
    /// waited for once; a queue that is busy is given up, and nothing is given back then (B28).
    V5_11,
    /// v6.4 and v6.5, commits 62414d901c3a and 0daf9878a799: a queue that is busy is waited for
    /// too, and one that is on standby counts as reset.
    V6_4,
    /// v6.6 and later, commits 9261f0438835, dd174833e44e, 411b0109daa5 and e1f17f8ea93d: it is
    /// waited for without a limit, and begun again if it was another's.
    V6_6,
}

/// Where a reset is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Next: PQAP(ZAPQ).
    Zapq {
        /// How often it may still be tried after this.
        retries: u8,
    },
    /// Next: PQAP(TAPQ), after 20 ms.
    Tapq {
        /// How often it may still be asked after this; without a limit if there is none.
        polls: Option<u8>,
        /// Whether the queue has begun our reset, or was at another's.
        ours: bool,
        /// What is returned at the end.
        result: Result<(), Errno>,
    },
    /// Nothing is left to do.
    Done(Outcome),
}

/// What came of a reset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Outcome {
    /// What the function returns.
    pub result: Result<(), Errno>,
    /// Whether what the interrupts needed is given back.
    pub frees: bool,
    /// Whether the function warns that it could not verify the reset.
    pub warns: bool,
}

impl Outcome {
    fn reset(result: Result<(), Errno>) -> State {
        State::Done(Self { result, frees: true, warns: false })
    }

    fn unverified(result: Result<(), Errno>) -> State {
        State::Done(Self { result, frees: true, warns: true })
    }

    fn given_up() -> State {
        State::Done(Self { result: Err(Errno::Eio), frees: false, warns: true })
    }
}

impl Protocol {
    /// Every version.
    pub const ALL: [Self; 4] = [Self::V5_3, Self::V5_11, Self::V6_4, Self::V6_6];

    /// Where a reset begins.
    pub fn begin(self) -> State {
        State::Zapq { retries: 1 }
    }

    /// Where the reset goes from `state` when the queue answers `status`. Nothing more comes of
    /// one that is done.
    pub fn next(self, state: State, status: Status) -> State {
        match (self, state) {
            (_, State::Done(_)) => state,
            (Self::V5_3, State::Zapq { retries }) => match status.code {
                ResponseCode::Normal => State::Tapq { polls: Some(1), ours: true, result: Ok(()) },
                ResponseCode::ResetInProgress | ResponseCode::Busy if retries > 0 => {
                    State::Zapq { retries: retries - 1 }
                }
                _ => Outcome::unverified(Err(Errno::Eio)),
            },
            (Self::V5_11, State::Zapq { retries }) => match status.code {
                ResponseCode::Normal => State::Tapq { polls: Some(1), ours: true, result: Ok(()) },
                ResponseCode::ResetInProgress if retries > 0 => {
                    State::Zapq { retries: retries - 1 }
                }
                ResponseCode::ResetInProgress => {
                    State::Tapq { polls: Some(1), ours: false, result: Err(Errno::Ebusy) }
                }
                ResponseCode::QNotAvail
                | ResponseCode::Deconfigured
                | ResponseCode::Checkstopped => Outcome::reset(Err(Errno::Ebusy)),
                _ => Outcome::given_up(),
            },
            (Self::V6_4, State::Zapq { retries }) => match status.code {
                ResponseCode::Normal => State::Tapq { polls: Some(1), ours: true, result: Ok(()) },
                ResponseCode::ResetInProgress | ResponseCode::Busy if retries > 0 => {
                    State::Zapq { retries: retries - 1 }
                }
                ResponseCode::ResetInProgress | ResponseCode::Busy => {
                    State::Tapq { polls: Some(1), ours: false, result: Err(Errno::Ebusy) }
                }
                ResponseCode::Deconfigured => Outcome::reset(Ok(())),
                ResponseCode::QNotAvail | ResponseCode::Checkstopped => {
                    Outcome::reset(Err(Errno::Ebusy))
                }
                _ => Outcome::given_up(),
            },
            (Self::V6_6, State::Zapq { .. }) => match status.code {
                ResponseCode::Normal => State::Tapq { polls: None, ours: true, result: Ok(()) },
                ResponseCode::ResetInProgress
                | ResponseCode::Busy
                | ResponseCode::StateChangeInProgress => {
                    State::Tapq { polls: None, ours: false, result: Ok(()) }
                }
                ResponseCode::Deconfigured | ResponseCode::Checkstopped => Outcome::reset(Ok(())),
                _ => Outcome::given_up(),
            },
            (Self::V5_3, State::Tapq { polls, ours, result }) => match polls {
                _ if status.queue_empty => Outcome::reset(result),
                Some(polls @ 1..) => State::Tapq { polls: Some(polls - 1), ours, result },
                _ => Outcome::unverified(result),
            },
            (Self::V5_11 | Self::V6_4, State::Tapq { polls, ours, result }) => match polls {
                _ if status.queue_empty && !status.irq_enabled => Outcome::reset(result),
                Some(polls @ 1..) => State::Tapq { polls: Some(polls - 1), ours, result },
                _ => Outcome::unverified(result),
            },
            (Self::V6_6, State::Tapq { ours, .. }) => match status.code {
                ResponseCode::Normal | ResponseCode::Deconfigured | ResponseCode::Checkstopped
                    if ours =>
                {
                    Outcome::reset(Ok(()))
                }
                // What is over was another's reset, or an association must be reset away.
                ResponseCode::Normal
                | ResponseCode::Deconfigured
                | ResponseCode::Checkstopped
                | ResponseCode::AssocSecretNotUnique
                | ResponseCode::AssocFailed => self.begin(),
                ResponseCode::ResetInProgress | ResponseCode::Busy => state,
                // What is returned is what ZAPQ has said; what the work finds only warns.
                _ => {
                    let result = if ours { Ok(()) } else { Err(Errno::Eio) };
                    State::Done(Outcome { result, frees: false, warns: true })
                }
            },
        }
    }
}

/// `vfio_ap_mdev_reset_queue`, to its end: the work that verifies the reset since v6.6 included.
/// Called with the driver's mutex held.
///
/// # Errors
///
/// [`Errno::Ebusy`] or [`Errno::Eio`], as [`Protocol::next`] says.
pub fn vfio_ap_mdev_reset_queue(
    w: &World,
    mdevs: &mut Mdevs,
    apqn: Apqn,
    protocol: Protocol,
) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_reset_queue");
    let mut state = protocol.begin();
    let outcome = loop {
        let status = match state {
            State::Zapq { .. } => w.machine.zapq(apqn),
            State::Tapq { polls: Some(_), .. } => w.machine.tapq(apqn),
            State::Tapq { polls: None, .. } => w.machine.wait_for_reset(apqn),
            State::Done(outcome) => break outcome,
        };
        state = protocol.next(state, status);
    };
    match protocol {
        Protocol::V5_3 => _ = vfio_ap_irq_disable(w, mdevs, apqn, WithoutGuest::Follow),
        _ if outcome.frees => vfio_ap_free_aqic_resources(w, mdevs, apqn, WithoutGuest::Keep),
        _ => {}
    }
    outcome.result
}

/// `vfio_ap_mdev_reset_queues`: one after the other, the first error.
///
/// # Errors
///
/// What the reset of a queue returns.
pub fn vfio_ap_mdev_reset_queues(
    w: &World,
    mdevs: &mut Mdevs,
    mdev: usize,
    protocol: Protocol,
) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_reset_queues");
    let mut result = Ok(());
    for apqn in mdevs.queues_of(mdev) {
        result = result.and(vfio_ap_mdev_reset_queue(w, mdevs, apqn, protocol));
    }
    result
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Every answer: every response code, with and without messages and interrupts.
    fn answers() -> impl Iterator<Item = Status> {
        ResponseCode::ALL.into_iter().flat_map(|code| {
            [(false, false), (false, true), (true, false), (true, true)]
                .map(|(queue_empty, irq_enabled)| Status { code, queue_empty, irq_enabled })
        })
    }

    /// Every state that some answers lead to.
    fn reachable(protocol: Protocol) -> HashSet<State> {
        let mut seen = HashSet::new();
        let mut todo = vec![protocol.begin()];
        while let Some(state) = todo.pop() {
            if seen.insert(state) {
                todo.extend(answers().map(|status| protocol.next(state, status)));
            }
        }
        seen
    }

    /// Whether every way from `state` ends within `steps` answers.
    fn ends(protocol: Protocol, state: State, steps: u32) -> bool {
        matches!(state, State::Done(_))
            || (steps > 0
                && answers().all(|answer| ends(protocol, protocol.next(state, answer), steps - 1)))
    }

    #[test]
    fn every_state_has_a_successor_for_every_answer() {
        // `next` is a total function, so that nothing panics is what is to be seen; and how many
        // states there are is small enough to be written down.
        let states = Protocol::ALL.map(|protocol| reachable(protocol).len());
        assert_eq!(states, [7, 11, 11, 6]);
    }

    #[test]
    fn up_to_v6_5_a_reset_ends_whatever_the_queue_answers() {
        for protocol in [Protocol::V5_3, Protocol::V5_11, Protocol::V6_4] {
            assert!(ends(protocol, protocol.begin(), 4), "{protocol:?}");
        }
    }

    #[test]
    fn b29_since_v6_6_a_reset_that_never_ends_is_waited_for_for_ever() {
        let waiting = State::Tapq { polls: None, ours: true, result: Ok(()) };
        let code = ResponseCode::ResetInProgress;
        let status = Status { code, queue_empty: false, irq_enabled: true };
        assert_eq!(Protocol::V6_6.next(waiting, status), waiting);
    }

    /// Follows the answers, and whether one was an accepted ZAPQ.
    fn run(protocol: Protocol, codes: &[ResponseCode]) -> (State, bool) {
        let mut ours = false;
        let state = codes.iter().fold(protocol.begin(), |state, code| {
            ours |= matches!(state, State::Zapq { .. }) && *code == ResponseCode::Normal;
            let done = *code == ResponseCode::Normal && !matches!(state, State::Zapq { .. });
            let status = Status { code: *code, queue_empty: done, irq_enabled: !done };
            protocol.next(state, status)
        });
        (state, ours)
    }

    #[test]
    fn b28e_up_to_v6_5_resources_are_freed_after_another_ones_reset() {
        let codes = [ResponseCode::ResetInProgress, ResponseCode::ResetInProgress];
        let codes = [&codes[..], &[ResponseCode::Normal]].concat();
        for protocol in [Protocol::V5_11, Protocol::V6_4] {
            let (state, ours) = run(protocol, &codes);
            let State::Done(outcome) = state else { panic!("{protocol:?}: {state:?}") };
            assert!(outcome.frees && !ours, "{protocol:?}");
        }
    }

    #[test]
    fn b28e_since_v6_6_resources_are_freed_after_our_own_reset_or_if_the_queue_is_gone() {
        // Every way of at most four answers.
        let mut frontier = HashSet::from([(Protocol::V6_6.begin(), false, false)]);
        for _ in 0..4 {
            frontier = frontier
                .into_iter()
                .flat_map(|(state, ours, _)| {
                    answers().map(move |status| {
                        let zapq = matches!(state, State::Zapq { .. });
                        let ours = (ours && !zapq) || (zapq && status.code == ResponseCode::Normal);
                        let gone = matches!(
                            status.code,
                            ResponseCode::Deconfigured | ResponseCode::Checkstopped
                        );
                        (Protocol::V6_6.next(state, status), ours, gone)
                    })
                })
                .collect::<HashSet<_>>();
            for (state, ours, gone) in &frontier {
                if let State::Done(Outcome { frees: true, .. }) = state {
                    assert!(ours | gone);
                }
            }
            frontier.retain(|(state, ..)| !matches!(state, State::Done(_)));
        }
    }

    #[test]
    fn b28b_until_v6_5_a_busy_queue_keeps_its_resources() {
        let busy = [ResponseCode::Busy];
        let (State::Done(v5_11), _) = run(Protocol::V5_11, &busy) else { panic!("it gives up") };
        assert!(!v5_11.frees);
        let (v6_4, _) = run(Protocol::V6_4, &busy);
        assert_eq!(v6_4, State::Zapq { retries: 0 });
    }

    #[test]
    fn b28c_until_v6_5_resources_are_freed_although_the_reset_may_still_run() {
        let codes = [ResponseCode::Normal, ResponseCode::ResetInProgress];
        let codes = [&codes[..], &[ResponseCode::ResetInProgress]].concat();
        let (State::Done(outcome), _) = run(Protocol::V5_11, &codes) else { panic!("it ends") };
        assert!(outcome.frees && outcome.warns);
        let (state, _) = run(Protocol::V6_6, &codes);
        assert!(matches!(state, State::Tapq { .. }), "it waits on");
    }

    #[test]
    fn b28d_since_v6_6_an_answer_that_is_not_expected_leaves_the_resources() {
        let codes = [ResponseCode::Normal, ResponseCode::QNotAvail];
        let (State::Done(outcome), _) = run(Protocol::V6_6, &codes) else { panic!("it gives up") };
        assert!(!outcome.frees && outcome.warns);
    }
}

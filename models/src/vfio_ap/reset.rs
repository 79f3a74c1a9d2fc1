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

use selvedge_core::function;

use super::ap_queue::{ResponseCode, Status};
use super::aqic::{WithoutGuest, vfio_ap_free_aqic_resources, vfio_ap_irq_disable};
use super::matrix_dev::Mdevs;
use super::world::World;
use crate::Errno;
use crate::ap::Apqn;

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
    /// v6.6 and later, commits 9261f0438835, dd174833e44e, 411b0109daa5 and e1f17f8ea93d: the wait
    /// has no limit, and the reset begins again if another one has completed.
    V6_6,
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

    /// Returns whether the filter lets a guest have the queue, since v6.6. A queue that is on
    /// standby or has failed was reset with its adapter, although the caller of the reset gets
    /// `-EIO`.
    pub fn passes_filter(&self) -> bool {
        let Self { reset_rc, .. } = self;
        matches!(
            reset_rc,
            ResponseCode::Normal | ResponseCode::Deconfigured | ResponseCode::Checkstopped
        )
    }
}

impl Protocol {
    /// Every version.
    pub const ALL: [Self; 4] = [Self::V5_3, Self::V5_11, Self::V6_4, Self::V6_6];

    /// Returns the initial state of a reset.
    pub fn begin(self) -> State {
        let retries = match self {
            Self::V5_3 | Self::V5_11 => 1,
            // The response to TAPQ decides whether it is tried again.
            Self::V6_4 | Self::V6_6 => 0,
        };
        State::Zapq { retries }
    }

    /// Returns the state after `state` when the queue responds with `status`. A state that is done
    /// does not change.
    pub fn next(self, state: State, status: Status) -> State {
        match state {
            State::Zapq { retries } => self.after_zapq(retries, status),
            State::Tapq { polls, ours } => self.after_tapq(polls, ours, status),
            State::Verify { reset_rc } => after_tapq_of_work(reset_rc, status.code),
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
            (Self::V6_6, Normal | ResetInProgress | Busy | StateChangeInProgress) => {
                State::Verify { reset_rc: code }
            }
            (Self::V6_6, Deconfigured | Checkstopped) => {
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
            (Self::V5_11 | Self::V6_6, _) => clean,
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
}

/// Handles a response to TAPQ since v6.6. The work only warns, and the result is that of ZAPQ.
fn after_tapq_of_work(reset_rc: ResponseCode, code: ResponseCode) -> State {
    use ResponseCode::{
        AssocFailed, AssocSecretNotUnique, Busy, Checkstopped, Deconfigured, Normal,
        ResetInProgress, StateChangeInProgress,
    };
    let result = if reset_rc == Normal { Ok(()) } else { Err(Errno::Eio) };
    let not_begun = matches!(reset_rc, ResetInProgress | Busy | StateChangeInProgress);
    match code {
        ResetInProgress | Busy => State::Verify { reset_rc },
        // Every instruction gets this response until the queue is reset.
        AssocSecretNotUnique | AssocFailed => State::ZapqAgain,
        // The reset that is complete was not ours.
        Normal | Deconfigured | Checkstopped if not_begun => State::ZapqAgain,
        Normal | Deconfigured | Checkstopped => State::Done(Outcome::freed(result, reset_rc)),
        _ => State::Done(Outcome { result, frees: false, warns: true, reset_rc }),
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use selvedge_core::Scenario;

    use super::*;
    use crate::ap::ApMatrix;
    use crate::vfio_ap::ap_queue::{ApQueue, Irq};
    use crate::vfio_ap::versions::v5_15::V5_15;

    /// Returns the transitions as a table, written from the description of the versions and not
    /// from [`Protocol::next`]. The columns are the state, the response and the next state. The
    /// first row that matches applies, as in a firewall.
    ///
    /// States and responses are lists, and `*` is any. Codes are those of the architecture. A
    /// response may end with a condition: `empty`, `clean` for empty without interrupts, `irq`. In
    /// the next state, `=` is the code of the response and `~` is the code in the state.
    fn table(protocol: Protocol) -> &'static str {
        match protocol {
            // Tries twice, polls twice, checks only whether the queue is empty, and always
            // releases.
            Protocol::V5_3 => {
                "zapq 1      | 00           | tapq 1 ours
                 zapq 0      | 00           | tapq 1 ours
                 zapq 1      | 02 05        | zapq 0
                 zapq 0      | 02 05        | done EBUSY frees =
                 zapq *      | *            | done EIO frees =
                 tapq *      | * empty      | done ok frees 00
                 tapq 1 ours | *            | tapq 0 ours
                 tapq 0 ours | *            | done ok frees warns 00"
            }
            // Gives up on unknown codes and on 05, and then releases nothing. Waits for the end of
            // another reset, and then fails.
            Protocol::V5_11 => {
                "zapq *        | 00         | tapq 1 ours
                 zapq 1        | 02         | zapq 0
                 zapq 0        | 02         | tapq 1 theirs
                 zapq *        | 01 03 04 irq | done EBUSY frees warns =
                 zapq *        | 01 03 04   | done EBUSY frees =
                 zapq *        | *          | done EIO keeps warns =
                 tapq 1 ours   | * clean    | done ok frees 00
                 tapq 0 ours   | * clean    | done ok frees 00
                 tapq 1 theirs | * clean    | done EBUSY frees 02
                 tapq 0 theirs | * clean    | done EBUSY frees 02
                 tapq 1 ours   | *          | tapq 0 ours
                 tapq 1 theirs | *          | tapq 0 theirs
                 tapq 0 ours   | *          | done ok frees warns 00
                 tapq 0 theirs | *          | done EBUSY frees warns 02"
            }
            // Polls ten times. When another reset is complete, a new one begins.
            Protocol::V6_4 => {
                "zapq 0        | 00            | tapq 9 ours
                 zapq 0        | 02            | tapq 9 theirs
                 zapq 0        | 03            | done ok frees =
                 zapq 0        | *             | done EIO keeps warns =
                 tapq * ours   | 00 02 clean   | done ok frees 00
                 tapq * ours   | 03            | done ok frees 00
                 tapq * theirs | 00 02 clean   | zapq 0
                 tapq * theirs | 03            | zapq 0
                 tapq 0 ours   | 00 02         | done EBUSY frees warns 00
                 tapq 0 theirs | 00 02         | done EBUSY frees warns 02
                 tapq * *      | 00 02         | tapq -
                 tapq * ours   | *             | done EIO frees warns 00
                 tapq * theirs | *             | done EIO frees warns 02"
            }
            // Waits without a limit, and begins again a reset that was not begun or not ours. The
            // response to the first ZAPQ may end it, but that to a later one does not.
            Protocol::V6_6 => {
                "zapq 0          | 00 02 05 0A | verify =
                 zapq 0          | 03 04       | done EIO frees =
                 zapq 0          | *           | done EIO keeps warns =
                 verify *        | 02 05       | verify ~
                 verify *        | 35 36       | again
                 verify 02 05 0A | 00 03 04    | again
                 verify 00       | 00 03 04    | done ok frees ~
                 verify *        | 00 03 04    | done EIO frees ~
                 verify 00       | *           | done ok keeps warns ~
                 verify *        | *           | done EIO keeps warns ~
                 again           | *           | verify ="
            }
        }
    }

    /// Returns the number of a response code.
    fn hex(code: ResponseCode) -> &'static str {
        match code {
            ResponseCode::Normal => "00",
            ResponseCode::QNotAvail => "01",
            ResponseCode::ResetInProgress => "02",
            ResponseCode::Deconfigured => "03",
            ResponseCode::Checkstopped => "04",
            ResponseCode::Busy => "05",
            ResponseCode::InvalidAddress => "06",
            ResponseCode::OtherwiseChanged => "07",
            ResponseCode::InvalidGisa => "08",
            ResponseCode::QBoundToAnother => "09",
            ResponseCode::StateChangeInProgress => "0A",
            ResponseCode::QNotBound => "0B",
            ResponseCode::QFull => "10",
            ResponseCode::BindError => "30",
            ResponseCode::QNotAvailForAssoc => "31",
            ResponseCode::AssocSecretNotUnique => "35",
            ResponseCode::AssocFailed => "36",
        }
    }

    /// Returns a state in the notation of the tables.
    fn notation(state: State) -> String {
        match state {
            State::Zapq { retries } => format!("zapq {retries}"),
            State::Tapq { polls, ours } => {
                format!("tapq {polls} {}", if ours { "ours" } else { "theirs" })
            }
            State::Verify { reset_rc } => format!("verify {}", hex(reset_rc)),
            State::ZapqAgain => "again".to_owned(),
            State::Done(Outcome { result, frees, warns, reset_rc }) => {
                let result = match result {
                    Ok(()) => "ok",
                    Err(Errno::Ebusy) => "EBUSY",
                    Err(Errno::Eio) => "EIO",
                    Err(other) => panic!("a reset does not fail with {other:?}"),
                };
                let frees = if frees { "frees" } else { "keeps" };
                let warns = if warns { " warns" } else { "" };
                format!("done {result} {frees}{warns} {}", hex(reset_rc))
            }
        }
    }

    /// Returns whether a row matches this state.
    fn is_about(row: &str, state: &str) -> bool {
        let mut row = row.split_whitespace();
        let mut words = state.split_whitespace();
        let kind = words.next();
        if row.next() != kind {
            return false;
        }
        if kind == Some("verify") {
            let code = words.next().expect("the state must have a code");
            return row.any(|word| word == "*" || word == code);
        }
        // The rows of "tapq *" match either reset.
        row.zip(words).all(|(column, word)| column == "*" || column == word)
    }

    /// Returns whether a row matches this response.
    fn fits(row: &str, status: Status) -> bool {
        let mut code = false;
        let mut condition = true;
        for word in row.split_whitespace() {
            match word {
                "empty" => condition = status.queue_empty,
                "clean" => condition = status.queue_empty && !status.irq_enabled,
                "irq" => condition = status.irq_enabled,
                _ => code |= word == "*" || word == hex(status.code),
            }
        }
        code && condition
    }

    /// Returns every response: each response code, with and without messages and interrupts.
    fn answers() -> impl Iterator<Item = Status> {
        ResponseCode::ALL.into_iter().flat_map(|code| {
            [(false, false), (false, true), (true, false), (true, true)]
                .map(|(queue_empty, irq_enabled)| Status { code, queue_empty, irq_enabled })
        })
    }

    /// Returns every state that is reachable by some responses.
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

    #[test]
    fn every_state_goes_where_the_table_says_at_every_answer() {
        for protocol in Protocol::ALL {
            let rows: Vec<[&str; 3]> = table(protocol)
                .lines()
                .map(|row| {
                    let columns: Vec<&str> = row.split('|').map(str::trim).collect();
                    columns.try_into().expect("state | answer | next")
                })
                .collect();
            let mut used = HashSet::new();
            let unfinished = |state: &State| !matches!(state, State::Done(_));
            for state in reachable(protocol).into_iter().filter(unfinished) {
                let name = notation(state);
                for status in answers() {
                    let of = format!("{protocol:?}: {name} at {status:?}");
                    let row = rows
                        .iter()
                        .position(|[about, answer, _]| {
                            is_about(about, &name) && fits(answer, status)
                        })
                        .unwrap_or_else(|| panic!("no row for {of}"));
                    used.insert(row);
                    let words = rows[row][2].split(' ').map(|word| match word {
                        "=" => hex(status.code).to_owned(),
                        "~" => {
                            name.split(' ').nth(1).expect("the state must have a code").to_owned()
                        }
                        word => word.to_owned(),
                    });
                    let mut next = words.collect::<Vec<_>>().join(" ");
                    if let (State::Tapq { polls, ours }, "tapq -") = (state, &*next) {
                        next = notation(State::Tapq { polls: polls - 1, ours });
                    }
                    assert_eq!(notation(protocol.next(state, status)), next, "{of}");
                }
            }
            let unused = |row: &usize| !used.contains(row);
            let unused: Vec<_> = (0..rows.len()).filter(unused).map(|row| rows[row]).collect();
            assert!(unused.is_empty(), "{protocol:?}: these rows never match: {unused:?}");
        }
    }

    #[test]
    fn nothing_more_comes_of_a_reset_that_is_done() {
        for protocol in Protocol::ALL {
            let done = |state: &State| matches!(state, State::Done(_));
            for state in reachable(protocol).into_iter().filter(done) {
                assert!(answers().all(|status| protocol.next(state, status) == state));
            }
        }
    }

    #[test]
    fn the_filter_lets_through_what_was_reset_and_what_is_not_there() {
        let done = |code| State::Done(Outcome { reset_rc: code, ..Outcome::given_up(code) });
        for code in ResponseCode::ALL {
            let State::Done(outcome) = done(code) else { unreachable!() };
            assert_eq!(outcome.passes_filter(), ["00", "03", "04"].contains(&hex(code)));
        }
    }

    /// Returns whether every path from `state` ends within `steps` responses.
    fn ends(protocol: Protocol, state: State, steps: u32) -> bool {
        matches!(state, State::Done(_))
            || (steps > 0
                && answers().all(|answer| ends(protocol, protocol.next(state, answer), steps - 1)))
    }

    #[test]
    fn up_to_v6_3_a_reset_ends_whatever_the_queue_answers() {
        for protocol in [Protocol::V5_3, Protocol::V5_11] {
            assert!(ends(protocol, protocol.begin(), 4), "{protocol:?}");
        }
    }

    /// Returns a response while a reset runs, or after it is complete if `over` is set.
    fn answer(code: ResponseCode, over: bool) -> Status {
        Status { code, queue_empty: over, irq_enabled: !over }
    }

    #[test]
    fn b29_in_v6_4_one_reset_is_waited_for_ten_times_but_a_series_of_them_for_ever() {
        let (begin, running) = (Protocol::V6_4.begin(), ResponseCode::ResetInProgress);
        let next = |state, over| Protocol::V6_4.next(state, answer(running, over));
        let waiting = next(begin, false);
        let waited = (0..10).fold(waiting, |state, _| next(state, false));
        assert!(matches!(waited, State::Done(Outcome { result: Err(Errno::Ebusy), .. })));
        assert_eq!(next(waiting, true), begin);
    }

    #[test]
    fn b29_since_v6_6_a_reset_that_never_ends_is_waited_for_for_ever() {
        let waiting = State::Verify { reset_rc: ResponseCode::Normal };
        let status = answer(ResponseCode::ResetInProgress, false);
        assert_eq!(Protocol::V6_6.next(waiting, status), waiting);
    }

    /// Runs the responses. Returns the state and whether a ZAPQ was accepted.
    fn run(protocol: Protocol, codes: &[ResponseCode]) -> (State, bool) {
        let mut ours = false;
        let state = codes.iter().fold(protocol.begin(), |state, code| {
            let zapq = matches!(state, State::Zapq { .. } | State::ZapqAgain);
            ours |= zapq && *code == ResponseCode::Normal;
            protocol.next(state, answer(*code, *code == ResponseCode::Normal && !zapq))
        });
        (state, ours)
    }

    /// Returns the functions that execute an instruction when a queue is reset, in order.
    fn executes(protocol: Protocol) -> Vec<&'static str> {
        let apqn = Apqn { apid: 1, apqi: 4 };
        let world = move || {
            let queues = [ApQueue::new(apqn)];
            World::with_queues::<V5_15>(0, 0, &[ApMatrix::default()], queues)
        };
        let reset = Scenario::builder("reset", world)
            .thread("reset", move |w| {
                let mut mdevs = w.matrix_dev.lock.lock();
                _ = vfio_ap_mdev_reset_queue(w, &mut mdevs, apqn, protocol);
            })
            .expect_proof();
        let run = |steps: usize| reset.follow(&vec!["0"; steps].join(".").parse().expect("dots"));
        let last =
            (1..).map_while(|steps| run(steps).ok()).last().expect("the reset must have a step");
        let instructions = last.steps.iter().filter(|step| !step.what.contains("lock"));
        instructions.filter_map(|step| step.function).collect()
    }

    /// Up to v5.10 the interrupts are disabled after a reset, which has already disabled them.
    /// Without the facility for interrupts, this is a specification exception.
    #[test]
    fn b28a_up_to_v5_10_interrupts_are_switched_off_once_more() {
        let irq = Some(Irq { vm: 0, nib: 1, isc: 3 });
        let mut queue = ApQueue { irq, ..ApQueue::new(Apqn { apid: 1, apqi: 4 }) };
        assert_eq!(queue.zapq().code, ResponseCode::Normal);
        assert_eq!(queue.aqic(None).code, ResponseCode::OtherwiseChanged);
        for protocol in Protocol::ALL {
            let off = executes(protocol).contains(&"vfio_ap_irq_disable");
            assert_eq!(off, protocol == Protocol::V5_3, "{protocol:?}");
        }
    }

    #[test]
    fn b28b_until_v6_5_a_busy_queue_keeps_its_resources() {
        let busy = [ResponseCode::Busy];
        for protocol in [Protocol::V5_11, Protocol::V6_4] {
            let (State::Done(outcome), _) = run(protocol, &busy) else {
                panic!("the reset must give up")
            };
            assert!(!outcome.frees && outcome.warns, "{protocol:?}");
        }
        let (state, _) = run(Protocol::V6_6, &busy);
        assert_eq!(state, State::Verify { reset_rc: ResponseCode::Busy }, "the reset must wait");
    }

    #[test]
    fn b28c_until_v6_5_resources_are_freed_although_the_reset_may_still_run() {
        for (protocol, polls) in [(Protocol::V5_11, 2), (Protocol::V6_4, 10)] {
            let codes = [ResponseCode::Normal].into_iter();
            let codes = codes.chain([ResponseCode::ResetInProgress].repeat(polls));
            let codes: Vec<_> = codes.collect();
            let (State::Done(outcome), _) = run(protocol, &codes) else {
                panic!("the reset must end")
            };
            assert!(outcome.frees && outcome.warns, "{protocol:?}");
            let (state, _) = run(Protocol::V6_6, &codes);
            assert!(matches!(state, State::Verify { .. }), "the reset must keep waiting");
        }
    }

    #[test]
    fn b28d_since_v6_6_an_answer_that_is_not_expected_leaves_the_resources() {
        let codes = [ResponseCode::Normal, ResponseCode::QNotAvail];
        let (State::Done(outcome), _) = run(Protocol::V6_6, &codes) else {
            panic!("the reset must give up")
        };
        assert!(!outcome.frees && outcome.warns);
    }

    #[test]
    fn b28e_up_to_v6_5_resources_are_freed_after_another_ones_reset() {
        let running = ResponseCode::ResetInProgress;
        let over = [running, running, ResponseCode::Normal].to_vec();
        // Since v6.4 a new reset begins then, but the result is the same if it is not complete in
        // time.
        let too_long = [running].repeat(11);
        for (protocol, codes) in [(Protocol::V5_11, over), (Protocol::V6_4, too_long)] {
            let (state, ours) = run(protocol, &codes);
            let State::Done(outcome) = state else { panic!("{protocol:?}: {state:?}") };
            assert!(outcome.frees && !ours, "{protocol:?}");
        }
    }

    #[test]
    fn b28e_since_v6_6_resources_are_freed_after_our_own_reset_or_if_the_queue_is_gone() {
        // Every path of at most four responses, with three values: the state, whether the queue has
        // begun our reset or was reset with its adapter, and whether the response to the work's
        // ZAPQ was unexpected.
        let mut frontier = HashSet::from([(Protocol::V6_6.begin(), false, false)]);
        let is = |status: Status, codes: &[&str]| codes.contains(&hex(status.code));
        for _ in 0..4 {
            let step = |(state, reset, odd): (State, bool, bool)| {
                answers().map(move |status| {
                    let zapq = matches!(state, State::Zapq { .. } | State::ZapqAgain);
                    let reset = (reset && !zapq)
                        || (zapq && is(status, &["00"]))
                        || is(status, &["03", "04"]);
                    let again = state == State::ZapqAgain;
                    let odd = (odd && !again)
                        || (again && !is(status, &["00", "02", "03", "04", "05", "0A"]));
                    (Protocol::V6_6.next(state, status), reset, odd)
                })
            };
            frontier = frontier.into_iter().flat_map(step).collect::<HashSet<_>>();
            for (state, reset, odd) in &frontier {
                if let State::Done(Outcome { frees: true, .. }) = state {
                    assert!(reset | odd, "{state:?}");
                }
            }
            frontier.retain(|(state, ..)| !matches!(state, State::Done(_)));
        }
    }

    /// If the first ZAPQ gets this response, the reset ends and releases nothing. If a ZAPQ by the
    /// work gets it, the response is only recorded. The filter then withholds the queue, but its
    /// resources for interrupts are released, although no reset has begun.
    #[test]
    fn since_v6_6_what_the_work_s_own_zapq_answers_is_not_looked_at() {
        use ResponseCode::{Busy, Normal, QNotBound};
        let (first, _) = run(Protocol::V6_6, &[QNotBound]);
        assert_eq!(first, State::Done(Outcome::given_up(QNotBound)));
        let (state, ours) = run(Protocol::V6_6, &[Busy, Normal, QNotBound, Normal]);
        let State::Done(outcome) = state else { panic!("{state:?}") };
        assert!(outcome.frees && !outcome.warns && !ours);
        assert!(outcome.result.is_err() && !outcome.passes_filter());
    }
}

//! The reset against its [`table`](super::table), and each part of B28 and B29.

use std::collections::HashSet;

use selvedge_core::Scenario;

use super::table::{fits, hex, is_about, notation, table};
use super::*;
use crate::ap::ApMatrix;
use crate::vfio_ap::ap_queue::{ApQueue, Irq};
use crate::vfio_ap::versions::v5_15::V5_15;

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
                    .position(|[about, answer, _]| is_about(about, &name) && fits(answer, status))
                    .unwrap_or_else(|| panic!("no row for {of}"));
                used.insert(row);
                let words = rows[row][2].split(' ').map(|word| match word {
                    "=" => hex(status.code).to_owned(),
                    "~" => name.split(' ').nth(1).expect("the state must have a code").to_owned(),
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
        assert_eq!(outcome.passes_filter(Protocol::V6_6), code == ResponseCode::Normal);
        assert_eq!(outcome.passes_filter(Protocol::V6_8), ["00", "03", "04"].contains(&hex(code)));
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
    for protocol in [Protocol::V6_6, Protocol::V6_8] {
        assert_eq!(protocol.next(waiting, status), waiting);
    }
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
    let last = (1..).map_while(|steps| run(steps).ok()).last().expect("the reset must have a step");
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
        let (State::Done(outcome), _) = run(protocol, &codes) else { panic!("the reset must end") };
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
    for protocol in [Protocol::V6_6, Protocol::V6_8] {
        frees_after_a_reset(protocol);
    }
}

/// Checks every path of at most four responses, with three values: the state, whether the queue has
/// begun our reset or was reset with its adapter, and whether the response to the work's ZAPQ was
/// unexpected.
fn frees_after_a_reset(protocol: Protocol) {
    let mut frontier = HashSet::from([(protocol.begin(), false, false)]);
    let is = |status: Status, codes: &[&str]| codes.contains(&hex(status.code));
    for _ in 0..4 {
        let step = |(state, reset, odd): (State, bool, bool)| {
            answers().map(move |status| {
                let zapq = matches!(state, State::Zapq { .. } | State::ZapqAgain);
                let reset =
                    (reset && !zapq) || (zapq && is(status, &["00"])) || is(status, &["03", "04"]);
                let again = state == State::ZapqAgain;
                let odd = (odd && !again)
                    || (again && !is(status, &["00", "02", "03", "04", "05", "0A"]));
                (protocol.next(state, status), reset, odd)
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
    assert!(outcome.result.is_err() && !outcome.passes_filter(Protocol::V6_8));
}

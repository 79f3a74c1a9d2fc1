//! The reset as a table, which is a second specification of [`Protocol::next`].

use super::{Outcome, Protocol, State};
use crate::Errno;
use crate::vfio_ap::ap_queue::{ResponseCode, Status};

/// Returns the transitions as a table, written from the description of the versions and not
/// from [`Protocol::next`]. The columns are the state, the response and the next state. The
/// first row that matches applies, as in a firewall.
///
/// States and responses are lists, and `*` is any. Codes are those of the architecture. A
/// response may end with a condition: `empty`, `clean` for empty without interrupts, `irq`. In
/// the next state, `=` is the code of the response and `~` is the code in the state.
pub(super) fn table(protocol: Protocol) -> &'static str {
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
        Protocol::V6_6 => V6_6,
        Protocol::V6_8 => V6_8,
    }
}

/// Waits without a limit, and begins again a reset that was not begun or not ours. The
/// response to the first ZAPQ may end it, but that to a later one does not. A queue on
/// standby is reset. One that has failed is not.
const V6_6: &str = "zapq 0          | 00 02 05 0A | verify =
     zapq 0          | 03          | done ok frees 00
     zapq 0          | *           | done EIO keeps warns =
     verify *        | 02 05       | verify ~
     verify *        | 35 36       | again
     verify 02 05 0A | 00 03       | again
     verify *        | 03          | done ok frees 00
     verify 00       | 00          | done ok frees ~
     verify *        | 00          | done EIO frees ~
     verify 00       | *           | done ok keeps warns ~
     verify *        | *           | done EIO keeps warns ~
     again           | *           | verify =";

/// The same, and a queue that is on standby or has failed is reset, with an error.
const V6_8: &str = "zapq 0          | 00 02 05 0A | verify =
     zapq 0          | 03 04       | done EIO frees =
     zapq 0          | *           | done EIO keeps warns =
     verify *        | 02 05       | verify ~
     verify *        | 35 36       | again
     verify 02 05 0A | 00 03 04    | again
     verify 00       | 00 03 04    | done ok frees ~
     verify *        | 00 03 04    | done EIO frees ~
     verify 00       | *           | done ok keeps warns ~
     verify *        | *           | done EIO keeps warns ~
     again           | *           | verify =";

/// Returns the number of a response code.
pub(super) fn hex(code: ResponseCode) -> &'static str {
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
pub(super) fn notation(state: State) -> String {
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
pub(super) fn is_about(row: &str, state: &str) -> bool {
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
pub(super) fn fits(row: &str, status: Status) -> bool {
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

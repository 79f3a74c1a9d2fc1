//! Schedules: interleavings as text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::op::ThreadId;

/// One step of a schedule: the thread that moves and, where its operation has several outcomes, the
/// outcome.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Choice {
    pub(crate) thread: ThreadId,
    pub(crate) outcome: u8,
}

/// An interleaving: the thread that moves at each step.
///
/// Its text is the thread numbers joined by dots, with a letter where an operation has another
/// outcome than its first. In `0.0.1.1b` thread 0 moves twice, then thread 1 once, and then thread
/// 1 with the second outcome (a signal instead of the lock, say). After `z` come `ba`, `bb` and so
/// on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Schedule(pub(crate) Vec<Choice>);

/// The number of letters that stand for outcomes.
const LETTERS: u8 = 26;

impl Schedule {
    /// Returns the number of operations.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns how often the thread that moves is another than that of the step before.
    pub fn context_switches(&self) -> usize {
        self.0.windows(2).filter(|pair| pair[0].thread != pair[1].thread).count()
    }

    /// Appends one step.
    pub(crate) fn then(mut self, thread: ThreadId, outcome: u8) -> Self {
        self.0.push(Choice { thread, outcome });
        self
    }

    /// Returns whether there are no operations.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, choice) in self.0.iter().enumerate() {
            let dot = if step == 0 { "" } else { "." };
            write!(f, "{dot}{}", choice.thread.index())?;
            let letter = |number| char::from(b'a' + number);
            match (choice.outcome / LETTERS, choice.outcome % LETTERS) {
                (0, 0) => {}
                (0, low) => write!(f, "{}", letter(low))?,
                (high, low) => write!(f, "{}{}", letter(high), letter(low))?,
            }
        }
        Ok(())
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let step = |step: &str| parse_step(step).ok_or_else(|| ScheduleError(step.to_owned()));
        Ok(Self(text.split('.').map(step).collect::<Result<_, _>>()?))
    }
}

fn parse_step(step: &str) -> Option<Choice> {
    let digits = step.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let outcome = match &step.as_bytes()[digits.len()..] {
        [] => 0,
        [letter] => letter - b'a',
        [b'a', _] => return None,
        [high, low] => (high - b'a').checked_mul(LETTERS)?.checked_add(low - b'a')?,
        _ => return None,
    };
    // "0a" would be a second way to write "0".
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    let number = digits
        .parse::<u16>()
        .ok()
        .filter(|_| plain && (outcome > 0 || digits.len() == step.len()))?;
    Some(Choice { thread: ThreadId::new(usize::from(number)), outcome })
}

/// The error for a text that is not a step of a schedule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScheduleError(String);

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a step of a schedule: a step is a thread number and ", self.0)?;
        f.write_str("at most two letters from `b` on, and dots join the steps, as in `0.1.1b`")
    }
}

impl std::error::Error for ScheduleError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_round_trips_through_text() {
        for text in ["", "0", "0.1.1b.12.300.3c", "0z.1ba.2jv"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_error_names_the_invalid_step() {
        for (text, step) in [
            ("0..1", ""),
            ("0.x", "x"),
            ("0a", "0a"),
            ("1ab", "1ab"),
            ("1jw", "1jw"),
            ("-1", "-1"),
            ("+1", "+1"),
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap_err(), ScheduleError(step.to_owned()));
        }
    }
}

//! A tree of executions in parts, for several searches at once.
//!
//! Every search walks the same first few steps in every order, with sleep sets, and comes to the
//! same points in the same order: each is the root of a *part*, and has a number. Whoever comes
//! to a part that nobody has taken takes it; the others pass it by. Parts have nothing to tell
//! each other. Below its root a part is explored as ever, and no trace is in two of them, so that
//! what the parts count adds up.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// How many steps from the beginning the parts begin, where there is more than one. A prototype
/// had a few hundred parts there, none of them a large share of the whole.
const DEPTH: usize = 8;

/// One machine's share of a search: every so manieth part of the tree of executions.
///
/// Written `2/4`: the second share of four.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// The whole tree.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Share `number` of `of`, counted from 1; `None` if there is no such share.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }

    /// Which share, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many shares there are.
    pub fn of(self) -> u32 {
        self.of
    }

    fn has(self, part: u64) -> bool {
        part % u64::from(self.of) == u64::from(self.number - 1)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let shard = || {
            let (number, of) = text.split_once('/')?;
            Self::new(number.parse().ok()?, of.parse().ok()?)
        };
        shard().ok_or_else(|| ShardError(text.to_owned()))
    }
}

/// A text that is no share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardError(String);

impl fmt::Display for ShardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no share of a search; the second of four is `2/4`", self.0)
    }
}

impl std::error::Error for ShardError {}

/// What several searches share: which parts are taken.
#[derive(Debug)]
pub(crate) struct Parts {
    depth: usize,
    shard: Shard,
    /// Everybody comes to the parts in the same order, so those that are taken are the first.
    taken: AtomicU64,
}

impl Parts {
    /// The parts for so many searches that are to do `shard`.
    pub(crate) fn new(searches: usize, shard: Shard) -> Self {
        let depth = if searches == 1 && shard == Shard::WHOLE { 0 } else { DEPTH };
        Self::restore(depth, shard, 0)
    }

    pub(crate) fn restore(depth: usize, shard: Shard, taken: u64) -> Self {
        Self { depth, shard, taken: AtomicU64::new(taken) }
    }

    /// How many steps from the beginning the parts begin.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn shard(&self) -> Shard {
        self.shard
    }

    /// How many parts are taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes part `number`, if it is to be done and nobody else does it.
    pub(super) fn take(&self, number: u64) -> bool {
        let next =
            self.taken.compare_exchange(number, number + 1, Ordering::Relaxed, Ordering::Relaxed);
        next.is_ok() && self.shard.has(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_share_is_named() {
        assert_eq!("2/4".parse(), Ok(Shard { number: 2, of: 4 }));
        assert_eq!("2/4".parse::<Shard>().unwrap().to_string(), "2/4");
        for text in ["", "2", "0/4", "5/4", "1/0", "a/b", "1/2/3", "-1/4"] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{text}` is no share")), "{error}");
        }
    }

    #[test]
    fn every_part_is_in_one_shard() {
        for part in 0..20 {
            let shards = (1..=3).map(|number| Shard::new(number, 3).unwrap());
            assert_eq!(shards.filter(|shard| shard.has(part)).count(), 1);
        }
    }
}

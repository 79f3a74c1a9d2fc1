//! Shards: the parts of a search that is distributed over several processes.

use std::fmt;
use std::str::FromStr;

/// One process's part of a search: every n-th part of the tree of executions.
///
/// Written `2/4` for the second shard of four.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// The whole tree.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Creates shard `number` of `of`, counted from 1. Returns `None` if there is no such shard.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }

    /// Returns the number of the shard, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Returns the number of shards.
    pub fn of(self) -> u32 {
        self.of
    }

    pub(crate) fn has(self, part: u64) -> bool {
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

/// The error for a text that is not a shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardError(String);

impl fmt::Display for ShardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a shard of a search; the second of four is `2/4`", self.0)
    }
}

impl std::error::Error for ShardError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_invalid_shard() {
        assert_eq!("2/4".parse(), Ok(Shard { number: 2, of: 4 }));
        assert_eq!("2/4".parse::<Shard>().unwrap().to_string(), "2/4");
        for text in ["", "2", "0/4", "5/4", "1/0", "a/b", "1/2/3", "-1/4"] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{text}` is not a shard")), "{error}");
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

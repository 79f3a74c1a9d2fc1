//! A search put aside, to be gone on with.

use std::fmt;
use std::hash::Hasher;

use rustc_hash::FxHasher;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What the bytes of a checkpoint begin with.
const MAGIC: &[u8; 8] = b"selvedge";

/// The form of what follows. It changes with every release that could read an older one wrongly.
const FORMAT: &str = concat!(env!("CARGO_PKG_VERSION"), "/1");

/// A search put aside: everything it takes to go on with it in another process.
///
/// Made by [`Progress::checkpoint`](crate::Progress::checkpoint), and gone on with by
/// [`Checker::resume`](crate::Checker::resume) under the same program. A scenario that has changed
/// since is refused where the search notices: where it comes along what it has explored before. It
/// need not, so whoever keeps checkpoints has to keep with them what program they are of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    scenario: String,
    payload: Vec<u8>,
}

impl Checkpoint {
    pub(crate) fn new(scenario: &str, saved: &impl Serialize) -> Self {
        let payload = postcard::to_stdvec(saved).expect("memory for the checkpoint");
        Self { scenario: scenario.to_owned(), payload }
    }

    pub(crate) fn open<T: DeserializeOwned>(&self) -> Result<T, CheckpointError> {
        postcard::from_bytes(&self.payload).map_err(|_| CheckpointError::Damaged)
    }

    /// The scenario that is searched.
    pub fn scenario(&self) -> &str {
        &self.scenario
    }

    /// The checkpoint as bytes, to be kept in a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for part in [FORMAT.as_bytes(), self.scenario.as_bytes(), &self.payload] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] if it has not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CheckpointError::Foreign)?;
        let (format, rest) = part(rest).ok_or(CheckpointError::Damaged)?;
        if format != FORMAT.as_bytes() {
            let format = String::from_utf8_lossy(format).into_owned();
            return Err(CheckpointError::OtherRelease { format });
        }
        let (scenario, rest) = part(rest).ok_or(CheckpointError::Damaged)?;
        let (payload, sum) = part(rest).ok_or(CheckpointError::Damaged)?;
        let sound = &bytes[..bytes.len() - sum.len()];
        if *sum != checksum(sound).to_le_bytes() {
            return Err(CheckpointError::Damaged);
        }
        let scenario = String::from_utf8_lossy(scenario).into_owned();
        Ok(Self { scenario, payload: payload.to_vec() })
    }
}

/// One part, behind its length, and what comes after it.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
    rest.split_at_checked(len)
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// Why a search cannot be gone on with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CheckpointError {
    /// It is no checkpoint.
    Foreign,
    /// Something is missing from it, or was changed.
    Damaged,
    /// Another release has written it.
    OtherRelease {
        /// The form it has.
        format: String,
    },
    /// It belongs to another scenario.
    OtherScenario {
        /// That scenario.
        scenario: String,
    },
    /// The scenario has changed since.
    Outdated,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("this is no checkpoint"),
            Self::Damaged => f.write_str("the checkpoint is damaged: cut off or changed"),
            Self::OtherRelease { format } => {
                write!(f, "the checkpoint is of release {format}, this is {FORMAT}")
            }
            Self::OtherScenario { scenario } => {
                write!(f, "the checkpoint is of the scenario {scenario}")
            }
            Self::Outdated => {
                f.write_str("the checkpoint is outdated: the scenario has changed since")
            }
        }
    }
}

impl std::error::Error for CheckpointError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_refused() {
        let checkpoint = Checkpoint::new("a/b", &vec![1, 2, 3]);
        let bytes = checkpoint.to_bytes();
        assert_eq!(Checkpoint::from_bytes(&bytes), Ok(checkpoint));
        for len in 0..bytes.len() {
            let error = Checkpoint::from_bytes(&bytes[..len]).unwrap_err();
            let expected =
                if len < MAGIC.len() { CheckpointError::Foreign } else { CheckpointError::Damaged };
            assert_eq!(error, expected, "{len} of {} bytes", bytes.len());
        }
        for place in MAGIC.len()..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert!(Checkpoint::from_bytes(&changed).is_err(), "byte {place}");
        }
    }

    #[test]
    fn another_release_is_named() {
        let bytes = Checkpoint::new("a/b", &()).to_bytes();
        let at = MAGIC.len() + size_of::<u64>();
        let mut other = bytes;
        other[at] = b'9';
        let error = Checkpoint::from_bytes(&other).unwrap_err();
        assert!(error.to_string().contains(" of release 9."), "{error}");
    }
}

//! Checkpoints: searches that were stopped and can be resumed.

use std::fmt;
use std::hash::Hasher;

use rustc_hash::FxHasher;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first bytes of a checkpoint.
const MAGIC: &[u8; 8] = b"selvedge";

/// The format of the following bytes. It changes with every release that could misread an older
/// one.
const FORMAT: &str = concat!(env!("CARGO_PKG_VERSION"), "/2");

/// A search that was stopped, with everything that another process needs to resume it.
///
/// Created by [`Progress::checkpoint`](crate::Progress::checkpoint), and resumed by
/// [`Checker::resume`](crate::Checker::resume) under the same program. A scenario that has
/// changed since is refused where the search notices it, which is where it repeats what it has
/// explored before. It need not notice, so the caller has to store with a checkpoint which program
/// it belongs to.
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

    /// Returns the name of the scenario that is searched.
    pub fn scenario(&self) -> &str {
        &self.scenario
    }

    /// Returns the checkpoint as bytes, to be stored in a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for part in [FORMAT.as_bytes(), self.scenario.as_bytes(), &self.payload] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the bytes that [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] if the bytes are anything else.
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

/// Returns one part, which follows its length, and the remaining bytes.
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

/// The reason why a search cannot be resumed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CheckpointError {
    /// The bytes are not a checkpoint.
    Foreign,
    /// Bytes are missing, or were changed.
    Damaged,
    /// Another release has written it.
    OtherRelease {
        /// Its format.
        format: String,
    },
    /// It belongs to another scenario.
    OtherScenario {
        /// The name of that scenario.
        scenario: String,
    },
    /// The scenario has changed since.
    Outdated,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("this is not a checkpoint"),
            Self::Damaged => f.write_str("the checkpoint is damaged: truncated or changed"),
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
    fn a_truncated_or_changed_checkpoint_is_refused() {
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
    fn an_error_names_the_other_release() {
        let bytes = Checkpoint::new("a/b", &()).to_bytes();
        let at = MAGIC.len() + size_of::<u64>();
        let mut other = bytes;
        other[at] = b'9';
        let error = Checkpoint::from_bytes(&other).unwrap_err();
        assert!(error.to_string().contains(" of release 9."), "{error}");
    }
}

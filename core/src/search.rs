//! The engines and the searches, by name.

use std::fmt;
use std::str::FromStr;

/// An engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Engine {
    /// Selvedge's own explorer.
    Native,
    /// loom, in builds with the feature `loom`.
    Loom,
    /// shuttle, in builds with the feature `shuttle`.
    Shuttle,
}

impl Engine {
    /// Every engine of this build.
    pub const ALL: &'static [Self] = &[
        Self::Native,
        #[cfg(any(loom, feature = "loom"))]
        Self::Loom,
        #[cfg(feature = "shuttle")]
        Self::Shuttle,
    ];

    /// `native`, `loom` or `shuttle`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Loom => "loom",
            Self::Shuttle => "shuttle",
        }
    }

    /// Whether accesses that ask for less than sequential consistency can get less.
    pub(crate) fn has_weak_memory(self) -> bool {
        matches!(self, Self::Native | Self::Loom)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is not the name of an engine, or not that of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownName {
    name: String,
    what: &'static str,
    known: Vec<&'static str>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} `{}`; available: {}", self.what, self.name, self.known.join(", "))
    }
}

impl std::error::Error for UnknownName {}

impl FromStr for Engine {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let engine = Self::ALL.iter().copied().find(|engine| engine.as_str() == name);
        engine.ok_or_else(|| UnknownName {
            name: name.to_owned(),
            what: "engine",
            known: Self::ALL.iter().map(|engine| engine.as_str()).collect(),
        })
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Search {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let search = Self::ALL.iter().copied().find(|search| search.as_str() == name);
        search.ok_or_else(|| UnknownName {
            name: name.to_owned(),
            what: "search",
            known: Self::ALL.iter().map(|search| search.as_str()).collect(),
        })
    }
}

/// How the native engine searches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Search {
    /// [`Reduced`](Self::Reduced), and if that refutes, [`Full`](Self::Full), so that every kind of
    /// violation is found. At 100,000 states it tries [`Dpor`](Self::Dpor) for a moment.
    #[default]
    Auto,
    /// Every reachable state that matters, with one partial-order reduction: where a thread is
    /// about to unlock, no other thread is tried. It finds every deadlock and every final state,
    /// and a violation if there is one, but not every kind of violation.
    Reduced,
    /// Every reachable state and every transition of it.
    Full,
    /// As [`Full`](Self::Full), but of the states that differ only in the names of identical
    /// threads it keeps one. [`Auto`](Self::Auto), [`Reduced`](Self::Reduced) and
    /// [`Shortest`](Self::Shortest) do that too.
    Symmetric,
    /// Every reachable state, until the first violation: its schedule is a shortest one.
    Shortest,
    /// Every Mazurkiewicz trace once, by sleep sets alone: the reference for [`Dpor`](Self::Dpor).
    SleepSets,
    /// Every Mazurkiewicz trace once, by source-DPOR. It compares no states and remembers only the
    /// present execution, so it is an independent verifier, for programs with fewer traces than
    /// states. If a violation stops it, [`Full`](Self::Full) finds the rest.
    Dpor,
}

impl Search {
    /// Every search.
    pub const ALL: &'static [Self] = &[
        Self::Auto,
        Self::Reduced,
        Self::Full,
        Self::Symmetric,
        Self::Shortest,
        Self::SleepSets,
        Self::Dpor,
    ];

    /// `auto`, `reduced`, `full`, `symmetric`, `shortest`, `sleep-sets` or `dpor`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Reduced => "reduced",
            Self::Full => "full",
            Self::Symmetric => "symmetric",
            Self::Shortest => "shortest",
            Self::SleepSets => "sleep-sets",
            Self::Dpor => "dpor",
        }
    }
}

//! The names of domains.

use selvedge_core::sync::{Atomic, AtomicValue};

/// A domain, which a function can be attached to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dom {
    /// A `struct s390_domain` with a table, with its number.
    Paging(u8),
    /// `blocking_domain`, since v6.13, which registers nothing.
    Blocking,
    /// `s390_identity_domain`, 2025, which does not translate addresses.
    Identity,
}

/// The domain of VFIO.
pub const A: Dom = Dom::Paging(0);
/// The maximum number of functions.
const FUNCTIONS: u8 = 2;
/// The maximum number of domains.
pub(super) const DOMAINS: u8 = 1 + 2 * FUNCTIONS;

impl Dom {
    /// Returns the blocking domain of a group up to v6.12, which is an ordinary domain without
    /// mappings.
    pub fn blocking(zdev: usize) -> Self {
        Self::Paging(1 + zdev as u8)
    }

    /// Returns the default domain of a group, since v6.7.
    pub fn default_of(zdev: usize) -> Self {
        Self::Paging(1 + FUNCTIONS + zdev as u8)
    }
}

impl AtomicValue for Dom {
    fn to_word(self) -> u64 {
        match self {
            Self::Blocking => 0,
            Self::Identity => 1,
            Self::Paging(number) => 2 + u64::from(number),
        }
    }

    fn from_word(word: u64) -> Self {
        match word {
            0 => Self::Blocking,
            1 => Self::Identity,
            word => Self::Paging((word - 2) as u8),
        }
    }
}

/// A field that holds a domain, and that has no lock of its own.
#[derive(Debug)]
pub struct DomainField(Atomic<Option<Dom>>);

impl DomainField {
    /// Creates a field that holds NULL.
    pub fn new(name: &'static str) -> Self {
        Self(Atomic::new(name, None))
    }

    /// Reads the field.
    #[track_caller]
    pub fn read(&self) -> Option<Dom> {
        self.0.load()
    }

    /// Stores a domain.
    #[track_caller]
    pub fn write(&self, domain: Option<Dom>) {
        self.0.store(domain);
    }
}

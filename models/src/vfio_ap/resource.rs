//! A resource that is assigned to a mediated device. Each kind of resource has two attributes.

use crate::ap::{ApConfig, ApMask, ApMatrix};

/// A resource. The hardware has 256 of each kind, so every number is valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// An adapter.
    Adapter(u8),
    /// A usage domain.
    Domain(u8),
    /// A control domain, which has no queues.
    ControlDomain(u8),
}

impl Resource {
    /// Returns the name of the function that assigns it.
    pub fn assign_store(self) -> &'static str {
        match self {
            Self::Adapter(_) => "assign_adapter_store",
            Self::Domain(_) => "assign_domain_store",
            Self::ControlDomain(_) => "assign_control_domain_store",
        }
    }

    /// Returns the name of the function that unassigns it.
    pub fn unassign_store(self) -> &'static str {
        match self {
            Self::Adapter(_) => "unassign_adapter_store",
            Self::Domain(_) => "unassign_domain_store",
            Self::ControlDomain(_) => "unassign_control_domain_store",
        }
    }

    /// Returns the queues that it adds to or removes from `matrix`.
    pub fn queues(self, matrix: &ApMatrix) -> ApMatrix {
        match self {
            Self::Adapter(apid) => ApMatrix { apm: ApMask::of([apid]), aqm: matrix.aqm },
            Self::Domain(apqi) => ApMatrix { apm: matrix.apm, aqm: ApMask::of([apqi]) },
            Self::ControlDomain(_) => ApMatrix::default(),
        }
    }

    /// Returns whether these masks have it.
    pub fn is_in(self, config: &ApConfig) -> bool {
        match self {
            Self::Adapter(apid) => config.matrix.apm.test(apid),
            Self::Domain(apqi) => config.matrix.aqm.test(apqi),
            Self::ControlDomain(domain) => config.adm.test(domain),
        }
    }

    /// Returns the masks with it or without it.
    #[must_use]
    pub fn set(self, mut config: ApConfig, value: bool) -> ApConfig {
        match self {
            Self::Adapter(apid) => config.matrix.apm.set(apid, value),
            Self::Domain(apqi) => config.matrix.aqm.set(apqi, value),
            Self::ControlDomain(domain) => config.adm.set(domain, value),
        }
        config
    }
}

//! What is assigned to a mediated device, one at a time: each kind has two attributes.

use crate::ap::{ApConfig, ApMask, ApMatrix};

/// What is assigned or unassigned. The hardware has 256 of each, so none is out of range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// An adapter.
    Adapter(u8),
    /// A usage domain.
    Domain(u8),
    /// A control domain. No queue comes with it.
    ControlDomain(u8),
}

impl Resource {
    /// The function that assigns it.
    pub fn assign_store(self) -> &'static str {
        match self {
            Self::Adapter(_) => "assign_adapter_store",
            Self::Domain(_) => "assign_domain_store",
            Self::ControlDomain(_) => "assign_control_domain_store",
        }
    }

    /// The function that unassigns it.
    pub fn unassign_store(self) -> &'static str {
        match self {
            Self::Adapter(_) => "unassign_adapter_store",
            Self::Domain(_) => "unassign_domain_store",
            Self::ControlDomain(_) => "unassign_control_domain_store",
        }
    }

    /// The queues that come or go with it.
    pub fn queues(self, matrix: &ApMatrix) -> ApMatrix {
        match self {
            Self::Adapter(apid) => ApMatrix { apm: ApMask::of([apid]), aqm: matrix.aqm },
            Self::Domain(apqi) => ApMatrix { apm: matrix.apm, aqm: ApMask::of([apqi]) },
            Self::ControlDomain(_) => ApMatrix::default(),
        }
    }

    /// Whether these masks have it.
    pub fn is_in(self, config: &ApConfig) -> bool {
        match self {
            Self::Adapter(apid) => config.matrix.apm.test(apid),
            Self::Domain(apqi) => config.matrix.aqm.test(apqi),
            Self::ControlDomain(domain) => config.adm.test(domain),
        }
    }

    /// The masks with it, or without.
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

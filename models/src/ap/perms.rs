//! The masks that reserve queues for the host's drivers.

use super::{ApMask, Apqn};

/// `struct ap_perms`: the adapters and domains that are reserved for the host's drivers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ApPerms {
    /// Adapters.
    pub apm: ApMask,
    /// Domains.
    pub aqm: ApMask,
    /// The number of queues for which an administrator has chosen the driver, since v6.19:
    /// `ap_driver_override_ctr`.
    pub overrides: u32,
}

impl ApPerms {
    /// Creates the masks.
    pub fn new(apm: ApMask, aqm: ApMask) -> Self {
        Self { apm, aqm, overrides: 0 }
    }

    /// Returns whether a queue may have a driver other than the host's because of a mask:
    /// `ap_apmask_aqmask_in_use`.
    pub(super) fn in_use(&self) -> bool {
        self.apm != ApMask::all() || self.aqm != ApMask::all()
    }

    /// Returns whether a queue is reserved for the host's drivers, which means that both its bits
    /// are set.
    pub fn reserves(&self, apqn: Apqn) -> bool {
        self.apm.test(apqn.apid) && self.aqm.test(apqn.apqi)
    }

    pub(super) fn mask(&mut self, dimension: Dimension) -> &mut ApMask {
        match dimension {
            Dimension::Adapters => &mut self.apm,
            Dimension::Domains => &mut self.aqm,
        }
    }
}

/// The mask that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dimension {
    Adapters,
    Domains,
}

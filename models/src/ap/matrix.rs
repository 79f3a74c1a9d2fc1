//! Sets of adapters and domains.

use super::{ApMask, Apqn};

/// `struct ap_matrix`: adapters and domains. Their product is the set of queues.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ApMatrix {
    /// Adapters.
    pub apm: ApMask,
    /// Domains.
    pub aqm: ApMask,
}

impl ApMatrix {
    /// Returns the queues, which are every adapter with every domain.
    pub fn apqns(&self) -> impl Iterator<Item = Apqn> + '_ {
        self.apm.bits().flat_map(|apid| self.aqm.bits().map(move |apqi| Apqn { apid, apqi }))
    }

    /// Returns whether a queue is in the product.
    pub fn contains(&self, apqn: Apqn) -> bool {
        self.apm.test(apqn.apid) && self.aqm.test(apqn.apqi)
    }

    /// Returns the adapters and the domains that both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { apm: self.apm.and(&other.apm), aqm: self.aqm.and(&other.aqm) }
    }

    /// Returns the adapters and the domains that `other` does not have, each on their own.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self { apm: self.apm.without(&other.apm), aqm: self.aqm.without(&other.aqm) }
    }

    /// Returns whether a queue is in both products.
    pub fn intersects(&self, apm: &ApMask, aqm: &ApMask) -> bool {
        self.apm.intersects(apm) && self.aqm.intersects(aqm)
    }
}

/// The adapters, usage domains and control domains of the host (`struct ap_config_info`), of a
/// mediated device or of a guest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ApConfig {
    /// Adapters and usage domains.
    pub matrix: ApMatrix,
    /// Control domains.
    pub adm: ApMask,
}

impl From<ApMatrix> for ApConfig {
    /// Returns these queues without any control domain.
    fn from(matrix: ApMatrix) -> Self {
        Self { matrix, adm: ApMask::none() }
    }
}

impl ApConfig {
    /// Returns every adapter and domain.
    pub fn everything() -> Self {
        let matrix = ApMatrix { apm: ApMask::all(), aqm: ApMask::all() };
        Self { matrix, adm: ApMask::all() }
    }

    /// Returns the intersection of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { matrix: self.matrix.and(&other.matrix), adm: self.adm.and(&other.adm) }
    }

    /// Returns what `other` does not have.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self { matrix: self.matrix.without(&other.matrix), adm: self.adm.without(&other.adm) }
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

//! Mediated devices and what is assigned to them.

use super::{ApBus, ApMask, Apqn, Driver, Errno};

/// `struct ap_matrix`: adapters and domains; the queues are their product.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ApMatrix {
    /// Adapters.
    pub apm: ApMask,
    /// Domains.
    pub aqm: ApMask,
}

impl ApMatrix {
    /// The queues: every adapter with every domain.
    pub fn apqns(&self) -> impl Iterator<Item = Apqn> + '_ {
        self.apm.bits().flat_map(|apid| self.aqm.bits().map(move |apqi| Apqn { apid, apqi }))
    }

    /// Whether a queue is in the product.
    pub fn contains(&self, apqn: Apqn) -> bool {
        self.apm.test(apqn.apid) && self.aqm.test(apqn.apqi)
    }

    /// The adapters that both have, with the domains that both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { apm: self.apm.and(&other.apm), aqm: self.aqm.and(&other.aqm) }
    }

    /// What `other` lacks: adapters and domains, each by themselves.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self { apm: self.apm.without(&other.apm), aqm: self.aqm.without(&other.aqm) }
    }

    /// Whether a queue is in both products.
    pub fn intersects(&self, apm: &ApMask, aqm: &ApMask) -> bool {
        self.apm.intersects(apm) && self.aqm.intersects(aqm)
    }
}

/// Adapters, usage domains and control domains: of the host (`struct ap_config_info`), of a
/// mediated device, of a guest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ApConfig {
    /// Adapters and usage domains.
    pub matrix: ApMatrix,
    /// Control domains.
    pub adm: ApMask,
}

impl From<ApMatrix> for ApConfig {
    /// These queues, and no control domain.
    fn from(matrix: ApMatrix) -> Self {
        Self { matrix, adm: ApMask::none() }
    }
}

impl ApConfig {
    /// Every adapter and domain.
    pub fn everything() -> Self {
        let matrix = ApMatrix { apm: ApMask::all(), aqm: ApMask::all() };
        Self { matrix, adm: ApMask::all() }
    }

    /// What both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { matrix: self.matrix.and(&other.matrix), adm: self.adm.and(&other.adm) }
    }

    /// What `other` lacks.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self { matrix: self.matrix.without(&other.matrix), adm: self.adm.without(&other.adm) }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `struct ap_matrix_mdev`: a mediated device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct MatrixMdev {
    /// What is assigned to it.
    pub matrix: ApMatrix,
}

impl MatrixMdev {
    /// The queues that adapter `apid` adds.
    fn with_adapter(&self, apid: u8) -> ApMatrix {
        ApMatrix { apm: ApMask::of([apid]), aqm: self.matrix.aqm }
    }

    /// Assigns adapter `apid` if `available` says so of the queues that come with it, and clears
    /// the bit again if not. (Before v6.0 that is so even if it was set before; no version takes
    /// the adapter for assigned twice.)
    ///
    /// # Errors
    ///
    /// What `available` returns.
    pub(super) fn assign_adapter(
        &mut self,
        apid: u8,
        available: impl FnOnce(&ApMatrix) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        self.matrix.apm.set(apid, true);
        let checked = available(&self.with_adapter(apid));
        if checked.is_err() {
            self.matrix.apm.set(apid, false);
        }
        checked
    }

    /// Answers the bus: `-EADDRINUSE` if a queue of `apm` and `aqm` is assigned.
    ///
    /// # Errors
    ///
    /// [`Errno::Eaddrinuse`].
    pub(super) fn resource_in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno> {
        if self.matrix.intersects(apm, aqm) { Err(Errno::Eaddrinuse) } else { Ok(()) }
    }
}

/// `vfio_ap_mdev_verify_queues_reserved_for_apid`, up to the v12 series' seventh patch: a queue
/// is taken to be available if its device is bound to vfio_ap. Nobody asks the masks.
///
/// # Errors
///
/// [`Errno::Eaddrnotavail`] if a queue of `matrix` is not bound to vfio_ap.
#[track_caller]
pub(super) fn verify_queues_bound(bus: &ApBus, matrix: &ApMatrix) -> Result<(), Errno> {
    let bound = |apqn| bus.queue(apqn).is_some_and(|queue| queue.driver() == Some(Driver::VfioAp));
    if matrix.apqns().all(bound) { Ok(()) } else { Err(Errno::Eaddrnotavail) }
}

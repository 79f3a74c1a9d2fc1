//! A mediated device and its assigned matrix.

use crate::Errno;
use crate::ap::{ApBus, ApMask, ApMatrix, Driver};

/// `struct ap_matrix_mdev`: a mediated device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct MatrixMdev {
    /// The matrix that is assigned to it.
    pub matrix: ApMatrix,
}

impl MatrixMdev {
    /// Returns the queues that adapter `apid` adds.
    fn with_adapter(&self, apid: u8) -> ApMatrix {
        ApMatrix { apm: ApMask::of([apid]), aqm: self.matrix.aqm }
    }

    /// Assigns adapter `apid` if `available` accepts the queues that it adds, and clears the bit
    /// again otherwise. Before v6.0 the bit is cleared even if it was set before. No version treats
    /// the adapter as assigned twice.
    ///
    /// # Errors
    ///
    /// The error of `available`.
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

    /// Answers the bus with `-EADDRINUSE` if a queue of `apm` and `aqm` is assigned.
    ///
    /// # Errors
    ///
    /// [`Errno::Eaddrinuse`] if such a queue is assigned.
    pub(super) fn resource_in_use(&self, apm: &ApMask, aqm: &ApMask) -> Result<(), Errno> {
        if self.matrix.intersects(apm, aqm) { Err(Errno::Eaddrinuse) } else { Ok(()) }
    }
}

/// Models `vfio_ap_mdev_verify_queues_reserved_for_apid` up to the seventh patch of the v12 series.
/// A queue counts as available if its device is bound to vfio_ap. The masks are not checked.
///
/// # Errors
///
/// [`Errno::Eaddrnotavail`] if a queue of `matrix` is not bound to vfio_ap.
#[track_caller]
pub(super) fn verify_queues_bound(bus: &ApBus, matrix: &ApMatrix) -> Result<(), Errno> {
    let bound = |apqn| bus.queue(apqn).is_some_and(|queue| queue.driver() == Some(Driver::VfioAp));
    if matrix.apqns().all(bound) { Ok(()) } else { Err(Errno::Eaddrnotavail) }
}

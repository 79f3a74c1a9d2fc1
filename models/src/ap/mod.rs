//! The AP bus of s390 and the driver that passes its queues through to guests, vfio_ap.
//!
//! An *AP adapter* (a crypto card) has *domains*; an adapter number (APID) and a domain number
//! (APQI) name one hardware queue, its *APQN*. The bus keeps two masks, one of adapters and one
//! of domains: a queue whose bits are set in both is *reserved* for the host's own drivers, any
//! other may be bound to vfio_ap. vfio_ap in turn lets administrators assign adapters and
//! domains to *mediated devices* (mdev), each of which a guest can use.
//!
//! So two parties decide over a queue: whoever writes the masks of the bus
//! ([`ApBus::apmask_store`]) and whoever assigns it to a mediated device
//! ([`VfioAp::assign_adapter_store`]). Each has a lock of its own and has to ask the other. How
//! they do that without deadlock and without a gap took twenty versions of a patch series,
//! *dynamic configuration support*; each of the modules [`p11`], [`p12a`], [`p12b`], [`p18`] and
//! [`v6_0`] is one answer.

mod bus;
mod driver;
mod errno;
pub mod mask;
mod matrix;
mod matrix_dev;
pub mod module_exit;
pub mod p11;
pub mod p12a;
pub mod p12b;
pub mod p18;
pub mod v6_0;

pub use bus::{ApBus, ApPerms, Driver, QueueDevice};
pub use driver::{ApDriver, VfioApDrv};
pub use errno::Errno;
pub use mask::ApMask;
pub use matrix::{ApConfig, ApMatrix, MatrixMdev};
pub use matrix_dev::{MatrixDev, OneLock, ThreeLocks};

use std::fmt;

/// An AP queue number: adapter and domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Apqn {
    /// The adapter's number (APID).
    pub apid: u8,
    /// The domain's number (APQI).
    pub apqi: u8,
}

/// As the kernel writes it: `01.0004`.
impl fmt::Display for Apqn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}.{:04x}", self.apid, self.apqi)
    }
}

/// A version of the vfio_ap driver, as far as the dispute over the masks concerns it: the two
/// functions in which versions differ. The rest is its [`MatrixDev`]'s.
///
/// Each function is named after the kernel function it models and takes the same locks in the
/// same order.
pub trait VfioAp: 'static {
    /// The locks that the version has.
    type MatrixDev: MatrixDev;

    /// The answer to the bus: is any queue of adapters `apm` and domains `aqm` assigned to a
    /// mediated device? Called with `ap_perms_mutex` held.
    ///
    /// # Errors
    ///
    /// Whatever the kernel function returns to veto the change of a mask.
    fn vfio_ap_mdev_resource_in_use(
        matrix_dev: &Self::MatrixDev,
        apm: &ApMask,
        aqm: &ApMask,
    ) -> Result<(), Errno>;

    /// The administrator assigns an adapter to the mediated device.
    ///
    /// # Errors
    ///
    /// What the write to the sysfs file returns.
    fn assign_adapter_store(
        matrix_dev: &Self::MatrixDev,
        bus: &ApBus,
        apid: u8,
    ) -> Result<(), Errno>;
}

//! The AP bus of s390.
//!
//! An *AP adapter* is a crypto card, and it has *domains*. An adapter number (APID) and a domain
//! number (APQI) identify one queue, and together they are its *APQN*. The bus has a mask of
//! adapters and a mask of domains. A queue whose bits are set in both is *reserved* for the host's
//! own drivers. Any other queue may be bound to vfio_ap.

mod bus;
mod driver;
mod driver_override;
pub mod mask;
mod matrix;
mod perms;
mod queue_device;
pub mod virtual_qci;
pub mod zcrypt;

pub use bus::ApBus;
pub use driver::ApDriver;
pub use driver_override::{DriverOverride, Overrides};
pub use mask::ApMask;
pub use matrix::{ApConfig, ApMatrix};
pub use perms::ApPerms;
pub use queue_device::{Driver, QueueDevice};

use std::fmt;

/// An AP queue number: adapter and domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Apqn {
    /// The adapter's number (APID).
    pub apid: u8,
    /// The domain's number (APQI).
    pub apqi: u8,
}

/// The form of the kernel: `01.0004`.
impl fmt::Display for Apqn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}.{:04x}", self.apid, self.apqi)
    }
}

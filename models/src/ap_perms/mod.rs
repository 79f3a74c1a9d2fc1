//! Two parties decide over an AP queue: a model of the dispute over `ap_perms_mutex`.
//!
//! vfio_ap lets administrators assign adapters and domains to *mediated devices* (mdev), each of
//! which a guest can use. A queue may be assigned only if the masks of the [bus](crate::ap) do not
//! reserve it for the host.
//!
//! So two parties decide over a queue: whoever writes the masks of the bus
//! ([`apmask_store`](crate::ap::ApBus::apmask_store)) and whoever assigns it to a mediated device
//! ([`VfioAp::assign_adapter_store`]). Each has a lock of its own and has to ask the other. How
//! they do that without deadlock and without a gap took twenty versions of a patch series,
//! *dynamic configuration support*; each of the modules [`p11`], [`p12a`], [`p12b`], [`p18`] and
//! [`v6_0`] is one answer.

mod driver;
mod matrix_dev;
mod mdev;
pub mod module_exit;
pub mod p11;
pub mod p12a;
pub mod p12b;
pub mod p18;
pub(crate) mod scenarios;
pub mod v6_0;

pub use driver::{VfioAp, VfioApDrv};
pub use matrix_dev::{MatrixDev, OneLock, ThreeLocks};
pub use mdev::MatrixMdev;

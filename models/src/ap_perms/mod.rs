//! A model of the locking around `ap_perms_mutex`, where two parties decide about an AP queue.
//!
//! vfio_ap lets administrators assign adapters and domains to *mediated devices* (mdev), each of
//! which a guest can use. A queue may be assigned only if the masks of the [bus](crate::ap) do not
//! reserve it for the host.
//!
//! One party writes the masks of the bus ([`apmask_store`](crate::ap::ApBus::apmask_store)). The
//! other party assigns the queue to a mediated device ([`VfioAp::assign_adapter_store`]). Each has
//! a lock of its own and has to query the other. A patch series, *dynamic configuration support*,
//! took twenty versions to do this without a deadlock and without a gap. Each of the modules
//! [`p11`], [`p12a`], [`p12b`], [`p18`] and [`v6_0`] is one of its solutions.

mod driver;
mod matrix_dev;
mod mdev;
pub mod module_exit;
pub mod p11;
pub mod p12a;
pub mod p12b;
pub mod p18;
mod rules;
pub(crate) mod scenarios;
pub mod v6_0;

pub use driver::{VfioAp, VfioApDrv};
pub use matrix_dev::{MatrixDev, OneLock, ThreeLocks};
pub use mdev::MatrixMdev;
pub use rules::RULES;

//! State machines of Linux kernel drivers, and the scenarios that check their locking.
//!
//! A model function carries the name of the kernel function it models, takes its locks in the
//! same order, and says which version and source it follows. It is written against the
//! primitives of [`selvedge_core`], so it runs under every engine, on plain threads, and inside
//! a `loom::model` of your own.
//!
//! - [`ap`]: the AP bus of s390, and the dispute over who decides over its queues.
//! - [`iommu`]: the IOMMU of s390's PCI functions, version by version.
//! - [`vfio_ap`]: the driver that gives those queues to guests, version by version.
//! - [`dma`]: who may hand out a DMA address again, and when.
//! - [`iova`]: the addresses that a device uses, as data behind the locks of a model.
//! - [`catalogue`]: every scenario, with the verdict it is expected to get.
//! - [`programs`]: lock programs of known size, to measure a search with.
//!
//! The kernel is GPL-2.0 and none of its code is here: the models follow its behaviour, in
//! words of their own.

#![deny(missing_docs)]

pub mod ap;
pub mod ap_perms;
mod catalogue;
pub mod dma;
mod errno;
pub mod iommu;
mod postcondition;
pub mod programs;
pub mod vfio_ap;

pub use ap_perms::scenarios::instance as ap_perms_instance;
pub use catalogue::catalogue;
pub use errno::Errno;
pub use selvedge_iova as iova;

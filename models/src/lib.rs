//! State machines of Linux kernel drivers, and the scenarios that check their locking.
//!
//! A model function has the name of the kernel function that it models, takes its locks in the same
//! order, and names the version and the source that it follows. It is written against the
//! primitives of [`selvedge_core`], so it runs under every engine, on plain threads, and inside a
//! `loom::model`.
//!
//! - [`ap`]: the AP bus of s390, and the two parties that decide about its queues.
//! - [`iommu`]: the IOMMU of the PCI functions of s390, version by version.
//! - [`vfio_ap`]: the driver that passes AP queues through to guests, version by version.
//! - [`dma`]: when a DMA address may be reused, and by which code.
//! - [`iova`]: the allocators of I/O virtual addresses, as data behind the locks of a model.
//! - [`sources`]: the lines of the kernel that the model functions stand for.
//! - [`catalogue`]: every scenario with its expected verdict.
//! - [`programs`]: lock programs of known size, which measure a search.
//!
//! The kernel is GPL-2.0 and none of its code is here: the models are written from its behaviour.

#![deny(missing_docs)]

pub mod ap;
pub mod ap_perms;
mod catalogue;
pub mod dma;
mod errno;
pub mod iommu;
pub mod kernel;
mod postcondition;
pub mod programs;
mod rule;
pub mod sources;
pub mod vfio_ap;

pub use ap_perms::scenarios::instance as ap_perms_instance;
pub use catalogue::{catalogue, clients};
pub use errno::Errno;
pub use rule::Rule;
pub use selvedge_iova as iova;

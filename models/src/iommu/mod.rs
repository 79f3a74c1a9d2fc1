//! The IOMMU of the PCI functions of s390, version by version: how functions are attached, detached
//! and released, and how the hardware sees it.
//!
//! Up to v6.6 two parties drive the same hardware: the DMA API of the architecture, while no domain
//! is attached, and the IOMMU driver. They switch through two fields of the device that only the
//! locking of the core protects, and from v5.8 to v6.4 the core released a device without a lock.
//! The mail "Re: [PATCH v4 1/2] iommu/s390: Fix race with release_device ops", N. Schnelle, 1
//! September 2022, calls this a mess that is "a symptom of our current design oddity".
//!
//! | module | kernel | what is new |
//! |---|---|---|
//! | [`k0`](versions::k0) | up to v5.18 | |
//! | [`k1`](versions::k1) | v5.19 to v6.1 | an attached device may be attached again |
//! | [`k1p`](versions::k1p) | posted in 2022 | a lock of the device, and a flag for its release |
//! | [`k2`](versions::k2) | v6.2 to v6.6 | attaching detaches first; RCU lists; separate flushes |
//! | [`k3`](versions::k3) | v6.7 to v6.12 | no DMA API of its own, but a default domain |
//! | [`k4`](versions::k4) | v6.13 and later | a blocking domain that cannot fail |
//! | [`proposed`](versions::proposed) | not posted | the remaining fixes |
//!
//! The core ([`iommu_core`]), VFIO ([`vfio`]), hot plug ([`hotplug`]) and [`reset`] behave as the
//! [`kernel`] of the scenario says. [`hardware`] is the hardware, with the rules that the code must
//! not break.

pub mod cookie;
pub mod counters;
pub mod dma_api;
pub mod domain;
pub mod group;
pub mod hardware;
pub mod hotplug;
pub mod iommu_core;
pub mod kernel;
pub mod lists;
pub mod ops;
pub mod reset;
mod rules;
pub(crate) mod scenarios;
pub mod versions;
pub mod vfio;
pub mod world;
pub mod zdevs;

pub use rules::RULES;

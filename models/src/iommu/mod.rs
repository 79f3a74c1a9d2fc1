//! The IOMMU of s390's PCI functions, version by version: who attaches, detaches and releases a
//! function, and what of it the hardware sees.
//!
//! Up to v6.6 the same hardware is driven twice: by the DMA API of the architecture, while nobody has
//! attached a domain, and by the IOMMU driver. They hand over through two fields of the device that
//! nothing protects but the core's locking, and from v5.8 to v6.4 the core released a device without
//! any. The mail "Re: [PATCH v4 1/2] iommu/s390: Fix race with release_device ops", N. Schnelle,
//! 1 September 2022, calls it a mess that is "a symptom of our current design oddity".
//!
//! | module | kernel | what is new |
//! |---|---|---|
//! | [`k0`](versions::k0) | up to v5.18 | |
//! | [`k1`](versions::k1) | v5.19 to v6.1 | a device that is attached may be attached again |
//! | [`k1p`](versions::k1p) | posted in 2022 | a lock of the device, and a mark that it was released |
//! | [`k2`](versions::k2) | v6.2 to v6.6 | attaching detaches first; lists under RCU; flushing apart |
//! | [`k3`](versions::k3) | v6.7 to v6.12 | no DMA API of its own: there is a default domain |
//! | [`k4`](versions::k4) | v6.13 and later | a blocking domain that cannot fail |
//! | [`proposed`](versions::proposed) | posted by nobody | what is left |
//!
//! Around them are the core ([`iommu_core`]), VFIO ([`vfio`]) and hot plug ([`hotplug`]), each as the
//! [`kernel`] of the scenario has them; [`hardware`] is the hardware, with the rules that it must not see broken.

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
pub(crate) mod scenarios;
pub mod versions;
pub mod vfio;
pub mod world;
pub mod zdevs;

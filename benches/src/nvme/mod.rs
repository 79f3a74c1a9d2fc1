//! What a scheme for reusing I/O addresses costs an NVMe: a simulation of the workload of Niklas
//! Schnelle's mail of 1 September 2022 ("Re: \[PATCH v4 1/2\] iommu/s390: Fix race with
//! release_device ops"), over the allocators of [`selvedge_models::iova`] themselves.
//!
//! Each CPU keeps a number of requests going. It maps a buffer, hands it to the device, and when
//! the device is done it unmaps the buffer and begins again. What takes time is the CPU's work, the
//! device, and the flushes: in a guest each of them traps, and the hypervisor does one after the
//! other. Time is simulated, so a run is the same on every machine, and is a function of its seed.
//!
//! - [`Costs`]: how long everything takes, and the presets.
//! - [`Scheme`]: what is done with an address that was unmapped.
//! - [`simulate`]: a run.

mod costs;
mod engine;
mod scheme;
mod stale;

pub use costs::{BadCosts, Costs};
pub use engine::{Exhausted, Outcome, simulate};
pub use scheme::{QueueOf, Scheme};

//! The costs of schemes for reusing I/O addresses with an NVMe device: a simulation of the workload
//! of Niklas Schnelle's mail of 1 September 2022 ("Re: \[PATCH v4 1/2\] iommu/s390: Fix race with
//! release_device ops"), with the allocators of [`selvedge_iova`] themselves.
//!
//! Each CPU keeps a number of requests in flight. It maps a buffer, passes it to the device, unmaps
//! the buffer when the device is done, and begins again. The CPU's work, the device and the flushes
//! take time. In a guest each flush traps, and the hypervisor handles one after the other. Time is
//! simulated, so a run is the same on every computer and depends only on its seed.
//!
//! - [`Costs`]: the duration of every operation, and the presets.
//! - [`Scheme`]: the handling of an address that was unmapped.
//! - [`simulate`]: a run.

mod costs;
mod engine;
mod scheme;
mod stale;

pub use costs::{BadCosts, Costs};
pub use engine::{Exhausted, Outcome, simulate};
pub use scheme::{Own, QueueOf, Scheme};

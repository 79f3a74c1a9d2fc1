//! The versions of the driver: kernels from v5.3 to 2026, and posted patch series.

pub mod commits;
pub mod p15;
pub mod p17;
pub mod v5_11;
pub mod v5_11_draft;
pub mod v5_13;
pub mod v5_15;
pub mod v5_3;
pub mod v6_0;

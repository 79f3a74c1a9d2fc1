//! The measured operations of the benches, so that tests can check them.
//!
//! The features `checker`, `criterion` and `programs` are on by default. A crate with an allocator
//! of its own needs none or one of them, and then neither model checkers nor plots are compiled.

#![deny(missing_docs)]

pub mod iova;
pub mod nvme;
#[cfg(feature = "checker")]
pub mod peers;
#[cfg(feature = "checker")]
mod proofs;
#[cfg(feature = "programs")]
pub mod results;
#[cfg(feature = "programs")]
pub mod simulate;
#[cfg(feature = "checker")]
pub mod std_names;

#[cfg(feature = "checker")]
pub use proofs::{prove, proved_by_loom};

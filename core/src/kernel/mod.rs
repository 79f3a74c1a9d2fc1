//! The names of the Linux kernel's Rust abstractions for synchronisation, `kernel::sync` of v6.15.

pub mod alloc;
pub mod error;
pub mod init;
pub mod prelude;
pub mod revocable;
pub mod sync;

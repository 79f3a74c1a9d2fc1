//! What a driver imports, as `rust/kernel/prelude.rs` (v6.15), as far as it is there.

pub use std::pin::Pin;

pub use super::alloc::KBox;
pub use super::alloc::flags::*;
pub use super::error::code::*;
pub use super::error::{Error, Result};
pub use super::init::PinInit;
#[doc(inline)]
pub use crate::{pin_init, try_pin_init};

//! The versions of the driver, named after their generation.

pub mod k0;
pub mod k1;
pub mod k1p;
pub mod k2;
pub mod k3;
pub mod k4;
pub mod proposed;

//! The programs with Selvedge's names.

use selvedge_core::std as names;

#[path = "programs.rs"]
pub(super) mod programs;

//! The programs with loom's names.

use loom as names;

#[expect(clippy::duplicate_mod, reason = "one source, two sets of names")]
#[path = "programs.rs"]
pub(super) mod programs;

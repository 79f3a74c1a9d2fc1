//! Other model checkers, given the same lock programs.
//!
//! A program says all that it does, so each of them can be written as its own users would write
//! it: for loom with loom's mutexes, for stateright as a transition system by hand, for SPIN in
//! Promela. None of it goes through Selvedge.

pub mod loom;
pub mod spin;
pub mod stateright;

//! Other model checkers with the same lock programs.
//!
//! The text of a program is complete, so each program can be written as the users of the checker
//! would write it: with loom's mutexes for loom, as a hand-written transition system for
//! stateright, and in Promela for SPIN. None of this uses Selvedge.

pub mod loom;
pub mod spin;
pub mod stateright;

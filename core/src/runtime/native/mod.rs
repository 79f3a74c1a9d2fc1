//! Threads as coroutines on one OS thread.

mod execution;
mod fiber;
mod intern;
#[cfg(unix)]
mod overflow;
mod recording;

pub(crate) use execution::{End, Execution, Handle};
pub(crate) use intern::{History, Interner};
pub(crate) use recording::{Dimensions, Effect, FREED, Next, Recording, StepRecord};

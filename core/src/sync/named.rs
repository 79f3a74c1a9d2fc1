//! A name without a state.

use crate::machine::{Fault, Machine, Ready};
use crate::op::{Op, ThreadId};

/// The object that a word of the native engine's memory is known by.
#[derive(Clone)]
pub(super) struct Named;

impl Machine for Named {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        unreachable!("the operations of a word are the memory's")
    }

    fn apply(&mut self, _me: ThreadId, _op: Op, _outcome: u8) -> Result<u64, Fault> {
        unreachable!("the operations of a word are the memory's")
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, _key: &mut Vec<u64>) {}
}

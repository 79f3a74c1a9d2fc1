//! The machine of an object whose value is stored outside of it and changed within the operation.

use crate::machine::{Fault, Machine, Ready};
use crate::op::{Op, ThreadId};

/// The identity of the value, which is all that the machine knows of it.
#[derive(Clone)]
pub(super) struct Outside {
    pub(super) value: u64,
}

impl Machine for Outside {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready::YES
    }

    /// Replies with the value that the outcome depends on. The thread itself does not observe it:
    /// see [`OpKind::observed`](crate::op::OpKind::observed).
    fn apply(&mut self, _me: ThreadId, _op: Op, _outcome: u8) -> Result<u64, Fault> {
        Ok(self.value)
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.value);
    }

    fn set(&mut self, value: u64) -> Result<(), Fault> {
        self.value = value;
        Ok(())
    }
}

//! A token that one thread waits for and others make available.

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::Object;

/// A token, which is available or not: that of `std::thread::park`.
pub(super) struct Token {
    object: Object,
}

impl Token {
    pub(super) fn new(name: Name) -> Self {
        Self { object: Object::outside(name, Box::new(State { available: false })) }
    }

    /// Waits until the token is available, and takes it.
    pub(super) fn take(&self, at: Place) {
        self.object.perform(Op::new(OpKind::Park), at);
    }

    /// Makes the token available.
    pub(super) fn give(&self, at: Place) {
        self.object.perform(Op::new(OpKind::Unpark), at);
    }
}

#[derive(Clone)]
struct State {
    available: bool,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        Ready::when(op.kind == OpKind::Unpark || self.available)
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        self.available = op.kind == OpKind::Unpark;
        Ok(0)
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(u64::from(self.available));
    }
}

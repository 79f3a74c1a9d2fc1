//! An atomic word of loom's own, for accesses that are ordered as C11 says.
//!
//! An object on loom is a monitor, and loom's mutex orders whoever uses it. A word that is to show
//! what happens without that order cannot be one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::loom::sync::atomic::AtomicU64;

use super::host::Host;
use super::loom_host;
use crate::machine::Machine;
use crate::object::{Place, unwinding};
use crate::op::{ObjectId, Op, OpKind};

/// A word, with the observers that hear of what is done to it.
pub(crate) struct Word {
    id: ObjectId,
    word: AtomicU64,
    /// What the observers take the word to be; its state says nothing of what loom keeps.
    machine: Box<dyn Machine>,
    host: Option<Arc<Host>>,
}

impl Word {
    pub(crate) fn new(
        class: &'static str,
        value: u64,
        machine: Box<dyn Machine>,
        host: Option<Arc<Host>>,
    ) -> Self {
        let id = match &host {
            Some(host) => host.add_object(class, None, &*machine),
            None => ObjectId::new(0),
        };
        Self { id, word: AtomicU64::new(value), machine, host }
    }

    pub(crate) fn perform(&self, op: Op, ordering: Ordering, at: Place) -> u64 {
        if unwinding() {
            return 0;
        }
        let me = loom_host::me();
        if let Some(host) = &self.host {
            host.announce(me, self.id, op, at);
        }
        let reply = match op.kind {
            OpKind::Load => self.word.load(ordering),
            OpKind::Store => {
                self.word.store(op.a, ordering);
                0
            }
            OpKind::Swap => self.word.swap(op.a, ordering),
            OpKind::FetchAdd => self.word.fetch_add(op.a, ordering),
            other => unreachable!("{other} is no operation of a word"),
        };
        if let Some(host) = &self.host {
            host.complete(me, self.id, 0, reply, &*self.machine);
        }
        reply
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.id, f)
    }
}

//! An atomic word of loom's own, for accesses that are ordered as in C11.
//!
//! An object on loom is a monitor, and loom's mutex orders the threads that use it. A word that is
//! to show what happens without that order cannot be one.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use ::loom::sync::atomic::AtomicU64;

use super::host::Host;
use super::{loom_checker, loom_host};
use crate::machine::Machine;
use crate::op::{ObjectId, Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::unwinding;

/// tokio-rs/loom#254: the exchange may read a value that the store replaces, and yet follow it.
const NOT_ONE_STEP: &str = "there an exchange or an addition beside another thread's plain store \
                            is not one step (tokio-rs/loom#254)";

/// The interleavings that loom leaves out where a thread loads a word and then writes it: the
/// thread's own load hides another thread's load.
const HIDDEN_LOAD: &str = "the orderings of a load with the write of another thread that has \
                           loaded the word before (tokio-rs/loom#166)";

/// Returns the ordering of the load of a change with this ordering.
fn at_most_acquire(ordering: Ordering) -> Ordering {
    match ordering {
        Ordering::Release => Ordering::Relaxed,
        Ordering::AcqRel => Ordering::Acquire,
        ordering => ordering,
    }
}

/// A word, with the observers that are notified of its operations.
pub(crate) struct Word {
    id: ObjectId,
    word: AtomicU64,
    /// The word for the observers; its state says nothing about the value that loom keeps.
    machine: Box<dyn Machine>,
    host: Option<Arc<Host>>,
    writers: Mutex<Writers>,
}

/// The threads that have written to a word, and the kind of their accesses.
#[derive(Default)]
struct Writers {
    stores: Vec<ThreadId>,
    exchanges: Vec<ThreadId>,
    loads: Vec<ThreadId>,
    /// The threads that have written after a load of their own.
    writes_after_load: Vec<ThreadId>,
}

impl Writers {
    fn note(&mut self, me: ThreadId, kind: OpKind) {
        let exchanges = matches!(
            kind,
            OpKind::Swap | OpKind::FetchAdd | OpKind::FetchModify | OpKind::CompareExchange
        );
        let writes = kind == OpKind::Store || exchanges;
        if writes && me != ThreadId::SETUP && self.loads.contains(&me) {
            self.writes_after_load.push(me);
        }
        match kind {
            // The set-up comes before every thread.
            _ if me == ThreadId::SETUP => {}
            OpKind::Load => self.loads.push(me),
            OpKind::Store => self.stores.push(me),
            _ if exchanges => self.exchanges.push(me),
            _ => {}
        }
    }

    /// Returns whether one thread has loaded and then written, and another has loaded.
    fn hides_a_load(&self) -> bool {
        self.writes_after_load.iter().any(|one| self.loads.iter().any(|other| one != other))
    }

    /// Returns whether one thread has stored and another has exchanged.
    fn beside_each_other(&self) -> bool {
        self.stores.iter().any(|one| self.exchanges.iter().any(|other| one != other))
    }
}

impl Word {
    pub(crate) fn new(
        class: &'static str,
        value: u64,
        machine: Box<dyn Machine>,
        host: Option<Arc<Host>>,
    ) -> Self {
        let id = match &host {
            Some(host) => {
                loom_checker::start(host);
                host.add_object(class, None, &*machine)
            }
            None => ObjectId::new(0),
        };
        Self { id, word: AtomicU64::new(value), machine, host, writers: Mutex::default() }
    }

    /// Performs an operation with the ordering of one that changes the word, and that of one that
    /// does not.
    pub(crate) fn perform(&self, op: Op, ordering: Ordering, reads: Ordering, at: Place) -> u64 {
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
            OpKind::FetchAdd if op.b == 0 => self.word.fetch_add(op.a, ordering),
            OpKind::CompareExchange => {
                let exchanged = self.word.compare_exchange(op.a, op.b, ordering, reads);
                exchanged.unwrap_or_else(|found| found)
            }
            OpKind::FetchAdd | OpKind::FetchModify => {
                let modify = |before| Some(op.updates(before));
                self.word.fetch_update(ordering, at_most_acquire(ordering), modify).expect("always")
            }
            other => unreachable!("{other} is not an operation of a word"),
        };
        if let Some(host) = &self.host {
            let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
            writers.note(me, op.kind);
            if writers.beside_each_other() {
                host.doubt(NOT_ONE_STEP);
            }
            if writers.hides_a_load() {
                host.leaves_out(HIDDEN_LOAD);
            }
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

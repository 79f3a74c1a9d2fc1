//! The memory of an execution that has words whose accesses ask for less than one total order.

use std::sync::atomic::Ordering;

use crate::machine::Fault;
use crate::memory::{Memory, Note, Orders, orders};
use crate::observe::MemoryUse;
use crate::op::{ObjectId, Op, Place, ThreadId, Weak};
use crate::operations::OpKind;
use crate::runtime::native::recording::Effect;

use super::{Execution, Handle, Inner};

impl Inner {
    /// Notifies the memory, if there is one.
    pub(super) fn note(&mut self, note: Note) -> Result<(), Fault> {
        let Some(memory) = self.memory else { return Ok(()) };
        let noted = self.machines[memory.index()].set(note.to_word());
        self.affects(|| Effect::Set(memory, note.to_word()));
        noted
    }

    /// Notifies the memory, which does not refuse this.
    pub(super) fn note_surely(&mut self, note: Note) {
        self.note(note).expect("only an access of a variable can be a race");
    }

    /// Notifies the memory of an operation on another object, which has happened. A race does not
    /// follow from the observations of the thread, which runs up to its next operation.
    pub(super) fn note_order(&mut self, me: ThreadId, object: ObjectId, op: Op, reply: u64) {
        if self.memory.is_none() || op.weak.is_some() {
            return;
        }
        let Some(note) = orders(me, object, op, reply) else { return };
        if self.note(note).is_err() {
            let violation = self.observers.unordered(me);
            self.apart.get_or_insert((violation, self.threads.len()));
        }
    }

    /// Notifies the memory that a thread has ended, and that those that join it come after.
    pub(super) fn note_end(&mut self, me: ThreadId, end: Option<ObjectId>) {
        if let Some(end) = end {
            self.note_surely(Note::Orders(me, end, Orders::Release));
        }
        self.note_surely(Note::Ends(me));
    }
}

impl Execution {
    /// Returns the memory, which the first word creates.
    fn memory(&self) -> Handle {
        let (known, threads, execution) = {
            let inner = self.inner.borrow();
            (inner.memory, inner.threads.len(), inner.number)
        };
        if let Some(id) = known {
            return Handle { id, execution };
        }
        let total = self.assumed.get().accesses;
        let memory = self.register("memory", None, Box::new(Memory::new(threads, total)));
        self.inner.borrow_mut().memory = Some(memory.id());
        memory
    }

    /// Creates a word that holds `value`, for accesses of the object `name`. Returns the memory.
    pub(crate) fn word(&self, name: ObjectId, value: u64) -> Handle {
        let memory = self.memory();
        let mut inner = self.inner.borrow_mut();
        inner.note_surely(Note::Word(name));
        let (low, high) = (value as u32, (value >> 32) as u32);
        if low > 0 {
            inner.note_surely(Note::Low(name, low));
        }
        if high > 0 {
            inner.note_surely(Note::High(name, high));
        }
        memory
    }

    /// Returns what an access of a word has beyond its arguments, or a fence without one.
    pub(crate) fn weak(&self, word: Option<ObjectId>, changes: Ordering, reads: Ordering) -> Weak {
        Weak::new(word, changes, reads).coarse(self.assumed.get().total)
    }

    /// Assumes from now on that the memory is used in this way.
    pub(crate) fn assume_memory(&self, used: MemoryUse) {
        self.assumed.set(used);
    }

    /// Returns the use of the memory that the search assumes.
    pub(crate) fn assumed_memory(&self) -> MemoryUse {
        self.assumed.get()
    }

    /// Returns the use of the memory until now.
    pub(crate) fn memory_use(&self) -> MemoryUse {
        self.inner.borrow().observers.seen().memory()
    }

    /// Notes an access of a word, or a fence, with the ordering that it asks for.
    pub(crate) fn note_ordering(&self, ordering: Ordering, access: bool) {
        let mut inner = self.inner.borrow_mut();
        let used = inner.observers.seen_mut().memory_mut();
        match ordering {
            Ordering::SeqCst => {
                used.total = true;
                used.accesses |= access;
            }
            _ => used.words |= access,
        }
    }

    /// Performs a fence, if there is a memory.
    pub(crate) fn fence(&self, ordering: Ordering, at: Place) {
        self.note_ordering(ordering, false);
        let (known, number) = {
            let inner = self.inner.borrow();
            (inner.memory, inner.number)
        };
        let Some(id) = known else { return };
        let weak = self.weak(None, ordering, ordering);
        let memory = Handle { id, execution: number };
        memory.perform_then(Op { weak, ..Op::new(OpKind::Fence) }, at, || ());
    }
}

//! Alternative 3: a read-write semaphore in place of the mutex, which PQAP(AQIC) takes for reading.
//!
//! A thread that takes it for writing and then takes `kvm->lock` has the same problem as with a
//! mutex (3a). It must therefore hold at most the read side while the control block is written
//! (3b), and change the assignment under the write side before and after. But the kernel's
//! semaphore is fair. An administrator that waits for the write side blocks new readers, and one of
//! those holds `vcpu->mutex`. H. Pasic saw this. With a preference for readers it would work (3c),
//! but readers can starve an administrator, and the kernel has no such semaphore.
//!
//! PQAP(AQIC) also changes the data about the queue, so the read side does not suffice for it. Two
//! concurrent vCPUs need a lock of the queue as well, or they release shared resources twice (3d).

use selvedge_core::sync::{Mutex, ReadGuard, RwSem, UnfairRwSem, WriteGuard};

use super::Design;
use super::guest::{Aqic, Guest};

/// The use of the semaphore.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// The control block is written under the write side.
    A,
    /// The control block is written under the read side.
    B,
    /// The control block is written under the read side of a semaphore that prefers readers.
    C,
    /// As 3c, with a lock of the queue for the data that PQAP(AQIC) changes.
    CWithQueueLock,
}

/// The guest and the semaphore.
#[derive(Debug)]
pub struct Rwsem {
    variant: Variant,
    guest: Guest,
    matrix: Semaphore,
    queue: Mutex,
}

#[derive(Debug)]
enum Semaphore {
    Fair(RwSem),
    Unfair(UnfairRwSem),
}

impl Semaphore {
    #[track_caller]
    fn down_read(&self) -> ReadGuard<'_, ()> {
        match self {
            Self::Fair(sem) => sem.down_read(),
            Self::Unfair(sem) => sem.down_read(),
        }
    }

    #[track_caller]
    fn down_write(&self) -> WriteGuard<'_, ()> {
        match self {
            Self::Fair(sem) => sem.down_write(),
            Self::Unfair(sem) => sem.down_write(),
        }
    }
}

impl Rwsem {
    /// Creates a running guest with `vcpus` vCPUs.
    pub fn new(variant: Variant, vcpus: usize) -> Self {
        const CLASS: &str = "matrix_dev->rwsem";
        let matrix = match variant {
            Variant::A | Variant::B => Semaphore::Fair(RwSem::new(CLASS, ())),
            Variant::C | Variant::CWithQueueLock => Semaphore::Unfair(UnfairRwSem::new(CLASS, ())),
        };
        Self { variant, guest: Guest::new(vcpus), matrix, queue: Mutex::new("q->lock", ()) }
    }
}

impl Design for Rwsem {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex` -> `matrix_dev->rwsem` for reading, -> `q->lock` if there is one.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let _running = self.guest.kvm.vcpu(vcpu);
        let _read = self.matrix.down_read();
        let _queue = (self.variant == Variant::CWithQueueLock).then(|| self.queue.lock());
        self.guest.handle_pqap(aqic);
    }

    /// Locks: `matrix_dev->rwsem` for writing -> `kvm->lock` (3a); or for writing; for reading ->
    /// `kvm->lock`; for writing.
    fn update(&self) {
        let write = self.matrix.down_write();
        self.guest.unassign();
        if self.variant == Variant::A {
            self.guest.clear_masks();
            self.guest.reset_queue();
            return;
        }
        write.up_write();
        let read = self.matrix.down_read();
        self.guest.clear_masks();
        read.up_read();
        let _write = self.matrix.down_write();
        self.guest.reset_queue();
    }

    /// Locks: `matrix_dev->rwsem` for writing.
    fn admin(&self) {
        let _write = self.matrix.down_write();
        self.guest.assign_to_another();
    }
}

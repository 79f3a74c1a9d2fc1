//! Alternative 6: an unfair read-write lock, made of a mutex and a wait queue.
//!
//! v5.13 had this, with a flag for the writer, and reviewers objected because lockdep does not see
//! it. "If we want to avoid taking kvm->lock before taking the vfio_ap lock, it may be the most
//! straight forward alternative", writes H. Pasic. The lock itself changes nothing. A writer that
//! takes `kvm->lock` while PQAP(AQIC) waits for it closes the cycle (6d). There are two solutions.
//! Either PQAP(AQIC) does not wait and reports that the queue does not exist (6b), which is only a
//! little early when the queue is being removed. Or the control block is written under the read
//! side (6c), and then readers can starve a writer.

use selvedge_core::sync::{Mutex, WaitQueue};

use super::Design;
use super::guest::{Aqic, Guest};

/// Which operations wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// PQAP(AQIC) does not wait for a writer.
    B,
    /// The control block is written under the read side.
    C,
    /// The control block is written under the write side.
    D,
}

/// The guest, the lock, and the queue's lock for the data that PQAP(AQIC) changes.
#[derive(Debug)]
pub struct UnfairLock {
    variant: Variant,
    guest: Guest,
    holders: Mutex<Holders>,
    wait: WaitQueue,
    queue: Mutex,
}

#[derive(PartialEq, Eq, Hash, Debug, Default)]
struct Holders {
    readers: u32,
    writer: bool,
}

impl UnfairLock {
    /// Creates a running guest with `vcpus` vCPUs.
    pub fn new(variant: Variant, vcpus: usize) -> Self {
        Self {
            variant,
            guest: Guest::new(vcpus),
            holders: Mutex::new("matrix_dev->lock", Holders::default()),
            wait: WaitQueue::new("matrix_dev->wait"),
            queue: Mutex::new("q->lock", ()),
        }
    }

    fn begin_read(&self) {
        let holders = self.holders.lock();
        let mut holders = self.wait.wait_event_cmd(&self.holders, holders, |h| !h.writer);
        holders.readers += 1;
        self.wait.promise();
    }

    /// Takes the read side if there is no writer, and returns whether it did.
    fn try_begin_read(&self) -> bool {
        let mut holders = self.holders.lock();
        if holders.writer {
            return false;
        }
        holders.readers += 1;
        self.wait.promise();
        true
    }

    fn end_read(&self) {
        let mut holders = self.holders.lock();
        holders.readers -= 1;
        self.wait.fulfil();
        if holders.readers == 0 {
            self.wait.wake_up_all();
        }
    }

    fn begin_write(&self) {
        let holders = self.holders.lock();
        let free = |holders: &Holders| !holders.writer && holders.readers == 0;
        let mut holders = self.wait.wait_event_cmd(&self.holders, holders, free);
        holders.writer = true;
        self.wait.promise();
    }

    fn end_write(&self) {
        let mut holders = self.holders.lock();
        holders.writer = false;
        self.wait.fulfil();
        self.wait.wake_up_all();
    }
}

impl Design for UnfairLock {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Locks: `vcpu->mutex` -> the read side, -> `q->lock`.
    fn pqap(&self, vcpu: usize, aqic: Aqic) {
        let _running = self.guest.kvm.vcpu(vcpu);
        match self.variant {
            // The status says that the queue does not exist.
            Variant::B if !self.try_begin_read() => return,
            Variant::B => {}
            Variant::C | Variant::D => self.begin_read(),
        }
        let queue = self.queue.lock();
        self.guest.handle_pqap(aqic);
        queue.unlock();
        self.end_read();
    }

    /// Locks: the write side -> `kvm->lock`; in 6c the write side, the read side -> `kvm->lock`,
    /// and the write side again.
    fn update(&self) {
        self.begin_write();
        self.guest.unassign();
        if self.variant == Variant::C {
            self.end_write();
            self.begin_read();
            self.guest.clear_masks();
            self.end_read();
            self.begin_write();
        } else {
            self.guest.clear_masks();
        }
        self.guest.reset_queue();
        self.end_write();
    }

    /// Locks: the write side.
    fn admin(&self) {
        self.begin_write();
        self.guest.assign_to_another();
        self.end_write();
    }
}

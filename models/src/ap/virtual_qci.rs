//! An alternative: the AP bus above a matrix bus that virtualises QCI and TAPQ.
//!
//! A queue of a guest is then simply not in the configuration that the AP bus reads, so that no
//! driver has to be asked about a mask. The AP bus reads the configuration when it scans, so a
//! queue that changes hands is the host's until the next scan. The thread that gives it to a guest
//! has to wait for the scan, and not with a lock that the scan takes.
//!
//! Source: "Re: [PATCH v7 03/15] s390/zcrypt: driver callback to indicate resource in use",
//! P. Morel, 2020-04-27. The mail has the idea. The locks are ours.

use selvedge_core::sync::{Completion, Ghost, Mutex};
use selvedge_core::{function, invariant_broken};

/// When the guest gets the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handover {
    /// As soon as QCI no longer has it.
    AtOnce,
    /// After the AP bus has scanned.
    AfterScan,
    /// The same, with the lock of the matrix bus held.
    AfterScanLocked,
}

/// The two buses, and one queue.
#[derive(Debug)]
pub struct Buses {
    handover: Handover,
    /// The lock of the matrix bus, with whether the host has the queue.
    matrix_bus: Mutex<bool>,
    /// `device_lock`, with whether the host's driver is bound to the queue.
    device_lock: Mutex<bool>,
    /// Completed when the configuration has changed, which makes the AP bus scan.
    changed: Completion,
    /// Completed when the AP bus has scanned after that.
    scanned: Completion,
    /// Whether a guest has the queue.
    guest: Ghost<bool>,
}

impl Buses {
    /// Creates the buses with the queue bound to the host's driver.
    pub fn new(handover: Handover) -> Self {
        Self {
            handover,
            matrix_bus: Mutex::new("matrix_bus", true),
            device_lock: Mutex::new("device_lock", true),
            changed: Completion::new("changed"),
            scanned: Completion::new("ap_scan_bus"),
            guest: Ghost::new("guest", false),
        }
    }

    /// Gives the queue to a guest. Locks: that of the matrix bus.
    pub fn assign(&self) {
        let _function = function("assign");
        let mut has = self.matrix_bus.lock();
        *has = false;
        self.changed.complete_all();
        match self.handover {
            Handover::AtOnce => has.unlock(),
            Handover::AfterScan => {
                has.unlock();
                self.scanned.wait_for_completion();
            }
            Handover::AfterScanLocked => {
                self.scanned.wait_for_completion();
                has.unlock();
            }
        }
        self.guest.update(|guest| *guest = true);
    }

    /// Models `ap_scan_bus`, which reads the configuration by the virtual QCI, and removes the
    /// devices of queues that are gone. Locks: that of the matrix bus; the device lock.
    pub fn ap_scan_bus(&self) {
        let _function = function("ap_scan_bus");
        self.changed.wait_for_completion();
        self.scanned.promise();
        let has = *self.matrix_bus.lock();
        if !has {
            *self.device_lock.lock() = false;
        }
        self.scanned.complete_all();
    }

    /// Uses the queue from the host, if its driver is bound to it. Locks: the device lock.
    ///
    /// # Violations
    ///
    /// INV-18 if a guest has it.
    pub fn zcrypt(&self) {
        let _function = function("zcrypt");
        let bound = self.device_lock.lock();
        let mut guest = false;
        self.guest.update(|now| guest = *now);
        if *bound && guest {
            invariant_broken("INV-18", "the host and a guest use one queue");
        }
    }
}

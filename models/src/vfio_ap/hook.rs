//! The hook as a word of memory: whether a thread without a lock can read half of a store.
//!
//! v5.11 sets the hook to NULL while PQAP(AQIC) reads it without a lock. "Should either have the
//! old or the new value, but not halve zero halve old?" was asked, and whether `WRITE_ONCE` is
//! needed. A compiler may split a plain store. `WRITE_ONCE` is one access, and orders nothing.
//!
//! Source: "Re: [PATCH v2 1/1] s390/vfio-ap: fix circular lockdep when setting/clearing crypto
//! masks", H. Pasic and C. Borntraeger, February 2021, on `vfio_ap_mdev_set_kvm`, v5.11.

use std::sync::atomic::Ordering::Relaxed;

use selvedge_core::sync::WeakAtomic;
use selvedge_core::{function, invariant_broken};

/// How the pointer is stored and loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Plainly, as two halves.
    Plain,
    /// By `WRITE_ONCE` and `READ_ONCE`.
    Once,
}

/// The two halves of the pointer that the hook has at first.
const OLD: [u64; 2] = [1, 1];
/// NULL.
const NULL: [u64; 2] = [0, 0];

/// `kvm->arch.crypto.pqap_hook`.
#[derive(Debug)]
pub struct Hook {
    access: Access,
    halves: [WeakAtomic; 2],
    whole: WeakAtomic,
}

impl Hook {
    /// Creates a hook that points to a mediated device.
    pub fn new(access: Access) -> Self {
        Self {
            access,
            halves: OLD.map(|half| WeakAtomic::new("pqap_hook", half)),
            whole: WeakAtomic::new("pqap_hook", 1),
        }
    }

    /// Models the part of `vfio_ap_mdev_unset_kvm` that sets the hook to NULL.
    pub fn clear(&self) {
        let _function = function("vfio_ap_mdev_unset_kvm");
        match self.access {
            Access::Plain => {
                for (half, value) in self.halves.iter().zip(NULL) {
                    half.store(value, Relaxed);
                }
            }
            Access::Once => self.whole.store(0, Relaxed),
        }
    }

    /// Models the part of `handle_pqap` that reads the hook.
    ///
    /// # Violations
    ///
    /// TORN if it has one half of the old pointer.
    pub fn read(&self) {
        let _function = function("handle_pqap");
        let seen = match self.access {
            Access::Plain => self.halves.each_ref().map(|half| half.load(Relaxed)),
            Access::Once => [self.whole.load(Relaxed); 2],
        };
        if seen != OLD && seen != NULL {
            invariant_broken("TORN", "the hook has one half of the old pointer");
        }
    }
}

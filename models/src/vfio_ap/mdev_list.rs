//! `mdev_list`, the list of mediated devices, and the lock of its walks and changes.
//!
//! Adding to a linked list takes several writes, and a walk in between follows a pointer that is
//! half written. The locking document says that adding requires `guests_lock`. For four years the
//! code held `mdevs_lock` instead, while the walks held `guests_lock` (B26).

use selvedge_core::invariant_broken;
use selvedge_core::sync::Atomic;

/// The list and the number of its walks. INV-20 is broken when a walk and a change overlap.
#[derive(Debug)]
pub struct MdevList {
    /// A bit for each device that is on the list, then the number of walks, then the number of
    /// changes.
    word: Atomic,
}

const WALK: u64 = 1 << 32;
const CHANGE: u64 = 1 << 48;

impl MdevList {
    /// Creates the list of the devices below `mdevs`.
    pub fn new(mdevs: usize) -> Self {
        Self { word: Atomic::new("mdev_list", (1 << mdevs) - 1) }
    }

    /// Begins a walk and returns the devices on the list.
    ///
    /// # Violations
    ///
    /// INV-20 if the list is being changed.
    #[track_caller]
    pub fn walk(&self) -> Vec<usize> {
        let word = self.word.fetch_add(WALK);
        if word >= CHANGE {
            let message = "mdev_list is walked while it is being changed".to_owned();
            invariant_broken("INV-20", message);
        }
        (0..32).filter(|mdev| word & (1 << mdev) != 0).collect()
    }

    /// Ends the walk.
    #[track_caller]
    pub fn walked(&self) {
        self.word.fetch_add(WALK.wrapping_neg());
    }

    /// Models `list_add`.
    ///
    /// # Violations
    ///
    /// INV-20 if the list is in use.
    #[track_caller]
    pub fn list_add(&self, mdev: usize) {
        self.change(1 << mdev);
    }

    /// Models `list_del`.
    ///
    /// # Violations
    ///
    /// INV-20 if the list is in use.
    #[track_caller]
    pub fn list_del(&self, mdev: usize) {
        self.change(1_u64.wrapping_shl(mdev as u32).wrapping_neg());
    }

    #[track_caller]
    fn change(&self, by: u64) {
        if self.word.fetch_add(CHANGE) >= WALK {
            let message = "mdev_list is changed while another thread uses it".to_owned();
            invariant_broken("INV-20", message);
        }
        self.word.fetch_add(by.wrapping_sub(CHANGE));
    }
}

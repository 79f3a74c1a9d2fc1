//! `mdev_list`: the list of mediated devices, and who may walk it meanwhile.
//!
//! Adding to a linked list takes several writes, and whoever walks it in between follows a
//! pointer that is half there. The locking document says that `guests_lock` must be held to add;
//! for four years the code held `mdevs_lock`, and the walkers `guests_lock` (B26).

use selvedge_core::invariant_broken;
use selvedge_core::sync::Atomic;

/// The list, and how many walk it. INV-20 is broken when a walk and a change meet.
#[derive(Debug)]
pub struct MdevList {
    /// A bit for each device that is on the list, then a count of walkers, then one of changes.
    word: Atomic,
}

const WALK: u64 = 1 << 32;
const CHANGE: u64 = 1 << 48;

impl MdevList {
    /// The list of devices 0 and up, so many.
    pub fn new(mdevs: usize) -> Self {
        Self { word: Atomic::new("mdev_list", (1 << mdevs) - 1) }
    }

    /// Begins to walk the list; the devices on it.
    ///
    /// # Violations
    ///
    /// INV-20.
    #[track_caller]
    pub fn walk(&self) -> Vec<usize> {
        let word = self.word.fetch_add(WALK);
        if word >= CHANGE {
            let message = "mdev_list is walked while it is being changed".to_owned();
            invariant_broken("INV-20", message);
        }
        (0..32).filter(|mdev| word & (1 << mdev) != 0).collect()
    }

    /// The walk is over.
    #[track_caller]
    pub fn walked(&self) {
        self.word.fetch_add(WALK.wrapping_neg());
    }

    /// `list_add`.
    ///
    /// # Violations
    ///
    /// INV-20.
    #[track_caller]
    pub fn list_add(&self, mdev: usize) {
        self.change(1 << mdev);
    }

    /// `list_del`.
    ///
    /// # Violations
    ///
    /// INV-20.
    #[track_caller]
    pub fn list_del(&self, mdev: usize) {
        self.change(1_u64.wrapping_shl(mdev as u32).wrapping_neg());
    }

    #[track_caller]
    fn change(&self, by: u64) {
        if self.word.fetch_add(CHANGE) >= WALK {
            let message = "mdev_list is changed while somebody uses it".to_owned();
            invariant_broken("INV-20", message);
        }
        self.word.fetch_add(by.wrapping_sub(CHANGE));
    }
}

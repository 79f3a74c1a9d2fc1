//! The kernel of a scenario: the version of the driver, and the behaviour of the core and VFIO.

use super::domain::Dom;
use super::hardware::Cc;

/// A version of `drivers/iommu/s390-iommu.c`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Driver {
    /// Up to v5.18.
    K0,
    /// v5.19 to v6.1, commit fa7e9ecc5e1c "Tolerate repeat attach_dev calls".
    K1,
    /// "Fix race with release_device ops", August 2022, not merged.
    K1p(Revision),
    /// v6.2 to v6.6, commits bf8d2dd2ed08 to 21c1f9021f0e.
    K2,
    /// v6.7 to v6.12, commit c76c067e488c.
    K3,
    /// v6.13 and v6.14, commit ecda483339a5.
    K4,
    /// v6.15 and v6.16, commit 0ed5967a0a63 "handle IOAT registration based on domain".
    K5,
    /// v6.17, commit 9ffaf5229055.
    K6,
    /// Not posted. It has the remaining fixes that K6 needs.
    Proposed,
}

/// A revision of the patch that was not merged, or a variant from its review.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Revision {
    /// 23 August, in which the lock is a spinlock.
    V1,
    /// 26 August, in which the lock is a mutex.
    V2,
    /// 30 August, and patch 1/2 of v4, in which the aperture is checked where the device is listed.
    V3,
    /// 31 August, both patches. Nodes that remain on a list are freed with its domain.
    V4,
    /// N. Schnelle's question of 1 September: v4 without the initialisation of DMA when a device is
    /// released.
    Uninitialised,
    /// The same, and `zdev->dma_table` is cleared.
    UninitialisedAndCleared,
    /// P. Morel's question of 1 September: DMA is initialised when a device is probed, and neither
    /// when it is released nor when it is detached.
    InitialisedInProbe,
}

/// How the core releases a device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Release {
    /// v5.8 to v6.4: without the mutex of the group, and before the device has left the group.
    Unlocked,
    /// v6.5 and later: with the mutex, in the critical section in which the device leaves.
    Locked,
}

/// How the core protects the domain of a function that has ATS while the function is reset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fence {
    /// Up to v6.19: it does not.
    None,
    /// v7.0, commits c279e83953d9 and f5b16b802174: the function has the blocking domain meanwhile,
    /// and the domain of its group cannot change.
    Everything,
    /// v7.0.10, commit 5474e6e17a26 (CVE-2026-52952): a change that must not fail is recorded, and
    /// takes effect after the reset.
    Fallible,
}

/// A kernel.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// The name in the catalogue.
    pub name: &'static str,
    /// The commit or the mail.
    pub source: &'static str,
    /// The driver.
    pub driver: Driver,
    /// The release of a device by the core.
    pub release: Release,
    /// Whether VFIO keeps a device until its group has no users, commit ca5f21b25749, v6.1.
    pub vfio_waits: bool,
    /// The protection of a domain during a reset.
    pub fence: Fence,
}

impl Kernel {
    /// Returns whether a group whose device refuses a domain goes back to the old domain: v6.5,
    /// `__iommu_group_set_domain_internal`, and since v6.3 for one of its callers.
    pub fn goes_back(&self) -> bool {
        self.release == Release::Locked
    }

    /// Returns whether the driver has two modes, one for the DMA API and one for a domain.
    pub fn has_dma_api(&self) -> bool {
        self.driver < Driver::K3
    }

    /// Returns whether the core has owners of groups, commit 1ea2a07a532b, v5.19.
    pub fn has_owners(&self) -> bool {
        self.driver > Driver::K0
    }

    /// Returns whether a flush walks the list under RCU.
    pub fn lists_by_rcu(&self) -> bool {
        self.driver >= Driver::K2
    }

    /// Returns whether `s390_domain` changes with `dom_lock` held.
    pub fn has_dom_lock(&self) -> bool {
        self.driver >= Driver::K4
    }

    /// Returns whether a slot can be reset, commit da995d538d3a, v5.16.
    pub fn has_reset_slot(&self) -> bool {
        self.driver >= Driver::K1
    }

    /// Returns whether the recovery of a function registers the table of its domain, and not the
    /// table that `dma_table` has.
    pub fn registers_by_domain(&self) -> bool {
        self.driver >= Driver::K5
    }

    /// Returns whether `dma_domain_lock` is a spinlock.
    pub fn dma_domain_lock_spins(&self) -> bool {
        self.driver == Driver::K1p(Revision::V1)
    }

    /// Returns whether `dom_lock` is a spinlock.
    pub fn dom_lock_spins(&self) -> bool {
        self.driver < Driver::Proposed
    }

    /// Returns the domain of a group without an owner.
    pub fn default_domain(&self, zdev: usize) -> Option<Dom> {
        (!self.has_dma_api()).then_some(Dom::default_of(zdev))
    }

    /// Returns the domain of a group whose owner does not use it.
    pub fn blocking_domain(&self, zdev: usize) -> Dom {
        if self.driver >= Driver::K4 { Dom::Blocking } else { Dom::blocking(zdev) }
    }

    /// Returns whether a registration with this result counts as done.
    pub fn tolerates(&self, cc: Cc) -> bool {
        match cc {
            Cc::Ok => true,
            Cc::FuncNotAvail => self.driver >= Driver::K2,
            Cc::InvalidHandle => self.driver >= Driver::K6,
            Cc::Error | Cc::Busy => false,
        }
    }
}

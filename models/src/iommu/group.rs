//! `struct iommu_group`: its owner and its members.

use selvedge_core::sync::{Completion, Mutex};

use super::domain::DomainField;

/// `struct iommu_group` with one device.
#[derive(Debug)]
pub struct Group {
    /// `group->mutex`.
    pub mutex: Mutex<Members>,
    /// `group->domain`, which is changed with the mutex held and also read without it.
    pub domain: DomainField,
    /// The users of the group in VFIO, which the removal of the device waits for since v6.1.
    pub users: Mutex<Users>,
    /// Completed when the last user is gone.
    pub unused: Completion,
}

/// The members and the owner of the group.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Members {
    /// Whether the device is on `group->devices`.
    pub device: bool,
    /// `group->owner`.
    pub owned: bool,
    /// `group->resetting_domain`, later `gdev->blocked`, since v7.0.
    pub resetting: bool,
}

/// `vfio_group->iommu_group`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Users {
    /// Whether the group has a user.
    pub open: bool,
    /// Whether the device is being removed, and the group with it.
    pub gone: bool,
}

impl Group {
    pub(super) fn new() -> Self {
        Self {
            mutex: Mutex::new("group->mutex", Members { device: true, ..Members::default() }),
            domain: DomainField::new("group->domain"),
            users: Mutex::new("vfio group users", Users::default()),
            unused: Completion::new("vfio group unused"),
        }
    }
}

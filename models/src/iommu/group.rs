//! `struct iommu_group`: whose it is, and who is in it.

use selvedge_core::sync::{Completion, Mutex};

use super::domain::DomainField;

/// `struct iommu_group`, of one device.
#[derive(Debug)]
pub struct Group {
    /// `group->mutex`.
    pub mutex: Mutex<Members>,
    /// `group->domain`: changed with the mutex held, and read without it too.
    pub domain: DomainField,
    /// VFIO's users of the group, who have to be gone before the device goes, since v6.1.
    pub users: Mutex<Users>,
    /// The last of them has gone.
    pub unused: Completion,
}

/// Who is in the group, and who owns it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Members {
    /// Whether the device is on `group->devices`.
    pub device: bool,
    /// `group->owner`.
    pub owned: bool,
}

/// `vfio_group->iommu_group`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Users {
    /// Whether somebody uses the group.
    pub open: bool,
    /// Whether the device is going, and with it the group.
    pub gone: bool,
}

impl Group {
    pub(super) fn new() -> Self {
        Self {
            mutex: Mutex::new("group->mutex", Members { device: true, owned: false }),
            domain: DomainField::new("group->domain"),
            users: Mutex::new("vfio group users", Users::default()),
            unused: Completion::new("vfio group unused"),
        }
    }
}

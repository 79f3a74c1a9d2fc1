//! The core of the IOMMU layer: groups, their owners, and their domains.
//!
//! The mutex of a group serialises everything except, up to v6.4, the release of a device. The
//! release ran without the mutex and before the device had left its group since v5.8 (9ac8545199a1
//! "Fix use-after-free in iommu_release_device").
//!
//! Not modelled: groups of several devices.
//!
//! Source: `drivers/iommu/iommu.c`, v5.18 to v7.0; commits 1ea2a07a532b and 0286300e6045, v5.19.

use selvedge_core::function;

use super::domain::Dom;
use super::group::Members;
use super::hardware::rule_broken;
use super::kernel::{Driver, Fence, Release};
use super::world::World;
use crate::Errno;

/// Whether the domain of a group may stay as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flags {
    /// It may: the device then has its old domain again, in a core that goes back.
    MayFail,
    /// `IOMMU_SET_DOMAIN_MUST_SUCCEED`. There is no way back.
    MustSucceed,
}

/// Models `__iommu_group_set_domain_internal`. `group->domain` has the old domain until the driver
/// has returned.
///
/// # Errors
///
/// [`Errno::Ebusy`] if the function is being reset, or the error of the driver.
fn set_domain(
    w: &World,
    zdev: usize,
    members: &Members,
    new: Option<Dom>,
    flags: Flags,
) -> Result<(), Errno> {
    let _function = function("__iommu_group_set_domain");
    let group = &w.held(zdev).group;
    let old = group.domain.read();
    if old == new {
        return Ok(());
    }
    let recorded = flags == Flags::MustSucceed && w.kernel.fence == Fence::Fallible;
    if members.resetting && !recorded {
        return Err(Errno::Ebusy);
    }
    if members.device && !members.resetting {
        match (new, old) {
            (Some(new), _) => attach_device(w, zdev, new, flags)?,
            (None, Some(old)) => w.kernel.detach_dev(w, old, zdev),
            (None, None) => {}
        }
    }
    group.domain.write(new);
    Ok(())
}

/// Attaches a domain to the device, or goes back to the domain of the group.
///
/// # Violations
///
/// WARN if the driver refuses the old domain too.
fn attach_device(w: &World, zdev: usize, new: Dom, flags: Flags) -> Result<(), Errno> {
    let attached = w.kernel.attach_dev(w, new, zdev);
    if attached.is_err() && flags == Flags::MayFail && w.kernel.goes_back() {
        let old = w.held(zdev).group.domain.read();
        if old.is_some_and(|old| w.kernel.attach_dev(w, old, zdev).is_err()) {
            rule_broken(&w.hardware, "WARN", "the driver refuses the domain that the group had");
        }
    }
    attached
}

/// Models `__iommu_group_set_core_domain`, which must not fail.
///
/// # Violations
///
/// WARN if it fails.
fn set_core_domain(w: &World, zdev: usize, members: &Members) {
    let new = match members.owned {
        true => Some(w.kernel.blocking_domain(zdev)),
        false => w.kernel.default_domain(zdev),
    };
    if let Err(error) = set_domain(w, zdev, members, new, Flags::MustSucceed) {
        rule_broken(&w.hardware, "WARN", "a domain that must not fail is not attached");
        if w.kernel.driver >= Driver::K3 && error != Errno::Ebusy {
            // Since v6.5 the group has the new domain even so.
            w.held(zdev).group.domain.write(new);
        }
    }
    check_domain(w, zdev, members);
}

/// Checks I-2: the group and the device have the same domain when the mutex is released.
fn check_domain(w: &World, zdev: usize, members: &Members) {
    if !w.hardware.checks("I-2") || !members.device || members.resetting {
        return;
    }
    let device = w.held(zdev);
    let differ = device.group.domain.read() != device.s390_domain.read();
    // The release is checked last, since one that has not begun by now has not changed the domain.
    if differ && !w.hardware.is_released(zdev) {
        rule_broken(&w.hardware, "I-2", "the group has another domain than its device");
    }
}

/// Models `iommu_attach_group`. Locks: `group->mutex`.
///
/// # Errors
///
/// [`Errno::Ebusy`] if the group has a domain other than those of the core, or the error of the
/// driver.
pub fn iommu_attach_group(w: &World, domain: Dom, zdev: usize) -> Result<(), Errno> {
    let _function = function("iommu_attach_group");
    let group = &w.held(zdev).group;
    let members = group.mutex.lock();
    let current = group.domain.read();
    let cores = [w.kernel.default_domain(zdev), Some(w.kernel.blocking_domain(zdev))];
    if w.kernel.has_owners() && !cores.contains(&current) {
        return Err(Errno::Ebusy);
    }
    set_domain(w, zdev, &members, Some(domain), Flags::MayFail)
}

/// Models `iommu_detach_group`. Locks: `group->mutex`.
pub fn iommu_detach_group(w: &World, zdev: usize) {
    let _function = function("iommu_detach_group");
    let members = w.held(zdev).group.mutex.lock();
    set_core_domain(w, zdev, &members);
}

/// Models `iommu_group_claim_dma_owner`, since v5.19. Locks: `group->mutex`.
///
/// # Errors
///
/// [`Errno::Eperm`] if the group has an owner, or the error of the driver.
pub fn iommu_group_claim_dma_owner(w: &World, zdev: usize) -> Result<(), Errno> {
    if !w.kernel.has_owners() {
        return Ok(());
    }
    let _function = function("iommu_group_claim_dma_owner");
    let mut members = w.held(zdev).group.mutex.lock();
    if members.owned {
        return Err(Errno::Eperm);
    }
    set_domain(w, zdev, &members, Some(w.kernel.blocking_domain(zdev)), Flags::MayFail)?;
    members.owned = true;
    Ok(())
}

/// Models `iommu_group_release_dma_owner`. Locks: `group->mutex`.
pub fn iommu_group_release_dma_owner(w: &World, zdev: usize) {
    if !w.kernel.has_owners() {
        return;
    }
    let _function = function("iommu_group_release_dma_owner");
    let mut members = w.held(zdev).group.mutex.lock();
    members.owned = false;
    set_core_domain(w, zdev, &members);
}

/// Models `iommu_release_device`. Locks: none, and then `group->mutex`; since v6.5 all of it under
/// `group->mutex`.
pub fn iommu_release_device(w: &World, zdev: usize) {
    let _function = function("iommu_release_device");
    let group = &w.held(zdev).group;
    w.hardware.release_begins(zdev);
    match w.kernel.release {
        Release::Unlocked => {
            w.kernel.release_device(w, zdev);
            w.hardware.release_ends(zdev);
            group.mutex.lock().device = false;
        }
        Release::Locked => {
            let mut members = group.mutex.lock();
            members.device = false;
            w.kernel.release_device(w, zdev);
            group.domain.write(None);
            w.hardware.release_ends(zdev);
        }
    }
}

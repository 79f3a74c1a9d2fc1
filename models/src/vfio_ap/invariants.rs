//! The invariants of the queues of a guest, which hold when no thread is changing them.
//!
//! | invariant | broken when |
//! |---|---|
//! | INV-09 | a queue points to a mediated device that does not have it |
//! | INV-10 | a guest has a queue that its device, the driver or the host does not have |
//! | `REQUESTED` | a guest that was asked to release everything has something |
//! | `PIN-OWNER` | a page is pinned for no queue |
//! | INV-21 | a guest differs from the shadow, or the shadow has more than it may |

use selvedge_core::invariant_broken;

use super::guests::Guests;
use super::matrix_dev::Mdevs;
use super::world::World;
use crate::ap::{ApConfig, ApMatrix, Apqn};
use crate::vfio_ap::versions::commits::Commit;

/// A broken invariant, with a message.
pub type Broken = Option<(&'static str, String)>;

/// Checks the half of INV-21 that concerns every mediated device: the shadow has only resources
/// that are assigned and in the host's configuration.
pub fn shadows(guests: &Guests, mdevs: &Mdevs) -> Broken {
    mdevs.mdevs.iter().enumerate().filter(|(_, m)| m.listed).find_map(|(mdev, m)| {
        let permitted = m.assigned.matrix.and(&guests.info.matrix);
        if m.shadow_apcb.matrix.without(&permitted) != ApMatrix::default() {
            return Some((
                "INV-21",
                format!("the shadow of device {mdev} has a queue that it may not have"),
            ));
        }
        let control = m.assigned.adm.and(&guests.info.adm);
        (!m.shadow_apcb.adm.without(&control).is_empty()).then(|| {
            let what = "a control domain that it may not have";
            ("INV-21", format!("the shadow of device {mdev} has {what}"))
        })
    })
}

/// Checks INV-10, `REQUESTED` and INV-21 of a guest that has these queues and control domains
/// through mediated device `mdev`.
pub fn guest(guests: &Guests, mdevs: &Mdevs, mdev: usize, has: ApConfig) -> Broken {
    for apqn in has.matrix.apqns() {
        let what = match mdevs.queues.get(&apqn) {
            None => "is not bound to the driver",
            Some(queue) if !queue.hashed || queue.matrix_mdev != Some(mdev) => "is not linked",
            Some(queue) if queue.reset_failed => "could not be reset",
            Some(_) if !guests.info.matrix.contains(apqn) => "no longer belongs to the host",
            Some(_) => continue,
        };
        return Some(("INV-10", format!("a guest has queue {apqn}, which {what}")));
    }
    let m = &mdevs.mdevs[mdev];
    if m.requested {
        let apqn = has.matrix.apqns().next()?;
        return Some((
            "REQUESTED",
            format!("a guest has queue {apqn}, which it was asked to release"),
        ));
    }
    (has != m.shadow_apcb)
        .then(|| ("INV-21", format!("the guest of device {mdev} differs from its shadow")))
}

/// Checks INV-09: a queue that points to a mediated device is in its table, and the device exists.
pub fn links(mdevs: &Mdevs) -> Broken {
    mdevs.queues.iter().find_map(|(apqn, queue)| {
        let mdev = queue.matrix_mdev?;
        (!queue.hashed || !mdevs.mdevs[mdev].listed).then(|| {
            ("INV-09", format!("queue {apqn} points to device {mdev}, which does not have it"))
        })
    })
}

/// Checks `WITHHELD`: no adapter is withheld from a guest without a reason.
///
/// This is not a safety property, but a driver that gives no queue to any guest is trivially safe.
/// It is checked only when no operation is pending, since the driver may wait for the end of a
/// scan.
pub fn withheld(guests: &Guests, mdevs: &Mdevs) -> Broken {
    mdevs.mdevs.iter().enumerate().filter(|(_, m)| m.listed).find_map(|(mdev, m)| {
        let permitted = m.assigned.matrix.and(&guests.info.matrix);
        let usable = |apqn: Apqn| {
            let queue = mdevs.queues.get(&apqn);
            queue.is_some_and(|queue| queue.matrix_mdev == Some(mdev) && !queue.reset_failed)
        };
        let withheld = permitted.apm.without(&m.shadow_apcb.matrix.apm);
        let needless = |apid: &u8| {
            let mut domains = permitted.aqm.bits();
            domains.all(|apqi| usable(Apqn { apid: *apid, apqi }))
        };
        let apid = { withheld }.bits().find(needless)?;
        Some((
            "WITHHELD",
            format!("adapter {apid} is withheld from device {mdev} without a reason"),
        ))
    })
}

/// Checks that every pin has an owner: a queue that is bound to the driver and has recorded the
/// page. No device releases any other pin, and an unmap of the page ends in a BUG.
///
/// # Violations
///
/// PIN-OWNER.
#[track_caller]
pub fn pins(w: &World) {
    let mdevs = w.matrix_dev.lock.lock();
    let owners = mdevs.queues.values().filter_map(|queue| queue.saved);
    let owners: Vec<(u8, u8)> = owners.map(|irq| (irq.vm, irq.nib)).collect();
    w.hardware.check_pin_owners(&owners);
}

/// Checks all of the above for every mediated device at the end, before any thread closes a device.
/// Up to v5.19 there is no shadow, and nothing to check.
///
/// # Violations
///
/// INV-09, INV-10, `REQUESTED` and INV-21. `SYSFS-GROUP` if attributes of the driver leaked.
#[track_caller]
pub fn check(w: &World) {
    if !w.has(Commit::DynamicConfiguration) {
        return;
    }
    let guests = w.matrix_dev.guests_lock.lock();
    let mdevs = w.matrix_dev.lock.lock();
    let guest_of = |mdev: usize| {
        let kvm = w.matrix_dev.mdev(mdev).kvm(&w.kvms)?;
        guest(&guests, &mdevs, mdev, w.hardware.masks(kvm.vm))
    };
    let listed = mdevs.mdevs.iter().enumerate().filter(|(_, m)| m.listed);
    let broken = shadows(&guests, &mdevs)
        .or_else(|| listed.map(|(mdev, _)| mdev).find_map(guest_of))
        .or_else(|| links(&mdevs))
        .or_else(|| withheld(&guests, &mdevs).filter(|_| w.has(Commit::FilterShadow)));
    if let Some((id, message)) = broken {
        invariant_broken(id, message);
    }
    for apqn in w.bus.apqns().filter(|apqn| !mdevs.queues.contains_key(apqn)) {
        w.matrix_dev.attributes(apqn).check_removed();
    }
}

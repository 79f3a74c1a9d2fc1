//! The reset of a queue.

use selvedge_core::function;

use super::ap_queue::ResponseCode;
use super::aqic::{WithoutGuest, vfio_ap_free_aqic_resources, vfio_ap_irq_disable};
use super::matrix_dev::Mdevs;
use super::world::World;
use crate::ap::{Apqn, Errno};

/// `vfio_ap_mdev_reset_queue` of v5.3, and the interrupts switched off after it.
///
/// # Errors
///
/// [`Errno::Eio`] if the queue could not be reset in two tries.
#[track_caller]
pub fn reset_and_disable(w: &World, mdevs: &mut Mdevs, apqn: Apqn) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_reset_queue");
    let mut result = Err(Errno::Eio);
    for _ in 0..2 {
        match w.machine.zapq(apqn).code {
            ResponseCode::Normal => {
                result = Ok(());
                break;
            }
            ResponseCode::ResetInProgress | ResponseCode::Busy => {}
            _ => break,
        }
    }
    vfio_ap_irq_disable(w, mdevs, apqn, WithoutGuest::Follow);
    result
}

/// `vfio_ap_mdev_reset_queue` since commit 6c12a6384e0c, v5.11: the reset itself has switched the
/// interrupts off, so only what they needed is given back.
///
/// # Errors
///
/// [`Errno::Ebusy`] if another reset is running, or the queue is not there; [`Errno::Eio`] for
/// anything else.
#[track_caller]
pub fn vfio_ap_mdev_reset_queue(w: &World, mdevs: &mut Mdevs, apqn: Apqn) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_reset_queue");
    let mut status = w.machine.zapq(apqn);
    if status.code == ResponseCode::ResetInProgress {
        status = w.machine.zapq(apqn);
    }
    let result = match status.code {
        ResponseCode::Normal => Ok(()),
        ResponseCode::ResetInProgress
        | ResponseCode::QNotAvail
        | ResponseCode::Deconfigured
        | ResponseCode::Checkstopped => Err(Errno::Ebusy),
        _ => return Err(Errno::Eio),
    };
    vfio_ap_free_aqic_resources(w, mdevs, apqn, WithoutGuest::Keep);
    result
}

/// `vfio_ap_mdev_reset_queues`: one after the other, the first error.
///
/// # Errors
///
/// What the reset of a queue returns.
#[track_caller]
pub fn vfio_ap_mdev_reset_queues(
    w: &World,
    mdevs: &mut Mdevs,
    mdev: usize,
    reset: fn(&World, &mut Mdevs, Apqn) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let _function = function("vfio_ap_mdev_reset_queues");
    let mut result = Ok(());
    for apqn in mdevs.queues_of(mdev) {
        result = result.and(reset(w, mdevs, apqn));
    }
    result
}

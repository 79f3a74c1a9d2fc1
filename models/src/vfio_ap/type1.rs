//! The container of the guest's memory, VFIO type 1, which pins pages, unmaps them and notifies
//! drivers.
//!
//! A pinned page cannot be unmapped. The driver that pinned it is notified and asked to unpin it.
//! Up to v5.19 this called a notifier. Since v6.0 it calls the devices on a list, under the mutex
//! of the list.
//!
//! Source: `drivers/vfio/vfio_iommu_type1.c`, v5.10 and v6.1.

use std::ops::Range;

use selvedge_core::sync::Mutex;
use selvedge_core::{function, invariant_broken};

use super::ap_queue::Irq;
use super::aqic::{WithoutGuest, vfio_ap_irq_disable};
use super::hardware::Hardware;
use super::world::World;
use crate::ap::Apqn;
use crate::vfio_ap::versions::commits::Commit;

/// `struct vfio_iommu`.
#[derive(Debug)]
pub struct Type1 {
    /// `iommu->lock`.
    pub lock: Mutex,
    /// `iommu->device_list_lock`, since v6.0.
    pub device_list_lock: Mutex,
}

impl Type1 {
    pub(super) fn new() -> Self {
        let lock = Mutex::new("iommu->lock", ());
        Self { lock, device_list_lock: Mutex::new("device_list_lock", ()) }
    }

    /// Models `vfio_pin_pages` and returns whether it succeeded. Locks: `iommu->lock`.
    pub fn vfio_pin_pages(&self, hardware: &Hardware, irq: Irq) -> bool {
        let _iommu = self.lock.lock();
        hardware.pin(irq)
    }

    /// Models `vfio_unpin_pages`. Locks: `iommu->lock`.
    pub fn vfio_unpin_pages(&self, hardware: &Hardware, irq: Irq) {
        let _iommu = self.lock.lock();
        hardware.unpin(irq);
    }

    /// Models `vfio_iommu_type1_register_device`, which runs when another device of the container
    /// is opened.
    ///
    /// Locks: `iommu->lock` -> `device_list_lock`.
    pub fn register_device(&self) {
        let _function = function("vfio_iommu_type1_register_device");
        let _iommu = self.lock.lock();
        self.device_list_lock.lock().unlock();
    }
}

/// The reaction of the driver when pages are about to be unmapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DmaUnmap {
    /// v5.3 to v5.19, `vfio_ap_mdev_iommu_notifier`: unpins the first page of the range, regardless
    /// of its use and without a lock of the driver.
    Notifier,
    /// v6.0 and v6.1, `vfio_ap_mdev_dma_unmap`: the same, with `device_list_lock` held around it.
    FirstPage,
    /// v6.2 and later ("vfio/ap: validate iova during dma_unmap and trigger irq disable"): under
    /// the driver's mutex, disables the interrupts of every queue whose notification byte is in the
    /// range, which unpins its page.
    IrqDisable,
}

/// The number of retries for a range that stays pinned.
const RETRIES: usize = 10;

impl World {
    /// Calls [`Type1::register_device`]. The proposed fix, which is not posted, takes one mutex
    /// after the other.
    pub fn register_device(&self) {
        if !self.has(Commit::DevicesLockedAlone) {
            return self.iommu.register_device();
        }
        self.iommu.lock.lock().unlock();
        self.iommu.device_list_lock.lock().unlock();
    }

    /// Models `VFIO_IOMMU_UNMAP_DMA`, `vfio_dma_do_unmap`, which unmaps pages of guest `vm`.
    ///
    /// Locks: `iommu->lock`, released while the driver is notified; since v6.0 the driver is
    /// notified with `device_list_lock` held, which is taken under the other.
    ///
    /// # Violations
    ///
    /// `BUG` if a page stays pinned after all notifications.
    pub fn vfio_dma_do_unmap(&self, vm: u8, pages: Range<u8>, dma_unmap: DmaUnmap) {
        let _function = function("vfio_dma_do_unmap");
        let mut iommu = self.iommu.lock.lock();
        for _ in 0..=RETRIES {
            if !self.hardware.is_pinned(vm, pages.clone()) {
                return;
            }
            if dma_unmap == DmaUnmap::Notifier {
                iommu.unlock();
                self.unpin_first_page(vm, &pages);
            } else {
                let devices = if self.has(Commit::DevicesLockedAlone) {
                    iommu.unlock();
                    self.iommu.device_list_lock.lock()
                } else {
                    let devices = self.iommu.device_list_lock.lock();
                    iommu.unlock();
                    devices
                };
                match dma_unmap {
                    DmaUnmap::IrqDisable => self.irq_disable_in(vm, &pages),
                    _ => self.unpin_first_page(vm, &pages),
                }
                devices.unlock();
            }
            iommu = self.iommu.lock.lock();
        }
        invariant_broken("BUG", "a page stays pinned after all notifications of the driver");
    }

    /// Models `vfio_ap_mdev_iommu_notifier`, and `vfio_ap_mdev_dma_unmap` up to v6.1.
    fn unpin_first_page(&self, vm: u8, pages: &Range<u8>) {
        let _function = function("vfio_ap_mdev_dma_unmap");
        let _iommu = self.iommu.lock.lock();
        let nib = pages.start;
        if self.hardware.is_pinned(vm, nib..nib + 1) {
            self.hardware.unpin(Irq { vm, nib, isc: 0 });
        }
    }

    /// Models `vfio_ap_mdev_dma_unmap` since v6.2. Locks: `mdevs_lock` -> `iommu->lock`.
    fn irq_disable_in(&self, vm: u8, pages: &Range<u8>) {
        let _function = function("vfio_ap_mdev_dma_unmap");
        let mut mdevs = self.matrix_dev.lock.lock();
        let inside = |irq: Irq| irq.vm == vm && pages.contains(&irq.nib);
        let queues: Vec<Apqn> = mdevs
            .queues
            .iter()
            .filter(|(_, queue)| queue.saved.is_some_and(inside))
            .map(|(apqn, _)| *apqn)
            .collect();
        for apqn in queues {
            vfio_ap_irq_disable(self, &mut mdevs, apqn, WithoutGuest::Keep);
        }
    }
}

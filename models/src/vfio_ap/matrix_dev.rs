//! `matrix_dev`, the only device of the driver: its locks and the data that they protect.
//!
//! One mutex protects almost everything: `matrix_dev->lock`, renamed `mdevs_lock` in v6.0. The
//! exception is the pointer from a mediated device to its guest. The early versions read it without
//! the mutex, and the later ones have a separate mutex for it, `guests_lock`.

use std::collections::BTreeMap;
use std::sync::Arc;

use selvedge_core::invariant_broken;
use selvedge_core::sync::{Atomic, Mutex, MutexGuard, Tracked, WaitQueue};

use super::ap_config::Masks;
use super::ap_queue::Irq;
use super::attributes::Attributes;
use super::guests::Guests;
use super::kvm::Kvm;
use super::mdev_list::MdevList;
use super::world::Version;
use crate::Errno;
use crate::ap::{ApConfig, ApMatrix, Apqn};
use crate::vfio_ap::versions::commits::Commit;

/// `struct ap_matrix_dev`.
#[derive(Debug)]
pub struct MatrixDev {
    /// `matrix_dev->lock`, or `mdevs_lock`.
    pub lock: Arc<Mutex<Mdevs>>,
    /// `guests_lock`, since v6.0.
    pub guests_lock: Arc<Mutex<Guests>>,
    /// `mdev_list`.
    pub mdev_list: MdevList,
    mdevs: Vec<MatrixMdev>,
    attributes: BTreeMap<Apqn, Attributes>,
}

/// `struct ap_matrix_mdev`: the part of a mediated device that the mutex does not protect.
#[derive(Debug)]
pub struct MatrixMdev {
    memory: Tracked,
    /// The part of the memory that contains the wait queue.
    wait_memory: Tracked,
    /// The number of its guest plus one, or 0.
    kvm: Atomic<Option<u8>>,
    wait_for_kvm: WaitQueue,
    /// The masks as threads without the mutex see them: the notifier up to v5.10, version 17 of the
    /// series when a queue is added or removed, and `ap_config` since v6.10. The other stores do
    /// not write them since v6.0.
    pub masks: Masks,
}

/// The data that the mutex protects.
#[derive(PartialEq, Eq, Hash, Debug)]
pub struct Mdevs {
    /// The mediated devices, by number.
    pub mdevs: Vec<Mdev>,
    /// The queues that are bound to the driver.
    pub queues: BTreeMap<Apqn, Queue>,
}

/// The part of a mediated device that the mutex protects.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Mdev {
    /// Whether it is on `mdev_list`, which means created and not removed.
    pub listed: bool,
    /// The assigned configuration, `matrix`.
    pub assigned: ApConfig,
    /// Whether its guest is being attached or detached, in v5.13 and v5.14.
    pub kvm_busy: bool,
    /// The configuration that its guest should have, since v6.0.
    pub shadow_apcb: ApConfig,
    /// Whether its guest was asked to release everything, since v6.15.
    pub requested: bool,
}

/// `struct vfio_ap_queue`: a queue that is bound to the driver.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Queue {
    /// The mediated device that it belongs to.
    pub matrix_mdev: Option<usize>,
    /// The target of its interrupts, with a page pinned and a subclass registered for it.
    pub saved: Option<Irq>,
    /// Whether it is in the table of its mediated device, `mdev_qnode`, since v6.0.
    pub hashed: bool,
    /// Whether its last reset failed, since v6.0.
    pub reset_failed: bool,
}

impl MatrixDev {
    /// Creates the device, with closed mediated devices that have these matrices and with these
    /// queues bound to the driver. The host's configuration has every adapter and domain.
    pub fn new<V: Version>(matrices: &[ApMatrix], queues: impl IntoIterator<Item = Apqn>) -> Self {
        let mdev = |matrix: &ApMatrix| Mdev {
            listed: true,
            assigned: (*matrix).into(),
            ..Mdev::default()
        };
        let mut mdevs = Mdevs {
            mdevs: matrices.iter().map(mdev).collect(),
            queues: queues.into_iter().map(|apqn| (apqn, Queue::default())).collect(),
        };
        let attributes = mdevs.queues.keys().map(|apqn| (*apqn, Attributes::new())).collect();
        let mut guests = Guests {
            assigned: matrices.iter().copied().map(ApConfig::from).collect(),
            added: matrices.iter().map(|_| ApConfig::default()).collect(),
            info: ApConfig::everything(),
            ..Guests::default()
        };
        if V::HEAD >= Commit::DynamicConfiguration {
            mdevs.link_all();
            let link = |(apqn, queue): (&Apqn, &Queue)| Some((*apqn, queue.matrix_mdev?));
            guests.links = mdevs.queues.iter().filter_map(link).collect();
        }
        Self {
            lock: Arc::new(Mutex::new(V::LOCK, mdevs)),
            guests_lock: Arc::new(Mutex::new("guests_lock", guests)),
            mdev_list: MdevList::new(matrices.len()),
            mdevs: matrices.iter().map(MatrixMdev::new).collect(),
            attributes,
        }
    }

    /// Returns the sysfs attributes of a queue device.
    pub fn attributes(&self, apqn: Apqn) -> &Attributes {
        &self.attributes[&apqn]
    }

    /// Returns the number of mediated devices that were ever created.
    pub fn mdevs(&self) -> usize {
        self.mdevs.len()
    }

    /// Follows a pointer to a mediated device.
    #[track_caller]
    pub fn mdev(&self, mdev: usize) -> &MatrixMdev {
        let mdev = &self.mdevs[mdev];
        mdev.memory.get();
        mdev
    }

    /// Models `kfree(matrix_mdev)`.
    #[track_caller]
    pub fn free_mdev(&self, mdev: usize) {
        self.mdevs[mdev].memory.release();
        self.mdevs[mdev].wait_memory.release();
    }
}

impl MatrixMdev {
    fn new(matrix: &ApMatrix) -> Self {
        Self {
            masks: Masks::new(&(*matrix).into()),
            memory: Tracked::new("matrix_mdev", ()),
            wait_memory: Tracked::new("matrix_mdev->wait_for_kvm", ()),
            kvm: Atomic::new("matrix_mdev->kvm", None),
            wait_for_kvm: WaitQueue::new("kvm_busy"),
        }
    }

    /// Waits until `kvm_busy` is false, in v5.13 and v5.14.
    #[track_caller]
    pub fn wait_for_kvm(&self) -> &WaitQueue {
        self.wait_memory.get();
        &self.wait_for_kvm
    }

    /// Returns its guest, which is one of `kvms`.
    #[track_caller]
    pub fn kvm<'a>(&self, kvms: &'a [Kvm]) -> Option<&'a Kvm> {
        let vm = self.kvm.load();
        kvms.iter().find(|kvm| Some(kvm.vm) == vm)
    }

    /// Attaches it to a guest, or to none.
    #[track_caller]
    pub fn set_kvm(&self, kvm: Option<&Kvm>) {
        self.kvm.store(kvm.map(|kvm| kvm.vm));
    }
}

impl Mdevs {
    /// Models `vfio_ap_mdev_verify_no_sharing`: checks that no other mediated device has these
    /// queues.
    ///
    /// # Errors
    ///
    /// [`Errno::Eaddrinuse`] if another device has one.
    pub fn verify_no_sharing(&self, mdev: usize, added: &ApMatrix) -> Result<(), Errno> {
        let others = self.mdevs.iter().enumerate().filter(|(other, m)| *other != mdev && m.listed);
        let shared =
            |(_, other): (usize, &Mdev)| other.assigned.matrix.intersects(&added.apm, &added.aqm);
        if { others }.any(shared) { Err(Errno::Eaddrinuse) } else { Ok(()) }
    }

    /// Adds every assigned queue to the table of its mediated device, and gives every guest all of
    /// them.
    fn link_all(&mut self) {
        for (mdev, m) in self.mdevs.iter_mut().enumerate() {
            m.shadow_apcb = m.assigned;
            for (_, queue) in
                self.queues.iter_mut().filter(|(apqn, _)| m.assigned.matrix.contains(**apqn))
            {
                queue.matrix_mdev = Some(mdev);
                queue.hashed = true;
            }
        }
    }

    /// Returns the queues in the table of `mdev`, since v6.0.
    pub fn hashed(&self, mdev: usize) -> Vec<Apqn> {
        let queues = self.queues.iter();
        let hashed = queues.filter(|(_, q)| q.hashed && q.matrix_mdev == Some(mdev));
        hashed.map(|(apqn, _)| *apqn).collect()
    }

    /// Returns the queues of `mdev` that are bound to the driver, up to v5.19. The kernel calls
    /// `vfio_ap_get_queue` for each queue of its matrix.
    pub fn queues_of(&self, mdev: usize) -> Vec<Apqn> {
        let matrix = self.mdevs[mdev].assigned.matrix;
        matrix.apqns().filter(|apqn| self.queues.contains_key(apqn)).collect()
    }
}

/// Returns the target of a pointer that must not be NULL.
///
/// # Violations
///
/// The invariant `NULL`, which every model has: no NULL pointer is dereferenced.
#[track_caller]
pub fn not_null<T>(pointer: Option<T>, what: &str) -> T {
    pointer.unwrap_or_else(|| {
        invariant_broken("NULL", format!("{what} is NULL and is dereferenced"));
        panic!("{what} is NULL")
    })
}

/// The guard of the held mutex.
pub type Locked<'a> = MutexGuard<'a, Mdevs>;

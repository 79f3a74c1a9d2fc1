//! `vfio-ap/bugs`: bugs that were found on the lists or here, each under its number, in a version
//! that has it and in one that does not.
//!
//! Bugs of a design as a whole are cells of `vfio-ap/matrix` or `vfio-ap/ap-perms`.
//! `models/src/vfio_ap/README.md` lists all of them.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, forever, invariant_broken};

use crate::Errno;
use crate::ap::Apqn;
use crate::vfio_ap::ap_queue::{ApQueue, Irq, ResponseCode};
use crate::vfio_ap::find_queue::{Lookup, Queues};
use crate::vfio_ap::group_lock::{Group, Open};
use crate::vfio_ap::scenarios::fixtures::{ENABLE, IRQ, QUEUE, matrix};
use crate::vfio_ap::scenarios::sources;
use crate::vfio_ap::status::{QueueDevice, Removed};
use crate::vfio_ap::type1::DmaUnmap;
use crate::vfio_ap::versions::p17::P17;
use crate::vfio_ap::versions::v5_3::V5_3;
use crate::vfio_ap::versions::v5_11::V5_11;
use crate::vfio_ap::versions::v5_11_draft;
use crate::vfio_ap::versions::v5_13::{V5_13, vfio_ap_mdev_remove_or_refuse};
use crate::vfio_ap::versions::v5_15::{V5_15, V5_19};
use crate::vfio_ap::versions::v6_0::{V6_0, V6_2, V6_8, V6_15, V2026, V2026Proposed};
use crate::vfio_ap::vfio_device::VfioDevice;
use crate::vfio_ap::world::{Aqic, Version, World};

const INVALIDATED: &str = "\"[PATCH v3] s390/vfio-ap: clean up vfio_ap resources when KVM pointer \
                           invalidated\", T. Krowiak, 2020-12-14, merged as commit \
                           f21916ec4826, v5.11";
const V5_13_SOURCE: &str = "commit 0cc00c8d4050, v5.13";
const ENABLE_SOURCE: &str = "vfio_ap_irq_enable in every version since v5.3";
const UNDONE: &str = "a proposed fix, not posted: undoing the work for the new address";
const CONTAINER_SOURCE: &str =
    "drivers/vfio/vfio_iommu_type1.c, v6.1, and M. Rosato's change of dma_unmap";
const UNMAP_SOURCE: &str = "\"vfio/ap: validate iova during dma_unmap and trigger irq disable\", \
                            M. Rosato, v6.2";

/// Returns the access to the mediated device's freed memory.
fn freed() -> ViolationKind {
    ViolationKind::use_after_release("matrix_mdev")
}

/// Returns the access to the part that contains the flag and its wait queue.
fn freed_flag() -> ViolationKind {
    ViolationKind::use_after_release("matrix_mdev->wait_for_kvm")
}

fn leak(class: &str) -> ViolationKind {
    ViolationKind::Leak(class.to_owned())
}

fn broken(id: &str) -> ViolationKind {
    ViolationKind::invariant(id)
}

pub(super) fn scenarios() -> Vec<Scenario> {
    // The order of the container's own two mutexes depends on the caller: b24.
    let container = ["device_list_lock", "iommu->lock"];
    let triangle = ["device_list_lock", "iommu->lock", "mdevs_lock"];
    let pointers = || [broken("NULL"), freed()];
    vec![
        b03::<V5_3>("v5.3", sources::V5_3).expect_violations([broken("INV-05")]),
        b03::<V5_11>("v5.11", INVALIDATED).expect_proof(),
        b03::<V5_19>("v5.19", sources::V5_19)
            .about("the driver is no longer notified when the guest is gone, and closing cleans up")
            .expect_proof(),
        b03::<P17>("p17", sources::P17).expect_proof(),
        b03_reference::<V5_3>("v5.3", sources::V5_3)
            .expect_violations(["kvm", "kvm->users_count"].map(leak)),
        b03_reference::<V5_11>("v5.11", INVALIDATED).expect_proof(),
        b03_removed::<V5_3>("v5.3", sources::V5_3).expect_violations([freed()]),
        b03_removed::<V5_11>("v5.11", INVALIDATED).expect_proof(),
        b04::<V5_3>("v5.3", sources::V5_3).expect_violations([broken("NULL")]),
        b04::<V5_11>("v5.11", INVALIDATED).expect_proof(),
        b04_unbound::<V5_3>("v5.3", sources::V5_3).expect_violations([broken("NULL")]),
        b04_unbound::<V5_11>("v5.11", INVALIDATED).expect_proof(),
        b05("draft", |w| _ = v5_11_draft::vfio_ap_mdev_group_notifier(w, 1, 0))
            .expect_violations([ViolationKind::NotOwner("matrix_dev->lock".into())]),
        b05("v5.11", |w| _ = V5_11::set_kvm(w, 1, 0)).expect_proof(),
        b08a::<V5_11>("v5.11", INVALIDATED).expect_proof(),
        b08a::<V5_13>("v5.13", V5_13_SOURCE).expect_violations([broken("INV-02b")]),
        b08a::<V5_15>("v5.15", sources::V5_15).expect_proof(),
        b08b::<V5_13>("v5.13", V5_13_SOURCE).expect_violations([
            freed(),
            freed_flag(),
            broken("NULL"),
        ]),
        b08b::<V5_15>("v5.15", sources::V5_15).expect_proof(),
        b08c::<V5_13>("v5.13", V5_13_SOURCE).expect_violations([broken("INV-24")]),
        b08c::<V5_15>("v5.15", sources::V5_15).expect_proof(),
        b09::<V5_3>("v5.3", sources::V5_3).expect_violations(pointers()),
        b09::<V5_11>("v5.11", INVALIDATED).expect_violations(pointers()),
        b09::<V5_15>("v5.15", sources::V5_15).expect_proof(),
        b09_closed::<V5_3>("v5.3", sources::V5_3).expect_violations(pointers()),
        b09_closed::<V5_11>("v5.11", INVALIDATED).expect_violations(pointers()),
        b09_closed::<V5_13>("v5.13", V5_13_SOURCE).expect_violations([
            freed(),
            freed_flag(),
            broken("NULL"),
        ]),
        b09_closed::<V5_15>("v5.15", sources::V5_15).expect_proof(),
        b09_closed::<V5_19>("v5.19", sources::V5_19).expect_proof(),
        b09_closed::<P17>("p17", sources::P17).expect_proof(),
        b09_closed::<V6_0>("v6.0", sources::V6_0).expect_proof(),
        b09_closed::<V2026>("2026", sources::V2026).expect_proof(),
        b11::<V5_15>("v5.15", DmaUnmap::Notifier).expect_violations([broken("INV-08")]),
        b11::<V6_0>("v6.0", DmaUnmap::FirstPage)
            .expect_violations([broken("INV-08")])
            .expect_inversion(container),
        b11::<V6_2>("v6.2", DmaUnmap::IrqDisable).expect_proof().expect_inversion(triangle),
        b11a::<V5_15>("v5.15", DmaUnmap::Notifier).expect_violations([broken("BUG")]),
        b11a::<V6_2>("v6.2", DmaUnmap::IrqDisable).expect_proof().expect_inversion(triangle),
        b11c::<V5_15>("v5.15", DmaUnmap::Notifier).expect_violations([broken("INV-04")]),
        b11c::<V6_0>("v6.0", DmaUnmap::FirstPage)
            .expect_violations([broken("INV-04")])
            .expect_inversion(container),
        b11c::<V6_2>("v6.2", DmaUnmap::IrqDisable).expect_proof().expect_inversion(triangle),
        b14a().expect_violations([freed(), broken("INV-05")]),
        b14a_waited().expect_proof(),
        b14b("v5.13-rc", V5_13_SOURCE, vfio_ap_mdev_remove_or_refuse)
            .expect_violations(["matrix_mdev", "matrix_mdev->wait_for_kvm"].map(leak)),
        b14b("v5.13", "commit 8c0795d2a0f5, v5.13", V5_13::remove).expect_violations([freed()]),
        b14b_waited().expect_proof(),
        b17("v5.17", Removed::UnderTheMutex)
            .expect_violations([ViolationKind::deadlock(["kernfs", "matrix_dev->lock"])]),
        b17("v6.0", Removed::First).expect_proof(),
        b20("v6.0", Open::UntilDestroyed).expect_proof(),
        b20("v6.1", Open::WithGroupLock)
            .expect_violations([ViolationKind::deadlock(["group->group_lock", "kvm->lock"])])
            .expect_inversion(["group->group_lock", "guests_lock", "kvm->lock"]),
        b20("v6.2", Open::WithReference).expect_proof(),
        b20_last_put("v6.0", Open::UntilDestroyed)
            .expect_violations([ViolationKind::deadlock(["group->group_lock"])]),
        // lockdep reported the effect of this version.
        b20_last_put("v6.1", Open::WithGroupLock).expect_proof().expect_inversion([
            "group->group_lock",
            "guests_lock",
            "kvm->lock",
        ]),
        b20_last_put("v6.2", Open::WithReference).expect_proof(),
        b21a::<V5_11>("v5.11", INVALIDATED)
            .expect_violations([ViolationKind::deadlock(["matrix_dev->lock"])]),
        b21a::<V5_13>("v5.13", V5_13_SOURCE)
            .expect_violations([ViolationKind::deadlock(["matrix_dev->lock"])]),
        b21a::<V6_2>("v6.2", sources::V6_2).expect_proof(),
        b21b::<V5_15>("v5.15", sources::V5_15)
            .expect_violations([ViolationKind::use_after_release("kvm")]),
        b21b::<V5_19>("v5.19", sources::V5_19)
            .expect_violations([ViolationKind::use_after_release("kvm")]),
        b21b::<V6_0>("v6.0", sources::V6_0)
            .expect_violations([ViolationKind::use_after_release("kvm")]),
        b21b::<V6_2>("v6.2", sources::V6_2).expect_proof(),
        b21b::<V2026>("2026", sources::V2026).expect_proof(),
        b22::<V5_3>("v5.3").expect_violations([broken("INV-04")]),
        b22::<V5_11>("v5.11").expect_violations([broken("INV-04")]),
        b22::<V5_13>("v5.13").expect_violations([broken("INV-04")]),
        b22::<V5_15>("v5.15").expect_violations([broken("INV-04")]),
        b22::<V6_0>("v6.0").expect_violations([broken("INV-04")]),
        b22::<V6_2>("v6.2").expect_violations([broken("INV-04")]),
        b22::<V6_8>("v6.8").expect_violations([broken("INV-04")]),
        b22::<V6_15>("v6.15").expect_violations([broken("INV-04")]),
        b22::<V2026>("2026").expect_violations([broken("INV-04")]),
        b22::<V2026Proposed>("2026-proposed").about(UNDONE).expect_proof(),
        b22_lost::<V5_3>("v5.3").expect_violations([broken("LOST-IRQ")]),
        b22_lost::<V5_15>("v5.15").expect_violations([broken("LOST-IRQ")]),
        b22_lost::<V6_0>("v6.0").expect_violations([broken("LOST-IRQ")]),
        b22_lost::<V2026>("2026").expect_violations([broken("LOST-IRQ")]),
        b22_lost::<V2026Proposed>("2026-proposed").about(UNDONE).expect_proof(),
        b24::<V6_0>("v6.0-two", DmaUnmap::FirstPage, false)
            .expect_violations([ViolationKind::deadlock(container), broken("INV-08")]),
        b24::<V6_2>("v6.2-three", DmaUnmap::IrqDisable, true).expect_violations([
            ViolationKind::deadlock(container),
            ViolationKind::deadlock(triangle),
        ]),
        b24::<V2026>("2026-three", DmaUnmap::IrqDisable, true).expect_violations([
            ViolationKind::deadlock(container),
            ViolationKind::deadlock(triangle),
        ]),
        b24::<V2026Proposed>("2026-proposed", DmaUnmap::IrqDisable, true)
            .about(
                "a proposed fix, not posted, and not in the driver: VFIO takes the two mutexes one \
                 after the other",
            )
            .expect_proof(),
        b24_unmaps::<V6_2>("v6.2")
            .expect_violations([ViolationKind::deadlock(container)])
            .expect_inversion(triangle),
        b24_unmaps::<V2026>("2026")
            .expect_violations([ViolationKind::deadlock(container)])
            .expect_inversion(triangle),
        b24_unmaps::<V2026Proposed>("2026-proposed").expect_proof(),
        b36("v5.3", Lookup::DriverList).expect_violations([broken("NULL")]),
        b36("v6.0", Lookup::Table).expect_proof(),
        b37a::<V5_3>("v5.3", sources::V5_3).expect_violations([broken("NULL"), broken("INV-05")]),
        b37a::<V5_11>("v5.11", INVALIDATED).expect_proof(),
        b37b::<V5_3>("v5.3", sources::V5_3).expect_violations([broken("INV-21")]),
        b37b::<V5_11>("v5.11", INVALIDATED).expect_violations([broken("INV-21")]),
        b37b::<V5_13>("v5.13", V5_13_SOURCE).expect_proof(),
        b37b_refused::<V5_3>("v5.3", sources::V5_3).expect_violations([broken("INV-01")]),
        b37b_refused::<V5_11>("v5.11", INVALIDATED).expect_proof(),
        b38::<V5_11>("v5.11", INVALIDATED).expect_violations([broken("INV-01")]),
        b38::<V5_13>("v5.13", V5_13_SOURCE).expect_proof(),
        b41::<V5_15>("v5.15", sources::V5_15).expect_proof(),
        b41::<V6_0>("v6.0", sources::V6_0).expect_proof(),
        b41::<V2026>("2026", sources::V2026).expect_proof(),
    ]
}

fn bug<W: Send + Sync + 'static>(
    name: &str,
    version: &str,
    source: &str,
    world: impl Fn() -> W + Send + Sync + 'static,
) -> ScenarioBuilder<W> {
    Scenario::builder(format!("vfio-ap/bugs/{name}/{version}"), world).source(source)
}

/// Creates a guest with one vCPU. Its device has the queue, and another device has nothing.
fn closed<V: Version>() -> World {
    World::new::<V>(2, 1, &[matrix(&[1]), matrix(&[])])
}

/// Creates the same world and attaches the first device to the guest.
fn open<V: Version>() -> World {
    let world = closed::<V>();
    V::set_kvm(&world, 0, 0).expect("the guest has no other device");
    world
}

/// Builds B03. Up to v5.10 the notifier clears the pointer when the guest is gone, and closing then
/// has nothing to clean up.
fn b03<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b03-guest-forgotten", version, source, closed::<V>)
        .about("the guest is gone before the device is closed: are its queues removed?")
        .thread("VMM", |w| {
            _ = V::set_kvm(w, 0, 0);
            V::kvm_is_gone(w, 0);
            V::close(w, 0);
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds another effect of B03, for INV-06: are the references to the guest balanced?
fn b03_reference<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b03-guest-never-released", version, source, || World::new::<V>(1, 1, &[matrix(&[1])]))
        .about("the guest is gone before the device is closed: is its reference dropped?")
        .thread("VMM", |w| {
            _ = V::set_kvm(w, 0, 0);
            V::kvm_is_gone(w, 0);
            V::close(w, 0);
            _ = V::remove(w, 0);
            _ = w.guest(0).put();
        })
}

/// Builds a third effect of B03, for INV-03: the device no longer counts as in use, so it is
/// removed while the hook stays.
fn b03_removed<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b03-removed", version, source, closed::<V>)
        .about("the device loses its guest and is removed while the guest continues to run")
        .thread("VMM", |w| {
            _ = V::set_kvm(w, 0, 0);
            V::kvm_is_gone(w, 0);
            V::close(w, 0);
            _ = V::remove(w, 0);
            _ = w.pqap::<V>(0, 0, ENABLE);
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds B04, in which the interrupts' subclass is unregistered from a guest that is gone.
fn b04<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b04-reset-without-guest", version, source, open::<V>)
        .about("the guest goes away while a queue interrupts it, and then the queue is reset")
        .thread("VMM", |w| {
            _ = w.pqap::<V>(0, 0, ENABLE);
            V::kvm_is_gone(w, 0);
            _ = V::reset(w, 0);
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds B04 with a queue that is unbound.
fn b04_unbound<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b04-unbind-without-guest", version, source, open::<V>)
        .about("the guest goes away while a queue interrupts it, and then the queue is unbound")
        .thread("VMM", |w| {
            _ = w.pqap::<V>(0, 0, ENABLE);
            V::kvm_is_gone(w, 0);
            w.bus.unbind(w, QUEUE);
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds B05, an extra unlock of a mutex that another thread has taken meanwhile.
fn b05(version: &str, notifier: fn(&World)) -> ScenarioBuilder<World> {
    bug("b05-double-unlock", version, INVALIDATED, open::<V5_11>)
        .about("a guest that has another device is refused: is the mutex unlocked once?")
        .thread("set_kvm", notifier)
        .thread("assign_adapter_store", |w| _ = V5_11::assign_adapter_store(w, 1, 2))
        .finally(|w| w.at_rest::<V5_11>())
}

/// Builds B08a, in which two devices are opened for one guest concurrently.
fn b08a<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    let world = || World::new::<V>(1, 1, &[matrix(&[1]), matrix(&[2])]);
    bug("b08a-two-devices", version, source, world)
        .about("two devices are attached to one guest concurrently, and only one may succeed")
        .thread("set_kvm 0", |w| _ = V::set_kvm(w, 0, 0))
        .thread("set_kvm 1", |w| _ = V::set_kvm(w, 1, 0))
        .finally(|w| w.at_rest::<V>())
}

/// Builds B08b, in which PQAP(AQIC) sleeps on a wait queue whose memory is freed meanwhile.
fn b08b<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b08b-waiter", version, source, open::<V>)
        .about("PQAP(AQIC) waits for a flag while the device that contains the flag is removed")
        .thread("PQAP(AQIC)", |w| _ = w.pqap::<V>(0, 0, ENABLE))
        .thread("close and remove", |w| {
            V::close(w, 0);
            _ = V::remove(w, 0);
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds B08c, in which a store fails because of the flag. No guest has the device yet, and the
/// store could wait until the attach is complete, as it does where a mutex replaces the flag. While
/// the PV ioctl has `kvm->lock` the flag stays set.
///
/// The other direction would not show this, since the guest has the device while it is detached.
fn b08c<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b08c-busy", version, source, closed::<V>)
        .about("an adapter is unassigned while the guest is attached: does the flag make it fail?")
        .thread("set_kvm", |w| V::set_kvm(w, 0, 0).expect("the guest has no other device"))
        .thread("PV ioctl", |w| w.guest(0).pv_command())
        .thread("unassign_adapter_store", |w| {
            let refused = V::unassign_adapter_store(w, 0, 1) == Err(Errno::Ebusy);
            // No thread detaches the guest, so the device had no guest before either.
            if refused && w.matrix_dev.mdev(0).kvm(&w.kvms).is_none() {
                invariant_broken(
                    "INV-24",
                    "unassign_adapter_store returns -EBUSY because of a flag",
                );
            }
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds B09, in which the hook is read without a lock and dereferenced after the device is freed.
fn b09<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b09-unlocked-hook", version, source, open::<V>)
        .about("PQAP(AQIC) dereferences the hook while the device is closed and removed")
        .thread("PQAP(AQIC)", |w| _ = w.pqap::<V>(0, 0, ENABLE))
        .thread("close and remove", |w| {
            V::close(w, 0);
            _ = V::remove(w, 0);
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds the second half of INV-03: after a device is closed, no handler runs for it. This is
/// stronger than what the removal needs. The removal takes the driver's mutex, but here the memory
/// is freed without it.
fn b09_closed<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b09-handler-after-close", version, source, open::<V>)
        .about("the device is closed while PQAP(AQIC) executes: is it still used afterwards?")
        .thread("PQAP(AQIC)", |w| _ = w.pqap::<V>(0, 0, ENABLE))
        .thread("close", |w| {
            V::close(w, 0);
            w.matrix_dev.free_mdev(0);
        })
        .finally(|w| {
            w.matrix_dev.lock.lock().mdevs[0].listed = false;
            w.at_rest::<V>();
        })
}

/// Unmaps the guest's page with the notification byte.
fn unmap_nib(w: &World, dma_unmap: DmaUnmap) {
    w.vfio_dma_do_unmap(0, IRQ.nib..IRQ.nib + 1, dma_unmap);
}

/// Builds B11, in which the page with the notification byte is unmapped while the queue may write
/// to it.
fn b11<V: Version>(version: &str, dma_unmap: DmaUnmap) -> ScenarioBuilder<World> {
    bug("b11-unmap-armed", version, UNMAP_SOURCE, open::<V>)
        .about("the guest's page is unmapped while a queue interrupts through it")
        .thread("guest", |w| {
            _ = w.pqap::<V>(0, 0, ENABLE);
            w.hardware.nqap(0, QUEUE);
        })
        .thread("unmap", move |w| unmap_nib(w, dma_unmap))
        .finally(|w| w.at_rest::<V>())
}

/// Builds B11a, in which the notification byte is not on the first page of the range.
fn b11a<V: Version>(version: &str, dma_unmap: DmaUnmap) -> ScenarioBuilder<World> {
    bug("b11a-unmap-range", version, UNMAP_SOURCE, open::<V>)
        .about("two pages of the guest are unmapped, and a queue interrupts through the second")
        .thread("VMM", move |w| {
            _ = w.pqap::<V>(0, 0, ENABLE);
            w.vfio_dma_do_unmap(0, IRQ.nib - 1..IRQ.nib + 1, dma_unmap);
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds B11c, in which the driver unpins a page on request but does not record this, so it unpins
/// the page again. The guest has reset the queue, so only the count of pins is wrong.
fn b11c<V: Version>(version: &str, dma_unmap: DmaUnmap) -> ScenarioBuilder<World> {
    let world = || {
        let world = interrupting::<V>();
        world.hardware.zapq(QUEUE);
        world
    };
    bug("b11c-unpinned-twice", version, UNMAP_SOURCE, world)
        .about("the guest's page is unmapped while the guest disables the interrupts through it")
        .thread("PQAP(AQIC)", |w| _ = w.pqap::<V>(0, 0, Aqic { irq: None, ..ENABLE }))
        .thread("unmap", move |w| unmap_nib(w, dma_unmap))
        .finally(|w| w.at_rest::<V>())
}

/// Builds B14a, in which the device is removed after a check without the mutex whether it is in
/// use.
fn b14a() -> ScenarioBuilder<World> {
    bug("b14a-remove-in-use", "v5.11", INVALIDATED, closed::<V5_11>)
        .about(
            "a device is removed while it is attached; only VFIO's wait for its close prevents \
             this race, and that is left out here",
        )
        .thread("remove", |w| _ = V5_11::remove(w, 0))
        .thread("set_kvm", |w| _ = V5_11::set_kvm(w, 0, 0))
        .finally(|w| w.at_rest::<V5_11>())
}

/// Builds B14a with VFIO's wait for the users of the device.
fn b14a_waited() -> ScenarioBuilder<(World, VfioDevice)> {
    let world = || (closed::<V5_15>(), VfioDevice::register());
    bug("b14a-remove-in-use", "v5.15", sources::V5_15, world)
        .about("a device is removed while it is opened, attached and closed")
        .thread("remove", remove_when_closed)
        .thread("VMM", |(w, device)| {
            if device.try_get() {
                V5_15::set_kvm(w, 0, 0).expect("the guest has no other device");
                V5_15::close(w, 0);
                device.put();
            }
        })
        .finally(|(w, _)| w.at_rest::<V5_15>())
}

/// Models the beginning of the driver's remove function since v5.15.
fn remove_when_closed((w, device): &(World, VfioDevice)) {
    device.unregister();
    V5_15::remove(w, 0).expect("the removal never fails");
}

/// Builds B14b, about the result of the remove function. Up to v5.14 it is called without VFIO's
/// wait here, as in B14a. If it refuses, its caller ignores that, and the device stays on the
/// driver's list for ever with its assignment. If it does not refuse, the thread that closes the
/// device accesses freed memory.
fn b14b(
    version: &str,
    source: &str,
    remove: fn(&World, usize) -> Result<(), Errno>,
) -> ScenarioBuilder<World> {
    let world = || {
        let world = World::new::<V5_13>(1, 1, &[matrix(&[1])]);
        V5_13::set_kvm(&world, 0, 0).expect("the guest has no other device");
        world
    };
    bug("b14b-remove-refused", version, source, world)
        .about("an attached device is removed and closed: does it leave the driver's list?")
        .thread("remove", move |w| _ = remove(w, 0))
        .thread("close", |w| V5_13::close(w, 0))
        .finally(|w| _ = w.guest(0).put())
}

/// Builds B14b since v5.15.
fn b14b_waited() -> ScenarioBuilder<(World, VfioDevice)> {
    let world = || {
        let device = VfioDevice::register();
        assert!(device.try_get(), "the device is not being removed");
        (open::<V5_15>(), device)
    };
    bug("b14b-remove-refused", "v5.15", sources::V5_15, world)
        .about("a device is removed while it is attached, and VFIO waits until it is closed")
        .thread("remove", remove_when_closed)
        .thread("close", |(w, device)| {
            V5_15::close(w, 0);
            device.put();
        })
        .finally(|(w, _)| w.at_rest::<V5_15>())
}

/// Builds B17, in which an attribute is removed under the mutex that its reader takes.
fn b17(version: &str, removed: Removed) -> ScenarioBuilder<QueueDevice> {
    let source = "commit f139862b92cf, v5.17, and the dynamic configuration series of v6.0";
    bug("b17-status-attribute", version, source, move || QueueDevice::new(removed))
        .about("a queue is unbound while another thread reads its status")
        .thread("remove_queue", QueueDevice::remove_queue)
        .thread("cat status", QueueDevice::status_show)
        .finally(|device| device.attributes.check_removed())
}

/// Builds B20, with the group lock of VFIO, the driver's locks, and those of KVM.
fn b20(version: &str, open: Open) -> ScenarioBuilder<Group> {
    let source = "lockdep's report of January 2023; commits 51cdc8bc120e and 2b48f52f2bff";
    bug("b20-group-lock", version, source, move || Group::new(open))
        .about("a device is opened while the guest's KVM-VFIO device is closed")
        .thread("open", Group::open)
        .thread("close KVM-VFIO", Group::kvm_vfio_release)
        .finally(|group| {
            group.close();
            group.kvm_put_kvm();
        })
}

/// Builds the bug before B20, in which the device drops the last reference to the guest.
fn b20_last_put(version: &str, open: Open) -> ScenarioBuilder<Group> {
    let source =
        "commits 51cdc8bc120e and 2b48f52f2bff, and the former's description of the old code";
    let world = move || {
        let group = Group::new(open);
        group.open();
        group
    };
    bug("b20-last-put", version, source, world)
        .about("the last reference to the guest is dropped by closing the device")
        .thread("VMM", |group| {
            group.kvm_vfio_release();
            group.kvm_put_kvm();
            group.close();
        })
}

/// Builds a scenario in which the VMM drops its reference to the guest first, so that closing the
/// device drops the last one.
fn last_reference<V: Version>(name: &str, version: &str, source: &str) -> ScenarioBuilder<World> {
    bug(name, version, source, open::<V>)
        .thread("VMM", |w| {
            _ = w.guest(0).put();
            V::close(w, 0);
        })
        .finally(|w| {
            [0, 1].iter().for_each(|mdev| _ = V::remove(w, *mdev));
            _ = w.guest(1).put();
            w.hardware.check_at_rest();
        })
}

/// Builds B21a, in which the last reference is dropped with the mutex held, and destroying the
/// guest calls the notifier, which takes the mutex.
fn b21a<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    last_reference::<V>("b21a-last-put", version, source)
        .about("closing the device drops the last reference to the guest under the mutex")
}

/// Builds B21b, in which the last reference is dropped with the guest's own lock held.
fn b21b<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    last_reference::<V>("b21b-put-under-lock", version, source)
        .about("closing the device drops the last reference to the guest under kvm->lock")
}

/// Builds B22, in which enabling fails for a busy queue, and the page that was pinned for it leaks.
/// Every version has this.
fn b22<V: Version>(version: &str) -> ScenarioBuilder<World> {
    bug("b22-enable-leaks", version, ENABLE_SOURCE, open::<V>)
        .about("PQAP(AQIC) finds the queue busy, and the page that it pinned stays pinned")
        .thread("PQAP(AQIC)", |w| {
            w.hardware.happens(QUEUE, |queue| queue.busy = 1);
            let code = w.pqap::<V>(0, 0, ENABLE);
            assert_eq!(code, ResponseCode::Busy);
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds B22 for a queue that already interrupts, when the guest requests another target. Because
/// this fails, the queue no longer interrupts at all, which the status does not report.
fn b22_lost<V: Version>(version: &str) -> ScenarioBuilder<World> {
    bug("b22-interrupt-lost", version, ENABLE_SOURCE, open::<V>)
        .about("PQAP(AQIC) finds a busy queue with interrupts enabled, and disables them")
        .thread("PQAP(AQIC)", |w| {
            _ = w.pqap::<V>(0, 0, ENABLE);
            w.hardware.happens(QUEUE, |queue| queue.busy = 1);
            let elsewhere = Aqic { irq: Some(Irq { nib: 2, ..IRQ }), ..ENABLE };
            assert_eq!(w.pqap::<V>(0, 0, elsewhere), ResponseCode::Busy);
            if !w.hardware.tapq(QUEUE).irq_enabled {
                invariant_broken("LOST-IRQ", "PQAP(AQIC) has failed and disabled interrupts");
            }
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds B24, with the container's two mutexes and the driver's mutex between them.
fn b24<V: Version>(version: &str, dma_unmap: DmaUnmap, pqap: bool) -> ScenarioBuilder<World> {
    let unmapped = bug("b24-container", version, CONTAINER_SOURCE, interrupting::<V>)
        .about("pages are unmapped while another device of the container is opened")
        .thread("unmap", move |w| unmap_nib(w, dma_unmap))
        .thread("open another", World::register_device);
    let unmapped = unmapped.finally(|w| w.at_rest::<V>());
    if pqap {
        let again = Aqic { apqn: QUEUE, irq: Some(Irq { nib: 2, ..IRQ }) };
        unmapped.thread("PQAP(AQIC)", move |w| _ = w.pqap::<V>(0, 0, again))
    } else {
        unmapped
    }
}

/// Creates a world with a device whose queue interrupts the guest.
fn interrupting<V: Version>() -> World {
    let world = open::<V>();
    _ = world.pqap::<V>(0, 0, ENABLE);
    world
}

/// Builds B24 without an open: the container's two mutexes deadlock even then.
fn b24_unmaps<V: Version>(version: &str) -> ScenarioBuilder<World> {
    let unmap = |w: &World| unmap_nib(w, DmaUnmap::IrqDisable);
    bug("b24-two-unmaps", version, CONTAINER_SOURCE, interrupting::<V>)
        .about("two threads unmap the page through which a queue interrupts the guest")
        .thread("unmap 1", unmap)
        .thread("unmap 2", unmap)
        .finally(|w| w.at_rest::<V>())
}

/// Builds B36, in which a queue that is being unbound is still on the driver core's list, with a
/// NULL pointer.
fn b36(version: &str, lookup: Lookup) -> ScenarioBuilder<Queues> {
    const OTHER: Apqn = Apqn { apid: 2, apqi: 4 };
    let source = "vfio_ap_find_queue, v5.3 to v5.19; commit 49b0109fb399, v6.0";
    bug("b36-leaving-queue", version, source, move || Queues::new(lookup, &[OTHER, QUEUE]))
        .about("PQAP(AQIC) searches for its queue while another queue is unbound")
        .thread("PQAP(AQIC)", |queues| _ = queues.handle_pqap(QUEUE))
        .thread("unbind", |queues| queues.unbind(OTHER))
}

/// Builds B37a, in which the notifier uses the guest after the unlock.
fn b37a<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b37a-after-unlock", version, source, closed::<V>)
        .about("the guest goes away while it is being attached")
        .thread("SET_KVM", |w| _ = V::set_kvm(w, 0, 0))
        .thread("SET_KVM(NULL)", |w| V::kvm_is_gone(w, 0))
        .finally(|w| w.at_rest::<V>())
}

/// Builds B37b, in which an adapter is assigned after a check without the mutex whether a guest
/// uses the device.
fn b37b<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    let world = || {
        let queues = [QUEUE, Apqn { apid: 2, apqi: 4 }].map(ApQueue::new);
        World::with_queues::<V>(1, 1, &[matrix(&[1])], queues)
    };
    bug("b37b-matrix-differs", version, source, world)
        .about("an adapter is assigned while the guest is attached: does the guest get it?")
        .thread("set_kvm", |w| _ = V::set_kvm(w, 0, 0))
        .thread("assign_adapter_store", |w| _ = V::assign_adapter_store(w, 0, 2))
        .finally(|w| {
            let assigned = w.matrix_dev.lock.lock().mdevs[0].assigned.matrix;
            w.hardware.check_apcb(0, assigned);
            w.at_rest::<V>();
        })
}

/// Builds B37b with a refused assignment, which is verified afterwards, under the mutex, while the
/// masks are copied without it.
fn b37b_refused<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    let world = || {
        let world = World::new::<V>(2, 1, &[matrix(&[1]), matrix(&[2])]);
        V::set_kvm(&world, 1, 1).expect("the guest has no other device");
        world
    };
    bug("b37b-refused-adapter", version, source, world)
        .about("an adapter is refused while the guest is attached: does the guest get it?")
        .thread("set_kvm", |w| V::set_kvm(w, 0, 0).expect("the guest has no other device"))
        .thread("assign_adapter_store", |w| {
            V::assign_adapter_store(w, 0, 2).expect_err("another device has the adapter");
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds B38, in which an adapter is unassigned after a check without the mutex whether a guest
/// uses the device, and then assigned to another guest's device.
fn b38<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    bug("b38-two-guests", version, source, closed::<V>)
        .about("an adapter moves from one guest's device to another's while the first is attached")
        .thread("set_kvm 0", |w| _ = V::set_kvm(w, 0, 0))
        .thread("unassign_adapter_store", |w| _ = V::unassign_adapter_store(w, 0, 1))
        .thread("assign and set_kvm 1", |w| {
            if V::assign_adapter_store(w, 1, 1).is_ok() {
                _ = V::set_kvm(w, 1, 1);
            }
        })
        .finally(|w| w.at_rest::<V>())
}

/// Builds B41, in which two vCPUs execute PQAP(AQIC) for ever and keep the driver's mutex busy. A
/// thread that changes the guest's resources waits for it with `kvm->lock` held, and other threads
/// wait for that lock. With fair mutexes and a fair semaphore all of them progress. A model cannot
/// say how long that takes.
fn b41<V: Version>(version: &str, source: &str) -> ScenarioBuilder<World> {
    let world = || {
        let world = World::new::<V>(1, 2, &[matrix(&[1])]);
        V::set_kvm(&world, 0, 0).expect("the guest has no other device");
        world
    };
    let pqap = |vcpu: usize| move |w: &World| forever(|| _ = w.pqap::<V>(0, vcpu, ENABLE));
    bug("b41-endless-pqap", version, source, world)
        .about("a guest executes PQAP(AQIC) for ever: which other thread starves?")
        .thread("PQAP(AQIC) 0", pqap(0))
        .thread("PQAP(AQIC) 1", pqap(1))
        .thread("close", |w| V::close(w, 0))
        .thread("PV ioctl", |w| w.guest(0).pv_command())
        .starvation_free()
}

//! Pages that stay pinned for no queue (B22, B31, B34), and what such a page does to the host.
//!
//! `vfio_dma_do_unmap` asks the drivers ten times to unpin a page and then reaches a `BUG_ON` with
//! `iommu->lock` held (`drivers/vfio/vfio_iommu_type1.c`, v6.1).

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::vfio_ap::ap_queue::Config;
use crate::vfio_ap::invariants;
use crate::vfio_ap::scenarios::fixtures::{IRQ, assign, lose, pqap, queue, running};
use crate::vfio_ap::type1::DmaUnmap;
use crate::vfio_ap::versions::v6_0::{V6_0, V6_4, V6_6, V6_8, V6_19, V2026, V2026Proposed};
use crate::vfio_ap::world::{Version, World};

/// How a pin loses its owner.
struct Cause {
    name: &'static str,
    about: &'static str,
    source: &'static str,
    /// What happens after the guest has enabled the interrupts of its queue.
    happens: fn(&World),
    /// Whether the guest enables the interrupts once more after that.
    again: bool,
    /// What happens after the device is closed.
    then: fn(&World),
}

const CAUSES: [Cause; 3] = [
    Cause {
        name: "absent",
        about: "the host loses the adapter whose queue interrupts a guest (B31)",
        source: "commit b9bd10c43456, v6.8; `apq_status_check`, v6.6",
        happens: |w| lose(w, 1),
        again: false,
        then: |_| {},
    },
    Cause {
        name: "busy",
        about: "the queue is busy when its interrupts are enabled once more (B22)",
        source: "`vfio_ap_irq_enable`, commit ec89b55e3bce, v5.3, and after",
        happens: |w| w.hardware.happens(queue(1), |queue| queue.busy = 1),
        again: true,
        then: |_| {},
    },
    Cause {
        name: "failed",
        about: "the adapter fails, and its queue is unbound (B31)",
        source: "commit e1f17f8ea93d, v6.8",
        happens: |w| {
            w.hardware.happens(queue(1), |queue| queue.config = Config::Checkstopped);
        },
        again: false,
        then: |w| w.bus.unbind(w, queue(1)),
    },
];

/// Creates a world in which the guest has two adapters. Before 2026 the guest keeps the last one
/// that the host loses (B19).
fn two_adapters<V: Version>() -> World {
    let world = running::<V>();
    assign(&world, 0, 2);
    world
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = cause::<V6_0>("v6.0", DmaUnmap::FirstPage, &["busy"]);
    all.extend(cause::<V6_4>("v6.4", DmaUnmap::IrqDisable, &["absent", "busy", "failed"]));
    all.extend(cause::<V6_6>("v6.6", DmaUnmap::IrqDisable, &["absent", "busy", "failed"]));
    all.extend(cause::<V6_8>("v6.8", DmaUnmap::IrqDisable, &["absent", "busy"]));
    all.extend(cause::<V6_19>("v6.19", DmaUnmap::IrqDisable, &["absent", "busy"]));
    all.extend(cause::<V2026>("2026", DmaUnmap::IrqDisable, &["absent", "busy"]));
    all.extend(cause::<V2026Proposed>("2026-proposed", DmaUnmap::IrqDisable, &[]));
    all
}

/// Returns two scenarios for each cause: whether the pin has an owner, and whether the page can be
/// unmapped. `orphans` are the causes that leave a pin. v6.0 and v6.1 unpin the first page of a
/// range, also if another has pinned it, so they do not reach the BUG.
fn cause<V: Version>(version: &str, dma_unmap: DmaUnmap, orphans: &[&str]) -> Vec<Scenario> {
    let reaches_bug = dma_unmap == DmaUnmap::IrqDisable;
    let claim = |scenario: ScenarioBuilder<World>, broken: bool, id: &str| match broken {
        true => scenario.expect_violations([ViolationKind::invariant(id)]),
        false => scenario.expect_proof(),
    };
    let of = |cause: &Cause| {
        let Cause { happens, again, then, .. } = *cause;
        let new = |family: &str| {
            let name = format!("vfio-ap/bugs/{family}/{}-{version}", cause.name);
            Scenario::builder(name, two_adapters::<V>).source(cause.source)
        };
        let pinned = move |w: &World| {
            pqap::<V>(w);
            happens(w);
            if again {
                pqap::<V>(w);
            }
            V::close(w, 0);
            then(w);
        };
        let owned = new("pin-owner")
            .about(format!("{}: does a queue own the page?", cause.about))
            .thread("in turn", pinned)
            .finally(|w| {
                invariants::pins(w);
                w.at_rest::<V>();
            });
        let unmapped = new("pin-unmap")
            .about(format!("{}, and the page is unmapped", cause.about))
            .thread("in turn", move |w| {
                pinned(w);
                w.vfio_dma_do_unmap(IRQ.vm, IRQ.nib..IRQ.nib + 1, dma_unmap);
            })
            .finally(World::at_rest::<V>);
        let orphan = orphans.contains(&cause.name);
        // Where the page is unpinned, the subclass that was registered for it is left.
        let unmapped = claim(unmapped, orphan, if reaches_bug { "BUG" } else { "INV-04" });
        // B24: the container's mutexes, since v6.2 with the driver's mutex between them.
        let predicted: &[&str] = match reaches_bug {
            true => &["device_list_lock", "iommu->lock", "mdevs_lock"],
            false => &["device_list_lock", "iommu->lock"],
        };
        [
            claim(owned, orphan, "PIN-OWNER"),
            match orphan {
                true => unmapped.expect_inversion(predicted.iter().copied()),
                false => unmapped,
            },
        ]
    };
    CAUSES.iter().flat_map(of).collect()
}

//! `vfio-ap/guests`, v6.0 and later: what a guest has changes while it runs.
//!
//! As for the earlier versions, one thread executes PQAP(AQIC) on the guest's vCPU, one makes the
//! guest a protected one, and an administrator assigns to another device. The third now comes in
//! more forms: besides attaching and detaching the device, whatever else changes what the guest
//! has, and so takes `kvm->lock`.

use selvedge_core::{Scenario, ScenarioBuilder};

use crate::ap::{ApMask, ApMatrix, Apqn};
use crate::vfio_ap::ap_queue::{ApQueue, Irq};
use crate::vfio_ap::guests::HostConfig;
use crate::vfio_ap::invariants;
use crate::vfio_ap::v6_0::{V6_0, V6_3, V6_8, V6_15, V2026};
use crate::vfio_ap::world::{Aqic, Version, World};

const QUEUE: Apqn = Apqn { apid: 1, apqi: 4 };
const IRQ: Irq = Irq { vm: 0, nib: 1, isc: 3 };

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for update in Update::ALL {
        all.extend(design::<V6_0>("v6.0", update));
        all.extend(design::<V6_3>("v6.3", update));
        all.extend(design::<V6_8>("v6.8", update));
        all.extend(design::<V6_15>("v6.15", update));
        all.extend(design::<V2026>("2026", update));
    }
    all
}

/// What changes what the guest has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Update {
    Set,
    Unset,
    Assign,
    Unassign,
    Probe,
    Remove,
    Config,
}

impl Update {
    const ALL: [Self; 7] = [
        Self::Set,
        Self::Unset,
        Self::Assign,
        Self::Unassign,
        Self::Probe,
        Self::Remove,
        Self::Config,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Unset => "unset",
            Self::Assign => "assign",
            Self::Unassign => "unassign",
            Self::Probe => "probe",
            Self::Remove => "remove",
            Self::Config => "config",
        }
    }

    fn world<V: Version>(self) -> World {
        let adapters: &[u8] = if self == Self::Assign { &[] } else { &[1] };
        let matrices = [matrix(adapters), matrix(&[])];
        let world = World::with_queues::<V>(1, 1, &matrices, [ApQueue::new(QUEUE)]);
        if self != Self::Set {
            V::set_kvm(&world, 0, 0).expect("nobody else has the guest");
        }
        if self == Self::Probe {
            world.bus.unbind(&world, QUEUE);
        }
        world
    }

    fn run<V: Version>(self, w: &World) {
        match self {
            Self::Set => V::set_kvm(w, 0, 0).expect("nobody else has the guest"),
            Self::Unset => V::close(w, 0),
            Self::Assign => V::assign_adapter_store(w, 0, 1).expect("it is vfio_ap's"),
            Self::Unassign => V::unassign_adapter_store(w, 0, 1).expect("it never fails"),
            Self::Probe => w.bus.bind(w, QUEUE),
            Self::Remove => w.bus.unbind(w, QUEUE),
            Self::Config => {
                let old = HostConfig { matrix: everything(), adm: ApMask::all() };
                let mut new = old;
                new.matrix.apm.set(1, false);
                w.ap_scan_bus(&old, &new);
            }
        }
    }
}

fn everything() -> ApMatrix {
    ApMatrix { apm: ApMask::all(), aqm: ApMask::all() }
}

fn matrix(adapters: &[u8]) -> ApMatrix {
    ApMatrix { apm: ApMask::of(adapters.iter().copied()), aqm: ApMask::of([4]) }
}

fn design<V: Version>(version: &'static str, update: Update) -> Vec<Scenario> {
    let new = |threads: &str| -> ScenarioBuilder<World> {
        let name = format!("vfio-ap/guests/{version}-{}/{threads}", update.name());
        Scenario::builder(name, move || update.world::<V>()).about("x").source("y").finally(|w| {
            invariants::check(w);
            w.at_rest::<V>();
        })
    };
    let pqap = |s: ScenarioBuilder<World>| {
        s.thread("PQAP(AQIC)", |w| {
            w.pqap::<V>(0, 0, Aqic { apqn: QUEUE, irq: Some(IRQ) });
        })
    };
    let upd = |s: ScenarioBuilder<World>| s.thread(update.name(), move |w| update.run::<V>(w));
    let pv = |s: ScenarioBuilder<World>| s.thread("PV ioctl", |w| w.kvm(0).pv_command());
    let admin = |s: ScenarioBuilder<World>| {
        s.thread("assign_adapter_store", |w| _ = V::assign_adapter_store(w, 1, 2))
    };
    vec![
        upd(pqap(new("pqap-upd"))).proved(),
        pv(upd(new("upd-pv"))).proved(),
        pv(pqap(new("pqap-pv"))).proved(),
        pv(upd(pqap(new("pqap-upd-pv")))).proved(),
        admin(pv(upd(pqap(new("pqap-upd-pv-admin"))))).proved(),
    ]
}

//! `vfio-ap/matrix`, hot plug: what a guest has changes while it runs.
//!
//! As for the earlier versions, one thread executes PQAP(AQIC) on the guest's vCPU, one makes the
//! guest a protected one, and an administrator assigns to another device. The third now comes in
//! more forms: besides attaching and detaching the device, whatever else changes what the guest
//! has, and so takes `kvm->lock`.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use super::hotplug::{MERGED, V6_2_SOURCE, V6_8_SOURCE, V6_15_SOURCE, V2026_SOURCE};
use crate::ap::{ApMask, ApMatrix, Apqn};
use crate::vfio_ap::ap_queue::{ApQueue, Irq};
use crate::vfio_ap::guests::HostConfig;
use crate::vfio_ap::invariants;
use crate::vfio_ap::p15::P15;
use crate::vfio_ap::p17::{P17, P17HookKept};
use crate::vfio_ap::v6_0::{V6_0, V6_3, V6_8, V6_15, V2026};
use crate::vfio_ap::world::{Aqic, Version, World};

const P15_SOURCE: &str = "versions 13 to 16 of \"s390/vfio-ap: dynamic configuration support\" \
                          (2021), as told in \"Re: [PATCH v13 09/15] s390/vfio-ap: allow hot \
                          plug/unplug of AP resources using mdev device\", H. Pasic, 2021-04-08";
const P17_SOURCE: &str = "\"[PATCH v17 00/15] s390/vfio-ap: dynamic configuration support\", \
                          T. Krowiak, October 2021";

const QUEUE: Apqn = Apqn { apid: 1, apqi: 4 };
const IRQ: Irq = Irq { vm: 0, nib: 1, isc: 3 };

pub(super) fn scenarios() -> Vec<Scenario> {
    use Update::{Assign, Set, Unassign, Unset};
    let under_matrix_lock = ["kvm->lock", "matrix_dev->lock", "vcpu->mutex"];
    let under_hook_lock = ["kvm->lock", "pqap_hook_lock", "vcpu->mutex"];
    let mut all = Vec::new();
    for update in [Assign, Unassign] {
        all.extend(
            Row::new::<P15>("p15", P15_SOURCE, update).deadlocks_on(under_matrix_lock, None),
        );
    }
    for update in [Set, Unset, Assign, Unassign] {
        all.extend(Row::new::<P17>("p17", P17_SOURCE, update).proved());
    }
    for update in [Set, Unset] {
        let row = Row::new::<P17HookKept>("p17-hook-kept", P17_SOURCE, update);
        // lockdep sees a way round by guests_lock too, on which nobody can come that far.
        let detour = ["guests_lock", "kvm->lock", "pqap_hook_lock", "vcpu->mutex"];
        all.extend(row.deadlocks_on(under_hook_lock, Some(detour)));
    }
    for update in Update::ALL {
        all.extend(Row::new::<V6_0>("v6.0", MERGED, update).proved());
        all.extend(Row::new::<V6_3>("v6.2", V6_2_SOURCE, update).proved());
        all.extend(Row::new::<V6_8>("v6.8", V6_8_SOURCE, update).proved());
        all.extend(Row::new::<V6_15>("v6.15", V6_15_SOURCE, update).proved());
        all.extend(Row::new::<V2026>("2026", V2026_SOURCE, update).proved());
    }
    all
}

/// What changes what the guest has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Update {
    /// Its mediated device is opened.
    Set,
    /// Its mediated device is closed.
    Unset,
    /// An adapter is assigned.
    Assign,
    /// An adapter is unassigned.
    Unassign,
    /// A queue is bound to the driver.
    Probe,
    /// A queue is unbound from the driver.
    Remove,
    /// The host loses an adapter.
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

    fn about(self) -> &'static str {
        match self {
            Self::Set => "the guest's device is opened",
            Self::Unset => "the guest's device is closed",
            Self::Assign => "an adapter is assigned to the guest's device",
            Self::Unassign => "an adapter is unassigned from the guest's device",
            Self::Probe => "a queue of the guest's device is bound to the driver",
            Self::Remove => "a queue of the guest's device is unbound from the driver",
            Self::Config => "the host loses an adapter that the guest has",
        }
    }

    fn world<V: Version>(self) -> World {
        let adapters: &[u8] = match self {
            Self::Assign => &[],
            // Another than the guest makes interrupt: that one's pages would stay pinned (B31).
            Self::Config => &[1, 2],
            _ => &[1],
        };
        let matrices = [matrix(adapters), matrix(&[])];
        let queues = [1, 2, 3].map(|apid| ApQueue::new(Apqn { apid, apqi: 4 }));
        let world = World::with_queues::<V>(2, 1, &matrices, queues);
        if self != Self::Set {
            V::set_kvm(&world, 0, 0).expect("nobody else has the guest");
        }
        if self == Self::Config {
            // Before 2026 every device must have a guest (B18).
            V::set_kvm(&world, 1, 1).expect("nobody else has the guest");
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
            Self::Assign => _ = V::assign_adapter_store(w, 0, 1),
            Self::Unassign => V::unassign_adapter_store(w, 0, 1).expect("it never fails"),
            Self::Probe => w.bus.bind(w, QUEUE),
            Self::Remove => w.bus.unbind(w, QUEUE),
            Self::Config => {
                let old = HostConfig::everything();
                let mut new = old;
                new.matrix.apm.set(2, false);
                w.ap_scan_bus(&old, &new);
            }
        }
    }
}

fn matrix(adapters: &[u8]) -> ApMatrix {
    ApMatrix { apm: ApMask::of(adapters.iter().copied()), aqm: ApMask::of([4]) }
}

/// The scenarios of one version and one update.
struct Row {
    /// Without the three that together can close the circle.
    pairs: Vec<ScenarioBuilder<World>>,
    /// With them.
    circle: Vec<ScenarioBuilder<World>>,
}

impl Row {
    fn new<V: Version>(version: &str, source: &str, update: Update) -> Self {
        let new = |threads: &str, about: &str| {
            let name = format!("vfio-ap/matrix/{version}-{}/{threads}", update.name());
            Scenario::builder(name, move || update.world::<V>())
                .about(format!("{}{about}", update.about()))
                .source(source)
                .finally(|w| {
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
            s.thread("assign_adapter_store", |w| _ = V::assign_adapter_store(w, 1, 3))
        };
        Self {
            pairs: vec![
                upd(pqap(new("pqap-upd", " while it executes PQAP(AQIC)"))),
                pv(upd(new("upd-pv", " while it becomes a protected one"))),
            ],
            circle: vec![
                pv(upd(pqap(new("pqap-upd-pv", ", and both others at once")))),
                admin(pv(upd(pqap(new(
                    "pqap-upd-pv-admin",
                    ", both others, and an adapter is assigned to another device",
                ))))),
            ],
        }
    }

    fn proved(self) -> Vec<Scenario> {
        self.pairs.into_iter().chain(self.circle).map(ScenarioBuilder::proved).collect()
    }

    fn deadlocks_on(self, classes: [&str; 3], predicted: Option<[&str; 4]>) -> Vec<Scenario> {
        let deadlock = |s: ScenarioBuilder<World>| {
            let refuted = s.refuted([ViolationKind::deadlock(classes)]);
            match predicted {
                Some(detour) => refuted.predicting(detour),
                None => refuted,
            }
        };
        let pairs = self.pairs.into_iter().map(ScenarioBuilder::proved);
        pairs.chain(self.circle.into_iter().map(deadlock)).collect()
    }
}

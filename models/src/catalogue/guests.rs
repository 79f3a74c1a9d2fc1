//! `vfio-ap/guests`: a guest is attached or detached while it runs.
//!
//! Queue 01.0004 is assigned to a mediated device. Of the threads one executes PQAP(AQIC) on the
//! guest's vCPU, one attaches the device to the guest or detaches it, one makes the guest a
//! protected one, and an administrator changes what is assigned to another device.

use selvedge_core::{Scenario, ScenarioBuilder};

use crate::ap::{ApMask, ApMatrix, Apqn};
use crate::vfio_ap::ap_queue::Irq;
use crate::vfio_ap::v5_3::V5_3;
use crate::vfio_ap::v5_11::V5_11;
use crate::vfio_ap::v5_13::{V5_13, V5_15Bisect};
use crate::vfio_ap::v5_15::V5_15;
use crate::vfio_ap::world::{Aqic, Version, World};

const QUEUE: Apqn = Apqn { apid: 1, apqi: 4 };
const IRQ: Irq = Irq { vm: 0, nib: 1, isc: 3 };

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    all.extend(design::<V5_3>("v5.3-set", Update::Set));
    all.extend(design::<V5_3>("v5.3-unset", Update::Unset));
    all.extend(design::<V5_11>("v5.11-set", Update::Set));
    all.extend(design::<V5_11>("v5.11-unset", Update::Unset));
    all.extend(design::<V5_13>("v5.13-set", Update::Set));
    all.extend(design::<V5_13>("v5.13-unset", Update::Unset));
    all.extend(design::<V5_15Bisect>("v5.15-bisect-set", Update::Set));
    all.extend(design::<V5_15Bisect>("v5.15-bisect-unset", Update::Unset));
    all.extend(design::<V5_15>("v5.15-set", Update::Set));
    all.extend(design::<V5_15>("v5.15-unset", Update::Unset));
    all
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Update {
    Set,
    Unset,
}

fn matrix(adapters: &[u8]) -> ApMatrix {
    ApMatrix { apm: ApMask::of(adapters.iter().copied()), aqm: ApMask::of([4]) }
}

fn design<V: Version>(name: &'static str, update: Update) -> Vec<Scenario> {
    let new = |threads: &str| -> ScenarioBuilder<World> {
        let world = move || {
            let world = World::new::<V>(1, 1, &[matrix(&[1]), matrix(&[])]);
            if update == Update::Unset {
                V::set_kvm(&world, 0, 0).expect("nobody else has the guest");
            }
            world
        };
        Scenario::builder(format!("vfio-ap/guests/{name}/{threads}"), world)
            .about("x")
            .source("y")
            .finally(|w| w.at_rest::<V>())
    };
    let pqap = |s: ScenarioBuilder<World>| {
        s.thread("PQAP(AQIC)", |w| {
            w.pqap::<V>(0, 0, Aqic { apqn: QUEUE, irq: Some(IRQ) });
        })
    };
    let upd = |s: ScenarioBuilder<World>| match update {
        Update::Set => s.thread("set_kvm", |w| {
            V::set_kvm(w, 0, 0).expect("nobody else has the guest");
        }),
        Update::Unset => s.thread("unset_kvm", |w| V::close(w, 0)),
    };
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

//! Questions of the mailing-list threads that no version answers.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::vfio_ap::ap_driver::InUseByGuest;
use crate::vfio_ap::hook::{Access, Hook};
use crate::vfio_ap::scenarios::fixtures::{apmask, closed, running};
use crate::vfio_ap::versions::v6_0::V6_0;
use crate::vfio_ap::world::{Own, Version, World};

const IN_USE: &str = "\"Re: [PATCH v7 03/15] s390/zcrypt: driver callback to indicate resource in \
                      use\", T. Krowiak, April 2020";
const TORN: &str = "\"Re: [PATCH v2 1/1] s390/vfio-ap: fix circular lockdep when setting/clearing \
                    crypto masks\", C. Borntraeger, February 2021";

pub(super) fn scenarios() -> Vec<Scenario> {
    let taken = [ViolationKind::invariant("TAKEN")];
    vec![
        by_guest("open", closed::<V6_0>)
            .about("the host reclaims an assigned adapter while its device is opened")
            .thread("open", |w| V6_0::set_kvm(w, 0, 0).expect("the guest has no other device"))
            .expect_proof(),
        by_guest("close", running::<V6_0>)
            .about("the host reclaims an adapter while the guest that has it closes its device")
            .thread("close", |w| V6_0::close(w, 0))
            .expect_proof(),
        by_guest("open-lacks", closed::<V6_0>)
            .about("the same: does the guest get what is assigned to its device?")
            .thread("open", |w| V6_0::set_kvm(w, 0, 0).expect("the guest has no other device"))
            .finally(|w| {
                w.bus.check_not_taken(&w.matrix_dev.lock.lock().mdevs[0].assigned.matrix);
                w.at_rest::<V6_0>();
            })
            .expect_violations(taken),
        stored("plain", Access::Plain).expect_at_least([ViolationKind::invariant("TORN")]),
        stored("write-once", Access::Once).expect_proof(),
    ]
}

/// Builds a scenario in which a queue is in use if a guest has it, and not if it is assigned.
///
/// Nothing is shared, since hot plug removes a queue from the guest when it is unbound. But an
/// administrator of a closed device is not protected, and the next guest lacks the adapter.
fn by_guest(name: &str, world: fn() -> World) -> ScenarioBuilder<World> {
    Scenario::builder(format!("vfio-ap/in-use-by-guest/{name}"), move || {
        let mut world = world();
        world.own = Own::new(InUseByGuest);
        world.bus.check_never();
        world
    })
    .source(IN_USE)
    .thread("apmask_store", |w| apmask(w, "+1"))
    .finally(World::at_rest::<V6_0>)
}

/// Builds a scenario in which the hook is set to NULL while PQAP(AQIC) reads it without a lock.
fn stored(name: &str, access: Access) -> ScenarioBuilder<Hook> {
    Scenario::builder(format!("vfio-ap/hook-store/{name}"), move || Hook::new(access))
        .about("the hook is set to NULL while PQAP(AQIC) reads it: is it old or NULL?")
        .source(TORN)
        .thread("vfio_ap_mdev_unset_kvm", Hook::clear)
        .thread("PQAP(AQIC)", Hook::read)
}

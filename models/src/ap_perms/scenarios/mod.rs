//! `vfio-ap/ap-perms`: whether the masks of the bus or a mediated device own a queue.
//!
//! Queue 01.0004 is bound to vfio_ap, and the mediated device has domain 4. One administrator
//! returns adapter 1 to the host, and another assigns it to the device.

mod default_driver;
mod driver_override;
mod in_use;
mod virtual_qci;

use selvedge_core::sync::Ghost;
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::Errno;
use crate::ap::{ApBus, ApMask, ApMatrix, ApPerms, Apqn, Driver};
use crate::ap_perms::p11::P11;
use crate::ap_perms::p12a::P12a;
use crate::ap_perms::p12b::P12b;
use crate::ap_perms::p18::P18;
use crate::ap_perms::v6_0::{V6_0, V6_19, V2026};
use crate::ap_perms::{MatrixDev, VfioAp, VfioApDrv};
use crate::postcondition::expect;
use crate::vfio_ap::scenarios::fixtures::matrix;

const V11: &str = "v11 of \"s390/vfio-ap: dynamic configuration support\" (2020), as described in \
                   \"[PATCH v12 07/17] s390/vfio-ap: implement in-use callback for vfio_ap \
                   driver\", T. Krowiak, 2020-11-24";
const V12_07: &str = "\"Re: [PATCH v12 07/17] s390/vfio-ap: implement in-use callback for vfio_ap \
                      driver\", H. Pasic, 2020-11-26, and T. Krowiak, 2020-12-14";
const V12: &str = "\"[PATCH v12 00/17] s390/vfio-ap: dynamic configuration support\", T. Krowiak, \
                   2020-11-24";
const V18: &str = "the draft of \"s390/Docs: new doc describing lock usage by the vfio_ap device \
                   driver\" in v18 and v19 of the series, T. Krowiak, 2022";
const MERGED: &str = "commits e2126a73746e, 8ee13ad99337, 3f85d1df26a9 and 1918f2b20c3d, v6.0";

const V7: &str = "\"[PATCH v7 03/15] s390/zcrypt: driver callback to indicate resource in use\", \
                  T. Krowiak, 2020-04-07, and its review";
const OVERRIDE: &str = "commits 8babcc2b6a75, d38a87d7c064, 46030379f13c and 6917f434fda3, v6.19";
const REVISED: &str = "`__ap_revise_reserved` in `drivers/s390/crypto/ap_bus.c`, v5.10 to v7.0; \
                       still so in commit 81d6f7c3a70b, 2026";

pub(crate) fn scenarios() -> Vec<Scenario> {
    let abba = || [ViolationKind::deadlock(["ap_perms_mutex", "matrix_dev->lock"])];
    let stolen = || [ViolationKind::invariant("INV-07")];
    let busy = || [ViolationKind::invariant("INV-24")];
    let null = || [ViolationKind::invariant("NULL")];
    let mut all = vec![
        apmask_assign::<P11>("p11", V11).expect_violations(abba()),
        apmask_aqmask_assign::<P11>("p11", V11).expect_violations(abba()),
        apmask_assign_unassign::<P11>("p11", V11).expect_violations(abba()),
        in_turn::<P11>("p11", V11)
            .about("one thread does everything in turn: lockdep sees the inversion")
            .expect_proof()
            .expect_inversion(["ap_perms_mutex", "matrix_dev->lock"]),
        in_turn::<P12a>("p12-07", V12_07).expect_proof(),
        in_turn::<P12b>("p12", V12).expect_proof(),
        in_turn::<P18>("p18", V18).expect_proof(),
        in_turn::<V6_0>("v6.0", MERGED).expect_proof(),
        apmask_pqap::<P11>("p11", V11).expect_proof(),
        assign_pqap::<P11>("p11", V11).expect_proof(),
        apmask_assign::<P12a>("p12-07", V12_07).expect_violations(stolen()),
        apmask_aqmask_assign::<P12a>("p12-07", V12_07).expect_violations(stolen()),
        apmask_assign_unassign::<P12a>("p12-07", V12_07).expect_violations(stolen()),
        apmask_assign_reprobe::<P12a>("p12-07", V12_07).expect_violations(stolen()),
        contention::<P12a>("p12-07", V12_07).expect_violations(busy()),
        apmask_pqap::<P12a>("p12-07", V12_07).expect_violations(busy()),
        assign_pqap::<P12a>("p12-07", V12_07).expect_violations(busy()),
        apmask_assign::<P12b>("p12", V12).expect_proof(),
        apmask_aqmask_assign::<P12b>("p12", V12).expect_proof(),
        apmask_assign_unassign::<P12b>("p12", V12).expect_proof(),
        apmask_assign_reprobe::<P12b>("p12", V12).expect_proof(),
        contention::<P12b>("p12", V12).expect_violations(busy()),
        apmask_pqap::<P12b>("p12", V12).expect_violations(busy()),
        assign_pqap::<P12b>("p12", V12).expect_violations(busy()),
        apmask_assign::<P18>("p18", V18).expect_proof(),
        apmask_aqmask_assign::<P18>("p18", V18).expect_proof(),
        apmask_assign_unassign::<P18>("p18", V18).expect_proof(),
        contention::<P18>("p18", V18).expect_violations(busy()),
        apmask_pqap::<P18>("p18", V18).expect_violations(busy()),
        assign_pqap::<P18>("p18", V18).expect_proof(),
        apmask_assign::<V6_0>("v6.0", MERGED).expect_proof(),
        apmask_aqmask_assign::<V6_0>("v6.0", MERGED).expect_proof(),
        apmask_assign_unassign::<V6_0>("v6.0", MERGED).expect_proof(),
        contention::<V6_0>("v6.0", MERGED).expect_proof(),
        apmask_assign_reprobe::<V6_0>("v6.0", MERGED).expect_proof(),
        apmask_pqap::<V6_0>("v6.0", MERGED).expect_proof(),
        assign_pqap::<V6_0>("v6.0", MERGED).expect_proof(),
        apmask_assign::<V6_19>("v6.19", OVERRIDE).expect_proof(),
        apmask_aqmask_assign::<V6_19>("v6.19", OVERRIDE).expect_proof(),
        apmask_assign_unassign::<V6_19>("v6.19", OVERRIDE).expect_proof(),
        apmask_assign_reprobe::<V6_19>("v6.19", OVERRIDE).expect_proof(),
        contention::<V6_19>("v6.19", OVERRIDE).expect_proof(),
        half_reserved::<V6_0>("v6.0", MERGED).expect_proof(),
        half_reserved::<V6_19>("v6.19", OVERRIDE).expect_violations(busy()),
        unbound::<V6_0>("v6.0", MERGED).expect_violations(null()),
        unbound::<V2026>("2026", REVISED).expect_violations(null()),
    ];
    all.extend([
        checked_before().expect_violations(stolen()),
        parsed("locked", |_| {}).expect_proof(),
        parsed("unlocked", ApBus::release_after_parsing)
            .expect_violations([ViolationKind::invariant("LOST-MASK")]),
    ]);
    all.extend(default_driver::scenarios());
    all.extend(virtual_qci::scenarios());
    all.extend(driver_override::scenarios());
    all.extend(in_use::scenarios());
    all
}

/// Returns an instance of any size: each of `administrators` writes `writes` attributes, on the
/// merged code of v6.0. They write the adapter mask, assign and unassign an adapter, and write the
/// domain mask, in turn, all for two queues. It measures how large an instance can be and is not in
/// the catalogue.
pub fn instance(administrators: usize, writes: usize) -> Scenario {
    let name = format!("{administrators}x{writes}");
    let world = || World::<V6_0>::new(false, &[QUEUE_1_4, QUEUE_2_4], matrix(&[]));
    let about = format!("{administrators} administrators write {writes} attributes each");
    let empty = scenario("v6.0", &name, MERGED, world).about(about);
    let instance = (0..administrators).fold(empty, |scenario, me| {
        let adapter = 1 + (me / 3 % 2) as u8;
        let kind = ["apmask_store", "assign_adapter_store", "aqmask_store"][me % 3];
        let write = move |back: bool| {
            move |w: &World<V6_0>| {
                _ = match (kind, back) {
                    ("apmask_store", false) => w.apmask_store(&format!("+{adapter}")),
                    ("apmask_store", true) => w.apmask_store(&format!("-{adapter}")),
                    ("aqmask_store", false) => w.aqmask_store("+4"),
                    ("aqmask_store", true) => w.aqmask_store("-4"),
                    (_, false) => w.assign_adapter_store(adapter),
                    (_, true) => w.unassign_adapter_store(adapter),
                };
            }
        };
        scenario.calls(format!("{kind} {me}"), |calls| {
            (0..writes).fold(calls, |calls, n| calls.then(write(n % 2 == 1)))
        })
    });
    instance.expect_proof()
}

/// The state that the threads share.
struct World<V: VfioAp> {
    bus: ApBus,
    matrix_dev: V::MatrixDev,
}

impl<V: VfioAp> World<V> {
    /// Creates a world in which the adapter mask selects vfio_ap for adapters 1 and 2. The domain
    /// mask does so for domain 4 if `domain_4_reserved` is false. The mediated device has
    /// `assigned`.
    fn new(domain_4_reserved: bool, queues: &[Apqn], assigned: ApMatrix) -> Self {
        let mut ap_perms = ApPerms::new(ApMask::all(), ApMask::all());
        ap_perms.apm.set(1, false);
        ap_perms.apm.set(2, false);
        ap_perms.aqm.set(4, domain_4_reserved);
        let bus = ApBus::new(ap_perms, queues.iter().copied(), assigned.apqns());
        Self {
            bus: bus.with_overrides(V::OVERRIDES, None),
            matrix_dev: V::MatrixDev::new(assigned),
        }
    }

    fn apmask_store(&self, text: &str) -> Result<(), Errno> {
        self.bus.apmask_store(&VfioApDrv::<V>(&self.matrix_dev), text)
    }

    fn aqmask_store(&self, text: &str) -> Result<(), Errno> {
        self.bus.aqmask_store(&VfioApDrv::<V>(&self.matrix_dev), text)
    }

    fn bind(&self, apqn: Apqn) {
        self.bus.bind(&VfioApDrv::<V>(&self.matrix_dev), apqn);
    }

    fn unbind(&self, apqn: Apqn) {
        self.bus.unbind(&VfioApDrv::<V>(&self.matrix_dev), apqn);
    }

    fn assign_adapter_store(&self, apid: u8) -> Result<(), Errno> {
        V::assign_adapter_store(&self.matrix_dev, &self.bus, apid)
    }

    fn unassign_adapter_store(&self, apid: u8) -> Result<(), Errno> {
        self.matrix_dev.unassign_adapter_store(&self.bus, apid)
    }
}

const QUEUE_1_4: Apqn = Apqn { apid: 1, apqi: 4 };
const QUEUE_2_4: Apqn = Apqn { apid: 2, apqi: 4 };

fn scenario<V: VfioAp>(
    version: &str,
    threads: &str,
    source: &str,
    world: impl Fn() -> World<V> + Send + Sync + 'static,
) -> ScenarioBuilder<World<V>> {
    Scenario::builder(format!("vfio-ap/ap-perms/{version}/{threads}"), world)
        .source(source)
        .finally(|w| {
            w.bus.check_nothing_shared(&w.matrix_dev.matrix());
            w.bus.check_not_taken(&w.matrix_dev.matrix());
        })
}

/// Builds the scenario in which both administrators want adapter 1.
fn apmask_assign<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || World::<V>::new(true, &[QUEUE_1_4], matrix(&[]));
    scenario(version, "apmask-assign", source, world)
        .about("the host reclaims adapter 1 while it is assigned")
        .thread("apmask_store", |w| _ = w.apmask_store("+1"))
        .thread("assign_adapter_store", |w| _ = w.assign_adapter_store(1))
}

/// Builds the same scenario, but checks when the queue is removed from the driver. The writer of
/// the mask has released `ap_perms_mutex` by then.
fn apmask_assign_reprobe<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || {
        let mut world = World::<V>::new(true, &[QUEUE_1_4], matrix(&[]));
        world.bus.check_when_taken();
        world
    };
    scenario(version, "apmask-assign-reprobe", source, world)
        .about("the host reclaims adapter 1 while it is assigned: is the queue removed?")
        .thread("apmask_store", |w| _ = w.apmask_store("+1"))
        .thread("assign_adapter_store", |w| _ = w.assign_adapter_store(1))
}

/// Builds the scenario in which the queue returns to the host only when both masks reserve it.
fn apmask_aqmask_assign<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || World::<V>::new(false, &[QUEUE_1_4], matrix(&[]));
    scenario(version, "apmask-aqmask-assign", source, world)
        .about("the host reclaims adapter 1 and then domain 4 while adapter 1 is assigned")
        .thread("apmask_store", |w| _ = w.apmask_store("+1"))
        .thread("aqmask_store", |w| _ = w.aqmask_store("+4"))
        .thread("assign_adapter_store", |w| _ = w.assign_adapter_store(1))
}

/// Builds the scenario in which the queue is assigned at first, is unassigned and is assigned
/// again.
fn apmask_assign_unassign<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || World::<V>::new(true, &[QUEUE_1_4], matrix(&[1]));
    scenario(version, "apmask-assign-unassign", source, world)
        .about("the host reclaims adapter 1 while it is unassigned and assigned again")
        .thread("apmask_store", |w| _ = w.apmask_store("+1"))
        .thread("assign_adapter_store", |w| _ = w.assign_adapter_store(1))
        .thread("unassign_adapter_store", |w| _ = w.unassign_adapter_store(1))
}

/// Builds the scenario in which one administrator does everything. Nothing can go wrong, but the
/// order of the locks is visible.
fn in_turn<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || World::<V>::new(true, &[QUEUE_1_4], matrix(&[]));
    scenario(version, "in-turn", source, world)
        .about("one thread does everything in turn, and each call has its effect")
        .thread("administrator", |w| {
            expect(w.assign_adapter_store(1).is_ok(), "adapter 1 can be assigned");
            expect(
                w.apmask_store("+1") == Err(Errno::Ebusy),
                "the host cannot take an assigned adapter",
            );
            expect(w.unassign_adapter_store(1).is_ok(), "adapter 1 can be unassigned");
            expect(w.apmask_store("+1").is_ok(), "the host can take an unassigned adapter");
            let driver = w.bus.queue(QUEUE_1_4).and_then(|queue| queue.driver());
            expect(driver == Some(Driver::Zcrypt), "the host's driver has the queue");
            let again = w.assign_adapter_store(1);
            expect(again == Err(Errno::Eaddrnotavail), "a reserved adapter cannot be assigned");
            let but_1_and_2 = format!("0x9{}", "f".repeat(63));
            expect(w.apmask_store(&but_1_and_2).is_ok(), "the mask can be written as a whole");
            expect(
                w.assign_adapter_store(1).is_ok(),
                "an adapter that the host released can be assigned",
            );
        })
}

/// Builds a scenario for INV-24: no call fails only because a lock was held. The two administrators
/// want different adapters, so an `-EBUSY` has no cause.
fn contention<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || World::<V>::new(true, &[QUEUE_1_4, QUEUE_2_4], matrix(&[]));
    scenario(version, "contention", source, world)
        .about("the host reclaims adapter 2 while adapter 1 is assigned, which is no conflict")
        .thread("apmask_store", |w| never_busy("apmask_store", w.apmask_store("+2")))
        .thread("assign_adapter_store", |w| {
            never_busy("assign_adapter_store", w.assign_adapter_store(1));
        })
}

/// Builds a scenario for INV-24 in which nothing is assigned and a guest uses its other queues.
fn apmask_pqap<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || World::<V>::new(true, &[QUEUE_1_4], matrix(&[]));
    scenario(version, "apmask-pqap", source, world)
        .about("the host reclaims adapter 1 while a guest executes PQAP(AQIC)")
        .thread("apmask_store", |w| never_busy("apmask_store", w.apmask_store("+1")))
        .thread("PQAP(AQIC)", |w| w.matrix_dev.handle_pqap())
}

/// Builds the scenario in which the administrator assigns an adapter that no other party wants.
fn assign_pqap<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || World::<V>::new(true, &[QUEUE_1_4], matrix(&[]));
    scenario(version, "assign-pqap", source, world)
        .about("adapter 1 is assigned while a guest executes PQAP(AQIC)")
        .thread("assign_adapter_store", |w| {
            never_busy("assign_adapter_store", w.assign_adapter_store(1));
        })
        .thread("PQAP(AQIC)", |w| w.matrix_dev.handle_pqap())
}

/// Builds the scenario in which the mutex is released between the answer of the driver and the
/// change of the mask.
///
/// "A copy is checked and then committed" is correct only while the mutex is held from the copy to
/// the commit.
fn checked_before() -> ScenarioBuilder<World<V6_0>> {
    let world = || {
        let mut world = World::<V6_0>::new(true, &[QUEUE_1_4], matrix(&[]));
        world.bus.release_after_checking();
        world
    };
    scenario("v6.0-unlocked", "apmask-assign", V7, world)
        .about("the mutex is released between the answer of in_use and the change of the mask")
        .thread("apmask_store", |w| _ = w.apmask_store("+1"))
        .thread("assign_adapter_store", |w| _ = w.assign_adapter_store(1))
}

/// Builds the scenario in which two administrators each change one bit of the mask.
///
/// `ap_parse_mask_str` has a parameter for the mutex, and NULL says that the caller holds it.
fn parsed(name: &str, prepare: fn(&mut ApBus)) -> ScenarioBuilder<(World<V6_0>, Ghost<u8>)> {
    let world = move || {
        let mut world = World::<V6_0>::new(true, &[], matrix(&[]));
        prepare(&mut world.bus);
        (world, Ghost::new("written", 0))
    };
    // A signal can end a write before it has begun.
    let store = |text: &'static str| {
        move |(w, written): &(World<V6_0>, Ghost<u8>)| {
            if w.apmask_store(text).is_ok() {
                written.update(|written| *written += 1);
            }
        }
    };
    Scenario::builder(format!("vfio-ap/parse-mask/{name}"), world)
        .about("two administrators each set a bit of the mask: are both set?")
        .source(V7)
        .thread("apmask_store +1", store("+1"))
        .thread("apmask_store +2", store("+2"))
        .finally(|(w, written)| {
            let apm = w.bus.ap_perms_mutex().lock().apm;
            let set = [1, 2].into_iter().filter(|apid| apm.test(*apid)).count();
            written.check("LOST-MASK", |written| match usize::from(*written) {
                written if written == set => Ok(()),
                written => Err(format!("{written} changes succeeded, and {set} bits are set")),
            });
        })
}

/// Builds the scenario in which the other mask leaves the queue to vfio_ap.
///
/// Since v6.19 the driver is asked about every domain of the adapter (6917f434fda3).
fn half_reserved<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || World::<V>::new(false, &[QUEUE_1_4], matrix(&[1]));
    scenario(version, "half-reserved", source, world)
        .about("the host reclaims an adapter whose only domain stays with vfio_ap")
        .thread("apmask_store", |w| never_busy("apmask_store", w.apmask_store("+1")))
}

/// Builds the scenario in which the bus revises the binding of a queue that has no driver.
fn unbound<V: VfioAp>(version: &str, source: &str) -> ScenarioBuilder<World<V>> {
    let world = || {
        let mut world = World::<V>::new(true, &[QUEUE_1_4, QUEUE_2_4], matrix(&[]));
        world.bus.report_unbound();
        world
    };
    scenario(version, "apmask-unbound", source, world)
        .about("the host reclaims adapter 1 while the queue of adapter 2 is unbound")
        .thread("apmask_store", |w| _ = w.apmask_store("+1"))
        .thread("unbind", |w| w.unbind(QUEUE_2_4))
}

fn never_busy(who: &str, result: Result<(), Errno>) {
    if result == Err(Errno::Ebusy) {
        let message = format!("{who} returns -EBUSY although nothing conflicts");
        selvedge_core::invariant_broken("INV-24", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_core::{Checker, Search, Verdict};

    /// Five administrators that do the same have at most 120 orders, and nearly all states have as
    /// many.
    #[test]
    fn identical_administrators_are_interchanged() {
        let world = || World::<V6_0>::new(false, &[QUEUE_1_4, QUEUE_2_4], matrix(&[]));
        let instance = scenario("v6.0", "identical", MERGED, world)
            .identical_threads(
                5,
                |me| format!("administrator {me}"),
                |w| {
                    _ = w.assign_adapter_store(1);
                    _ = w.unassign_adapter_store(1);
                },
            )
            .expect_proof();
        let proof = |search| match Checker::native().search(search).run(&instance).verdict {
            Verdict::Proved(fingerprint) => fingerprint,
            other => panic!("{other:?}"),
        };
        let (every, one_of_each) = (proof(Search::Full), proof(Search::Symmetric));
        assert_eq!(one_of_each.unreduced_states, every.states);
        let (every, one) = (every.states.unwrap(), one_of_each.states.unwrap());
        assert!(every >= 50 * one, "{every} states, {one} of them different");
    }
}

//! `iommu/<kernel>/<race>`: every kernel against every race.
//!
//! VFIO attaches a function to its domain and detaches it, an administrator deconfigures it, and
//! other threads map, unmap and flush. `selvedge verify 'iommu/**'` ends with the matrix of the
//! results. [`Kernel`](crate::iommu::kernel::Kernel) describes the rows.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};
use std::collections::BTreeSet;

use crate::iommu::domain::A;
use crate::iommu::hardware::Rules;
use crate::iommu::hotplug::zpci_deconfigure_device;
use crate::iommu::iommu_core::{
    iommu_attach_group, iommu_detach_group, iommu_group_claim_dma_owner,
};
use crate::iommu::kernel::{Driver, Fence, Kernel, Release, Revision};
use crate::iommu::reset::pci_reset_bus_function;
use crate::iommu::versions::k2::{Errors, s390_iommu_flush_iotlb_all};
use crate::iommu::vfio::{
    vfio_group_close, vfio_group_open, vfio_group_set_container, vfio_group_unset_container,
    vfio_iommu_type1_detach_group,
};
use crate::iommu::world::World;

const fn kernel(name: &'static str, driver: Driver, source: &'static str) -> Kernel {
    Kernel {
        name,
        source,
        driver,
        release: Release::Unlocked,
        vfio_waits: false,
        fence: Fence::None,
    }
}

const fn posted(name: &'static str, revision: Revision) -> Kernel {
    let source = "\"[PATCH v4 1/2] iommu/s390: Fix race with release_device ops\", M. Rosato, \
                  31 August 2022, and v1 to v3 of 23 to 30 August; not merged";
    kernel(name, Driver::K1p(revision), source)
}

const fn asked(name: &'static str, revision: Revision) -> Kernel {
    let source = "\"Re: [PATCH v4 1/2] iommu/s390: Fix race with release_device ops\", \
                  N. Schnelle, 1 September 2022";
    kernel(name, Driver::K1p(revision), source)
}

pub(super) const V5_18: Kernel = kernel("v5.18", Driver::K0, "commit 320424c7d44f, v5.18");
pub(super) const V5_19: Kernel = kernel("v5.19", Driver::K1, "commit fa7e9ecc5e1c, v5.19 and v6.0");
pub(super) const V5_19_LOCKED: Kernel = Kernel {
    name: "v5.19-locked",
    source: "commit fa7e9ecc5e1c, with the core of v6.5: no version",
    release: Release::Locked,
    ..V5_19
};
pub(super) const V6_1: Kernel = Kernel {
    name: "v6.1",
    source: "commits fa7e9ecc5e1c, v5.19, and ca5f21b25749, v6.1",
    vfio_waits: true,
    ..V5_19
};
pub(super) const POSTED_V1: Kernel = posted("posted-v1", Revision::V1);
pub(super) const POSTED_V2: Kernel = posted("posted-v2", Revision::V2);
pub(super) const POSTED_V3: Kernel = posted("posted-v3", Revision::V3);
pub(super) const POSTED_V4: Kernel = posted("posted-v4", Revision::V4);
const UNINITIALISED: Kernel = asked("uninitialised", Revision::Uninitialised);
const CLEARED: Kernel = asked("uninitialised-cleared", Revision::UninitialisedAndCleared);
const IN_PROBE: Kernel = Kernel {
    name: "dma-in-probe",
    source: "\"Re: [PATCH v4 1/2] iommu/s390: Fix race with release_device ops\", P. Morel, \
             1 September 2022",
    ..asked("dma-in-probe", Revision::InitialisedInProbe)
};
pub(super) const V6_2_ALONE: Kernel = kernel(
    "v6.2-alone",
    Driver::K2,
    "commits bf8d2dd2ed08 to 21c1f9021f0e, v6.2, without ca5f21b25749: no version",
);
pub(super) const V6_2: Kernel = Kernel {
    name: "v6.2",
    source: "commits bf8d2dd2ed08 to 21c1f9021f0e, v6.2",
    vfio_waits: true,
    ..V6_2_ALONE
};
pub(super) const V6_2_LOCKED: Kernel = Kernel {
    name: "v6.2-locked",
    source: "the driver of v6.2 with the core of v6.5, without ca5f21b25749: no version",
    release: Release::Locked,
    ..V6_2_ALONE
};
const V6_5: Kernel = Kernel {
    name: "v6.5",
    source: "the core of v6.5, under the driver of v6.2",
    vfio_waits: true,
    ..V6_2_LOCKED
};
pub(super) const V6_7: Kernel =
    Kernel { name: "v6.7", source: "commit c76c067e488c, v6.7", driver: Driver::K3, ..V6_5 };
pub(super) const V6_13: Kernel = Kernel {
    name: "v6.13",
    source: "commit ecda483339a5, v6.13 (CVE-2024-53232)",
    driver: Driver::K4,
    ..V6_5
};
pub(super) const V6_15: Kernel = Kernel {
    name: "v6.15",
    source: "commits 0ed5967a0a63 and 64af12c6ec3a, v6.15",
    driver: Driver::K5,
    ..V6_5
};
pub(super) const V6_17: Kernel =
    Kernel { name: "v6.17", source: "commit 9ffaf5229055, v6.17", driver: Driver::K6, ..V6_5 };
pub(super) const V7_0: Kernel = Kernel {
    name: "v7.0",
    source: "commits c279e83953d9 and f5b16b802174, v7.0, over the driver of v6.17",
    fence: Fence::Everything,
    ..V6_17
};
pub(super) const V7_0_10: Kernel = Kernel {
    name: "v7.0.10",
    source: "commit 5474e6e17a26, in stable v7.0.10 (CVE-2026-52952)",
    fence: Fence::Fallible,
    ..V6_17
};
const V6_17_ALONE: Kernel = Kernel {
    name: "v6.17-alone",
    source: "the driver of v6.17 without ca5f21b25749: no version",
    vfio_waits: false,
    ..V6_17
};
pub(super) const PROPOSED: Kernel = Kernel {
    name: "proposed",
    source: "no version: the remaining fixes that v6.17 needs",
    driver: Driver::Proposed,
    ..V6_5
};

/// The rows.
const KERNELS: [&Kernel; 22] = [
    &V5_18,
    &V5_19,
    &V5_19_LOCKED,
    &V6_1,
    &POSTED_V1,
    &POSTED_V2,
    &POSTED_V3,
    &POSTED_V4,
    &UNINITIALISED,
    &CLEARED,
    &IN_PROBE,
    &V6_2_ALONE,
    &V6_2,
    &V6_2_LOCKED,
    &V6_5,
    &V6_7,
    &V6_13,
    &V6_15,
    &V6_17,
    &V7_0,
    &V7_0_10,
    &V6_17_ALONE,
];

pub(super) type Shared = World;
pub(super) type Builder = ScenarioBuilder<Shared>;

/// A violation.
#[derive(Clone, Copy)]
pub(super) enum Wrong {
    /// The violation of a rule that the models check, by its name.
    Rule(&'static str),
    /// An access after the release, by class.
    Freed(&'static str),
    /// A sleep with a lock held.
    Sleeps(&'static str, &'static str),
}

impl Wrong {
    fn kind(self) -> ViolationKind {
        match self {
            Self::Rule(id) => ViolationKind::invariant(id),
            Self::Freed(class) => ViolationKind::use_after_release(class),
            Self::Sleeps(what, lock) => ViolationKind::sleep_in_atomic(what, lock),
        }
    }
}

/// Expects a proof if `wrong` is empty, and otherwise exactly these violations.
pub(super) fn claim(builder: Builder, wrong: &[Wrong]) -> Scenario {
    match wrong {
        [] => builder.expect_proof(),
        wrong => builder.expect_violations(wrong.iter().map(|wrong| wrong.kind())),
    }
}

/// The name and the body of a thread.
type Thread = (&'static str, fn(&Shared));

/// Kernels with their violations.
type Refuted = (&'static [&'static str], &'static [Wrong]);

/// A race, with the verdict of each kernel that has the racing functions.
struct Race {
    name: &'static str,
    about: &'static str,
    kernels: fn(&Kernel) -> bool,
    world: fn(Kernel) -> Shared,
    threads: &'static [Thread],
    finally: fn(&Shared),
    refuted: &'static [Refuted],
}

impl Race {
    fn scenario(&'static self, kernel: &Kernel) -> Scenario {
        let (kernel, world) = (*kernel, self.world);
        let name = format!("iommu/{}/{}", kernel.name, self.name);
        let builder = Scenario::builder(name, move || world(kernel));
        let builder = builder.about(self.about).source(kernel.source).finally(self.finally);
        let threads = self.threads.iter();
        let builder = threads.fold(builder, |builder, (name, body)| builder.thread(name, body));
        let mut refuted = self.refuted.iter();
        let wrong = refuted.find(|(kernels, _)| kernels.contains(&kernel.name));
        claim(builder, wrong.map_or(&[], |(_, wrong)| *wrong))
    }
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let of = |kernel: &&'static Kernel| {
        let races = RACES.iter().filter(|race| (race.kernels)(kernel));
        races.map(|race| race.scenario(kernel)).collect::<Vec<_>>()
    };
    KERNELS.iter().chain([&&PROPOSED]).flat_map(of).collect()
}

/// Checks every rule.
pub(super) const ALL: Rules = |_| true;

/// Creates a function whose group has no owner.
pub(super) fn fresh(kernel: Kernel) -> Shared {
    World::new(kernel, &[0], ALL)
}

/// Creates a function that is attached to VFIO's domain, in which page 0 is mapped.
pub(super) fn attached(kernel: Kernel, rules: Rules) -> Shared {
    let world = World::new(kernel, &[0], rules);
    assert!(vfio_group_open(&world, 0), "the group exists");
    vfio_group_set_container(&world, 0).expect("the group has no other owner");
    world.kernel.map(&world, 0);
    world
}

/// Ignores surplus entries of the lists, which another race checks.
pub(super) const BUT_LISTS: Rules = |id| !matches!(id, "I-3" | "I-5" | "I-10" | "ENDLESS");

pub(super) fn unset(w: &Shared) {
    vfio_group_unset_container(w, 0, false);
    vfio_group_close(w, 0);
}

/// Detaches the group, unsets its container, and frees the domain, since no other group is in the
/// container.
pub(super) fn unset_and_free(w: &Shared) {
    vfio_group_unset_container(w, 0, true);
    vfio_group_close(w, 0);
}

/// Detaches the group, which is the first half of that.
pub(super) fn detach(w: &Shared) {
    vfio_iommu_type1_detach_group(w, 0, false);
    vfio_group_close(w, 0);
}

fn set(w: &Shared, zdev: usize) -> bool {
    vfio_group_open(w, zdev) && vfio_group_set_container(w, zdev).is_ok()
}

fn set_and_unset(w: &Shared, zdev: usize) {
    if set(w, zdev) {
        vfio_group_unset_container(w, zdev, false);
    }
}

/// Finds the domain by the device and walks its list.
pub(super) fn walk(w: &Shared) {
    let reader = w.rcu.read_lock();
    if w.held(0).s390_domain.read() == Some(A) {
        flush(w);
    }
    reader.unlock();
}

pub(super) fn flush(w: &Shared) {
    s390_iommu_flush_iotlb_all(w, 0, &BTreeSet::from([0]), Errors::Ignore);
}

use Wrong::{Freed, Rule, Sleeps};

/// The columns.
const RACES: &[Race] = &[
    Race {
        name: "attach-detach",
        about: "two functions are attached to one domain and detached again",
        kernels: |_| true,
        world: |kernel| World::new(kernel, &[0, 0], ALL),
        threads: &[
            ("VFIO group 0", |w| set_and_unset(w, 0)),
            ("VFIO group 1", |w| set_and_unset(w, 1)),
        ],
        finally: |w| w.at_rest(&[], &[]),
        refuted: &[
            (
                &[
                    "v5.19",
                    "v5.19-locked",
                    "v6.1",
                    "posted-v2",
                    "posted-v3",
                    "posted-v4",
                    "uninitialised",
                    "uninitialised-cleared",
                    "dma-in-probe",
                ],
                &[Rule("I-3")],
            ),
            (&["posted-v1"], &[Sleeps("vfree", "dma_domain_lock")]),
        ],
    },
    Race {
        name: "apertures",
        about: "two functions of different apertures are attached to one domain",
        kernels: |kernel| !kernel.lists_by_rcu(),
        world: |kernel| World::new(kernel, &[0, 1], ALL),
        threads: &[
            ("attach 0", |w| _ = iommu_attach_group(w, A, 0)),
            ("attach 1", |w| _ = iommu_attach_group(w, A, 1)),
        ],
        finally: |w| w.at_rest(&[], &[]),
        refuted: &[
            (
                &[
                    "v5.18",
                    "v5.19",
                    "v5.19-locked",
                    "v6.1",
                    "posted-v3",
                    "posted-v4",
                    "uninitialised",
                    "uninitialised-cleared",
                    "dma-in-probe",
                ],
                &[Rule("I-8")],
            ),
            (&["posted-v1"], &[Sleeps("vfree", "dma_domain_lock")]),
            (&["posted-v2"], &[Rule("APERTURE"), Rule("I-8")]),
        ],
    },
    Race {
        name: "life-cycle",
        about: "no race: a function is attached, detached and deconfigured in turn",
        kernels: |_| true,
        world: |kernel| World::unprobed(kernel, &[0], ALL),
        threads: &[("in turn", |w| {
            w.kernel.probe(w, 0);
            assert!(set(w, 0), "the group has no other owner");
            w.kernel.map(w, 0);
            w.kernel.unmap(w, 0);
            unset_and_free(w);
            zpci_deconfigure_device(w, 0);
        })],
        finally: |w| w.at_rest(&[A], &[0]),
        refuted: &[
            (&["v5.19", "v5.19-locked", "v6.1", "posted-v2", "posted-v3"], &[Rule("B3")]),
            (&["posted-v1"], &[Sleeps("vfree", "dma_domain_lock")]),
        ],
    },
    Race {
        name: "detach-deconfigure",
        about: "the race of the mail: VFIO detaches a function that is being deconfigured",
        kernels: |_| true,
        world: |kernel| attached(kernel, ALL),
        threads: &[
            ("VFIO_GROUP_UNSET_CONTAINER", detach),
            ("deconfigure", |w| zpci_deconfigure_device(w, 0)),
        ],
        finally: |w| w.at_rest(&[], &[0]),
        refuted: &[
            (&["v5.18"], &[Rule("I-6")]),
            (
                &["v5.19"],
                &[Rule("I-4a"), Rule("I-5"), Rule("I-6"), Rule("I-7a"), Rule("I-7c"), Rule("I-8")],
            ),
            (
                &[
                    "v5.19-locked",
                    "v6.1",
                    "posted-v2",
                    "posted-v3",
                    "posted-v4",
                    "uninitialised-cleared",
                    "dma-in-probe",
                ],
                &[Rule("I-5")],
            ),
            (&["posted-v1"], &[Sleeps("vzalloc", "dma_domain_lock")]),
            (&["uninitialised"], &[Rule("I-8")]),
            (&["v6.2-alone"], &[Rule("I-3"), Rule("I-5"), Rule("I-6"), Rule("I-7c"), Rule("I-8")]),
        ],
    },
    Race {
        name: "unset-deconfigure",
        about: "the complete race: the domain is also freed and the group released",
        kernels: |_| true,
        world: |kernel| attached(kernel, ALL),
        threads: &[
            ("VFIO_GROUP_UNSET_CONTAINER", unset_and_free),
            ("deconfigure", |w| zpci_deconfigure_device(w, 0)),
        ],
        finally: |w| w.at_rest(&[A], &[0]),
        refuted: &[
            (&["v5.18"], &[Freed("s390_domain"), Rule("I-4b"), Rule("I-6")]),
            (
                &["v5.19"],
                &[
                    Rule("B3"),
                    Rule("I-4a"),
                    Rule("I-5"),
                    Rule("I-6"),
                    Rule("I-7a"),
                    Rule("I-7b"),
                    Rule("I-7c"),
                    Rule("I-8"),
                ],
            ),
            (&["v5.19-locked"], &[Rule("B3"), Rule("I-5")]),
            (&["v6.1"], &[Rule("B3")]),
            (&["posted-v1"], &[Rule("B3"), Rule("I-4b"), Sleeps("vzalloc", "dma_domain_lock")]),
            (&["posted-v2", "posted-v3"], &[Rule("B3"), Rule("I-4b"), Rule("I-5")]),
            (
                &["posted-v4", "uninitialised-cleared", "dma-in-probe"],
                &[Freed("s390_domain"), Rule("I-4b"), Rule("I-5")],
            ),
            (&["uninitialised"], &[Freed("s390_domain"), Rule("I-4b"), Rule("I-8")]),
            (
                &["v6.2-alone"],
                &[
                    Freed("s390_domain"),
                    Rule("I-3"),
                    Rule("I-5"),
                    Rule("I-6"),
                    Rule("I-7b"),
                    Rule("I-7c"),
                    Rule("I-7d"),
                    Rule("I-8"),
                ],
            ),
        ],
    },
    Race {
        name: "init-deconfigure",
        about: "vfio-pci claims and attaches a function that is being deconfigured",
        kernels: |_| true,
        world: fresh,
        threads: &[
            ("VFIO_SET_IOMMU", |w| {
                _ = set(w, 0);
                vfio_group_close(w, 0);
            }),
            ("deconfigure", |w| zpci_deconfigure_device(w, 0)),
        ],
        finally: |w| w.at_rest(&[], &[0]),
        refuted: &[
            (&["v5.18"], &[Rule("I-6"), Rule("I-7c")]),
            (
                &["v5.19"],
                &[Rule("I-4a"), Rule("I-5"), Rule("I-6"), Rule("I-7a"), Rule("I-7c"), Rule("I-8")],
            ),
            (
                &[
                    "v5.19-locked",
                    "v6.1",
                    "posted-v2",
                    "posted-v3",
                    "posted-v4",
                    "uninitialised-cleared",
                    "dma-in-probe",
                ],
                &[Rule("I-5")],
            ),
            (&["posted-v1"], &[Sleeps("vfree", "dma_domain_lock")]),
            (&["uninitialised"], &[Rule("I-8")]),
            (&["v6.2-alone"], &[Rule("I-3"), Rule("I-5"), Rule("I-6"), Rule("I-7c"), Rule("I-8")]),
        ],
    },
    Race {
        name: "unmap-attach",
        about: "a page is unmapped while a second function, which uses the page, is attached",
        kernels: |_| true,
        world: |kernel| {
            let world = World::new(kernel, &[0, 0], BUT_LISTS);
            vfio_group_set_container(&world, 0).expect("the group has no other owner");
            iommu_group_claim_dma_owner(&world, 1).expect("the group has no other owner");
            world.kernel.map(&world, 0);
            world
        },
        threads: &[
            ("VFIO_IOMMU_UNMAP_DMA", |w| w.kernel.unmap(w, 0)),
            ("iommu_attach_group", |w| _ = iommu_attach_group(w, A, 1)),
            ("function", |w| {
                w.hardware.dma(1, 0);
                w.hardware.dma(1, 0);
            }),
        ],
        finally: |w| w.at_rest(&[], &[]),
        refuted: &[(
            &[
                "v5.18",
                "v5.19",
                "v5.19-locked",
                "v6.1",
                "posted-v1",
                "posted-v2",
                "posted-v3",
                "posted-v4",
                "uninitialised",
                "uninitialised-cleared",
                "dma-in-probe",
                "v6.2-alone",
                "v6.2",
                "v6.2-locked",
                "v6.5",
                "v6.7",
                "v6.13",
                "v6.15",
                "v6.17",
                "v7.0",
                "v7.0.10",
                "v6.17-alone",
            ],
            &[Rule("I-11")],
        )],
    },
    Race {
        name: "unmap-detach",
        about: "a page is unmapped while the function that uses it is detached",
        kernels: |_| true,
        world: |kernel| attached(kernel, BUT_LISTS),
        threads: &[
            ("VFIO_IOMMU_UNMAP_DMA", |w| w.kernel.unmap(w, 0)),
            ("iommu_detach_group", |w| iommu_detach_group(w, 0)),
            ("function", |w| {
                w.hardware.dma(0, 0);
                w.hardware.dma(0, 0);
            }),
        ],
        finally: |w| w.at_rest(&[], &[]),
        refuted: &[(
            &[
                "v5.18",
                "v6.2-alone",
                "v6.2",
                "v6.2-locked",
                "v6.5",
                "v6.7",
                "v6.13",
                "v6.15",
                "v6.17",
                "v7.0",
                "v7.0.10",
                "v6.17-alone",
            ],
            &[Rule("I-11")],
        )],
    },
    Race {
        name: "unmap-deconfigure",
        about: "a page is unmapped while the function is deconfigured",
        kernels: |_| true,
        world: |kernel| {
            let world = attached(kernel, BUT_LISTS);
            vfio_group_close(&world, 0);
            world
        },
        threads: &[
            ("VFIO_IOMMU_UNMAP_DMA", |w| w.kernel.unmap(w, 0)),
            ("deconfigure", |w| zpci_deconfigure_device(w, 0)),
        ],
        finally: |w| w.at_rest(&[], &[0]),
        refuted: &[
            (&["posted-v1"], &[Sleeps("vzalloc", "dma_domain_lock")]),
            (&["uninitialised"], &[Rule("I-8")]),
        ],
    },
    Race {
        name: "flush-move",
        about: "a domain is flushed while its function moves to another",
        kernels: Kernel::lists_by_rcu,
        world: |kernel| attached(kernel, ALL),
        threads: &[("flush_iotlb_all", flush), ("VFIO_GROUP_UNSET_CONTAINER", unset)],
        finally: |w| w.at_rest(&[], &[]),
        refuted: &[(
            &[
                "v6.2-alone",
                "v6.2",
                "v6.2-locked",
                "v6.5",
                "v6.7",
                "v6.13",
                "v6.15",
                "v6.17",
                "v7.0",
                "v7.0.10",
                "v6.17-alone",
            ],
            &[Rule("I-10")],
        )],
    },
    Race {
        name: "flush-free",
        about: "a domain is found by its function and flushed while it is detached and freed",
        kernels: Kernel::lists_by_rcu,
        world: |kernel| attached(kernel, BUT_LISTS),
        threads: &[
            ("flush_iotlb_all", walk),
            ("VFIO_GROUP_UNSET_CONTAINER", |w| vfio_group_unset_container(w, 0, true)),
        ],
        finally: |w| w.at_rest(&[A], &[]),
        refuted: &[],
    },
    Race {
        name: "surprise",
        about: "the function is unplugged and then detached and deconfigured",
        kernels: |_| true,
        world: |kernel| attached(kernel, BUT_LISTS),
        threads: &[
            ("platform", |w| w.hardware.surprise_removal(0)),
            ("in turn", |w| {
                unset(w);
                zpci_deconfigure_device(w, 0);
            }),
        ],
        finally: |w| w.at_rest(&[], &[0]),
        refuted: &[
            (
                &[
                    "v5.19",
                    "v5.19-locked",
                    "v6.1",
                    "posted-v2",
                    "posted-v3",
                    "posted-v4",
                    "uninitialised",
                    "uninitialised-cleared",
                    "dma-in-probe",
                    "v6.2-alone",
                    "v6.2",
                    "v6.2-locked",
                    "v6.5",
                    "v6.7",
                    "v6.13",
                    "v6.15",
                ],
                &[Rule("WARN")],
            ),
            (&["posted-v1"], &[Rule("WARN"), Sleeps("vzalloc", "dma_domain_lock")]),
        ],
    },
    Race {
        name: "reset",
        about: "a function is reset while it moves to another domain",
        kernels: Kernel::has_reset_slot,
        world: |kernel| attached(kernel, RESET),
        threads: &[
            ("reset", |w| pci_reset_bus_function(w, 0, false)),
            ("VFIO_GROUP_UNSET_CONTAINER", unset),
        ],
        finally: |w| w.at_rest(&[], &[]),
        refuted: &[
            (
                &[
                    "v5.19",
                    "v5.19-locked",
                    "v6.1",
                    "posted-v2",
                    "posted-v3",
                    "posted-v4",
                    "uninitialised",
                    "uninitialised-cleared",
                ],
                &[Rule("I-1"), Rule("I-3"), Rule("I-4b"), Rule("WARN")],
            ),
            (&["dma-in-probe"], &[Rule("I-1"), Rule("I-3"), Rule("WARN")]),
            (&["posted-v1"], &[Rule("WARN"), Sleeps("vzalloc", "dma_domain_lock")]),
            (
                &["v6.2-alone", "v6.2", "v6.2-locked", "v6.5"],
                &[
                    Rule("I-1"),
                    Rule("I-4a"),
                    Rule("I-4b"),
                    Rule("I-7a"),
                    Rule("I-7b"),
                    Rule("I-7d"),
                    Rule("WARN"),
                ],
            ),
            (&["v6.7"], &[Rule("I-1"), Rule("WARN")]),
            (
                &["v6.13", "v6.15", "v6.17", "v7.0", "v7.0.10", "v6.17-alone"],
                &[Rule("I-1"), Rule("I-9")],
            ),
        ],
    },
    Race {
        name: "reset-free",
        about: "the domain is also freed: does the function walk its tables?",
        kernels: Kernel::has_reset_slot,
        world: |kernel| attached(kernel, |id| id == "I-4b"),
        threads: &[
            ("reset", |w| pci_reset_bus_function(w, 0, false)),
            ("VFIO_GROUP_UNSET_CONTAINER", unset_and_free),
        ],
        finally: |w| w.at_rest(&[A], &[]),
        refuted: &[
            (
                &[
                    "v5.19",
                    "v5.19-locked",
                    "v6.1",
                    "posted-v2",
                    "posted-v3",
                    "posted-v4",
                    "uninitialised",
                    "uninitialised-cleared",
                    "dma-in-probe",
                ],
                &[Freed("s390_domain"), Rule("I-4b")],
            ),
            (
                &["posted-v1"],
                &[Freed("s390_domain"), Rule("I-4b"), Sleeps("vzalloc", "dma_domain_lock")],
            ),
            (
                &[
                    "v6.2-alone",
                    "v6.2",
                    "v6.2-locked",
                    "v6.5",
                    "v6.7",
                    "v6.13",
                    "v6.15",
                    "v6.17",
                    "v7.0",
                    "v7.0.10",
                    "v6.17-alone",
                ],
                &[Rule("I-4b")],
            ),
        ],
    },
    Race {
        name: "reset-ats",
        about: "a function with ATS is reset while it moves and its domain is freed",
        kernels: |kernel| kernel.fence > Fence::None,
        world: |kernel| attached(kernel, RESET),
        threads: &[
            ("reset", |w| pci_reset_bus_function(w, 0, true)),
            ("VFIO_GROUP_UNSET_CONTAINER", unset_and_free),
        ],
        finally: |w| w.at_rest(&[A], &[]),
        refuted: &[(&["v7.0"], &[Rule("WARN")])],
    },
    Race {
        name: "reset-ats-free",
        about: "the same, after the warning: is the freed domain attached again?",
        kernels: |kernel| kernel.fence > Fence::None,
        world: |kernel| attached(kernel, |_| false),
        threads: &[
            ("reset", |w| pci_reset_bus_function(w, 0, true)),
            ("VFIO_GROUP_UNSET_CONTAINER", unset_and_free),
        ],
        finally: |w| w.at_rest(&[A], &[]),
        refuted: &[(&["v7.0"], &[Freed("s390_domain")])],
    },
    Race {
        name: "reset-flush-deconfigure",
        about: "a function is reset, flushed, detached from VFIO and deconfigured concurrently",
        kernels: |kernel| !kernel.has_dma_api(),
        world: |kernel| attached(kernel, RESET),
        threads: &[
            ("reset", |w| pci_reset_bus_function(w, 0, false)),
            ("flush_iotlb_all", flush),
            ("VFIO_GROUP_UNSET_CONTAINER", unset),
            ("deconfigure", |w| zpci_deconfigure_device(w, 0)),
        ],
        finally: |w| w.at_rest(&[], &[0]),
        refuted: &[
            (&["v6.7"], &[Rule("WARN")]),
            (&["v6.13", "v6.15", "v6.17", "v7.0", "v7.0.10", "v6.17-alone"], &[Rule("I-9")]),
        ],
    },
];

/// Ignores I-8, since blocking DMA tolerates that nothing was registered, and B10, which another
/// race checks.
const RESET: Rules = |id| !matches!(id, "I-8" | "I-10" | "ENDLESS");

#[cfg(test)]
mod tests {
    use super::{KERNELS, PROPOSED, RACES};

    #[test]
    fn every_claim_is_about_a_kernel_that_runs_the_race() {
        for race in RACES {
            for name in race.refuted.iter().flat_map(|(kernels, _)| *kernels) {
                let mut kernels = KERNELS.iter().chain([&&PROPOSED]);
                let kernel = kernels.find(|kernel| kernel.name == *name);
                let runs = kernel.is_some_and(|kernel| (race.kernels)(kernel));
                assert!(runs, "{} {name}", race.name);
            }
        }
    }
}

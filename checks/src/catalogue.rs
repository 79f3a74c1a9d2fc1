//! The catalogue, with what each engine can be expected to make of it.
//!
//! The models know no engine, and what they claim of a scenario is what is true of it. The native
//! engine finds all of it. loom and shuttle run every ordering from its beginning, so some
//! scenarios are beyond them. On loom a thread wakes spuriously at most once, so where threads
//! sleep it refutes but does not prove; shuttle proves that too, unless the thread asks the
//! machine, which may change what it answers, before it sleeps again. shuttle has no memory that is
//! weaker than sequentially consistent. Which scenarios these are is written down here, as
//! `selvedge verify --engine loom` and `--engine shuttle` found it.

use globset::{Glob, GlobSet, GlobSetBuilder};
use selvedge_core::{Engine, Expectation, Scenario};

/// Threads sleep on a wait queue, and the claim is a proof: on loom a thread wakes spuriously once.
const SLEEPS: &[&str] = &[
    "vfio-ap/matrix/v5.15-bisect-set/pqap-upd",
    "vfio-ap/matrix/alt-2-in-flight/pqap-pv",
    "vfio-ap/matrix/{alt-6b,alt-6c}/{pqap-upd,pqap-upd-pv,pqap-upd-pv-admin}",
    "vfio-ap/matrix/alt-6d/pqap-upd",
    "vfio-ap/reset/{slow,another-ones,handed-over,associating,associating-handed-over}/v6.[68]",
    "vfio-ap/mutants/flush/v6.6",
    "vfio-ap/reset/ioctl/{v5.13,p15}",
    "vfio-ap/hotplug/{v6.8,2026}/slow-reset*",
    "iommu/flush/swap/reuse",
    "kernel/bcache-cannibalize/locked",
];

/// Threads sleep until the machine answers something else: a question to it is an instruction, of
/// which the search does not know that it only reads.
const ASKS_THE_MACHINE: &[&str] = &[
    "vfio-ap/reset/{slow,another-ones,handed-over,associating,associating-handed-over}/v6.[68]",
    "vfio-ap/mutants/flush/v6.6",
    // The loop is open-coded, and its exchange writes.
    "kernel/bcache-cannibalize/locked",
];

/// More interleavings than loom may explore in [`LOOM_EXECUTIONS`]. `docs/measurements.md` has what
/// it proves with more. The three administrators who write both masks did not complete in
/// 6,000,000.
const BEYOND_LOOM: &[&str] = &[
    "vfio-ap/ap-perms/{p12,p18,v6.0,v6.19}/apmask-aqmask-assign",
    "vfio-ap/ap-perms/v6.19/apmask-assign-unassign",
    "vfio-ap/{default-driver/flushes,driver-override/2026/apmask-store}",
    "vfio-ap/matrix/*/{pqap-upd-pv,pqap-upd-pv-admin,pqap-pqap-admin,pqap-unmap-register}",
    "vfio-ap/matrix/{*-config/pqap-upd,2026-unset/pqap-upd-slots}",
    "vfio-ap/hotplug/**",
    "vfio-ap/kvm-lock/*/{open,close}",
    "vfio-ap/bugs/{b08c-busy/v5.15,b23-assign-under-mutex/v6.0,b41-endless-pqap/*}",
    "vfio-ap/bugs/b24-container/*-{three,proposed}",
    "iommu/*/{attach-detach,unset-deconfigure,unmap-attach,unmap-detach,unmap-deconfigure}",
    "iommu/*/{flush-free,reset-flush-deconfigure}",
    "iommu/proposed/reset-free",
    "iommu/flush/bitmap/b21-enomem-shadowed",
    "iommu/seed/**",
    "iommu/bugs/{b08-iommu-lock,b09-domain-freed,counters}/*",
    "iommu/flush/{fq,single,until-room,when-dry,one-counter,counts-before-unmap,starts-last}/reuse",
    "iommu/flush/{fq,single}/{tables,full,map-fails,teardown}",
    "iommu/flush/until-room/full",
    "iommu/flush/{rcache,empties-locked}/empties-caches",
    "kernel/{net-sysfs/tries,grcan-close/unlocks,r592-remove/reordered}",
    "kernel/alsa-ctl-files/{writer,irqsave}",
];

/// The claim is about memory that only loom has.
const WEAK: &[&str] = &[
    "iommu/ordering/*/{unmap-flush,flush-release,init-queue,timeout-queue}",
    "vfio-ap/hook-store/write-once",
    "kernel/n-tty-stall/*",
];

/// More orderings than shuttle gets through.
const BEYOND_SHUTTLE: &[&str] = &[
    // Two functions, eight system calls, and one machine that sees all of them.
    "iommu/{v6.2*,v6.5,v6.7}/attach-detach",
    // A thread may be on either CPU at any time, and the timer comes at any time.
    "iommu/flush/{fq,single,until-room,counts-before-unmap}/reuse",
    "iommu/flush/fq/{tables,full,teardown}",
    "iommu/flush/until-room/full",
    "iommu/flush/rcache/empties-caches",
    "vfio-ap/matrix/alt-6c/pqap-upd-pv-admin",
    "vfio-ap/hotplug/{v6.8,2026}/slow-reset*",
    // A thread polls for a lock that another thread takes.
    "kernel/net-sysfs/tries",
];

/// How many executions loom is given where it is not expected to end: some seconds.
const LOOM_EXECUTIONS: u64 = 20_000;

/// Every scenario of [`selvedge_models::catalogue`], with the verdict that each engine is expected
/// to come to.
///
/// # Panics
///
/// If a pattern here is no path glob.
pub fn catalogue() -> Vec<Scenario> {
    let (sleeps, beyond_loom, weak) = (globs(SLEEPS), globs(BEYOND_LOOM), globs(WEAK));
    let (beyond_shuttle, asks) = (globs(BEYOND_SHUTTLE), globs(ASKS_THE_MACHINE));
    let expect = |mut scenario: Scenario| {
        let sleeps = sleeps.is_match(scenario.name());
        if sleeps || beyond_loom.is_match(scenario.name()) {
            scenario = scenario.on(Engine::Loom, Expectation::Inconclusive);
            scenario = scenario.loom_executions_max(LOOM_EXECUTIONS);
        }
        let weak = weak.is_match(scenario.name());
        let asks = asks.is_match(scenario.name());
        if asks || weak || beyond_shuttle.is_match(scenario.name()) {
            scenario = scenario.on(Engine::Shuttle, Expectation::Inconclusive);
        }
        scenario
    };
    selvedge_models::catalogue().into_iter().map(expect).collect()
}

fn globs(patterns: &[&str]) -> GlobSet {
    let mut globs = GlobSetBuilder::new();
    for pattern in patterns {
        globs.add(Glob::new(pattern).expect("a path glob"));
    }
    globs.build().expect("path globs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_matches_something() {
        for pattern in [SLEEPS, ASKS_THE_MACHINE, BEYOND_LOOM, BEYOND_SHUTTLE, WEAK].concat() {
            let matcher = globs(&[pattern]);
            let matches = |scenario: &Scenario| matcher.is_match(scenario.name());
            assert!(selvedge_models::catalogue().iter().any(matches), "{pattern}");
        }
    }
}

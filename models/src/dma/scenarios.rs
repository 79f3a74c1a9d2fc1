//! `iommu/flush`: when an address may be reused. The rows are schemes, the columns are races.
//!
//! The bounds are two CPUs, rings of 1 to 3 entries, and apertures of 2 or 3 pages. Each page is
//! mapped or unmapped once or twice. A flush takes time and may overlap others. The timer expires
//! at any moment after it was armed.

use std::sync::Arc;

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, invariant_broken};

use crate::dma::flush_queue::{Cookie, Layout, Order, Teardown};
use crate::dma::ordering::{self, Litmus};
use crate::dma::{pci_dma, rcache, swap};
use crate::iova::Pfn;

const FQ: &str = "queue_iova and fq_flush_timeout in drivers/iommu/dma-iommu.c, v6.7; the counters \
                  are of commit fb418dab8a4f, 2017";
const SINGLE: &str = "commit 32d5bc8b09c7, v6.7: one queue for all CPUs";
const LIFETIME: &str = "commit d7061627d701, v5.17: the timer against the end of the domain";
const ENABLE: &str = "iommu_dma_init_fq in drivers/iommu/dma-iommu.c, v6.7";
const BITMAP: &str = "dma_alloc_address and dma_free_address in arch/s390/pci/pci_dma.c, v6.6";
const IDEA: &str = "\"Re: [PATCH v4 1/2] iommu/s390: Fix race with release_device ops\", \
                    N. Schnelle, 2022-09-01";
const ANSWER: &str = "the answer to \"Re: [PATCH v4 1/2] iommu/s390: Fix race with release_device \
                      ops\", R. Murphy, 2022-09: flush when an allocation fails";
const RCACHE: &str = "drivers/iommu/iova.c, v6.7: commits 911aa1245da8 and 233045378dbb";

fn broken(id: &str) -> ViolationKind {
    ViolationKind::invariant(id)
}

fn scenario<W: Send + Sync + 'static>(
    scheme: &str,
    race: &str,
    source: &str,
    world: impl Fn() -> W + Send + Sync + 'static,
) -> ScenarioBuilder<W> {
    Scenario::builder(format!("iommu/flush/{scheme}/{race}"), world).source(source)
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = flush_queue();
    all.extend(lifetime());
    all.extend(bitmap());
    all.extend(on_exhaustion());
    all.extend(caches());
    all.extend(orderings());
    all
}

fn flush_queue() -> Vec<Scenario> {
    use Order::{
        AddsUnlocked, AsMerged, CountsBeforeUnmap, DrainsUnlocked, FinishesFirst, FlushesWhenDry,
        OneCounter, RearmsLate, ReleasedEarly, RollsBackLazily, StartsLast, UntilRoom,
    };
    vec![
        reuse("fq", FQ, AsMerged, 2).expect_proof(),
        reuse("single", SINGLE, AsMerged, 1).expect_proof(),
        reuse("until-room", FQ, UntilRoom, 2).expect_proof(),
        reuse("when-dry", ANSWER, FlushesWhenDry, 1).expect_proof(),
        reuse("released-early", FQ, ReleasedEarly, 2).expect_violations([broken("I1")]),
        reuse("one-counter", FQ, OneCounter, 2).expect_violations([broken("I1")]),
        reuse("counts-before-unmap", FQ, CountsBeforeUnmap, 2).expect_violations([broken("I1")]),
        reuse("finishes-first", FQ, FinishesFirst, 2).expect_violations([broken("I1")]),
        reuse("starts-last", FQ, StartsLast, 2).expect_violations([broken("I1")]),
        reuse("drains-unlocked", FQ, DrainsUnlocked, 2).expect_violations([broken("I2")]),
        reuse("adds-unlocked", FQ, AddsUnlocked, 2).expect_violations([broken("I2")]),
        reuse("rearms-late", FQ, RearmsLate, 2).expect_violations([broken("I7")]),
        tables("fq", FQ, AsMerged, 2).expect_proof(),
        tables("single", SINGLE, AsMerged, 1).expect_proof(),
        tables("released-early", FQ, ReleasedEarly, 2).expect_violations([broken("I-4")]),
        tables("one-counter", FQ, OneCounter, 2).expect_violations([broken("I-4")]),
        tables("counts-before-unmap", FQ, CountsBeforeUnmap, 2).expect_violations([broken("I-4")]),
        tables("finishes-first", FQ, FinishesFirst, 2).expect_violations([broken("I-4")]),
        tables("starts-last", FQ, StartsLast, 2).expect_violations([broken("I-4")]),
        full("fq", FQ, AsMerged, 2).expect_violations([broken("I3")]),
        full("single", SINGLE, AsMerged, 1).expect_violations([broken("I3")]),
        full("until-room", FQ, UntilRoom, 2).expect_proof(),
        flush_fails("flush-fails", false)
            .about("the hypervisor runs out of resources, and the result of the flush is dropped")
            .expect_violations([broken("I1")]),
        flush_fails("flush-fails-shadowed", true)
            .about("the same where it can happen: each new mapping is refreshed, so it is harmless")
            .expect_proof(),
        exhausted("fq", FQ, AsMerged).expect_violations([broken("I10")]),
        exhausted("when-dry", ANSWER, FlushesWhenDry).expect_proof(),
        map_fails("fq", FQ, AsMerged).expect_proof(),
        map_fails("rolls-back-lazily", FQ, RollsBackLazily).expect_violations([broken("I1")]),
    ]
}

/// Builds a scenario in which two CPUs each unmap a page and map one, which may be the other's
/// page.
fn reuse(scheme: &str, source: &str, order: Order, rings: usize) -> ScenarioBuilder<Arc<Cookie>> {
    scenario(scheme, "reuse", source, move || {
        Cookie::new(order, Layout { pages: 2, mapped: 2, rings, entries: 3, ..Layout::default() })
    })
    .about("two CPUs unmap and map while the timer may expire: is a page reused too early?")
    .calls("CPU 0", |calls| {
        calls
            .then(|cookie| cookie.iommu_dma_unmap_page(1))
            .then(|cookie| _ = cookie.iommu_dma_map_page())
    })
    .calls("CPU 1", |calls| {
        calls
            .then(|cookie| cookie.iommu_dma_unmap_page(2))
            .then(|cookie| _ = cookie.iommu_dma_map_page())
    })
    .finally(|cookie| cookie.check_at_rest())
}

/// Builds a scenario in which two CPUs each unmap a page together with a table that only it uses.
fn tables(scheme: &str, source: &str, order: Order, rings: usize) -> ScenarioBuilder<Arc<Cookie>> {
    let layout =
        Layout { pages: 2, mapped: 2, rings, entries: 3, tables: true, ..Layout::default() };
    scenario(scheme, "tables", source, move || Cookie::new(order, layout))
        .about("two CPUs unmap while the timer may expire: is a table freed during a table walk?")
        .calls("CPU 0", |calls| calls.then(|cookie| cookie.iommu_dma_unmap_page(1)))
        .calls("CPU 1", |calls| calls.then(|cookie| cookie.iommu_dma_unmap_page(2)))
        .finally(|cookie| {
            cookie.check_at_rest();
            cookie.iotlb.check_at_rest();
        })
}

/// Builds a scenario in which a ring has room for one entry and the timer flushes concurrently.
fn full(scheme: &str, source: &str, order: Order, rings: usize) -> ScenarioBuilder<Arc<Cookie>> {
    scenario(scheme, "full", source, move || {
        Cookie::new(order, Layout { pages: 3, mapped: 3, rings, entries: 1, ..Layout::default() })
    })
    .about("a ring is full, and a flush does not help while the flush of another CPU has not ended")
    .calls("CPU 0", |calls| {
        calls
            .then(|cookie| cookie.iommu_dma_unmap_page(1))
            .then(|cookie| cookie.iommu_dma_unmap_page(2))
            .then(|cookie| cookie.iommu_dma_unmap_page(3))
    })
    .finally(|cookie| {
        cookie.iommu_domain_free(Teardown::AsMerged);
        cookie.check_conservation(3);
    })
}

/// Builds a scenario in which an RPCIT of all pages may fail.
///
/// `s390_iommu_flush_iotlb_all` returns nothing since v6.7 and drops the result of
/// `zpci_refresh_all`, so `fq_flush_iotlb` counts the flush as ended. Up to v6.6 the DMA API passed
/// the error on.
fn flush_fails(race: &str, shadowed: bool) -> ScenarioBuilder<Arc<Cookie>> {
    let source = "s390_iommu_flush_iotlb_all in drivers/iommu/s390-iommu.c, v6.7 and later";
    scenario("fq", race, source, move || {
        let layout = Layout { pages: 1, mapped: 1, rings: 1, entries: 3, tables: false, shadowed };
        Cookie::new(Order::AsMerged, layout)
    })
    .calls("CPU 0", |calls| {
        calls
            .then(|cookie| cookie.iommu_dma_unmap_page(1))
            .then(|cookie| _ = cookie.iommu_dma_map_page())
    })
    .thread("hypervisor", |cookie| cookie.iotlb.run_out_of_resources())
    .finally(|cookie| cookie.check_at_rest())
}

fn had(page: Option<Pfn>) {
    if page.is_none() {
        invariant_broken("I10", "no page is mapped, and no page can be allocated");
    }
}

/// Builds a scenario in which all pages are parked.
fn exhausted(scheme: &str, source: &str, order: Order) -> ScenarioBuilder<Arc<Cookie>> {
    scenario(scheme, "exhausted", source, move || {
        Cookie::new(
            order,
            Layout { pages: 2, mapped: 2, rings: 1, entries: 3, ..Layout::default() },
        )
    })
    .about("every page is unmapped and then one is allocated: does this succeed?")
    .calls("CPU 0", |calls| {
        calls.then(|cookie| {
            cookie.iommu_dma_unmap_page(1);
            cookie.iommu_dma_unmap_page(2);
            had(cookie.iommu_dma_map_page());
        })
    })
    .finally(|cookie| cookie.check_at_rest())
}

/// Builds a scenario in which the mapping of one CPU fails half-way.
fn map_fails(scheme: &str, source: &str, order: Order) -> ScenarioBuilder<Arc<Cookie>> {
    scenario(scheme, "map-fails", source, move || {
        Cookie::new(
            order,
            Layout { pages: 2, mapped: 1, rings: 1, entries: 3, ..Layout::default() },
        )
    })
    .about("a failed mapping is rolled back and freed at once while another page is parked")
    .calls("CPU 0", |calls| {
        calls.then(|cookie| {
            cookie.iommu_dma_map_page_fails();
            cookie.iommu_dma_map_page();
        })
    })
    .thread("CPU 1", |cookie| cookie.iommu_dma_unmap_page(2))
    .finally(|cookie| cookie.check_at_rest())
}

fn lifetime() -> Vec<Scenario> {
    let freed = || ViolationKind::use_after_release("fq");
    vec![
        teardown("fq", Teardown::AsMerged).expect_proof(),
        teardown("without-sync", Teardown::WithoutSync).expect_violations([freed()]),
        teardown("rings-first", Teardown::RingsFirst).expect_violations([freed()]),
        teardown("detaches-last", Teardown::DetachesLast).expect_violations([broken("I-4")]),
        scenario("fq", "unmap-teardown", LIFETIME, || {
            Cookie::new(
                Order::AsMerged,
                Layout { pages: 1, mapped: 1, rings: 1, entries: 2, ..Layout::default() },
            )
        })
        .about("a page is unmapped while the domain is freed: only the caller keeps these apart")
        .thread("CPU 0", |cookie| cookie.iommu_dma_unmap_page(1))
        .thread("domain_free", |cookie| cookie.iommu_domain_free(Teardown::AsMerged))
        .expect_violations([freed()]),
        enable("fq", Order::AsMerged, true).expect_proof(),
        enable("asks-twice", Order::AsksTwice, false).expect_violations([broken("I1")]),
        enable("announced-first", Order::AnnouncedFirst, false).expect_violations([broken("NULL")]),
    ]
}

/// Builds a scenario in which the domain is freed while the timer is armed.
fn teardown(scheme: &str, how: Teardown) -> ScenarioBuilder<Arc<Cookie>> {
    scenario(scheme, "teardown", LIFETIME, || {
        Cookie::new(
            Order::AsMerged,
            Layout { pages: 2, mapped: 2, rings: 2, entries: 2, tables: true, ..Layout::default() },
        )
    })
    .about("the domain is freed with pages in its rings while the timer may expire")
    .calls("unmap, domain_free", |calls| {
        calls.then(move |cookie| {
            cookie.iommu_dma_unmap_page(1);
            cookie.iommu_dma_unmap_page(2);
            cookie.iommu_domain_free(how);
        })
    })
    .finally(|cookie| cookie.iotlb.check_at_rest())
}

/// Builds a scenario in which the queue is enabled while a page is unmapped.
fn enable(scheme: &str, order: Order, tables: bool) -> ScenarioBuilder<Arc<Cookie>> {
    scenario(scheme, "enable", ENABLE, move || {
        Cookie::strict(
            order,
            Layout { pages: 2, mapped: 1, rings: 1, entries: 2, tables, ..Layout::default() },
        )
    })
    .about("a group is switched from strict to the queue while it unmaps and maps")
    .calls("CPU 0", |calls| {
        calls
            .then(|cookie| cookie.iommu_dma_unmap_page(2))
            .then(|cookie| _ = cookie.iommu_dma_map_page())
            .then(|cookie| _ = cookie.iommu_dma_map_page())
    })
    .thread("sysfs", |cookie| cookie.iommu_dma_init_fq())
    .finally(|cookie| {
        cookie.check_at_rest();
        cookie.iotlb.check_at_rest();
    })
}

fn bitmap() -> Vec<Scenario> {
    use pci_dma::Order::{
        FlushesUnlocked, FreesAtOnce, FreesFirst, IgnoresFailure, Lazy, RecyclesFirst, Strict,
        TrustsBitmap,
    };
    vec![
        bitmap_reuse("bitmap", Lazy).expect_proof(),
        bitmap_reuse("strict", Strict).expect_proof(),
        bitmap_reuse("frees-first", FreesFirst).expect_violations([broken("I1")]),
        bitmap_reuse("recycles-first", RecyclesFirst).expect_proof(),
        bitmap_reuse("flushes-unlocked", FlushesUnlocked).expect_violations([broken("I1")]),
        bitmap_reuse("frees-at-once", FreesAtOnce).expect_violations([broken("I1")]),
        bitmap_exhausted("bitmap", Lazy).expect_proof(),
        bitmap_exhausted("strict", Strict).expect_proof(),
        bitmap_exhausted("recycles-first", RecyclesFirst).expect_proof(),
        bitmap_fails("bitmap", Lazy).expect_proof(),
        bitmap_fails("ignores-failure", IgnoresFailure).expect_violations([broken("I1")]),
        bitmap_exit("bitmap", Lazy).expect_proof(),
        bitmap_exit("trusts-bitmap", TrustsBitmap).expect_violations([broken("NULL")]),
        no_room("b21-enomem", || pci_dma::Zdev::new(Lazy, 3, 1))
            .about(
                "the hypervisor has no room, and all lazy bits are cleared after an unlocked \
                 flush; without the refresh of each new mapping",
            )
            .expect_violations([broken("I1")]),
        no_room("b21-enomem-shadowed", || pci_dma::Zdev::new(Lazy, 3, 1).shadowed())
            .about("the same where it can happen: each new mapping is refreshed, so it is harmless")
            .expect_proof(),
    ]
}

/// Builds a scenario in which the hypervisor has no room for one more translation.
///
/// `__dma_purge_tlb` sees -ENOMEM only from the RPCIT at map time, which only a function with
/// `tlb_refresh` has.
fn no_room(race: &str, world: fn() -> pci_dma::Zdev) -> ScenarioBuilder<pci_dma::Zdev> {
    scenario("bitmap", race, BITMAP, world)
        .thread("CPU 0", |zdev| _ = zdev.s390_dma_map_pages_enomem())
        .calls("CPU 1", |calls| {
            calls.then(|zdev| {
                zdev.s390_dma_unmap_pages(1);
                zdev.s390_dma_map_pages();
                zdev.s390_dma_map_pages();
            })
        })
}

/// Builds a scenario in which two CPUs each unmap a page and map until the search wraps.
fn bitmap_reuse(scheme: &str, order: pci_dma::Order) -> ScenarioBuilder<pci_dma::Zdev> {
    scenario(scheme, "reuse", BITMAP, move || pci_dma::Zdev::new(order, 2, 2))
        .about("two CPUs unmap and map until the search wraps: is a page reused too early?")
        .calls("CPU 0", |calls| {
            calls.then(|zdev| {
                zdev.s390_dma_unmap_pages(1);
                zdev.s390_dma_map_pages();
            })
        })
        .calls("CPU 1", |calls| {
            calls.then(|zdev| {
                zdev.s390_dma_unmap_pages(2);
                zdev.s390_dma_map_pages();
            })
        })
}

/// Builds a scenario in which all pages have been unmapped.
fn bitmap_exhausted(scheme: &str, order: pci_dma::Order) -> ScenarioBuilder<pci_dma::Zdev> {
    scenario(scheme, "exhausted", BITMAP, move || pci_dma::Zdev::new(order, 2, 2))
        .about("every page is unmapped and then one is allocated: does this succeed?")
        .thread("CPU 0", |zdev| {
            zdev.s390_dma_unmap_pages(1);
            zdev.s390_dma_unmap_pages(2);
            had(zdev.s390_dma_map_pages());
        })
}

/// Builds a scenario in which the flush may fail.
fn bitmap_fails(scheme: &str, order: pci_dma::Order) -> ScenarioBuilder<pci_dma::Zdev> {
    scenario(scheme, "flush-fails", BITMAP, move || pci_dma::Zdev::new(order, 1, 1))
        .about("the search wraps while the hypervisor runs out of resources, and RPCIT fails")
        .calls("CPU 0", |calls| {
            calls.then(|zdev| {
                zdev.s390_dma_unmap_pages(1);
                zdev.s390_dma_map_pages();
            })
        })
        .thread("hypervisor", |zdev| zdev.iotlb.run_out_of_resources())
}

/// Builds a scenario in which the function is removed.
fn bitmap_exit(scheme: &str, order: pci_dma::Order) -> ScenarioBuilder<pci_dma::Zdev> {
    scenario(scheme, "exit", BITMAP, move || pci_dma::Zdev::new(order, 1, 1))
        .about("a page is freed while the function is removed")
        .thread("CPU 0", |zdev| zdev.s390_dma_unmap_pages(1))
        .thread("exit_device", |zdev| zdev.zpci_dma_exit_device())
}

fn on_exhaustion() -> Vec<Scenario> {
    vec![
        swap_reuse("swap", swap::Order::ParkedBefore).expect_proof(),
        swap_reuse("swap-by-now", swap::Order::ParkedByNow).expect_violations([broken("I1")]),
    ]
}

/// Builds a scenario in which both CPUs may find no free page. One flushes, and the other may unmap
/// meanwhile or wait.
fn swap_reuse(scheme: &str, order: swap::Order) -> ScenarioBuilder<Arc<swap::Domain>> {
    scenario(scheme, "reuse", IDEA, move || swap::Domain::new(order, 2, 2))
        .about("two CPUs unmap and map, and a CPU that finds no free page flushes")
        .calls("CPU 0", |calls| {
            calls.then(|domain| {
                domain.unmap(1);
                domain.map();
            })
        })
        .calls("CPU 1", |calls| {
            calls.then(|domain| {
                domain.unmap(2);
                domain.map();
            })
        })
}

fn caches() -> Vec<Scenario> {
    use rcache::{IovaDomain, Order};
    let empty = |scheme: &str, order| {
        scenario(scheme, "empties-caches", RCACHE, move || IovaDomain::new(order, 2, 0))
            .about("two CPUs find the tree exhausted and empty each other's caches")
            .calls("CPU 0", |calls| {
                calls.then(|domain| {
                    let page = domain.alloc_iova_fast();
                    page.into_iter().for_each(|pfn| domain.free_iova_fast(pfn));
                    domain.alloc_iova_fast();
                })
            })
            .calls("CPU 1", |calls| {
                calls.then(|domain| {
                    domain.alloc_iova_fast();
                    domain.alloc_iova_fast();
                })
            })
            .finally(|domain| {
                domain.check_conservation();
                domain.free_iova_rcaches();
            })
    };
    let trims = || {
        scenario("rcache", "worker", RCACHE, || IovaDomain::new(Order::AsMerged, 2, 1))
            .about("the depot's worker returns a magazine to the tree while a CPU wants it")
            .calls("CPU 0", |calls| {
                calls.then(|domain| {
                    domain.schedule_depot_work();
                    domain.alloc_iova_fast();
                })
            })
            .finally(|domain| {
                domain.check_conservation();
                domain.free_iova_rcaches();
            })
    };
    let worker = |scheme: &str, order| {
        scenario(scheme, "worker-teardown", RCACHE, move || IovaDomain::new(order, 1, 0))
            .about("the domain is freed while the depot's worker runs")
            .calls("free_iova_rcaches", |calls| {
                calls.then(|domain| {
                    domain.schedule_depot_work();
                    domain.free_iova_rcaches();
                })
            })
    };
    vec![
        empty("rcache", Order::AsMerged).expect_proof(),
        empty("empties-locked", Order::EmptiesLocked)
            .expect_violations([ViolationKind::deadlock(["cpu_rcache->lock"])]),
        trims().expect_proof(),
        worker("rcache", Order::AsMerged).expect_proof(),
        worker("frees-without-cancel", Order::FreesWithoutCancel)
            .expect_violations([ViolationKind::use_after_release("iova_rcache")]),
    ]
}

/// Returns `iommu/ordering`: the litmus tests with the ordering that is needed and without it.
fn orderings() -> Vec<Scenario> {
    [ordering::Order::Ordered, ordering::Order::Relaxed].into_iter().flat_map(ordered).collect()
}

fn ordered(order: ordering::Order) -> Vec<Scenario> {
    let row = if order == ordering::Order::Ordered { "ordered" } else { "relaxed" };
    let new = move |litmus: &str, timer_on, about: &str| {
        let world = move || Litmus::new(order, timer_on);
        Scenario::builder(format!("iommu/ordering/{row}/{litmus}"), world).source(FQ).about(about)
    };
    let claim = move |scenario: ScenarioBuilder<Litmus>, id: &str| match order {
        ordering::Order::Ordered => scenario.expect_proof(),
        ordering::Order::Relaxed => scenario.expect_violations([broken(id)]),
    };
    let flush = new(
        "unmap-flush",
        true,
        "a page is unmapped and counted while a flush is counted and begins",
    )
    .thread("unmap", Litmus::unmap_and_count)
    .thread("flush", Litmus::count_and_flush)
    .finally(Litmus::check_covered);
    let finish =
        new("flush-release", true, "a flush ends and is counted, and the count frees a page")
            .thread("flush", Litmus::flush_and_count)
            .thread("release", Litmus::release);
    let publish =
        new("init-queue", true, "the queue is initialised and published while a CPU uses it")
            .thread("init", Litmus::iommu_dma_init_fq)
            .thread("queue", Litmus::use_fq);
    let lost = new(
        "timeout-queue",
        true,
        "the timer expires while an entry is queued: is it armed again?",
    )
    .thread("timer", Litmus::timeout)
    .thread("queue", Litmus::count_and_arm);
    let double = new("arm-arm", false, "two CPUs arm the timer, with an exchange or only a store")
        .thread("CPU 0", Litmus::arm)
        .thread("CPU 1", Litmus::arm);
    vec![
        claim(flush, "I1"),
        claim(finish, "I1"),
        claim(publish, "NULL"),
        claim(lost, "I7"),
        claim(double, "L5"),
    ]
}

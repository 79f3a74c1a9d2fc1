//! The figures of the mail, and other uses of the simulation.

use std::time::Duration;

use selvedge_benches::nvme::{Costs, Outcome, Scheme, simulate};
use selvedge_iova::{CachedTree, LazyBitmap, Magazines};

fn run(scheme: &Scheme, costs: &Costs, seconds: u64) -> Outcome {
    simulate(scheme, costs, Duration::from_secs(seconds), 1)
        .expect("the scheme must not run out of addresses")
}

fn ratio(scheme: &Scheme, costs: &Costs, seconds: u64) -> f64 {
    run(scheme, costs, seconds).iops / run(&Scheme::BitmapLazy, costs, seconds).iops
}

#[test]
fn the_figures_of_the_mail() {
    let figures = [
        (Scheme::Strict, 0.50),
        (Scheme::queue(32_768, 4_000), 0.91),
        (Scheme::queue(8_192, 100), 0.76),
    ];
    for (scheme, expected) in figures {
        let ratio = ratio(&scheme, &Costs::guest(), 8);
        assert!((ratio - expected).abs() <= 0.02, "{scheme}: {ratio:.3}, expected {expected}");
    }
    let ratio = ratio(&Scheme::queue(256, 10), &Costs::guest(), 8);
    assert!(ratio < 0.08, "fq-256-10ms: {ratio:.3}");
}

#[test]
fn in_a_partition_the_default_queue_is_good_enough() {
    let costs = Costs::lpar();
    assert!(ratio(&Scheme::queue(256, 10), &costs, 1) > 0.95);
    assert!(ratio(&Scheme::Strict, &costs, 1) < 0.80);
}

#[test]
fn flushing_on_exhaustion_is_as_fast_as_the_bitmap() {
    // The search reaches the end several times in five seconds.
    let costs = Costs { aperture: 1 << 17, ..Costs::guest() };
    let bitmap = run(&Scheme::BitmapLazy, &costs, 5);
    for scheme in [Scheme::FlushOnExhaustion, Scheme::FlushOnExhaustionLists] {
        let outcome = run(&scheme, &costs, 5);
        assert!(outcome.flushes >= 4 && outcome.flushes == bitmap.flushes, "{outcome:?}");
        assert!((outcome.iops / bitmap.iops - 1.0).abs() < 0.001, "{scheme}: {outcome:?}");
    }
}

/// Each unmapping is covered by its own refresh, and a queue parks no more pages than it has room
/// for.
#[test]
fn what_is_parked_and_for_how_long() {
    let costs = Costs::guest();
    let strict = run(&Scheme::Strict, &costs, 1);
    assert_eq!((strict.flushes, strict.parked_max), (0, 0));
    assert_eq!(strict.window_max, Duration::from_nanos(costs.refresh));
    let queue = run(&Scheme::queue(256, 10), &costs, 1);
    assert_eq!(queue.parked_max, 255);
    // The flush that began when the queue was full has ended by then.
    assert!(queue.window_max > Duration::from_nanos(costs.flush));
    assert!(queue.window_max < Duration::from_millis(35), "{queue:?}");
}

/// Several CPUs, mixed sizes, and timers that expire while other CPUs flush. No address is reused
/// too early, since the simulation would panic, and the simulation does not stall.
#[test]
fn several_cpus_at_once() {
    let costs = Costs { cpus: 4, depth: 64, pages: (1, 8), hz: 1000, ..Costs::guest() };
    for scheme in Scheme::ALL {
        assert!(run(&scheme, &costs, 1).iops > 100.0, "{scheme}");
    }
}

#[test]
fn an_own_scheme_is_simulated_as_those_of_the_crate() {
    let costs = Costs { cpus: 2, ..Costs::guest() };
    let same = [
        (Scheme::BitmapLazy, Scheme::parking("mine", |aperture, _| LazyBitmap::new(aperture))),
        (
            Scheme::Strict,
            Scheme::strict("mine", |aperture, cpus| {
                Magazines::new(CachedTree::new(aperture), aperture, cpus)
            }),
        ),
    ];
    for (scheme, own) in same {
        assert_eq!(run(&scheme, &costs, 1), run(&own, &costs, 1), "{scheme}");
        assert_eq!(own.to_string(), "mine");
    }
}

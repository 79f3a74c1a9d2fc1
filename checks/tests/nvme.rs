//! The mail's figures, and what else the simulation is built for.

use std::time::Duration;

use selvedge_checks::nvme::{Costs, Outcome, Scheme, simulate};

fn run(scheme: Scheme, costs: &Costs, seconds: u64) -> Outcome {
    simulate(scheme, costs, Duration::from_secs(seconds), 1).expect("there are addresses enough")
}

fn ratio(scheme: Scheme, costs: &Costs, seconds: u64) -> f64 {
    run(scheme, costs, seconds).iops / run(Scheme::BitmapLazy, costs, seconds).iops
}

#[test]
fn the_figures_of_the_mail() {
    let figures = [
        (Scheme::Strict, 0.50),
        (Scheme::queue(32_768, 4_000), 0.91),
        (Scheme::queue(8_192, 100), 0.76),
    ];
    for (scheme, expected) in figures {
        let ratio = ratio(scheme, &Costs::guest(), 20);
        assert!((ratio - expected).abs() <= 0.02, "{scheme}: {ratio:.3}, expected {expected}");
    }
    let ratio = ratio(Scheme::queue(256, 10), &Costs::guest(), 20);
    assert!(ratio < 0.08, "fq-256-10ms: {ratio:.3}");
}

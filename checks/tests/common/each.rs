//! Many scenarios on all processors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use selvedge_core::Scenario;

/// Calls `function` with each scenario, and returns the results in their order.
pub(crate) fn each<T: Send>(
    scenarios: &[Scenario],
    function: impl Fn(&Scenario) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut results = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(scenario) = scenarios.get(number) else { return results };
            results.push((number, function(scenario)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut results = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let results = threads.into_iter().map(|thread| thread.join().expect("a scenario failed"));
        results.flatten().collect::<Vec<_>>()
    });
    results.sort_unstable_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

//! The set of final values over all executions, as the engines find it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use selvedge_core::sync::Ghost;
use selvedge_core::{Checker, Engine, ScenarioBuilder, Search, Value};

/// The component of a final value.
pub(crate) trait Final: Ord + Debug + Send + 'static {}

impl<T: Ord + Debug + Send + 'static> Final for T {}

/// Returns all final values that an engine finds.
fn found<W: Send + Sync + 'static, V: Final>(
    scenario: ScenarioBuilder<W>,
    value: fn(&W) -> V,
    engine: Engine,
    search: Search,
) -> BTreeSet<V> {
    let values = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&values);
    let scenario = scenario.finally(move |world| _ = seen.lock().unwrap().insert(value(world)));
    let report = Checker::new(engine).search(search).run(&scenario.expect_proof());
    assert!(report.as_expected(), "{engine} {search:?}: {report}");
    std::mem::take(&mut *values.lock().unwrap())
}

/// Checks that these are the final values, and no others: by states, by interleavings, and on
/// shuttle.
pub(crate) fn are<W: Send + Sync + 'static, V: Final>(
    make: impl Fn() -> ScenarioBuilder<W>,
    value: fn(&W) -> V,
    expected: impl IntoIterator<Item = V>,
) {
    let expected: BTreeSet<V> = expected.into_iter().collect();
    for search in [Search::Auto, Search::Full, Search::Dpor] {
        assert_eq!(found(make(), value, Engine::Native, search), expected, "{search:?}");
    }
    assert_eq!(found(make(), value, Engine::Shuttle, Search::Dpor), expected, "shuttle");
}

/// The same, and on loom.
pub(crate) fn are_everywhere<W: Send + Sync + 'static, V: Final>(
    make: impl Fn() -> ScenarioBuilder<W>,
    value: fn(&W) -> V,
    expected: impl IntoIterator<Item = V>,
) {
    let expected: Vec<V> = expected.into_iter().collect();
    let on_loom = found(make(), value, Engine::Loom, Search::default());
    assert!(on_loom.iter().eq(expected.iter().collect::<BTreeSet<_>>()), "loom: {on_loom:?}");
    are(make, value, expected);
}

/// Returns what the threads have noted, to be read at the end.
pub(crate) fn noted<T: Value + Clone>(ghost: &Ghost<T>) -> T {
    let value = RefCell::new(None);
    ghost.check("noted", |noted| {
        value.replace(Some(noted.clone()));
        Ok(())
    });
    value.into_inner().expect("it has just been looked at")
}

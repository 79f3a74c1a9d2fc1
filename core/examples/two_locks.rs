//! An example of a custom scenario: two functions of a driver, which take its locks.
//!
//! Run with `cargo run --release --example two_locks`. `remove` takes the locks in the opposite
//! order, and the report shows the deadlock operation by operation. Swap its two lines and claim
//! `.expect_proof()`: then no interleaving deadlocks.

use selvedge_core::sync::Mutex;
use selvedge_core::{Engine, Scenario, Verdict, ViolationKind, function};

struct World {
    list_lock: Mutex<Vec<u8>>,
    device_lock: Mutex,
}

fn probe(world: &World) {
    let _function = function("probe");
    let _device = world.device_lock.lock();
    world.list_lock.lock().push(0);
}

fn remove(world: &World) {
    let _function = function("remove");
    let mut list = world.list_lock.lock();
    let _device = world.device_lock.lock();
    list.clear();
}

fn main() {
    let world = || World {
        list_lock: Mutex::new("list_lock", Vec::new()),
        device_lock: Mutex::new("device->mutex", ()),
    };
    let scenario = Scenario::builder("example/two-locks", world)
        .thread("probe", probe)
        .thread("remove", remove)
        .expect_violations([ViolationKind::deadlock(["device->mutex", "list_lock"])]);
    let report = scenario.verify(Engine::Native);
    assert!(report.as_expected(), "{report}");
    let Verdict::Refuted(found) = &report.verdict else { unreachable!("as expected") };
    println!("{report}\n{}", found[0].trace);
}

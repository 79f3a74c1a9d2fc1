// Two works of an ordered queue: one waits for the other, which cannot begin

use selvedge_core::sync::{Work, Workqueue};
use selvedge_core::{Engine, Scenario, ViolationKind, in_world};

struct World {
    #[allow(dead_code)]
    wq: Workqueue,
    second: Work,
    first: Work,
}

fn world() -> World {
    let wq = Workqueue::ordered("wq");
    let second = wq.init_work("second", in_world(second));
    let first = wq.init_work("first", in_world(first));
    World { wq, second, first }
}

fn second(_w: &World) {
}

fn first(w: &World) {
    _ = w.second.queue_work();
    w.second.flush_work();
}

fn probe(w: &World) {
    _ = w.first.queue_work();
}

fn scenario() -> Scenario {
    Scenario::builder("ordered-queue", world)
        .about("Two works of an ordered queue: one waits for the other, which cannot begin")
        .thread("probe", probe)
        .expect_violations([ViolationKind::deadlock(["wq"])])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}

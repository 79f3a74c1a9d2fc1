// A work waits for its own end

use selvedge_core::sync::Work;
use selvedge_core::{Engine, Scenario, ViolationKind, in_world};

struct World {
    events: Work,
}

fn world() -> World {
    let events = Work::new("events", in_world(events));
    World { events }
}

fn events(w: &World) {
    w.events.flush_work();
}

fn probe(w: &World) {
    _ = w.events.queue_work();
}

fn scenario() -> Scenario {
    Scenario::builder("flush-from-own-work", world)
        .about("A work waits for its own end")
        .thread("probe", probe)
        .expect_violations([ViolationKind::deadlock(["events"])])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}

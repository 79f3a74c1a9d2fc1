// wait_event looks at the flag again once the thread is on the queue

use selvedge_core::sync::{Atomic, WaitQueue};
use selvedge_core::{Engine, Scenario};

struct World {
    ready: Atomic<i64>,
    wait: WaitQueue,
}

fn world() -> World {
    let ready = Atomic::new("ready", 0);
    let wait = WaitQueue::new("wait");
    World { ready, wait }
}

fn waiter(w: &World) {
    w.wait.wait_event(|| w.ready.load() != 0);
}

fn waker(w: &World) {
    w.ready.store(1);
    w.wait.wake_up();
}

fn scenario() -> Scenario {
    Scenario::builder("wait-event", world)
        .about("wait_event looks at the flag again once the thread is on the queue")
        .thread("waiter", waiter)
        .thread("waker", waker)
        .expect_proof()
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}

// The waiter looks at the flag too early, and the wake-up comes in between

use selvedge_core::sync::{Atomic, WaitQueue};
use selvedge_core::{Engine, Scenario, ViolationKind};

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
    if w.ready.load() == 0 {
        w.wait.prepare_to_wait();
        w.wait.schedule();
        w.wait.finish_wait();
    }
}

fn waker(w: &World) {
    w.ready.store(1);
    w.wait.wake_up();
}

fn scenario() -> Scenario {
    Scenario::builder("lost-wakeup", world)
        .about("The waiter looks at the flag too early, and the wake-up comes in between")
        .thread("waiter", waiter)
        .thread("waker", waker)
        .expect_violations([ViolationKind::deadlock(["wait"])])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}

// close waits for a timer with the spinlock that the timer takes

use selvedge_core::sync::{SpinLock, Timer};
use selvedge_core::{Engine, Scenario, ViolationKind, in_world};

struct World {
    lock: SpinLock,
    watchdog: Timer,
}

fn world() -> World {
    let lock = SpinLock::new("lock", ());
    let watchdog = Timer::new("watchdog", in_world(watchdog));
    World { lock, watchdog }
}

fn watchdog(w: &World) {
    let mut lock_held = Vec::new();
    lock_held.push(w.lock.spin_lock());
    drop(lock_held.pop());
}

fn open(w: &World) {
    w.watchdog.mod_timer();
}

fn close(w: &World) {
    let mut lock_held = Vec::new();
    lock_held.push(w.lock.spin_lock_bh());
    _ = w.watchdog.del_timer_sync();
    drop(lock_held.pop());
}

fn scenario() -> Scenario {
    Scenario::builder("timer-under-spinlock", world)
        .about("close waits for a timer with the spinlock that the timer takes")
        .thread("open", open)
        .thread("close", close)
        .expect_violations([ViolationKind::deadlock(["lock", "watchdog"])])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}

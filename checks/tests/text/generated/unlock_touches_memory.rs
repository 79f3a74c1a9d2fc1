// mutex_unlock may still touch the mutex when the other thread has freed it

use selvedge_core::sync::{Atomic, Mutex, Tracked};
use selvedge_core::{Engine, Scenario, ViolationKind, function};

struct World {
    dev: Tracked,
    dev_lock: Mutex,
    dev_users: Atomic<i64>,
}

fn world() -> World {
    let mut dev_lock = None;
    let mut dev_users = None;
    let dev = Tracked::with("dev", || {
        dev_lock = Some(Mutex::new("dev->lock", ()));
        dev_users = Some(Atomic::new("dev->users", 2));
    });
    let dev_lock = dev_lock.expect("made with the memory");
    let dev_users = dev_users.expect("made with the memory");
    World { dev, dev_lock, dev_users }
}

fn close(w: &World) {
    let mut last = 0i64;
    {
        let _function = function("put");
        w.dev_lock.raw_lock();
        w.dev_users.store(w.dev_users.load() - 1);
        last = i64::from(w.dev_users.load() == 0);
        w.dev_lock.raw_unlock();
        if last != 0 {
            w.dev.release();
        }
    }
}

fn disconnect(w: &World) {
    let mut last = 0i64;
    {
        let _function = function("put");
        w.dev_lock.raw_lock();
        w.dev_users.store(w.dev_users.load() - 1);
        last = i64::from(w.dev_users.load() == 0);
        w.dev_lock.raw_unlock();
        if last != 0 {
            w.dev.release();
        }
    }
}

fn scenario() -> Scenario {
    Scenario::builder("unlock-touches-memory", world)
        .about("mutex_unlock may still touch the mutex when the other thread has freed it")
        .thread("close", close)
        .thread("disconnect", disconnect)
        .expect_violations([ViolationKind::use_after_release("dev")])
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}

// The reader may still use what is freed without a grace period

use selvedge_core::sync::{Atomic, Rcu, RcuHead, Tracked};
use selvedge_core::{Engine, Scenario, ViolationKind, function, in_world};

mod kfree {
    use super::*;

    struct World {
        dev: Tracked,
        rcu: Rcu,
        gone: Atomic<i64>,
    }

    fn world() -> World {
        let dev = Tracked::new("dev", ());
        let rcu = Rcu::new();
        let gone = Atomic::new("gone", 0);
        World { dev, rcu, gone }
    }

    fn reader(w: &World) {
        let mut rcu_held = Vec::new();
        rcu_held.push(w.rcu.read_lock());
        if w.gone.load() == 0 {
            w.dev.get();
        }
        drop(rcu_held.pop());
    }

    fn remove(w: &World) {
        w.gone.store(1);
        w.dev.release();
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("rcu/kfree", world)
            .about("The reader may still use what is freed without a grace period")
            .thread("reader", reader)
            .thread("remove", remove)
            .expect_violations([ViolationKind::use_after_release("dev")])
    }
}

mod synchronize_rcu {
    use super::*;

    struct World {
        dev: Tracked,
        rcu: Rcu,
        gone: Atomic<i64>,
    }

    fn world() -> World {
        let dev = Tracked::new("dev", ());
        let rcu = Rcu::new();
        let gone = Atomic::new("gone", 0);
        World { dev, rcu, gone }
    }

    fn reader(w: &World) {
        let mut rcu_held = Vec::new();
        rcu_held.push(w.rcu.read_lock());
        if w.gone.load() == 0 {
            w.dev.get();
        }
        drop(rcu_held.pop());
    }

    fn remove(w: &World) {
        w.gone.store(1);
        w.rcu.synchronize();
        w.dev.release();
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("rcu/synchronize_rcu", world)
            .about("The reader may still use what is freed without a grace period")
            .thread("reader", reader)
            .thread("remove", remove)
            .expect_proof()
    }
}

mod call_rcu {
    use super::*;

    struct World {
        dev: Tracked,
        rcu: Rcu,
        gone: Atomic<i64>,
    }

    fn world() -> World {
        let dev = Tracked::new("dev", ());
        let rcu = Rcu::new();
        let gone = Atomic::new("gone", 0);
        World { dev, rcu, gone }
    }

    fn reader(w: &World) {
        let mut rcu_held = Vec::new();
        rcu_held.push(w.rcu.read_lock());
        if w.gone.load() == 0 {
            w.dev.get();
        }
        drop(rcu_held.pop());
    }

    fn free_dev(w: &World) {
        {
            let _function = function("free_dev");
            w.dev.release();
        }
    }

    fn remove(w: &World) {
        w.gone.store(1);
        w.rcu.call(&RcuHead::new(in_world(free_dev)));
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("rcu/call_rcu", world)
            .about("The reader may still use what is freed without a grace period")
            .thread("reader", reader)
            .thread("remove", remove)
            .expect_proof()
    }
}

fn main() {
    kfree::scenario().assert_as_expected(Engine::Native);
    synchronize_rcu::scenario().assert_as_expected(Engine::Native);
    call_rcu::scenario().assert_as_expected(Engine::Native);
}

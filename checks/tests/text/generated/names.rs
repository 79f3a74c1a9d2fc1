// Names that have a meaning in Rust, or in the program that is printed

use selvedge_core::sync::{Atomic, Kref, Mutex, Rcu, RcuHead, SpinLock, Timer};
use selvedge_core::{Engine, Scenario, function, in_world, invariant_broken, poll};

mod a_b {
    use super::*;

    struct World {
        rcu: Rcu,
        in_world_: SpinLock,
        world_: Mutex,
        a_b: Mutex,
        a_b_1: Mutex,
        Mutex_: Mutex,
        function_: Atomic<i64>,
        forever_: Atomic<i64>,
        ok: Atomic<i64>,
        poll_: Timer,
        used_: Kref,
    }

    fn world() -> World {
        let rcu = Rcu::new();
        let in_world_ = SpinLock::new("in_world", ());
        let world_ = Mutex::new("world", ());
        let a_b = Mutex::new("a->b", ());
        let a_b_1 = Mutex::new("a_b", ());
        let Mutex_ = Mutex::new("Mutex", ());
        let function_ = Atomic::new("function", 0);
        let forever_ = Atomic::new("forever", 0);
        let ok = Atomic::new("ok", 0);
        let poll_ = Timer::new("poll", in_world(poll_));
        let used_ = Kref::new("used");
        World { rcu, in_world_, world_, a_b, a_b_1, Mutex_, function_, forever_, ok, poll_, used_ }
    }

    fn poll_(w: &World) {
        drop(w.in_world_.spin_lock());
    }

    fn drop_(w: &World) {
        let mut rcu_held = Vec::new();
        w.poll_.mod_timer();
        rcu_held.push(w.rcu.read_lock());
        w.ok.store(1);
        drop(rcu_held.pop());
    }

    fn function_(w: &World) {
        poll("end of while !ok", || {
            if !(w.ok.load() == 0) {
                return Some(());
            }
            None
        });
    }

    fn forever_(w: &World) {
        {
            let _held = w.a_b.lock();
            drop(w.a_b_1.lock());
        }
        {
            let _held = w.world_.lock();
            drop(w.Mutex_.lock());
        }
        if !(w.function_.load() == w.forever_.load()) {
            invariant_broken("function == forever", "the assertion does not hold");
        }
    }

    fn the_async(w: &World) {
        if w.used_.put() {
        }
    }

    fn rounds_(_w: &World) {
        {
            let _function = function("rounds");
        }
    }

    fn scenario_(w: &World) {
        w.rcu.call(&RcuHead::new(in_world(rounds_)));
    }

    fn main_(_w: &World) {
        let mut the_type = 0i64;
        the_type = 1;
        if the_type == 2 {
            return;
        }
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("names/a b", world)
            .about("Names that have a meaning in Rust, or in the program that is printed")
            .thread("drop", drop_)
            .thread("function", function_)
            .thread("forever", forever_)
            .thread("async", the_async)
            .thread("scenario", scenario_)
            .thread("main", main_)
            .expect_proof()
    }
}

mod a_b_1 {
    use super::*;

    struct World {
        m: Mutex,
    }

    fn world() -> World {
        let m = Mutex::new("m", ());
        World { m }
    }

    fn the_self(w: &World) {
        drop(w.m.lock());
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("names/a-b", world)
            .about("Names that have a meaning in Rust, or in the program that is printed")
            .thread("self", the_self)
            .expect_proof()
    }
}

fn main() {
    a_b::scenario().assert_as_expected(Engine::Native);
    a_b_1::scenario().assert_as_expected(Engine::Native);
}

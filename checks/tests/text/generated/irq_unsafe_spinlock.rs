// A spinlock of an interrupt, taken elsewhere with interrupts enabled

use selvedge_core::sync::{Irq, SpinLock};
use selvedge_core::{Engine, Scenario, ViolationKind, in_world};

mod the_unsafe {
    use super::*;

    struct World {
        rxlock: SpinLock,
        rx: Irq,
    }

    fn world() -> World {
        let rxlock = SpinLock::new("rxlock", ());
        let rx = Irq::request_irq("rx", in_world(rx));
        World { rxlock, rx }
    }

    fn rx(w: &World) {
        let mut rxlock_held = Vec::new();
        rxlock_held.push(w.rxlock.spin_lock());
        drop(rxlock_held.pop());
    }

    fn device(w: &World) {
        w.rx.raise();
    }

    fn work(w: &World) {
        let mut rxlock_held = Vec::new();
        rxlock_held.push(w.rxlock.spin_lock());
        drop(rxlock_held.pop());
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("irq-unsafe-spinlock/unsafe", world)
            .about("A spinlock of an interrupt, taken elsewhere with interrupts enabled")
            .thread("device", device)
            .thread("work", work)
            .expect_violations([ViolationKind::deadlock(["rxlock"])])
    }
}

mod irqsave {
    use super::*;

    struct World {
        rxlock: SpinLock,
        rx: Irq,
    }

    fn world() -> World {
        let rxlock = SpinLock::new("rxlock", ());
        let rx = Irq::request_irq("rx", in_world(rx));
        World { rxlock, rx }
    }

    fn rx(w: &World) {
        let mut rxlock_held = Vec::new();
        rxlock_held.push(w.rxlock.spin_lock());
        drop(rxlock_held.pop());
    }

    fn device(w: &World) {
        w.rx.raise();
    }

    fn work(w: &World) {
        let mut rxlock_held = Vec::new();
        rxlock_held.push(w.rxlock.spin_lock_irqsave());
        drop(rxlock_held.pop());
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("irq-unsafe-spinlock/irqsave", world)
            .about("A spinlock of an interrupt, taken elsewhere with interrupts enabled")
            .thread("device", device)
            .thread("work", work)
            .expect_proof()
    }
}

fn main() {
    the_unsafe::scenario().assert_as_expected(Engine::Native);
    irqsave::scenario().assert_as_expected(Engine::Native);
}

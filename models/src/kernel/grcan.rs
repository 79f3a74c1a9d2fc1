//! A timer that is deleted under the spinlock that its function takes.
//!
//! Source: can: grcan: a deadlock in `grcan_close`, April 2022; the same shape in img-ir, December
//! 2014.

use selvedge_core::sync::{Irq, SpinLock, Timer, Tracked};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function, in_world};

use super::report;

const SOURCE: &str = "can: grcan: a deadlock in grcan_close(), April 2022";

struct World {
    /// `priv->lock`, with `priv->closing`.
    lock: SpinLock<bool>,
    hang_timer: Timer,
    irq: Irq,
    private: Tracked,
}

fn world() -> World {
    World {
        lock: SpinLock::new("priv->lock", false),
        hang_timer: Timer::new("hang_timer", in_world(grcan_initiate_running_reset)),
        irq: Irq::request_irq("grcan", in_world(grcan_interrupt)),
        private: Tracked::new("grcan_priv", ()),
    }
}

fn grcan_initiate_running_reset(w: &World) {
    let _function = function("grcan_initiate_running_reset");
    w.private.get();
    w.lock.spin_lock_irqsave().unlock();
}

fn grcan_interrupt(w: &World) {
    let _function = function("grcan_interrupt");
    let closing = w.lock.spin_lock();
    if !*closing {
        w.hang_timer.mod_timer();
    }
}

/// Deletes the timer, with the lock held or not, and frees the device. `sets` says whether the
/// interrupt learns of it.
fn grcan_close(w: &World, locked: bool, sets: bool) {
    let _function = function("grcan_close");
    let mut closing = w.lock.spin_lock_irqsave();
    *closing = sets;
    if locked {
        w.hang_timer.del_timer_sync();
        closing.unlock();
    } else {
        closing.unlock();
        w.hang_timer.del_timer_sync();
    }
    w.irq.free_irq();
    w.private.release();
}

fn variant(name: &str, locked: bool, sets: bool) -> ScenarioBuilder<World> {
    report(&format!("grcan-close/{name}"), SOURCE, world)
        .thread("device", |w| w.irq.raise())
        .thread("close", move |w| grcan_close(w, locked, sets))
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        variant("locks", true, true)
            .about("a timer is deleted with the spinlock held that its function takes")
            .expect_violations([ViolationKind::deadlock(["hang_timer", "priv->lock"])]),
        variant("unlocks", false, true)
            .about("the lock is dropped, and a flag keeps the interrupt from arming the timer")
            .expect_proof(),
        variant("without-flag", false, false)
            .about("the lock is dropped, and the interrupt may arm the timer afterwards")
            .expect_violations([ViolationKind::use_after_release("grcan_priv")]),
    ]
}

//! A stall by a missing barrier before `waitqueue_active`.
//!
//! A `WaitQueue` is seen by all threads at once, so the wait queue is a word here: whether a thread
//! is queued.
//!
//! Source: tty/n_tty: a stall by a missing barrier at `waitqueue_active`, October 2015.

use std::sync::atomic::Ordering::Relaxed;

use selvedge_core::sync::{Ghost, WeakAtomic, smp_mb};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function};

use super::report;

const SOURCE: &str = "tty/n_tty: a stall by a missing barrier at waitqueue_active(), October 2015";

struct World {
    data: WeakAtomic,
    queued: WeakAtomic,
    /// Whether the reader sleeps without data, and whether the writer found no one to wake.
    stalled: Ghost<[bool; 2]>,
}

fn world() -> World {
    World {
        data: WeakAtomic::new("ldata->commit_head", 0),
        queued: WeakAtomic::new("tty->read_wait", 0),
        stalled: Ghost::new("stalled", [false; 2]),
    }
}

fn n_tty_read(w: &World) {
    let _function = function("n_tty_read");
    w.queued.store(1, Relaxed);
    // set_current_state has a full barrier.
    smp_mb();
    if w.data.load(Relaxed) == 0 {
        w.stalled.update(|stalled| stalled[0] = true);
    }
}

fn receive_buf(w: &World, barrier: bool) {
    let _function = function("__receive_buf");
    w.data.store(1, Relaxed);
    if barrier {
        smp_mb();
    }
    // waitqueue_active
    if w.queued.load(Relaxed) == 0 {
        w.stalled.update(|stalled| stalled[1] = true);
    }
}

fn variant(name: &str, barrier: bool) -> ScenarioBuilder<World> {
    report(&format!("n-tty-stall/{name}"), SOURCE, world)
        .about("data arrives while a reader queues itself: is the reader woken?")
        .thread("read", n_tty_read)
        .thread("receive", move |w| receive_buf(w, barrier))
        .finally(|w| {
            w.stalled.check("STALL", |stalled| match stalled {
                [true, true] => Err("the reader sleeps, and the data are there".to_owned()),
                _ => Ok(()),
            });
        })
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        variant("no-barrier", false).expect_violations([ViolationKind::invariant("STALL")]),
        variant("barrier", true).expect_proof(),
    ]
}

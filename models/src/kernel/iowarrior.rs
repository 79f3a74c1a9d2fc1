//! Two threads, of which the later one frees the mutex that both have taken.
//!
//! `mutex_unlock` may touch the mutex after the other thread could take it
//! (`Documentation/locking/mutex-design.rst`).
//!
//! Source: "USB: iowarrior: fix use-after-free on disconnect race", 2026-06-22.

use selvedge_core::sync::{Kref, Mutex, Tracked};
use selvedge_core::{Scenario, ViolationKind, function};

use super::report;

const SOURCE: &str = "\"USB: iowarrior: fix use-after-free on disconnect race\", 2026-06-22";

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct State {
    closed: bool,
    gone: bool,
}

struct World {
    dev: Tracked<Mutex<State>>,
    kref: Kref,
}

fn world() -> World {
    World {
        dev: Tracked::with("iowarrior", || Mutex::new("dev->mutex", State::default())),
        kref: Kref::new("dev->kref"),
    }
}

fn iowarrior_release(w: &World) {
    let _function = function("iowarrior_release");
    let mut state = w.dev.get().lock();
    state.closed = true;
    let free = state.gone;
    state.unlock();
    if free {
        w.dev.release();
    }
}

fn iowarrior_disconnect(w: &World) {
    let _function = function("iowarrior_disconnect");
    let mut state = w.dev.get().lock();
    state.gone = true;
    let free = state.closed;
    state.unlock();
    if free {
        w.dev.release();
    }
}

/// Does the same with a reference of its own, which it puts after the mutex.
fn counted(w: &World) {
    w.dev.get().lock().unlock();
    if w.kref.put() {
        w.dev.release();
    }
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let counted_world = || {
        let world = world();
        world.kref.get();
        world
    };
    vec![
        report("iowarrior-disconnect/flag", SOURCE, world)
            .about("the thread that sees the flag of the other frees the device")
            .thread("release", iowarrior_release)
            .thread("disconnect", iowarrior_disconnect)
            .finally(|w| assert!(w.kref.put(), "the reference is not used"))
            .expect_violations([ViolationKind::use_after_release("iowarrior")]),
        report("iowarrior-disconnect/kref", SOURCE, counted_world)
            .about("each thread has a reference")
            .thread("release", counted)
            .thread("disconnect", counted)
            .expect_proof(),
    ]
}

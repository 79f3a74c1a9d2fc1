//! The removal of a card reader: a kernel thread, an interrupt, a timer and a work.
//!
//! Source: memstick/r592: a use after free in `r592_remove`, 2023-03-07.

use selvedge_core::sync::{Irq, Kthread, Timer, Tracked, Work};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function, in_world};

use super::report;

const SOURCE: &str = "memstick/r592: a use after free in r592_remove, 2023-03-07";

struct World {
    io_thread: Kthread,
    irq: Irq,
    detect_timer: Timer,
    media_checker: Work,
    host: Tracked,
}

fn world() -> World {
    let world = World {
        io_thread: Kthread::new("r592_io", in_world(r592_process_thread)),
        irq: Irq::request_irq("r592", in_world(r592_irq)),
        detect_timer: Timer::new("detect_timer", in_world(r592_detect_timer)),
        media_checker: Work::new("media_checker", in_world(memstick_check)),
        host: Tracked::new("memstick_host", ()),
    };
    world.io_thread.kthread_run();
    world
}

fn r592_process_thread(w: &World) {
    let _function = function("r592_process_thread");
    w.io_thread.wait_event(|| w.io_thread.kthread_should_stop());
}

fn r592_irq(w: &World) {
    let _function = function("r592_irq");
    w.detect_timer.mod_timer();
}

fn r592_detect_timer(w: &World) {
    let _function = function("r592_detect_timer");
    w.host.get();
    w.media_checker.queue_work();
}

fn memstick_check(w: &World) {
    let _function = function("memstick_check");
    w.host.get();
}

/// Removes the device. Each step is one of the driver's, and the variants differ in their order.
fn r592_remove(w: &World, steps: &[fn(&World)]) {
    let _function = function("r592_remove");
    w.io_thread.kthread_stop();
    steps.iter().for_each(|step| step(w));
    w.host.release();
}

fn cancels(w: &World) {
    w.media_checker.cancel_work_sync();
}

fn frees_irq(w: &World) {
    w.irq.free_irq();
}

fn deletes(w: &World) {
    w.detect_timer.del_timer_sync();
}

fn variant(name: &str, steps: &'static [fn(&World)]) -> ScenarioBuilder<World> {
    report(&format!("r592-remove/{name}"), SOURCE, world)
        .thread("device", |w| w.irq.raise())
        .thread("remove", move |w| r592_remove(w, steps))
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let freed = || [ViolationKind::use_after_release("memstick_host")];
    vec![
        variant("reported", &[cancels, frees_irq])
            .about("a timer that the interrupt has armed runs after the host is freed")
            .expect_violations(freed()),
        variant("merged", &[deletes, cancels, frees_irq])
            .about("the merged fix deletes the timer while the interrupt can still arm it")
            .expect_violations(freed()),
        variant("reordered", &[frees_irq, deletes, cancels])
            .about("the interrupt first, then the timer, then the work")
            .expect_proof(),
    ]
}

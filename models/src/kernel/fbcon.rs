//! The cursor of the frame buffer console: a timer that queues a work that takes `console_lock`.
//!
//! Source: fbcon: a race between the console lock and the cursor timer, 2012-08-21.

use selvedge_core::sync::{Semaphore, Timer, Work};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function, in_world};

use super::report;

const SOURCE: &str = "fbcon: a race between the console lock and the cursor timer, 2012-08-21";

struct World {
    console_sem: Semaphore,
    cursor_timer: Timer,
    cursor: Work,
}

fn world(flashcursor: fn(&World)) -> World {
    World {
        console_sem: Semaphore::new("console_sem", 1),
        cursor_timer: Timer::new("cursor_timer", in_world(cursor_timer_handler)),
        cursor: Work::new("fb_flashcursor", in_world(flashcursor)),
    }
}

fn cursor_timer_handler(w: &World) {
    let _function = function("cursor_timer_handler");
    w.cursor.queue_work();
}

fn fb_flashcursor(w: &World) {
    let _function = function("fb_flashcursor");
    w.console_sem.down();
    w.console_sem.up();
}

fn fb_flashcursor_tries(w: &World) {
    let _function = function("fb_flashcursor");
    if w.console_sem.down_trylock() {
        w.console_sem.up();
    }
}

fn fbcon_deinit(w: &World) {
    let _function = function("fbcon_deinit");
    w.console_sem.down();
    w.cursor_timer.del_timer_sync();
    w.cursor.cancel_work_sync();
    w.console_sem.up();
}

fn variant(name: &str, flashcursor: fn(&World)) -> ScenarioBuilder<World> {
    report(&format!("fbcon-cursor/{name}"), SOURCE, move || {
        let world = world(flashcursor);
        world.cursor_timer.mod_timer();
        world
    })
    .thread("deinit", fbcon_deinit)
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        variant("locks", fb_flashcursor)
            .about("a work that takes console_lock is cancelled with console_lock held")
            .expect_violations([ViolationKind::deadlock(["console_sem"])]),
        variant("tries", fb_flashcursor_tries).about("the work tries console_lock").expect_proof(),
    ]
}

//! Timers and works that are stopped by a thread that holds what they want.

use std::sync::{Arc, Weak};

use selvedge_core::sync::{Kref, Mutex, SpinLock, Timer, Tracked, Work, Workqueue};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use super::{by_orderings, deadlock};

/// Returns a function of a timer or a work, which keeps no object alive.
fn within<W, T>(world: &Weak<W>, function: fn(&W)) -> impl Fn(&T) + use<W, T> {
    let world = Weak::clone(world);
    move |_| function(&world.upgrade().expect("the world lasts longer"))
}

/// When a connection of L2CAP stops its `info_timer`.
#[derive(Clone, Copy, PartialEq)]
enum Stop {
    WithLock,
    BeforeLock,
    /// By `disable_delayed_work_sync`.
    Disabled,
}

struct Connection {
    lock: Mutex,
    info_timer: Work,
    memory: Tracked,
}

/// Teardown cancels a delayed work and waits for it with the mutex that the work takes. If it
/// cancels before it takes the mutex, another thread queues the work again. "Bluetooth: L2CAP: Fix
/// deadlock in l2cap_conn_del()", 2026-03-20.
fn l2cap(stop: Stop) -> ScenarioBuilder<Arc<Connection>> {
    let world = || {
        Arc::new_cyclic(|conn: &Weak<Connection>| Connection {
            lock: Mutex::new("conn->lock", ()),
            info_timer: Work::new(
                "info_timer",
                within(conn, |conn: &Connection| {
                    conn.lock.lock().unlock();
                    conn.memory.get();
                }),
            ),
            memory: Tracked::new("l2cap_conn", ()),
        })
    };
    Scenario::builder("l2cap", world)
        .source("\"Bluetooth: L2CAP: Fix deadlock in l2cap_conn_del()\", 2026-03-20")
        .thread("l2cap_connect", |conn| {
            let held = conn.lock.lock();
            conn.info_timer.queue_work();
            held.unlock();
        })
        .thread("l2cap_conn_del", move |conn| {
            match stop {
                Stop::WithLock => {
                    let _held = conn.lock.lock();
                    conn.info_timer.cancel_work_sync();
                }
                Stop::BeforeLock => {
                    conn.info_timer.cancel_work_sync();
                    conn.lock.lock().unlock();
                }
                Stop::Disabled => {
                    conn.info_timer.disable_work_sync();
                    conn.lock.lock().unlock();
                }
            }
            conn.memory.release();
        })
}

#[test]
fn a_work_is_cancelled_with_its_mutex_held() {
    let freed = ViolationKind::use_after_release("l2cap_conn");
    let both = [deadlock(["conn->lock", "info_timer"]), freed.clone()];
    by_orderings(&l2cap(Stop::WithLock).expect_violations(both));
    by_orderings(&l2cap(Stop::BeforeLock).expect_violations([freed]));
    by_orderings(&l2cap(Stop::Disabled).expect_proof());
}

struct Controller {
    references: Kref,
    queue: Workqueue,
    error_reset: Work,
}

impl Controller {
    /// `hci_dev_put`, and `hci_release_dev` with the last reference.
    fn put(&self) {
        if self.references.put() {
            self.queue.destroy_workqueue();
        }
    }
}

/// A work drops the last reference, and the release destroys the queue that the work runs on.
/// "Bluetooth: hci_core: cancel all works upon hci_unregister_dev()", syzbot, 2024-06-10.
fn hci(cancels: bool) -> ScenarioBuilder<Arc<Controller>> {
    let world = || {
        let hdev = Arc::new_cyclic(|hdev: &Weak<Controller>| {
            let queue = Workqueue::new("hdev->workqueue", 2);
            let reset = |hdev: &Controller| {
                hdev.references.get();
                hdev.put();
            };
            Controller {
                references: Kref::new("hci_dev"),
                error_reset: queue.init_work("error_reset", within(hdev, reset)),
                queue,
            }
        });
        hdev.error_reset.queue_work();
        hdev
    };
    Scenario::builder("hci", world)
        .source(
            "\"Bluetooth: hci_core: cancel all works upon hci_unregister_dev()\", syzbot, \
             2024-06-10",
        )
        .thread("hci_unregister_dev", move |hdev| {
            if cancels {
                hdev.error_reset.cancel_work_sync();
            }
            hdev.put();
        })
}

#[test]
fn a_work_destroys_its_own_queue() {
    let kinds = [deadlock(["hdev->workqueue"]), ViolationKind::use_after_release("hci_dev")];
    by_orderings(&hci(false).expect_violations(kinds));
    by_orderings(&hci(true).expect_proof());
}

struct Grcan {
    closing: SpinLock<bool>,
    hang_timer: Timer,
    memory: Tracked,
}

/// The order in which a CAN device is closed.
#[derive(Clone, Copy, PartialEq)]
enum Close {
    WithLock,
    WithoutLock,
    Closing,
}

/// `grcan_close` holds the spinlock and waits for a timer whose function takes it. can/grcan,
/// 2022-04; img-ir had the same, 2014-12-01.
fn grcan(close: Close) -> ScenarioBuilder<Arc<Grcan>> {
    let world = || {
        Arc::new_cyclic(|priv_: &Weak<Grcan>| Grcan {
            closing: SpinLock::new("priv->lock", false),
            hang_timer: Timer::new(
                "hang_timer",
                within(priv_, |priv_: &Grcan| {
                    priv_.closing.spin_lock_irqsave().unlock();
                    priv_.memory.get();
                }),
            ),
            memory: Tracked::new("grcan_priv", ()),
        })
    };
    Scenario::builder("grcan", world)
        .source("can/grcan: deadlock in grcan_close(), 2022-04")
        .thread("grcan_interrupt", |priv_| {
            let closing = priv_.closing.spin_lock_irqsave();
            if !*closing {
                priv_.hang_timer.mod_timer();
            }
        })
        .thread("grcan_close", move |priv_| {
            let mut closing = priv_.closing.spin_lock_irqsave();
            *closing = close == Close::Closing;
            if close == Close::WithLock {
                priv_.hang_timer.del_timer_sync();
                closing.unlock();
            } else {
                closing.unlock();
                priv_.hang_timer.del_timer_sync();
            }
            priv_.memory.release();
        })
}

#[test]
fn a_timer_is_deleted_with_its_lock_held() {
    let freed = ViolationKind::use_after_release("grcan_priv");
    let both = [deadlock(["hang_timer", "priv->lock"]), freed.clone()];
    by_orderings(&grcan(Close::WithLock).expect_violations(both));
    by_orderings(&grcan(Close::WithoutLock).expect_violations([freed]));
    by_orderings(&grcan(Close::Closing).expect_proof());
}

struct Console {
    lock: Mutex,
    cursor_timer: Timer,
    flashcursor: Work,
}

/// `fbcon_deinit` holds the console's semaphore and stops a timer and the work that it queues,
/// which takes the semaphore. fbcon, 2012-08-21. The semaphore is a mutex here, and the timer does
/// not arm itself again: each work that it queues would be one more thread, without end.
fn fbcon(tries: bool) -> ScenarioBuilder<Arc<Console>> {
    let flash = if tries {
        |console: &Console| drop(console.lock.try_lock())
    } else {
        |console: &Console| drop(console.lock.lock())
    };
    let world = move || {
        let console = Arc::new_cyclic(|console: &Weak<Console>| Console {
            lock: Mutex::new("console_lock", ()),
            cursor_timer: Timer::new(
                "cursor_timer",
                within(console, |console: &Console| _ = console.flashcursor.queue_work()),
            ),
            flashcursor: Work::new("fb_flashcursor", within(console, flash)),
        });
        console.cursor_timer.mod_timer();
        console
    };
    Scenario::builder("fbcon", world)
        .source("fbcon: race between console lock and cursor timer, 2012-08-21")
        .thread("fbcon_deinit", |console| {
            let _held = console.lock.lock();
            console.cursor_timer.del_timer_sync();
            console.flashcursor.cancel_work_sync();
        })
}

#[test]
fn a_console_is_closed_with_the_lock_of_its_cursor() {
    by_orderings(&fbcon(false).expect_violations([deadlock(["console_lock", "fb_flashcursor"])]));
    by_orderings(&fbcon(true).expect_proof());
}

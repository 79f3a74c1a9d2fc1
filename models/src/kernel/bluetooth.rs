//! Works of an L2CAP connection that are cancelled under the mutex that they take.
//!
//! Source: "Bluetooth: L2CAP: Fix deadlock in l2cap_conn_del()", 2026-03-20.

use selvedge_core::sync::{Mutex, Tracked, Work};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function, in_world};

use super::report;

const SOURCE: &str = "\"Bluetooth: L2CAP: Fix deadlock in l2cap_conn_del()\", 2026-03-20";

struct World {
    /// `conn->lock`, with whether the connection is being deleted.
    lock: Mutex<bool>,
    info_timer: Work,
    conn: Tracked,
}

fn world() -> World {
    World {
        lock: Mutex::new("conn->lock", false),
        info_timer: Work::new("info_timer", in_world(l2cap_info_timeout)),
        conn: Tracked::new("l2cap_conn", ()),
    }
}

fn l2cap_info_timeout(w: &World) {
    let _function = function("l2cap_info_timeout");
    w.conn.get();
    w.lock.lock().unlock();
}

/// Sends a request whose answer the work awaits, unless the connection is being deleted.
fn l2cap_conn_start(w: &World) {
    let _function = function("l2cap_conn_start");
    let deleted = w.lock.lock();
    if !*deleted {
        w.info_timer.queue_delayed_work();
    }
}

fn del_locked(w: &World) {
    let _function = function("l2cap_conn_del");
    let mut deleted = w.lock.lock();
    *deleted = true;
    w.info_timer.cancel_work_sync();
    deleted.unlock();
    w.conn.release();
}

/// Cancels before it takes the mutex. The work may be queued again in between.
fn del_cancels(w: &World) {
    let _function = function("l2cap_conn_del");
    w.info_timer.cancel_work_sync();
    *w.lock.lock() = true;
    w.conn.release();
}

fn del_disables(w: &World) {
    let _function = function("l2cap_conn_del");
    w.info_timer.disable_work_sync();
    *w.lock.lock() = true;
    w.conn.release();
}

fn variant(name: &str, del: fn(&World)) -> ScenarioBuilder<World> {
    report(&format!("l2cap-conn-del/{name}"), SOURCE, world)
        .thread("start", l2cap_conn_start)
        .thread("del", del)
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        variant("locks", del_locked)
            .about("a delayed work is cancelled with the mutex held that it takes")
            .expect_violations([ViolationKind::deadlock(["conn->lock", "info_timer"])]),
        variant("cancels", del_cancels)
            .about("the work is cancelled before the mutex is taken, and queued again in between")
            .expect_violations([ViolationKind::use_after_release("l2cap_conn")]),
        variant("disables", del_disables)
            .about("the work is disabled, so that it cannot be queued again")
            .expect_proof(),
    ]
}

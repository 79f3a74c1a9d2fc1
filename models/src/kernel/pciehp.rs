//! A removal and a reset of a PCI device that take two locks in opposite order.
//!
//! Source: PCI: pciehp: `reset_lock` against `device_lock`, 2020-07-21, 2022-09-16, merged in 2023.

use selvedge_core::sync::{Mutex, RwSem};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function};

use super::report;

const SOURCE: &str = "PCI: pciehp: reset_lock against device_lock, 2020-07-21, 2022-09-16 and 2023";

struct Port {
    reset_lock: RwSem,
    device_lock: Mutex,
}

fn port() -> Port {
    Port { reset_lock: RwSem::new("reset_lock", ()), device_lock: Mutex::new("device_lock", ()) }
}

fn pciehp_ist(port: &Port) {
    let _function = function("pciehp_ist");
    let _reset = port.reset_lock.down_read();
    port.device_lock.lock().unlock();
}

/// Does not hold `reset_lock` while the driver is unbound.
fn pciehp_ist_fixed(port: &Port) {
    let _function = function("pciehp_ist");
    port.reset_lock.down_read().up_read();
    port.device_lock.lock().unlock();
}

fn pciehp_reset_slot(port: &Port) {
    let _function = function("pciehp_reset_slot");
    let _device = port.device_lock.lock();
    port.reset_lock.down_write().up_write();
}

/// Removes a port that has another port below it, whose lock is of the same class.
fn remove_nested(ports: &[Port; 2]) {
    let _function = function("pciehp_ist");
    let _outer = ports[0].reset_lock.down_read();
    pciehp_ist(&ports[1]);
}

fn variant(name: &str, removal: fn(&Port)) -> ScenarioBuilder<Port> {
    report(&format!("pciehp-reset/{name}"), SOURCE, port)
        .thread("remove", removal)
        .thread("reset", pciehp_reset_slot)
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        variant("held", pciehp_ist)
            .about("a surprise removal and a reset take two locks in opposite order")
            .expect_violations([ViolationKind::deadlock(["device_lock", "reset_lock"])]),
        variant("released", pciehp_ist_fixed)
            .about("the removal releases one lock before it takes the other")
            .expect_proof(),
        report("pciehp-reset/nested", SOURCE, || [port(), port()])
            .about("a port below a port: one class, two instances, always in this order")
            .thread("remove", remove_nested)
            .expect_proof()
            .expect_inversion(["reset_lock"]),
    ]
}

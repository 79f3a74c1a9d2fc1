//! A work that drops the last reference to what owns its queue.
//!
//! Source: "Bluetooth: hci_core: cancel all works upon hci_unregister_dev()", 2024-06-10.

use selvedge_core::sync::{Kref, Work, Workqueue};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function, in_world};

use super::report;

const SOURCE: &str =
    "\"Bluetooth: hci_core: cancel all works upon hci_unregister_dev()\", 2024-06-10";

struct World {
    workqueue: Workqueue,
    error_reset: Work,
    hdev: Kref,
}

fn world() -> World {
    let workqueue = Workqueue::ordered("hdev->workqueue");
    let error_reset = workqueue.init_work("error_reset", in_world(hci_error_reset));
    World { workqueue, error_reset, hdev: Kref::new("hdev") }
}

fn hci_dev_put(w: &World) {
    if w.hdev.put() {
        let _function = function("hci_release_dev");
        w.workqueue.destroy_workqueue();
    }
}

fn hci_error_reset(w: &World) {
    let _function = function("hci_error_reset");
    w.hdev.get();
    hci_dev_put(w);
}

fn hci_unregister_dev(w: &World) {
    let _function = function("hci_unregister_dev");
    hci_dev_put(w);
}

fn hci_unregister_dev_cancels(w: &World) {
    let _function = function("hci_unregister_dev");
    w.error_reset.disable_work_sync();
    hci_dev_put(w);
}

fn variant(name: &str, unregister: fn(&World)) -> ScenarioBuilder<World> {
    report(&format!("hci-error-reset/{name}"), SOURCE, || {
        let world = world();
        world.workqueue.queue_work(&world.error_reset);
        world
    })
    .thread("unregister", unregister)
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let itself = ViolationKind::deadlock(["hdev->workqueue"]);
    // The work may also begin after the last reference was put.
    let freed = ViolationKind::use_after_release("hdev");
    vec![
        variant("puts", hci_unregister_dev)
            .about("the work of a device drops its last reference and destroys its own queue")
            .expect_violations([itself, freed]),
        variant("cancels", hci_unregister_dev_cancels)
            .about("the work is cancelled before the reference is dropped")
            .expect_proof(),
    ]
}

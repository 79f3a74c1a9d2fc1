//! The `selvedge` command over scenarios of one's own.
//!
//! ```text
//! cargo run --example own_command -- explain example/probe-remove
//! ```

use std::process::ExitCode;

use selvedge_core::sync::Mutex;
use selvedge_core::{Scenario, ViolationKind};

type Locks = (Mutex, Mutex);

fn locks() -> Locks {
    (Mutex::new("list_lock", ()), Mutex::new("device->mutex", ()))
}

fn probe((list, device): &Locks) {
    let device = device.lock();
    list.lock().unlock();
    device.unlock();
}

fn remove((list, device): &Locks) {
    let list = list.lock();
    device.lock().unlock();
    list.unlock();
}

fn main() -> ExitCode {
    let beside = Scenario::builder("example/probe-remove", locks)
        .about("a device is removed while it is probed")
        .thread("probe", probe)
        .thread("remove", remove)
        .expect_violations([ViolationKind::deadlock(["device->mutex", "list_lock"])]);
    let in_turn = Scenario::builder("example/in-turn", locks)
        .about("a device is removed after it was probed")
        .calls("administrator", |calls| calls.then(probe).then(remove))
        .expect_proof()
        .expect_inversion(["device->mutex", "list_lock"]);
    selvedge_checks::main(vec![beside, in_turn])
}

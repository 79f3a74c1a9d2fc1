//! Bug reports of other subsystems, each as reported and as fixed.
//!
//! These are not drivers with versions. Each report is one file: the objects that its functions
//! share, the functions under their kernel names, and the scenarios. A report whose argument turned
//! on an assumption ("never the same instance", "harmless without a writer") has a scenario for
//! each half. Each is written from the report and the fix, and is as small as the bug.

mod alsa;
mod bcache;
mod bluetooth;
mod cgroup;
mod fbcon;
mod grcan;
mod hci;
mod iowarrior;
mod kernfs;
mod locks;
mod memstick;
mod mm;
mod module;
mod net;
mod pciehp;
mod rules;
mod tty;

pub use rules::RULES;

use selvedge_core::{Scenario, ScenarioBuilder};

/// Returns every scenario of the family.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let reports = [
        kernfs::scenarios(),
        bluetooth::scenarios(),
        hci::scenarios(),
        grcan::scenarios(),
        fbcon::scenarios(),
        locks::scenarios(),
        alsa::scenarios(),
        iowarrior::scenarios(),
        memstick::scenarios(),
        bcache::scenarios(),
        module::scenarios(),
        mm::scenarios(),
        cgroup::scenarios(),
        pciehp::scenarios(),
        net::scenarios(),
        tty::scenarios(),
    ];
    reports.into_iter().flatten().collect()
}

/// Begins the scenario `kernel/<report>/<variant>`.
fn report<W: Send + Sync + 'static>(
    name: &str,
    source: &str,
    world: impl Fn() -> W + Send + Sync + 'static,
) -> ScenarioBuilder<W> {
    Scenario::builder(format!("kernel/{name}"), world).source(source)
}

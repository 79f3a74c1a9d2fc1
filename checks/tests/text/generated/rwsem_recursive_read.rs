// A reader reads again while a writer waits, which the semaphore prefers

use selvedge_core::sync::RwSem;
use selvedge_core::{Engine, Scenario, ViolationKind};

mod without_a_writer {
    use super::*;

    struct World {
        pci_bus_sem: RwSem,
    }

    fn world() -> World {
        let pci_bus_sem = RwSem::new("pci_bus_sem", ());
        World { pci_bus_sem }
    }

    fn pci_walk_bus(w: &World) {
        w.pci_bus_sem.raw_down_read();
        w.pci_bus_sem.raw_down_read();
        w.pci_bus_sem.raw_up_read();
        w.pci_bus_sem.raw_up_read();
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("rwsem-recursive-read/without a writer", world)
            .about("A reader reads again while a writer waits, which the semaphore prefers")
            .thread("pci_walk_bus", pci_walk_bus)
            .expect_proof()
            .expect_inversion(["pci_bus_sem"])
    }
}

mod with_a_writer {
    use super::*;

    struct World {
        pci_bus_sem: RwSem,
    }

    fn world() -> World {
        let pci_bus_sem = RwSem::new("pci_bus_sem", ());
        World { pci_bus_sem }
    }

    fn pci_walk_bus(w: &World) {
        w.pci_bus_sem.raw_down_read();
        w.pci_bus_sem.raw_down_read();
        w.pci_bus_sem.raw_up_read();
        w.pci_bus_sem.raw_up_read();
    }

    fn pci_bus_add(w: &World) {
        w.pci_bus_sem.raw_down_write();
        w.pci_bus_sem.raw_up_write();
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("rwsem-recursive-read/with a writer", world)
            .about("A reader reads again while a writer waits, which the semaphore prefers")
            .thread("pci_walk_bus", pci_walk_bus)
            .thread("pci_bus_add", pci_bus_add)
            .expect_violations([ViolationKind::deadlock(["pci_bus_sem"])])
    }
}

fn main() {
    without_a_writer::scenario().assert_as_expected(Engine::Native);
    with_a_writer::scenario().assert_as_expected(Engine::Native);
}

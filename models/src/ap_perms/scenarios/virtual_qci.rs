//! `vfio-ap/virtual-qci`: the AP bus above a matrix bus that virtualises QCI, without a callback.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::ap::virtual_qci::{Buses, Handover};

const SOURCE: &str = "\"Re: [PATCH v7 03/15] s390/zcrypt: driver callback to indicate resource in \
                      use\", P. Morel, 2020-04-27";

pub(super) fn scenarios() -> Vec<Scenario> {
    let shared = [ViolationKind::invariant("INV-18")];
    let circle = [ViolationKind::deadlock(["ap_scan_bus", "matrix_bus"])];
    vec![
        scenario("at-once", Handover::AtOnce)
            .about("a guest gets a queue before the AP bus has scanned")
            .expect_violations(shared),
        scenario("after-scan", Handover::AfterScan)
            .about("a guest gets a queue after the AP bus has scanned")
            .expect_proof(),
        scenario("after-scan-locked", Handover::AfterScanLocked)
            .about("the lock of the matrix bus is held while the AP bus scans")
            .expect_violations(circle),
    ]
}

fn scenario(name: &str, handover: Handover) -> ScenarioBuilder<Buses> {
    Scenario::builder(format!("vfio-ap/virtual-qci/{name}"), move || Buses::new(handover))
        .source(SOURCE)
        .thread("assign", Buses::assign)
        .thread("ap_scan_bus", Buses::ap_scan_bus)
        .thread("zcrypt", Buses::zcrypt)
}

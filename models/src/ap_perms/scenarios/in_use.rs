//! `vfio-ap/in-use`: what protects the driver's text while the bus calls into it.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::ap_perms::module_exit::{DriverCore, Kept};

const V7: &str = "\"[PATCH v7 03/15] s390/zcrypt: driver callback to indicate resource in use\": \
                  C. Huck, 2020-04-14, and H. Freudenberger, 2020-04-15";

pub(super) fn scenarios() -> Vec<Scenario> {
    let gone = || [ViolationKind::use_after_release("vfio_ap")];
    vec![
        scenario("no-module-ref", Kept::ByNothing)
            .about("without a reference or the list, the bus calls into freed text")
            .expect_violations(gone()),
        scenario("module-ref", Kept::ByBoth)
            .about("as merged: a reference, and the node of the list held during the whole call")
            .expect_proof(),
        scenario("module-ref-alone", Kept::ByModuleRef)
            .about("a reference that is taken while the node is held is enough")
            .expect_proof(),
        scenario("module-ref-too-late", Kept::ByLateModuleRef)
            .about("a reference that is requested after the node is released comes too late")
            .expect_violations(gone()),
        scenario("klist-alone", Kept::ByKlist)
            .about("the reviewer's question: the node of the list alone is enough")
            .expect_proof(),
    ]
}

fn scenario(name: &str, kept: Kept) -> ScenarioBuilder<DriverCore> {
    Scenario::builder(format!("vfio-ap/in-use/{name}"), move || DriverCore::new(kept))
        .source(V7)
        .thread("apmask_store", |core| core.bus_for_each_drv())
        .thread("rmmod", |core| core.delete_module())
}

//! `vfio-ap/in-use`: what keeps the driver's text while the bus calls into it?

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::ap_perms::module_exit::{DriverCore, Kept};

const V7: &str = "\"[PATCH v7 03/15] s390/zcrypt: driver callback to indicate resource in use\": \
                  C. Huck, 2020-04-14, and H. Freudenberger, 2020-04-15";

pub(super) fn scenarios() -> Vec<Scenario> {
    let gone = || [ViolationKind::use_after_release("vfio_ap")];
    vec![
        scenario("no-module-ref", Kept::ByNothing)
            .about("neither a reference nor the list keeps the driver: a call into freed text")
            .expect_violations(gone()),
        scenario("module-ref", Kept::ByBoth)
            .about("as merged: a reference, and a hold on the list over the whole call")
            .expect_proof(),
        scenario("module-ref-alone", Kept::ByModuleRef)
            .about("a reference, taken while the list keeps the driver, is enough for the rest")
            .expect_proof(),
        scenario("module-ref-too-late", Kept::ByLateModuleRef)
            .about("a reference that is asked for after the list has let go comes too late")
            .expect_violations(gone()),
        scenario("klist-alone", Kept::ByKlist)
            .about("the reviewer's question: the list alone, held over the call, is enough")
            .expect_proof(),
    ]
}

fn scenario(name: &str, kept: Kept) -> ScenarioBuilder<DriverCore> {
    Scenario::builder(format!("vfio-ap/in-use/{name}"), move || DriverCore::new(kept))
        .source(V7)
        .thread("apmask_store", |core| core.bus_for_each_drv())
        .thread("rmmod", |core| core.delete_module())
}

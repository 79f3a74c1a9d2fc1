//! `vfio-ap/default-driver`: a queue is taken from the host's own driver, which is not asked.
//!
//! "Why is it to avoid in one way and not in the other way?", asked P. Morel.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use crate::ap::zcrypt::{Queue, Removal};

const SOURCE: &str = "\"Re: [PATCH v7 03/15] s390/zcrypt: driver callback to indicate resource in \
                      use\", P. Morel, 2020-04-27";

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("flushes", Removal::Flushes)
            .about("a queue is taken while it has a request, which ends with an error or a reply")
            .expect_proof(),
        scenario("forgets", Removal::Forgets)
            .about("the request is not ended, and no reply comes")
            .expect_violations([ViolationKind::deadlock(["request"])]),
    ]
}

fn scenario(name: &str, removal: Removal) -> ScenarioBuilder<Queue> {
    Scenario::builder(format!("vfio-ap/default-driver/{name}"), move || Queue::new(removal))
        .source(SOURCE)
        .thread("zcrypt", |queue| _ = queue.ap_queue_message())
        .thread("apmask_store", Queue::ap_queue_prepare_remove)
        .thread("card", Queue::ap_sm_recv)
}

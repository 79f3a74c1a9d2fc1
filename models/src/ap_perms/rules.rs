//! The rules of the two parties that decide about a queue.

use crate::Rule;

/// Every rule of the dispute over `ap_perms_mutex`.
pub const RULES: &[Rule] = &[
    Rule::new("INV-07", "a queue that `in_use` denies is not assigned until the masks are written"),
    Rule::new("INV-11", "no thread calls into a module that is unloaded")
        .shown_as(&["use-after-release(vfio_ap*)"]),
    Rule::new("INV-24", "no call fails only because a lock was held"),
    Rule::new("INV-18", "no guest has a queue of the host's own driver"),
    Rule::new("LOST-MASK", "no change of a mask is lost"),
    Rule::new("LOST-REQUEST", "a request on a queue that is taken from its driver ends")
        .shown_as(&["deadlock(*request*)"]),
    Rule::new("NULL", "no NULL pointer is followed"),
    Rule::new("OVERRIDE", "the name of a chosen driver is not read after its free")
        .shown_as(&["use-after-release(driver_override)"]),
    Rule::new("TAKEN", "an assigned queue is not bound to the host's driver"),
];

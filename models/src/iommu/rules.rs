//! The rules of attaching, listing and flushing. [`hardware`](super::hardware) checks those that
//! only the hardware can see.

use crate::Rule;

/// Every rule of the IOMMU driver. I-12, that an error of one function does not prevent the flush
/// of another, is checked as I-11.
pub const RULES: &[Rule] = &[
    Rule::new("I-1", "the hardware and the driver have the same table of a function"),
    Rule::new("I-2", "a group has the domain of its device"),
    Rule::new("I-3", "a device is on the list of its domain once, and on no other list"),
    Rule::new("I-4a", "a table is freed by its owner"),
    Rule::new("I-4b", "a table is not walked, changed or registered after its free"),
    Rule::new("I-4c", "a table is freed once"),
    Rule::new("I-5", "a released device is on no list"),
    Rule::new("I-6", "a released device is not attached"),
    Rule::new("I-7a", "the DMA API begins without a domain"),
    Rule::new("I-7b", "the DMA API loses no bitmap"),
    Rule::new("I-7c", "the DMA API ends without a domain"),
    Rule::new("I-7d", "the DMA API loses no table"),
    Rule::new("I-8", "a function is registered once and unregistered once"),
    Rule::new("I-9", "a device that could not be attached is blocked"),
    Rule::new("I-10", "a walk of a list stays on this list"),
    Rule::new("I-11", "a function does not use a translation after its flush"),
    Rule::new("I-13", "no thread sleeps with a spinlock held, and locks have an order")
        .shown_as(&["sleep-in-atomic(*)", "deadlock(*)"]),
    Rule::new("APERTURE", "the devices of a domain have the same aperture"),
    Rule::new("B3", "a domain with a device is not freed"),
    Rule::new("CONTAINER-OF", "only a domain of the driver is cast to one"),
    Rule::new("COOKIE", "an allocator is initialised once"),
    Rule::new("ENDLESS", "a walk of a list ends"),
    Rule::new("NULL", "no NULL pointer is followed"),
    Rule::new("WARN", "a domain that must not fail to attach does not fail"),
];

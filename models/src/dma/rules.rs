//! The rules of reusing DMA addresses.

use crate::Rule;

/// Every rule of the schemes that a scenario breaks. I4, I5, I9, I11 and I12 concern one thread
/// alone, and are tests of the allocators. I6 and I8 are checked, and no scheme breaks them.
pub const RULES: &[Rule] = &[
    Rule::new("I1", "a page is reused only after a flush that began after it was unmapped"),
    Rule::new("I2", "a page is allocated once and freed once"),
    Rule::new("I3", "every page that is not mapped is free in the end"),
    Rule::new("I7", "a timer is armed while a page is parked"),
    Rule::new("I10", "an allocation succeeds while a page is parked"),
    Rule::new("I-4", "a table is not walked after its free"),
    Rule::new("L5", "one CPU arms the timer"),
    Rule::new("NULL", "no NULL pointer is followed"),
];

//! The rules of the driver. [`hardware`](super::hardware) and [`invariants`](super::invariants)
//! check most of them.

use crate::Rule;

/// Every rule of the driver.
pub const RULES: &[Rule] = &[
    Rule::new("INV-01", "two guests never have the same queue"),
    Rule::new("INV-02", "a queue is assigned to one mediated device"),
    Rule::new("INV-02b", "a guest has one mediated device"),
    Rule::new("INV-03", "the hook does not outlive its mediated device, nor a handler its closing")
        .shown_as(&["use-after-release(matrix_mdev*)"]),
    Rule::new(
        "INV-04",
        "what an interrupt needs is there while it is enabled, and is released once",
    ),
    Rule::new("INV-05", "a guest keeps nothing at the end"),
    Rule::new("INV-06", "references are balanced").shown_as(&["leak(kvm*)"]),
    Rule::new("INV-06b", "no thread takes a lock of a guest that is gone")
        .shown_as(&["use-after-release(kvm*)"]),
    Rule::new("INV-07", "a queue that `in_use` denies is not assigned until the masks are written"),
    Rule::new("INV-08", "a page stays pinned while a queue may write to it"),
    Rule::new("INV-09", "a queue and its mediated device point to each other"),
    Rule::new("INV-10", "a queue of a guest is bound to the driver, linked, and the host's"),
    Rule::new("INV-12", "a failed attach changes nothing"),
    Rule::new("INV-13", "only the owner unlocks").shown_as(&["unlock-by-non-owner(*)"]),
    Rule::new("INV-14", "masks are read as a whole"),
    Rule::new("INV-15", "every wait for the hardware ends if the hardware responds")
        .shown_as(&["deadlock(*reset of an AP queue*)"]),
    Rule::new("INV-16", "a response reaches the vCPU that executed the instruction"),
    Rule::new("INV-17", "a queue has no messages of its previous guest"),
    Rule::new("INV-18", "no guest has a queue of the host's own driver"),
    Rule::new("INV-20", "lists change under their lock, and an entry is on a list once"),
    Rule::new("INV-21", "a guest has what the shadow says, or before hot plug, the matrix"),
    Rule::new("INV-22", "flushed work takes no lock that the flushing thread holds")
        .shown_as(&["deadlock(*reset_work*)"]),
    Rule::new("INV-23", "PQAP(AQIC) succeeds only on a queue of the guest"),
    Rule::new("INV-24", "no call fails only because a lock was held"),
    Rule::new("BUG", "a page is unpinned after the driver was notified often enough"),
    Rule::new("LOST-IRQ", "interrupts that the guest has enabled stay enabled"),
    Rule::new("NULL", "no NULL pointer is followed"),
    Rule::new("PIN-OWNER", "every pinned page belongs to a queue that will unpin it"),
    Rule::new("POSTCONDITION", "a call has its effect when no other thread runs"),
    Rule::new("REQUESTED", "a guest that was asked to release its queues gets none of them back"),
    Rule::new("RESET-IN-USE", "a queue that a guest uses is not reset"),
    Rule::new("SECURE-NIB", "a queue does not write to a page that is secret"),
    Rule::new("SYSFS-GROUP", "sysfs groups are removed as often as they are created"),
    Rule::new("TAKEN", "an assigned queue is not bound to the host's driver"),
    Rule::new("TORN", "a pointer is read as a whole"),
    Rule::new("WITHHELD", "an adapter is withheld from a guest only for a reason"),
];

//! What the reports break.

use crate::Rule;

/// Every rule that a report breaks.
pub const RULES: &[Rule] = &[
    Rule::new("LOCKS", "no thread waits for good").shown_as(&["deadlock(*)"]),
    Rule::new("PROGRESS", "no thread starves").shown_as(&["starvation(*)"]),
    Rule::new("LIFETIME", "no memory is used after its free")
        .shown_as(&["use-after-release(*)", "freed-while-held(*)"]),
    Rule::new("CONTEXT", "no thread sleeps in atomic context").shown_as(&["sleep-in-atomic(*)"]),
    Rule::new("STALL", "a thread that waits for data is woken when it arrives"),
    Rule::new(
        "rcu_dereference",
        "a pointer of RCU is followed in a read section or under its lock",
    ),
];

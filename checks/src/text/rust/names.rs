//! Names in Rust, and what is imported.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The types and functions that may be needed.
const TYPES: &[&str] = &[
    "Atomic",
    "Choice",
    "Completion",
    "Irq",
    "Kref",
    "Kthread",
    "ModuleRef",
    "Mutex",
    "Plain",
    "Rcu",
    "RcuHead",
    "RwLock",
    "RwSem",
    "Semaphore",
    "SpinLock",
    "Srcu",
    "Tasklet",
    "Timer",
    "Tracked",
    "WaitQueue",
    "Work",
    "Workqueue",
    "local_bh_disable",
    "local_bh_enable",
    "local_irq_disable",
    "local_irq_enable",
    "local_irq_restore",
    "local_irq_save",
    "preempt_disable",
    "preempt_enable",
];
const ITEMS: &[&str] = &[
    "Engine",
    "Scenario",
    "ViolationKind",
    "forever",
    "function",
    "in_world",
    "invariant_broken",
    "might_sleep",
    "poll",
    "rounds",
];

/// Other names that the program has a meaning for.
const OWN: &[&str] = &[
    "World", "Pointer", "Vec", "Some", "None", "Ok", "Err", "String", "drop", "finally", "freed",
    "main", "scenario", "used", "world",
];

const KEYWORDS: &[&str] = &[
    "as", "async", "await", "box", "break", "const", "continue", "crate", "dyn", "else", "enum",
    "extern", "false", "fn", "for", "gen", "if", "impl", "in", "instance", "let", "loop", "match",
    "mod", "move", "mut", "pub", "ref", "return", "self", "static", "struct", "super", "trait",
    "true", "type", "unsafe", "use", "w", "where", "while", "yield",
];

/// Returns the imports that the text needs: what it names outside of strings.
pub(super) fn imports(text: &str) -> String {
    let code = text.split('"').step_by(2);
    let words: BTreeSet<&str> = code
        .flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .collect();
    let used = |known: &[&'static str]| -> Vec<&str> {
        known.iter().copied().filter(|name| words.contains(name)).collect()
    };
    let mut imports = String::new();
    for (path, names) in [("selvedge_core::sync", used(TYPES)), ("selvedge_core", used(ITEMS))] {
        match names.as_slice() {
            [] => {}
            [name] => _ = writeln!(imports, "use {path}::{name};"),
            names => _ = writeln!(imports, "use {path}::{{{}}};", names.join(", ")),
        }
    }
    imports + "\n"
}

/// Returns a name that Rust accepts, and that stands for nothing else in the program.
pub(super) fn identifier(name: &str) -> String {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let name = parts.join("_");
    let known = |names: &[&str]| names.contains(&name.as_str());
    let digit = name.starts_with(|c: char| c.is_ascii_digit());
    if known(KEYWORDS) || digit || matches!(name.as_str(), "" | "_") {
        return format!("the_{name}");
    }
    if known(OWN) || known(TYPES) || known(ITEMS) { format!("{name}_") } else { name }
}

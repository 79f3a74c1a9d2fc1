//! Names that are made of others.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Returns the name that continues `name` with `suffix`. The few such names of a program are kept
/// for ever, as those in its text are.
pub(crate) fn joined(name: &str, suffix: &str) -> &'static str {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let joined = format!("{name}{suffix}");
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(joined.as_str()) {
        return known;
    }
    let name = String::leak(joined);
    known.insert(name);
    name
}

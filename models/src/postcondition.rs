//! What a call has brought about, as an invariant of its own.

use selvedge_core::invariant_broken;

/// Claims what a call has brought about.
#[track_caller]
pub(crate) fn expect(is: bool, what: &str) {
    if !is {
        invariant_broken("POSTCONDITION", what);
    }
}

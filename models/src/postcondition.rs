//! The effect of a call, checked as an invariant of its own.

use selvedge_core::invariant_broken;

/// Checks the effect of a call as an invariant.
#[track_caller]
pub(crate) fn expect(is: bool, what: &str) {
    if !is {
        invariant_broken("POSTCONDITION", what);
    }
}

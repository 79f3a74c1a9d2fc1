//! The program of a scenario, without its expectations.

use std::sync::Arc;

pub(crate) type Body = Box<dyn FnOnce() + Send>;

/// The program of one execution, created anew for each.
pub(crate) struct Instance {
    pub(crate) threads: Vec<(Arc<str>, Body)>,
    /// The final check, which runs when every thread has ended or idles.
    pub(crate) finally: Body,
}

pub(crate) type Program = Arc<dyn Fn() -> Instance + Send + Sync>;

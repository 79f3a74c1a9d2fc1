//! The program of a scenario, without what is expected of it.

use std::sync::Arc;

pub(crate) type Body = Box<dyn FnOnce() + Send>;

/// The program of one execution, made afresh for each.
pub(crate) struct Instance {
    pub(crate) threads: Vec<(Arc<str>, Body)>,
    /// Runs when every thread has ended or idles.
    pub(crate) finally: Body,
}

pub(crate) type Program = Arc<dyn Fn() -> Instance + Send + Sync>;

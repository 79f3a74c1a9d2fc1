//! The checker thread of a world with words of loom's own.
//!
//! Elsewhere the thread that ends last runs the final check: every object is a monitor, so that
//! thread sees what the others did. A word has no monitor, and the last store may be invisible to
//! the thread that ends last. Here the final check therefore has a thread of its own, which every
//! thread wakes when it ends. A wake-up is not a step in loom, so that costs hardly any executions,
//! and it orders only the checker. A fence at the end of each thread, or a word that all write to,
//! would order the threads that have not ended yet.

use std::sync::Arc;

use super::host::Host;
use super::loom_host;
use crate::op::ThreadId;

/// Starts a checker, if there is none. Threads that have ended before have not seen the word that
/// is about to be created.
pub(super) fn start(host: &Arc<Host>) {
    if host.has_checker() {
        return;
    }
    let waiting = Arc::clone(host);
    let checker = ::loom::thread::spawn(move || {
        let finally = loop {
            if let Some(finally) = waiting.take_finally() {
                break finally;
            }
            ::loom::thread::park();
        };
        loom_host::set_me(ThreadId::SETUP);
        waiting.final_check(finally);
    });
    let checker = checker.thread().clone();
    host.set_checker(Box::new(move || checker.unpark()));
}

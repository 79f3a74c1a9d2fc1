//! Who judges a world with words of loom's own.
//!
//! Elsewhere whoever ends last does, and every object is a monitor that tells it what the others did.
//! A word tells nobody: what was stored last may not have come to whoever ends last. So here the judge
//! is a thread of its own, to which every thread that ends says so. To wake a thread is no step of
//! loom's, so that costs hardly any executions, and it orders nobody but the judge: a fence at the end
//! of each thread, or a word that all write to, would order the threads that have not ended yet.

use std::sync::Arc;

use super::host::Host;
use super::loom_host;
use crate::op::ThreadId;

/// Makes sure that there is a judge. Threads that have ended before have not seen the word that is
/// about to be made.
pub(super) fn appoint(host: &Arc<Host>) {
    if host.has_judge() {
        return;
    }
    let waiting = Arc::clone(host);
    let judge = ::loom::thread::spawn(move || {
        let finally = loop {
            if let Some(finally) = waiting.take_finally() {
                break finally;
            }
            ::loom::thread::park();
        };
        loom_host::set_me(ThreadId::SETUP);
        waiting.judge(finally);
    });
    let judge = judge.thread().clone();
    host.set_judge(Box::new(move || judge.unpark()));
}

//! Ctrl-C: a search stops, and the command prints what there is. A second one ends the process.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::app::complain;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static LISTENS: Once = Once::new();

/// The exit code of a process that a shell has interrupted.
const ENDED: i32 = 130;

/// From now on, Ctrl-C ends the searches and not the process.
pub(crate) fn listen() {
    let handler = || {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(ENDED);
        }
    };
    LISTENS.call_once(|| {
        if let Err(error) = ctrlc::set_handler(handler) {
            complain(&format!("cannot listen for Ctrl-C: {error}"));
        }
    });
}

/// Returns why a search should stop, if the user has asked for that.
pub(crate) fn reason() -> Option<String> {
    is_requested().then(|| "interrupted".to_owned())
}

pub(crate) fn is_requested() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

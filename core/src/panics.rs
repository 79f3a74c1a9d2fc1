//! Panics of the programs under test, which are results.
//!
//! loom and shuttle report what they find by panicking, and a thread of a scenario may panic
//! itself. Inside [`catch`] such panics are silent and record the place they came from. Outside,
//! the process's own panic hook works as before.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The panic by which Selvedge ends a run of an engine from within.
pub(crate) const STOP: &str = "selvedge: stop";

/// Runs `body` and returns its panic, if it panics, without output on standard error.
pub(crate) fn catch<R>(body: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    let _quiet = quiet();
    panic::catch_unwind(AssertUnwindSafe(body))
}

/// Keeps panics on this OS thread silent until the result is dropped.
pub(crate) fn quiet() -> Quiet {
    install_hook();
    Quiet { outer: DEPTH.replace(DEPTH.get() + 1) }
}

/// A guard that silences panics. See [`quiet`].
#[must_use]
pub(crate) struct Quiet {
    outer: u32,
}

/// Coroutines that are never resumed do not drop their guard, so the depth is restored, not counted
/// down.
impl Drop for Quiet {
    fn drop(&mut self) {
        DEPTH.set(self.outer);
    }
}

/// A panic: its message and, if it was raised inside [`catch`], its place.
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) place: Option<String>,
}

impl Panic {
    pub(crate) fn of(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("a panic without a message");
        Self { message: text.to_owned(), place: PLACE.with_borrow_mut(Option::take) }
    }

    /// Returns whether loom, shuttle or Selvedge raised it, and not the program under test.
    pub(crate) fn is_hosts_own(&self) -> bool {
        let crates = ["/loom-", "/shuttle-", "/generator-"];
        let place = self.place.as_deref().unwrap_or_default();
        self.message == STOP || crates.iter().any(|krate| place.contains(krate))
    }

    /// Returns whether loom raised it because no thread can continue.
    #[cfg(any(loom, feature = "loom"))]
    pub(crate) fn is_loom_deadlock(&self) -> bool {
        self.message.starts_with("deadlock; threads = ")
    }
}

fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let outer = panic::take_hook();
        // shuttle installs a hook when it first runs, which prints at every panic of the process
        // from then on. It is made to do so now, and then this hook takes its place.
        #[cfg(feature = "shuttle")]
        ::shuttle::Runner::new(
            ::shuttle::scheduler::RoundRobinScheduler::new(1),
            ::shuttle::Config::default(),
        )
        .run(|| {});
        panic::set_hook(Box::new(move |info| {
            if DEPTH.get() == 0 {
                return outer(info);
            }
            let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
            PLACE.with_borrow_mut(|slot| *slot = place);
        }));
    });
}

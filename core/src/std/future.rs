//! Futures that one thread runs and others wake, as loom's `future`.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::sync::Mutex;
use super::token::Token;
use crate::name::Name;

/// Runs `future` to its end on the calling thread, which waits until the waker is called whenever
/// the future is pending.
///
/// ```
/// use selvedge_core::std::future::block_on;
///
/// selvedge_core::model(|| assert_eq!(block_on(async { 1 }), 1));
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    /// A waker of the thread that runs the future.
    struct Task(Token);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.give(Location::caller());
        }
    }

    let at = Location::caller();
    let task = Arc::new(Task(Token::new(Name::at(at))));
    let waker = Waker::from(Arc::clone(&task));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => task.0.take(at),
        }
    }
}

/// A place for the waker of a task, which another thread takes to wake it.
///
/// Each operation is one step, as those of the crates `atomic-waker` and `futures` appear to be.
///
/// ```
/// use std::task::Waker;
///
/// use selvedge_core::std::future::AtomicWaker;
///
/// selvedge_core::model(|| {
///     let waker = AtomicWaker::new();
///     waker.register(Waker::noop().clone());
///     assert!(waker.take_waker().is_some());
///     waker.wake(); // no task is left
/// });
/// ```
pub struct AtomicWaker {
    waker: Mutex<Option<Waker>>,
}

impl AtomicWaker {
    /// Creates a place without a waker.
    #[track_caller]
    pub fn new() -> Self {
        Self { waker: Mutex::new(None) }
    }

    /// Replaces the waker.
    #[track_caller]
    pub fn register(&self, waker: Waker) {
        self.replace(Some(waker));
    }

    /// Replaces the waker by a clone of this one.
    #[track_caller]
    pub fn register_by_ref(&self, waker: &Waker) {
        self.register(waker.clone());
    }

    /// Takes the waker, if there is one, and wakes its task.
    #[track_caller]
    pub fn wake(&self) {
        if let Some(waker) = self.take_waker() {
            waker.wake();
        }
    }

    /// Takes the waker.
    #[track_caller]
    pub fn take_waker(&self) -> Option<Waker> {
        self.replace(None)
    }

    #[track_caller]
    fn replace(&self, waker: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut *self.waker.held(), waker)
    }
}

impl Default for AtomicWaker {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AtomicWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtomicWaker").finish_non_exhaustive()
    }
}

//! Threads, as [`std::thread`].

mod local;

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::name::Name;
use crate::op::Place;
use crate::thread as threads;

use super::own;
use super::token::Token;

pub use local::LocalKey;
pub use std::thread::AccessError;

/// Starts a thread, which a trace calls by the line that starts it. A [`Builder`] gives it a name.
///
/// ```
/// use selvedge_core::std::thread;
///
/// selvedge_core::model(|| assert_eq!(thread::spawn(|| 1).join().unwrap(), 1));
/// ```
#[track_caller]
pub fn spawn<F, T>(body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    start(None, body, Location::caller())
}

fn start<F, T>(name: Option<String>, body: F, at: Place) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let shown = name.clone().map_or_else(|| Name::at(at), Name::from);
    let thread = Thread::new(name, shown);
    let own = thread.clone();
    let started = threads::spawn(shown, move || {
        let _own = own::begin(Some(own));
        body()
    });
    JoinHandle { started, thread }
}

/// Declares that the calling thread spins: it continues when something has changed that it has
/// looked at since the last time.
#[track_caller]
pub fn yield_now() {
    own::spins(Location::caller());
}

/// Returns a handle on the calling thread.
pub fn current() -> Thread {
    own::thread()
}

/// Waits until [`unpark`](Thread::unpark) is called for the calling thread, unless that has
/// happened since it was last parked. It never returns spuriously, which a verdict states.
#[track_caller]
pub fn park() {
    own::thread().inner.token.take(Location::caller());
}

/// Does nothing: there is no time, and other threads may run in any case.
pub fn sleep(_duration: Duration) {}

/// Returns whether the calling thread panics.
pub fn panicking() -> bool {
    std::thread::panicking()
}

/// The name of a thread to be started, as [`std::thread::Builder`].
///
/// ```
/// use selvedge_core::std::thread;
///
/// selvedge_core::model(|| {
///     let builder = thread::Builder::new().name("worker".to_owned());
///     let worker = builder.spawn(|| thread::current().name().map(str::to_owned)).unwrap();
///     assert_eq!(worker.join().unwrap().as_deref(), Some("worker"));
/// });
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    name: Option<String>,
}

impl Builder {
    /// Creates a builder without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name.
    #[must_use]
    pub fn name(self, name: String) -> Self {
        Self { name: Some(name) }
    }

    /// Does nothing: a thread of the model has a stack of 256 KiB.
    #[must_use]
    pub fn stack_size(self, _size: usize) -> Self {
        self
    }

    /// Starts a thread.
    ///
    /// # Errors
    ///
    /// None; the signature is that of `std`.
    #[track_caller]
    pub fn spawn<F, T>(self, body: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Ok(start(self.name, body, Location::caller()))
    }
}

/// A started thread, which can be joined.
#[derive(Debug)]
pub struct JoinHandle<T> {
    started: threads::JoinHandle<T>,
    thread: Thread,
}

impl<T> JoinHandle<T> {
    /// Waits until the thread has ended and returns its result.
    ///
    /// # Errors
    ///
    /// None: the panic of a thread is a violation, and has ended the execution.
    #[track_caller]
    pub fn join(self) -> Result<T, Box<dyn Any + Send + 'static>> {
        Ok(self.started.join())
    }

    /// Returns a handle on the thread.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }
}

/// A handle on a thread.
#[derive(Clone)]
pub struct Thread {
    inner: Arc<Inner>,
}

struct Inner {
    id: ThreadId,
    name: Option<String>,
    token: Token,
}

/// The identity of a thread, which no other has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ThreadId(u64);

impl Thread {
    fn new(name: Option<String>, shown: Name) -> Self {
        static THREADS: AtomicU64 = AtomicU64::new(0);
        let id = ThreadId(THREADS.fetch_add(1, Ordering::Relaxed));
        Self { inner: Arc::new(Inner { id, name, token: Token::new(shown) }) }
    }

    /// Returns a handle on a thread that was not started here.
    pub(super) fn unnamed() -> Self {
        Self::new(None, Name::from("main"))
    }

    /// Returns the identity.
    pub fn id(&self) -> ThreadId {
        self.inner.id
    }

    /// Returns the name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// Ends a [`park`] of the thread, the present one or else the next.
    #[track_caller]
    pub fn unpark(&self) {
        self.inner.token.give(Location::caller());
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Thread");
        debug.field("id", &self.id()).field("name", &self.name()).finish_non_exhaustive()
    }
}

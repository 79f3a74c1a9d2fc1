//! Threads that a thread of the scenario starts.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime;
use crate::runtime::object::Object;

/// Starts a thread, as `kthread_run` does.
///
/// The start is not a step of its own; the new thread's first operation is.
///
/// # Panics
///
/// Outside of any engine, if the operating system cannot create a thread.
#[doc(alias = "kthread_run")]
pub fn spawn<T: Send + 'static>(
    name: impl Into<Name>,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let name = name.into();
    let result = Arc::new(Mutex::new(None));
    let end =
        Arc::new(Object::new(name, Box::new(Exit { has_result: size_of::<T>() > 0, ended: None })));
    let thread = {
        let (result, end) = (Arc::clone(&result), Arc::clone(&end));
        let body = move || {
            let value = body();
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        };
        runtime::spawn(name.as_str(), Some(end), Box::new(body))
    };
    JoinHandle { thread, end, result }
}

/// A started thread, which can be joined.
pub struct JoinHandle<T> {
    thread: ThreadId,
    end: Arc<Object>,
    result: Arc<Mutex<Option<T>>>,
}

impl<T> JoinHandle<T> {
    /// Returns the number of the thread.
    pub(crate) fn id(&self) -> ThreadId {
        self.thread
    }

    /// Waits until the thread has ended and returns its result.
    ///
    /// # Panics
    ///
    /// If the thread has panicked. Under an engine its panic has ended the execution before.
    #[track_caller]
    pub fn join(self) -> T {
        let op = Op::with(OpKind::Join, self.thread.index() as u64);
        self.end.perform(op, Location::caller());
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner).take();
        result.expect("the joined thread panicked")
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("thread", &self.thread).finish_non_exhaustive()
    }
}

/// The end of a thread, as the threads that join it see it.
#[derive(Clone)]
struct Exit {
    /// Whether the thread has a result that can differ.
    has_result: bool,
    /// The observations of the thread when it ended, on which its result depends.
    ended: Option<u64>,
}

impl Machine for Exit {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready::when(self.ended.is_some())
    }

    fn apply(&mut self, _me: ThreadId, _op: Op, _outcome: u8) -> Result<u64, Fault> {
        Ok(self.ended.filter(|_| self.has_result).unwrap_or(0))
    }

    fn blockers(&self, _me: ThreadId, op: Op) -> SmallVec<[ThreadId; 4]> {
        std::iter::once(ThreadId::new(op.a as usize)).collect()
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([u64::from(self.ended.is_some()), self.ended.unwrap_or(0)]);
    }

    fn set(&mut self, value: u64) -> Result<(), Fault> {
        self.ended = Some(value);
        Ok(())
    }
}

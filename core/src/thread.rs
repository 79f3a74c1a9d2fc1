//! Threads that a thread of the scenario starts itself.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, Ready};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime;
use crate::runtime::object::Object;

/// Starts a thread, as `kthread_run` does.
///
/// To start a thread is no step of its own; the new thread's first operation is.
///
/// # Panics
///
/// Outside of any engine if the operating system cannot make a thread.
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let result = Arc::new(Mutex::new(None));
    let end = Arc::new(Object::new(name, Box::new(End { tells: size_of::<T>() > 0, ended: None })));
    let thread = {
        let (result, end) = (Arc::clone(&result), Arc::clone(&end));
        let body = move || {
            let value = body();
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        };
        runtime::spawn(name, Some(end), Box::new(body))
    };
    JoinHandle { thread, end, result }
}

/// A thread that was started, to be waited for.
pub struct JoinHandle<T> {
    thread: ThreadId,
    end: Arc<Object>,
    result: Arc<Mutex<Option<T>>>,
}

impl<T> JoinHandle<T> {
    /// Waits until the thread has ended and yields its result.
    ///
    /// # Panics
    ///
    /// If the thread has panicked; under an engine its panic has ended the execution before.
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

/// A thread, as those who join it see it.
#[derive(Clone)]
struct End {
    /// Whether the thread has a result that can differ.
    tells: bool,
    /// What the thread had been told when it ended, on which its result depends.
    ended: Option<u64>,
}

impl Machine for End {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready::when(self.ended.is_some())
    }

    fn apply(&mut self, _me: ThreadId, _op: Op, _outcome: u8) -> Result<u64, Fault> {
        Ok(self.ended.filter(|_| self.tells).unwrap_or(0))
    }

    fn blockers(&self, _me: ThreadId, op: Op) -> SmallVec<[ThreadId; 4]> {
        std::iter::once(ThreadId::new(op.a as usize)).collect()
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([u64::from(self.ended.is_some()), self.ended.unwrap_or(0)]);
    }

    fn set(&mut self, value: u64) {
        self.ended = Some(value);
    }
}

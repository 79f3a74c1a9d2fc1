//! What each thread of an execution has of its own.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::name::Name;
use crate::op::{Place, ThreadId};
use crate::runtime::{self, Round, setting};

use super::thread::Thread;

/// What a thread has of its own.
struct Own {
    /// The handle on it, once it is known.
    thread: Option<Thread>,
    /// Where it was when it began, or yielded for the first time.
    since: Round,
    /// The condition variable that it has waited for last, and where it was when it first did.
    waited: Option<(usize, Round)>,
    /// The values of its `thread_local!`s, by the addresses of their keys.
    values: Vec<(usize, Rc<dyn Any>)>,
}

/// The threads of the execution that runs on this OS thread.
#[derive(Default)]
struct Threads {
    execution: Option<u64>,
    own: BTreeMap<ThreadId, Own>,
    /// The pointers that words have held, whose numbers the words hold.
    pointers: Vec<usize>,
}

thread_local! {
    static THREADS: RefCell<Threads> = RefCell::default();
}

/// Calls `with` with what the execution has. An execution that ended early has left something of
/// its threads behind. That is forgotten, since a destructor could use objects that are no more.
fn threads<R>(with: impl FnOnce(&mut Threads, ThreadId) -> R) -> R {
    let (execution, me) = setting::here();
    THREADS.with_borrow_mut(|threads| {
        if threads.execution != execution {
            let fresh = Threads { execution, ..Threads::default() };
            std::mem::forget(std::mem::replace(threads, fresh));
        }
        with(threads, me)
    })
}

/// Calls `with` with what the running thread has of its own.
fn own<R>(with: impl FnOnce(&mut Own) -> R) -> R {
    let since = runtime::round();
    let new = || Own { thread: None, since, waited: None, values: Vec::new() };
    threads(|threads, me| with(threads.own.entry(me).or_insert_with(new)))
}

/// Begins the running thread. What it has of its own ends with the result.
pub(super) fn begin(thread: Option<Thread>) -> End {
    own(|own| own.thread = thread);
    End
}

/// The end of a thread.
#[must_use]
pub(super) struct End;

impl Drop for End {
    fn drop(&mut self) {
        // A destructor may use a value of its thread again, which creates that anew.
        while let Some(value) = own(|own| own.values.pop()) {
            drop(value);
        }
        threads(|threads, me| threads.own.remove(&me));
    }
}

/// Returns the handle on the running thread.
pub(super) fn thread() -> Thread {
    if let Some(thread) = own(|own| own.thread.clone()) {
        return thread;
    }
    let new = Thread::unnamed();
    own(|own| own.thread.get_or_insert(new).clone())
}

/// Returns the value that the running thread has for `key`.
pub(super) fn value(key: usize, init: impl FnOnce() -> Rc<dyn Any>) -> Rc<dyn Any> {
    let find = |own: &mut Own| {
        let found = own.values.iter().find(|(known, _)| *known == key);
        found.map(|(_, value)| Rc::clone(value))
    };
    if let Some(value) = own(find) {
        return value;
    }
    // It may need another value of the thread.
    let value = init();
    own(|own| own.values.push((key, Rc::clone(&value))));
    value
}

/// Declares that the running thread spins.
pub(super) fn spins(at: Place) {
    let since = own(|own| own.since);
    runtime::loops(since, Some(progress(at)));
    runtime::yield_now();
}

/// Declares that the running thread sleeps on the condition variable at `condvar`, and whether a
/// timeout may end that.
pub(crate) fn waits(condvar: usize, times_out: bool, at: Place) {
    let now = runtime::round();
    let since = own(|own| match own.waited {
        Some((same, since)) if same == condvar => Some(since),
        _ => {
            own.waited = Some((condvar, now));
            None
        }
    });
    if let Some(since) = since {
        runtime::loops(since, times_out.then(|| progress(at)));
    }
}

fn progress(at: Place) -> &'static str {
    Name::from(format!("progress at {}", Name::at(at))).as_str()
}

/// Returns a number for a pointer, which is the same in each run of an interleaving.
pub(super) fn number_of(address: usize) -> u64 {
    if address == 0 {
        return 0;
    }
    threads(|threads, _| {
        let known = threads.pointers.iter().position(|known| *known == address);
        let place = known.unwrap_or_else(|| {
            threads.pointers.push(address);
            threads.pointers.len() - 1
        });
        place as u64 + 1
    })
}

/// Returns the address of the pointer with this number.
pub(super) fn address_of(number: u64) -> usize {
    let place = number.checked_sub(1);
    place.map_or(0, |place| threads(|threads, _| threads.pointers[place as usize]))
}

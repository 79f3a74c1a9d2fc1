//! Threads of a scenario as coroutines on one OS thread.
//!
//! `unsafe` code is here and in [`overflow`]: a running fiber reaches its own yielder
//! through a thread-local pointer, because a primitive deep in the model has no other way to it.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::rc::Rc;

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};

#[cfg(unix)]
use super::overflow;

/// The size of a thread's stack, in bytes. Only the pages that are touched use memory.
pub(crate) const STACK_SIZE: usize = 256 * 1024;

type YielderPtr = *const Yielder<(), ()>;

thread_local! {
    /// The yielder of the fiber that runs on this OS thread; null if none does.
    static RUNNING: Cell<YielderPtr> = const { Cell::new(ptr::null()) };
}

/// Stacks of finished fibers, for reuse.
#[derive(Default)]
pub(crate) struct Stacks(Vec<DefaultStack>);

/// A thread that can be suspended anywhere.
pub(crate) struct Fiber {
    coroutine: Coroutine<(), (), Result<(), Payload>>,
    /// Set by the fiber when it first runs; valid until it ends.
    yielder: Rc<Cell<YielderPtr>>,
    /// The lowest address of its stack, including the inaccessible page there.
    limit: usize,
}

type Payload = Box<dyn Any + Send>;

/// The reason why a fiber has stopped running.
pub(crate) enum Stop {
    Suspended,
    Ended,
    Panicked(Payload),
}

impl Fiber {
    pub(crate) fn new(stacks: &mut Stacks, body: impl FnOnce() + 'static) -> Self {
        let stack = stacks.0.pop().unwrap_or_else(|| {
            DefaultStack::new(STACK_SIZE).expect("memory for a thread of the scenario")
        });
        let limit = stack.limit().get();
        let yielder = Rc::new(Cell::new(ptr::null()));
        let own = Rc::clone(&yielder);
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            own.set(yielder);
            RUNNING.set(yielder);
            panic::catch_unwind(AssertUnwindSafe(body))
        });
        Self { coroutine, yielder, limit }
    }

    /// Runs the fiber of thread `name` until it suspends itself or ends. After a panic it is
    /// finished.
    pub(crate) fn resume(&mut self, name: &str) -> Stop {
        let outer = RUNNING.replace(self.yielder.get());
        let run = || self.coroutine.resume(());
        #[cfg(unix)]
        let result = overflow::watch(name, self.limit, run);
        #[cfg(not(unix))]
        let (result, _) = (run(), (name, self.limit));
        RUNNING.set(outer);
        match result {
            CoroutineResult::Yield(()) => Stop::Suspended,
            CoroutineResult::Return(Ok(())) => Stop::Ended,
            CoroutineResult::Return(Err(payload)) => Stop::Panicked(payload),
        }
    }

    /// Recycles the stack. A suspended fiber is unwound, which runs the destructors on its stack.
    pub(crate) fn recycle(mut self, stacks: &mut Stacks) {
        let outer = RUNNING.replace(self.yielder.get());
        self.coroutine.force_unwind();
        RUNNING.set(outer);
        stacks.0.push(self.coroutine.into_stack());
    }
}

/// Suspends the running fiber until it is resumed.
pub(crate) fn suspend() {
    let yielder = RUNNING.get();
    assert!(!yielder.is_null(), "a scenario's object was used outside the scenario's threads");
    // SAFETY: `RUNNING` is non-null only while `Fiber::resume` or `recycle` is on the stack of
    // this OS thread, and then it is what the running coroutine was handed at its start. That
    // reference is valid until the coroutine's body returns, and we are inside that body.
    unsafe { (*yielder).suspend(()) }
}

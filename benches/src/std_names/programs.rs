//! What the tests of concurrent crates check with loom, each correct and with a bug: a channel, a
//! lock with a waker, a reference count, a once cell, a work-stealing queue and a stack.
//!
//! The structures are small forms of those crates'. The names of `std` come from the module around.

use super::names::cell::UnsafeCell;
use super::names::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use super::names::sync::atomic::{AtomicUsize, fence};
use super::names::sync::{Arc, Condvar, Mutex};
use super::names::thread;

/// A program.
pub(in super::super) struct Program {
    /// Its name.
    pub(in super::super) name: &'static str,
    /// What is wrong with it, if it has the bug.
    pub(in super::super) bug: Option<&'static str>,
    /// One execution of it.
    pub(in super::super) run: Box<dyn Fn() + Send + Sync>,
}

/// Returns all programs.
pub(in super::super) fn all() -> Vec<Program> {
    let both = |name, bug, run: fn(bool)| {
        let program = move |bug: Option<&'static str>| {
            let broken = bug.is_some();
            Program { name, bug, run: Box::new(move || run(broken)) }
        };
        [program(None), program(Some(bug))]
    };
    let programs = [
        both("channel", "the tail is published by a relaxed store", channel),
        both("parker", "the notification does not take the mutex", parker),
        both("count", "references are dropped by a relaxed subtraction", count),
        both("once-cell", "the value is published by a relaxed store", once_cell),
        both("deque", "the fence of the owner is not sequentially consistent", deque),
        both("stack", "the node is published by a relaxed exchange", stack),
    ];
    programs.into_iter().flatten().collect()
}

/// A cell that the structures share.
struct Slot(UnsafeCell<usize>);

// SAFETY: the checkers find accesses that nothing orders.
unsafe impl Sync for Slot {}
// SAFETY: as above.
unsafe impl Send for Slot {}

impl Slot {
    fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    fn get(&self) -> usize {
        // SAFETY: see `Slot`.
        self.0.with(|value| unsafe { *value })
    }

    fn set(&self, to: usize) {
        // SAFETY: see `Slot`.
        self.0.with_mut(|value| unsafe { *value = to });
    }
}

/// A channel of two slots from one thread to another, which exchange three values.
fn channel(broken: bool) {
    struct Channel {
        slots: [Slot; 2],
        head: AtomicUsize,
        tail: AtomicUsize,
    }
    let channel = Arc::new(Channel {
        slots: [Slot::new(), Slot::new()],
        head: AtomicUsize::new(0),
        tail: AtomicUsize::new(0),
    });
    let sender = Arc::clone(&channel);
    let thread = thread::spawn(move || {
        for value in 0..3 {
            while value - sender.head.load(Acquire) == 2 {
                thread::yield_now();
            }
            sender.slots[value % 2].set(value + 10);
            sender.tail.store(value + 1, if broken { Relaxed } else { Release });
        }
    });
    for value in 0..3 {
        while channel.tail.load(Acquire) == value {
            thread::yield_now();
        }
        assert_eq!(channel.slots[value % 2].get(), value + 10);
        channel.head.store(value + 1, Release);
    }
    thread.join().unwrap();
}

/// A thread that parks, and another that wakes it: the state says whether it is empty (0), parked
/// (1) or notified (2).
fn parker(broken: bool) {
    struct Parker {
        state: AtomicUsize,
        mutex: Mutex<()>,
        condvar: Condvar,
    }
    let parker = Arc::new(Parker {
        state: AtomicUsize::new(0),
        mutex: Mutex::new(()),
        condvar: Condvar::new(),
    });
    let other = Arc::clone(&parker);
    let thread = thread::spawn(move || {
        if other.state.swap(2, SeqCst) == 1 {
            if !broken {
                drop(other.mutex.lock().unwrap());
            }
            other.condvar.notify_one();
        }
    });
    if parker.state.compare_exchange(2, 0, SeqCst, SeqCst).is_err() {
        let mut held = parker.mutex.lock().unwrap();
        if parker.state.compare_exchange(0, 1, SeqCst, SeqCst).is_ok() {
            while parker.state.compare_exchange(2, 0, SeqCst, SeqCst).is_err() {
                held = parker.condvar.wait(held).unwrap();
            }
        } else {
            assert_eq!(parker.state.swap(0, SeqCst), 2);
        }
        drop(held);
    }
    thread.join().unwrap();
}

/// Three references to a value, which the last to go overwrites.
fn count(broken: bool) {
    let shared = Arc::new((Slot::new(), AtomicUsize::new(3)));
    let put = move |shared: &(Slot, AtomicUsize)| {
        assert_eq!(shared.0.get(), 0);
        if shared.1.fetch_sub(1, if broken { Relaxed } else { Release }) == 1 {
            fence(Acquire);
            shared.0.set(usize::MAX);
        }
    };
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || put(&shared))
        })
        .collect();
    put(&shared);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Two threads get the value of a cell that is empty (0), being written (1) or full (2).
fn once_cell(broken: bool) {
    let shared = Arc::new((AtomicUsize::new(0), Slot::new()));
    let get = move |shared: &(AtomicUsize, Slot)| {
        loop {
            match shared.0.load(Acquire) {
                0 if shared.0.compare_exchange(0, 1, Acquire, Relaxed).is_ok() => {
                    shared.1.set(7);
                    shared.0.store(2, if broken { Relaxed } else { Release });
                }
                0 => {}
                1 => thread::yield_now(),
                _ => return shared.1.get(),
            }
        }
    };
    let other = Arc::clone(&shared);
    let thread = thread::spawn(move || get(&other));
    assert_eq!(get(&shared), 7);
    assert_eq!(thread.join().unwrap(), 7);
}

/// A work-stealing queue: N. M. Le, A. Pop, A. Cohen and F. Zappa Nardelli, "Correct and efficient
/// work-stealing for weak memory models", PPoPP 2013. The owner pushes two tasks and pops; another
/// thread steals twice. Each task is had at most once.
fn deque(broken: bool) {
    struct Deque {
        tasks: [AtomicUsize; 2],
        top: AtomicUsize,
        bottom: AtomicUsize,
    }
    let deque = Arc::new(Deque {
        tasks: [AtomicUsize::new(0), AtomicUsize::new(0)],
        top: AtomicUsize::new(0),
        bottom: AtomicUsize::new(0),
    });
    let push = |value: usize| {
        let bottom = deque.bottom.load(Relaxed);
        deque.tasks[bottom % 2].store(value, Relaxed);
        fence(Release);
        deque.bottom.store(bottom + 1, Relaxed);
    };
    push(1);
    push(2);
    let thief = Arc::clone(&deque);
    let thread = thread::spawn(move || {
        let steal = || {
            let top = thief.top.load(Acquire);
            fence(SeqCst);
            if top >= thief.bottom.load(Acquire) {
                return 0;
            }
            let task = thief.tasks[top % 2].load(Relaxed);
            let taken = thief.top.compare_exchange(top, top + 1, SeqCst, Relaxed);
            if taken.is_ok() { task } else { 0 }
        };
        [steal(), steal()]
    });
    let pop = || {
        let bottom = deque.bottom.load(Relaxed) - 1;
        deque.bottom.store(bottom, Relaxed);
        fence(if broken { AcqRel } else { SeqCst });
        let top = deque.top.load(Relaxed);
        if top > bottom {
            deque.bottom.store(bottom + 1, Relaxed);
            return 0;
        }
        let task = deque.tasks[bottom % 2].load(Relaxed);
        if top == bottom {
            let taken = deque.top.compare_exchange(top, top + 1, SeqCst, Relaxed);
            deque.bottom.store(bottom + 1, Relaxed);
            return if taken.is_ok() { task } else { 0 };
        }
        task
    };
    let popped = pop();
    let stolen = thread.join().unwrap();
    let times = |task| usize::from(popped == task) + stolen.iter().filter(|s| **s == task).count();
    assert!(times(1) <= 1 && times(2) <= 1, "a task is had twice");
}

/// A stack of two nodes, which are numbered from 1. Two threads push a node each and pop one.
fn stack(broken: bool) {
    struct Stack {
        head: AtomicUsize,
        next: [Slot; 2],
    }
    let stack = Arc::new(Stack { head: AtomicUsize::new(0), next: [Slot::new(), Slot::new()] });
    let push = move |stack: &Stack, node: usize| {
        let mut head = stack.head.load(Relaxed);
        loop {
            stack.next[node - 1].set(head);
            let order = if broken { Relaxed } else { Release };
            match stack.head.compare_exchange(head, node, order, Relaxed) {
                Ok(_) => return,
                Err(found) => head = found,
            }
        }
    };
    let other = Arc::clone(&stack);
    let thread = thread::spawn(move || push(&other, 1));
    push(&stack, 2);
    let head = stack.head.load(Acquire);
    let next = stack.next[head - 1].get();
    assert!(next == 0 || next == 3 - head);
    thread.join().unwrap();
}

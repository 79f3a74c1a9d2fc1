//! Condition variables and completions.

use std::sync::atomic::{AtomicU32, Ordering};

use selvedge_core::kernel::prelude::*;
use selvedge_core::kernel::sync::lock::Backend;
use selvedge_core::kernel::sync::{
    Arc, Completion, CondVar, CondVarTimeoutResult, Lock, MutexBackend, SpinLock, SpinLockBackend,
    new_condvar, new_mutex, new_spinlock,
};
use selvedge_core::{ViolationKind, thread};

use super::{proves, refutes};

/// A flag that threads wait for.
struct Event<B: Backend> {
    set: Lock<bool, B>,
    changed: CondVar,
}

type Sleeping = MutexBackend;
type Spinning = SpinLockBackend;

impl Event<Sleeping> {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self { set <- new_mutex!(false, "set"), changed <- new_condvar!("changed") })
    }
}

impl Event<Spinning> {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self { set <- new_spinlock!(false, "set"), changed <- new_condvar!("changed") })
    }
}

impl<B: Backend> Event<B> {
    fn wait(&self) {
        let mut set = self.set.lock();
        while !*set {
            self.changed.wait(&mut set);
        }
    }
}

/// `waiters` threads run `wait`, and one runs `set`.
fn event<B: Backend>(
    waiters: usize,
    new: fn() -> Event<B>,
    wait: fn(&Event<B>),
    set: fn(&Event<B>),
) -> impl Fn() + Send + Sync
where
    Event<B>: Send + Sync,
{
    move || {
        let event = Arc::pin_init(new(), GFP_KERNEL).unwrap();
        let threads: Vec<_> = (0..waiters)
            .map(|i| {
                let event = event.clone();
                thread::spawn(format!("waiter {i}"), move || wait(&event))
            })
            .collect();
        set(&event);
        threads.into_iter().for_each(thread::JoinHandle::join);
    }
}

fn sleeping() -> Event<Sleeping> {
    Event::<Sleeping>::new().pinned_init().unwrap()
}

fn spinning() -> Event<Spinning> {
    Event::<Spinning>::new().pinned_init().unwrap()
}

#[test]
fn a_waiter_is_notified() {
    proves(event(1, sleeping, Event::wait, |event| {
        *event.set.lock() = true;
        event.changed.notify_one();
    }));
    proves(event(1, sleeping, Event::wait, |event| {
        *event.set.lock() = true;
        event.changed.notify_sync();
    }));
}

/// The lock of the guard is released, so a spinlock may be held.
#[test]
fn a_waiter_releases_a_spinlock() {
    proves(event(1, spinning, Event::wait, |event| {
        *event.set.lock() = true;
        event.changed.notify_all();
    }));
}

#[test]
fn every_waiter_needs_a_notification() {
    proves(event(2, sleeping, Event::wait, |event| {
        *event.set.lock() = true;
        event.changed.notify_all();
    }));
    refutes(
        [ViolationKind::deadlock(["changed"])],
        event(2, sleeping, Event::wait, |event| {
            *event.set.lock() = true;
            event.changed.notify_one();
        }),
    );
}

/// The waiter looks, and the setter notifies before it waits.
#[test]
fn without_the_lock_a_notification_is_lost() {
    refutes(
        [ViolationKind::deadlock(["changed"])],
        event(
            1,
            sleeping,
            |event| {
                if !*event.set.lock() {
                    let mut set = event.set.lock();
                    event.changed.wait(&mut set);
                }
            },
            |event| {
                *event.set.lock() = true;
                event.changed.notify_one();
            },
        ),
    );
}

#[test]
fn a_wait_may_end_spuriously() {
    refutes(
        [ViolationKind::panic("it is set")],
        event(
            1,
            sleeping,
            |event| {
                let mut set = event.set.lock();
                if !*set {
                    event.changed.wait(&mut set);
                }
                assert!(*set, "it is set");
            },
            |event| {
                *event.set.lock() = true;
                event.changed.notify_one();
            },
        ),
    );
}

/// A thread that waits holds no other spinlock: it sleeps, and then takes the mutex again.
#[test]
fn a_wait_sleeps() {
    let sleeps = ["changed", "set"].map(|what| ViolationKind::sleep_in_atomic(what, "outer"));
    refutes(sleeps, || {
        let outer: SpinLock<u32> = new_spinlock!(0, "outer");
        let (set, changed) = (new_mutex!(false, "set"), new_condvar!("changed"));
        let mut guard = set.try_lock().unwrap();
        let _outer = outer.lock();
        changed.wait(&mut guard);
    });
}

/// A waiter that returns with a signal may have consumed the one notification.
#[test]
fn a_signal_does_not_give_a_notification_back() {
    let program = |interrupted: fn(&Event<Sleeping>)| {
        move || {
            let event = Arc::pin_init(sleeping(), GFP_KERNEL).unwrap();
            let (one, other) = (event.clone(), event.clone());
            let interruptible = thread::spawn("interruptible", move || {
                let mut set = one.set.lock();
                while !*set {
                    if one.changed.wait_interruptible(&mut set) {
                        return interrupted(&one);
                    }
                }
                one.changed.notify_one();
            });
            let waiter = thread::spawn("waiter", move || {
                other.wait();
                other.changed.notify_one();
            });
            *event.set.lock() = true;
            event.changed.notify_one();
            interruptible.join();
            waiter.join();
        }
    };
    refutes([ViolationKind::deadlock(["changed"])], program(|_| ()));
    proves(program(|event| event.changed.notify_one()));
}

#[test]
fn every_end_of_a_timed_wait_is_explored() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    proves(event(
        1,
        sleeping,
        |event| {
            let mut set = event.set.lock();
            let result = event.changed.wait_interruptible_timeout(&mut set, 10);
            let bit = match result {
                CondVarTimeoutResult::Timeout => 1,
                CondVarTimeoutResult::Woken { jiffies: 10 } => 2,
                CondVarTimeoutResult::Signal { jiffies: 10 } => 4,
                _ => 8,
            };
            SEEN.fetch_or(bit << (4 * u32::from(*set)), Ordering::Relaxed);
        },
        |event| {
            *event.set.lock() = true;
            event.changed.notify_one();
        },
    ));
    assert_eq!(SEEN.load(Ordering::Relaxed), 0x77);
}

#[test]
fn a_completion_is_for_every_waiter() {
    let program = || {
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
        let (one, other) = (done.clone(), done.clone());
        let waiter = thread::spawn("waiter", move || one.wait_for_completion());
        let task = thread::spawn("task", move || other.complete_all());
        done.wait_for_completion();
        waiter.join();
        task.join();
    };
    proves(program);
    let waits = || Completion::new().wait_for_completion();
    let line = format!("{}:{}", file!(), line!() - 1);
    refutes([ViolationKind::deadlock([&*line])], waits);
}

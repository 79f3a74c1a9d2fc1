//! Condition variables, barriers and notifications: loom's `condvar`.

use std::time::Duration;

use selvedge_core::std::sync::atomic::{AtomicUsize, Ordering::*};
use selvedge_core::std::sync::{Arc, Barrier, Condvar, Mutex, Notify};
use selvedge_core::std::thread;

use super::{Wrong, proves, refutes, results};

/// A number that threads wait for.
#[derive(Default)]
struct Event {
    number: AtomicUsize,
    mutex: Mutex<()>,
    condvar: Condvar,
}

impl Event {
    fn wait(&self) {
        let mut held = self.mutex.lock().unwrap();
        while self.number.load(SeqCst) == 0 {
            held = self.condvar.wait(held).unwrap();
        }
    }

    fn wait_while(&self) {
        let held = self.mutex.lock().unwrap();
        drop(self.condvar.wait_while(held, |()| self.number.load(SeqCst) == 0).unwrap());
    }

    fn set(&self) {
        self.number.store(1, SeqCst);
        drop(self.mutex.lock().unwrap());
        self.condvar.notify_one();
    }

    fn set_for_all(&self) {
        self.number.store(1, SeqCst);
        drop(self.mutex.lock().unwrap());
        self.condvar.notify_all();
    }
}

/// One thread sets the event, the others wait for it.
fn event(waiters: usize, wait: fn(&Event), set: fn(&Event)) -> impl Fn() + Send + Sync {
    move || {
        let event = Arc::new(Event::default());
        let threads: Vec<_> = (0..waiters)
            .map(|_| {
                let event = Arc::clone(&event);
                thread::spawn(move || wait(&event))
            })
            .collect();
        set(&event);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn one_waiter_is_notified() {
    proves(event(1, Event::wait, Event::set));
    proves(event(1, Event::wait_while, Event::set));
}

#[test]
fn all_waiters_are_notified() {
    proves(event(2, Event::wait, Event::set_for_all));
    refutes(Wrong::Deadlock, event(2, Event::wait, Event::set));
}

/// The waiter looks before it waits, and the setter does not take the mutex in between.
#[test]
fn without_the_mutex_the_notification_is_lost() {
    refutes(
        Wrong::Deadlock,
        event(1, Event::wait, |event| {
            event.number.store(1, SeqCst);
            event.condvar.notify_one();
        }),
    );
}

/// Nothing says that a notification came.
#[test]
fn a_spurious_wake_up_is_explored() {
    refutes(Wrong::Panic, || {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let other = Arc::clone(&shared);
        let setter = thread::spawn(move || {
            *other.0.lock().unwrap() = true;
            other.1.notify_one();
        });
        let mut ready = shared.0.lock().unwrap();
        if !*ready {
            ready = shared.1.wait(ready).unwrap();
        }
        assert!(*ready);
        drop(ready);
        setter.join().unwrap();
    });
}

/// A thread waits twice, once for each value.
#[test]
fn one_wait_after_the_other() {
    proves(|| {
        let shared = Arc::new((Mutex::new(0), Condvar::new(), Condvar::new()));
        let other = Arc::clone(&shared);
        let counter = thread::spawn(move || {
            for number in [1, 3] {
                let mut count = other.0.lock().unwrap();
                while *count + 1 < number {
                    count = other.2.wait(count).unwrap();
                }
                *count = number;
                other.1.notify_one();
            }
        });
        let mut count = shared.0.lock().unwrap();
        while *count < 1 {
            count = shared.1.wait(count).unwrap();
        }
        *count = 2;
        shared.2.notify_one();
        while *count < 3 {
            count = shared.1.wait(count).unwrap();
        }
        drop(count);
        counter.join().unwrap();
    });
}

/// The thread that the notification goes to need not be the one that can use it.
#[test]
fn a_notification_may_go_to_the_wrong_thread() {
    refutes(Wrong::Deadlock, || {
        let shared = Arc::new((Mutex::new([false; 2]), Condvar::new()));
        let waiters = [0, 1].map(|which| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut set = shared.0.lock().unwrap();
                while !set[which] {
                    set = shared.1.wait(set).unwrap();
                }
            })
        });
        for which in [0, 1] {
            shared.0.lock().unwrap()[which] = true;
            shared.1.notify_one();
        }
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

#[test]
fn a_timeout_may_expire_or_not() {
    let timed_out = results(|| {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let other = Arc::clone(&shared);
        let setter = thread::spawn(move || {
            *other.0.lock().unwrap() = true;
            other.1.notify_one();
        });
        let ready = shared.0.lock().unwrap();
        let limit = Duration::from_secs(1);
        let (ready, result) = shared.1.wait_timeout_while(ready, limit, |ready| !*ready).unwrap();
        let seen = (*ready, result.timed_out());
        drop(ready);
        setter.join().unwrap();
        seen
    });
    assert_eq!(timed_out, [(false, true), (true, false)].into());
}

/// The thread wakes repeatedly, and continues when the flag is set.
#[test]
fn a_loop_of_timeouts_ends() {
    let program = |set: bool| {
        move || {
            let shared = Arc::new((Mutex::new(false), Condvar::new()));
            let other = Arc::clone(&shared);
            let setter = thread::spawn(move || *other.0.lock().unwrap() = set);
            let mut ready = shared.0.lock().unwrap();
            while !*ready {
                ready = shared.1.wait_timeout(ready, Duration::from_secs(1)).unwrap().0;
            }
            drop(ready);
            setter.join().unwrap();
        }
    };
    proves(program(true));
    refutes(Wrong::Deadlock, program(false));
}

#[test]
fn a_barrier_has_one_leader() {
    let leaders = results(|| {
        let barrier = Arc::new((Barrier::new(2), AtomicUsize::new(0)));
        let meet = |barrier: &(Barrier, AtomicUsize)| {
            barrier.1.fetch_add(1, Relaxed);
            let leads = barrier.0.wait().is_leader();
            assert_eq!(barrier.1.load(Relaxed), 2);
            leads
        };
        let other = Arc::clone(&barrier);
        let thread = thread::spawn(move || meet(&other));
        let leads = meet(&barrier);
        [thread.join().unwrap(), leads]
    });
    assert_eq!(leads_once(), leaders);
}

fn leads_once() -> std::collections::BTreeSet<[bool; 2]> {
    [[false, true], [true, false]].into()
}

#[test]
fn too_few_threads_wait_for_ever_at_a_barrier() {
    refutes(Wrong::Deadlock, || _ = Barrier::new(2).wait());
}

#[test]
fn a_notification_is_kept() {
    proves(|| {
        let notify = Arc::new(Notify::new());
        let other = Arc::clone(&notify);
        let thread = thread::spawn(move || other.notify());
        notify.wait();
        thread.join().unwrap();
    });
    // Two at once are one.
    refutes(Wrong::Deadlock, || {
        let notify = Notify::new();
        notify.notify();
        notify.notify();
        notify.wait();
        notify.wait();
    });
}

//! Programs of shuttle's suite, in words of their own: consumers and producers, barriers, channels
//! of two threads, and what happens once.

use selvedge_core::Checker;
use selvedge_core::std::sync::atomic::{AtomicUsize, Ordering::*};
use selvedge_core::std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock, mpsc};
use selvedge_core::std::{model, thread};

use super::{Wrong, proves, refutes, results};

/// Two workers wait for a flag, which is set before `signals`.
fn two_workers(signals: fn(&Condvar)) -> impl Fn() + Send + Sync {
    move || {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let workers = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut ready = shared.0.lock().unwrap();
                while !*ready {
                    ready = shared.1.wait(ready).unwrap();
                }
            })
        });
        *shared.0.lock().unwrap() = true;
        signals(&shared.1);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }
}

#[test]
fn two_notifications_or_one_for_all() {
    proves(two_workers(Condvar::notify_all));
    proves(two_workers(|condvar| [(); 2].iter().for_each(|()| condvar.notify_one())));
    proves(two_workers(|condvar| {
        condvar.notify_one();
        condvar.notify_all();
    }));
    refutes(Wrong::Deadlock, two_workers(Condvar::notify_one));
}

/// R. and A. Arpaci-Dusseau, "Operating Systems: Three Easy Pieces", figures 30.8, 30.10 and 30.12:
/// two consumers and a producer with one place between them.
struct Place {
    mutex: Mutex<()>,
    count: AtomicUsize,
    filled: Condvar,
    emptied: Condvar,
}

/// How a thread waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It does not look again after a wake-up.
    Once,
    /// All threads wait for one condition variable.
    OneCondvar,
    /// Consumers and producers have one each.
    TwoCondvars,
}

impl Place {
    fn access(&self, manner: Manner, from: usize) {
        let two = manner == Manner::TwoCondvars;
        let (waits, wakes) = match from {
            1 if two => (&self.filled, &self.emptied),
            _ if two => (&self.emptied, &self.filled),
            _ => (&self.filled, &self.filled),
        };
        let mut held = self.mutex.lock().unwrap();
        while self.count.load(SeqCst) != from {
            held = waits.wait(held).unwrap();
            if manner == Manner::Once {
                break;
            }
        }
        assert_eq!(self.count.load(SeqCst), from, "there is nothing, or no space");
        self.count.store(1 - from, SeqCst);
        wakes.notify_one();
        drop(held);
    }
}

fn producer_and_consumers(manner: Manner) -> impl Fn() + Send + Sync {
    move || {
        let place = Arc::new(Place {
            mutex: Mutex::new(()),
            count: AtomicUsize::new(0),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        });
        let consumers = [(); 2].map(|()| {
            let place = Arc::clone(&place);
            thread::spawn(move || place.access(manner, 1))
        });
        (0..2).for_each(|_| place.access(manner, 0));
        consumers.into_iter().for_each(|consumer| consumer.join().unwrap());
    }
}

/// Looks for what is wrong in a part of the interleavings.
fn finds(wrong: Wrong, manner: Manner) {
    let program = model::scenario("one condvar", producer_and_consumers(manner));
    let report = Checker::native().executions(20_000).run(&program);
    let found = report.verdict.counterexamples().iter();
    assert!(found.map(|found| Wrong::of(&found.violation.kind)).any(|it| it == wrong), "{report}");
}

#[test]
fn consumers_and_a_producer_with_one_condvar() {
    finds(Wrong::Deadlock, Manner::OneCondvar);
    finds(Wrong::Panic, Manner::Once);
}

/// `cargo test --release -p selvedge-core --test std_names -- --ignored`
#[test]
#[ignore = "it takes minutes"]
fn consumers_and_a_producer_with_two_condvars() {
    proves(producer_and_consumers(Manner::TwoCondvars));
}

/// Two threads that add and subtract stay together.
#[test]
fn a_barrier_keeps_threads_together() {
    proves(|| {
        let shared = Arc::new((Barrier::new(2), AtomicUsize::new(100)));
        let other = Arc::clone(&shared);
        let adds = thread::spawn(move || {
            for _ in 0..2 {
                assert!((99..=100).contains(&other.1.fetch_add(1, SeqCst)));
                other.0.wait();
            }
        });
        for _ in 0..2 {
            assert!((100..=101).contains(&shared.1.fetch_sub(1, SeqCst)));
            shared.0.wait();
        }
        adds.join().unwrap();
    });
}

#[test]
fn a_barrier_of_one_or_none_lets_pass() {
    for threads in [0, 1] {
        proves(move || {
            let barrier = Barrier::new(threads);
            assert!((0..3).all(|_| barrier.wait().is_leader()));
        });
    }
}

/// Two calls race for each of two `Once`s: every combination occurs.
#[test]
fn two_onces_are_independent() {
    let combinations = results(|| {
        let shared = Arc::new((Once::new(), Once::new(), AtomicUsize::new(0)));
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            other.0.call_once(|| _ = other.2.fetch_add(1, SeqCst));
            other.1.call_once(|| _ = other.2.fetch_add(4, SeqCst));
        });
        shared.0.call_once(|| _ = shared.2.fetch_add(2, SeqCst));
        shared.1.call_once(|| _ = shared.2.fetch_add(8, SeqCst));
        thread.join().unwrap();
        shared.2.load(SeqCst)
    });
    assert_eq!(combinations, [5, 6, 9, 10].into());
}

/// Two readers are in the lock at once: each waits there for the other's value.
#[test]
fn readers_meet_in_the_lock() {
    proves(|| {
        let lock = Arc::new(RwLock::new(1));
        let (sender, receiver) = mpsc::channel();
        let (back, answer) = mpsc::channel();
        let other = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            let value = other.read().unwrap();
            sender.send(*value).unwrap();
            assert_eq!(answer.recv(), Ok(1));
        });
        let value = lock.read().unwrap();
        back.send(*value).unwrap();
        assert_eq!(receiver.recv(), Ok(1));
        drop(value);
        thread.join().unwrap();
    });
}

#[test]
fn values_outlive_the_sender() {
    proves(|| {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || (1..=3).for_each(|value| sender.send(value).unwrap()));
        thread.join().unwrap();
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3]);
    });
}

/// As for `consumers_and_a_producer_with_two_condvars`.
#[test]
#[ignore = "it takes minutes"]
fn a_rendezvous_with_two_senders() {
    let received = results(|| {
        let (sender, receiver) = mpsc::sync_channel(0);
        let threads = [10, 20].map(|value| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(value).unwrap())
        });
        let received = [receiver.recv().unwrap(), receiver.recv().unwrap()];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        received
    });
    assert_eq!(received, [[10, 20], [20, 10]].into());
}

/// The receiver goes from thread to thread.
#[test]
#[ignore = "it takes a quarter of a minute"]
fn a_receiver_is_sent() {
    proves(|| {
        let (send_receiver, receivers) = mpsc::sync_channel(1);
        let (sender, receiver) = mpsc::sync_channel(0);
        let first = thread::spawn(move || {
            assert_eq!(receiver.recv(), Ok(10));
            send_receiver.send(receiver).unwrap();
        });
        let second = thread::spawn(move || {
            assert_eq!(receivers.recv().unwrap().recv(), Ok(20));
        });
        sender.send(10).unwrap();
        sender.send(20).unwrap();
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// Senders that wait are released when the receiver is dropped.
#[test]
fn senders_do_not_wait_for_a_receiver_that_is_gone() {
    for bound in [0, 1] {
        proves(move || {
            let (sender, receiver) = mpsc::sync_channel(bound);
            let threads = [1, 2].map(|value| {
                let sender = sender.clone();
                thread::spawn(move || _ = sender.send(value))
            });
            drop(receiver);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}

//! A queue of requests, with workers that wait for them.

use selvedge_core::kernel::prelude::*;
use selvedge_core::kernel::sync::{Arc, CondVar, Mutex, new_condvar, new_mutex};
use selvedge_core::{ViolationKind, thread};

use super::{proves, refutes};

struct Inner {
    requests: Vec<u32>,
    stopped: bool,
}

struct Queue {
    inner: Mutex<Inner>,
    changed: CondVar,
    done: Mutex<u32>,
}

impl Queue {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- new_mutex!(Inner { requests: Vec::new(), stopped: false }, "Queue::inner"),
            changed <- new_condvar!("Queue::changed"),
            done <- new_mutex!(0, "Queue::done"),
        })
    }

    fn submit(&self, request: u32) -> Result {
        let mut inner = self.inner.lock();
        if inner.stopped {
            return Err(ESHUTDOWN);
        }
        inner.requests.push(request);
        self.changed.notify_one();
        Ok(())
    }

    /// Returns the next request, or nothing once the queue is stopped and empty.
    fn next(&self) -> Option<u32> {
        let mut inner = self.inner.lock();
        while inner.requests.is_empty() && !inner.stopped {
            self.changed.wait(&mut inner);
        }
        inner.requests.pop()
    }

    fn work(&self) {
        while let Some(request) = self.next() {
            *self.done.lock() += request;
        }
    }

    fn stop(&self) {
        self.inner.lock().stopped = true;
        self.changed.notify_all();
    }
}

/// Submits this many requests to so many workers, and stops them.
fn served(
    workers: usize,
    requests: u32,
    next: fn(&Queue),
    stop: fn(&Queue),
) -> impl Fn() + Send + Sync {
    move || {
        let queue = Arc::pin_init(Queue::new(), GFP_KERNEL).unwrap();
        let workers: Vec<_> = (0..workers)
            .map(|i| {
                let queue = queue.clone();
                thread::spawn(format!("worker {i}"), move || next(&queue))
            })
            .collect();
        for request in 1..=requests {
            queue.submit(request).unwrap();
        }
        stop(&queue);
        workers.into_iter().for_each(thread::JoinHandle::join);
        assert_eq!(*queue.done.lock(), (1..=requests).sum());
        assert_eq!(queue.submit(1), Err(ESHUTDOWN));
    }
}

#[test]
fn every_request_is_served_before_the_workers_end() {
    proves(served(1, 2, Queue::work, Queue::stop));
    proves(served(2, 0, Queue::work, Queue::stop));
}

/// Outside of an engine the objects work on plain threads.
#[test]
fn plain_threads_serve_every_request() {
    for _ in 0..100 {
        served(2, 3, Queue::work, Queue::stop)();
    }
}

#[test]
fn a_worker_that_is_not_notified_waits_for_good() {
    let mutant: fn(&Queue) = |queue| {
        queue.inner.lock().stopped = true;
        queue.changed.notify_one();
    };
    proves(served(1, 1, Queue::work, mutant));
    let deadlock = ViolationKind::deadlock(["Queue::changed"]);
    refutes([deadlock], served(2, 0, Queue::work, mutant));
}

/// A worker that wakes in vain takes a request that is not there.
#[test]
fn a_worker_looks_again_when_it_wakes() {
    let mutant: fn(&Queue) = |queue| {
        let mut inner = queue.inner.lock();
        if inner.requests.is_empty() {
            queue.changed.wait(&mut inner);
        }
        let request = inner.requests.pop().expect("there is a request");
        drop(inner);
        *queue.done.lock() += request;
    };
    let none = ViolationKind::panic("there is a request");
    refutes([none], served(1, 1, mutant, Queue::stop));
}

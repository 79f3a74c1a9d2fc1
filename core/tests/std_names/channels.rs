//! Channels, and what happens once: loom's `mpsc` and `lazy_static`.

use std::time::Duration;

use selvedge_core::std::sync::mpsc::{self, RecvTimeoutError, TryRecvError, TrySendError};
use selvedge_core::std::sync::{Arc, LazyLock, Mutex, Once, OnceLock};
use selvedge_core::std::thread;

use super::{Wrong, proves, refutes, results};

#[test]
fn a_value_arrives() {
    proves(|| {
        let (sender, receiver) = mpsc::channel();
        sender.send(5).unwrap();
        assert_eq!(receiver.recv(), Ok(5));
    });
    proves(|| {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || sender.send(5).unwrap());
        assert_eq!(receiver.recv(), Ok(5));
        thread.join().unwrap();
    });
}

#[test]
fn two_senders_come_in_any_order() {
    let received = results(|| {
        let (sender, receiver) = mpsc::channel();
        let threads = [5, 6].map(|value| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(value).unwrap())
        });
        drop(sender);
        let received: Vec<i32> = receiver.iter().collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        received
    });
    assert_eq!(received, [vec![5, 6], vec![6, 5]].into());
}

#[test]
fn a_channel_without_an_end_is_closed() {
    proves(|| {
        let (sender, receiver) = mpsc::channel::<u32>();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(receiver.recv_timeout(Duration::from_secs(1)), Err(RecvTimeoutError::Timeout));
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert!(receiver.recv().is_err());
        let (sender, receiver) = mpsc::channel();
        drop(receiver);
        assert_eq!(sender.send(1).unwrap_err().0, 1);
    });
}

#[test]
fn no_thread_sends() {
    refutes(Wrong::Deadlock, || {
        let (_sender, receiver) = mpsc::channel::<u32>();
        _ = receiver.recv();
    });
}

#[test]
fn a_full_channel_makes_senders_wait() {
    proves(|| {
        let (sender, receiver) = mpsc::sync_channel(1);
        sender.try_send(0).unwrap();
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        let thread = thread::spawn(move || sender.send(1).unwrap());
        assert_eq!([receiver.recv(), receiver.recv()], [Ok(0), Ok(1)]);
        thread.join().unwrap();
    });
    refutes(Wrong::Deadlock, || {
        let (sender, _receiver) = mpsc::sync_channel(1);
        sender.send(0).unwrap();
        sender.send(1).unwrap();
    });
}

#[test]
fn a_rendezvous_waits_for_the_receiver() {
    use selvedge_core::std::sync::atomic::{AtomicUsize, Ordering::*};
    proves(|| {
        let (sender, receiver) = mpsc::sync_channel(0);
        let received = Arc::new(AtomicUsize::new(0));
        let other = Arc::clone(&received);
        let thread = thread::spawn(move || {
            other.store(1, Relaxed);
            receiver.recv().unwrap();
        });
        sender.send(1).unwrap();
        assert_eq!(received.load(Relaxed), 1);
        thread.join().unwrap();
    });
    refutes(Wrong::Deadlock, || {
        let (sender, _receiver) = mpsc::sync_channel(0);
        sender.send(1).unwrap();
    });
}

#[test]
fn a_call_happens_once() {
    use selvedge_core::std::sync::atomic::{AtomicUsize, Ordering::*};
    proves(|| {
        let shared = Arc::new((Once::new(), AtomicUsize::new(0)));
        let call = |shared: &(Once, AtomicUsize)| {
            shared.0.call_once(|| _ = shared.1.fetch_add(1, Relaxed));
            assert_eq!(shared.1.load(Relaxed), 1);
        };
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || call(&other));
        call(&shared);
        thread.join().unwrap();
        assert!(shared.0.is_completed());
    });
}

#[test]
fn a_cell_is_written_once() {
    let seen = results(|| {
        let cell = Arc::new(OnceLock::new());
        let other = Arc::clone(&cell);
        let thread = thread::spawn(move || other.set(1).is_ok());
        let mine = cell.set(2).is_ok();
        let seen = *cell.get().unwrap();
        (thread.join().unwrap(), mine, seen)
    });
    assert_eq!(seen, [(false, true, 2), (true, false, 1)].into());
}

/// A reader finds either value by the same operation, and then does something else.
#[test]
fn a_reader_finds_the_value_of_any_writer() {
    proves(|| {
        let cell = Arc::new(OnceLock::new());
        let writers = [1, 2].map(|value| {
            let cell = Arc::clone(&cell);
            thread::spawn(move || _ = cell.set(value))
        });
        let other = Arc::new(Mutex::hashed(0));
        if cell.get() == Some(&1) {
            *other.lock().unwrap() += 1;
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
}

#[test]
fn a_lazy_value_is_made_once() {
    use selvedge_core::std::sync::atomic::{AtomicUsize, Ordering::*};
    proves(|| {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let lazy = Arc::new(LazyLock::new(move || counted.fetch_add(1, Relaxed) + 10));
        let other = Arc::clone(&lazy);
        let thread = thread::spawn(move || **other);
        assert_eq!((**lazy, thread.join().unwrap()), (10, 10));
        assert_eq!(made.load(Relaxed), 1);
    });
}

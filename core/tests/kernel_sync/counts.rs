//! Reference counts, and cells that are populated once.

use selvedge_core::kernel::prelude::*;
use selvedge_core::kernel::sync::{Arc, ArcBorrow, Mutex, SetOnce, UniqueArc, new_mutex};
use selvedge_core::std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use selvedge_core::{ViolationKind, thread};

use super::{proves, refutes};

#[test]
fn one_of_two_threads_gets_the_value_back() {
    proves(|| {
        let taken = Arc::new(new_mutex!(0, "taken"), GFP_KERNEL).unwrap();
        let value = Arc::new(7, GFP_KERNEL).unwrap();
        let take = |value: Arc<u32>, taken: &Mutex<u32>| {
            if let Some(unique) = value.into_unique_or_drop() {
                assert_eq!(*unique, 7);
                *taken.lock() += 1;
            }
        };
        let (other, count) = (value.clone(), taken.clone());
        let thread = thread::spawn("T", move || take(other, &count));
        take(value, &taken);
        thread.join();
        assert_eq!(*taken.lock(), 1);
    });
}

/// The destructor runs where the last reference is dropped, in atomic context or not.
#[test]
fn the_last_reference_drops_the_value() {
    struct Device {
        log: Arc<Mutex<u32>>,
    }
    impl Drop for Device {
        fn drop(&mut self) {
            *self.log.lock() += 1;
        }
    }
    proves(|| {
        let log = Arc::new(new_mutex!(0, "log"), GFP_KERNEL).unwrap();
        let device = Arc::new(Device { log: log.clone() }, GFP_KERNEL).unwrap();
        let other = device.clone();
        let thread = thread::spawn("T", move || drop(other));
        drop(device);
        thread.join();
        assert_eq!(*log.lock(), 1);
    });
    refutes([ViolationKind::sleep_in_atomic("log", "rcu")], || {
        let log = Arc::new(new_mutex!(0, "log"), GFP_KERNEL).unwrap();
        let device = Arc::new(Device { log }, GFP_KERNEL).unwrap();
        let _section = selvedge_core::kernel::sync::rcu::read_lock();
        drop(device);
    });
}

#[test]
fn a_reference_that_is_not_dropped_is_a_leak() {
    refutes([ViolationKind::leak("Arc<u32>")], || {
        let value = Arc::new(1_u32, GFP_KERNEL).unwrap();
        std::mem::forget(value.clone());
    });
}

#[test]
fn a_unique_reference_can_be_changed() {
    proves(|| {
        let mut pinned = UniqueArc::pin_init([1, 2], GFP_KERNEL).unwrap();
        pinned[0] = 3;
        let value: Arc<[u32; 2]> = pinned.into();
        let keep = |borrowed: ArcBorrow<'_, [u32; 2]>| (borrowed.len(), Arc::from(borrowed));
        let (len, kept) = keep(value.as_arc_borrow());
        assert!(len == 2 && Arc::ptr_eq(&kept, &value));
        assert_eq!(value.as_ref(), &[3, 2]);
        assert_eq!(format!("{value:?}"), "[3, 2]");
    });
}

#[test]
fn one_of_two_threads_populates_a_cell() {
    proves(|| {
        let cell = Arc::new(SetOnce::new(), GFP_KERNEL).unwrap();
        let other = cell.clone();
        let thread = thread::spawn("T", move || other.populate(1));
        let mine = cell.populate(2);
        assert!(mine || cell.copy().is_none_or(|value| value == 1));
        let theirs = thread.join();
        assert!(mine != theirs);
        assert_eq!(cell.copy(), Some(if mine { 2 } else { 1 }));
    });
    // The other thread may still be at it.
    refutes([ViolationKind::panic("it is populated")], || {
        let cell = Arc::new(SetOnce::new(), GFP_KERNEL).unwrap();
        let other = cell.clone();
        let thread = thread::spawn("T", move || other.populate(1));
        cell.populate(2);
        assert!(cell.copy().is_some(), "it is populated");
        thread.join();
    });
}

/// A reader finds either value, and its look is the same operation.
#[test]
fn a_reader_finds_the_value_of_any_thread_that_populates() {
    let program = |unexpected: Option<u32>| {
        move || {
            let cell = Arc::new(SetOnce::new(), GFP_KERNEL).unwrap();
            let threads = [1, 2].map(|value| {
                let cell = cell.clone();
                thread::spawn(format!("T{value}"), move || cell.populate(value))
            });
            assert!(cell.copy() != unexpected, "it is found");
            threads.into_iter().for_each(|thread| _ = thread.join());
        }
    };
    proves(program(Some(3)));
    for value in [None, Some(1), Some(2)] {
        refutes([ViolationKind::panic("it is found")], program(value));
    }
}

/// What was written before is seen by a thread that finds the cell populated.
#[test]
fn a_populated_cell_publishes_what_was_written_before() {
    proves(|| {
        let shared = Arc::new((AtomicU32::new(0), SetOnce::new()), GFP_KERNEL).unwrap();
        let other = shared.clone();
        let thread = thread::spawn("T", move || {
            other.0.store(1, Relaxed);
            other.1.populate(());
        });
        if shared.1.copy().is_some() {
            assert_eq!(shared.0.load(Relaxed), 1);
        }
        thread.join();
    });
}

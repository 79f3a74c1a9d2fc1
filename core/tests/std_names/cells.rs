//! Data races on cells: loom's `unsafe_cell`.

use selvedge_core::std::cell::UnsafeCell;
use selvedge_core::std::sync::atomic::{AtomicUsize, Ordering::*};
use selvedge_core::std::sync::{Arc, Mutex};
use selvedge_core::std::thread;

use super::{Wrong, proves, refutes};

/// A number that threads share without synchronisation.
#[derive(Clone)]
struct Number(Arc<Cell>);

struct Cell(UnsafeCell<usize>);

// SAFETY: the checker finds accesses that nothing orders.
unsafe impl Sync for Cell {}

impl Number {
    fn new() -> Self {
        Self(Arc::new(Cell(UnsafeCell::new(0))))
    }

    fn get(&self) -> usize {
        // SAFETY: see `Cell`.
        self.0.0.with(|value| unsafe { *value })
    }

    fn add(&self) -> usize {
        // SAFETY: see `Cell`.
        self.0.0.with_mut(|value| unsafe {
            *value += 1;
            *value
        })
    }
}

/// The accesses of a program: two threads beside the first, which joins them and adds.
type Access = fn(&Number);

fn accesses(first: Option<Access>, others: &'static [Access]) -> impl Fn() + Send + Sync {
    move || {
        let number = Number::new();
        let threads: Vec<_> = others
            .iter()
            .map(|access| {
                let number = number.clone();
                thread::spawn(move || access(&number))
            })
            .collect();
        first.into_iter().for_each(|access| access(&number));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        number.add();
    }
}

const GET: Access = |number| _ = number.get();
const ADD: Access = |number| _ = number.add();
const GET_AND_ADD: Access = |number| _ = (number.get(), number.add());

#[test]
fn two_writers_race() {
    refutes(Wrong::Race, accesses(Some(ADD), &[ADD]));
    refutes(Wrong::Race, accesses(None, &[ADD, ADD]));
}

#[test]
fn a_writer_and_a_reader_race() {
    refutes(Wrong::Race, accesses(Some(GET), &[ADD]));
    refutes(Wrong::Race, accesses(Some(ADD), &[GET]));
    refutes(Wrong::Race, accesses(None, &[ADD, GET]));
    refutes(Wrong::Race, accesses(None, &[GET, ADD]));
    refutes(Wrong::Race, accesses(None, &[GET, GET_AND_ADD]));
}

#[test]
fn readers_do_not_race() {
    proves(accesses(Some(GET), &[GET, GET]));
}

#[test]
fn a_thread_hands_the_number_back() {
    proves(|| {
        let number = Number::new();
        assert_eq!(number.add(), 1);
        let thread = thread::spawn(move || {
            assert_eq!((number.get(), number.add()), (1, 2));
            number
        });
        let number = thread.join().unwrap();
        assert_eq!((number.get(), number.add()), (2, 3));
    });
}

#[test]
fn readers_start_readers() {
    proves(|| {
        let number = Number::new();
        let other = number.clone();
        let reader = thread::spawn(move || {
            let third = other.clone();
            let inner = thread::spawn(move || third.get());
            assert_eq!((other.get(), inner.join().unwrap()), (0, 0));
        });
        assert_eq!(number.get(), 0);
        reader.join().unwrap();
        assert_eq!(number.add(), 1);
    });
}

/// A writer that sets a flag when it is ready, and a reader that looks at the flag, or not.
fn channel(looks: bool) -> impl Fn() + Send + Sync {
    move || {
        let shared = (Number::new(), Arc::new(AtomicUsize::new(0)));
        let other = shared.clone();
        let writer = thread::spawn(move || {
            other.0.add();
            other.1.store(1, Release);
        });
        if !looks || shared.1.load(Acquire) == 1 {
            assert_eq!(shared.0.get(), 1);
        }
        writer.join().unwrap();
        assert_eq!(shared.0.get(), 1);
    }
}

#[test]
fn a_flag_orders_the_accesses() {
    proves(channel(true));
}

#[test]
fn without_a_look_at_the_flag_they_race() {
    use super::explore;
    use selvedge_core::ViolationKind;
    // Where the reader comes first, it also reads the wrong number.
    let report = explore(channel(false));
    let raced = |found: &selvedge_core::Counterexample| {
        matches!(found.violation.kind, ViolationKind::DataRace(_))
    };
    assert!(report.verdict.counterexamples().iter().any(raced), "{report}");
}

#[test]
fn what_comes_after_the_flag_is_not_ordered() {
    refutes(Wrong::Race, || {
        let shared = (Number::new(), Arc::new(AtomicUsize::new(0)));
        let other = shared.clone();
        let writer = thread::spawn(move || {
            other.1.store(1, Release);
            other.0.add();
        });
        if shared.1.load(Acquire) == 1 {
            shared.0.add();
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_mutex_orders_the_accesses() {
    proves(|| {
        let shared = Arc::new((Number::new(), Mutex::new(false)));
        let other = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            other.0.add();
            *other.1.lock().unwrap() = true;
        });
        if *shared.1.lock().unwrap() {
            assert_eq!(shared.0.get(), 1);
        }
        writer.join().unwrap();
    });
}

/// The closure of one access has the other in it.
#[test]
fn an_access_within_an_access_races() {
    refutes(Wrong::Race, || {
        let cell = UnsafeCell::new(0);
        cell.with(|_| cell.with_mut(|_| ()));
    });
    proves(|| {
        let cell = UnsafeCell::new(0);
        cell.with(|_| cell.with(|_| ()));
    });
}

#[test]
fn the_owner_takes_the_value() {
    proves(|| {
        let mut cell = UnsafeCell::new(1);
        *cell.get_mut() += 1;
        assert_eq!(cell.into_inner(), 2);
    });
}

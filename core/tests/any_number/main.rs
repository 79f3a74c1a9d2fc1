//! Programs with a published or plain verdict for any number of threads.

mod families;
mod wakers;

use selvedge_core::sync::{Atomic, Kref, Mutex, RwSem, Semaphore, UnfairRwSem};
use selvedge_core::{Checker, Report, Scenario, Verdict, ViolationKind, invariant_broken};

fn run(scenario: &Scenario) -> Report {
    let report = Checker::native().run(scenario);
    eprintln!("{}: {:?} {:?}", scenario.name(), report.verdict.as_str(), report.stopped);
    report
}

/// Asserts a proof, and returns the number of views.
#[track_caller]
fn proved(scenario: &Scenario) -> u64 {
    match run(scenario).verdict {
        Verdict::Proved(fingerprint) => fingerprint.views.expect("a proof from views"),
        other => panic!("{}: {other:?}", scenario.name()),
    }
}

/// Asserts a refutation by this violation, and returns the number of threads.
#[track_caller]
fn refuted(scenario: &Scenario, kind: &ViolationKind) -> usize {
    match run(scenario).verdict {
        Verdict::Refuted(found) => {
            let found = found.iter().find(|found| found.violation.kind == *kind);
            let found = found.unwrap_or_else(|| panic!("{} without {kind}", scenario.name()));
            let threads: std::collections::BTreeSet<_> =
                found.trace.steps.iter().map(|step| step.thread).collect();
            threads.len()
        }
        other => panic!("{}: {other:?}", scenario.name()),
    }
}

type Locks = Vec<Mutex>;

fn locks() -> Locks {
    ["0", "1", "2", "3"].map(|class| Mutex::new(class, ())).into()
}

/// Locks these in order, and unlocks them in reverse order.
fn nested(order: &'static [usize]) -> impl Fn(&Locks) + Send + Sync {
    move |locks| {
        let _held: Vec<_> = order.iter().map(|lock| locks[*lock].lock()).collect();
    }
}

fn program(name: &str, clients: &[&'static [usize]]) -> Scenario {
    let builder = Scenario::builder(name, locks);
    let clients = clients.iter();
    clients.fold(builder, |b, order| b.any_number_of(format!("{order:?}"), nested(order))).build()
}

#[test]
fn locks_in_one_order_never_deadlock() {
    assert!(proved(&program("nested", &[&[0, 1], &[0, 1, 2], &[1, 2], &[0, 2]])) > 0);
}

#[test]
fn circles_of_locks_deadlock() {
    let deadlock = |classes: &[&'static str]| ViolationKind::deadlock(classes.iter().copied());
    assert_eq!(refuted(&program("abba", &[&[0, 1], &[1, 0]]), &deadlock(&["0", "1"])), 2);
    let three = program("three", &[&[0, 1], &[1, 2], &[2, 0]]);
    assert_eq!(refuted(&three, &deadlock(&["0", "1", "2"])), 3);
    let four = program("four", &[&[0, 1], &[1, 2], &[2, 3], &[3, 0]]);
    assert_eq!(refuted(&four, &deadlock(&["0", "1", "2", "3"])), 4);
}

#[test]
fn a_gate_lock_keeps_threads_apart() {
    proved(&program("gate", &[&[3, 0, 1], &[3, 1, 0]]));
}

#[test]
fn a_fair_rwsem_alone_never_deadlocks() {
    let scenario = Scenario::builder("rwsem", || RwSem::new("sem", ()))
        .any_number_of("reader", |sem: &RwSem| sem.down_read().up_read())
        .any_number_of("writer", |sem| sem.down_write().up_write())
        .build();
    proved(&scenario);
}

/// Threads that take a semaphore for reading and a mutex in either order, and writers.
fn readers_with_a_mutex<S: Send + Sync + 'static>(
    name: &str,
    sem: fn() -> S,
    read: fn(&S, &dyn Fn()),
    write: fn(&S),
) -> Scenario {
    Scenario::builder(name, move || (sem(), Mutex::new("m", ())))
        .any_number_of("sem, m", move |(sem, m): &(S, Mutex)| {
            read(sem, &|| m.lock().unlock());
        })
        .any_number_of("m, sem", move |(sem, m)| {
            let _m = m.lock();
            read(sem, &|| ());
        })
        .any_number_of("writer", move |(sem, _)| write(sem))
        .build()
}

#[test]
fn a_waiting_writer_closes_a_circle() {
    let read = |sem: &RwSem, inside: &dyn Fn()| {
        let _read = sem.down_read();
        inside();
    };
    let fair = readers_with_a_mutex(
        "rwsem and mutex",
        || RwSem::new("sem", ()),
        read,
        |sem| sem.down_write().up_write(),
    );
    assert_eq!(refuted(&fair, &ViolationKind::deadlock(["m", "sem"])), 3);
    let read = |sem: &UnfairRwSem, inside: &dyn Fn()| {
        let _read = sem.down_read();
        inside();
    };
    let unfair = readers_with_a_mutex(
        "unfair rwsem and mutex",
        || UnfairRwSem::new("sem", ()),
        read,
        |sem| sem.down_write().up_write(),
    );
    proved(&unfair);
}

/// Two threads read. The one that has ended says so, and a third relies on the other to have. No
/// two writers meet.
#[test]
fn a_reader_that_remains_is_refuted_by_three() {
    type World = (RwSem, Atomic<bool>, Mutex);
    let world = || (RwSem::new("sem", ()), Atomic::new("ended", false), Mutex::new("m", ()));
    let scenario = Scenario::builder("remains", world)
        .any_number_of("reader", |(sem, ended, _): &World| {
            sem.down_read().up_read();
            ended.store(true);
        })
        .any_number_of("writer", |(sem, ended, m)| {
            let _m = m.lock();
            if ended.load() && sem.try_down_write().is_none() {
                invariant_broken("READS", "a reader remains");
            }
        })
        .build();
    assert_eq!(refuted(&scenario, &ViolationKind::invariant("READS")), 3);
}

#[test]
fn a_check_and_an_act_apart_are_refuted_by_two() {
    let world = || (Mutex::new("m", ()), Atomic::new("busy", false));
    let apart = Scenario::builder("check-then-act", world)
        .any_number_of("T", |(m, busy): &(Mutex, Atomic<bool>)| {
            m.lock().unlock();
            if !busy.load() {
                if busy.swap(true) {
                    invariant_broken("ONE", "two of them are here");
                }
                busy.store(false);
            }
        })
        .build();
    assert_eq!(refuted(&apart, &ViolationKind::invariant("ONE")), 2);
    let together = Scenario::builder("check and act", world)
        .any_number_of("T", |(m, busy): &(Mutex, Atomic<bool>)| {
            let _m = m.lock();
            if !busy.load() {
                if busy.swap(true) {
                    invariant_broken("ONE", "two of them are here");
                }
                busy.store(false);
            }
        })
        .build();
    proved(&together);
}

#[test]
fn a_count_without_a_bound_is_not_decided() {
    let scenario = Scenario::builder("kref", || Kref::new("kref"))
        .any_number_of("user", |kref: &Kref| {
            kref.get();
            assert!(!kref.put());
        })
        .finally(|kref| assert!(kref.put()))
        .build();
    let report = run(&scenario);
    let Verdict::Inconclusive { reason } = report.verdict else { panic!("{report}") };
    let says = "what `kref` holds depends on how many threads there are";
    assert!(reason.to_string().contains(says), "{reason}");
}

/// Two of the users get a slot, so three references are put, and there are three. A view of two
/// threads does not relate three users with a slot: there a fourth reference is put.
#[test]
fn what_only_views_violate_is_not_proved() {
    let world = || {
        let kref = Kref::new("kref");
        kref.get();
        kref.get();
        (Semaphore::new("slots", 2), kref)
    };
    let scenario = Scenario::builder("two users", world)
        .any_number_of("user", |(slots, kref): &(Semaphore, Kref)| {
            if slots.down_trylock() {
                _ = kref.put();
            }
        })
        .thread("owner", |(_, kref)| _ = kref.put())
        .finally(|(slots, kref)| {
            while slots.down_trylock() {
                _ = kref.put();
            }
        })
        .build();
    let report = run(&scenario);
    let Verdict::Inconclusive { reason } = report.verdict else { panic!("{report}") };
    assert!(reason.to_string().contains(" in a view, and in no small number"), "{reason}");
}

/// One thread beside any number of others: the program of `docs/any-number.md`.
#[test]
fn one_thread_removes_beside_any_number_of_calls() {
    let scenario = Scenario::builder("driver/ioctl-remove", || RwSem::new("gone", false))
        .any_number_of("ioctl", |gone: &RwSem<bool>| gone.down_read().up_read())
        .thread("remove", |gone| *gone.down_write() = true)
        .expect_proof();
    assert!(run(&scenario).as_expected());
    proved(&scenario);
}

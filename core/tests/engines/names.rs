//! Names that are made at run time, and objects without one.

use std::sync::Arc;

use selvedge_core::sync::{
    Choice, Completion, Condvar, Ghost, Hardware, Kref, ModuleRef, Mutex, PerCpu, RwSem, Semaphore,
    SpinLock, Srcu, Timer, Tracked, UnfairRwSem, WaitQueue, WeakAtomic, Work, Workqueue,
};
use selvedge_core::{Engine, Name, Scenario, ScenarioBuilder, ViolationKind, thread};

use super::{check, check_with_traces, deadlock};

type Two = [Mutex; 2];

fn in_either_order(two: impl Fn() -> Two + Send + Sync + 'static) -> ScenarioBuilder<Two> {
    let takes = |first: usize| {
        move |two: &Two| {
            let _first = two[first].lock();
            two[1 - first].lock().unlock();
        }
    };
    Scenario::builder("names", two).thread("T1", takes(0)).thread("T2", takes(1))
}

#[test]
fn a_name_may_be_owned() {
    let owned = in_either_order(|| [0, 1].map(|i| Mutex::new(format!("q{i}"), ())));
    let owned = owned.expect_violations(deadlock(["q0", "q1"]));
    check_with_traces(&owned);
    let literal = in_either_order(|| [Mutex::new("q0", ()), Mutex::new("q1", ())]).build();
    let fingerprint = |scenario: &Scenario| scenario.verify(Engine::Native).fingerprint;
    assert_eq!(fingerprint(&owned), fingerprint(&literal), "a name is no part of a state");
}

#[test]
fn objects_without_a_name_are_of_the_class_of_their_line() {
    let line = line!();
    let first = || Mutex::new(Name::here(), ());
    let second = || Mutex::new(Name::here(), ());
    let class = |after: u32| format!("{}:{}", file!(), line + after);
    let both = [ViolationKind::deadlock([class(1).as_str(), class(2).as_str()])];
    check_with_traces(&in_either_order(move || [first(), second()]).expect_violations(both));
    let one = [ViolationKind::deadlock([class(1).as_str()])];
    check_with_traces(&in_either_order(move || [first(), first()]).expect_violations(one));
}

#[test]
fn a_thread_may_have_an_owned_name() {
    let scenario = Scenario::builder("threads", || Arc::new(Mutex::new("A", ())))
        .thread(String::from("main"), |a| {
            let mine = a.lock();
            let other = Arc::clone(a);
            let thread = thread::spawn(format!("child {}", 1), move || other.lock().unlock());
            thread.join();
            mine.unlock();
        })
        .expect_violations(deadlock(["A", "child 1"]));
    check(&scenario);
}

/// Leaks one object of each kind, so that its class can be seen.
#[test]
fn every_object_takes_an_owned_name() {
    let name = || format!("name{}", 1);
    let world = move || {
        let queue = Workqueue::new(name(), 1);
        let work = queue.init_work(name(), |_| {});
        (
            (Mutex::new(name(), ()), SpinLock::new(name(), ()), RwSem::new(name(), ())),
            (UnfairRwSem::new(name(), ()), Semaphore::new(name(), 1), Srcu::new(name())),
            (WaitQueue::new(name()), Completion::new(name()), Condvar::new(name())),
            (Choice::new(name()), Ghost::new(name(), 0), Hardware::new(name(), 0)),
            (PerCpu::new(name(), [0]), WeakAtomic::new(name(), 0), Timer::new(name(), |_| {})),
            (queue, work, Work::new(name(), |_| {}), Workqueue::freezable(name(), 1)),
            (Kref::new(name()), ModuleRef::new(name()), Tracked::new(name(), ())),
        )
    };
    let scenario = Scenario::builder("each", world).thread("T", |_| {});
    check(&scenario.expect_violations([ViolationKind::leak("name1")]));
}

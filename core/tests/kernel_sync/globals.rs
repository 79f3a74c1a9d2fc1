//! Locks in statics.

use selvedge_core::kernel::prelude::*;
use selvedge_core::kernel::sync::{Arc, global_lock};
use selvedge_core::{Checker, Engine, Scenario, Search, Verdict, ViolationKind, thread};

use super::{proves, refutes};

global_lock! {
    // SAFETY: each program initialises it, or is to be refuted.
    unsafe(uninit) static COUNT: Mutex<u32> = 0;
}

global_lock! {
    /// The second one.
    // SAFETY: each program initialises it, or is to be refuted.
    pub(crate) unsafe(uninit) static LIST: SpinLock<Vec<u32>> = Vec::new();
}

global_lock! {
    // SAFETY: each program initialises it, or is to be refuted.
    unsafe(uninit) static DEVICES: Mutex<Vec<Arc<u32>>> = Vec::new();
}

fn init() {
    // SAFETY: it is called once in an execution.
    unsafe {
        COUNT.init();
        LIST.init();
    }
}

/// Every execution begins with the first value.
#[test]
fn a_static_is_that_of_the_execution() {
    let search = proves(|| {
        init();
        let add = || {
            let mut count = COUNT.lock();
            *count += 1;
            LIST.lock().push(*count);
        };
        let thread = thread::spawn("T", add);
        add();
        thread.join();
        assert_eq!((*COUNT.lock(), &LIST.lock()[..]), (2, &[1, 2][..]));
    });
    assert_eq!(search, Some(Search::Auto), "its states are compared");
}

#[test]
fn several_os_threads_explore_with_statics_of_their_own() {
    let world = || {
        init();
    };
    let add = |(): &(), i: usize| {
        *COUNT.lock() += 1;
        LIST.lock().push(i as u32);
    };
    let scenario = Scenario::builder("statics", world)
        .threads(2, |i| format!("T{i}"), add)
        .finally(|()| assert_eq!((*COUNT.lock(), LIST.lock().len()), (2, 2)))
        .expect_proof();
    for search in [Search::Auto, Search::Dpor] {
        let report = Checker::native().search(search).threads(2).run(&scenario);
        assert!(matches!(report.verdict, Verdict::Proved(_)), "{report}");
    }
    for engine in [Engine::Loom, Engine::Shuttle] {
        let report = scenario.verify(engine);
        assert!(matches!(report.verdict, Verdict::Proved(_)), "{report}");
    }
}

#[test]
fn two_statics_in_both_orders_deadlock() {
    refutes([ViolationKind::deadlock(["COUNT", "DEVICES"])], || {
        // SAFETY: it is called once in an execution.
        unsafe { DEVICES.init() };
        init();
        let thread = thread::spawn("T", || {
            let count = COUNT.lock();
            assert_eq!(DEVICES.lock().len() as u32, *count);
        });
        let devices = DEVICES.lock();
        assert_eq!(*COUNT.lock(), devices.len() as u32);
        drop(devices);
        thread.join();
    });
}

#[test]
fn a_static_is_initialised_once_and_before_its_use() {
    let wrong = || [ViolationKind::invariant("GlobalLock::init")];
    refutes(wrong(), || *COUNT.lock() += 1);
    refutes(wrong(), || _ = LIST.try_lock());
    refutes(wrong(), || {
        init();
        init();
    });
    // It could be initialised in time in some interleavings only.
    let late = "COUNT is to be initialized before there are other threads";
    refutes([ViolationKind::panic(late)], || {
        let thread = thread::spawn("T", || *COUNT.lock() += 1);
        init();
        thread.join();
    });
}

/// A static is never dropped, so a module empties it.
#[test]
fn what_a_static_still_refers_to_is_a_leak() {
    let program = |exit: fn()| {
        move || {
            // SAFETY: it is called once in an execution.
            unsafe { DEVICES.init() };
            let device = Arc::new(1_u32, GFP_KERNEL).unwrap();
            DEVICES.lock().push(device);
            exit();
        }
    };
    proves(program(|| DEVICES.lock().clear()));
    refutes([ViolationKind::leak("Arc<u32>")], program(|| ()));
}

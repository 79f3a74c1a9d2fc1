//! Typical mistakes of users, and the messages about them.

use std::cell::Cell;
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use selvedge_core::sync::{Atomic, Mutex, RwSem, SpinLock, Timer, WaitQueue, Work};
use selvedge_core::{Engine, Report, Scenario, Verdict};

fn abba() -> [Mutex; 2] {
    [Mutex::new("A", ()), Mutex::new("B", ())]
}

fn remarks(scenario: &Scenario) -> Vec<String> {
    let all: Vec<Report> = Engine::ALL.iter().map(|engine| scenario.verify(*engine)).collect();
    for report in &all {
        assert_eq!(report.remarks, all[0].remarks, "{}", report.engine);
        for remark in &report.remarks {
            assert!(report.to_string().contains(remark), "{report}");
        }
    }
    all.into_iter().next().unwrap().remarks
}

/// rustc's help for an unused guard takes the locks one after the other.
#[test]
#[allow(clippy::let_underscore_must_use)]
fn a_guard_that_is_dropped_at_once_is_reported() {
    let scenario = Scenario::builder("dropped", abba)
        .thread("ab", |[a, b]| {
            let _ = a.lock();
            let _held = b.lock();
        })
        .thread("ba", |[a, b]| {
            let _ = b.lock();
            let _held = a.lock();
        })
        .expect_proof();
    let remarks = remarks(&scenario);
    // The second lock is released with nothing in it either, at the end of the thread.
    assert_eq!(remarks.len(), 4, "{remarks:#?}");
    assert!(remarks[0].starts_with("A is taken at core/tests/traps.rs:"), "{remarks:#?}");
    assert!(remarks[0].contains("`let _held = ..` keeps it"), "{remarks:#?}");
}

/// Data that are accessed, operations in between, and an explicit unlock are intended.
#[test]
fn a_section_that_is_not_empty_is_not_reported() {
    let world = || (Mutex::new("A", 0), RwSem::new("S", 0), SpinLock::new("L", 0), abba());
    let scenario = Scenario::builder("used", world)
        .thread("T1", |(a, s, l, [b, c])| {
            *a.lock() += 1;
            assert!(*s.down_read() < 2);
            *s.down_write() += 1;
            *l.spin_lock_irqsave() += 1;
            b.lock().unlock();
            let _outer = b.lock();
            c.lock().unlock();
        })
        .thread("T2", |(a, ..)| assert!(*a.lock() < 2))
        .expect_proof();
    assert_eq!(remarks(&scenario), [""; 0]);
}

/// They take nothing that a guard could drop.
#[test]
fn an_empty_function_is_no_empty_section() {
    let world = || (Timer::new("timer", |_| ()), Work::new("work", |_| ()));
    let scenario = Scenario::builder("functions", world)
        .thread("T", |(timer, work)| {
            timer.mod_timer();
            work.queue_work();
        })
        .expect_proof();
    assert_eq!(remarks(&scenario), [""; 0]);
}

/// Checks that the loop is named by one of its lines.
fn gives_up_within_a_second(scenario: &Scenario, lines: Range<u32>, advice: &str) {
    let start = Instant::now();
    let report = scenario.verify(Engine::Native);
    let took = start.elapsed();
    let Verdict::Inconclusive { reason } = &report.verdict else { panic!("{report}") };
    let named = |line| reason.to_string().contains(&format!("traps.rs:{line}]"));
    assert!(lines.into_iter().any(named), "{reason}");
    assert!(reason.to_string().contains(advice), "{reason}");
    // The difference is one between a moment and minutes.
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn a_spin_loop_is_reported_with_advice() {
    let line = line!() + 4;
    let scenario = Scenario::builder("spins", || (Atomic::new("flag", 0), Mutex::new("A", ())))
        .thread("sets", |(flag, _)| flag.store(1))
        .thread("locks", |(_, a)| a.lock().unlock())
        .thread("spins", |(flag, _)| while flag.load() == 0 {})
        .expect_proof();
    gives_up_within_a_second(&scenario, line..line + 1, "poll(");
}

/// As drivers write it. Each spurious wake-up is one more history.
#[test]
fn an_explicit_wait_loop_is_reported_with_advice() {
    let world = || (WaitQueue::new("queue"), Atomic::new("flag", 0));
    let line = line!() + 8;
    let scenario = Scenario::builder("waits", world)
        .thread("waker", |(queue, flag)| {
            flag.store(1);
            queue.wake_up_all();
        })
        .thread("waiter", |(queue, flag)| {
            loop {
                queue.prepare_to_wait();
                if flag.load() == 1 {
                    break;
                }
                queue.schedule();
            }
            queue.finish_wait();
        })
        .expect_proof();
    gives_up_within_a_second(&scenario, line..line + 6, "rounds(|| ..)");
}

/// Beside each other they have many more histories.
#[test]
fn three_explicit_wait_loops_are_reported_soon() {
    let line = line!() + 3;
    let wait = |(queue, flag): &(WaitQueue, Atomic)| {
        loop {
            queue.prepare_to_wait();
            if flag.load() == 1 {
                break;
            }
            queue.schedule();
        }
        queue.finish_wait();
    };
    let scenario = Scenario::builder("waits", || (WaitQueue::new("queue"), Atomic::new("flag", 0)))
        .thread("waker", |(queue, flag)| {
            flag.store(1);
            queue.wake_up_all();
        })
        .threads(3, |i| format!("waiter {i}"), move |world, _| wait(world))
        .expect_proof();
    gives_up_within_a_second(&scenario, line..line + 6, "rounds(|| ..)");
}

/// A loop with progress, and one that ends, are not reported.
#[test]
fn a_long_loop_with_progress_is_explored() {
    let scenario = Scenario::builder("counts", || Atomic::new("count", 0))
        .thread("T1", |count| (0..600).for_each(|_| _ = count.fetch_add(1)))
        .expect_proof();
    scenario.assert_as_expected(Engine::Native);
}

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

/// All threads and executions share it: its changes are not in any state.
#[test]
fn a_panic_that_depends_on_a_thread_local_is_noticed() {
    let scenario = Scenario::builder("thread local", || Atomic::new("flag", 0))
        .thread("T1", |flag| {
            RUNS.set(RUNS.get() + 1);
            assert_eq!(flag.load(), 1, "run {}", RUNS.get());
        })
        .thread("T2", |flag| flag.store(1))
        .expect_proof();
    let report = scenario.verify(Engine::Native);
    let Some(reason) = &report.stopped else { panic!("{report}") };
    assert!(reason.to_string().contains("uncontrolled nondeterminism"), "{reason}");
}

/// Calls are connected only by something outside of the world.
#[test]
fn state_that_is_carried_between_calls_is_noticed() {
    static CARRIED: AtomicU64 = AtomicU64::new(0);
    let scenario = Scenario::builder("carries", || (Atomic::new("x", 0), Atomic::new("y", 0)))
        .calls("T1", |calls| {
            calls
                .then(|(x, _)| CARRIED.store(x.load(), Ordering::Relaxed))
                .then(|(_, y)| y.store(CARRIED.load(Ordering::Relaxed)))
        })
        .thread("T2", |(x, _)| x.store(1))
        .expect_proof();
    let report = scenario.verify(Engine::Native);
    let Some(reason) = &report.stopped else { panic!("{report}") };
    assert!(reason.to_string().contains("uncontrolled nondeterminism"), "{reason}");
}

/// A proof lists the assumptions about this program only.
#[test]
fn a_proof_prints_its_assumptions() {
    let mutex = Scenario::builder("mutex", || Mutex::new("A", 0))
        .thread("T", |a| *a.lock() += 1)
        .expect_proof();
    let given = |scenario: &Scenario, engine| {
        let report = scenario.verify(engine);
        let given = report.preconditions.join("; ");
        assert!(report.to_string().contains(&given), "{report}");
        given
    };
    let of_mutex = given(&mutex, Engine::Native);
    assert!(of_mutex.contains("memory is sequentially consistent"), "{of_mutex}");
    assert!(of_mutex.contains("no interrupt arrives but those of the scenario"), "{of_mutex}");
    assert!(of_mutex.contains("differ where their `Hash` does"), "{of_mutex}");
    for other in ["PREEMPT_RT", "overtake", "grace period", "carry nothing over", "spuriously"] {
        assert!(!of_mutex.contains(other), "{of_mutex}");
    }
    let more = Scenario::builder("more", || (SpinLock::new("L", ()), RwSem::new("S", ())))
        .calls("T", |calls| {
            calls
                .then(|(l, _)| l.spin_lock_irqsave().unlock())
                .then(|(_, s)| s.down_read().up_read())
        })
        .expect_proof();
    let of_more = given(&more, Engine::Native);
    for own in ["PREEMPT_RT", "overtake", "`calls` carry nothing over"] {
        assert!(of_more.contains(own), "{of_more}");
    }
    let world = || (WaitQueue::new("queue"), Atomic::new("flag", 0));
    let sleeps = Scenario::builder("sleeps", world)
        .thread("sleeps", |(queue, flag)| queue.wait_event(|| flag.load() == 1))
        .thread("wakes", |(queue, flag)| {
            flag.store(1);
            queue.wake_up();
        })
        .expect_proof();
    assert!(!given(&sleeps, Engine::Native).contains("spuriously"));
    let on_loom = sleeps.verify(Engine::Loom).preconditions.join("; ");
    assert!(on_loom.contains("spuriously at most once"), "{on_loom}");
}

/// The process dies of it, so it runs in a separate one.
#[test]
fn a_stack_overflow_is_reported_with_its_thread() {
    const CHILD: &str = "SELVEDGE_OVERFLOWS";
    fn deep(n: u64) -> u64 {
        let room = std::hint::black_box([n; 100]);
        if n == 0 { 0 } else { deep(n - 1) + room[99] }
    }
    if std::env::var_os(CHILD).is_some() {
        let scenario = Scenario::builder("overflows", || Atomic::new("flag", 0))
            .thread("shallow", |flag| flag.store(1))
            .thread("deep", |flag| flag.store(deep(100_000 + flag.load())))
            .expect_proof();
        scenario.assert_as_expected(Engine::Native);
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child =
        child.args(["a_stack_overflow_is_reported_with_its_thread", "--exact", "--nocapture"]);
    let output = child.env(CHILD, "").output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("thread `deep` of a scenario has overflowed its stack"), "{said}");
}

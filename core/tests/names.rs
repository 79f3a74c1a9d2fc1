//! What a trace calls its threads, and the operations that they wait for.

use selvedge_core::sync::{Mutex, Timer, Work};
use selvedge_core::thread;
use selvedge_core::{Checker, Engine, Scenario, Trace, ViolationKind};

/// Returns the trace of the only counterexample.
fn trace(scenario: &Scenario) -> Trace {
    let report = Checker::new(Engine::Native).run(scenario);
    assert!(report.as_expected(), "{report}");
    let [only] = report.verdict.counterexamples() else { panic!("{report}") };
    only.trace.clone()
}

fn whats(trace: &Trace, thread: &str) -> Vec<String> {
    let steps = trace.steps.iter();
    let own = steps.filter(|step| trace.threads[step.thread] == thread);
    own.map(|step| step.what.clone()).collect()
}

struct Device {
    lock: Mutex,
    reset: Work,
    stats: Work,
    watchdog: Timer,
}

fn device() -> Device {
    Device {
        lock: Mutex::new("lock", ()),
        reset: Work::new("reset_work", |_| ()),
        stats: Work::new("stats_work", |_| ()),
        watchdog: Timer::new("watchdog", |_| ()),
    }
}

fn bug() -> ViolationKind {
    ViolationKind::invariant("END")
}

/// What was queued once begins once.
#[test]
fn a_work_begins_as_often_as_it_was_queued() {
    let scenario = Scenario::builder("names/begins", device)
        .thread("open", |dev| {
            dev.reset.queue_work();
            dev.reset.flush_work();
            selvedge_core::invariant_broken("END", "the work has run");
        })
        .expect_violations([bug()]);
    let trace = trace(&scenario);
    let begins = |step: &&selvedge_core::Step| step.what.contains("begins");
    assert_eq!(trace.steps.iter().filter(begins).count(), 1, "{trace}");
}

#[test]
fn each_work_and_each_timer_runs_under_its_own_name() {
    let scenario = Scenario::builder("names/contexts", device)
        .thread("open", |dev| {
            dev.reset.queue_work();
            dev.stats.queue_work();
            dev.watchdog.mod_timer();
            dev.reset.flush_work();
            dev.stats.flush_work();
            dev.watchdog.del_timer_sync();
            selvedge_core::invariant_broken("END", "all have run");
        })
        .expect_violations([bug()]);
    let trace = trace(&scenario);
    println!("{:?}", trace.threads);
    assert_eq!(trace.threads, ["open", "reset_work", "stats_work", "watchdog"]);
}

#[test]
fn spawned_threads_of_one_name_are_distinct() {
    let scenario = Scenario::builder("names/spawned", device)
        .thread("open", |_| {
            let threads = [0, 1].map(|_| thread::spawn("t", || ()));
            threads.into_iter().for_each(thread::JoinHandle::join);
            selvedge_core::invariant_broken("END", "both have ended");
        })
        .expect_violations([bug()]);
    let trace = trace(&scenario);
    assert_eq!(trace.threads, ["open", "t", "t#1"]);
}

/// A cancellation waits under its own name, not as a flush.
#[test]
fn a_wait_has_the_name_of_the_function_that_was_called() {
    for (name, wait) in [
        ("cancel_work_sync", (|dev| _ = dev.reset.cancel_work_sync()) as fn(&Device)),
        ("disable_work_sync", |dev| _ = dev.reset.disable_work_sync()),
        ("flush_work", |dev| dev.reset.flush_work()),
    ] {
        let scenario = Scenario::builder("names/waits", device)
            .thread("remove", move |dev| {
                dev.reset.queue_work();
                wait(dev);
                invariant(dev);
            })
            .expect_violations([bug()]);
        let trace = trace(&scenario);
        assert!(whats(&trace, "remove").contains(&format!("{name}(reset_work)")), "{trace}");
    }
}

fn invariant(dev: &Device) {
    dev.lock.lock().unlock();
    selvedge_core::invariant_broken("END", "the wait is over");
}

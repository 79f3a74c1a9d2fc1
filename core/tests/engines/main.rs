//! Small programs whose verdict is known, on every engine.

mod atomic;
mod cancel;
mod completion;
mod condvar;
mod idle;
mod irq;
mod kernfs;
mod kref;
mod kthread;
mod kthread_asleep;
mod makers;
mod module;
mod mutex;
mod names;
mod nested;
mod notifier;
mod percpu;
mod plain;
mod raw;
mod rcu;
mod refusals;
mod rwlock;
mod rwsem;
mod sections;
mod semaphore;
mod seqlock;
mod shuttle;
mod sleeping;
mod spinlock;
mod srcu;
mod thread;
mod timer;
mod tracked;
mod waitqueue;
mod wakeups;
mod weak;
mod work;
mod works;
mod ww_mutex;

use std::sync::Weak;

use selvedge_core::{
    Checker, Engine, Expectation, Fingerprint, Scenario, Search, Verdict, ViolationKind,
};

/// Checks that every engine agrees with the claim, and that every counterexample replays to itself.
fn check(scenario: &Scenario) {
    for engine in Engine::ALL {
        let report = scenario.verify(*engine);
        assert!(report.as_expected(), "{engine}: {:#?}", report.verdict);
        let found = match report.verdict {
            Verdict::Refuted(found) => found,
            Verdict::Proved(fingerprint) if *engine == Engine::Shuttle => {
                assert_eq!(fingerprint, traces(scenario), "{engine}");
                continue;
            }
            _ => continue,
        };
        for found in found {
            let again = scenario.replay(&found.schedule);
            let again = again
                .unwrap_or_else(|e| panic!("{engine} {}: {e}\n{:#?}", found.schedule, found.trace));
            assert!(again.contains(&found), "{engine}: {again:#?} without {found:#?}");
        }
    }
}

/// Returns the text of the first violation.
fn reason_of(scenario: &Scenario) -> String {
    let report = scenario.verify(Engine::Native);
    report.verdict.counterexamples()[0].violation.reason.clone()
}

/// Returns the number of traces that the native engine finds, and their digest.
fn traces(scenario: &Scenario) -> Fingerprint {
    Checker::native().search(Search::Dpor).run(scenario).fingerprint
}

/// loom would need more than its limit of executions.
fn slow_on_loom(scenario: Scenario) -> Scenario {
    scenario.on(Engine::Loom, Expectation::Inconclusive).loom_executions_max(2_000)
}

fn deadlock<const N: usize>(classes: [&str; N]) -> [ViolationKind; 1] {
    [ViolationKind::deadlock(classes)]
}

/// Checks that sleep sets alone, which overlook no race, find the same traces.
fn same_traces(scenario: &Scenario) {
    let reference = Checker::native().search(Search::SleepSets).run(scenario).fingerprint;
    assert_eq!(traces(scenario), reference, "{}", scenario.name());
}

/// Checks the verdict on every engine, and that source-DPOR finds the traces of sleep sets.
fn check_with_traces(scenario: &Scenario) {
    check(scenario);
    same_traces(scenario);
}

/// Returns a function of a timer or a work that is a part of `world`.
fn within<W, T>(world: &Weak<W>, function: fn(&W)) -> impl Fn(&T) + use<W, T> {
    let world = Weak::clone(world);
    move |_| function(&world.upgrade().expect("the world lasts as long as its threads"))
}

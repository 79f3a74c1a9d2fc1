//! Counterexamples have few context switches, and say why each takes place.

use std::collections::BTreeSet;
use std::sync::Arc;

use selvedge_core::sync::{Completion, Mutex};
use selvedge_core::{
    Checker, Counterexample, Engine, Scenario, Schedule, Search, Switch, ViolationKind,
    invariant_broken,
};

/// Two locks that are shared, and one of each thread's own.
type World = ([Mutex; 2], [Mutex; 2], Completion);

fn world() -> World {
    let locks = [Mutex::new("A", ()), Mutex::new("B", ())];
    let own = [Mutex::new("own", ()), Mutex::new("own", ())];
    (locks, own, Completion::new("done"))
}

fn abba() -> Scenario {
    Scenario::builder("readable/abba", world)
        .thread("T1", |(locks, own, _)| {
            own[0].lock().unlock();
            own[0].lock().unlock();
            let _a = locks[0].lock();
            own[0].lock().unlock();
            let _b = locks[1].lock();
        })
        .thread("T2", |(locks, own, _)| {
            own[1].lock().unlock();
            let _b = locks[1].lock();
            own[1].lock().unlock();
            let _a = locks[0].lock();
        })
        .expect_violations([ViolationKind::deadlock(["A", "B"])])
}

fn counterexample(scenario: &Scenario, checker: Checker<'_>) -> Counterexample {
    let report = checker.run(scenario);
    assert!(report.as_expected(), "{report}");
    report.verdict.counterexamples()[0].clone()
}

/// Returns every schedule with the same steps of each thread.
fn reorderings(schedule: &Schedule) -> BTreeSet<String> {
    let text = schedule.to_string();
    let steps: Vec<&str> = text.split('.').collect();
    let mut threads: Vec<usize> = Vec::new();
    let of = |step: &str| step.trim_end_matches(char::is_alphabetic).parse::<usize>().unwrap();
    let mut queues: Vec<Vec<&str>> = Vec::new();
    for step in &steps {
        queues.resize_with(queues.len().max(of(step) + 1), Vec::new);
        queues[of(step)].push(step);
    }
    let mut all = BTreeSet::new();
    extend(&queues, &mut vec![0; queues.len()], &mut threads, &mut all);
    all
}

fn extend(
    queues: &[Vec<&str>],
    next: &mut Vec<usize>,
    order: &mut Vec<usize>,
    all: &mut BTreeSet<String>,
) {
    if next.iter().zip(queues).all(|(next, queue)| *next == queue.len()) {
        let mut taken = vec![0; queues.len()];
        let steps = order.iter().map(|thread| {
            taken[*thread] += 1;
            queues[*thread][taken[*thread] - 1]
        });
        all.insert(steps.collect::<Vec<_>>().join("."));
        return;
    }
    for thread in 0..queues.len() {
        if next[thread] < queues[thread].len() {
            next[thread] += 1;
            order.push(thread);
            extend(queues, next, order, all);
            order.pop();
            next[thread] -= 1;
        }
    }
}

/// Returns the fewest context switches of a reordering that violates the same.
fn fewest(scenario: &Scenario, found: &Counterexample) -> usize {
    let violates = |schedule: &Schedule| {
        scenario.replay(schedule).is_ok_and(|again| {
            again.iter().any(|again| again.violation.kind == found.violation.kind)
        })
    };
    let orders = reorderings(&found.schedule).into_iter().map(|text| text.parse().unwrap());
    orders.filter(violates).map(|order| order.context_switches()).min().unwrap()
}

#[test]
fn a_counterexample_has_the_fewest_context_switches() {
    let scenario = abba();
    for checker in [Checker::native(), Checker::native().search(Search::Dpor)] {
        let found = counterexample(&scenario, checker);
        assert_eq!(found.schedule.context_switches(), 1, "{}", found.trace);
        assert_eq!(fewest(&scenario, &found), 1);
        assert_eq!(scenario.replay(&found.schedule).unwrap(), [found]);
    }
}

#[test]
fn a_violation_at_the_end_of_a_step_stays_at_the_end() {
    let scenario = Scenario::builder("readable/invariant", || {
        (Mutex::new("own", ()), Mutex::new("count", 0), Mutex::new("other", ()))
    })
    .thread("T1", |(own, count, _)| {
        own.lock().unlock();
        let seen = *count.lock();
        own.lock().unlock();
        *count.lock() = seen + 1;
    })
    .thread("T2", |(_, count, other)| {
        other.lock().unlock();
        let seen = *count.lock();
        *count.lock() = seen + 1;
        if *count.lock() == 1 {
            invariant_broken("SUM", "an addition is lost");
        }
    })
    .expect_violations([ViolationKind::invariant("SUM")]);
    for engine in [Engine::Native, Engine::Loom, Engine::Shuttle] {
        let found = counterexample(&scenario, Checker::new(engine));
        assert_eq!(found.schedule.context_switches(), fewest(&scenario, &found), "{engine}");
        let last = found.trace.steps.last().unwrap();
        assert_eq!(found.trace.threads[last.thread], "T2");
        assert_eq!(scenario.replay(&found.schedule).unwrap(), [found]);
    }
}

#[test]
fn a_step_says_whether_the_violation_depends_on_it() {
    let scenario = Scenario::builder("readable/unrelated", world)
        .thread("waits", |(locks, _, done)| {
            locks[0].lock().unlock();
            done.wait_for_completion();
        })
        .thread("unrelated", |(_, own, _)| {
            own[0].lock().unlock();
            own[0].lock().unlock();
        })
        .expect_violations([ViolationKind::deadlock(["done"])]);
    let found = counterexample(&scenario, Checker::native());
    let trace = &found.trace;
    for step in &trace.steps {
        assert_eq!(step.is_cause, trace.threads[step.thread] == "waits", "{trace}");
    }
}

#[test]
fn a_context_switch_says_why_the_thread_before_does_not_continue() {
    let scenario = Scenario::builder("readable/switches", world)
        .thread("T1", |(locks, _, _)| locks[0].lock().unlock())
        .thread("T2", |(locks, own, _)| {
            own[1].lock().unlock();
            locks[0].lock().unlock();
        })
        .build();
    let switches = |schedule: &str| {
        let trace = scenario.follow(&schedule.parse().unwrap()).unwrap();
        trace.steps.into_iter().filter_map(|step| step.switch).collect::<Vec<_>>()
    };
    assert_eq!(switches("1.1.1.1.0.0"), [Switch::Ended]);
    let waits = Switch::Waits("mutex_lock(A)".to_owned());
    assert_eq!(switches("0.1.1.0.1"), [Switch::Preempted, waits, Switch::Ended]);
}

#[test]
fn an_infeasible_inversion_is_explained() {
    let locks = || ["gate", "A", "B"].map(|name| Mutex::new(name, ()));
    let forward = |[_, a, b]: &[Mutex; 3]| {
        let _a = a.lock();
        b.lock().unlock();
    };
    let backward = |[_, a, b]: &[Mutex; 3]| {
        let _b = b.lock();
        a.lock().unlock();
    };
    let why = |scenario: Scenario| {
        let report = scenario.verify(Engine::Native);
        assert!(report.as_expected(), "{report}");
        let inversion = &report.predictions[0].inversion;
        Checker::native().obstacles(&scenario, inversion).unwrap().remove(0)
    };
    let gate = Scenario::builder("readable/gate", locks)
        .thread("T1", move |w| {
            let _gate = w[0].lock();
            forward(w);
        })
        .thread("T2", move |w| {
            let _gate = w[0].lock();
            backward(w);
        });
    let gate = why(gate.expect_proof().expect_inversion(["A", "B"]));
    assert_eq!((gate.gates.as_slice(), gate.together), (&["gate".to_owned()][..], 0));
    let text = gate.to_string();
    assert!(text.ends_with("it waits for gate, which T1 holds."), "{text}");

    let one = Scenario::builder("readable/one", locks)
        .thread("T1", move |w| {
            forward(w);
            backward(w);
        })
        .expect_proof()
        .expect_inversion(["A", "B"]);
    assert_eq!(why(one).to_string(), "T1 takes A and B in both orders, one by one.");

    let ended = Scenario::builder("readable/ended", move || Arc::new(locks()))
        .thread("T1", move |w| {
            forward(w);
            let locks = Arc::clone(w);
            selvedge_core::thread::spawn("T2", move || backward(&locks)).join();
        })
        .expect_proof()
        .expect_inversion(["A", "B"]);
    let ended = why(ended);
    assert!(ended.absent && ended.gates.is_empty(), "{ended}");
}

//! `ww_mutex`: contexts that back off instead of deadlocking.

use selvedge_core::sync::{Mutex, WwAcquireCtx, WwClass, WwError, WwGuard, WwMutex};
use selvedge_core::{Engine, Expectation, Scenario, ScenarioBuilder, ViolationKind, poll};

use super::{check, check_with_traces, deadlock, slow_on_loom};

struct World {
    class: WwClass,
    a: WwMutex,
    b: WwMutex,
    outer: Mutex,
}

fn wound_wait() -> World {
    world(WwClass::new("ww"))
}

fn wait_die() -> World {
    world(WwClass::wait_die("ww"))
}

fn world(class: WwClass) -> World {
    let (a, b) = (class.mutex(), class.mutex());
    World { class, a, b, outer: Mutex::new("outer", ()) }
}

/// Takes two mutexes in this order, and backs off as `Documentation/locking/ww-mutex-design.rst`
/// has it: it unlocks what it has, waits for the contended one alone, and takes the other again.
fn both(w: &World, first: &WwMutex, second: &WwMutex) {
    let ctx = w.class.ww_acquire_init();
    let (mut first, mut second) = (first, second);
    let mut held = first.ww_mutex_lock(&ctx).expect("a context without locks does not back off");
    let other = loop {
        match second.ww_mutex_lock(&ctx) {
            Ok(other) => break other,
            Err(error) => assert_eq!(error, WwError::Deadlock),
        }
        held.ww_mutex_unlock();
        held = second.ww_mutex_lock_slow(&ctx);
        (first, second) = (second, first);
    };
    ctx.ww_acquire_done();
    assert!(!std::ptr::eq(first, second));
    other.ww_mutex_unlock();
    held.ww_mutex_unlock();
    ctx.ww_acquire_fini();
}

fn in_both_orders(
    world: fn() -> World,
    take: fn(&World, &WwMutex, &WwMutex),
) -> ScenarioBuilder<World> {
    Scenario::builder("ww", world)
        .thread("AB", move |w| take(w, &w.a, &w.b))
        .thread("BA", move |w| take(w, &w.b, &w.a))
}

#[test]
fn threads_that_back_off_take_two_mutexes_in_any_order() {
    for world in [wound_wait, wait_die] {
        check_with_traces(&slow_on_loom(in_both_orders(world, both).expect_proof()));
    }
}

#[test]
fn without_a_context_the_order_matters() {
    let take = |_: &World, first: &WwMutex, second: &WwMutex| {
        let _first = first.ww_mutex_lock_single();
        let _second = second.ww_mutex_lock_single();
    };
    for world in [wound_wait, wait_die] {
        check(&in_both_orders(world, take).expect_violations(deadlock(["ww_mutex"])));
    }
}

/// Takes the second mutex as `take` does, with the first one held.
fn then(
    w: &World,
    first: &WwMutex,
    second: &WwMutex,
    take: for<'a> fn(&'a WwMutex, &'a WwAcquireCtx<'_>) -> Option<WwGuard<'a>>,
) {
    let ctx = w.class.ww_acquire_init();
    let held = first.ww_mutex_lock(&ctx).expect("a context without locks does not back off");
    drop(take(second, &ctx));
    held.ww_mutex_unlock();
    ctx.ww_acquire_fini();
}

#[test]
fn a_thread_that_keeps_its_mutex_after_edeadlk_is_found() {
    let worlds: [(fn() -> World, bool); 2] = [(wound_wait, false), (wait_die, true)];
    for (world, dies) in worlds {
        // It tries again, and the other thread may wait for what it keeps. One that does not wait
        // for an older thread may also succeed later, which is against the rules.
        let again = |w: &World, first: &WwMutex, second: &WwMutex| {
            then(w, first, second, |second, ctx| {
                Some(poll("ww_mutex_lock", || second.ww_mutex_lock(ctx).ok()))
            });
        };
        let scenario = in_both_orders(world, again);
        let broken = dies.then(|| ViolationKind::invariant("ww_mutex_lock"));
        let scenario =
            scenario.expect_violations(broken.into_iter().chain(deadlock(["ww_mutex_lock"])));
        // A refused attempt may wound, so it counts as a change, and the round has no end there.
        check(&slow_on_loom(scenario.on(Engine::Shuttle, Expectation::Inconclusive)));
        // It waits for the contended mutex, but has not unlocked the other.
        let slow = |w: &World, first: &WwMutex, second: &WwMutex| {
            then(w, first, second, |second, ctx| {
                let error = second.ww_mutex_lock(ctx);
                Some(error.unwrap_or_else(|_| second.ww_mutex_lock_slow(ctx)))
            });
        };
        let kind = ViolationKind::invariant("ww_mutex_lock_slow");
        check(&in_both_orders(world, slow).expect_violations([kind]));
    }
}

#[test]
fn one_that_gives_up_after_edeadlk_is_correct() {
    let give_up = |w: &World, first: &WwMutex, second: &WwMutex| {
        then(w, first, second, |second, ctx| second.ww_mutex_lock(ctx).ok());
    };
    for world in [wound_wait, wait_die] {
        check_with_traces(&slow_on_loom(in_both_orders(world, give_up).expect_proof()));
    }
}

#[test]
fn a_mutex_is_taken_once_in_a_context() {
    let scenario = Scenario::builder("already", wound_wait)
        .thread("T", |w| {
            let ctx = w.class.ww_acquire_init();
            let held = w.a.ww_mutex_lock(&ctx).expect("it is free");
            assert_eq!(w.a.ww_mutex_lock(&ctx).err(), Some(WwError::Already));
            assert!(w.a.ww_mutex_trylock(Some(&ctx)).is_none());
            assert!(w.b.ww_mutex_trylock(Some(&ctx)).is_some());
            drop(held);
            assert!(w.a.ww_mutex_trylock(None).is_some());
        })
        .expect_proof();
    check_with_traces(&scenario);
}

#[test]
fn the_rules_of_contexts_are_checked() {
    type Rule = (&'static str, fn(&World));
    let rules: [Rule; 3] = [
        ("ww_acquire_init", |w| {
            let _ctx = w.class.ww_acquire_init();
            let _other = w.class.ww_acquire_init();
        }),
        ("ww_acquire_done", |w| {
            let ctx = w.class.ww_acquire_init();
            ctx.ww_acquire_done();
            drop(w.a.ww_mutex_lock(&ctx));
        }),
        ("ww_mutex_lock_slow", |w| {
            let ctx = w.class.ww_acquire_init();
            let _a = w.a.ww_mutex_lock(&ctx);
            drop(w.b.ww_mutex_lock_slow(&ctx));
        }),
    ];
    for (rule, body) in rules {
        let scenario = Scenario::builder(rule, wound_wait).thread("T", body);
        let scenario = scenario.expect_violations([ViolationKind::invariant(rule)]);
        check(&match rule {
            "ww_acquire_init" => scenario.expect_inversion(["ww_acquire"]),
            _ => scenario,
        });
    }
}

#[test]
fn lockdep_sees_the_class_and_the_context_and_no_order_inside_of_it() {
    let scenario = Scenario::builder("lockdep", wound_wait)
        .thread("T", |w| {
            let ctx = w.class.ww_acquire_init();
            for (first, second) in [(&w.a, &w.b), (&w.b, &w.a)] {
                let _first = first.ww_mutex_lock(&ctx);
                let _second = second.ww_mutex_lock(&ctx);
            }
        })
        .thread("other", |w| drop(w.outer.lock()));
    check(&slow_on_loom(scenario.expect_proof()));
    // With a lock that is no ww_mutex there is an order.
    let inverted = Scenario::builder("inverted", wound_wait)
        .thread("T", |w| {
            {
                let ctx = w.class.ww_acquire_init();
                let _a = w.a.ww_mutex_lock(&ctx);
                drop(w.outer.lock());
            }
            let _outer = w.outer.lock();
            drop(w.b.ww_mutex_lock_single());
        })
        .expect_proof();
    check(&inverted.expect_inversion(["outer", "ww_mutex"]));
    // Without a context two mutexes of a class are one.
    let recursive = Scenario::builder("recursive", wound_wait)
        .thread("T", |w| {
            let _a = w.a.ww_mutex_lock_single();
            drop(w.b.ww_mutex_lock_single());
        })
        .expect_proof();
    check(&recursive.expect_inversion(["ww_mutex"]));
}

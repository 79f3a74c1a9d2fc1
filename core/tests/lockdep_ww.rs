//! The rows about `ww_mutex` of the table with which the kernel checks its own lockdep
//! (`lib/locking-selftest.c`, v6.16). `lockdep_selftest.rs` says where the other rows are.
//!
//! A row that must fail is a violation here, or a predicted inversion. Rows that cannot be written
//! are listed where they belong: a context ends once, a guard unlocks once, and the mutex inside of
//! a `ww_mutex` cannot be reached.

use selvedge_core::sync::{SpinLock, WwAcquireCtx, WwClass, WwError, WwMutex};
use selvedge_core::{Engine, Scenario, Verdict, ViolationKind};

/// Three mutexes of a class, one of another, and a spinlock.
struct World {
    class: WwClass,
    o: [WwMutex; 3],
    other: WwClass,
    of_other: WwMutex,
    spin: SpinLock,
}

fn world() -> World {
    let (class, other) = (WwClass::new("ww"), WwClass::new("other"));
    let (o, of_other) = ([(); 3].map(|()| class.mutex()), other.mutex());
    World { class, o, other, of_other, spin: SpinLock::new("lock_A", ()) }
}

/// What is found of one thread.
#[derive(PartialEq, Eq, Debug)]
enum Row {
    Success,
    Broken(&'static str),
    Sleeps,
}

use Row::{Broken, Sleeps, Success};

/// Checks a row. In the kernel's table each `-EDEADLK` comes from a context that the test forges;
/// here an older context of another thread is the reason.
fn check(name: &str, expected: &Row, row: fn(&World)) {
    let scenario = Scenario::builder(name, world).thread("T", row).build();
    let report = scenario.verify(Engine::Native);
    let inversions: Vec<_> = report.predictions.iter().map(|p| p.inversion.classes()).collect();
    let kinds: Vec<_> =
        report.verdict.counterexamples().iter().map(|f| &f.violation.kind).collect();
    match expected {
        Success => assert!(kinds.is_empty() && inversions.is_empty(), "{name}: {report}"),
        Broken(rule) => {
            assert!(kinds.contains(&&ViolationKind::invariant(rule)), "{name}: {report}");
        }
        Sleeps => {
            let sleeps =
                |kind: &&&ViolationKind| matches!(kind, ViolationKind::SleepInAtomic { .. });
            assert!(kinds.iter().any(|kind| sleeps(&kind)), "{name}: {report}");
        }
    }
}

/// `ww_test_normal` takes the mutex inside of the `ww_mutex` by the functions of a mutex, and looks
/// whether the context is as before. Here it is taken without a context. `ww_test_fail_acquire`
/// also asks for `-EDEADLK` from a context that it forges, for which see [`edeadlk_handling`].
#[test]
fn ww_api_failures() {
    check("ww_test_normal", &Success, |w| drop(w.o[0].ww_mutex_lock_single()));
    check("ww_test_fail_acquire", &Success, |w| {
        let ctx = w.class.ww_acquire_init();
        let held = w.o[0].ww_mutex_lock(&ctx).expect("it is free");
        assert_eq!(w.o[0].ww_mutex_lock(&ctx).err(), Some(WwError::Already));
        assert!(w.o[0].ww_mutex_trylock(None).is_none(), "it is held");
        held.ww_mutex_unlock();
        assert!(w.o[0].ww_mutex_trylock(None).is_some(), "it is free");
    });
    check("ww_test_unneeded_slow", &Broken("ww_mutex_lock_slow"), |w| {
        let ctx = w.class.ww_acquire_init();
        drop(w.o[0].ww_mutex_lock_slow(&ctx));
    });
}

/// `ww_test_diff_class` mixes a context with a mutex of another class, for which
/// `CONFIG_DEBUG_MUTEXES` warns.
#[test]
fn ww_contexts_mixing() {
    check("ww_test_two_contexts", &Broken("ww_acquire_init"), |w| {
        let _ctx = w.class.ww_acquire_init();
        let _other = w.class.ww_acquire_init();
    });
    check("ww_test_diff_class", &Broken("ww_mutex_lock"), |w| {
        let ctx = w.other.ww_acquire_init();
        drop(w.o[0].ww_mutex_lock(&ctx));
    });
    check("two classes", &Success, |w| {
        let ctx = w.class.ww_acquire_init();
        let other = w.other.ww_acquire_init();
        let _o = w.o[0].ww_mutex_lock(&ctx);
        let _of_other = w.of_other.ww_mutex_lock(&other);
    });
}

/// `ww_test_context_unlock_twice`, `ww_test_object_unlock_twice`, `ww_test_object_lock_unbalanced`
/// and `ww_test_object_lock_stale_context` cannot be written: a context ends once, a guard unlocks
/// once, and no mutex outlives the context that it is taken in.
#[test]
fn finishing_a_ww_context() {
    check("ww_test_context_done_twice", &Broken("ww_acquire_done"), |w| {
        let ctx = w.class.ww_acquire_init();
        ctx.ww_acquire_done();
        ctx.ww_acquire_done();
    });
    check("ww_test_context_lock_after_done", &Broken("ww_acquire_done"), |w| {
        let ctx = w.class.ww_acquire_init();
        ctx.ww_acquire_done();
        drop(w.o[0].ww_mutex_lock(&ctx));
    });
    check("ww_test_context_fini_early", &Broken("ww_acquire_fini"), |w| {
        let ctx = w.class.ww_acquire_init();
        if let Ok(held) = w.o[0].ww_mutex_lock(&ctx) {
            std::mem::forget(held);
        }
        ctx.ww_acquire_fini();
    });
}

/// What a thread does with the first mutex held and `-EDEADLK` for the second. It returns whether
/// it has done all it wants.
type Handling = fn(&World, &WwAcquireCtx<'_>, &mut dyn FnMut()) -> ();

/// Checks what is found if an older context holds the second mutex, and the third if `more`.
fn edeadlk(name: &str, expected: Option<&str>, more: bool, handling: Handling) {
    let scenario = Scenario::builder(name, move || {
        let class = WwClass::wait_die("ww");
        let (other, o) = (WwClass::new("other"), [(); 3].map(|()| class.mutex()));
        let of_other = other.mutex();
        World { class, o, other, of_other, spin: SpinLock::new("lock_A", ()) }
    })
    .thread("older", move |w| {
        let ctx = w.class.ww_acquire_init();
        let _held = w.o[1].ww_mutex_lock(&ctx);
        if more {
            drop(w.o[2].ww_mutex_lock(&ctx));
        }
    })
    .thread("T", move |w| {
        let ctx = w.class.ww_acquire_init();
        let Ok(first) = w.o[0].ww_mutex_lock(&ctx) else { return };
        let mut first = Some(first);
        if w.o[1].ww_mutex_lock(&ctx).err() == Some(WwError::Deadlock) {
            handling(w, &ctx, &mut || drop(first.take()));
        }
    })
    .build();
    let report = scenario.verify(Engine::Native);
    match expected {
        None => assert!(matches!(report.verdict, Verdict::Proved(_)), "{name}: {report}"),
        Some(rule) => {
            let found = report.verdict.counterexamples();
            let rule = ViolationKind::invariant(rule);
            assert!(found.iter().any(|found| found.violation.kind == rule), "{name}: {report}");
        }
    }
}

#[test]
fn edeadlk_handling() {
    edeadlk("ww_test_edeadlk_normal", None, false, |w, ctx, unlock| {
        unlock();
        drop(w.o[1].ww_mutex_lock(ctx));
    });
    edeadlk("ww_test_edeadlk_normal_slow", None, false, |w, ctx, unlock| {
        unlock();
        drop(w.o[1].ww_mutex_lock_slow(ctx));
    });
    let lock = Some("ww_mutex_lock");
    let slow = Some("ww_mutex_lock_slow");
    edeadlk("ww_test_edeadlk_no_unlock", lock, false, |w, ctx, _| drop(w.o[1].ww_mutex_lock(ctx)));
    edeadlk("ww_test_edeadlk_no_unlock_slow", slow, false, |w, ctx, _| {
        drop(w.o[1].ww_mutex_lock_slow(ctx));
    });
    edeadlk("ww_test_edeadlk_acquire_more", lock, false, |w, ctx, _| {
        drop(w.o[2].ww_mutex_lock(ctx));
    });
    edeadlk("ww_test_edeadlk_acquire_more_slow", slow, false, |w, ctx, _| {
        drop(w.o[2].ww_mutex_lock_slow(ctx));
    });
    edeadlk("ww_test_edeadlk_acquire_more_edeadlk", lock, true, |w, ctx, _| {
        drop(w.o[2].ww_mutex_lock(ctx));
    });
    edeadlk("ww_test_edeadlk_acquire_more_edeadlk_slow", slow, true, |w, ctx, _| {
        drop(w.o[2].ww_mutex_lock_slow(ctx));
    });
    edeadlk("ww_test_edeadlk_acquire_wrong", lock, false, |w, ctx, unlock| {
        unlock();
        drop(w.o[2].ww_mutex_lock(ctx));
    });
    edeadlk("ww_test_edeadlk_acquire_wrong_slow", lock, false, |w, ctx, unlock| {
        unlock();
        drop(w.o[2].ww_mutex_lock_slow(ctx));
    });
}

/// How a row of the last table takes a mutex.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Take {
    Context,
    Try,
    Block,
}

const TAKES: [Take; 3] = [Take::Block, Take::Try, Take::Context];

/// Takes the mutex, and the rest inside of that.
fn take(w: &World, mutex: &WwMutex, how: Take, rest: &dyn Fn()) {
    match how {
        Take::Block => {
            let _held = mutex.ww_mutex_lock_single();
            rest();
        }
        Take::Try => {
            let _held = mutex.ww_mutex_trylock(None).expect("it is free");
            rest();
        }
        Take::Context => {
            let ctx = w.class.ww_acquire_init();
            let _held = mutex.ww_mutex_lock(&ctx).expect("it is free");
            rest();
        }
    }
}

/// One mutex of the class inside of another. As in the kernel's table, what matters is how the
/// inner one is taken: a trylock is never wrong. `ww_test_context_context` takes both in one
/// context.
#[test]
fn nested_ww_mutexes() {
    for outer in TAKES {
        for inner in TAKES {
            let row = move |w: &World| match (outer, inner) {
                (Take::Context, Take::Context) => {
                    let ctx = w.class.ww_acquire_init();
                    let _first = w.o[0].ww_mutex_lock(&ctx).expect("it is free");
                    drop(w.o[1].ww_mutex_lock(&ctx));
                }
                _ => take(w, &w.o[0], outer, &|| take(w, &w.o[1], inner, &|| ())),
            };
            let scenario = Scenario::builder("nested", world).thread("T", row).build();
            let complains = !scenario.verify(Engine::Native).predictions.is_empty();
            let succeeds = inner == Take::Try || (outer, inner) == (Take::Context, Take::Context);
            // A context that begins with a mutex of the class held is the order ww_mutex ->
            // ww_acquire, and one that takes a mutex the other. The kernel's table does both in one
            // row, since its contexts take a fake lock as they begin.
            assert_eq!(complains, !succeeds, "{outer:?}, {inner:?}");
        }
    }
}

#[test]
fn a_ww_mutex_under_a_spinlock_sleeps() {
    check("ww_test_spin_block", &Sleeps, |w| {
        let _spin = w.spin.spin_lock_irqsave();
        drop(w.o[0].ww_mutex_lock_single());
    });
    check("ww_test_spin_try", &Success, |w| {
        let _spin = w.spin.spin_lock_irqsave();
        drop(w.o[0].ww_mutex_trylock(None));
    });
    check("ww_test_spin_context", &Sleeps, |w| {
        let _spin = w.spin.spin_lock_irqsave();
        let ctx = w.class.ww_acquire_init();
        drop(w.o[0].ww_mutex_lock(&ctx));
    });
}

//! The rows of the table with which the kernel checks its own lockdep (`lib/locking-selftest.c`,
//! v6.16) about what may be waited for where, about reads that queue, about locks that are unlocked
//! twice or initialised while held, and about nested classes. `lockdep_selftest.rs` says where the
//! other rows are.

use std::sync::Arc;

use selvedge_core::observe::lockdep::{Context, Lockdep, Mode, Task};
use selvedge_core::sync::{
    Irq, Mutex, Rcu, RcuHead, RwLock, RwSem, SpinLock, Tasklet, Tracked, local_bh_disable,
    local_bh_enable, preempt_disable, preempt_enable,
};
use selvedge_core::{Engine, Scenario, ScenarioBuilder, Verdict, ViolationKind, in_world};

/// What a row takes inside of the context that it is about.
const INNER: [fn(&World); 4] = [
    |w| w.rcu.read_lock().unlock(),
    |w| drop(w.raw.spin_lock_irqsave()),
    |w| drop(w.spin.spin_lock_irqsave()),
    |w| drop(w.mutex.lock()),
];

struct World {
    rcu: Rcu,
    raw: SpinLock,
    spin: SpinLock,
    mutex: Mutex,
    outer_raw: SpinLock,
    outer_spin: SpinLock,
    outer_mutex: Mutex,
    hardirq: Irq,
    not_threaded: Irq,
    softirq: Tasklet,
    inner: fn(&World),
}

fn world(inner: fn(&World)) -> Arc<World> {
    let run = |w: &Arc<World>| (w.inner)(w);
    Arc::new(World {
        rcu: Rcu::new(),
        raw: SpinLock::raw("raw", ()),
        spin: SpinLock::new("spin", ()),
        mutex: Mutex::new("mutex", ()),
        outer_raw: SpinLock::raw("outer_raw", ()),
        outer_spin: SpinLock::new("outer_spin", ()),
        outer_mutex: Mutex::new("outer_mutex", ()),
        hardirq: Irq::request_irq("hardirq", in_world(run)),
        not_threaded: Irq::request_irq_no_thread("not_threaded", in_world(run)),
        softirq: Tasklet::new("softirq", in_world(run)),
        inner,
    })
}

/// The contexts of the table. That of a callback of RCU was in it up to v5.13, and was taken out
/// since lockdep cannot tell it from a softirq. Here it is another one. Which of the inner locks of
/// [`INNER`] may be taken there is one of `PREEMPTIBLE`, `LIMITED` and `ATOMIC`.
type Outer = fn(&Arc<World>);

const PREEMPTIBLE: [bool; 4] = [true, true, true, true];
/// On PREEMPT_RT a spinlock may be waited for.
const LIMITED: [bool; 4] = [true, true, true, false];
/// Not even that.
const ATOMIC: [bool; 4] = [true, true, false, false];

const OUTER: [(&str, Outer, [bool; 4]); 10] = [
    ("in hardirq context", |w| w.hardirq.raise(), LIMITED),
    ("in hardirq context (not threaded)", |w| w.not_threaded.raise(), ATOMIC),
    ("in softirq context", |w| w.softirq.tasklet_schedule(), LIMITED),
    ("in RCU context", in_rcu, LIMITED),
    ("in RCU-bh context", in_rcu_bh, LIMITED),
    ("in RCU callback context", in_rcu_callback, LIMITED),
    ("in RCU-sched context", in_rcu_sched, ATOMIC),
    ("in RAW_SPINLOCK context", in_raw_spinlock, ATOMIC),
    ("in SPINLOCK context", in_spinlock, LIMITED),
    ("in MUTEX context", in_mutex, PREEMPTIBLE),
];

fn in_rcu(w: &Arc<World>) {
    let _section = w.rcu.read_lock();
    (w.inner)(w);
}

fn in_rcu_bh(w: &Arc<World>) {
    local_bh_disable();
    (w.inner)(w);
    local_bh_enable();
}

fn in_rcu_callback(w: &Arc<World>) {
    w.rcu.call(&RcuHead::new(in_world(|w: &Arc<World>| (w.inner)(w))));
}

fn in_rcu_sched(w: &Arc<World>) {
    preempt_disable();
    (w.inner)(w);
    preempt_enable();
}

fn in_raw_spinlock(w: &Arc<World>) {
    let _held = w.outer_raw.spin_lock_irqsave();
    (w.inner)(w);
}

fn in_spinlock(w: &Arc<World>) {
    let _held = w.outer_spin.spin_lock_irqsave();
    (w.inner)(w);
}

fn in_mutex(w: &Arc<World>) {
    let _held = w.outer_mutex.lock();
    (w.inner)(w);
}

/// Returns whether nothing is wrong on this kernel.
fn succeeds(scenario: ScenarioBuilder<Arc<World>>) -> bool {
    let report = scenario.build().verify(Engine::Native);
    let found = report.verdict.counterexamples();
    let sleeps = |kind: &ViolationKind| matches!(kind, ViolationKind::SleepInAtomic { .. });
    assert!(found.iter().all(|found| sleeps(&found.violation.kind)), "{report}");
    found.is_empty()
}

/// lockdep checks the rules of PREEMPT_RT on every kernel (`CONFIG_PROVE_RAW_LOCK_NESTING`), and
/// those of the others too. Here a scenario is of one kernel, so a row fails if it does on one of
/// the two.
#[test]
fn wait_contexts() {
    for (name, outer, expected) in OUTER {
        for (inner, expected) in INNER.into_iter().zip(expected) {
            let scenario = || Scenario::builder(name, move || world(inner)).thread("T", outer);
            let found = succeeds(scenario()) && succeeds(scenario().preempt_rt());
            assert_eq!(found, expected, "{name}");
        }
    }
}

/// A step of one task.
#[derive(Clone, Copy)]
enum Step {
    Enter(Context),
    Exit,
    /// The task disables interrupts of the kind, or enables them.
    Disable(Context),
    Enable(Context),
    Take(&'static str, Mode),
    Release(&'static str),
}

use Mode::{Exclusive, Shared, SharedRecursive};
use Step::{Disable, Enable, Enter, Exit, Release, Take};

const HARD: Context = Context::Hardirq;

fn complains(steps: &[Step]) -> bool {
    let (mut lockdep, mut task) = (Lockdep::default(), Task::default());
    for step in steps {
        match *step {
            Enter(kind) => {
                task.interrupt(kind);
                lockdep.enable(&mut task, "task", HARD, false);
            }
            Exit => task.interrupts_return(),
            Disable(kind) => lockdep.enable(&mut task, "task", kind, false),
            Enable(kind) => lockdep.enable(&mut task, "task", kind, true),
            Take(name, mode) => {
                let class = lockdep.class(name);
                lockdep.acquire(&mut task, "task", class, mode);
            }
            Release(name) => {
                let class = lockdep.class(name);
                lockdep.release(&mut task, class);
            }
        }
    }
    !lockdep.inversions().is_empty()
}

/// `read_lock` in an interrupt recurses, and in a thread it queues behind a writer
/// (`queued_read_lock_tests`).
#[test]
fn queued_read_locks() {
    let (a, b, irq_a) = (Take("A", Shared), Take("B", Exclusive), Take("A", SharedRecursive));
    let (un_a, un_b, on, off) = (Release("A"), Release("B"), Enable(HARD), Disable(HARD));
    let re_er = [Enter(HARD), irq_a, b, un_b, un_a, Exit, off, b, a, un_a, un_b, on];
    assert!(complains(&re_er), "hardirq read-lock/lock-read");
    let er_re = [Enter(HARD), b, irq_a, un_a, un_b, Exit, off, a, b, un_b, un_a, on];
    assert!(!complains(&er_re), "hardirq lock-read/read-lock");
    let inversion = [Enter(HARD), b, un_b, Exit, off, b, a, un_a, un_b, on, a, un_a];
    assert!(complains(&inversion), "hardirq inversion");
}

/// `hardirq_deadlock_softirq_not_deadlock`: a path from a softirq-unsafe lock to a softirq-safe one
/// is no deadlock, and must not hide the one from a hardirq-safe lock to a hardirq-unsafe one.
#[test]
fn a_hardirq_deadlock_that_is_no_softirq_deadlock() {
    let nested = |outer: &'static str, inner: &'static str| {
        let (outer_taken, inner_taken) = (Take(outer, Exclusive), Take(inner, Exclusive));
        [Disable(HARD), outer_taken, inner_taken, Release(inner), Release(outer), Enable(HARD)]
    };
    let soft = Context::Softirq;
    let d = [Take("D", Exclusive), Release("D")];
    let mut steps = vec![Take("M", Exclusive), Disable(HARD), Take("C", Exclusive), Release("C")];
    steps.extend([Enable(HARD), Release("M")]);
    steps.extend([Enter(HARD), Take("A", Exclusive), Release("A"), Exit]);
    steps.extend(nested("A", "B"));
    steps.extend(nested("B", "C"));
    steps.push(Enter(soft));
    steps.extend(d);
    steps.extend([Exit, Disable(soft)]);
    steps.extend(d);
    steps.push(Enable(soft));
    assert!(!complains(&steps), "before the last dependency");
    steps.extend(nested("C", "D"));
    assert!(complains(&steps));
}

/// Returns whether the only violation is an unlock by a thread that does not hold the lock.
fn not_owner<W: Send + Sync + 'static>(world: fn() -> W, unlocks: fn(&W)) -> bool {
    let scenario = Scenario::builder("twice", world).thread("T", unlocks).build();
    match scenario.verify(Engine::Native).verdict {
        Verdict::Refuted(found) => {
            found.len() == 1 && found[0].violation.kind == ViolationKind::not_owner("A")
        }
        _ => false,
    }
}

/// A guard unlocks once, so the locks without functions that need no guard have no such row: both
/// sides of rwlocks, and `ww_mutex`.
#[test]
fn a_double_unlock() {
    let spin = |a: &SpinLock| {
        a.raw_lock_irqsave();
        a.raw_unlock_irqrestore();
        a.raw_unlock_irqrestore();
    };
    assert!(not_owner(|| SpinLock::new("A", ()), spin));
    assert!(not_owner(|| SpinLock::raw("A", ()), spin));
    let mutex = |a: &Mutex| {
        a.raw_lock();
        a.raw_unlock();
        a.raw_unlock();
    };
    assert!(not_owner(|| Mutex::new("A", ()), mutex));
    let write = |a: &RwSem| {
        a.raw_down_write();
        a.raw_up_write();
        a.raw_up_write();
    };
    assert!(not_owner(|| RwSem::new("A", ()), write));
    let read = |a: &RwSem| {
        a.raw_down_read();
        a.raw_up_read();
        a.raw_up_read();
    };
    assert!(not_owner(|| RwSem::new("A", ()), read));
}

/// Checks that a lock that `takes` leaves held is found where its memory is released.
fn held<L: Send + Sync + 'static>(lock: fn() -> L, takes: fn(&L)) {
    let world = move || Tracked::with("memory", lock);
    let scenario = Scenario::builder("init held", world).thread("T", move |memory| {
        takes(memory.get());
        memory.release();
    });
    scenario
        .expect_violations([ViolationKind::freed_while_held("A")])
        .assert_as_expected(Engine::Native);
}

/// "initialize held": a lock is initialised while it is held. A lock is initialised once here, with
/// the memory that it lives in, so what the row is about is the memory that is used again: it is
/// released with the lock held. Nothing is found without memory, where the kernel complains.
#[test]
fn a_lock_that_is_held_where_its_memory_ends() {
    held(|| SpinLock::new("A", ()), |a| a.raw_lock_irqsave());
    held(|| RwLock::new("A", ()), |a| std::mem::forget(a.write_lock()));
    held(|| RwLock::new("A", ()), |a| std::mem::forget(a.read_lock()));
    held(|| Mutex::new("A", ()), |a| a.raw_lock());
    held(|| RwSem::new("A", ()), |a| a.raw_down_write());
    held(|| RwSem::new("A", ()), |a| a.raw_down_read());
}

/// An outer lock, two locks of a class, and one of another.
struct Nested {
    outer: Mutex,
    locks: [Mutex; 2],
    between: Mutex,
}

fn nested() -> Nested {
    let [outer, between] = ["outer", "between"].map(|name| Mutex::new(name, ()));
    Nested { outer, locks: [0, 1].map(|_| Mutex::new("A", ())), between }
}

/// Nested classes: `mutex_lock_nest_lock` and `mutex_lock_nested`. An outer lock that is taken
/// after the first of the class orders nothing.
#[test]
fn nested_classes() {
    type Row = (&'static str, bool, fn(&Nested));
    let rows: [Row; 5] = [
        ("nest lock", false, |w| {
            let _outer = w.outer.lock();
            let _first = w.locks[0].mutex_lock_nest_lock(&w.outer);
            drop(w.locks[1].mutex_lock_nest_lock(&w.outer));
        }),
        ("ww_test_spin_nest_lock", false, |w| {
            let _outer = w.outer.lock();
            let _first = w.locks[0].mutex_lock_nest_lock(&w.outer);
            let between = w.between.lock();
            let _second = w.locks[1].mutex_lock_nest_lock(&w.outer);
            between.unlock();
        }),
        ("nest lock after the first", true, |w| {
            let _first = w.locks[0].lock();
            let _outer = w.outer.lock();
            drop(w.locks[1].mutex_lock_nest_lock(&w.outer));
        }),
        ("subclass", false, |w| {
            let _first = w.locks[0].lock();
            drop(w.locks[1].mutex_lock_nested(1));
        }),
        ("subclasses in both orders", true, |w| {
            {
                let _first = w.locks[0].lock();
                drop(w.locks[1].mutex_lock_nested(1));
            }
            let _first = w.locks[0].mutex_lock_nested(1);
            drop(w.locks[1].lock());
        }),
    ];
    for (name, expected, row) in rows {
        let scenario = Scenario::builder(name, nested).thread("T", row).build();
        let report = scenario.verify(Engine::Native);
        assert!(matches!(report.verdict, Verdict::Proved(_)), "{name}: {report}");
        assert_eq!(!report.predictions.is_empty(), expected, "{name}: {report}");
    }
}

/// `ww_test_spin_nest_unlocked`, which takes a spinlock: the outer lock is not held.
#[test]
fn a_nest_lock_that_is_not_held() {
    Scenario::builder("ww_test_spin_nest_unlocked", nested)
        .thread("T", |w| drop(w.locks[0].mutex_lock_nest_lock(&w.outer)))
        .expect_violations([ViolationKind::invariant("mutex_lock_nest_lock")])
        .assert_as_expected(Engine::Native);
}

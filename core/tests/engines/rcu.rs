//! RCU: the objects that a grace period keeps.

use selvedge_core::sync::{Atomic, Irq, ModuleRef, Rcu, RcuHead, SpinLock, Tracked};
use selvedge_core::{Classification, Engine, Scenario, ScenarioBuilder, ViolationKind, in_world};

use super::{check, check_with_traces, deadlock, slow_on_loom};

/// A reader of a node that is about to be freed, and the thread that frees it.
fn freed_by(free: fn(&Domain)) -> ScenarioBuilder<Domain> {
    let world = || {
        let (rcu, listed) = (Rcu::new(), Atomic::new("listed", 1));
        Domain { rcu, listed, node: Tracked::new("node", ()) }
    };
    let read = |w: &Domain| {
        let _reader = w.rcu.read_lock();
        if w.listed.load() == 1 {
            w.node.get();
        }
    };
    Scenario::builder("rcu", world).thread("R", read).thread("remove", move |w| {
        w.listed.store(0);
        free(w);
    })
}

struct Domain {
    rcu: Rcu,
    listed: Atomic,
    node: Tracked,
}

#[test]
fn rcu_keeps_an_object_that_a_reader_has_found() {
    check_with_traces(
        &freed_by(|w| {
            w.rcu.synchronize();
            w.node.release();
        })
        .expect_proof(),
    );
    let callback = freed_by(|w| w.rcu.call(&RcuHead::new(in_world(|w: &Domain| w.node.release()))));
    check_with_traces(&callback.expect_proof());
    check(
        &freed_by(|w| w.node.release())
            .expect_violations([ViolationKind::use_after_release("node")]),
    );
    // A grace period that begins before the node is taken off the list is over too early.
    let early = Scenario::builder("early", || (Rcu::new(), Tracked::new("node", ())))
        .thread("R", |(rcu, node)| {
            let _reader = rcu.read_lock();
            node.get();
        })
        .thread("remove", |(rcu, node)| {
            rcu.synchronize();
            node.release();
        })
        .expect_violations([ViolationKind::use_after_release("node")]);
    check(&early);
}

#[test]
fn a_nested_rcu_section_belongs_to_the_same_reader() {
    let scenario = Scenario::builder("rcu", || (Rcu::new(), Atomic::new("go", 0)))
        .thread("R", |(rcu, go)| {
            let _outer = rcu.read_lock();
            rcu.read_lock().unlock();
            go.load();
        })
        .thread("S", |(rcu, go)| {
            rcu.synchronize();
            go.store(1);
        })
        .expect_proof();
    check_with_traces(&scenario);
}

/// A module whose callbacks are code of the module: `Documentation/RCU/rcubarrier.rst`.
struct Module {
    rcu: Rcu,
    module: ModuleRef,
    node: Tracked,
}

/// A module that frees its node with `call_rcu`, and is then unloaded.
fn unloaded(before: fn(&Rcu)) -> ScenarioBuilder<Module> {
    let world = || {
        let (rcu, module) = (Rcu::new(), ModuleRef::new("module"));
        Module { rcu, module, node: Tracked::new("node", ()) }
    };
    Scenario::builder("unloaded", world).thread("rmmod", move |w| {
        w.rcu.call(&RcuHead::new(in_world(|w: &Module| {
            w.module.call();
            w.node.release();
        })));
        w.module.delete().expect("no reference is taken");
        before(&w.rcu);
        w.module.free();
    })
}

#[test]
fn rcu_barrier_keeps_the_text_of_a_module_until_its_callbacks_have_run() {
    let unloaded_too_early = [ViolationKind::use_after_release("module")];
    check(&unloaded(|_| ()).expect_violations(unloaded_too_early.clone()));
    // A grace period is not enough: the callback comes after it.
    check(&unloaded(Rcu::synchronize).expect_violations(unloaded_too_early));
    check_with_traces(&unloaded(Rcu::barrier).expect_proof());
}

#[test]
fn rcu_barrier_does_not_wait_for_what_a_callback_calls() {
    let world = || (Rcu::new(), ModuleRef::new("module"));
    let scenario = move |barriers: usize| {
        Scenario::builder("again", world).thread("rmmod", move |w| {
            let again = |w: &(Rcu, ModuleRef)| w.1.call();
            w.0.call(&RcuHead::new(in_world(move |w: &(Rcu, ModuleRef)| {
                w.0.call(&RcuHead::new(in_world(again)));
            })));
            (0..barriers).for_each(|_| w.0.barrier());
            w.1.free();
        })
    };
    check(&scenario(1).expect_violations([ViolationKind::use_after_release("module")]));
    check_with_traces(&slow_on_loom(scenario(2).expect_proof()));
}

#[test]
fn rcu_barrier_without_a_callback_waits_for_no_reader() {
    let world = || (Rcu::new(), Atomic::new("go", 0), Tracked::new("node", ()));
    let scenario = Scenario::builder("no callback", world)
        .thread("R", |(rcu, _, node)| {
            let _reader = rcu.read_lock();
            node.get();
        })
        .thread("S", |(rcu, go, node)| {
            go.store(1);
            rcu.barrier();
            node.release();
        })
        .expect_violations([ViolationKind::use_after_release("node")]);
    check(&scenario);
}

#[test]
fn rcu_barrier_sleeps() {
    let scenario = Scenario::builder("in a reader", Rcu::new)
        .thread("R", |rcu| {
            let _reader = rcu.read_lock();
            rcu.barrier();
        })
        .expect_violations([ViolationKind::sleep_in_atomic("rcu", "rcu")]);
    check(&scenario);
}

/// A thread that calls back and takes the lock of the callback, in either order.
fn softirq(thread: fn(&dyn Fn(), &SpinLock)) -> ScenarioBuilder<(Rcu, SpinLock)> {
    let world = || (Rcu::new(), SpinLock::new("A", ()));
    Scenario::builder("softirq", world).thread("T", move |w| {
        let called = |w: &(Rcu, SpinLock)| drop(w.1.spin_lock());
        let call = || w.0.call(&RcuHead::new(in_world(called)));
        thread(&call, &w.1);
        w.0.barrier();
    })
}

#[test]
fn a_callback_of_rcu_runs_on_top_of_a_thread() {
    let open = softirq(|call, lock| {
        call();
        drop(lock.spin_lock());
    });
    let open = open.expect_violations(deadlock(["A"]));
    check_with_traces(&open);
    let report = open.verify(Engine::Native);
    assert!(matches!(report.predictions[0].classification, Classification::Feasible(_)));
    let found = &report.verdict.counterexamples()[0].violation;
    let text = "T holds A and is interrupted by rcu callback";
    assert!(found.reason.contains(text), "{}", found.reason);
    for closed in [
        softirq(|call, lock| {
            call();
            drop(lock.spin_lock_bh());
        }),
        softirq(|call, lock| {
            call();
            drop(lock.spin_lock_irqsave());
        }),
    ] {
        check_with_traces(&closed.expect_proof());
    }
}

/// A grace period does not end before a region with preemption disabled that was there when it
/// began.
#[test]
fn a_callback_that_is_called_under_a_spinlock_comes_after_it() {
    let under = softirq(|call, lock| {
        let _held = lock.spin_lock();
        call();
    });
    let under = under.expect_proof().expect_inversion(["A"]);
    check_with_traces(&under);
    let report = under.verify(Engine::Native);
    assert_eq!(report.predictions[0].classification, Classification::Infeasible);
    // Nor does one that is called because the spinlock is held.
    let called = Scenario::builder("called", || (Rcu::new(), SpinLock::new("A", 0)))
        .thread("holder", |w| *w.1.spin_lock() += 1)
        .thread("caller", |w| {
            let called = |w: &(Rcu, SpinLock<i32>)| drop(w.1.spin_lock());
            if w.1.spin_trylock().is_none() {
                w.0.call(&RcuHead::new(in_world(called)));
            }
        });
    check_with_traces(&slow_on_loom(called.expect_proof().expect_inversion(["A"])));
    // But it may come to the next one.
    let next = softirq(|call, lock| {
        let held = lock.spin_lock();
        call();
        held.unlock();
        drop(lock.spin_lock());
    });
    check_with_traces(&next.expect_violations(deadlock(["A"])));
}

/// What the callback takes is in the order of the interrupted thread.
#[test]
fn a_callback_that_takes_another_lock_delays_the_thread() {
    type World = (Rcu, SpinLock, SpinLock, Atomic);
    let world = || {
        let [a, b] = ["A", "B"].map(|name| SpinLock::new(name, ()));
        (Rcu::new(), a, b, Atomic::new("ran", 0))
    };
    let scenario = |second: fn(&World)| {
        let first = |w: &World| {
            w.0.call(&RcuHead::new(in_world(|w: &World| {
                let _b = w.2.spin_lock();
                w.3.store(1);
            })));
            drop(w.1.spin_lock());
            w.0.barrier();
            assert_eq!(w.3.load(), 1);
        };
        Scenario::builder("inversion", world).thread("first", first).thread("second", second)
    };
    let safe = scenario(|w| drop(w.2.spin_lock_bh()));
    check_with_traces(&slow_on_loom(safe.expect_proof()));
    let inverts = scenario(|w| {
        let _b = w.2.spin_lock_bh();
        drop(w.1.spin_lock());
    });
    check_with_traces(&slow_on_loom(inverts.expect_violations(deadlock(["A", "B"]))));
}

/// A hard interrupt on top of the callback and of the thread below it is equivalent to one in the
/// thread while the callback runs on an idle CPU.
#[test]
fn an_interrupt_arrives_on_top_of_a_callback() {
    struct World {
        rcu: Rcu,
        lock: SpinLock,
        irq: Irq,
    }
    let world = || World {
        rcu: Rcu::new(),
        lock: SpinLock::new("A", ()),
        irq: Irq::request_irq("irq", in_world(|w: &World| drop(w.lock.spin_lock()))),
    };
    let thread = |w: &World| {
        w.rcu.call(&RcuHead::new(in_world(|w: &World| {
            w.irq.raise();
            w.irq.disable_irq_nosync();
        })));
        drop(w.lock.spin_lock());
        w.rcu.barrier();
        w.irq.enable_irq();
    };
    let scenario = Scenario::builder("nested", world).thread("T", thread);
    check(&slow_on_loom(scenario.expect_violations(deadlock(["A"]))));
}

/// The callbacks of a domain that a thread makes run on an idle CPU only.
#[test]
fn a_domain_of_a_thread_interrupts_nothing() {
    let world = || SpinLock::new("A", ());
    let scenario = Scenario::builder("own", world).thread("T", |lock| {
        let rcu = Rcu::new();
        rcu.call(&RcuHead::new(in_world(|lock: &SpinLock| drop(lock.spin_lock()))));
        drop(lock.spin_lock());
        rcu.barrier();
    });
    let scenario = scenario.expect_proof().expect_inversion(["A"]);
    check_with_traces(&scenario);
    let report = scenario.verify(Engine::Native);
    assert_eq!(report.predictions[0].classification, Classification::Open);
}

#[test]
fn two_barriers_wait_for_two_callbacks() {
    type World = (Rcu, ModuleRef, Atomic);
    let world = || (Rcu::new(), ModuleRef::new("module"), Atomic::new("ended", 0));
    let thread = |w: &World| {
        w.0.call(&RcuHead::new(in_world(|w: &World| w.1.call())));
        w.0.barrier();
        if w.2.fetch_add(1) == 1 {
            w.1.free();
        }
    };
    let scenario = Scenario::builder("two", world).thread("A", thread).thread("B", thread);
    check(&slow_on_loom(scenario.expect_proof()));
}

/// A head is queued until its function begins, which may queue it again.
#[test]
fn a_head_that_is_queued_is_not_queued_again() {
    struct World {
        rcu: Rcu,
        calls: Atomic,
        head: RcuHead,
    }
    fn again(w: &World) {
        if w.calls.fetch_add(1) == 0 {
            w.rcu.call(&w.head);
        }
    }
    let world = || World {
        rcu: Rcu::new(),
        calls: Atomic::new("calls", 0),
        head: RcuHead::new(in_world(again)),
    };
    let scenario = |calls: usize| {
        Scenario::builder("head", world)
            .thread("T", move |w| (0..calls).for_each(|_| w.rcu.call(&w.head)))
            .finally(|w| assert!(w.calls.load() >= 2))
    };
    check_with_traces(&slow_on_loom(scenario(1).expect_proof()));
    check(&scenario(2).expect_violations([ViolationKind::invariant("call_rcu")]));
}

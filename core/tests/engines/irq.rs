//! Interrupt lines, tasklets and timers on the CPU of the thread that they interrupt.

use selvedge_core::sync::{
    Atomic, Irq, Mutex, SpinLock, Tasklet, Timer, Tracked, local_bh_disable, local_bh_enable,
    local_irq_disable, local_irq_enable, local_irq_restore, local_irq_save,
};
use selvedge_core::{
    Classification, Engine, Scenario, ScenarioBuilder, ViolationKind, in_world, might_sleep,
};

use super::{check, check_with_traces, deadlock, slow_on_loom};

/// A lock that the thread, the interrupt and the soft interrupts may take.
struct World {
    lock: SpinLock<u32>,
    other: SpinLock,
    rx: Irq,
    tasklet: Tasklet,
    timer: Timer,
    buffer: Tracked,
}

/// An interrupt, a tasklet and a timer that do the same; which of them comes is up to the threads.
fn world(handler: fn(&World)) -> ScenarioBuilder<World> {
    let world = move || World {
        lock: SpinLock::new("lock", 0),
        other: SpinLock::new("other", ()),
        rx: Irq::request_irq("rx", in_world(handler)),
        tasklet: Tasklet::new("tasklet", in_world(handler)),
        timer: Timer::new("timer", in_world(handler)),
        buffer: Tracked::new("buffer", ()),
    };
    Scenario::builder("irq", world).finally(|w| w.buffer.release())
}

fn counts(w: &World) {
    *w.lock.spin_lock() += 1;
}

#[test]
fn a_lock_of_an_interrupt_is_taken_with_interrupts_disabled() {
    let scenario =
        |body: fn(&World)| world(counts).thread("device", |w| w.rx.raise()).thread("T", body);
    check_with_traces(&scenario(counts).expect_violations(deadlock(["lock"])));
    let bh = scenario(|w| *w.lock.spin_lock_bh() += 1);
    check_with_traces(&bh.expect_violations(deadlock(["lock"])));
    let saved = scenario(|w| *w.lock.spin_lock_irqsave() += 1).finally(|w| {
        assert_eq!(*w.lock.spin_lock_irqsave(), 2);
        w.buffer.release();
    });
    check_with_traces(&saved.expect_proof());
    check_with_traces(&scenario(|w| *w.lock.spin_lock_irq() += 1).expect_proof());
    let disabled = scenario(|w| {
        local_irq_disable();
        counts(w);
        local_irq_enable();
    });
    check_with_traces(&disabled.expect_proof());
}

#[test]
fn a_lock_of_a_soft_interrupt_is_taken_with_bottom_halves_disabled() {
    let raise: [fn(&World); 2] = [|w| w.tasklet.tasklet_schedule(), |w| w.timer.mod_timer()];
    for raise in raise {
        let scenario = |body: fn(&World)| world(counts).thread("device", raise).thread("T", body);
        check_with_traces(&scenario(counts).expect_violations(deadlock(["lock"])));
        check_with_traces(&scenario(|w| *w.lock.spin_lock_bh() += 1).expect_proof());
        check_with_traces(&scenario(|w| *w.lock.spin_lock_irq() += 1).expect_proof());
        let disabled = scenario(|w| {
            local_bh_disable();
            counts(w);
            local_bh_enable();
        });
        check_with_traces(&disabled.expect_proof());
    }
}

/// One after the other, and in any order.
#[test]
fn two_sources_interrupt_one_thread() {
    let world = || {
        let count = Atomic::new("count", 0);
        let handler = |w: &Two| _ = w.count.fetch_add(1);
        let (rx, tasklet) =
            (Irq::request_irq("rx", in_world(handler)), Tasklet::new("tasklet", in_world(handler)));
        Two { lock: SpinLock::new("lock", ()), count, rx, tasklet }
    };
    struct Two {
        lock: SpinLock,
        count: Atomic,
        rx: Irq,
        tasklet: Tasklet,
    }
    let scenario = Scenario::builder("two", world)
        .thread("T", |w| {
            let held = w.lock.spin_lock();
            w.rx.raise();
            w.tasklet.tasklet_schedule();
            held.unlock();
        })
        .finally(|w| assert_eq!(w.count.load(), 2))
        .expect_proof();
    check_with_traces(&slow_on_loom(scenario));
}

#[test]
fn the_unlock_enables_or_restores() {
    let scenario =
        |body: fn(&World)| world(counts).thread("device", |w| w.rx.raise()).thread("T", body);
    // spin_unlock_irq enables interrupts though they were disabled.
    let enables = scenario(|w| {
        let flags = local_irq_save();
        let held = w.lock.spin_lock();
        w.other.spin_lock_irq().unlock();
        held.unlock();
        local_irq_restore(flags);
    });
    check_with_traces(&enables.expect_violations(deadlock(["lock"])));
    let restores = scenario(|w| {
        let flags = local_irq_save();
        let held = w.lock.spin_lock();
        w.other.spin_lock_irqsave().unlock();
        held.unlock();
        local_irq_restore(flags);
    });
    check_with_traces(&restores.expect_proof());
    let raw = scenario(|w| {
        w.other.raw_lock_irqsave();
        let held = w.lock.spin_lock();
        held.unlock();
        w.other.raw_unlock_irqrestore();
    });
    check_with_traces(&raw.expect_proof());
}

#[test]
fn a_handler_waits_for_a_lock_whose_owner_waits_for_the_interrupted_thread() {
    let scenario = world(|w| drop(w.other.spin_lock()))
        .thread("device", |w| w.rx.raise())
        .thread("T", counts)
        .thread("U", |w| {
            let _other = w.other.spin_lock_irqsave();
            *w.lock.spin_lock() += 1;
        })
        .expect_violations(deadlock(["lock", "other"]));
    check(&scenario);
    let report = scenario.verify(Engine::Native);
    let [prediction] = report.predictions.as_slice() else { panic!("{report}") };
    let printed = prediction.inversion.to_string();
    assert!(printed.starts_with("WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order"), "{printed}");
    assert!(matches!(prediction.classification, Classification::Feasible(_)));
}

#[test]
fn a_lock_state_is_inconsistent_even_if_the_interrupt_is_over_by_then() {
    let scenario = world(counts)
        .thread("T", |w| {
            counts(w);
            w.rx.raise();
        })
        .expect_proof()
        .expect_inversion(["lock"]);
    check_with_traces(&scenario);
}

#[test]
fn a_handler_may_not_sleep_and_one_in_a_thread_may() {
    let sleeps = world(|_| might_sleep("vfree")).thread("T", |w| w.rx.raise());
    check(&sleeps.expect_violations([ViolationKind::sleep_in_atomic("vfree", "rx")]));
    let sleeps = world(|_| might_sleep("vfree")).thread("T", |w| w.tasklet.tasklet_schedule());
    check(&sleeps.expect_violations([ViolationKind::sleep_in_atomic("vfree", "tasklet")]));
    let world = || {
        let lock = Mutex::new("mutex", 0);
        let function = in_world(|w: &(Mutex<u32>, Irq)| *w.0.lock() += 1);
        (lock, Irq::request_threaded_irq("rx", function))
    };
    let threaded = |body: fn(&(Mutex<u32>, Irq))| {
        Scenario::builder("threaded", world).thread("device", |w| w.1.raise()).thread("T", body)
    };
    check_with_traces(&threaded(|w| *w.0.lock() += 1).expect_proof());
    let disables = threaded(|w| {
        let _held = w.0.lock();
        w.1.disable_irq();
    });
    check_with_traces(&disables.expect_violations(deadlock(["mutex", "rx"])));
}

#[test]
fn interrupts_disabled_forbid_to_sleep() {
    let scenario = |body: fn(&())| Scenario::builder("sleep", || ()).thread("T", body);
    let sleeps = |holds| [ViolationKind::sleep_in_atomic("vfree", holds)];
    let irq = scenario(|()| {
        local_irq_disable();
        might_sleep("vfree");
    });
    check(&irq.expect_violations(sleeps("local_irq_disable")));
    let bh = scenario(|()| {
        local_bh_disable();
        might_sleep("vfree");
    });
    check(&bh.expect_violations(sleeps("local_bh_disable")));
    let enabled = scenario(|()| {
        let flags = local_irq_save();
        local_irq_restore(flags);
        local_bh_disable();
        local_bh_enable();
        might_sleep("vfree");
    });
    check(&enabled.expect_proof());
}

#[test]
fn a_handler_runs_neither_after_free_irq_nor_while_it_is_disabled() {
    let uses = |w: &World| _ = w.buffer.get();
    let world = || world(uses).finally(|_| {});
    let frees = world().thread("device", |w| w.rx.raise()).thread("remove", |w| {
        w.rx.free_irq();
        w.buffer.release();
    });
    check_with_traces(&frees.expect_proof());
    let too_early = world().thread("device", |w| w.rx.raise()).thread("remove", |w| {
        w.buffer.release();
        w.rx.free_irq();
    });
    check(&too_early.expect_violations([ViolationKind::use_after_release("buffer")]));
    let disables = world().thread("device", |w| w.rx.raise()).thread("T", |w| {
        w.rx.disable_irq();
        w.buffer.release();
    });
    check_with_traces(&disables.expect_proof());
    let nosync = world().thread("device", |w| w.rx.raise()).thread("T", |w| {
        w.rx.disable_irq_nosync();
        w.buffer.release();
    });
    check(&nosync.expect_violations([ViolationKind::use_after_release("buffer")]));
}

#[test]
fn a_line_that_is_raised_while_it_is_disabled_is_pending() {
    let world = || {
        let count = Atomic::new("count", 0);
        let rx = Irq::new("rx", in_world(|w: &(Atomic, Irq)| _ = w.0.fetch_add(1)));
        (count, rx)
    };
    let scenario = |body: fn(&Irq), most: u64| {
        Scenario::builder("pending", world)
            .thread("T", move |w| body(&w.1))
            .finally(move |w| assert_eq!(w.0.load(), most))
            .expect_proof()
    };
    let pending = |rx: &Irq| {
        assert!(rx.request() && !rx.request());
        rx.disable_irq();
        rx.raise();
        rx.raise();
        rx.enable_irq();
    };
    check_with_traces(&scenario(pending, 1));
    check_with_traces(&scenario(Irq::raise, 0));
    let unbalanced = Scenario::builder("unbalanced", world)
        .thread("T", |w| w.1.enable_irq())
        .expect_violations([ViolationKind::invariant("enable_irq")]);
    check(&unbalanced);
    let twice = Scenario::builder("twice", world)
        .thread("T", |w| w.1.free_irq())
        .expect_violations([ViolationKind::double_release("rx")]);
    check(&twice);
}

#[test]
fn a_hard_interrupt_interrupts_a_soft_one_and_not_the_other_way_round() {
    struct Both {
        lock: SpinLock,
        rx: Irq,
        tasklet: Tasklet,
    }
    fn both(hard: fn(&Both), soft: fn(&Both)) -> ScenarioBuilder<Both> {
        let world = move || Both {
            lock: SpinLock::new("lock", ()),
            rx: Irq::request_irq("rx", in_world(hard)),
            tasklet: Tasklet::new("tasklet", in_world(soft)),
        };
        Scenario::builder("both", world)
            .thread("device", |w| w.rx.raise())
            .thread("T", |w| w.tasklet.tasklet_schedule())
    }
    fn takes(w: &Both) {
        w.lock.spin_lock().unlock();
    }
    check_with_traces(&both(takes, takes).expect_violations(deadlock(["lock"])));
    let disables = both(takes, |w| w.lock.spin_lock_irq().unlock());
    check_with_traces(&disables.expect_proof());
}

#[test]
fn tasklet_kill_waits_and_a_disabled_tasklet_does_not_run() {
    let uses = |w: &World| _ = w.buffer.get();
    let world = || world(uses).finally(|_| {});
    let kill = world().thread("T", |w| {
        w.tasklet.tasklet_schedule();
        w.tasklet.tasklet_kill();
        w.buffer.release();
    });
    check_with_traces(&kill.expect_proof());
    let disable = world().thread("S", |w| w.tasklet.tasklet_schedule()).thread("T", |w| {
        w.tasklet.tasklet_disable();
        w.buffer.release();
    });
    check_with_traces(&disable.expect_proof());
    let nosync = world().thread("S", |w| w.tasklet.tasklet_schedule()).thread("T", |w| {
        w.tasklet.tasklet_disable_nosync();
        w.buffer.release();
    });
    check(&nosync.expect_violations([ViolationKind::use_after_release("buffer")]));
    let for_good = world().thread("T", |w| {
        w.tasklet.tasklet_disable();
        w.tasklet.tasklet_schedule();
        w.tasklet.tasklet_kill();
        w.tasklet.tasklet_enable();
        w.buffer.release();
    });
    check(&for_good.expect_violations(deadlock(["tasklet"])));
}

#[test]
fn a_timer_in_freed_memory_interrupts_no_thread() {
    let world = || {
        let timer = Tracked::with("device", || Timer::new("timer", |_| {}));
        (timer, SpinLock::new("lock", 0))
    };
    let scenario = Scenario::builder("freed", world)
        .thread("T", |(timer, lock)| {
            let held = lock.spin_lock();
            timer.release();
            held.unlock();
        })
        .expect_proof();
    check_with_traces(&scenario);
}

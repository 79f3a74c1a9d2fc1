//! `rwlock_t`, `raw_spinlock_t`, and both kinds of lock on PREEMPT_RT.

use selvedge_core::sync::{
    Atomic, Irq, Rcu, RwLock, SpinLock, Tasklet, Timer, local_bh_disable, local_bh_enable,
    local_irq_disable, local_irq_enable, preempt_disable, preempt_enable,
};
use selvedge_core::{Engine, Scenario, ScenarioBuilder, ViolationKind, in_world, might_sleep};

use super::{check, check_with_traces, deadlock, slow_on_loom};

#[test]
fn readers_share_and_a_writer_excludes() {
    let world = || (RwLock::new("L", 0), Atomic::new("busy", 0));
    let scenario = Scenario::builder("rwlock", world)
        .thread("read", |(lock, _)| assert!(*lock.read_lock() < 3))
        .thread("write", |(lock, _)| *lock.write_lock() += 1)
        .thread("try", |(lock, busy)| match lock.write_trylock() {
            Some(mut held) => *held += 1,
            None => busy.store(1),
        })
        .finally(|(lock, busy)| assert_eq!(*lock.read_lock() + busy.load(), 2))
        .expect_proof();
    check_with_traces(&scenario);
    let tries = Scenario::builder("try", world)
        .thread("read", |(lock, busy)| match lock.read_trylock() {
            Some(held) => busy.store(*held),
            None => busy.store(7),
        })
        .thread("write", |(lock, _)| *lock.write_lock_irq() += 1)
        .finally(|(_, busy)| assert!([0, 1, 7].contains(&busy.load())))
        .expect_proof();
    check_with_traces(&tries);
}

#[test]
fn a_reader_queues_behind_a_waiting_writer() {
    let scenario = |again: fn(&RwLock)| {
        Scenario::builder("recursion", || RwLock::new("L", ()))
            .thread("reader", move |lock| {
                let outer = lock.read_lock();
                again(lock);
                outer.read_unlock();
            })
            .thread("writer", |lock| lock.write_lock().write_unlock())
    };
    let nests = scenario(|lock| lock.read_lock().read_unlock());
    check_with_traces(&nests.expect_violations(deadlock(["L"])));
    // in_interrupt() holds with bottom halves disabled.
    let passes = scenario(|lock| lock.read_lock_bh().read_unlock());
    check_with_traces(&passes.expect_proof());
    let tries = scenario(|lock| drop(lock.read_trylock()));
    check_with_traces(&tries.expect_proof());
}

struct World {
    lock: RwLock,
    group: SpinLock,
    rx: Irq,
    tasklet: Tasklet,
}

fn interrupted(handler: fn(&World)) -> ScenarioBuilder<World> {
    let world = move || World {
        lock: RwLock::new("ctl_files_rwlock", ()),
        group: SpinLock::new("group->lock", ()),
        rx: Irq::request_irq("rx", in_world(handler)),
        tasklet: Tasklet::new("tasklet", in_world(handler)),
    };
    Scenario::builder("rwlock irq", world)
}

#[test]
fn a_reader_in_an_interrupt_passes_the_waiting_writer() {
    let reads = |w: &World| w.lock.read_lock().read_unlock();
    let scenario = interrupted(reads)
        .thread("device", |w| w.rx.raise())
        .thread("reader", |w| w.lock.read_lock().read_unlock())
        .thread("writer", |w| w.lock.write_lock_irq().write_unlock());
    let scenario = slow_on_loom(scenario.expect_proof());
    check_with_traces(&scenario);
    let writes = interrupted(|w| w.lock.write_lock().write_unlock())
        .thread("device", |w| w.rx.raise())
        .thread("reader", |w| w.lock.read_lock().read_unlock());
    check_with_traces(&writes.expect_violations(deadlock(["ctl_files_rwlock"])));
}

/// "possible irq lock inversion dependency": a softirq that wants a lock whose holder reads, on top
/// of a reader, with a writer that waits.
#[test]
fn an_irq_lock_inversion_needs_the_writer() {
    let scenario = || {
        interrupted(|w| w.group.spin_lock_irqsave().unlock())
            .thread("device", |w| w.tasklet.tasklet_schedule())
            .thread("reader", |w| w.lock.read_lock().read_unlock())
            .thread("holder", |w| {
                let group = w.group.spin_lock_irqsave();
                w.lock.read_lock().read_unlock();
                group.unlock();
            })
    };
    let two = scenario().expect_proof().expect_inversion(["ctl_files_rwlock", "group->lock"]);
    check(&slow_on_loom(two));
    let three = scenario()
        .thread("writer", |w| w.lock.write_lock_irq().write_unlock())
        .expect_violations(deadlock(["ctl_files_rwlock", "group->lock"]));
    check(&slow_on_loom(three));
}

#[test]
fn on_preempt_rt_spinlocks_sleep_and_raw_ones_do_not() {
    struct Locks {
        spin: SpinLock,
        rw: RwLock,
        raw: SpinLock,
        rcu: Rcu,
    }
    let scenario = |body: fn(&Locks)| {
        let world = || Locks {
            spin: SpinLock::new("spin", ()),
            rw: RwLock::new("rw", ()),
            raw: SpinLock::raw("raw", ()),
            rcu: Rcu::new(),
        };
        Scenario::builder("rt", world).thread("T", body)
    };
    let violates = |body: fn(&Locks), sleeps: &str, holds: &str| {
        check(&scenario(body).expect_proof());
        let kind = ViolationKind::sleep_in_atomic(sleeps, holds);
        check(&scenario(body).preempt_rt().expect_violations([kind]));
    };
    let in_raw = |l: &Locks| {
        let _raw = l.raw.spin_lock_irqsave();
        l.spin.spin_lock_irqsave().unlock();
    };
    violates(in_raw, "spin", "raw");
    let reads = |l: &Locks| {
        let _raw = l.raw.spin_lock();
        l.rw.read_lock().read_unlock();
    };
    violates(reads, "rw", "raw");
    let irqs_off = |l: &Locks| {
        local_irq_disable();
        l.rw.write_lock().write_unlock();
        local_irq_enable();
    };
    violates(irqs_off, "rw", "local_irq_disable");
    let preemption_off = |l: &Locks| {
        preempt_disable();
        l.spin.spin_lock().unlock();
        preempt_enable();
    };
    violates(preemption_off, "spin", "preempt_disable");
    // Neither a section of RCU nor disabled bottom halves are atomic; a raw lock nests anywhere.
    let fine = |l: &Locks| {
        local_bh_disable();
        let section = l.rcu.read_lock();
        let spin = l.spin.spin_lock_irqsave();
        l.raw.spin_lock_irqsave().unlock();
        spin.unlock();
        section.unlock();
        local_bh_enable();
        might_sleep("vfree");
    };
    check(&scenario(fine).expect_proof());
    check(&scenario(fine).preempt_rt().expect_proof());
    let sleeps = |l: &Locks| {
        let _spin = l.spin.spin_lock_irqsave();
        might_sleep("vfree");
    };
    let kind = || [ViolationKind::sleep_in_atomic("vfree", "spin")];
    check(&scenario(sleeps).expect_violations(kind()));
    check(&scenario(sleeps).preempt_rt().expect_violations(kind()));
    let report = scenario(fine).preempt_rt().expect_proof().verify(Engine::Native);
    assert!(report.preconditions.iter().any(|given| given.contains("is PREEMPT_RT")), "{report}");
}

#[test]
fn on_preempt_rt_interrupts_are_threads() {
    fn takes(w: &World) {
        w.group.spin_lock().unlock();
    }
    let scenario =
        |raise: fn(&World)| interrupted(takes).thread("device", raise).thread("T", takes);
    for raise in [|w: &World| w.rx.raise(), |w: &World| w.tasklet.tasklet_schedule()] {
        check(&scenario(raise).expect_violations(deadlock(["group->lock"])));
        check_with_traces(&scenario(raise).preempt_rt().expect_proof());
    }
    let world = |make: fn() -> Irq| {
        let world = move || (SpinLock::new("lock", ()), make());
        Scenario::builder("no thread", world).thread("T", |w| w.1.raise()).preempt_rt()
    };
    fn handler(w: &(SpinLock, Irq)) {
        w.0.spin_lock_irqsave().unlock();
    }
    let threaded = world(|| Irq::request_irq("rx", in_world(handler)));
    check(&threaded.expect_proof());
    let hard = world(|| Irq::request_irq_no_thread("rx", in_world(handler)));
    check(&hard.expect_violations([ViolationKind::sleep_in_atomic("lock", "rx")]));
}

#[test]
fn a_high_resolution_timer_interrupts_as_a_hard_interrupt() {
    struct Keys {
        lock: SpinLock,
        timer: Timer,
    }
    let scenario = |timer: fn() -> Timer, body: fn(&Keys)| {
        let world = move || Keys { lock: SpinLock::new("lock", ()), timer: timer() };
        Scenario::builder("hrtimer", world).thread("arm", |w| w.timer.mod_timer()).thread("T", body)
    };
    fn takes(w: &Keys) {
        w.lock.spin_lock().unlock();
    }
    let soft: fn() -> Timer = || Timer::hrtimer("timer", in_world(takes));
    let hard: fn() -> Timer = || Timer::hrtimer_hard("timer", in_world(takes));
    let with_bh = |w: &Keys| w.lock.spin_lock_bh().unlock();
    check_with_traces(&scenario(soft, with_bh).expect_violations(deadlock(["lock"])));
    check_with_traces(&scenario(soft, |w| w.lock.spin_lock_irqsave().unlock()).expect_proof());
    check_with_traces(&scenario(soft, takes).preempt_rt().expect_proof());
    let kind = [ViolationKind::sleep_in_atomic("lock", "timer")];
    check(&scenario(hard, |_| {}).preempt_rt().expect_violations(kind));
}

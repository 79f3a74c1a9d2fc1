//! Kernel threads that are stopped, parked and woken where they sleep: on any wait queue.

use selvedge_core::sync::{Atomic, Kthread, Tracked, WaitQueue};
use selvedge_core::{
    Engine, Expectation, Scenario, ScenarioBuilder, ViolationKind, in_world, rounds,
};

use super::{check, check_with_traces, deadlock, slow_on_loom};

struct World {
    queue: WaitQueue,
    other_queue: WaitQueue,
    pending: Atomic,
    thread: Kthread,
}

fn world(function: fn(&World)) -> ScenarioBuilder<World> {
    let world = move || World {
        queue: WaitQueue::new("queue"),
        other_queue: WaitQueue::new("other queue"),
        pending: Atomic::new("pending", 0),
        thread: Kthread::new("server", in_world(function)),
    };
    Scenario::builder("asleep", world)
}

fn is_stopped(function: fn(&World)) -> ScenarioBuilder<World> {
    world(function).thread("T", |w| {
        // It may end before, after a signal or a timeout.
        w.thread.get_task_struct();
        w.thread.kthread_run();
        w.thread.kthread_stop();
    })
}

impl World {
    fn is_pending(&self) -> bool {
        self.pending.load() > 0
    }

    fn pending_or_stopped(&self) -> bool {
        self.is_pending() || self.thread.kthread_should_stop()
    }

    /// The loop of `prepare_to_wait` and `schedule`.
    fn sleep_until(&self, condition: impl Fn() -> bool) {
        rounds(|| {
            self.queue.prepare_to_wait();
            if condition() {
                return Some(());
            }
            self.queue.schedule();
            None
        });
        self.queue.finish_wait();
    }
}

/// Of an exclusive waiter, and of a loop, the searches of interleavings explore one spurious
/// wake-up.
fn without_interleavings(scenario: Scenario) -> Scenario {
    slow_on_loom(scenario).on(Engine::Shuttle, Expectation::Inconclusive)
}

#[test]
fn kthread_stop_ends_a_wait_for_it_on_any_queue() {
    let waits: [fn(&World); 4] = [
        |w| w.queue.wait_event(|| w.pending_or_stopped()),
        |w| _ = w.queue.wait_event_interruptible(|| w.pending_or_stopped()),
        |w| _ = w.queue.wait_event_killable(|| w.pending_or_stopped()),
        |w| _ = w.queue.wait_event_timeout(|| w.pending_or_stopped()),
    ];
    for wait in waits {
        check_with_traces(&slow_on_loom(is_stopped(wait).expect_proof()));
    }
    let waits: [fn(&World); 2] = [
        |w| w.queue.wait_event_exclusive(|| w.pending_or_stopped()),
        |w| w.sleep_until(|| w.pending_or_stopped()),
    ];
    for wait in waits {
        check(&without_interleavings(is_stopped(wait).expect_proof()));
    }
}

/// It is woken, looks at the condition again, and sleeps again.
#[test]
fn a_wait_whose_condition_does_not_look_is_never_stopped() {
    let waits: [fn(&World); 3] = [
        |w| w.queue.wait_event(|| w.is_pending()),
        |w| w.queue.wait_event_exclusive(|| w.is_pending()),
        |w| w.sleep_until(|| w.is_pending()),
    ];
    for wait in waits {
        check(&is_stopped(wait).expect_violations(deadlock(["queue"])));
    }
}

/// `kthread_stop` sets `TIF_NOTIFY_SIGNAL` (kernel/kthread.c, v6.6).
#[test]
fn a_thread_that_is_to_stop_does_not_sleep_interruptibly() {
    let serves = |w: &World| {
        rounds(|| {
            if w.thread.kthread_should_stop() {
                return Some(());
            }
            _ = w.queue.wait_event_interruptible(|| w.is_pending());
            None
        });
    };
    check(&without_interleavings(is_stopped(serves).expect_proof()));
    let killable = |w: &World| _ = w.queue.wait_event_killable(|| w.is_pending());
    check(&is_stopped(killable).expect_violations(deadlock(["queue"])));
}

#[test]
fn kthread_stop_wakes_no_other_thread() {
    let scenario = |wakes: fn(&World)| {
        let waits = |w: &World| w.queue.wait_event(|| w.pending_or_stopped());
        let scenario = world(waits).thread("T", move |w| {
            w.thread.get_task_struct();
            w.thread.kthread_run();
            w.pending.store(1);
            wakes(w);
            w.thread.kthread_stop();
        });
        scenario.thread("other", |w| w.queue.wait_event(|| w.is_pending()))
    };
    check(&scenario(|w| w.thread.wake_up_process()).expect_violations(deadlock(["queue"])));
    check(&slow_on_loom(scenario(|w| w.queue.wake_up()).expect_proof()));
}

#[test]
fn wake_up_process_ends_a_wait_on_the_queue_that_the_thread_sleeps_on() {
    let on_two = |w: &World| {
        w.queue.wait_event(|| w.pending.load() >= 1);
        w.other_queue.wait_event(|| w.pending.load() >= 2);
    };
    let scenario = |second: fn(&World)| {
        world(on_two).thread("T", move |w| {
            w.thread.get_task_struct();
            w.thread.kthread_run();
            w.pending.store(1);
            w.thread.wake_up_process();
            w.pending.store(2);
            second(w);
        })
    };
    check_with_traces(&slow_on_loom(scenario(|w| w.thread.wake_up_process()).expect_proof()));
    // It wakes the queue on which the thread does not sleep any more.
    let wrong = scenario(|w| w.queue.wake_up_all());
    check(&wrong.expect_violations(deadlock(["other queue"])));
}

/// `set_current_state` after the look at the condition: the wake-up in between is lost.
#[test]
fn a_wake_up_before_the_thread_has_prepared_to_wait_has_no_effect() {
    let looks_too_early = |w: &World| {
        if !w.is_pending() {
            w.queue.prepare_to_wait();
            w.queue.schedule();
            w.queue.finish_wait();
        }
    };
    let scenario = world(looks_too_early).thread("T", |w| {
        w.thread.get_task_struct();
        w.thread.kthread_run();
        w.pending.store(1);
        w.thread.wake_up_process();
    });
    check(&scenario.expect_violations(deadlock(["queue"])));
}

#[test]
fn a_thread_on_a_queue_is_parked_and_continues() {
    let serves = |w: &World| {
        w.queue.wait_event(|| w.thread.kthread_should_park() || w.thread.kthread_should_stop());
        w.thread.kthread_parkme();
        w.queue.wait_event(|| w.thread.kthread_should_stop());
    };
    let scenario = |unparks: fn(&World)| {
        world(serves).thread("T", move |w| {
            w.thread.kthread_run();
            w.thread.kthread_park();
            unparks(w);
            w.thread.kthread_stop();
        })
    };
    check_with_traces(&slow_on_loom(scenario(|w| w.thread.kthread_unpark()).expect_proof()));
    check_with_traces(&slow_on_loom(scenario(|_| ()).expect_proof()));
}

/// A thread that was woken by name is awake, and the wake-up of the queue goes to the other.
#[test]
fn a_wake_up_of_the_queue_goes_to_an_exclusive_waiter_that_sleeps() {
    let scenario = |wakes: fn(&World)| {
        let waits = |w: &World| w.queue.wait_event_exclusive(|| w.pending_or_stopped());
        let scenario = world(waits).thread("T", move |w| {
            w.thread.get_task_struct();
            w.thread.kthread_run();
            w.thread.kthread_stop();
            w.pending.store(1);
            wakes(w);
        });
        scenario.thread("other", |w| w.queue.wait_event_exclusive(|| w.is_pending()))
    };
    check(&without_interleavings(scenario(|w| w.queue.wake_up()).expect_proof()));
    check(&scenario(|w| w.thread.wake_up_process()).expect_violations(deadlock(["queue"])));
}

/// `try_to_wake_up` touches the thread, and not the queue on which it has slept.
#[test]
fn a_thread_is_stopped_after_a_queue_of_it_is_freed() {
    struct Freed {
        device: Tracked<WaitQueue>,
        thread: Kthread,
    }
    let serves = |w: &Freed| {
        w.device.get().wait_event_timeout(|| w.thread.kthread_should_park());
        w.device.release();
        w.thread.wait_event(|| w.thread.kthread_should_stop());
    };
    let world = move || Freed {
        device: Tracked::with("device", || WaitQueue::new("queue")),
        thread: Kthread::new("server", in_world(serves)),
    };
    let scenario = Scenario::builder("freed", world).thread("T", |w| {
        w.thread.kthread_run();
        w.thread.kthread_stop();
    });
    // One that is stopped before it begins does not release it.
    let leaks = [ViolationKind::leak("device")];
    check(&slow_on_loom(scenario.expect_violations(leaks)));
}

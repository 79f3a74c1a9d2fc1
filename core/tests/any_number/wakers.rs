//! Threads that sleep until another wakes them.

use selvedge_core::sync::{Completion, Mutex, WaitQueue};
use selvedge_core::{Scenario, ViolationKind};

use super::{proved, refuted};

/// A flag under a lock, as `kvm_busy` of `vfio_ap` in v5.13.
struct Device {
    lock: Mutex<bool>,
    wait: WaitQueue,
}

fn device() -> Device {
    Device { lock: Mutex::new("lock", false), wait: WaitQueue::new("busy") }
}

/// Sets the flag, releases the lock, and clears the flag again, which `clear` tells the others.
fn update(clear: fn(&Device)) -> impl Fn(&Device) + Send + Sync {
    move |dev| {
        let mut busy = dev.wait.wait_event_cmd(&dev.lock, dev.lock.lock(), |busy| !busy);
        *busy = true;
        busy.unlock();
        clear(dev);
    }
}

fn updates(clear: fn(&Device)) -> Scenario {
    Scenario::builder("busy", device).any_number_of("update", update(clear)).build()
}

#[test]
fn a_flag_that_is_cleared_with_a_wake_up_is_proved() {
    proved(&updates(|dev| {
        *dev.lock.lock() = false;
        dev.wait.wake_up_all();
    }));
    proved(&updates(|dev| {
        let mut busy = dev.lock.lock();
        dev.wait.wake_up_all();
        *busy = false;
    }));
}

#[test]
fn a_wake_up_that_is_missing_or_too_early_is_refuted_by_two() {
    let deadlock = ViolationKind::deadlock(["busy"]);
    assert_eq!(refuted(&updates(|dev| *dev.lock.lock() = false), &deadlock), 2);
    let early = |dev: &Device| {
        dev.wait.wake_up_all();
        *dev.lock.lock() = false;
    };
    assert_eq!(refuted(&updates(early), &deadlock), 2);
}

/// A thread of the functions that wait need not be one of those that wake up others.
#[test]
fn a_wake_up_by_a_few_threads_is_not_one_by_any_number() {
    let scenario = Scenario::builder("busy/both", device)
        .any_number_of(
            "update",
            update(|dev| {
                *dev.lock.lock() = false;
                dev.wait.wake_up_all();
            }),
        )
        .any_number_of("remove", |dev: &Device| *dev.lock.lock() = true)
        .build();
    assert_eq!(refuted(&scenario, &ViolationKind::deadlock(["busy"])), 2);
}

#[test]
fn a_completion_is_waited_for_by_any_number() {
    let scenario = |complete: fn(&Completion)| {
        Scenario::builder("completion", || Completion::new("done"))
            .thread("T", complete)
            .any_number_of("W", Completion::wait_for_completion)
            .build()
    };
    proved(&scenario(Completion::complete_all));
    // No two of those that wait are enough for this.
    let two = scenario(|done| {
        done.complete();
        done.complete();
    });
    assert_eq!(refuted(&two, &ViolationKind::deadlock(["done"])), 3);
    let one = scenario(Completion::complete);
    assert_eq!(refuted(&one, &ViolationKind::deadlock(["done"])), 2);
}

//! Locks that live in an object of the driver: accesses to them, and releases of the object.

use std::sync::Arc;

use selvedge_core::sync::{Atomic, Mutex, RwSem, SpinLock, Timer, Tracked, WaitQueue, Work};
use selvedge_core::{
    Checker, Engine, Report, Scenario, ScenarioBuilder, Search, Verdict, ViolationKind, in_world,
};

fn verify(scenario: &Scenario, search: Search, jobs: usize) -> Report {
    Checker::native().search(search).threads(jobs).states_per_thread(1).run(scenario)
}

/// Checks that every engine and search reaches the claim, and that each counterexample replays.
fn check(scenario: &Scenario) {
    for engine in Engine::ALL {
        scenario.assert_as_expected(*engine);
    }
    for (search, jobs) in [
        (Search::Auto, 1),
        (Search::Reduced, 1),
        (Search::Full, 2),
        (Search::SleepSets, 1),
        (Search::Dpor, 1),
        (Search::Dpor, 2),
    ] {
        let report = verify(scenario, search, jobs);
        assert!(report.as_expected(), "{search:?} on {}: {report}", scenario.name());
        let Verdict::Refuted(found) = &report.verdict else { continue };
        for found in found {
            let again = scenario.replay(&found.schedule);
            let again = again.unwrap_or_else(|e| panic!("{}: {e}", found.schedule));
            assert!(again.contains(found), "{}: {again:#?}", found.schedule);
        }
    }
    // Two provers that share only the machines count the same traces.
    let dpor = verify(scenario, Search::Dpor, 1).fingerprint;
    if dpor.traces.is_some() && dpor.states.is_none() {
        assert_eq!(verify(scenario, Search::SleepSets, 1).fingerprint, dpor, "{}", scenario.name());
    }
}

struct Device {
    lock: Mutex<u32>,
    list: SpinLock,
    sem: RwSem<u32>,
    queue: WaitQueue,
    users: Atomic,
}

type World = (Tracked<Device>, Mutex);

fn world() -> World {
    let device = Tracked::with("device", || Device {
        lock: Mutex::new("device->lock", 2),
        list: SpinLock::new("device->list_lock", ()),
        sem: RwSem::new("device->sem", 2),
        queue: WaitQueue::new("device->queue"),
        users: Atomic::new("device->users", 2),
    });
    (device, Mutex::new("devices", ()))
}

fn two(name: &str, put: impl Fn(&World) + Clone + Send + Sync + 'static) -> ScenarioBuilder<World> {
    Scenario::builder(name, world).thread("T1", put.clone()).thread("T2", put)
}

fn use_after_release() -> [ViolationKind; 1] {
    [ViolationKind::use_after_release("device")]
}

/// A thread that is not the last may still be in `mutex_unlock` when the last one frees.
#[test]
fn a_mutex_is_still_touched_when_its_next_owner_frees_it() {
    check(
        &two("mutex", |(device, _)| {
            let mut users = device.get().lock.lock();
            *users -= 1;
            let last = *users == 0;
            users.unlock();
            if last {
                device.release();
            }
        })
        .expect_violations(use_after_release()),
    );
    check(
        &two("raw mutex", |(device, _)| {
            let inside = device.get();
            inside.lock.raw_lock();
            let last = inside.users.fetch_add(u64::MAX) == 1;
            inside.lock.raw_unlock();
            if last {
                device.release();
            }
        })
        .expect_violations(use_after_release()),
    );
}

#[test]
fn a_semaphore_is_still_touched_when_its_next_owner_frees_it() {
    check(
        &two("semaphore", |(device, _)| {
            let mut users = device.get().sem.down_write();
            *users -= 1;
            let last = *users == 0;
            users.up_write();
            if last {
                device.release();
            }
        })
        .expect_violations(use_after_release()),
    );
    let raw = |take: fn(&RwSem<u32>), give: fn(&RwSem<u32>)| {
        let scenario = two("raw semaphore", move |(device, _)| {
            let inside = device.get();
            take(&inside.sem);
            let last = inside.users.fetch_add(u64::MAX) == 1;
            give(&inside.sem);
            if last {
                device.release();
            }
        });
        scenario.expect_violations(use_after_release())
    };
    check(&raw(RwSem::raw_down_write, RwSem::raw_up_write));
    // Another reader may still hold it.
    let kinds =
        [ViolationKind::FreedWhileHeld("device->sem".to_owned()), use_after_release()[0].clone()];
    let reads = two("raw readers", |(device, _)| {
        let inside = device.get();
        inside.sem.raw_down_read();
        let last = inside.users.fetch_add(u64::MAX) == 1;
        inside.sem.raw_up_read();
        if last {
            device.release();
        }
    });
    check(&reads.expect_violations(kinds));
}

/// A spinlock is not touched any more once another thread can have it.
#[test]
fn a_spinlock_is_not_touched_after_its_unlock() {
    check(
        &two("spinlock", |(device, _)| {
            let inside = device.get();
            let held = inside.list.spin_lock_irqsave();
            let last = inside.users.fetch_add(u64::MAX) == 1;
            held.unlock();
            if last {
                device.release();
            }
        })
        .expect_proof(),
    );
}

/// A count that is put after the unlock keeps the memory until no thread uses it.
#[test]
fn a_count_that_outlives_the_lock_fixes_it() {
    check(
        &two("count", |(device, _)| {
            let inside = device.get();
            drop(inside.lock.lock());
            if inside.users.fetch_add(u64::MAX) == 1 {
                device.release();
            }
        })
        .expect_proof(),
    );
}

/// Where the lock belongs to the world, `mutex_unlock` has one step.
#[test]
fn a_lock_outside_of_the_object_is_not_part_of_it() {
    check(
        &Scenario::builder("outside", || (Tracked::new("device", ()), Mutex::new("lock", 2)))
            .thread("T1", put_outside)
            .thread("T2", put_outside)
            .expect_proof(),
    );
}

fn put_outside((device, lock): &(Tracked, Mutex<u32>)) {
    let mut users = lock.lock();
    *users -= 1;
    let last = *users == 0;
    users.unlock();
    if last {
        device.release();
    }
}

/// The lock's owner is reported; the kernel's words are "held lock freed".
#[test]
fn memory_is_not_released_with_a_held_lock_in_it() {
    let scenario = Scenario::builder("held", world)
        .thread("user", |(device, _)| device.get().list.spin_lock_irqsave().unlock())
        .thread("free", |(device, _)| device.release());
    let kinds = [
        ViolationKind::FreedWhileHeld("device->list_lock".to_owned()),
        use_after_release()[0].clone(),
    ];
    check(&scenario.expect_violations(kinds));
}

/// There is nothing between the store under the lock and the unlock, so only a search that does not
/// skip the held lock sees that it is held.
#[test]
fn an_unlock_of_a_lock_in_memory_is_not_skipped() {
    let world = || (world().0, Atomic::new("kept", 0));
    let scenario = Scenario::builder("stepped over", world)
        .thread("user", |(device, _)| {
            let inside = device.get();
            let held = inside.list.spin_lock_irqsave();
            inside.users.store(1);
            held.unlock();
        })
        .thread("free", |(device, kept)| {
            if device.get().users.load() == 1 {
                device.release();
            } else {
                kept.store(1);
            }
        })
        .finally(|(device, kept)| {
            if kept.load() == 1 {
                device.release();
            }
        })
        .expect_violations([ViolationKind::FreedWhileHeld("device->list_lock".to_owned())]);
    let report = verify(&scenario, Search::Reduced, 1);
    assert!(report.as_expected(), "{report}");
}

/// A thread that frees its own lock is in no race.
#[test]
fn a_thread_that_frees_its_own_held_lock_is_found() {
    let scenario = Scenario::builder("self", world)
        .thread("T", |(device, _)| {
            let _held = device.get().sem.down_read();
            device.release();
        })
        .expect_violations([ViolationKind::FreedWhileHeld("device->sem".to_owned())]);
    check(&scenario);
    let report = scenario.verify(Engine::Native);
    let Verdict::Refuted(found) = &report.verdict else { panic!("{report}") };
    assert_eq!(
        found[0].violation.reason.split(" at ").next(),
        Some("T releases device"),
        "{report}"
    );
}

/// A wake-up is an access: the waiter may have woken spuriously, and freed the queue with the rest.
#[test]
fn a_wake_up_touches_the_wait_queue() {
    let scenario = |waits_for_waker: bool| {
        Scenario::builder("queue", world)
            .thread("waiter", move |(device, devices)| {
                let inside = device.get();
                inside.queue.wait_event(|| inside.users.load() == 1);
                if waits_for_waker {
                    drop(devices.lock());
                }
                device.release();
            })
            .thread("waker", move |(device, devices)| {
                let held = waits_for_waker.then(|| devices.lock());
                let inside = device.get();
                inside.users.store(1);
                inside.queue.wake_up_all();
                drop(held);
            })
    };
    let early = scenario(false).expect_violations(use_after_release());
    early.assert_as_expected(Engine::Native);
    scenario(true).expect_proof().assert_as_expected(Engine::Native);
}

/// The data of a freed lock is freed too; the lock only has to be unlocked.
#[test]
fn an_unlocked_lock_may_be_freed_with_its_memory() {
    let scenario = Scenario::builder("free", world)
        .thread("T", |(device, devices)| {
            let _devices = devices.lock();
            drop(device.get().lock.lock());
            device.release();
        })
        .expect_proof();
    check(&scenario);
}

/// An operation in the creation of an object would belong to the world, or to another thread.
#[test]
fn an_object_is_created_without_operations() {
    let scenario = Scenario::builder("makes", || Arc::new(Atomic::new("count", 0)))
        .thread("T", |count| {
            let made = Tracked::with("device", || count.fetch_add(1));
            made.release();
        })
        .expect_proof();
    let report = scenario.verify(Engine::Native);
    let Verdict::Refuted(found) = &report.verdict else { panic!("{report}") };
    let ViolationKind::Panic(message) = &found[0].violation.kind else { panic!("{report}") };
    assert!(message.contains("while a tracked object is created"), "{message}");
}

struct Request {
    work: Tracked<Work>,
    timer: Tracked<Timer>,
}

fn request() -> Request {
    let free_work = in_world(|request: &Request| request.work.release());
    let free_timer = in_world(|request: &Request| request.timer.release());
    Request {
        work: Tracked::with("request", || Work::new("work", free_work)),
        timer: Tracked::with("expiry", || Timer::new("timer", free_timer)),
    }
}

/// "It is permissible to free the struct work_struct from inside the function that is called from
/// it": the comment in `process_one_work`, and a like one in `call_timer_fn`.
#[test]
fn the_function_of_a_work_or_a_timer_may_free_it() {
    let works = Scenario::builder("frees-work", request)
        .thread("submit", |request| _ = request.work.get().queue_work())
        .thread("complete", |request| request.timer.release());
    check(&works.expect_proof());
    let expires = Scenario::builder("frees-timer", request)
        .thread("arm", |request| request.timer.get().mod_timer())
        .thread("complete", |request| request.work.release());
    check(&expires.expect_proof());
}

/// What is freed must not be queued again, by the function itself neither.
#[test]
fn a_work_that_has_freed_itself_is_not_queued_again() {
    fn again(request: &Request) {
        let work = request.work.get();
        request.work.release();
        work.queue_work();
    }
    let world = || Request {
        work: Tracked::with("request", || Work::new("work", in_world(again))),
        timer: request().timer,
    };
    let requeues = Scenario::builder("requeues", world)
        .thread("submit", |request| _ = request.work.get().queue_work())
        .thread("complete", |request| request.timer.release());
    check(&requeues.expect_violations([ViolationKind::use_after_release("request")]));
}

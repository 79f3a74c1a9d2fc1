//! The locking of a driver: a device that is opened and removed, and a work that polls it.
//!
//! Replace the functions by those of your driver, one for one. Selvedge's `docs/your-driver.md` has
//! the way there, and `docs/primitives.md` the kernel functions that have a counterpart.

use selvedge_core::sync::{Mutex, SpinLock, Tracked, Work};
use selvedge_core::{Scenario, function, in_world};

/// What the threads share, such as a driver's `struct my_device`.
struct Device {
    /// `dev->mutex`, with whether the device is present.
    mutex: Mutex<bool>,
    /// `dev->users_lock`, with the number of users.
    users_lock: SpinLock<u32>,
    poll_work: Work,
    /// The memory of the device.
    memory: Tracked,
}

fn device() -> Device {
    Device {
        mutex: Mutex::new("dev->mutex", true),
        users_lock: SpinLock::new("dev->users_lock", 0),
        poll_work: Work::new("poll_work", in_world(my_poll)),
        memory: Tracked::new("dev", ()),
    }
}

fn my_open(dev: &Device) {
    let _function = function("my_open");
    let present = dev.mutex.lock();
    if *present {
        *dev.users_lock.spin_lock() += 1;
        dev.poll_work.queue_work();
    }
}

fn my_poll(dev: &Device) {
    let _function = function("my_poll");
    dev.memory.get();
    dev.mutex.lock().unlock();
}

fn my_remove(dev: &Device) {
    let _function = function("my_remove");
    *dev.mutex.lock() = false;
    dev.poll_work.cancel_work_sync();
    dev.memory.release();
}

/// Returns the scenarios: which threads run what beside each other, and what is expected.
pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::builder("my-driver/open-remove", device)
            .about("the device is removed while it is opened")
            .thread("open", my_open)
            .thread("remove", my_remove)
            .expect_proof(),
    ]
}

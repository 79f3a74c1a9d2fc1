//! Memory that is freed while a thread still uses it, or may return to it.

use std::sync::{Arc, Weak};

use selvedge_core::sync::{Kref, Mutex, SpinLock, Timer, Tracked, Work};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use super::{by_orderings, everywhere};

#[derive(Hash)]
struct Open {
    opened: bool,
    present: bool,
}

struct Warrior {
    state: Mutex<Open>,
    references: Kref,
}

/// `iowarrior_release` and `iowarrior_disconnect` each note under the mutex that they are done, and
/// the later one frees; the other may still be in `mutex_unlock`. "USB: iowarrior: fix
/// use-after-free on disconnect race", 2026-06-22. The fix is a reference for each.
fn iowarrior(counts: bool) -> ScenarioBuilder<Tracked<Warrior>> {
    let world = || {
        let device = Tracked::with("iowarrior", || Warrior {
            state: Mutex::new("dev->mutex", Open { opened: true, present: true }),
            references: Kref::new("dev->kref"),
        });
        device.get().references.get();
        device
    };
    let done = move |device: &Tracked<Warrior>, last: bool| {
        let put = device.get().references.put();
        if if counts { put } else { last } {
            device.release();
        }
    };
    let leave = move |device: &Tracked<Warrior>, how: fn(&mut Open)| {
        let mut state = device.get().state.lock();
        how(&mut state);
        let last = !state.opened && !state.present;
        state.unlock();
        done(device, last);
    };
    Scenario::builder("iowarrior", world)
        .source("\"USB: iowarrior: fix use-after-free on disconnect race\", 2026-06-22")
        .thread("iowarrior_release", move |device| leave(device, |state| state.opened = false))
        .thread("iowarrior_disconnect", move |device| leave(device, |state| state.present = false))
}

#[test]
fn the_later_of_two_frees_the_mutex_that_the_earlier_unlocks() {
    let freed = ViolationKind::use_after_release("iowarrior");
    by_orderings(&iowarrior(false).expect_violations([freed]));
    everywhere(&iowarrior(true).expect_proof());
}

struct Reader {
    irq: SpinLock<bool>,
    detect_timer: Timer,
    media_checker: Work,
    memory: Tracked,
}

impl Reader {
    fn free_irq(&self) {
        *self.irq.spin_lock_irqsave() = false;
    }
}

/// The interrupt arms a timer, which queues a work; all of them use the device. memstick/r592,
/// 2023-03-07.
fn r592(remove: fn(&Reader)) -> ScenarioBuilder<Arc<Reader>> {
    let world = || {
        Arc::new_cyclic(|dev: &Weak<Reader>| {
            let (by_timer, by_work) = (Weak::clone(dev), Weak::clone(dev));
            let lasts = "the world lasts longer";
            Reader {
                irq: SpinLock::new("irq", true),
                detect_timer: Timer::new("detect_timer", move |_| {
                    let dev = by_timer.upgrade().expect(lasts);
                    dev.memory.get();
                    dev.media_checker.queue_work();
                }),
                media_checker: Work::new("media_checker", move |_| {
                    _ = by_work.upgrade().expect(lasts).memory.get();
                }),
                memory: Tracked::new("r592_device", ()),
            }
        })
    };
    Scenario::builder("r592", world)
        .source("memstick/r592: use after free in r592_remove, 2023-03-07")
        .thread("r592_irq", |dev| {
            let enabled = dev.irq.spin_lock_irqsave();
            if *enabled {
                dev.detect_timer.mod_timer();
            }
        })
        .thread("r592_remove", move |dev| {
            remove(dev);
            dev.memory.release();
        })
}

/// The timer was not deleted at all. The fix that was merged deletes it before the interrupt is
/// freed, which can arm it again; only the opposite order is correct.
#[test]
fn a_timer_is_deleted_before_its_interrupt_is_freed() {
    let freed = || [ViolationKind::use_after_release("r592_device")];
    let reported = r592(|dev| {
        dev.free_irq();
        dev.media_checker.cancel_work_sync();
    });
    by_orderings(&reported.expect_violations(freed()));
    let merged = r592(|dev| {
        dev.detect_timer.del_timer_sync();
        dev.free_irq();
        dev.media_checker.cancel_work_sync();
    });
    by_orderings(&merged.expect_violations(freed()));
    let fixed = r592(|dev| {
        dev.free_irq();
        dev.detect_timer.del_timer_sync();
        dev.media_checker.cancel_work_sync();
    });
    by_orderings(&fixed.expect_proof());
}

//! One lock and its context: an interrupt on the same CPU, a reader that reads again, a class with
//! two instances, a spinlock that sleeps, and a mutex under a spinlock.

use selvedge_core::sync::{Irq, Mutex, RwSem, SpinLock, Timer};
use selvedge_core::{Scenario, ViolationKind, function, in_world};

use super::report;

const BTUSB: &str = "btusb: inconsistent {IN-HARDIRQ-W} usage of rxlock, 4.3-rc6, October 2015";
const VMD: &str = "PCI/vmd: recursive locking of pci_bus_sem, 2023-03-20";
const IO_URING: &str =
    "io_uring: recursive locking of runtime->sleep in io_poll_double_wake, syzbot, 2021-03-01";
const GPIO_KEYS: &str = "Input: gpio-keys on PREEMPT_RT, 2025-05-28";
const ICE: &str = "ice: a mutex under netif_addr_lock_bh, 2021-08-19";

/// `btusb`: a lock that a work takes with interrupts enabled, and the handler of the device takes.
struct Btusb {
    rxlock: SpinLock,
    urb: Irq,
}

fn btusb() -> Btusb {
    let complete = in_world(|w: &Btusb| {
        let _function = function("btusb_intr_complete");
        w.rxlock.spin_lock().unlock();
    });
    Btusb { rxlock: SpinLock::new("data->rxlock", ()), urb: Irq::request_irq("urb", complete) }
}

/// `pci_walk_bus`: calls `callback` with the semaphore held.
fn pci_walk_bus(pci_bus_sem: &RwSem, callback: fn(&RwSem)) {
    let _function = function("pci_walk_bus");
    let _held = pci_bus_sem.down_read();
    callback(pci_bus_sem);
}

fn callback_reads(pci_bus_sem: &RwSem) {
    let _function = function("vmd_pm_enable_quirk");
    pci_bus_sem.down_read().up_read();
}

/// `io_poll_double_wake`: the lock of one wait queue, and under it that of another.
fn io_poll_double_wake(first: &SpinLock, second: &SpinLock) {
    let _function = function("io_poll_double_wake");
    let _first = first.spin_lock_irqsave();
    second.spin_lock().unlock();
}

fn heads() -> [SpinLock; 2] {
    [(), ()].map(|()| SpinLock::new("runtime->sleep", ()))
}

/// `gpio-keys`: a high-resolution timer whose function takes `event_lock`.
struct GpioKeys {
    event_lock: SpinLock,
    release_timer: Timer,
}

fn gpio_keys_irq_timer(w: &GpioKeys) {
    let _function = function("gpio_keys_irq_timer");
    w.event_lock.spin_lock_irqsave().unlock();
}

fn gpio_keys(hard: bool) -> GpioKeys {
    let timer = if hard { Timer::hrtimer_hard } else { Timer::hrtimer };
    GpioKeys {
        event_lock: SpinLock::new("event_lock", ()),
        release_timer: timer("release_timer", in_world(gpio_keys_irq_timer)),
    }
}

/// `ice`: the filters of a network device.
struct Ice {
    addr_list_lock: SpinLock,
    rule_lock: Mutex,
}

fn ice() -> Ice {
    Ice {
        addr_list_lock: SpinLock::new("netif_addr_lock_bh", ()),
        rule_lock: Mutex::new("rule_lock", ()),
    }
}

fn ice_add_mac_to_sync_list(w: &Ice) {
    let _function = function("ice_set_rx_mode");
    let _addresses = w.addr_list_lock.spin_lock_bh();
    w.rule_lock.lock().unlock();
}

fn ice_sync_later(w: &Ice) {
    let _function = function("ice_vsi_sync_fltr");
    w.addr_list_lock.spin_lock_bh().unlock();
    w.rule_lock.lock().unlock();
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = recursion();
    all.extend([
        report("btusb-rxlock/irqs-on", BTUSB, btusb)
            .about("a work takes a lock with interrupts enabled, and the handler takes it")
            .thread("work", |w| w.rxlock.spin_lock().unlock())
            .thread("device", |w| w.urb.raise())
            .expect_violations([ViolationKind::deadlock(["data->rxlock"])]),
        report("btusb-rxlock/irqsave", BTUSB, btusb)
            .about("the work disables interrupts")
            .thread("work", |w| w.rxlock.spin_lock_irqsave().unlock())
            .thread("device", |w| w.urb.raise())
            .expect_proof(),
        report("gpio-keys/hard", GPIO_KEYS, || gpio_keys(true))
            .about("the function of a hard timer takes a spinlock, which sleeps on PREEMPT_RT")
            .thread("device", |w| w.release_timer.mod_timer())
            .preempt_rt()
            .expect_violations([ViolationKind::sleep_in_atomic("event_lock", "release_timer")]),
        report("gpio-keys/soft", GPIO_KEYS, || gpio_keys(false))
            .about("the function of a soft timer takes the same spinlock")
            .thread("device", |w| w.release_timer.mod_timer())
            .preempt_rt()
            .expect_proof(),
        report("ice-filter/locks", ICE, ice)
            .about("a filter takes a mutex under the lock of the addresses")
            .thread("set_rx_mode", ice_add_mac_to_sync_list)
            .expect_violations([ViolationKind::sleep_in_atomic("rule_lock", "netif_addr_lock_bh")]),
        report("ice-filter/later", ICE, ice)
            .about("the filter takes the mutex after the lock of the addresses")
            .thread("set_rx_mode", ice_sync_later)
            .expect_proof(),
    ]);
    all
}

fn recursion() -> Vec<Scenario> {
    let pci_bus_sem = || RwSem::new("pci_bus_sem", ());
    let recursive = || ["pci_bus_sem"];
    vec![
        report("vmd-bus-sem/writer", VMD, pci_bus_sem)
            .about("a callback takes the semaphore for reading that the walk holds, and one writes")
            .thread("walk", |sem| pci_walk_bus(sem, callback_reads))
            .thread("remove", |sem| sem.down_write().up_write())
            .expect_violations([ViolationKind::deadlock(recursive())]),
        report("vmd-bus-sem/no-writer", VMD, pci_bus_sem)
            .about("harmless without a writer, and lockdep reports it")
            .thread("walk", |sem| pci_walk_bus(sem, callback_reads))
            .expect_proof()
            .expect_inversion(recursive()),
        report("vmd-bus-sem/locked", VMD, pci_bus_sem)
            .about("the callback relies on the semaphore that the walk holds")
            .thread("walk", |sem| pci_walk_bus(sem, |_| ()))
            .thread("remove", |sem| sem.down_write().up_write())
            .expect_proof(),
        report("io-uring-wake/two-heads", IO_URING, heads)
            .about("never the same instance: two wait queues whose locks are of one class")
            .thread("wake", |[a, b]| io_poll_double_wake(a, b))
            .expect_proof()
            .expect_inversion(["runtime->sleep"]),
        report("io-uring-wake/one-head", IO_URING, heads)
            .about("the same instance")
            .thread("wake", |[a, _]| io_poll_double_wake(a, a))
            .expect_violations([ViolationKind::deadlock(["runtime->sleep"])]),
        report("io-uring-wake/both-orders", IO_URING, heads)
            .about("two instances, in both orders")
            .thread("wake a", |[a, b]| io_poll_double_wake(a, b))
            .thread("wake b", |[a, b]| io_poll_double_wake(b, a))
            .expect_violations([ViolationKind::deadlock(["runtime->sleep"])]),
    ]
}

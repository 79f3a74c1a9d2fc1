//! A device whose registers are revoked when it is unbound, while its interrupt and a user read.

use selvedge_core::kernel::prelude::*;
use selvedge_core::kernel::revocable::Revocable;
use selvedge_core::kernel::sync::{SpinLock, new_spinlock};
use selvedge_core::std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use selvedge_core::sync::Irq;
use selvedge_core::{Checker, Scenario, Verdict, ViolationKind, in_world};

/// The registers, as long as they are mapped.
struct Registers {
    status: AtomicU32,
}

struct Device {
    registers: Revocable<Registers>,
    /// The events that the interrupt has seen.
    events: AtomicU32,
    /// The same under a lock, which only a mutant uses.
    counted: SpinLock<u32>,
}

struct World {
    device: Device,
    irq: Irq,
}

impl Device {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            registers <- Revocable::new(Registers { status: AtomicU32::new(1) }),
            events: AtomicU32::new(0),
            counted <- new_spinlock!(0, "counted"),
        })
    }

    fn handle(&self) {
        if let Some(registers) = self.registers.try_access() {
            self.events.fetch_or(registers.status.load(Relaxed), Relaxed);
        }
    }

    fn read(&self) -> Result<u32> {
        let registers = self.registers.try_access().ok_or(ENODEV)?;
        Ok(registers.status.load(Relaxed))
    }
}

fn remove(w: &World) {
    w.irq.free_irq();
    assert!(w.device.registers.revoke());
    assert_eq!(w.device.read(), Err(ENODEV));
}

fn user(w: &World) {
    assert!(matches!(w.device.read(), Ok(1) | Err(ENODEV)));
}

/// A user reads and the device raises its interrupt while the device is unbound.
fn unbound(
    handle: fn(&Device),
    user: fn(&World),
    remove: fn(&World),
) -> impl Fn() -> Vec<ViolationKind> {
    let world = move || World {
        device: Device::new().pinned_init().unwrap(),
        irq: Irq::request_irq("irq", in_world(move |w: &World| handle(&w.device))),
    };
    let scenario = Scenario::builder("unbind", world)
        .thread("device", |w| w.irq.raise())
        .thread("user", user)
        .thread("remove", remove)
        .expect_proof();
    move || {
        let report = Checker::native().run(&scenario);
        assert!(report.stopped.is_none(), "{report}");
        match &report.verdict {
            Verdict::Proved(_) => Vec::new(),
            Verdict::Refuted(found) => found.iter().map(|f| f.violation.kind.clone()).collect(),
            _ => panic!("{report}"),
        }
    }
}

fn released() -> Vec<ViolationKind> {
    vec![ViolationKind::use_after_release("Revocable<Registers>")]
}

#[test]
fn the_registers_are_unmapped_behind_their_users() {
    assert_eq!(unbound(Device::handle, user, remove)(), []);
}

#[test]
fn without_a_grace_period_they_are_unmapped_under_a_user() {
    let mutant: fn(&World) = |w| {
        w.irq.free_irq();
        // SAFETY: it is not, since a user may read.
        unsafe { w.device.registers.revoke_nosync() };
    };
    assert_eq!(unbound(Device::handle, user, mutant)(), released());
}

/// The handler takes for granted that it runs only while the registers are mapped.
#[test]
fn an_interrupt_that_is_freed_too_late_reads_unmapped_registers() {
    let handle: fn(&Device) = |device| {
        // SAFETY: the interrupt is to be freed before.
        let registers = unsafe { device.registers.access() };
        device.events.fetch_or(registers.status.load(Relaxed), Relaxed);
    };
    assert_eq!(unbound(handle, user, remove)(), []);
    let mutant: fn(&World) = |w| {
        w.device.registers.revoke();
        w.irq.free_irq();
    };
    assert_eq!(unbound(handle, user, mutant)(), released());
}

/// `SpinLock::lock` leaves interrupts enabled, so the handler may not take the lock of a user.
#[test]
fn a_spinlock_is_not_shared_with_an_interrupt() {
    let handle: fn(&Device) = |device| *device.counted.lock() += 1;
    let mutant: fn(&World) = |w| {
        assert!(*w.device.counted.lock() <= 1);
    };
    let deadlock = vec![ViolationKind::deadlock(["counted"])];
    assert_eq!(unbound(handle, mutant, remove)(), deadlock);
}

//! Revocable objects, and RCU.

use selvedge_core::kernel::prelude::*;
use selvedge_core::kernel::revocable::Revocable;
use selvedge_core::kernel::sync::{Arc, Mutex, new_mutex, new_spinlock, rcu};
use selvedge_core::std::model;
use selvedge_core::{Engine, Search, Verdict, ViolationKind, might_sleep, thread};

use super::{proves, refutes};

struct Registers {
    status: u32,
}

type Shared = Arc<Revocable<Registers>>;

fn registers() -> Shared {
    Arc::pin_init(Revocable::new(Registers { status: 1 }), GFP_KERNEL).unwrap()
}

/// One thread reads while another revokes.
fn beside(
    read: fn(&Revocable<Registers>),
    revoke: fn(&Revocable<Registers>),
) -> impl Fn() + Sync + Send {
    move || {
        let registers = registers();
        let other = registers.clone();
        let reader = thread::spawn("reader", move || read(&other));
        revoke(&registers);
        reader.join();
    }
}

fn read(registers: &Revocable<Registers>) {
    if let Some(guard) = registers.try_access() {
        assert_eq!(guard.status, 1);
    }
}

fn revoke(registers: &Revocable<Registers>) {
    assert!(registers.revoke());
}

fn revoke_nosync(registers: &Revocable<Registers>) {
    // SAFETY: the checker finds out whether a reader uses it.
    assert!(unsafe { registers.revoke_nosync() });
}

fn released() -> ViolationKind {
    ViolationKind::use_after_release("Revocable<Registers>")
}

#[test]
fn revoking_waits_for_readers() {
    let search = proves(beside(read, revoke));
    assert_eq!(search, Some(Search::Auto), "nothing here cannot be compared");
    proves(beside(|registers| _ = registers.try_access_with(|r| assert_eq!(r.status, 1)), revoke));
    proves(beside(
        |registers| {
            let guard = rcu::read_lock();
            let found = registers.try_access_with_guard(&guard);
            assert!(found.is_none_or(|registers| registers.status == 1));
            guard.unlock();
        },
        revoke,
    ));
}

#[test]
fn revoking_without_a_grace_period_releases_what_a_reader_uses() {
    refutes([released()], beside(read, revoke_nosync));
    proves(beside(|_| (), revoke_nosync));
}

#[test]
fn the_other_engines_agree() {
    for engine in [Engine::Loom, Engine::Shuttle] {
        let report = model::scenario("revoke", beside(read, revoke)).verify(engine);
        assert!(matches!(report.verdict, Verdict::Proved(_)), "{report}");
        let report = model::scenario("nosync", beside(read, revoke_nosync)).verify(engine);
        let found = report.verdict.counterexamples().iter();
        let found: Vec<_> = found.map(|found| &found.violation.kind).collect();
        assert_eq!(found, [&released()], "{report}");
    }
}

/// The look is in one section and the use in the next.
#[test]
fn a_look_is_good_for_one_section() {
    let program = |registers: &Revocable<Registers>| {
        if registers.try_access().is_some() {
            // SAFETY: the checker finds out whether it is revoked.
            assert_eq!(unsafe { registers.access() }.status, 1);
        }
    };
    refutes([released()], beside(program, revoke));
    proves(beside(program, |_| ()));
}

#[test]
fn a_reader_may_not_sleep() {
    let sleeps = ViolationKind::sleep_in_atomic("msleep", "rcu");
    let reader = |registers: &Revocable<Registers>| {
        let _guard = registers.try_access();
        might_sleep("msleep");
    };
    refutes([sleeps], beside(reader, |_| ()));
    let waits = ViolationKind::sleep_in_atomic("rcu", "rcu");
    refutes([waits], || {
        let registers = registers();
        let _section = rcu::read_lock();
        registers.revoke();
    });
}

#[test]
fn one_of_two_threads_revokes() {
    proves(|| {
        let registers = registers();
        let other = registers.clone();
        let thread = thread::spawn("T", move || other.revoke());
        assert!(registers.revoke() != thread.join());
        assert!(registers.try_access().is_none());
    });
}

/// Its destructor runs once, when it is revoked or else dropped.
#[test]
fn the_value_is_dropped_once() {
    struct Mapping {
        unmapped: Arc<Mutex<u32>>,
    }
    impl Drop for Mapping {
        fn drop(&mut self) {
            *self.unmapped.lock() += 1;
        }
    }
    let program = |end: fn(&Revocable<Mapping>) -> bool| {
        move || {
            let unmapped = Arc::new(new_mutex!(0, "unmapped"), GFP_KERNEL).unwrap();
            let mapping = Revocable::new(Mapping { unmapped: unmapped.clone() });
            let revoked = end(&mapping);
            assert_eq!(*unmapped.lock(), u32::from(revoked));
            drop(mapping);
            assert_eq!(*unmapped.lock(), 1);
        }
    };
    proves(program(Revocable::revoke));
    proves(program(|_| false));
}

#[test]
fn what_is_neither_revoked_nor_dropped_is_a_leak() {
    refutes([ViolationKind::leak("Revocable<u32>")], || std::mem::forget(Revocable::new(1_u32)));
}

/// The domain is made by one of two threads, whichever is first.
#[test]
fn any_thread_may_make_the_domain() {
    let program = |synchronize: fn()| {
        move || {
            let freed = Arc::new(new_spinlock!([false; 2], "freed"), GFP_KERNEL).unwrap();
            let other = freed.clone();
            let reader = thread::spawn("reader", move || {
                let section = rcu::read_lock();
                let unlinked = other.lock()[0];
                assert!(unlinked || !other.lock()[1], "freed in the section");
                section.unlock();
            });
            freed.lock()[0] = true;
            synchronize();
            freed.lock()[1] = true;
            reader.join();
        }
    };
    assert_eq!(proves(program(rcu::synchronize_rcu)), Some(Search::Dpor));
    refutes([ViolationKind::panic("freed in the section")], program(|| ()));
}

//! Interrupts that want what the thread below them holds, and PREEMPT_RT.

use selvedge_core::sync::{Irq, RwLock, SeqLock, SpinGuard, SpinLock, Tasklet, Timer};
use selvedge_core::{Engine, Scenario, ScenarioBuilder, ViolationKind, in_world};

use super::{by_orderings, by_states, deadlock};

struct Btusb {
    rxlock: SpinLock<u32>,
    urb: Irq,
}

/// A work takes the lock of the received data with interrupts enabled, and a URB completes in a
/// hard interrupt, which takes it too. "[4.3-rc6] inconsistent {IN-HARDIRQ-W} usage" of btusb's
/// `rxlock`, 2015-10.
fn btusb(take: fn(&SpinLock<u32>) -> SpinGuard<'_, u32>) -> ScenarioBuilder<Btusb> {
    let complete = |data: &Btusb| *data.rxlock.spin_lock() += 1;
    let world = move || Btusb {
        rxlock: SpinLock::new("data->rxlock", 0),
        urb: Irq::request_irq("urb", in_world(complete)),
    };
    Scenario::builder("btusb", world)
        .source("\"btusb: inconsistent {IN-HARDIRQ-W} usage\", 4.3-rc6, 2015-10")
        .thread("usb", |data| data.urb.raise())
        .thread("btusb_work", move |data| *take(&data.rxlock) += 1)
        .finally(|data| assert_eq!(*data.rxlock.spin_lock_irqsave(), 2))
}

#[test]
fn a_lock_of_an_interrupt_is_taken_with_interrupts_enabled() {
    let plain = btusb(SpinLock::spin_lock).expect_violations([deadlock(["data->rxlock"])]);
    by_orderings(&plain);
    let report = plain.verify(Engine::Native).predictions[0].inversion.to_string();
    assert!(
        report.starts_with("WARNING: inconsistent lock state\ninconsistent {HARDIRQ-ON-"),
        "{report}"
    );
    by_orderings(&btusb(SpinLock::spin_lock_irqsave).expect_proof());
}

struct Zones {
    seq: SeqLock,
    port_lock: SpinLock,
    interrupt: Irq,
}

/// The writer of `zonelist_update_seq` is interrupted by an allocation, which waits for an even
/// count. "mm/page_alloc: fix potential deadlock on zonelist_update_seq", 2023-04.
fn zonelists(write: fn(&Zones)) -> ScenarioBuilder<Zones> {
    let allocates = |zones: &Zones| zones.seq.read(|| ());
    let world = move || Zones {
        seq: SeqLock::new("zonelist_update_seq"),
        port_lock: SpinLock::new("port->lock", ()),
        interrupt: Irq::request_irq("interrupt", in_world(allocates)),
    };
    Scenario::builder("zonelists", world)
        .source("\"mm/page_alloc: fix potential deadlock on zonelist_update_seq\", 2023-04")
        .thread("build_all_zonelists", write)
}

#[test]
fn an_allocation_in_an_interrupt_waits_for_the_writer_below() {
    let interrupted = |write| zonelists(write).thread("device", |zones| zones.interrupt.raise());
    let plain = interrupted(|zones| zones.seq.write_seqlock().write_sequnlock());
    by_orderings(&plain.expect_violations([deadlock(["zonelist_update_seq.seqcount"])]));
    let saved = interrupted(|zones| zones.seq.write_seqlock_irqsave().write_sequnlock());
    by_orderings(&saved.expect_proof());
}

/// The other half: the writer prints, and wants the lock of a port whose holder allocates. The fix
/// defers what is printed.
#[test]
fn a_writer_prints_while_the_holder_of_the_port_allocates() {
    let printing = |write| {
        zonelists(write).thread("tty_insert_flip_string", |zones: &Zones| {
            let _port = zones.port_lock.spin_lock_irqsave();
            zones.seq.read(|| ());
        })
    };
    let prints = printing(|zones| {
        let _write = zones.seq.write_seqlock_irqsave();
        zones.port_lock.spin_lock_irqsave().unlock();
    });
    let both = deadlock(["port->lock", "zonelist_update_seq.seqcount"]);
    by_orderings(&prints.expect_violations([both]));
    let deferred = printing(|zones| {
        zones.seq.write_seqlock_irqsave().write_sequnlock();
        zones.port_lock.spin_lock_irqsave().unlock();
    });
    by_orderings(&deferred.expect_proof());
}

struct Card {
    ctl_files_rwlock: RwLock,
    group_lock: SpinLock,
    timer: Tasklet,
}

/// A softirq interrupts a reader and wants a lock whose holder reads as well, behind a writer that
/// waits. "possible irq lock inversion dependency", syzbot on ALSA's `ctl_files_rwlock`,
/// 2020-09-22.
fn alsa(reads: fn(&Card)) -> ScenarioBuilder<Card> {
    let elapsed = |card: &Card| card.group_lock.spin_lock_irqsave().unlock();
    let world = move || Card {
        ctl_files_rwlock: RwLock::new("card->ctl_files_rwlock", ()),
        group_lock: SpinLock::new("group->lock", ()),
        timer: Tasklet::new("timer", in_world(elapsed)),
    };
    Scenario::builder("alsa", world)
        .source("\"possible irq lock inversion dependency\", syzbot, 2020-09-22")
        .thread("timer", |card| card.timer.tasklet_schedule())
        .thread("snd_ctl_open", reads)
        .thread("snd_pcm_stop", |card| {
            let _group = card.group_lock.spin_lock_irqsave();
            card.ctl_files_rwlock.read_lock().read_unlock();
        })
}

#[test]
fn a_reader_is_interrupted_by_a_wait_for_another_reader() {
    let classes = ["card->ctl_files_rwlock", "group->lock"];
    let plain = |card: &Card| card.ctl_files_rwlock.read_lock().read_unlock();
    let saved = |card: &Card| card.ctl_files_rwlock.read_lock_irqsave().read_unlock();
    let with_writer = |reads| {
        alsa(reads).thread("snd_ctl_release", |card| {
            card.ctl_files_rwlock.write_lock_irqsave().write_unlock();
        })
    };
    by_states(&with_writer(plain).expect_violations([deadlock(classes)]));
    by_states(&with_writer(saved).expect_proof());
    by_states(&alsa(plain).expect_proof().expect_inversion(classes));
}

struct Keys {
    event_lock: SpinLock,
    release_timer: Timer,
}

/// The callback of a hard hrtimer takes a spinlock, which sleeps on PREEMPT_RT. "Input: gpio-keys -
/// fix a sleep while atomic with PREEMPT_RT", 2025-05-28.
fn gpio_keys(timer: fn() -> Timer) -> ScenarioBuilder<Keys> {
    let world =
        move || Keys { event_lock: SpinLock::new("event_lock", ()), release_timer: timer() };
    Scenario::builder("gpio-keys", world)
        .source("\"Input: gpio-keys - fix a sleep while atomic with PREEMPT_RT\", 2025-05-28")
        .thread("gpio_keys_irq_isr", |keys| {
            let _event = keys.event_lock.spin_lock_irqsave();
            keys.release_timer.mod_timer();
        })
}

#[test]
fn the_callback_of_a_hard_timer_takes_a_lock_that_sleeps() {
    fn released(keys: &Keys) {
        keys.event_lock.spin_lock_irqsave().unlock();
    }
    let hard = || Timer::hrtimer_hard("release_timer", in_world(released));
    let soft = || Timer::hrtimer("release_timer", in_world(released));
    let sleeps = ViolationKind::sleep_in_atomic("event_lock", "release_timer");
    by_orderings(&gpio_keys(hard).preempt_rt().expect_violations([sleeps]));
    by_orderings(&gpio_keys(hard).expect_proof());
    by_orderings(&gpio_keys(soft).preempt_rt().expect_proof());
}

//! Data races.

use selvedge_core::sync::{Atomic, Completion, Irq, Mutex, Plain, SpinLock};
use selvedge_core::{Engine, Scenario, Verdict, ViolationKind, in_world};

use super::{check, check_with_traces};

type World = (Mutex, Plain<u32>, Completion);

fn two(first: fn(&World), second: fn(&World)) -> selvedge_core::ScenarioBuilder<World> {
    let world = || (Mutex::new("lock", ()), Plain::new("x", 0), Completion::new("done"));
    Scenario::builder("plain", world).thread("1", first).thread("2", second)
}

fn race() -> [ViolationKind; 1] {
    [ViolationKind::data_race("x")]
}

fn locked(w: &World) {
    let _held = w.0.lock();
    w.1.write(w.1.read() + 1);
}

#[test]
fn a_write_races_with_what_nothing_orders() {
    let reads = |w: &World| _ = w.1.read();
    let writes = |w: &World| w.1.write(1);
    check_with_traces(&two(locked, locked).finally(|w| assert_eq!(w.1.read(), 2)).expect_proof());
    check_with_traces(&two(reads, reads).expect_proof());
    check(&two(locked, reads).expect_violations(race()));
    check(&two(writes, writes).expect_violations(race()));
    let completes = |w: &World| {
        w.1.write(1);
        w.2.complete();
    };
    let waits = |w: &World| {
        w.2.wait_for_completion();
        assert_eq!(w.1.read(), 1);
    };
    check_with_traces(&two(completes, waits).expect_proof());
}

#[test]
fn marked_accesses_race_with_plain_ones_only() {
    let reads = |w: &World| _ = w.1.read_once();
    let writes = |w: &World| w.1.write_once(1);
    check_with_traces(&two(reads, writes).expect_proof());
    check_with_traces(&two(writes, writes).expect_proof());
    check_with_traces(&two(reads, |w| _ = w.1.read()).expect_proof());
    check(&two(reads, |w| w.1.write(1)).expect_violations(race()));
    check(&two(writes, |w| _ = w.1.read()).expect_violations(race()));
    check(&two(writes, |w| w.1.write(1)).expect_violations(race()));
}

#[test]
fn a_race_names_both_accesses_and_the_locks() {
    let scenario = two(locked, |w| _ = w.1.read()).expect_violations(race());
    let Verdict::Refuted(found) = scenario.verify(Engine::Native).verdict else { panic!("none") };
    let reason = &found[0].violation.reason;
    let has = |text: &str| assert!(reason.contains(text), "{reason}");
    has("data race: ");
    has("2: read(x) at [core/tests/engines/plain.rs:");
    has("with nothing held");
    has("with lock held");
    assert_eq!(reason.matches("plain.rs").count(), 2, "{reason}");
}

#[test]
fn an_interrupt_races_with_the_thread_below() {
    struct Device {
        lock: SpinLock,
        other: Atomic,
        x: Plain<u32>,
        rx: Irq,
    }
    fn counts(w: &Device) {
        let _held = w.lock.spin_trylock();
        w.x.write(w.x.read() + 1);
    }
    let scenario = |body: fn(&Device)| {
        let world = || Device {
            lock: SpinLock::new("lock", ()),
            other: Atomic::new("other", 0),
            x: Plain::new("x", 0),
            rx: Irq::request_irq("rx", in_world(counts)),
        };
        Scenario::builder("irq", world).thread("T", body)
    };
    let raised = scenario(|w| {
        let _held = w.lock.spin_lock();
        w.rx.raise();
        w.x.write(1);
    });
    check(&raised.expect_violations(race()));
    let before = scenario(|w| {
        w.x.write(1);
        w.other.store(1);
        w.rx.raise();
    });
    check_with_traces(&before.expect_proof());
}

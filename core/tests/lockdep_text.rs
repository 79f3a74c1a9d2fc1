//! The reports of lockdep as text: the form in which the kernel prints them.

use std::sync::Arc;

use selvedge_core::observe::lockdep::splat;
use selvedge_core::sync::{Irq, Mutex, Rcu, RwLock, SpinLock, Tracked};
use selvedge_core::{Counterexample, Engine, Report, Scenario, Verdict, ViolationKind, in_world};

/// Returns a text without the places, which are lines of this file.
fn without_places(text: &str) -> String {
    let mut parts = text.split('[');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(']') {
            Some((place, rest)) if place.contains(".rs:") => plain += &format!("[here]{rest}"),
            _ => plain += &format!("[{part}"),
        }
    }
    plain
}

/// Returns the text of each prediction.
fn predicted(scenario: &Scenario) -> Vec<String> {
    let report = scenario.verify(Engine::Native);
    let texts = report.predictions.iter().map(|prediction| prediction.inversion.to_string());
    texts.map(|text| without_places(&text)).collect()
}

type Threads<W> = [(&'static str, fn(&W))];

fn report<W: Send + Sync + 'static>(world: fn() -> W, threads: &Threads<W>) -> Scenario {
    let mut builder = Scenario::builder("text", world);
    for (name, thread) in threads {
        builder = builder.thread(*name, *thread);
    }
    builder.build()
}

type Mutexes = [Mutex; 8];

const NAMES: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

fn mutexes() -> Mutexes {
    NAMES.map(|name| Mutex::new(name, ()))
}

#[test]
fn two_locks_in_both_orders() {
    let text = predicted(&report(
        mutexes,
        &[
            ("T1", |[a, b, ..]| drop((a.lock(), b.lock()))),
            ("T2", |[a, b, ..]| drop((b.lock(), a.lock()))),
        ],
    ));
    let expected = "\
WARNING: possible circular locking dependency detected
T2 is trying to acquire lock:
 (A){+.+.}-{4:4}, at: [here]

but task is already holding lock:
 (B){+.+.}-{4:4}, at: [here]

which lock already depends on the new lock.

the existing dependency chain (in reverse order) is:

-> #1 (B){+.+.}-{4:4}:
       T1 at [here]
       with (A), taken at [here]

-> #0 (A){+.+.}-{4:4}:
       T2 at [here]
       with (B), taken at [here]

other info that might help us debug this:

 Possible unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(B);
                               lock(A);
                               lock(B);
  lock(A);

 *** DEADLOCK ***";
    assert_eq!(text, [expected]);
}

/// One thread takes four locks, each inside of the one before, another four that begin with the
/// last of these, and a third closes the cycle. With every held lock in the chain that is a dozen
/// of shorter cycles.
#[test]
fn a_cycle_of_eight_classes_is_one_report() {
    let scenario = report(
        mutexes,
        &[
            ("T1", |[a, b, c, d, ..]| drop((a.lock(), b.lock(), c.lock(), d.lock()))),
            ("T2", |[.., d, e, f, g, h]| {
                drop((d.lock(), e.lock(), f.lock(), g.lock(), h.lock()));
            }),
            ("T3", |[a, .., h]| drop((h.lock(), a.lock()))),
        ],
    );
    let found = scenario.verify(Engine::Native);
    let classes: Vec<_> = found.predictions.iter().map(|p| p.inversion.classes()).collect();
    assert_eq!(classes, [NAMES.map(str::to_owned)]);
    let text = found.predictions[0].inversion.to_string();
    let numbered: Vec<&str> = text.lines().filter(|line| line.starts_with("-> #")).collect();
    assert_eq!(numbered.len(), 8, "{text}");
    assert!(numbered[0].starts_with("-> #7 (") && numbered[7].starts_with("-> #0 ("), "{text}");
    assert!(text.contains("Chain exists of:\n  "), "{text}");
}

/// The lock in the middle does not help: the deadlock on the outer and the inner one is that of the
/// chain over all three.
#[test]
fn a_deadlock_that_skips_a_lock_of_the_chain_makes_it_feasible() {
    let scenario = report(
        mutexes,
        &[
            ("T1", |[a, b, c, ..]| drop((a.lock(), b.lock(), c.lock()))),
            ("T2", |[a, _, c, ..]| drop((c.lock(), a.lock()))),
        ],
    );
    let found = scenario.verify(Engine::Native);
    let [prediction] = found.predictions.as_slice() else { panic!("{found}") };
    assert_eq!(prediction.inversion.classes(), ["A", "B", "C"]);
    assert_eq!(prediction.classification.as_str(), "feasible");
    let Verdict::Refuted(found) = &found.verdict else { panic!("{found}") };
    assert_eq!(found[0].violation.kind.to_string(), "deadlock(A, C)");
}

#[test]
fn one_lock_taken_twice() {
    let text = predicted(&report(mutexes, &[("T1", |[a, ..]| drop((a.lock(), a.lock())))]));
    let expected = "\
WARNING: possible recursive locking detected
T1 is trying to acquire lock:
 (A){+.+.}-{4:4}, at: [here]

but task is already holding lock:
 (A){+.+.}-{4:4}, at: [here]

other info that might help us debug this:
 Possible unsafe locking scenario:

       CPU0
       ----
  lock(A);
  lock(A);

 *** DEADLOCK ***

 May be due to missing lock nesting notation";
    assert_eq!(text, [expected]);
}

struct Device {
    lock: SpinLock,
    other: RwLock,
    line: Irq,
}

fn device(handler: fn(&Device)) -> Device {
    Device {
        lock: SpinLock::new("lock", ()),
        other: RwLock::new("other", ()),
        line: Irq::request_irq("irq", in_world(handler)),
    }
}

#[test]
fn a_lock_of_an_interrupt_that_is_held_with_interrupts_enabled() {
    let world = || device(|w| drop(w.lock.spin_lock()));
    let threads: [(_, fn(&Device)); 2] =
        [("device", |w| w.line.raise()), ("T", |w| drop(w.lock.spin_lock()))];
    let expected = "\
WARNING: inconsistent lock state
inconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage.
an interrupt of T takes:
 (lock){?.+.}-{3:3}, at: [here]

{HARDIRQ-ON-W} state was registered at:
       T at [here]

other info that might help us debug this:
 Possible unsafe locking scenario:

       CPU0
       ----
  lock(lock);
  <Interrupt>
    lock(lock);

 *** DEADLOCK ***";
    assert_eq!(predicted(&report(world, &threads)), [expected]);
}

#[test]
fn a_lock_of_an_interrupt_over_one_that_is_held_with_interrupts_enabled() {
    let world = || device(|w| drop(w.lock.spin_lock()));
    let threads: [(_, fn(&Device)); 3] = [
        ("device", |w| w.line.raise()),
        ("T1", |w| {
            let _lock = w.lock.spin_lock_irqsave();
            drop(w.other.write_lock());
        }),
        ("T2", |w| drop(w.other.read_lock())),
    ];
    let expected = "\
WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected
T1 is trying to acquire:
 (other){.+.+}-{3:3}, at: [here]

and this task is already holding:
 (lock){-...}-{3:3}, at: [here]

which would create a new lock dependency:
 (lock){-...}-{3:3} -> (other){.+.+}-{3:3}

but this new dependency connects a HARDIRQ-irq-safe lock:
 (lock){-...}-{3:3}

... which became HARDIRQ-irq-safe at:
       [here]

to a HARDIRQ-irq-unsafe lock:
 (other){.+.+}-{3:3}

... which became HARDIRQ-irq-unsafe at:
       T2 at [here]

other info that might help us debug this:

 Possible interrupt unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  rlock(other);
                               local_irq_disable();
                               lock(lock);
                               lock(other);
  <Interrupt>
    lock(lock);

 *** DEADLOCK ***";
    assert_eq!(predicted(&report(world, &threads)), [expected]);
}

/// Returns the text of the only violation.
fn violated(report: &Report) -> Option<String> {
    let Verdict::Refuted(found) = &report.verdict else { panic!("{report}") };
    let [found] = found.as_slice() else { panic!("{report}") };
    splat(found).map(|text| without_places(&text))
}

#[test]
fn rcu_sleeping_and_freed_locks_have_a_text() {
    let world = || (Rcu::new(), Tracked::new("node", ()), Mutex::new("M", ()));
    type World = (Rcu, Tracked, Mutex);
    let threads: [(_, fn(&World)); 1] = [("T", |(rcu, node, m)| {
        let _held = m.lock();
        rcu.dereference(node);
        node.release();
    })];
    let expected = "\
WARNING: suspicious RCU usage
rcu_dereference: suspicious RCU usage: the thread is in no read section (T at [here])

other info that might help us debug this:

1 lock held by T:
 #0: (M)";
    let text = violated(&report(world, &threads).verify(Engine::Native));
    assert_eq!(text.as_deref(), Some(expected));
    let threads: [(_, fn(&World)); 1] = [("T", |(rcu, node, m)| {
        let _reader = rcu.read_lock();
        drop(m.lock());
        node.release();
    })];
    let text = violated(&report(world, &threads).verify(Engine::Native)).expect("it has one");
    assert!(text.starts_with("BUG: sleeping function called from invalid context\n"), "{text}");
    assert!(text.ends_with("1 lock held by T:\n #0: (rcu)"), "{text}");
    type Lives = Arc<Tracked<Mutex>>;
    let world = || Arc::new(Tracked::with("object", || Mutex::new("M", ())));
    let threads: [(_, fn(&Lives)); 1] = [("T", |object| {
        object.get().raw_lock();
        object.release();
    })];
    let text = violated(&report(world, &threads).verify(Engine::Native)).expect("it has one");
    assert!(text.starts_with("WARNING: held lock freed!\n"), "{text}");
    // lockdep looks at the locks of the thread that frees.
    let threads: [(_, fn(&Lives)); 2] =
        [("T1", |object| drop(object.get().lock())), ("T2", |object| object.release())];
    let by_other = report(world, &threads).verify(Engine::Native);
    let is = |found: &&Counterexample| found.violation.kind == ViolationKind::freed_while_held("M");
    assert_eq!(
        splat(by_other.verdict.counterexamples().iter().find(is).expect("it is found")),
        None
    );
    let threads: [(_, fn(&Mutexes)); 1] = [("T", |[a, ..]| drop((a.lock(), a.lock())))];
    assert_eq!(violated(&report(mutexes, &threads).verify(Engine::Native)), None);
}

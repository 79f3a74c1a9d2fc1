//! Several read sections of one thread.

use selvedge_core::sync::{Atomic, Completion, Ghost, Rcu, Srcu};
use selvedge_core::{Engine, Scenario, ViolationKind};

use super::{check, same_traces};

struct World {
    srcu: Srcu,
    rcu: Rcu,
    begun: Atomic,
    over: Completion,
    seen: Ghost<bool>,
}

fn world() -> World {
    World {
        srcu: Srcu::new("srcu"),
        rcu: Rcu::new(),
        begun: Atomic::new("begun", 0),
        over: Completion::new("over"),
        seen: Ghost::new("seen", false),
    }
}

impl World {
    /// A grace period.
    fn wait(&self, synchronize: impl Fn()) {
        self.begun.store(1);
        synchronize();
        self.over.complete();
    }

    /// Returns whether the grace period has certainly not begun.
    fn is_early(&self) -> bool {
        self.begun.load() == 0
    }

    /// Notes whether it is over by now.
    fn look(&self) {
        if self.over.try_wait_for_completion() {
            self.seen.update(|seen| *seen = true);
        }
    }
}

fn is_never_seen(world: &World) {
    world.seen.check("open", |seen| if *seen { Err("it is over".into()) } else { Ok(()) });
}

/// `srcu_read_unlock` receives the index of the section that it ends, so a grace period that began
/// between two sections is over with the first of them.
#[test]
fn of_two_srcu_sections_of_a_thread_the_earlier_may_end_first() {
    let scenario = |earlier_first: bool| {
        Scenario::builder("srcu", world)
            .thread("R", move |w| {
                let earlier = w.srcu.read_lock();
                if !w.is_early() {
                    return;
                }
                let later = w.srcu.read_lock();
                let (first, last) = if earlier_first { (earlier, later) } else { (later, earlier) };
                first.unlock();
                w.look();
                last.unlock();
            })
            .thread("S", |w| w.wait(|| w.srcu.synchronize()))
            .finally(is_never_seen)
    };
    let refuted = scenario(true).expect_violations([ViolationKind::invariant("open")]);
    check(&refuted);
    let proved = scenario(false).expect_proof();
    check(&proved);
    same_traces(&proved);
}

/// `rcu_read_unlock` does not identify the section that it ends: a thread that is in two has left
/// only when it has left both (Documentation/RCU/whatisRCU.rst).
#[test]
fn of_two_rcu_sections_of_a_thread_only_the_last_end_counts() {
    let scenario = Scenario::builder("rcu", world)
        .thread("R", |w| {
            let earlier = w.rcu.read_lock();
            if !w.is_early() {
                return;
            }
            let later = w.rcu.read_lock();
            earlier.unlock();
            w.look();
            later.unlock();
        })
        .thread("S", |w| w.wait(|| w.rcu.synchronize()))
        .finally(is_never_seen)
        .expect_proof();
    check(&scenario);
    same_traces(&scenario);
}

/// A report names a reader only if one of its sections had begun before the wait.
#[test]
fn a_later_section_does_not_delay_a_grace_period() {
    let scenario = Scenario::builder("named", world)
        .thread("R", |w| {
            let (earlier, later) = (w.srcu.read_lock(), w.srcu.read_lock());
            earlier.unlock();
            w.over.wait_for_completion();
            later.unlock();
        })
        .thread("S", |w| w.srcu.synchronize())
        .thread("Q", |w| {
            let section = w.srcu.read_lock();
            w.over.wait_for_completion();
            section.unlock();
        })
        .expect_violations([ViolationKind::deadlock(["over"])]);
    check(&scenario);
    let schedule = "2.0.1.0.0".parse().expect("a schedule");
    let found = scenario.replay(&schedule).expect("that goes");
    let waits = &found[0].violation.waits;
    let waits_for = waits.iter().find(|wait| wait.thread == "S").map(|wait| &wait.waits_for);
    assert_eq!(waits_for, Some(&vec!["Q".to_owned()]), "{waits:#?}");
    assert!(scenario.verify(Engine::Native).as_expected());
}

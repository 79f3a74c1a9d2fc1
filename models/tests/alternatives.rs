//! The interleavings that show the defects of the alternatives, step by step.

use selvedge_core::{Counterexample, ReplayError, Scenario, Schedule, ViolationKind};
use selvedge_models::catalogue;

fn named(name: &str) -> Scenario {
    let mut catalogue = catalogue().into_iter();
    catalogue.find(|scenario| scenario.name() == name).expect("the catalogue has the scenario")
}

/// Returns the schedule in which threads run one after the other. Each pair is a thread and its
/// number of steps.
fn schedule(moves: &[(usize, usize)]) -> Schedule {
    let steps = moves.iter().flat_map(|(thread, steps)| vec![thread.to_string(); *steps]);
    steps.collect::<Vec<_>>().join(".").parse().unwrap()
}

/// Returns the one violation that the schedule ends in.
fn replay(scenario: &str, moves: &[(usize, usize)]) -> Counterexample {
    let found = named(scenario).replay(&schedule(moves)).unwrap();
    let [found] = found.as_slice() else { panic!("{found:?}") };
    found.clone()
}

/// Returns the steps on these locks in order, each with its thread.
fn steps(found: &Counterexample, of: &[&str]) -> Vec<(usize, String)> {
    let steps = found.trace.steps.iter().map(|step| (step.thread, step.what.clone()));
    steps.filter(|(_, what)| of.iter().any(|name| what == name)).collect()
}

fn waits(found: &Counterexample) -> Vec<&str> {
    found.violation.waits.iter().map(|wait| wait.wants.as_str()).collect()
}

const PQAP: usize = 0;
const UPDATE: usize = 1;
const PV: usize = 2;
const ADMIN: usize = 3;

/// The number of steps after which the update holds the read side and is about to take `kvm->lock`.
const READS: usize = 5;

/// H. Pasic's argument against alternative 3: a reader that has to progress queues behind a writer
/// that waits for another reader.
#[test]
fn a_fair_semaphore_closes_the_circle_by_a_writer_who_waits() {
    let moves = [(PQAP, 1), (UPDATE, READS), (PV, 2), (ADMIN, 1), (PQAP, 1)];
    let found = replay("vfio-ap/matrix/alt-3b/pqap-upd-pv-admin", &moves);
    let circle = ViolationKind::deadlock(["kvm->lock", "matrix_dev->rwsem", "vcpu->mutex"]);
    assert_eq!(found.violation.kind, circle);
    assert!(
        found.violation.waits.iter().all(|wait| wait.on_cycle),
        "all four threads wait on the cycle"
    );
    let [lock, read] = ["mutex_lock(vcpu->mutex)", "down_read(matrix_dev->rwsem)"];
    let [kvm, write] = ["mutex_lock(kvm->lock)", "down_write(matrix_dev->rwsem)"];
    let of_the_update = (UPDATE, write.to_owned());
    let order: Vec<_> = steps(&found, &[lock, read, kvm, write])
        .into_iter()
        .filter(|step| *step != of_the_update)
        .collect();
    let expected = [(PQAP, lock), (UPDATE, read), (PV, kvm), (ADMIN, write), (PQAP, read)];
    assert_eq!(order, expected.map(|(thread, what)| (thread, what.to_owned())));
    assert_eq!(waits(&found), [read, kvm, lock, write]);
}

/// If readers are preferred, the same reader progresses.
#[test]
fn a_semaphore_that_favours_readers_lets_the_last_one_through() {
    let scenario = named("vfio-ap/matrix/alt-3c/pqap-upd-pv-admin");
    let moves = [(PQAP, 1), (UPDATE, READS), (PV, 2), (PQAP, 1)];
    assert_eq!(scenario.replay(&schedule(&moves)), Err(ReplayError::TooShort));
}

/// The queue is removed between the lookup and the lock.
#[test]
fn a_look_before_the_queues_lock_is_out_of_date_under_it() {
    let moves = [(PQAP, 2), (UPDATE, 12), (PQAP, 7)];
    let found = replay("vfio-ap/matrix/alt-5a/pqap-upd", &moves);
    assert_eq!(found.violation.kind, ViolationKind::invariant("INV-04"));
    let [look, lock] = ["atomic_read(matrix_mdev->matrix)", "mutex_lock(q->lock)"];
    let [kvm, away] = ["mutex_lock(kvm->lock)", "atomic_set(matrix_mdev->matrix, 0)"];
    let expected = [(PQAP, look), (UPDATE, away), (UPDATE, kvm), (UPDATE, lock), (PQAP, lock)];
    assert_eq!(
        steps(&found, &[look, lock, kvm, away]),
        expected.map(|(thread, what)| (thread, what.to_owned()))
    );
}

/// The clean-up takes `kvm->lock` with the queue's lock held.
#[test]
fn a_clean_up_under_the_queues_lock_closes_the_circle() {
    let moves = [(PQAP, 1), (PV, 2), (UPDATE, 4)];
    let found = replay("vfio-ap/matrix/alt-5c/pqap-upd-pv", &moves);
    let circle = ViolationKind::deadlock(["kvm->lock", "q->lock", "vcpu->mutex"]);
    assert_eq!(found.violation.kind, circle);
    let [vcpu, kvm, queue] =
        ["mutex_lock(vcpu->mutex)", "mutex_lock(kvm->lock)", "mutex_lock(q->lock)"];
    let expected = [(PQAP, vcpu), (PV, kvm), (UPDATE, queue)];
    assert_eq!(
        steps(&found, &[vcpu, kvm, queue]),
        expected.map(|(thread, what)| (thread, what.to_owned()))
    );
    assert_eq!(waits(&found), [queue, kvm, vcpu]);
}

/// From some step on the administrator waits, and both vCPUs repeat a cycle.
#[test]
fn a_starving_administrator_is_shown_again_by_its_schedule() {
    for design in ["alt-3c", "alt-6c"] {
        let scenario = named(&format!("vfio-ap/matrix/{design}/pqap-pqap-admin"));
        let report = scenario.verify(selvedge_core::Engine::Native);
        let selvedge_core::Verdict::Refuted(found) = report.verdict else { panic!("{design}") };
        let [found] = found.as_slice() else { panic!("{design}: one thread starves") };
        assert_eq!(scenario.replay(&found.schedule).as_deref(), Ok(&[found.clone()][..]));
        let round = &found.trace.steps[found.violation.again_from.unwrap()..];
        assert!([0, 1].iter().all(|vcpu| round.iter().any(|step| step.thread == *vcpu)));
        assert!(round.iter().all(|step| step.thread != 2), "the administrator takes no step");
    }
}

//! Per-CPU data.

use selvedge_core::sync::{Atomic, PerCpu, SpinLock};
use selvedge_core::{Scenario, ViolationKind};

use super::{check, check_with_traces};

/// Two threads that both find no other thread on their CPU.
#[test]
fn a_thread_migrates_between_cpus() {
    let world = || PerCpu::new("fq", (0..2).map(|_| Atomic::new("head", 0)));
    let push = |fq: &PerCpu<Atomic>| {
        let head = fq.this_cpu();
        head.store(head.load() + 1);
    };
    let sum = |fq: &PerCpu<Atomic>| fq.iter().map(Atomic::load).sum::<u64>();
    let lost = Scenario::builder("lost", world)
        .thread("A", push)
        .thread("B", push)
        .finally(move |fq| assert_eq!(sum(fq), 2, "lost"))
        .expect_violations([ViolationKind::Panic(
            "assertion `left == right` failed: lost\n  left: 1\n right: 2".into(),
        )]);
    check(&lost);
    let locked = || PerCpu::new("fq", (0..2).map(|_| SpinLock::new("fq->lock", 0)));
    let both = Scenario::builder("locked", locked)
        .thread("A", |fq| *fq.this_cpu().spin_lock_irqsave() += 1)
        .thread("B", |fq| *fq.this_cpu().spin_lock_irqsave() += 1)
        .finally(|fq| assert_eq!(fq.iter().map(|ring| *ring.spin_lock_irqsave()).sum::<u64>(), 2))
        .expect_proof();
    check_with_traces(&both);
    let apart = Scenario::builder("apart", world)
        .thread("A", |fq| fq.this_cpu().store(1))
        .finally(|fq| assert!(fq.iter().next().is_some_and(|head| head.load() == 1), "moved"))
        .expect_violations([ViolationKind::Panic("moved".into())]);
    check(&apart);
}

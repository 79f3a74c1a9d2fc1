//! A program on selvedge's primitives.

use std::sync::{Arc, Mutex as StdMutex};

use selvedge_core::sync::{Atomic, Rcu, RcuReader, SpinGuard, SpinLock, Srcu, SrcuReader};
use selvedge_core::{Checker, Scenario};

use super::super::small::{self, Found};
use super::{BY_CALLBACK, CLASSES, Instr, Program, RCU, SPIN, SRCU};

struct World {
    word: Arc<Atomic>,
    lock: Arc<SpinLock>,
    rcu: Rcu,
    srcu: Srcu,
    program: Program,
    logs: StdMutex<Vec<Vec<u64>>>,
}

/// Returns what an engine finds.
pub(super) fn explore(program: &Program, checker: Checker<'_>) -> Found {
    let made = program.clone();
    let world = move || World {
        word: Arc::new(Atomic::new("word", 0)),
        lock: Arc::new(SpinLock::new(SPIN, ())),
        rcu: Rcu::new(),
        srcu: Srcu::new(CLASSES[SRCU]),
        program: made.clone(),
        logs: StdMutex::new(vec![Vec::new(); made.threads.len()]),
    };
    let mut builder = Scenario::builder("callbacks", world);
    for me in 0..program.threads.len() {
        builder = builder.thread(format!("T{me}"), move |world| {
            let log = run(world, &world.program.threads[me]);
            world.logs.lock().unwrap()[me] = log;
        });
    }
    let end = |world: &World| (world.word.load(), world.logs.lock().unwrap().clone());
    small::explore(builder, end, checker)
}

fn run(world: &World, steps: &[Instr]) -> Vec<u64> {
    let World { word, lock, rcu, srcu, .. } = world;
    let mut log = Vec::new();
    let mut of_rcu: Option<RcuReader<'_>> = None;
    let mut of_srcu: Option<SrcuReader<'_>> = None;
    let mut held: Option<SpinGuard<'_, ()>> = None;
    for step in steps {
        let (added, locked) = (Arc::clone(word), Arc::clone(lock));
        let callback = move |locks: bool| {
            let _held = locks.then(|| locked.spin_lock());
            added.fetch_add(BY_CALLBACK);
        };
        match *step {
            Instr::Enter(RCU) if of_rcu.is_none() => of_rcu = Some(rcu.read_lock()),
            Instr::Enter(SRCU) if of_srcu.is_none() => of_srcu = Some(srcu.read_lock()),
            Instr::Enter(_) => {}
            Instr::Leave(RCU) => drop(of_rcu.take()),
            Instr::Leave(_) => drop(of_srcu.take()),
            Instr::Synchronize(RCU) => rcu.synchronize(),
            Instr::Synchronize(_) => srcu.synchronize(),
            Instr::Call(RCU) => rcu.call(move || callback(false)),
            Instr::Call(_) => srcu.call(move || callback(false)),
            Instr::CallLocking(RCU) => rcu.call(move || callback(true)),
            Instr::CallLocking(_) => srcu.call(move || callback(true)),
            Instr::Spin if held.is_none() => held = Some(lock.spin_lock()),
            Instr::SpinBh if held.is_none() => held = Some(lock.spin_lock_bh()),
            Instr::TrySpin => {
                held = held.or_else(|| lock.spin_trylock());
                log.push(u64::from(held.is_some()));
            }
            Instr::Spin | Instr::SpinBh => {}
            Instr::Unspin => drop(held.take()),
            Instr::Barrier(RCU) => rcu.barrier(),
            Instr::Barrier(_) => srcu.barrier(),
            Instr::Look => log.push(word.load()),
            Instr::Count => log.push(word.fetch_add(1)),
        }
    }
    drop(of_rcu);
    drop(of_srcu);
    drop(held);
    log
}

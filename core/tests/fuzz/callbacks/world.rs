//! A program on selvedge's primitives.

use std::sync::{Arc, Mutex as StdMutex};

use selvedge_core::sync::{Atomic, Rcu, RcuReader, Srcu, SrcuReader};
use selvedge_core::{Checker, Scenario};

use super::super::small::{self, Found};
use super::{BY_CALLBACK, CLASSES, Instr, Program, RCU, SRCU};

struct World {
    word: Arc<Atomic>,
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
    let World { word, rcu, srcu, .. } = world;
    let mut log = Vec::new();
    let mut of_rcu: Option<RcuReader<'_>> = None;
    let mut of_srcu: Option<SrcuReader<'_>> = None;
    for step in steps {
        let called = Arc::clone(word);
        let callback = move || _ = called.fetch_add(BY_CALLBACK);
        match *step {
            Instr::Enter(RCU) if of_rcu.is_none() => of_rcu = Some(rcu.read_lock()),
            Instr::Enter(SRCU) if of_srcu.is_none() => of_srcu = Some(srcu.read_lock()),
            Instr::Enter(_) => {}
            Instr::Leave(RCU) => drop(of_rcu.take()),
            Instr::Leave(_) => drop(of_srcu.take()),
            Instr::Synchronize(RCU) => rcu.synchronize(),
            Instr::Synchronize(_) => srcu.synchronize(),
            Instr::Call(RCU) => rcu.call(callback),
            Instr::Call(_) => srcu.call(callback),
            Instr::Barrier(RCU) => rcu.barrier(),
            Instr::Barrier(_) => srcu.barrier(),
            Instr::Look => log.push(word.load()),
            Instr::Count => log.push(word.fetch_add(1)),
        }
    }
    drop(of_rcu);
    drop(of_srcu);
    log
}

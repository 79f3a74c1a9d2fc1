//! A program on selvedge's primitives.

use std::sync::Mutex as StdMutex;

use selvedge_core::sync::{
    Atomic, Rcu, RcuHead, RcuReader, SpinGuard, SpinLock, Srcu, SrcuReader, Tracked,
};
use selvedge_core::{Checker, Scenario, in_world};

use super::super::small::{self, Found};
use super::{BY_CALLBACK, CLASSES, HEADS, Instr, Program, RCU, SPIN, SRCU};

struct World {
    word: Atomic,
    lock: SpinLock,
    rcu: Rcu,
    srcu: Srcu,
    /// The heads of each domain, and those whose callbacks lock.
    heads: [[RcuHead; HEADS]; 2],
    locking: [[RcuHead; HEADS]; 2],
    object: Tracked,
    program: Program,
    logs: StdMutex<Vec<Vec<u64>>>,
}

fn called(world: &World) {
    world.word.fetch_add(BY_CALLBACK);
}

fn called_locking(world: &World) {
    let _held = world.lock.spin_lock();
    called(world);
}

fn world(program: &Program) -> World {
    let heads = |function: fn(&World)| {
        [(); 2].map(|()| [(); HEADS].map(|()| RcuHead::new(in_world(function))))
    };
    World {
        word: Atomic::new("word", 0),
        lock: SpinLock::new(SPIN, ()),
        rcu: Rcu::new(),
        srcu: Srcu::new(CLASSES[SRCU]),
        heads: heads(called),
        locking: heads(called_locking),
        object: Tracked::new("object", ()),
        program: program.clone(),
        logs: StdMutex::new(vec![Vec::new(); program.threads.len()]),
    }
}

/// Returns what an engine finds.
pub(super) fn explore(program: &Program, checker: Checker<'_>) -> Found {
    let made = program.clone();
    let builder = Scenario::builder("callbacks", move || world(&made));
    let count = program.threads.len();
    let builder = small::threads(
        builder,
        count,
        |world, me| run(world, &world.program.threads[me]),
        |world| &world.logs,
    );
    let end = |world: &World| {
        world.object.release();
        (world.word.load(), world.logs.lock().unwrap().clone())
    };
    small::explore(builder, end, checker)
}

fn run(world: &World, steps: &[Instr]) -> Vec<u64> {
    let World { word, lock, rcu, srcu, heads, locking, object, .. } = world;
    let mut log = Vec::new();
    let mut of_rcu: Option<RcuReader<'_>> = None;
    let mut of_srcu: Option<SrcuReader<'_>> = None;
    let mut held: Option<SpinGuard<'_, ()>> = None;
    for step in steps {
        match *step {
            Instr::Enter(RCU) if of_rcu.is_none() => of_rcu = Some(Rcu::read_lock(rcu)),
            Instr::Enter(SRCU) if of_srcu.is_none() => of_srcu = Some(Srcu::read_lock(srcu)),
            Instr::Enter(_) => {}
            Instr::Leave(RCU) => of_rcu.take().into_iter().for_each(RcuReader::unlock),
            Instr::Leave(_) => of_srcu.take().into_iter().for_each(SrcuReader::unlock),
            Instr::Synchronize(RCU) => Rcu::synchronize(rcu),
            Instr::Synchronize(_) => Srcu::synchronize(srcu),
            Instr::Call(RCU, head) => Rcu::call(rcu, &heads[RCU][head]),
            Instr::Call(_, head) => Srcu::call(srcu, &heads[SRCU][head]),
            Instr::CallLocking(RCU, head) => Rcu::call(rcu, &locking[RCU][head]),
            Instr::CallLocking(_, head) => Srcu::call(srcu, &locking[SRCU][head]),
            Instr::Dereference => _ = rcu.dereference(object),
            Instr::DereferenceProtected => {
                held.iter().for_each(|guard| _ = rcu.dereference_protected(object, guard));
            }
            Instr::Spin if held.is_none() => held = Some(lock.spin_lock()),
            Instr::SpinBh if held.is_none() => held = Some(lock.spin_lock_bh()),
            Instr::TrySpin => {
                held = held.or_else(|| lock.spin_trylock());
                log.push(u64::from(held.is_some()));
            }
            Instr::Spin | Instr::SpinBh => {}
            Instr::Unspin => held.take().into_iter().for_each(SpinGuard::unlock),
            Instr::Barrier(RCU) => Rcu::barrier(rcu),
            Instr::Barrier(_) => Srcu::barrier(srcu),
            Instr::Look => log.push(word.load()),
            Instr::Count => log.push(word.fetch_add(1)),
        }
    }
    drop(of_rcu);
    drop(of_srcu);
    drop(held);
    log
}

//! A program on selvedge's primitives.

use std::sync::Mutex as StdMutex;

use selvedge_core::sync::{Atomic, Mutex, NotifierBlock, NotifierChain, Notify, Rcu};
use selvedge_core::{Checker, Scenario};

use super::super::small::{self, Found};
use super::{BASE, BLOCKS, CHAIN, Instr, Kind, MUTEX, Number, Program};

struct World {
    chain: NotifierChain,
    blocks: [NotifierBlock; BLOCKS],
    mutex: Mutex,
    word: Atomic,
    program: Program,
    logs: StdMutex<Vec<Vec<u64>>>,
}

fn world(program: &Program) -> World {
    let rcu = Rcu::new();
    let chain = match program.kind {
        Kind::Blocking => NotifierChain::blocking(CHAIN),
        Kind::Atomic => NotifierChain::atomic(CHAIN, &rcu),
        Kind::Raw => NotifierChain::raw(CHAIN),
        Kind::Srcu => NotifierChain::srcu(CHAIN),
    };
    let block = |own: Number| {
        chain.block(program.priorities[own], move |w: &World, _| {
            run(w, &w.program.functions[own]);
            if w.program.stops[own] { Notify::Stop } else { Notify::Done }
        })
    };
    World {
        blocks: [block(0), block(1), block(2)],
        chain,
        mutex: Mutex::new(MUTEX, ()),
        word: Atomic::new("A", 0),
        program: program.clone(),
        logs: StdMutex::new(vec![Vec::new(); program.threads.len()]),
    }
}

/// Returns what an engine finds.
pub(super) fn explore(program: &Program, checker: Checker<'_>) -> Found {
    let made = program.clone();
    let builder = Scenario::builder("chains", move || world(&made));
    let count = program.threads.len();
    let builder = small::threads(
        builder,
        count,
        |world, me| run(world, &world.program.threads[me]),
        |world| &world.logs,
    );
    let end = |world: &World| (world.word.load(), world.logs.lock().unwrap().clone());
    small::explore(builder, end, checker)
}

fn run(world: &World, steps: &[Instr]) -> Vec<u64> {
    let World { chain, blocks, mutex, word, .. } = world;
    let mut log = Vec::new();
    for step in steps {
        let locks =
            matches!(step, Instr::UnregisterLocked(_) | Instr::CallLocked | Instr::NoteLocked(_));
        let _held = locks.then(|| Mutex::lock(mutex));
        match *step {
            Instr::Register(b) => log.push(u64::from(chain.register(&blocks[b]))),
            Instr::Unregister(b) | Instr::UnregisterLocked(b) => {
                log.push(u64::from(chain.unregister(&blocks[b])));
            }
            Instr::Call | Instr::CallLocked => {
                log.push(u64::from(chain.call_chain(0) == Notify::Stop));
            }
            Instr::Note(b) | Instr::NoteLocked(b) => {
                word.store(word.load() * BASE + b as u64 + 1);
            }
        }
    }
    log
}

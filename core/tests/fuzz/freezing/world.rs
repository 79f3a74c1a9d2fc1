//! A program on selvedge's primitives.

use std::sync::Mutex as StdMutex;

use selvedge_core::sync::{Atomic, Mutex, MutexGuard, Work, Workqueue};
use selvedge_core::{Checker, Scenario, in_world};

use super::super::small::{self, Found};
use super::{Instr, MUTEX, Program, QUEUE, WORKS};

struct World {
    queue: Workqueue,
    works: [Work; 2],
    mutex: Mutex,
    word: Atomic,
    program: Program,
    logs: StdMutex<Vec<Vec<u64>>>,
}

fn world(program: &Program) -> World {
    let queue = match program.freezable {
        true => Workqueue::freezable(QUEUE, program.max_active),
        false => Workqueue::new(QUEUE, program.max_active),
    };
    let first = in_world(|w: &World| _ = run(w, &w.program.works[0]));
    let second = in_world(|w: &World| _ = run(w, &w.program.works[1]));
    World {
        works: [queue.init_work(WORKS[0], first), queue.init_work(WORKS[1], second)],
        queue,
        mutex: Mutex::new(MUTEX, ()),
        word: Atomic::new("A", 0),
        program: program.clone(),
        logs: StdMutex::new(vec![Vec::new(); program.threads.len()]),
    }
}

/// Returns what an engine finds.
pub(super) fn explore(program: &Program, checker: Checker<'_>) -> Found {
    let made = program.clone();
    let builder = Scenario::builder("freezing", move || world(&made));
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
    let World { queue, works, mutex, word, .. } = world;
    let mut log = Vec::new();
    let mut lock: Option<MutexGuard<'_, ()>> = None;
    for step in steps {
        let mut note = |entry: bool| log.push(u64::from(entry));
        match *step {
            Instr::Queue(w) => note(Workqueue::queue_work(queue, &works[w])),
            Instr::Cancel(w) => note(works[w].cancel_work()),
            Instr::CancelSync(w) => note(works[w].cancel_work_sync()),
            Instr::Flush(w) => works[w].flush_work(),
            Instr::FlushQueue => queue.flush_workqueue(),
            Instr::Freeze => queue.freeze_workqueues_begin(),
            Instr::Busy => note(queue.freeze_workqueues_busy()),
            Instr::Thaw => queue.thaw_workqueues(),
            Instr::Lock if lock.is_some() => {}
            Instr::Lock => lock = Some(Mutex::lock(mutex)),
            Instr::Unlock => drop(lock.take()),
            Instr::Count => log.push(word.fetch_add(1)),
        }
    }
    log
}

//! A program on selvedge's primitives.

use std::sync::Mutex as StdMutex;

use selvedge_core::sync::{Atomic, WwAcquireCtx, WwClass, WwError, WwGuard, WwMutex};
use selvedge_core::{Checker, Scenario};

use super::super::small::{self, Found};
use super::{Block, Instr, Program};

struct World {
    class: WwClass,
    mutexes: Vec<WwMutex>,
    word: Atomic,
    program: Program,
    logs: StdMutex<Vec<Vec<u64>>>,
}

fn world(program: &Program) -> World {
    let class = if program.wait_die { WwClass::wait_die("ww") } else { WwClass::new("ww") };
    World {
        mutexes: (0..program.mutexes).map(|_| class.mutex()).collect(),
        class,
        word: Atomic::new("word", 0),
        program: program.clone(),
        logs: StdMutex::new(vec![Vec::new(); program.threads.len()]),
    }
}

/// Returns what an engine finds.
pub(super) fn explore(program: &Program, checker: Checker<'_>) -> Found {
    let made = program.clone();
    let builder = Scenario::builder("wounds", move || world(&made));
    let log = |world: &World, me: usize| {
        let mut log = Vec::new();
        world.program.threads[me].iter().for_each(|block| run(world, block, &mut log));
        log
    };
    let count = program.threads.len();
    let builder = small::threads(builder, count, log, |world| &world.logs);
    let end = |world: &World| (world.word.load(), world.logs.lock().unwrap().clone());
    small::explore(builder, end, checker)
}

fn run(world: &World, block: &Block, log: &mut Vec<u64>) {
    if !block.in_context {
        return steps(world, block, None, log);
    }
    let ctx = world.class.ww_acquire_init();
    steps(world, block, Some(&ctx), log);
    ctx.ww_acquire_fini();
}

fn steps(world: &World, block: &Block, ctx: Option<&WwAcquireCtx<'_>>, log: &mut Vec<u64>) {
    let mut held: Vec<WwGuard<'_>> = Vec::new();
    for step in &block.steps {
        match (*step, ctx) {
            (Instr::Count, _) => log.push(world.word.fetch_add(1)),
            (Instr::Done, ctx) => ctx.into_iter().for_each(WwAcquireCtx::ww_acquire_done),
            (Instr::Unlock(_), _) if held.is_empty() => {}
            (Instr::Unlock(n), _) => held.remove(n % held.len()).ww_mutex_unlock(),
            (Instr::Try(m), ctx) => {
                let got = world.mutexes[m].ww_mutex_trylock(ctx);
                log.push(u64::from(got.is_some()));
                held.extend(got);
            }
            (Instr::Lock(m) | Instr::GiveUp(m), None) => {
                held.push(world.mutexes[m].ww_mutex_lock_single());
                log.push(0);
            }
            (Instr::Lock(m) | Instr::GiveUp(m), Some(ctx)) => {
                match world.mutexes[m].ww_mutex_lock(ctx) {
                    Ok(guard) => {
                        held.push(guard);
                        log.push(0);
                    }
                    Err(WwError::Already) => log.push(2),
                    Err(WwError::Deadlock) => {
                        log.push(1);
                        if matches!(step, Instr::Lock(_)) {
                            held.drain(..).for_each(drop);
                            held.push(world.mutexes[m].ww_mutex_lock_slow(ctx));
                        }
                    }
                }
            }
        }
    }
    held.drain(..).for_each(drop);
}

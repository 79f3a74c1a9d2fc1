//! A program on selvedge's primitives.

use std::sync::Mutex as StdMutex;
use std::sync::atomic::Ordering::SeqCst;

use selvedge_core::sync::{
    ActiveReference, Kernfs, Kthread, Mutex, MutexGuard, Plain, ReadGuard, RwSem, WaitQueue,
    WeakAtomic, Work, WriteGuard, smp_mb,
};
use selvedge_core::{Checker, Scenario, in_world};

use super::super::small::{self, Found};
use super::{
    FILE, Instr, KTHREAD, MUTEX, Program, QUEUES, SEM, VARIABLE, WORD, WORD_UNIT, WORK, Way,
};

struct World {
    mutex: Mutex,
    sem: RwSem,
    file: Kernfs,
    variable: Plain<u64>,
    word: WeakAtomic,
    work: Work,
    kthread: Kthread,
    queues: [WaitQueue; 2],
    program: Program,
    logs: StdMutex<Vec<Vec<u64>>>,
}

fn world(program: &Program) -> World {
    let kthread = |w: &World| {
        let log = run(w, w.program.kthread.as_deref().unwrap_or_default());
        w.logs.lock().unwrap()[w.program.threads.len()] = log;
    };
    let world = World {
        mutex: Mutex::new(MUTEX, ()),
        sem: RwSem::new(SEM, ()),
        file: Kernfs::new(FILE),
        variable: Plain::new(VARIABLE, 0),
        word: WeakAtomic::new(WORD, 0),
        work: Work::new(WORK, in_world(|w: &World| _ = run(w, &w.program.work))),
        kthread: Kthread::new(KTHREAD, in_world(kthread)),
        queues: QUEUES.map(WaitQueue::new),
        program: program.clone(),
        logs: StdMutex::new(vec![Vec::new(); program.threads.len() + 1]),
    };
    if program.kthread.is_some() {
        world.kthread.kthread_run();
    }
    world
}

/// Returns what an engine finds.
pub(super) fn explore(program: &Program, checker: Checker<'_>) -> Found {
    let made = program.clone();
    let builder = Scenario::builder("removal", move || world(&made));
    let count = program.threads.len();
    let builder = small::threads(
        builder,
        count,
        |world, me| run(world, &world.program.threads[me]),
        |world| &world.logs,
    );
    let end = |world: &World| {
        let value = world.variable.read_once() + WORD_UNIT * WeakAtomic::load(&world.word, SeqCst);
        (value, world.logs.lock().unwrap().clone())
    };
    small::explore(builder, end, checker)
}

#[expect(dead_code, reason = "the guards are held")]
enum Side<'w> {
    Read(ReadGuard<'w, ()>),
    Write(WriteGuard<'w, ()>),
}

fn run(world: &World, steps: &[Instr]) -> Vec<u64> {
    let mut log = Vec::new();
    let mut lock: Option<MutexGuard<'_, ()>> = None;
    let mut active: Option<ActiveReference<'_>> = None;
    let mut side: Option<Side<'_>> = None;
    let World { sem, mutex, file, .. } = world;
    for step in steps {
        let mut note = |entry: bool| log.push(u64::from(entry));
        match *step {
            Instr::Lock if lock.is_some() => {}
            Instr::Lock => lock = Some(Mutex::lock(mutex)),
            Instr::Unlock => lock.take().into_iter().for_each(MutexGuard::unlock),
            Instr::GetActive if active.is_some() => {}
            Instr::GetActive => {
                active = file.kernfs_get_active();
                note(active.is_some());
            }
            Instr::PutActive => active.take().into_iter().for_each(end_operation),
            Instr::Break => active.iter_mut().for_each(ActiveReference::break_active_protection),
            Instr::Unbreak => {
                active.iter_mut().for_each(ActiveReference::unbreak_active_protection);
            }
            Instr::RemoveSelf => active.iter_mut().for_each(|own| note(own.remove_self())),
            Instr::Remove => file.kernfs_remove(),
            Instr::Up => drop(side.take()),
            Instr::Downgrade => {
                side = match side.take() {
                    Some(Side::Write(guard)) => Some(Side::Read(sem.downgrade_write(guard))),
                    other => other,
                };
            }
            Instr::DownRead | Instr::DownWrite if side.is_some() => {}
            Instr::DownReadKillable | Instr::DownWriteKillable if side.is_some() => {}
            Instr::DownRead => side = Some(Side::Read(sem.down_read())),
            Instr::DownWrite => side = Some(Side::Write(sem.down_write())),
            Instr::DownReadKillable => {
                side = sem.down_read_killable().ok().map(Side::Read);
                note(side.is_some());
            }
            Instr::DownWriteKillable => {
                side = sem.down_write_killable().ok().map(Side::Write);
                note(side.is_some());
            }
            instr => log.extend(access(world, instr).or_else(|| later(world, instr))),
        }
    }
    drop(side);
    active.into_iter().for_each(end_operation);
    drop(lock);
    log
}

/// Accesses the variable or the word. Returns the entry for the log.
fn access(world: &World, instr: Instr) -> Option<u64> {
    let World { variable, word, .. } = world;
    match instr {
        Instr::Read => return Some(variable.read()),
        Instr::Write(value) => variable.write(value),
        Instr::MarkedRead => return Some(variable.read_once()),
        Instr::MarkedWrite(value) => variable.write_once(value),
        Instr::Load => return Some(WeakAtomic::load(word, SeqCst)),
        Instr::Store(value) => WeakAtomic::store(word, value, SeqCst),
        Instr::Swap(value) => return Some(WeakAtomic::swap(word, value, SeqCst)),
        Instr::FetchAdd => return Some(WeakAtomic::fetch_add(word, 1, SeqCst)),
        Instr::Barrier => smp_mb(),
        _ => {}
    }
    None
}

/// Operates on the work or the kernel thread. Returns the entry for the log.
fn later(world: &World, instr: Instr) -> Option<u64> {
    let World { work, kthread, word, .. } = world;
    let entry = match instr {
        Instr::QueueWork => Work::queue_work(work),
        Instr::QueueDelayed => work.queue_delayed_work(),
        Instr::ModDelayed => work.mod_delayed_work(),
        Instr::Cancel => work.cancel_work(),
        Instr::CancelSync => work.cancel_work_sync(),
        Instr::Disable => work.disable_work(),
        Instr::DisableSync => work.disable_work_sync(),
        Instr::Enable => work.enable_work(),
        Instr::ShouldStop => kthread.kthread_should_stop(),
        Instr::ShouldPark => kthread.kthread_should_park(),
        Instr::WaitOn(q, way) => return wait_on(world, q, way),
        instr => {
            match instr {
                Instr::Flush => work.flush_work(),
                Instr::FlushDelayed => work.flush_delayed_work(),
                Instr::Stop => kthread.kthread_stop(),
                Instr::Park => kthread.kthread_park(),
                Instr::WakeQueue(q) => world.queues[q].wake_up(),
                Instr::WakeQueueAll(q) => world.queues[q].wake_up_all(),
                Instr::Unpark => kthread.kthread_unpark(),
                Instr::WakeUp => kthread.wake_up_process(),
                Instr::GetTask => kthread.get_task_struct(),
                Instr::Parkme => kthread.kthread_parkme(),
                Instr::WaitForStop => {
                    Kthread::wait_event(kthread, || kthread.kthread_should_stop());
                }
                Instr::WaitForWord => Kthread::wait_event(kthread, || {
                    WeakAtomic::load(word, SeqCst) != 0 || kthread.kthread_should_stop()
                }),
                _ => {}
            }
            return None;
        }
    };
    Some(u64::from(entry))
}

/// Sleeps on a wait queue. Returns the entry for the log.
fn wait_on(world: &World, q: usize, way: Way) -> Option<u64> {
    let World { kthread, word, queues, .. } = world;
    let queue = &queues[q];
    let is_set = || WeakAtomic::load(word, SeqCst) != 0;
    let ended = match way {
        Way::WordInterruptible => queue.wait_event_interruptible(is_set),
        Way::WordOrStop => {
            queue.wait_event_interruptible(|| is_set() || kthread.kthread_should_stop())
        }
        _ => {
            match way {
                Way::Word => WaitQueue::wait_event(queue, is_set),
                Way::WordExclusive => queue.wait_event_exclusive(is_set),
                Way::StopExclusive => {
                    queue.wait_event_exclusive(|| kthread.kthread_should_stop());
                }
                Way::Stop => WaitQueue::wait_event(queue, || kthread.kthread_should_stop()),
                _ => {
                    queue.prepare_to_wait();
                    queue.schedule();
                    queue.finish_wait();
                }
            }
            return None;
        }
    };
    Some(u64::from(ended.is_ok()))
}

/// Ends the operation on the file, for which a broken reference is restored.
fn end_operation(mut active: ActiveReference<'_>) {
    active.unbreak_active_protection();
    active.kernfs_put_active();
}

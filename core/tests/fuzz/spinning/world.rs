//! A program on selvedge's primitives.

use std::sync::Mutex as StdMutex;

use selvedge_core::sync::{
    Atomic, Irq, Kref, ReadLockGuard, RwLock, SeqCount, SeqWriter, SpinGuard, SpinLock, Tasklet,
    WriteLockGuard, local_bh_disable, local_bh_enable, local_irq_disable, local_irq_enable,
    local_irq_restore, local_irq_save, preempt_disable, preempt_enable,
};
use selvedge_core::{Checker, Scenario, in_world, might_sleep};

use super::super::small::{self, Found};
use super::{HARD, Instr, KREF, Keeps, LINES, Program, REFERENCES, RW, SEQ, SOFT, SPINS};

struct World {
    spins: [SpinLock; 2],
    rw: RwLock,
    seq: SeqCount,
    word: Atomic,
    kref: Kref,
    hard: Irq,
    soft: Tasklet,
    program: Program,
    logs: StdMutex<Vec<Vec<u64>>>,
}

fn world(program: &Program) -> World {
    let handler = in_world(|w: &World| _ = run(w, &w.program.handlers[HARD]));
    let hard = match program.threaded {
        true => Irq::request_threaded_irq(LINES[HARD], handler),
        false => Irq::request_irq(LINES[HARD], handler),
    };
    let kref = Kref::new(KREF);
    (1..REFERENCES).for_each(|_| kref.get());
    World {
        kref,
        spins: SPINS.map(|name| SpinLock::new(name, ())),
        rw: RwLock::new(RW, ()),
        seq: SeqCount::new(SEQ),
        word: Atomic::new("A", 0),
        hard,
        soft: Tasklet::new(
            LINES[SOFT],
            in_world(|w: &World| _ = run(w, &w.program.handlers[SOFT])),
        ),
        logs: StdMutex::new(vec![Vec::new(); program.threads.len()]),
        program: program.clone(),
    }
}

/// Returns what an engine finds.
pub(super) fn explore(program: &Program, checker: Checker<'_>) -> Found {
    let made = program.clone();
    let mut builder = Scenario::builder("spinning", move || world(&made));
    if program.rt {
        builder = builder.preempt_rt();
    }
    for me in 0..program.threads.len() {
        builder = builder.thread(format!("T{me}"), move |world| {
            let log = run(world, &world.program.threads[me]);
            world.logs.lock().unwrap()[me] = log;
        });
    }
    let end = |world: &World| {
        // What is left of the references is no leak.
        if world.kref.get_unless_zero() {
            while !world.kref.put() {}
        }
        (world.word.load(), world.logs.lock().unwrap().clone())
    };
    small::explore(builder, end, checker)
}

enum Held<'w> {
    Spin(SpinGuard<'w, ()>),
    Read(ReadLockGuard<'w, ()>),
    Write(WriteLockGuard<'w, ()>),
    Seq(SeqWriter<'w>),
}

fn release(held: Held<'_>) {
    match held {
        Held::Spin(guard) => guard.unlock(),
        Held::Read(guard) => guard.read_unlock(),
        Held::Write(guard) => guard.write_unlock(),
        Held::Seq(writer) => writer.write_seqcount_end(),
    }
}

fn run(world: &World, steps: &[Instr]) -> Vec<u64> {
    let (mut log, mut held, mut saved) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps {
        match *step {
            Instr::Spin(lock, keeps) => held.push(Held::Spin(spin(&world.spins[lock], keeps))),
            Instr::Read(keeps) => held.push(Held::Read(read(&world.rw, keeps))),
            Instr::Write(keeps) => held.push(Held::Write(write(&world.rw, keeps))),
            Instr::TrySpin(lock, keeps) => {
                let got = try_spin(&world.spins[lock], keeps);
                log.push(u64::from(got.is_some()));
                held.extend(got.map(Held::Spin));
            }
            Instr::TryRead => {
                let got = world.rw.read_trylock();
                log.push(u64::from(got.is_some()));
                held.extend(got.map(Held::Read));
            }
            Instr::TryWrite => {
                let got = world.rw.write_trylock();
                log.push(u64::from(got.is_some()));
                held.extend(got.map(Held::Write));
            }
            Instr::SeqWrite => held.push(Held::Seq(world.seq.write_seqcount_begin())),
            Instr::SeqRead => log.push(world.seq.read(|| world.word.load())),
            Instr::Release => held.pop().into_iter().for_each(release),
            Instr::IrqOff => local_irq_disable(),
            Instr::IrqOn => local_irq_enable(),
            Instr::BhOff => local_bh_disable(),
            Instr::BhOn => local_bh_enable(),
            Instr::Raise(HARD) => world.hard.raise(),
            Instr::Raise(_) => world.soft.tasklet_schedule(),
            Instr::SaveIrqs => saved.push(local_irq_save()),
            Instr::RestoreIrqs => saved.pop().into_iter().for_each(local_irq_restore),
            Instr::PreemptOff => preempt_disable(),
            Instr::PreemptOn => preempt_enable(),
            Instr::Mask(HARD) => world.hard.disable_irq_nosync(),
            Instr::Mask(_) => world.soft.tasklet_disable_nosync(),
            Instr::Unmask(HARD) => world.hard.enable_irq(),
            Instr::Unmask(_) => world.soft.tasklet_enable(),
            Instr::Disable(HARD) => world.hard.disable_irq(),
            Instr::Disable(_) => world.soft.tasklet_disable(),
            Instr::Synchronize(_) => world.hard.synchronize_irq(),
            Instr::Free => world.hard.free_irq(),
            Instr::Request => log.push(u64::from(world.hard.request())),
            Instr::Get => world.kref.get(),
            Instr::PutLock(lock) => {
                let last = world.kref.put_lock(&world.spins[lock]);
                log.push(u64::from(last.is_some()));
                held.extend(last.map(Held::Spin));
            }
            Instr::MightSleep => might_sleep("vfree"),
            Instr::Count => log.push(world.word.fetch_add(1)),
        }
    }
    while let Some(last) = held.pop() {
        release(last);
    }
    log
}

fn spin(lock: &SpinLock, keeps: Keeps) -> SpinGuard<'_, ()> {
    match keeps {
        Keeps::Nothing => lock.spin_lock(),
        Keeps::Bh => lock.spin_lock_bh(),
        Keeps::Irq => lock.spin_lock_irq(),
        Keeps::Save => lock.lock(),
    }
}

fn try_spin(lock: &SpinLock, keeps: Keeps) -> Option<SpinGuard<'_, ()>> {
    match keeps {
        Keeps::Nothing => lock.spin_trylock(),
        Keeps::Bh => lock.spin_trylock_bh(),
        Keeps::Irq => lock.spin_trylock_irq(),
        Keeps::Save => lock.try_lock(),
    }
}

fn read(lock: &RwLock, keeps: Keeps) -> ReadLockGuard<'_, ()> {
    match keeps {
        Keeps::Nothing => lock.read_lock(),
        Keeps::Bh => lock.read_lock_bh(),
        Keeps::Irq => lock.read_lock_irq(),
        Keeps::Save => lock.read_lock_irqsave(),
    }
}

fn write(lock: &RwLock, keeps: Keeps) -> WriteLockGuard<'_, ()> {
    match keeps {
        Keeps::Nothing => lock.write_lock(),
        Keeps::Bh => lock.write_lock_bh(),
        Keeps::Irq => lock.write_lock_irq(),
        Keeps::Save => lock.write_lock_irqsave(),
    }
}

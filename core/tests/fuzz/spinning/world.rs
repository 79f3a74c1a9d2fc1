//! A program on selvedge's primitives.

use std::sync::Mutex as StdMutex;

use selvedge_core::sync::{
    Atomic, Irq, IrqFlags, Kref, ReadLockGuard, RwLock, SeqCount, SeqLock, SeqLockWriter,
    SeqWriter, SpinGuard, SpinLock, Tasklet, Timer, WriteLockGuard, in_interrupt, local_bh_disable,
    local_bh_enable, local_irq_disable, local_irq_enable, local_irq_restore, local_irq_save,
    preempt_disable, preempt_enable,
};
use selvedge_core::{Checker, Scenario, in_world, might_sleep};

use super::super::small::{self, Found};
use super::{
    HARD, Hard, Instr, KREF, Keeps, LINES, Program, REFERENCES, RW, SEQ, SEQLOCK, SOFT, SPINS,
};

struct World {
    spins: [SpinLock; 2],
    rw: RwLock,
    seq: SeqCount,
    seqlock: SeqLock,
    word: Atomic,
    kref: Kref,
    hard: Line,
    soft: Tasklet,
    program: Program,
    logs: StdMutex<Vec<Vec<u64>>>,
}

/// What is behind the line of the interrupt.
enum Line {
    Irq(Irq),
    Timer(Timer),
}

impl Line {
    fn irq(&self) -> &Irq {
        match self {
            Self::Irq(irq) => irq,
            Self::Timer(_) => unreachable!("a timer has no line"),
        }
    }

    fn raise(&self) {
        match self {
            Self::Irq(irq) => irq.raise(),
            Self::Timer(timer) => timer.mod_timer(),
        }
    }
}

fn world(program: &Program) -> World {
    fn handle(w: &World) {
        run(w, &w.program.handlers[HARD]);
    }
    let name = LINES[HARD];
    let hard = match program.hard {
        Hard::Irq => Line::Irq(Irq::request_irq(name, in_world(handle))),
        Hard::Threaded => Line::Irq(Irq::request_threaded_irq(name, in_world(handle))),
        Hard::NoThread => Line::Irq(Irq::request_irq_no_thread(name, in_world(handle))),
        Hard::Hrtimer => Line::Timer(Timer::hrtimer(name, in_world(handle))),
        Hard::Unforced => Line::Timer(Timer::hrtimer_hard(name, in_world(handle))),
    };
    let second = match program.raw {
        true => SpinLock::raw(SPINS[1], ()),
        false => SpinLock::new(SPINS[1], ()),
    };
    let kref = Kref::new(KREF);
    (1..REFERENCES).for_each(|_| kref.get());
    World {
        kref,
        spins: [SpinLock::new(SPINS[0], ()), second],
        rw: RwLock::new(RW, ()),
        seq: SeqCount::new(SEQ),
        seqlock: SeqLock::new(SEQLOCK),
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
    let count = program.threads.len();
    let builder = small::threads(
        builder,
        count,
        |world, me| run(world, &world.program.threads[me]),
        |world| &world.logs,
    );
    let end = |world: &World| {
        // What is left of the references is no leak.
        if world.kref.get_unless_zero() {
            while !Kref::put(&world.kref) {}
        }
        (world.word.load(), world.logs.lock().unwrap().clone())
    };
    small::explore(builder, end, checker)
}

enum Held<'w> {
    Spin(SpinGuard<'w, ()>),
    RawSpin(&'w SpinLock),
    SeqLock(SeqLockWriter<'w>),
    Read(ReadLockGuard<'w, ()>),
    Write(WriteLockGuard<'w, ()>),
    Seq(SeqWriter<'w>),
}

fn release(held: Held<'_>) {
    match held {
        Held::Spin(guard) => SpinGuard::unlock(guard),
        Held::RawSpin(lock) => SpinLock::raw_unlock_irqrestore(lock),
        Held::SeqLock(writer) => writer.write_sequnlock(),
        Held::Read(guard) => guard.read_unlock(),
        Held::Write(guard) => guard.write_unlock(),
        Held::Seq(writer) => writer.write_seqcount_end(),
    }
}

/// What a thread or a handler has.
#[derive(Default)]
struct Mine<'w> {
    log: Vec<u64>,
    held: Vec<Held<'w>>,
    saved: Vec<IrqFlags>,
}

fn run(world: &World, steps: &[Instr]) -> Vec<u64> {
    let mut mine = Mine::default();
    for step in steps {
        if !mine.takes(world, *step) && !mine.changes_the_cpu(*step) {
            mine.performs(world, *step);
        }
    }
    while let Some(last) = mine.held.pop() {
        release(last);
    }
    mine.log
}

impl<'w> Mine<'w> {
    fn tries(&mut self, got: Option<Held<'w>>) {
        self.log.push(u64::from(got.is_some()));
        self.held.extend(got);
    }

    /// Takes a lock, if it is such an instruction.
    fn takes(&mut self, world: &'w World, instr: Instr) -> bool {
        let World { spins, rw, seq, seqlock, .. } = world;
        match instr {
            Instr::Spin(lock, keeps) => self.held.push(Held::Spin(spin(&spins[lock], keeps))),
            Instr::RawSpin(lock) => {
                SpinLock::raw_lock_irqsave(&spins[lock]);
                self.held.push(Held::RawSpin(&spins[lock]));
            }
            Instr::TryRawSpin(lock) => {
                let got = SpinLock::raw_try_lock_irqsave(&spins[lock]);
                self.tries(got.then_some(Held::RawSpin(&spins[lock])));
            }
            Instr::Read(keeps) => self.held.push(Held::Read(read(rw, keeps))),
            Instr::Write(keeps) => self.held.push(Held::Write(write(rw, keeps))),
            Instr::TrySpin(lock, keeps) => {
                self.tries(try_spin(&spins[lock], keeps).map(Held::Spin));
            }
            Instr::TryRead => self.tries(rw.read_trylock().map(Held::Read)),
            Instr::TryWrite => self.tries(rw.write_trylock().map(Held::Write)),
            Instr::SeqWrite => self.held.push(Held::Seq(seq.write_seqcount_begin())),
            Instr::LockedWrite(keeps) => {
                self.held.push(Held::SeqLock(write_seqlock(seqlock, keeps)));
            }
            Instr::Exclusive => self.held.push(Held::Spin(seqlock.read_seqlock_excl())),
            Instr::PutLock(lock) => {
                let last = world.kref.put_lock(&spins[lock]);
                self.tries(last.map(Held::Spin));
            }
            Instr::Release => self.held.pop().into_iter().for_each(release),
            _ => return false,
        }
        true
    }

    fn changes_the_cpu(&mut self, instr: Instr) -> bool {
        match instr {
            Instr::IrqOff => local_irq_disable(),
            Instr::IrqOn => local_irq_enable(),
            Instr::BhOff => local_bh_disable(),
            Instr::BhOn => local_bh_enable(),
            Instr::SaveIrqs => self.saved.push(local_irq_save()),
            Instr::RestoreIrqs => {
                if let Some(flags) = self.saved.pop() {
                    local_irq_restore(flags);
                }
            }
            Instr::PreemptOff => preempt_disable(),
            Instr::PreemptOn => preempt_enable(),
            Instr::InInterrupt => self.log.push(u64::from(in_interrupt())),
            _ => return false,
        }
        true
    }

    fn performs(&mut self, world: &World, instr: Instr) {
        let World { seq, seqlock, word, hard, soft, kref, .. } = world;
        match instr {
            Instr::SeqRead => self.log.push(seq.read(|| word.load())),
            Instr::SeqTry => {
                let section = seq.read_seqcount_begin();
                let value = word.load();
                self.log.extend([value, u64::from(seq.read_seqcount_retry(section))]);
            }
            Instr::LockedRead => self.log.push(seqlock.read(|| word.load())),
            Instr::LockedTry => {
                let section = seqlock.read_seqbegin();
                let value = word.load();
                self.log.extend([value, u64::from(seqlock.read_seqretry(section))]);
            }
            Instr::Raise(HARD) => hard.raise(),
            Instr::Raise(_) => soft.tasklet_schedule(),
            Instr::Mask(HARD) => hard.irq().disable_irq_nosync(),
            Instr::Mask(_) => soft.tasklet_disable_nosync(),
            Instr::Unmask(HARD) => hard.irq().enable_irq(),
            Instr::Unmask(_) => soft.tasklet_enable(),
            Instr::Disable(HARD) => hard.irq().disable_irq(),
            Instr::Disable(_) => soft.tasklet_disable(),
            Instr::Synchronize(_) => hard.irq().synchronize_irq(),
            Instr::Kill => soft.tasklet_kill(),
            Instr::CancelTimer => {
                if let Line::Timer(timer) = hard {
                    self.log.push(u64::from(timer.del_timer_sync()));
                }
            }
            Instr::Free => hard.irq().free_irq(),
            Instr::Request => self.log.push(u64::from(hard.irq().request())),
            Instr::Get => kref.get(),
            Instr::MightSleep => might_sleep("vfree"),
            Instr::Count => self.log.push(Atomic::fetch_add(word, 1)),
            Instr::Subtract => self.log.push(Atomic::fetch_sub(word, 2)),
            Instr::SetBit => self.log.push(Atomic::fetch_or(word, 4)),
            Instr::ClearBit => self.log.push(Atomic::fetch_and(word, !1)),
            other => unreachable!("{other:?} is done elsewhere"),
        }
    }
}

fn spin(lock: &SpinLock, keeps: Keeps) -> SpinGuard<'_, ()> {
    match keeps {
        Keeps::Nothing => lock.spin_lock(),
        Keeps::Bh => lock.spin_lock_bh(),
        Keeps::Irq => lock.spin_lock_irq(),
        Keeps::Save => SpinLock::spin_lock_irqsave(lock),
    }
}

fn try_spin(lock: &SpinLock, keeps: Keeps) -> Option<SpinGuard<'_, ()>> {
    match keeps {
        Keeps::Nothing => lock.spin_trylock(),
        Keeps::Bh => lock.spin_trylock_bh(),
        Keeps::Irq => lock.spin_trylock_irq(),
        Keeps::Save => SpinLock::spin_trylock_irqsave(lock),
    }
}

fn read(lock: &RwLock, keeps: Keeps) -> ReadLockGuard<'_, ()> {
    match keeps {
        Keeps::Nothing => RwLock::read_lock(lock),
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

fn write_seqlock(lock: &SeqLock, keeps: Keeps) -> SeqLockWriter<'_> {
    match keeps {
        Keeps::Nothing => lock.write_seqlock(),
        Keeps::Bh => lock.write_seqlock_bh(),
        Keeps::Irq => lock.write_seqlock_irq(),
        Keeps::Save => lock.write_seqlock_irqsave(),
    }
}

//! A program's world on selvedge's primitives, and the execution of its threads in it.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, Weak};

use selvedge_core::sync::{
    Atomic, Choice, Completion, Condvar, Kref, ModuleRef, Mutex, MutexGuard, PerCpu, Rcu, RcuHead,
    RcuReader, ReadGuard, RwSem, Semaphore, SpinGuard, SpinLock, Srcu, SrcuReader, Timer, Tracked,
    UnfairRwSem, WaitQueue, Work, Workqueue, WriteGuard,
};
use selvedge_core::thread::{JoinHandle, spawn};
use selvedge_core::{forever, in_world, poll};

use super::operate::operate;
use super::program::{
    ATOMICS, CHILDREN, COMPLETIONS, CONDVARS, Final, Instr, KREFS, MODULES, MUTEXES, Program,
    QUEUES, SEMS, SLOTS, SPINS, SRCUS, Step, TIMERS, TRACKED, UNFAIR, WORKQUEUE, WORKS, last_entry,
};

/// Objects that may live in memory that can be freed.
pub(super) struct Objects {
    pub(super) mutexes: Vec<Mutex<u64>>,
    pub(super) spins: Vec<SpinLock<u64>>,
    pub(super) sems: Vec<RwSem<u64>>,
    pub(super) unfair: Vec<UnfairRwSem<u64>>,
    pub(super) atomics: Vec<Atomic>,
    pub(super) queues: Vec<WaitQueue>,
    pub(super) completions: Vec<Completion>,
    pub(super) condvars: Vec<Condvar>,
    pub(super) slots: Vec<Semaphore>,
}

impl Objects {
    fn new(program: &Program) -> Self {
        Self {
            mutexes: all(&MUTEXES, program.mutexes, |name| Mutex::new(name, 0)),
            spins: all(&SPINS, program.spins, |name| SpinLock::new(name, 0)),
            sems: all(&SEMS, program.sems, |name| RwSem::new(name, 0)),
            unfair: all(&UNFAIR, program.unfair, |name| UnfairRwSem::new(name, 0)),
            atomics: all(&ATOMICS, program.atomics, |name| Atomic::new(name, 0)),
            queues: all(&QUEUES, program.queues, WaitQueue::new),
            completions: all(&COMPLETIONS, program.completions, Completion::new),
            condvars: all(&CONDVARS, program.condvars, Condvar::new),
            slots: (SLOTS.iter().zip(&program.slots))
                .map(|(name, count)| Semaphore::new(name, *count))
                .collect(),
        }
    }

    /// Creates the objects, and the allocations; the former may live in the latter.
    fn allocate(program: &Program) -> (Self, Vec<Tracked>) {
        if !program.in_memory {
            let tracked = all(&TRACKED, program.tracked, |name| Tracked::new(name, ()));
            return (Self::new(program), tracked);
        }
        let mut objects = None;
        let memory = Tracked::with(TRACKED[0], || objects = Some(Self::new(program)));
        (objects.expect("just made"), vec![memory])
    }
}

fn all<T>(names: &[&'static str], count: usize, new: impl Fn(&'static str) -> T) -> Vec<T> {
    names[..count].iter().map(|name| new(name)).collect()
}

pub(super) struct World {
    objects: Objects,
    pub(super) krefs: Vec<Kref>,
    pub(super) tracked: Vec<Tracked>,
    pub(super) modules: Vec<ModuleRef>,
    pub(super) srcus: Vec<Srcu>,
    pub(super) rcu: Rcu,
    pub(super) cpus: PerCpu<u64>,
    pub(super) choice: Choice,
    pub(super) timers: Vec<Timer>,
    pub(super) workqueue: Option<Workqueue>,
    pub(super) works: Vec<Work>,
    pub(super) program: Program,
    /// The logs of the threads that have ended. No thread reads them while threads run.
    logs: StdMutex<Vec<Vec<u64>>>,
    /// Whether the objects are freed. It is read when all the threads have ended.
    pub(super) gone: AtomicBool,
}

impl Deref for World {
    type Target = Objects;

    fn deref(&self) -> &Objects {
        &self.objects
    }
}

pub(super) fn world(program: Program) -> Arc<World> {
    // Functions keep a weak reference to the world, of which they are a part.
    fn function(world: &Weak<World>, me: usize) -> impl Fn() + Send + Sync + use<> {
        let world = Weak::clone(world);
        move || run(&world.upgrade().expect("the world lasts as long as its threads"), me)
    }
    fn timer(world: &Weak<World>, name: &'static str, me: usize) -> Timer {
        let function = function(world, me);
        Timer::new(name, move |_| function())
    }
    fn work(world: &Weak<World>, queue: Option<&Workqueue>, name: &'static str, me: usize) -> Work {
        let function = function(world, me);
        match queue {
            Some(queue) => queue.init_work(name, move |_| function()),
            None => Work::new(name, move |_| function()),
        }
    }
    let (objects, tracked) = Objects::allocate(&program);
    let workqueue = program.max_active.map(|most| match most {
        1 => Workqueue::ordered(WORKQUEUE),
        most => Workqueue::new(WORKQUEUE, most),
    });
    Arc::new_cyclic(|world| World {
        objects,
        tracked,
        krefs: all(&KREFS, program.krefs, Kref::new),
        modules: all(&MODULES, program.modules, ModuleRef::new),
        srcus: all(&SRCUS, program.srcus, Srcu::new),
        rcu: Rcu::new(),
        cpus: PerCpu::new("cpu", [0, 1]),
        choice: Choice::new("choice"),
        timers: TIMERS.iter().zip(&program.timers).map(|(t, me)| timer(world, t, *me)).collect(),
        works: (WORKS.iter().zip(&program.works))
            .map(|(w, me)| work(world, workqueue.as_ref(), w, *me))
            .collect(),
        workqueue,
        logs: StdMutex::new(vec![Vec::new(); program.threads.len()]),
        gone: AtomicBool::new(false),
        program,
    })
}

/// Returns the visible state at the end, without objects in freed memory.
pub(super) fn last(world: &World) -> Final {
    fn values<T>(world: &World, all: &[T], value: impl Fn(&T) -> u64) -> Vec<u64> {
        let gone = world.gone.load(Ordering::Relaxed);
        all.iter().filter(|_| !gone).map(value).collect()
    }
    let mut logs = world.logs.lock().unwrap().clone();
    logs[..world.program.identical].sort();
    Final {
        logs,
        mutexes: values(world, &world.mutexes, |mutex| *mutex.lock()),
        spins: values(world, &world.spins, |lock| *lock.spin_lock_irqsave()),
        sems: values(world, &world.sems, |sem| *sem.down_read()),
        unfair: values(world, &world.unfair, |sem| *sem.down_read()),
        atomics: values(world, &world.atomics, Atomic::load),
    }
}

enum Held<'w> {
    Mutex(usize, MutexGuard<'w, u64>),
    Raw(usize, &'w Mutex<u64>),
    RawRead(usize, &'w RwSem<u64>),
    RawWrite(usize, &'w RwSem<u64>),
    Spin(SpinGuard<'w, u64>),
    Read(usize, ReadGuard<'w, u64>),
    Write(usize, WriteGuard<'w, u64>),
    UnfairRead(ReadGuard<'w, u64>),
    UnfairWrite(WriteGuard<'w, u64>),
    Srcu(SrcuReader<'w>),
    Rcu(RcuReader<'w>),
}

impl Held<'_> {
    fn release(self) {
        match self {
            Self::Mutex(_, guard) => guard.unlock(),
            Self::Raw(_, mutex) => mutex.raw_unlock(),
            Self::RawRead(_, sem) => sem.raw_up_read(),
            Self::RawWrite(_, sem) => sem.raw_up_write(),
            Self::Spin(guard) => guard.unlock(),
            Self::Read(_, guard) | Self::UnfairRead(guard) => guard.up_read(),
            Self::Write(_, guard) | Self::UnfairWrite(guard) => guard.up_write(),
            Self::Srcu(section) => section.unlock(),
            Self::Rcu(section) => section.unlock(),
        }
    }

    fn value(&self) -> Option<u64> {
        match self {
            Self::Mutex(_, guard) => Some(**guard),
            Self::Spin(guard) => Some(**guard),
            Self::Read(_, guard) | Self::UnfairRead(guard) => Some(**guard),
            Self::Write(_, guard) | Self::UnfairWrite(guard) => Some(**guard),
            _ => None,
        }
    }

    fn add(&mut self, more: u64) {
        match self {
            Self::Mutex(_, guard) => **guard += more,
            Self::Spin(guard) => **guard += more,
            Self::Write(_, guard) | Self::UnfairWrite(guard) => **guard += more,
            _ => {}
        }
    }
}

/// The locks and the log of a thread.
#[derive(Default)]
struct Mine<'w> {
    log: Vec<u64>,
    held: Vec<Held<'w>>,
    children: Vec<(usize, JoinHandle<()>)>,
}

/// Runs thread `me` from its beginning to its end.
pub(super) fn run(world: &Arc<World>, me: usize) {
    let mut mine = Mine::default();
    let steps = &world.program.threads[me];
    let first = steps.iter().position(|step| step.instr == Instr::Forever);
    perform(world, &steps[..first.unwrap_or(steps.len())], &mut mine);
    if let Some(first) = first {
        forever(|| {
            let mut round = Mine { log: mine.log.clone(), ..Mine::default() };
            perform(world, &steps[first + 1..], &mut round);
            round.release_all();
        });
    }
    mine.release_all();
    if !world.program.is_function(me) {
        let mut logs = world.logs.lock().unwrap();
        // A thread that is declared to do the same as others does not know which one it is.
        let same = logs[..world.program.identical].iter().position(Vec::is_empty);
        let at = if me < world.program.identical { same.expect("one for each") } else { me };
        logs[at] = mine.log;
    }
}

fn perform<'w>(world: &'w Arc<World>, steps: &[Step], mine: &mut Mine<'w>) {
    for step in steps {
        if step.when.holds(&mine.log) {
            mine.perform(world, step.instr);
        }
    }
}

impl<'w> Mine<'w> {
    fn release_all(&mut self) {
        while let Some(last) = self.held.pop() {
            last.release();
        }
    }

    fn perform(&mut self, world: &'w Arc<World>, instr: Instr) {
        let shared = || Arc::clone(world);
        match instr {
            Instr::Spawn(child) => {
                let (world, name) = (shared(), CHILDREN[child - world.program.started]);
                self.children.push((child, spawn(name, move || run(&world, child))));
            }
            Instr::Join(child) => {
                if let Some(started) = self.children.iter().position(|(n, _)| *n == child) {
                    self.children.remove(started).1.join();
                }
            }
            Instr::CallRcu(child) => {
                let function = in_world(move |world: &Arc<World>| run(world, child));
                Rcu::call(&world.rcu, &RcuHead::new(function));
            }
            Instr::Poll(a) => {
                poll(ATOMICS[a], || (world.atomics[a].load() != 0).then_some(()));
            }
            Instr::Release(_) => self.release(instr),
            Instr::RawUnlock(_) | Instr::RawUpRead(_) | Instr::RawUpWrite(_) => {
                self.release_raw(world, instr);
            }
            Instr::Look => self.log.extend(self.held.last().and_then(Held::value)),
            Instr::Add(more) => self.held.last_mut().into_iter().for_each(|last| last.add(more)),
            instr if instr.frames() => {}
            instr if instr.unlocks_mutex() => self.sleep_without_mutex(world, instr),
            instr => {
                let taken = take(world, instr);
                let nothing = matches!(taken, Took::Nothing);
                match taken {
                    Took::Tried(got) => {
                        self.log.push(u64::from(got.is_some()));
                        self.held.extend(got);
                    }
                    Took::Got(held) => self.held.push(held),
                    Took::Nothing => {}
                }
                if nothing {
                    self.log.extend(operate(world, instr, last_entry(&self.log)));
                }
            }
        }
    }

    /// Waits with the mutex taken last, if the lock taken last was a mutex.
    fn sleep_without_mutex(&mut self, world: &'w Arc<World>, instr: Instr) {
        if !matches!(self.held.last(), Some(Held::Mutex(..))) {
            return;
        }
        let Some(Held::Mutex(m, guard)) = self.held.pop() else { return };
        let guard = match instr {
            Instr::WaitCmd(q) => {
                world.queues[q].wait_event_cmd(&world.mutexes[m], guard, |value| *value != 0)
            }
            Instr::CondvarWait(v) => world.condvars[v].wait(guard),
            Instr::CondvarWaitWhile(v) => world.condvars[v].wait_while(guard, |value| *value == 0),
            Instr::CondvarWaitTimeout(v) => {
                let (guard, timed_out) = world.condvars[v].wait_timeout(guard);
                self.log.push(u64::from(timed_out));
                guard
            }
            other => unreachable!("{other:?} gives no mutex back"),
        };
        self.held.push(Held::Mutex(m, guard));
    }

    fn release(&mut self, instr: Instr) {
        let Instr::Release(n) = instr else { unreachable!("{instr:?} releases nothing") };
        if self.held.is_empty() {
            return;
        }
        let mut place = n % self.held.len();
        if let Held::Rcu(_) = self.held[place] {
            // The section that it ends is not identified: the innermost.
            let innermost = self.held.iter().rposition(|h| matches!(h, Held::Rcu(_)));
            place = innermost.expect("this one at least");
        }
        self.held.remove(place).release();
    }

    /// Releases a lock without a guard, unless there is one.
    fn release_raw(&mut self, world: &World, instr: Instr) {
        let guard = |held: &Held<'_>| match (instr, held) {
            (Instr::RawUnlock(m), Held::Mutex(n, _)) => *n == m,
            (Instr::RawUpRead(s), Held::Read(n, _)) | (Instr::RawUpWrite(s), Held::Write(n, _)) => {
                *n == s
            }
            _ => false,
        };
        let raw = |held: &Held<'_>| match (instr, held) {
            (Instr::RawUnlock(m), Held::Raw(n, _)) => *n == m,
            (Instr::RawUpRead(s), Held::RawRead(n, _)) => *n == s,
            (Instr::RawUpWrite(s), Held::RawWrite(n, _)) => *n == s,
            _ => false,
        };
        if self.held.iter().any(guard) {
            return;
        }
        if let Some(place) = self.held.iter().position(raw) {
            self.held.remove(place);
        }
        match instr {
            Instr::RawUnlock(m) => Mutex::raw_unlock(&world.mutexes[m]),
            Instr::RawUpRead(s) => world.sems[s].raw_up_read(),
            Instr::RawUpWrite(s) => world.sems[s].raw_up_write(),
            other => unreachable!("{other:?} releases nothing"),
        }
    }
}

enum Took<'w> {
    Got(Held<'w>),
    Tried(Option<Held<'w>>),
    Nothing,
}

fn take(world: &World, instr: Instr) -> Took<'_> {
    use Took::{Got, Nothing, Tried};
    match instr {
        Instr::Lock(m) => Got(Held::Mutex(m, Mutex::lock(&world.mutexes[m]))),
        Instr::LockNested(m) => Got(Held::Mutex(m, world.mutexes[m].mutex_lock_nested(1))),
        Instr::LockNestLock(m, outer) => {
            Got(Held::Mutex(m, world.mutexes[m].mutex_lock_nest_lock(&world.mutexes[outer])))
        }
        Instr::RawLock(m) => {
            Mutex::raw_lock(&world.mutexes[m]);
            Got(Held::Raw(m, &world.mutexes[m]))
        }
        Instr::LockInterruptible(m) => {
            Tried(world.mutexes[m].lock_interruptible().ok().map(|guard| Held::Mutex(m, guard)))
        }
        Instr::TryLock(m) => {
            Tried(Mutex::try_lock(&world.mutexes[m]).map(|guard| Held::Mutex(m, guard)))
        }
        Instr::RawTryLock(m) => {
            let mutex = &world.mutexes[m];
            Tried(Mutex::raw_try_lock(mutex).then_some(Held::Raw(m, mutex)))
        }
        Instr::KrefPutMutex(k, m) => {
            let held = world.krefs[k].put_mutex(&world.mutexes[m]);
            Tried(held.map(|guard| Held::Mutex(m, guard)))
        }
        // No softirq arrives while one is held, in whatever order they are released: `spinning/`
        // and `callbacks/` are about that.
        Instr::Spin(p) => Got(Held::Spin(world.spins[p].spin_lock_bh())),
        Instr::TrySpin(p) => Tried(world.spins[p].spin_trylock_bh().map(Held::Spin)),
        Instr::UnfairRead(u) => Got(Held::UnfairRead(world.unfair[u].down_read())),
        Instr::UnfairWrite(u) => Got(Held::UnfairWrite(world.unfair[u].down_write())),
        Instr::TryUnfairRead(u) => Tried(world.unfair[u].try_down_read().map(Held::UnfairRead)),
        Instr::TryUnfairWrite(u) => Tried(world.unfair[u].try_down_write().map(Held::UnfairWrite)),
        Instr::SrcuRead(s) => Got(Held::Srcu(Srcu::read_lock(&world.srcus[s]))),
        Instr::RcuRead => Got(Held::Rcu(Rcu::read_lock(&world.rcu))),
        instr => take_sem(world, instr).unwrap_or(Nothing),
    }
}

/// Takes a semaphore, if it is such an instruction.
fn take_sem(world: &World, instr: Instr) -> Option<Took<'_>> {
    use Took::{Got, Tried};
    let of = |s: usize| &world.sems[s];
    Some(match instr {
        Instr::DownRead(s) => Got(Held::Read(s, RwSem::down_read(of(s)))),
        Instr::DownWrite(s) => Got(Held::Write(s, RwSem::down_write(of(s)))),
        Instr::TryDownRead(s) => Tried(of(s).try_down_read().map(|side| Held::Read(s, side))),
        Instr::TryDownWrite(s) => Tried(of(s).try_down_write().map(|side| Held::Write(s, side))),
        Instr::RawDownRead(s) => {
            of(s).raw_down_read();
            Got(Held::RawRead(s, of(s)))
        }
        Instr::RawDownWrite(s) => {
            of(s).raw_down_write();
            Got(Held::RawWrite(s, of(s)))
        }
        Instr::RawTryDownRead(s) => {
            Tried(of(s).raw_try_down_read().then_some(Held::RawRead(s, of(s))))
        }
        Instr::RawTryDownWrite(s) => {
            Tried(of(s).raw_try_down_write().then_some(Held::RawWrite(s, of(s))))
        }
        _ => return None,
    })
}

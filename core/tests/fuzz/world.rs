//! A program's world on selvedge's primitives, and the execution of its threads in it.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, Weak};

use selvedge_core::sync::{
    Atomic, Choice, Completion, Condvar, Kref, ModuleRef, Mutex, MutexGuard, PerCpu, Rcu,
    RcuReader, ReadGuard, RwSem, Semaphore, SpinGuard, SpinLock, Srcu, SrcuReader, Timer, Tracked,
    UnfairRwSem, WaitQueue, Work, Workqueue, WriteGuard,
};
use selvedge_core::thread::{JoinHandle, spawn};
use selvedge_core::{forever, might_sleep, poll};

use super::program::{
    ATOMICS, CHILDREN, COMPLETIONS, CONDVARS, Final, Instr, KREFS, MODULES, MUTEXES, Program,
    QUEUES, SEMS, SLOTS, SPINS, SRCUS, Step, TIMERS, TRACKED, UNFAIR, WORKQUEUE, WORKS, last_entry,
};

/// Objects that may live in memory that can be freed.
pub(super) struct Objects {
    mutexes: Vec<Mutex<u64>>,
    spins: Vec<SpinLock<u64>>,
    sems: Vec<RwSem<u64>>,
    unfair: Vec<UnfairRwSem<u64>>,
    atomics: Vec<Atomic>,
    queues: Vec<WaitQueue>,
    completions: Vec<Completion>,
    condvars: Vec<Condvar>,
    slots: Vec<Semaphore>,
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
    krefs: Vec<Kref>,
    tracked: Vec<Tracked>,
    modules: Vec<ModuleRef>,
    srcus: Vec<Srcu>,
    rcu: Rcu,
    cpus: PerCpu<u64>,
    choice: Choice,
    timers: Vec<Timer>,
    workqueue: Option<Workqueue>,
    works: Vec<Work>,
    program: Program,
    /// The logs of the threads that have ended. No thread reads them while threads run.
    logs: StdMutex<Vec<Vec<u64>>>,
    /// Whether the objects are freed. It is read when all the threads have ended.
    gone: AtomicBool,
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
        spins: values(world, &world.spins, |lock| *lock.lock()),
        sems: values(world, &world.sems, |sem| *sem.down_read()),
        unfair: values(world, &world.unfair, |sem| *sem.down_read()),
        atomics: values(world, &world.atomics, Atomic::load),
    }
}

enum Held<'w> {
    Mutex(usize, MutexGuard<'w, u64>),
    Raw(usize, &'w Mutex<u64>),
    Spin(SpinGuard<'w, u64>),
    Read(ReadGuard<'w, u64>),
    Write(WriteGuard<'w, u64>),
    Srcu(SrcuReader<'w>),
    Rcu(RcuReader<'w>),
}

impl Held<'_> {
    fn release(self) {
        match self {
            Self::Mutex(_, guard) => guard.unlock(),
            Self::Raw(_, mutex) => mutex.raw_unlock(),
            Self::Spin(guard) => guard.unlock(),
            Self::Read(guard) => guard.up_read(),
            Self::Write(guard) => guard.up_write(),
            Self::Srcu(section) => section.unlock(),
            Self::Rcu(section) => section.unlock(),
        }
    }

    fn value(&self) -> Option<u64> {
        match self {
            Self::Mutex(_, guard) => Some(**guard),
            Self::Spin(guard) => Some(**guard),
            Self::Read(guard) => Some(**guard),
            Self::Write(guard) => Some(**guard),
            Self::Raw(..) | Self::Srcu(_) | Self::Rcu(_) => None,
        }
    }

    fn add(&mut self, more: u64) {
        match self {
            Self::Mutex(_, guard) => **guard += more,
            Self::Spin(guard) => **guard += more,
            Self::Write(guard) => **guard += more,
            Self::Raw(..) | Self::Read(_) | Self::Srcu(_) | Self::Rcu(_) => {}
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
                let shared = shared();
                world.rcu.call(move || run(&shared, child));
            }
            Instr::Poll(a) => {
                poll(ATOMICS[a], || (world.atomics[a].load() != 0).then_some(()));
            }
            Instr::Release(_) | Instr::RawUnlock(_) => self.release(world, instr),
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

    fn release(&mut self, world: &World, instr: Instr) {
        match instr {
            Instr::Release(_) if self.held.is_empty() => {}
            Instr::Release(n) => {
                let mut place = n % self.held.len();
                if let Held::Rcu(_) = self.held[place] {
                    // The section that it ends is not identified: the innermost.
                    let innermost = self.held.iter().rposition(|h| matches!(h, Held::Rcu(_)));
                    place = innermost.expect("this one at least");
                }
                self.held.remove(place).release();
            }
            Instr::RawUnlock(m) => {
                let guard = |held: &Held<'_>| matches!(held, Held::Mutex(n, _) if *n == m);
                let raw = |held: &Held<'_>| matches!(held, Held::Raw(n, _) if *n == m);
                if !self.held.iter().any(guard) {
                    if let Some(place) = self.held.iter().position(raw) {
                        self.held.remove(place);
                    }
                    world.mutexes[m].raw_unlock();
                }
            }
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
        Instr::Lock(m) => Got(Held::Mutex(m, world.mutexes[m].lock())),
        Instr::RawLock(m) => {
            world.mutexes[m].raw_lock();
            Got(Held::Raw(m, &world.mutexes[m]))
        }
        Instr::LockInterruptible(m) => {
            Tried(world.mutexes[m].lock_interruptible().ok().map(|guard| Held::Mutex(m, guard)))
        }
        Instr::TryLock(m) => Tried(world.mutexes[m].try_lock().map(|guard| Held::Mutex(m, guard))),
        Instr::KrefPutMutex(k, m) => {
            let held = world.krefs[k].put_mutex(&world.mutexes[m]);
            Tried(held.map(|guard| Held::Mutex(m, guard)))
        }
        // No softirq arrives while one is held, in whatever order they are released: `spinning/`
        // and `callbacks/` are about that.
        Instr::Spin(p) => Got(Held::Spin(world.spins[p].spin_lock_bh())),
        Instr::TrySpin(p) => Tried(world.spins[p].spin_trylock_bh().map(Held::Spin)),
        Instr::DownRead(s) => Got(Held::Read(world.sems[s].down_read())),
        Instr::DownWrite(s) => Got(Held::Write(world.sems[s].down_write())),
        Instr::TryDownRead(s) => Tried(world.sems[s].try_down_read().map(Held::Read)),
        Instr::TryDownWrite(s) => Tried(world.sems[s].try_down_write().map(Held::Write)),
        Instr::UnfairRead(u) => Got(Held::Read(world.unfair[u].down_read())),
        Instr::UnfairWrite(u) => Got(Held::Write(world.unfair[u].down_write())),
        Instr::TryUnfairRead(u) => Tried(world.unfair[u].try_down_read().map(Held::Read)),
        Instr::TryUnfairWrite(u) => Tried(world.unfair[u].try_down_write().map(Held::Write)),
        Instr::SrcuRead(s) => Got(Held::Srcu(world.srcus[s].read_lock())),
        Instr::RcuRead => Got(Held::Rcu(world.rcu.read_lock())),
        _ => Nothing,
    }
}

/// Performs an instruction that takes no lock. Returns the entry for the log.
fn operate(world: &World, instr: Instr, before: u64) -> Option<u64> {
    if let Some(last_entry) = wait(world, instr) {
        return last_entry;
    }
    match instr {
        Instr::MightSleep => might_sleep("vfree"),
        Instr::Load(a) => return Some(world.atomics[a].load()),
        Instr::FetchAdd(a, more) => return Some(world.atomics[a].fetch_add(more)),
        Instr::CompareExchange(a, current, new) => {
            let found = world.atomics[a].compare_exchange(current, new);
            return Some(found.unwrap_or_else(|found| found));
        }
        Instr::Store(a, value) => world.atomics[a].store(value),
        Instr::StoreLast(a) => world.atomics[a].store(before + 1),
        Instr::KrefGet(k) => world.krefs[k].get(),
        Instr::KrefGetUnlessZero(k) => return Some(u64::from(world.krefs[k].get_unless_zero())),
        Instr::KrefPut(k) => return Some(u64::from(world.krefs[k].put())),
        Instr::Use(x) => _ = world.tracked[x].get(),
        Instr::Free(x) => {
            world.tracked[x].release();
            world.gone.store(world.program.in_memory, Ordering::Relaxed);
        }
        Instr::ModuleGet(m) => return Some(u64::from(world.modules[m].try_get())),
        Instr::ModulePut(m) => world.modules[m].put(),
        Instr::ModuleDelete(m) => return Some(u64::from(world.modules[m].delete().is_ok())),
        Instr::ModuleFree(m) => world.modules[m].free(),
        Instr::ModuleCall(m) => world.modules[m].call(),
        Instr::SrcuSync(s) => world.srcus[s].synchronize(),
        Instr::RcuSync => world.rcu.synchronize(),
        Instr::RcuBarrier => world.rcu.barrier(),
        Instr::ModTimer(t) => world.timers[t].mod_timer(),
        Instr::DelTimer(t) => return Some(u64::from(world.timers[t].del_timer())),
        Instr::DelTimerSync(t) => return Some(u64::from(world.timers[t].del_timer_sync())),
        Instr::QueueWork(w) => return Some(u64::from(world.works[w].queue_work())),
        Instr::FlushWork(w) => world.works[w].flush_work(),
        Instr::CancelWork(w) => return Some(u64::from(world.works[w].cancel_work_sync())),
        Instr::FlushWorkqueue => world.workqueue().flush_workqueue(),
        Instr::DrainWorkqueue => world.workqueue().drain_workqueue(),
        Instr::DestroyWorkqueue => world.workqueue().destroy_workqueue(),
        Instr::ThisCpu => return Some(*world.cpus.this_cpu()),
        Instr::Choose(among) => return Some(u64::from(world.choice.choose(among))),
        other => unreachable!("{other:?} is done elsewhere"),
    }
    None
}

impl World {
    fn workqueue(&self) -> &Workqueue {
        self.workqueue.as_ref().expect("what is done with it is done where there is one")
    }
}

/// Waits, or wakes. Returns the entry for the log, if it is such an instruction.
fn wait(world: &World, instr: Instr) -> Option<Option<u64>> {
    let not_zero = |a: usize| move || world.atomics[a].load() != 0;
    let last_entry = |last_entry: bool| Some(Some(u64::from(last_entry)));
    match instr {
        Instr::WaitForAtomic(q, a) => world.queues[q].wait_event(not_zero(a)),
        Instr::WaitForData(q, m) => world.queues[q].wait_event(|| *world.mutexes[m].lock() != 0),
        Instr::WaitExclusive(q, a) => world.queues[q].wait_event_exclusive(not_zero(a)),
        Instr::WaitTimeout(q, a) => {
            return last_entry(world.queues[q].wait_event_timeout(not_zero(a)));
        }
        Instr::WaitInterruptible(q, a) => {
            return last_entry(world.queues[q].wait_event_interruptible(not_zero(a)).is_ok());
        }
        Instr::WaitKillable(q, a) => {
            return last_entry(world.queues[q].wait_event_killable(not_zero(a)).is_ok());
        }
        Instr::Prepare(q) => world.queues[q].prepare_to_wait(),
        Instr::PrepareExclusive(q) => world.queues[q].prepare_to_wait_exclusive(),
        Instr::Schedule(q) => world.queues[q].schedule(),
        Instr::Finish(q) => world.queues[q].finish_wait(),
        Instr::WakeUp(q) => world.queues[q].wake_up(),
        Instr::WakeUpNr(q, nr) => world.queues[q].wake_up_nr(nr),
        Instr::WakeUpAll(q) => world.queues[q].wake_up_all(),
        Instr::Active(q) => return last_entry(world.queues[q].waitqueue_active()),
        Instr::Complete(c) => world.completions[c].complete(),
        Instr::CompleteAll(c) => world.completions[c].complete_all(),
        Instr::Reinit(c) => world.completions[c].reinit_completion(),
        Instr::CompletionDone(c) => return last_entry(world.completions[c].completion_done()),
        Instr::WaitForCompletion(c) => world.completions[c].wait_for_completion(),
        Instr::TryWaitForCompletion(c) => {
            return last_entry(world.completions[c].try_wait_for_completion());
        }
        Instr::WaitForCompletionTimeout(c) => {
            return last_entry(world.completions[c].wait_for_completion_timeout());
        }
        Instr::WaitForCompletionInterruptible(c) => {
            return last_entry(world.completions[c].wait_for_completion_interruptible().is_ok());
        }
        Instr::Down(n) => world.slots[n].down(),
        Instr::DownInterruptible(n) => {
            return last_entry(world.slots[n].down_interruptible().is_ok());
        }
        Instr::DownTimeout(n) => return last_entry(world.slots[n].down_timeout()),
        Instr::DownTrylock(n) => return last_entry(world.slots[n].down_trylock()),
        Instr::Up(n) => world.slots[n].up(),
        Instr::NotifyOne(v) => world.condvars[v].notify_one(),
        Instr::NotifyAll(v) => world.condvars[v].notify_all(),
        _ => return None,
    }
    Some(None)
}

//! Runs a program on selvedge's primitives, under the native engine and under shuttle.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex as StdMutex, Weak};

use selvedge_core::sync::{
    Atomic, Completion, Kref, ModuleRef, Mutex, MutexGuard, PerCpu, Rcu, RcuReader, ReadGuard,
    RwSem, SpinGuard, SpinLock, Srcu, SrcuReader, Timer, Tracked, UnfairRwSem, WaitQueue, Work,
    WriteGuard,
};
use selvedge_core::thread::{JoinHandle, spawn};
use selvedge_core::{
    Fingerprint, Checkpoint, Counterexample, Engine, Limits, Progress, Report, Scenario, Search,
    Shard, Verdict, ViolationKind, forever, might_sleep, poll,
};

use super::program::{
    ATOMICS, CHILDREN, COMPLETIONS, Final, Instr, KREFS, MODULES, MUTEXES, Outcome, Program,
    QUEUES, SEMS, SPINS, SRCUS, Step, TIMERS, TRACKED, UNFAIR, WORKS, learnt,
};

/// How the native engine searches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) search: Search,
    /// Executions at most.
    pub(crate) executions: u64,
    pub(crate) jobs: usize,
    /// Whether it is stopped, put aside and gone on with.
    pub(crate) stopped: bool,
}

/// How many operations an ordering may have: a longer one has no end. No fewer than the engine runs to
/// see whether a program does the same twice.
const OPERATIONS_MAX: usize = 1_100;

/// What one share of the orderings shows.
pub(crate) fn explore_share(program: &Program, executions: u64, shard: Shard) -> Found {
    let mut limits = Limits::default();
    (limits.search, limits.shard) = (Search::Dpor, shard);
    (limits.native_executions, limits.native_operations) = (executions, OPERATIONS_MAX);
    explore_on(program, Engine::Native, &limits)
}

/// What the native engine finds, and what it has counted. Every counterexample is replayed.
pub(crate) fn explore(program: &Program, how: How) -> Found {
    let mut limits = Limits::default();
    (limits.search, limits.native_executions) = (how.search, how.executions);
    (limits.jobs, limits.states_per_thread) = (NonZero::new(how.jobs).unwrap(), 16);
    limits.native_memory = 1 << 28;
    if matches!(how.search, Search::Dpor | Search::SleepSets) {
        limits.native_operations = OPERATIONS_MAX;
    }
    find(program, |scenario| match how.stopped {
        false => scenario.verify_with(Engine::Native, &limits, &mut |_| ControlFlow::Continue(())),
        true => in_pieces(scenario, &limits),
    })
}

/// What shuttle finds, which stops at the first deadlock.
pub(crate) fn explore_on_shuttle(program: &Program, executions: u64) -> Found {
    let mut limits = Limits::default();
    limits.shuttle_executions = executions;
    explore_on(program, Engine::Shuttle, &limits)
}

/// What loom finds, which stops at the first violation.
pub(crate) fn explore_on_loom(program: &Program, executions: u64) -> Found {
    let mut limits = Limits::default();
    limits.loom_executions = Some(executions);
    explore_on(program, Engine::Loom, &limits)
}

fn explore_on(program: &Program, engine: Engine, limits: &Limits) -> Found {
    find(program, |scenario| {
        scenario.verify_with(engine, limits, &mut |_| ControlFlow::Continue(()))
    })
}

fn find(program: &Program, verify: impl FnOnce(&Scenario) -> Report) -> Found {
    let finals = Arc::new(StdMutex::new(BTreeSet::new()));
    let scenario = scenario(program, &finals);
    let report = verify(&scenario);
    let found = match report.verdict {
        Verdict::Refuted(found) => found,
        _ => Vec::new(),
    };
    let (mut deadlocks, mut violations) = (BTreeSet::new(), BTreeSet::new());
    for found in found {
        if report.engine != Engine::Loom {
            replays(&scenario, &found);
        }
        match found.violation.kind {
            ViolationKind::Deadlock(classes) => _ = deadlocks.insert(classes),
            other => _ = violations.insert(other.to_string()),
        }
    }
    // A replay can run the final check too, so the set is taken only now.
    let finals = std::mem::take(&mut *finals.lock().unwrap());
    Found {
        outcome: Outcome { finals, deadlocks, violations },
        complete: report.complete,
        stopped: report.stopped,
        executions: report.executions,
        fingerprint: report.fingerprint,
    }
}

/// Stops the search again and again, after ever longer pieces, and goes on with what was put aside.
fn in_pieces(scenario: &Scenario, limits: &Limits) -> Report {
    let mut aside: Option<Checkpoint> = None;
    let mut piece = 1;
    loop {
        let from = aside.take();
        let mut heard = 0;
        let mut stop = |progress: Progress<'_>| {
            heard += 1;
            if progress.stopping.is_some() {
                aside = progress.checkpoint();
            }
            match heard == piece {
                true => ControlFlow::Break("enough".to_owned()),
                false => ControlFlow::Continue(()),
            }
        };
        let report = match from {
            None => scenario.verify_with(Engine::Native, limits, &mut stop),
            Some(from) => {
                let from = Checkpoint::from_bytes(&from.to_bytes()).expect("just written");
                scenario.resume(&from, limits, &mut stop).expect("of this scenario")
            }
        };
        if report.stopped.as_deref() != Some("enough") {
            return report;
        }
        piece *= 2;
    }
}

pub(crate) struct Found {
    pub(crate) outcome: Outcome,
    /// Whether that is all.
    pub(crate) complete: bool,
    /// Why not, if not.
    pub(crate) stopped: Option<String>,
    pub(crate) executions: u64,
    pub(crate) fingerprint: Fingerprint,
}

fn replays(scenario: &Scenario, found: &Counterexample) {
    let again = scenario.replay(&found.schedule);
    let again = again.unwrap_or_else(|e| panic!("{}: {e}\n{:#?}", found.schedule, found.trace));
    assert!(again.contains(found), "{}: {again:#?} without {found:#?}", found.schedule);
}

struct World {
    mutexes: Vec<Mutex<u64>>,
    spins: Vec<SpinLock<u64>>,
    sems: Vec<RwSem<u64>>,
    unfair: Vec<UnfairRwSem<u64>>,
    atomics: Vec<Atomic>,
    queues: Vec<WaitQueue>,
    completions: Vec<Completion>,
    krefs: Vec<Kref>,
    tracked: Vec<Tracked>,
    modules: Vec<ModuleRef>,
    srcus: Vec<Srcu>,
    rcu: Rcu,
    cpus: PerCpu<u64>,
    timers: Vec<Timer>,
    works: Vec<Work>,
    program: Program,
    /// What the threads that have ended learnt. Nobody reads it while threads run.
    logs: StdMutex<Vec<Vec<u64>>>,
}

fn world(program: Program) -> Arc<World> {
    fn all<T>(names: &[&'static str], count: usize, new: impl Fn(&'static str) -> T) -> Vec<T> {
        names[..count].iter().map(|name| new(name)).collect()
    }
    // Functions keep a way back to the world, which they are a part of.
    fn function(world: &Weak<World>, me: usize) -> impl Fn() + Send + Sync + use<> {
        let world = Weak::clone(world);
        move || run(&world.upgrade().expect("the world lasts as long as its threads"), me)
    }
    fn timer(world: &Weak<World>, name: &'static str, me: usize) -> Timer {
        let function = function(world, me);
        Timer::new(name, move |_| function())
    }
    fn work(world: &Weak<World>, name: &'static str, me: usize) -> Work {
        let function = function(world, me);
        Work::new(name, move |_| function())
    }
    Arc::new_cyclic(|world| World {
        mutexes: all(&MUTEXES, program.mutexes, |name| Mutex::new(name, 0)),
        spins: all(&SPINS, program.spins, |name| SpinLock::new(name, 0)),
        sems: all(&SEMS, program.sems, |name| RwSem::new(name, 0)),
        unfair: all(&UNFAIR, program.unfair, |name| UnfairRwSem::new(name, 0)),
        atomics: all(&ATOMICS, program.atomics, |name| Atomic::new(name, 0)),
        queues: all(&QUEUES, program.queues, WaitQueue::new),
        completions: all(&COMPLETIONS, program.completions, Completion::new),
        krefs: all(&KREFS, program.krefs, Kref::new),
        tracked: all(&TRACKED, program.tracked, |name| Tracked::new(name, ())),
        modules: all(&MODULES, program.modules, ModuleRef::new),
        srcus: all(&SRCUS, program.srcus, Srcu::new),
        rcu: Rcu::new(),
        cpus: PerCpu::new("cpu", [0, 1]),
        timers: TIMERS.iter().zip(&program.timers).map(|(t, me)| timer(world, t, *me)).collect(),
        works: WORKS.iter().zip(&program.works).map(|(w, me)| work(world, w, *me)).collect(),
        logs: StdMutex::new(vec![Vec::new(); program.threads.len()]),
        program,
    })
}

fn scenario(program: &Program, finals: &Arc<StdMutex<BTreeSet<Final>>>) -> Scenario {
    let text = program.clone();
    let mut builder = Scenario::builder("fuzz", move || world(text.clone()));
    for me in 0..program.started {
        builder = builder.thread(&format!("T{me}"), move |world| run(world, me));
    }
    let finals = Arc::clone(finals);
    let finally = move |world: &Arc<World>| {
        finals.lock().unwrap().insert(Final {
            logs: world.logs.lock().unwrap().clone(),
            mutexes: world.mutexes.iter().map(|mutex| *mutex.lock()).collect(),
            spins: world.spins.iter().map(|lock| *lock.lock()).collect(),
            sems: world.sems.iter().map(|sem| *sem.down_read()).collect(),
            unfair: world.unfair.iter().map(|sem| *sem.down_read()).collect(),
            atomics: world.atomics.iter().map(Atomic::load).collect(),
        });
    };
    builder.finally(finally).expect_proof()
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

/// What a thread has by now.
#[derive(Default)]
struct Mine<'w> {
    log: Vec<u64>,
    held: Vec<Held<'w>>,
    children: Vec<(usize, JoinHandle<()>)>,
}

/// Thread `me` from its beginning to its end.
fn run(world: &Arc<World>, me: usize) {
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
        world.logs.lock().unwrap()[me] = mine.log;
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
                    self.log.extend(operate(world, instr, learnt(&self.log)));
                }
            }
        }
    }

    fn release(&mut self, world: &World, instr: Instr) {
        match instr {
            Instr::Release(_) if self.held.is_empty() => {}
            Instr::Release(n) => {
                let mut place = n % self.held.len();
                if let Held::Rcu(_) = self.held[place] {
                    // Which section it ends nobody says: the innermost.
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
        Instr::Spin(p) => Got(Held::Spin(world.spins[p].lock())),
        Instr::TrySpin(p) => Tried(world.spins[p].try_lock().map(Held::Spin)),
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

/// Does what takes no lock: what is learnt.
fn operate(world: &World, instr: Instr, before: u64) -> Option<u64> {
    match instr {
        Instr::MightSleep => might_sleep("vfree"),
        Instr::Load(a) => return Some(world.atomics[a].load()),
        Instr::FetchAdd(a, more) => return Some(world.atomics[a].fetch_add(more)),
        Instr::CompareExchange(a, current, new) => {
            let found = world.atomics[a].compare_exchange(current, new);
            return Some(found.unwrap_or_else(|found| found));
        }
        Instr::Store(a, value) => world.atomics[a].store(value),
        Instr::StoreLearnt(a) => world.atomics[a].store(before + 1),
        Instr::WaitForAtomic(q, a) => world.queues[q].wait_event(|| world.atomics[a].load() != 0),
        Instr::WaitForData(q, m) => world.queues[q].wait_event(|| *world.mutexes[m].lock() != 0),
        Instr::Prepare(q) => world.queues[q].prepare_to_wait(),
        Instr::Schedule(q) => world.queues[q].schedule(),
        Instr::Finish(q) => world.queues[q].finish_wait(),
        Instr::WakeUp(q) => world.queues[q].wake_up(),
        Instr::WakeUpAll(q) => world.queues[q].wake_up_all(),
        Instr::ModTimer(t) => world.timers[t].mod_timer(),
        Instr::QueueWork(w) => return Some(u64::from(world.works[w].queue_work())),
        Instr::Complete(c) => world.completions[c].complete(),
        Instr::TryWaitForCompletion(c) => {
            return Some(u64::from(world.completions[c].try_wait_for_completion()));
        }
        Instr::CompleteAll(c) => world.completions[c].complete_all(),
        Instr::WaitForCompletion(c) => world.completions[c].wait_for_completion(),
        Instr::KrefGet(k) => world.krefs[k].get(),
        Instr::KrefGetUnlessZero(k) => return Some(u64::from(world.krefs[k].get_unless_zero())),
        Instr::KrefPut(k) => return Some(u64::from(world.krefs[k].put())),
        Instr::Use(x) => _ = world.tracked[x].get(),
        Instr::Free(x) => world.tracked[x].release(),
        Instr::ModuleGet(m) => return Some(u64::from(world.modules[m].try_get())),
        Instr::ModulePut(m) => world.modules[m].put(),
        Instr::ModuleDelete(m) => return Some(u64::from(world.modules[m].delete().is_ok())),
        Instr::ModuleFree(m) => world.modules[m].free(),
        Instr::ModuleCall(m) => world.modules[m].call(),
        Instr::SrcuSync(s) => world.srcus[s].synchronize(),
        Instr::RcuSync => world.rcu.synchronize(),
        Instr::DelTimer(t) => return Some(u64::from(world.timers[t].del_timer())),
        Instr::DelTimerSync(t) => return Some(u64::from(world.timers[t].del_timer_sync())),
        Instr::FlushWork(w) => world.works[w].flush_work(),
        Instr::CancelWork(w) => return Some(u64::from(world.works[w].cancel_work_sync())),
        Instr::ThisCpu => return Some(*world.cpus.this_cpu()),
        other => unreachable!("{other:?} is done elsewhere"),
    }
    None
}

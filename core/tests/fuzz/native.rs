//! Runs a program on selvedge's primitives, under the native engine and under shuttle.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex as StdMutex};

use selvedge_core::sync::{
    Atomic, Mutex, MutexGuard, ReadGuard, RwSem, SpinGuard, SpinLock, WaitQueue, WriteGuard,
};
use selvedge_core::thread::{JoinHandle, spawn};
use selvedge_core::{
    Certificate, Checkpoint, Counterexample, Engine, Limits, Progress, Report, Scenario, Search,
    Verdict, ViolationKind,
};

use super::program::{
    ATOMICS, CHILDREN, Final, Instr, MUTEXES, Outcome, Program, QUEUES, SEMS, learnt,
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

/// What the native engine finds, and what it has counted. Every counterexample is replayed.
pub(crate) fn explore(program: &Program, how: How) -> Found {
    let mut limits = Limits::default();
    (limits.search, limits.native_executions) = (how.search, how.executions);
    (limits.jobs, limits.states_per_thread) = (NonZero::new(how.jobs).unwrap(), 16);
    find(program, |scenario| match how.stopped {
        false => scenario.verify_with(Engine::Native, &limits, &mut |_| ControlFlow::Continue(())),
        true => in_pieces(scenario, &limits),
    })
}

/// What shuttle finds, which stops at the first deadlock.
pub(crate) fn explore_on_shuttle(program: &Program, executions: u64) -> Found {
    let mut limits = Limits::default();
    limits.shuttle_executions = executions;
    find(program, |scenario| {
        scenario.verify_with(Engine::Shuttle, &limits, &mut |_| ControlFlow::Continue(()))
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
    let deadlocks = found.iter().map(|found| deadlock(&scenario, found)).collect();
    // A replay can run the final check too, so the set is taken only now.
    let finals = std::mem::take(&mut *finals.lock().unwrap());
    Found {
        outcome: Outcome { finals, deadlocks },
        complete: report.complete,
        executions: report.executions,
        certificate: report.certificate,
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
    pub(crate) executions: u64,
    pub(crate) certificate: Certificate,
}

fn deadlock(scenario: &Scenario, found: &Counterexample) -> Vec<String> {
    let again = scenario.replay(&found.schedule);
    let again = again.unwrap_or_else(|e| panic!("{}: {e}\n{:#?}", found.schedule, found.trace));
    assert!(again.contains(found), "{}: {again:#?}", found.schedule);
    match &found.violation.kind {
        ViolationKind::Deadlock(classes) => classes.clone(),
        other => panic!("{other} is no deadlock\n{:#?}", found.trace),
    }
}

struct World {
    mutexes: Vec<Mutex<u64>>,
    /// In the place of mutexes, in a program that never sleeps.
    spinlocks: Vec<SpinLock<u64>>,
    sems: Vec<RwSem<u64>>,
    atomics: Vec<Atomic>,
    queues: Vec<WaitQueue>,
    program: Program,
    /// What the threads that have ended learnt. Nobody reads it while threads run.
    logs: StdMutex<Vec<Vec<u64>>>,
}

fn scenario(program: &Program, finals: &Arc<StdMutex<BTreeSet<Final>>>) -> Scenario {
    let text = program.clone();
    let world = move || {
        let program = text.clone();
        let (names, spins) = (&MUTEXES[..text.mutexes], text.spins());
        Arc::new(World {
            mutexes: if spins {
                Vec::new()
            } else {
                names.iter().map(|n| Mutex::new(n, 0)).collect()
            },
            spinlocks: if spins {
                names.iter().map(|n| SpinLock::new(n, 0)).collect()
            } else {
                Vec::new()
            },
            sems: SEMS[..text.sems].iter().map(|name| RwSem::new(name, 0)).collect(),
            atomics: ATOMICS[..text.atomics].iter().map(|name| Atomic::new(name, 0)).collect(),
            queues: QUEUES[..text.queues].iter().map(|name| WaitQueue::new(name)).collect(),
            logs: StdMutex::new(vec![Vec::new(); program.threads.len()]),
            program,
        })
    };
    let mut builder = Scenario::builder("fuzz", world);
    for me in 0..program.started {
        builder = builder.thread(&format!("T{me}"), move |world| run(world, me));
    }
    let finals = Arc::clone(finals);
    let finally = move |world: &Arc<World>| {
        finals.lock().unwrap().insert(Final {
            logs: world.logs.lock().unwrap().clone(),
            mutexes: {
                let mutexes = world.mutexes.iter().map(|mutex| *mutex.lock());
                mutexes.chain(world.spinlocks.iter().map(|lock| *lock.lock())).collect()
            },
            sems: world.sems.iter().map(|sem| *sem.down_read()).collect(),
            atomics: world.atomics.iter().map(Atomic::load).collect(),
        });
    };
    builder.finally(finally).proved()
}

enum Held<'w> {
    Mutex(MutexGuard<'w, u64>),
    Spin(SpinGuard<'w, u64>),
    Raw(&'w Mutex<u64>),
    Read(ReadGuard<'w, u64>),
    Write(WriteGuard<'w, u64>),
}

impl Held<'_> {
    fn release(self) {
        match self {
            Self::Mutex(guard) => guard.unlock(),
            Self::Spin(guard) => guard.unlock(),
            Self::Raw(mutex) => mutex.raw_unlock(),
            Self::Read(guard) => guard.up_read(),
            Self::Write(guard) => guard.up_write(),
        }
    }

    fn value(&self) -> Option<u64> {
        match self {
            Self::Mutex(guard) => Some(**guard),
            Self::Spin(guard) => Some(**guard),
            Self::Raw(_) => None,
            Self::Read(guard) => Some(**guard),
            Self::Write(guard) => Some(**guard),
        }
    }

    fn add(&mut self, more: u64) {
        match self {
            Self::Mutex(guard) => **guard += more,
            Self::Spin(guard) => **guard += more,
            Self::Write(guard) => **guard += more,
            Self::Raw(_) | Self::Read(_) => {}
        }
    }
}

/// Thread `me` from its beginning to its end.
fn run(world: &Arc<World>, me: usize) {
    let mut log = Vec::new();
    let mut held = Vec::new();
    let mut children: Vec<(usize, JoinHandle<()>)> = Vec::new();
    for step in &world.program.threads[me] {
        if !step.when.holds(&log) {
            continue;
        }
        match step.instr {
            Instr::Spawn(child) => {
                let world = Arc::clone(world);
                let name = CHILDREN[child - world.program.started];
                children.push((child, spawn(name, move || run(&world, child))));
            }
            Instr::Join(child) => {
                if let Some(started) = children.iter().position(|(number, _)| *number == child) {
                    children.remove(started).1.join();
                }
            }
            instr => perform(world, instr, &mut log, &mut held),
        }
    }
    while let Some(last) = held.pop() {
        last.release();
    }
    world.logs.lock().unwrap()[me] = log;
}

fn perform<'w>(world: &'w World, instr: Instr, log: &mut Vec<u64>, held: &mut Vec<Held<'w>>) {
    let tried = match instr {
        Instr::LockInterruptible(m) => {
            Some(world.mutexes[m].lock_interruptible().ok().map(Held::Mutex))
        }
        Instr::TryLock(m) if world.program.spins() => {
            Some(world.spinlocks[m].try_lock().map(Held::Spin))
        }
        Instr::TryLock(m) => Some(world.mutexes[m].try_lock().map(Held::Mutex)),
        Instr::TryDownRead(s) => Some(world.sems[s].try_down_read().map(Held::Read)),
        Instr::TryDownWrite(s) => Some(world.sems[s].try_down_write().map(Held::Write)),
        _ => None,
    };
    if let Some(got) = tried {
        log.push(u64::from(got.is_some()));
        return held.extend(got);
    }
    match instr {
        Instr::Lock(m) if world.program.spins() => {
            held.push(Held::Spin(world.spinlocks[m].lock()));
        }
        Instr::Lock(m) => held.push(Held::Mutex(world.mutexes[m].lock())),
        Instr::RawLock(m) => {
            world.mutexes[m].raw_lock();
            held.push(Held::Raw(&world.mutexes[m]));
        }
        Instr::DownRead(s) => held.push(Held::Read(world.sems[s].down_read())),
        Instr::DownWrite(s) => held.push(Held::Write(world.sems[s].down_write())),
        Instr::Release(_) if held.is_empty() => {}
        Instr::Release(n) => held.remove(n % held.len()).release(),
        Instr::Look => log.extend(held.last().and_then(Held::value)),
        Instr::Add(more) => held.last_mut().into_iter().for_each(|last| last.add(more)),
        Instr::Load(a) => log.push(world.atomics[a].load()),
        Instr::FetchAdd(a, more) => log.push(world.atomics[a].fetch_add(more)),
        Instr::CompareExchange(a, current, new) => {
            let found = world.atomics[a].compare_exchange(current, new);
            log.push(found.unwrap_or_else(|found| found));
        }
        Instr::Store(a, value) => world.atomics[a].store(value),
        Instr::StoreLearnt(a) => world.atomics[a].store(learnt(log) + 1),
        Instr::WaitForAtomic(q, a) => world.queues[q].wait_event(|| world.atomics[a].load() != 0),
        Instr::WaitForData(q, m) => world.queues[q].wait_event(|| *world.mutexes[m].lock() != 0),
        Instr::Prepare(q) => world.queues[q].prepare_to_wait(),
        Instr::Schedule(q) => world.queues[q].schedule(),
        Instr::Finish(q) => world.queues[q].finish_wait(),
        Instr::WakeUp(q) => world.queues[q].wake_up(),
        Instr::WakeUpAll(q) => world.queues[q].wake_up_all(),
        tried => unreachable!("{tried:?} was tried above"),
    }
}

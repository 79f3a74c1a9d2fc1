//! Names a deadlock, as the library does: by the classes on the shortest cycles of waits.

use super::super::program::{
    ATOMICS, CHILDREN, COMPLETIONS, CONDVARS, Instr, MUTEXES, Program, QUEUES, RCU, SEMS, SLOTS,
    SPINS, SRCUS, TIMERS, UNFAIR, WORKQUEUE, WORKS,
};
use super::{Phase, Sem, State, condvars, queues};

/// The wait of a thread.
struct Wait {
    class: &'static str,
    /// The threads each of which has to act first.
    held_up_by: Vec<usize>,
    /// Threads of which at least one has to act.
    behind: Vec<usize>,
}

impl Wait {
    fn new(class: &'static str, held_up_by: impl IntoIterator<Item = usize>) -> Self {
        Self { class, held_up_by: held_up_by.into_iter().collect(), behind: Vec::new() }
    }

    /// Returns all the threads that are waited for.
    fn for_whom(&self) -> impl Iterator<Item = usize> {
        self.held_up_by.iter().chain(&self.behind).copied()
    }
}

/// Returns the deadlocks of the threads that are `waiting` for good in a state: for each thread on
/// a cycle the shortest through it. Without a cycle, the objects of those that wait for no waiting
/// thread.
pub(super) fn deadlocks(state: &State, program: &Program, waiting: &[usize]) -> Vec<Vec<String>> {
    let threads = all_threads(state, program);
    let waits: Vec<Option<Wait>> = threads
        .iter()
        .map(|me| waiting.contains(me).then(|| wait(state, program, *me, &threads))?)
        .collect();
    let shortest = |start: usize| {
        let mut cycles = Vec::new();
        walk(&waits, &mut vec![start], &mut cycles);
        // Of several it is the one of the earliest threads.
        cycles.into_iter().min_by_key(|cycle| (cycle.len(), cycle.clone()))
    };
    let mut cycles: Vec<Vec<usize>> = (0..waits.len()).filter_map(shortest).collect();
    if cycles.is_empty() {
        let alone = |at: &usize| match &waits[*at] {
            Some(wait) => wait.for_whom().all(|other| waits[other].is_none()),
            None => false,
        };
        cycles.push((0..waits.len()).filter(alone).collect());
    }
    cycles.retain(|cycle| !cycle.is_empty());
    cycles.into_iter().map(|cycle| classes(&waits, cycle)).collect()
}

/// Returns the largest set of threads each of which waits for one in it, or for one that has ended,
/// by trying every set.
pub(super) fn closed(state: &State, program: &Program) -> Vec<usize> {
    let threads = all_threads(state, program);
    let waits =
        |me: &usize| state.waits(program, *me).then(|| wait(state, program, *me, &threads))?;
    let waits: Vec<Option<Wait>> = threads.iter().map(waits).collect();
    let ended =
        |at: usize| !program.is_function(threads[at]) && state.next(program, threads[at]).is_none();
    let has = |set: u32, at: usize| set & 1 << at != 0;
    let is_closed = |set: &u32| {
        (0..waits.len()).filter(|at| has(*set, *at)).all(|at| {
            let mut for_whom = waits[at].iter().flat_map(|wait| &wait.held_up_by);
            for_whom.any(|other| has(*set, *other) || ended(*other))
        })
    };
    let waiting = (0..waits.len()).filter(|at| waits[*at].is_some());
    let all = waiting.fold(0_u32, |set, at| set | 1 << at);
    let sets = (0..=all).filter(|set| set & all == *set);
    let largest = sets.filter(is_closed).max_by_key(|set| set.count_ones()).unwrap_or(0);
    let closed = (0..waits.len()).filter(|at| has(largest, *at));
    closed.map(|at| threads[at]).collect()
}

/// Threads are numbered here by the order in which they were started; functions come last.
fn all_threads(state: &State, program: &Program) -> Vec<usize> {
    let functions = program.timers.iter().chain(&program.works);
    state.started.iter().chain(functions).copied().collect()
}

fn classes(waits: &[Option<Wait>], involved: Vec<usize>) -> Vec<String> {
    let waits = involved.into_iter().filter_map(|me| waits[me].as_ref());
    let mut classes: Vec<String> = waits.map(|wait| wait.class.to_owned()).collect();
    classes.sort();
    classes.dedup();
    classes
}

/// Finds every cycle that continues `path` back to where it begins.
fn walk(waits: &[Option<Wait>], path: &mut Vec<usize>, cycles: &mut Vec<Vec<usize>>) {
    let Some(wait) = &waits[path[path.len() - 1]] else { return };
    for next in wait.for_whom() {
        if next == path[0] {
            cycles.push(path.clone());
        } else if !path.contains(&next) {
            path.push(next);
            walk(waits, path, cycles);
            path.pop();
        }
    }
}

fn wait(state: &State, program: &Program, me: usize, threads: &[usize]) -> Option<Wait> {
    let mut wait = wait_of(state, program, me, state.next(program, me)?);
    for thread in wait.held_up_by.iter_mut().chain(&mut wait.behind) {
        *thread = threads.iter().position(|other| other == thread).expect("started");
    }
    Some(wait)
}

fn wait_of(state: &State, program: &Program, me: usize, instr: Instr) -> Wait {
    let phase = state.threads[me].phase;
    let function = |w: usize| program.works[w];
    match instr {
        _ if phase == Phase::Relock => {
            mutex(state, state.threads[me].unlocked_mutex.expect("it has unlocked a mutex"))
        }
        Instr::WaitForData(_, m) if state.is_about_to_look(me, instr) => mutex(state, m),
        Instr::Lock(m) | Instr::RawLock(m) | Instr::LockInterruptible(m) => mutex(state, m),
        Instr::LockNested(m) | Instr::LockNestLock(m, _) => mutex(state, m),
        Instr::KrefPutMutex(_, m) => mutex(state, m),
        Instr::Spin(p) => Wait::new(SPINS[p], state.spins[p].owner),
        Instr::DownRead(s) | Instr::RawDownRead(s) => sem(SEMS[s], &state.sems[s], me, false),
        Instr::DownWrite(s) | Instr::RawDownWrite(s) => sem(SEMS[s], &state.sems[s], me, true),
        Instr::UnfairRead(u) => sem(UNFAIR[u], &state.unfair[u], me, false),
        Instr::UnfairWrite(u) => sem(UNFAIR[u], &state.unfair[u], me, true),
        Instr::Schedule(q) => Wait::new(QUEUES[q], None),
        Instr::WaitForCompletion(c) | Instr::WaitForCompletionInterruptible(c) => {
            Wait::new(COMPLETIONS[c], None)
        }
        // Any thread may call `up`.
        Instr::Down(n) | Instr::DownInterruptible(n) => Wait::new(SLOTS[n], None),
        Instr::Poll(a) => Wait::new(ATOMICS[a], None),
        Instr::SrcuSync(s) => Wait::new(SRCUS[s], state.srcus[s].readers(me)),
        Instr::RcuSync | Instr::GraceEnds => Wait::new(RCU, state.rcu.readers(me)),
        Instr::GraceBegins => Wait::new(RCU, None),
        Instr::RcuBarrier => Wait::new(RCU, state.rcu.callbacks(me)),
        Instr::DelTimerSync(t) | Instr::TimerShutdownSync(t) => {
            Wait::new(TIMERS[t], [program.timers[t]])
        }
        Instr::FlushWork(w) | Instr::CancelWork(w) => work(state, program, w),
        Instr::FlushWorkqueue => Wait::new(WORKQUEUE, state.works.awaited(me).map(function)),
        Instr::DrainWorkqueue | Instr::DestroyWorkqueue => {
            Wait::new(WORKQUEUE, state.works.running().map(function))
        }
        Instr::WorkBegins(_) => for_its_turn(state, program),
        Instr::Join(child) => Wait::new(CHILDREN[child - program.started], [child]),
        instr => match (queues::waits_on(instr), condvars::waits_on(instr)) {
            (Some(q), _) => Wait::new(QUEUES[q], None),
            (_, Some(v)) => Wait::new(CONDVARS[v], None),
            _ => unreachable!("{instr:?} can always happen"),
        },
    }
}

/// A work that runs has to return. One that is only queued may be cancelled instead.
fn work(state: &State, program: &Program, w: usize) -> Wait {
    match state.works.runs(w) {
        true => Wait::new(WORKS[w], [program.works[w]]),
        false if state.works.on_workqueue() => for_its_turn(state, program),
        false => Wait::new(WORKS[w], None),
    }
}

/// A work waits until its workqueue runs fewer others.
fn for_its_turn(state: &State, program: &Program) -> Wait {
    let behind = state.works.running().map(|w| program.works[w]).collect();
    Wait { behind, ..Wait::new(WORKQUEUE, None) }
}

fn mutex(state: &State, m: usize) -> Wait {
    Wait::new(MUTEXES[m], state.mutexes[m].owner)
}

/// A reader waits for the writers before it, a writer for all.
fn sem(class: &'static str, sem: &Sem, me: usize, writes: bool) -> Wait {
    let before = sem.queue.iter().take_while(|(waiter, _)| *waiter != me);
    let before = before.filter(|(_, other)| writes || *other).map(|(waiter, _)| *waiter);
    let readers = sem.readers.keys().copied().filter(|_| writes);
    Wait::new(class, sem.writer.into_iter().chain(readers).chain(before))
}

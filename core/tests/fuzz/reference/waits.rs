//! Names a deadlock, as the library does: by the classes on the shortest cycles of waits.

use super::super::program::{
    ATOMICS, CHILDREN, COMPLETIONS, Instr, MUTEXES, Program, QUEUES, RCU, SEMS, SPINS, SRCUS,
    TIMERS, UNFAIR, WORKS,
};
use super::{Phase, Sem, State};

/// What a thread waits for: a class, and the threads that would have to act first.
struct Wait {
    class: &'static str,
    held_up_by: Vec<usize>,
}

/// The deadlocks of the threads that are `waiting` for good in a state: for each thread on a cycle the
/// shortest through it. Without a cycle, what those wait for who wait for nobody that waits.
pub(super) fn deadlocks(state: &State, program: &Program, waiting: &[usize]) -> Vec<Vec<String>> {
    let everybody = everybody(state, program);
    let waits: Vec<Option<Wait>> = everybody
        .iter()
        .map(|me| waiting.contains(me).then(|| wait(state, program, *me, &everybody))?)
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
            Some(wait) => wait.held_up_by.iter().all(|other| waits[*other].is_none()),
            None => false,
        };
        cycles.push((0..waits.len()).filter(alone).collect());
    }
    cycles.retain(|cycle| !cycle.is_empty());
    cycles.into_iter().map(|cycle| classes(&waits, cycle)).collect()
}

/// Those who cannot go on before somebody does who cannot go on before.., or who has ended: found
/// by trying every set of threads.
pub(super) fn closed(state: &State, program: &Program) -> Vec<usize> {
    let everybody = everybody(state, program);
    let waits = |me: &usize| {
        let stuck = state.advanced(program, *me, false).is_none();
        stuck.then(|| wait(state, program, *me, &everybody))?
    };
    let waits: Vec<Option<Wait>> = everybody.iter().map(waits).collect();
    let ended = |at: usize| {
        !program.is_function(everybody[at]) && state.next(program, everybody[at]).is_none()
    };
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
    closed.map(|at| everybody[at]).collect()
}

/// Threads are told apart here by the order in which they were started; functions come last.
fn everybody(state: &State, program: &Program) -> Vec<usize> {
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
    for next in &wait.held_up_by {
        if *next == path[0] {
            cycles.push(path.clone());
        } else if !path.contains(next) {
            path.push(*next);
            walk(waits, path, cycles);
            path.pop();
        }
    }
}

fn wait(state: &State, program: &Program, me: usize, everybody: &[usize]) -> Option<Wait> {
    let phase = state.threads[me].phase;
    let nobody = |class| Wait { class, held_up_by: Vec::new() };
    let mut wait = match state.next(program, me)? {
        Instr::WaitForData(_, m) if phase == Phase::Check => mutex(state, m),
        Instr::Lock(m) | Instr::RawLock(m) | Instr::LockInterruptible(m) => mutex(state, m),
        Instr::Spin(p) => {
            Wait { class: SPINS[p], held_up_by: state.spins[p].owner.into_iter().collect() }
        }
        Instr::DownRead(s) => sem(SEMS[s], &state.sems[s], me, false),
        Instr::DownWrite(s) => sem(SEMS[s], &state.sems[s], me, true),
        Instr::UnfairRead(u) => sem(UNFAIR[u], &state.unfair[u], me, false),
        Instr::UnfairWrite(u) => sem(UNFAIR[u], &state.unfair[u], me, true),
        Instr::WaitForAtomic(q, _) | Instr::WaitForData(q, _) | Instr::Schedule(q) => {
            nobody(QUEUES[q])
        }
        Instr::WaitForCompletion(c) => nobody(COMPLETIONS[c]),
        Instr::Poll(a) => nobody(ATOMICS[a]),
        Instr::SrcuSync(s) => Wait { class: SRCUS[s], held_up_by: state.srcus[s].readers(me) },
        Instr::RcuSync | Instr::GraceEnds => Wait { class: RCU, held_up_by: state.rcu.readers(me) },
        Instr::DelTimerSync(t) => Wait { class: TIMERS[t], held_up_by: vec![program.timers[t]] },
        Instr::FlushWork(w) | Instr::CancelWork(w) => {
            let runs = state.works[w].running.then_some(program.works[w]);
            Wait { class: WORKS[w], held_up_by: runs.into_iter().collect() }
        }
        Instr::Join(child) => {
            Wait { class: CHILDREN[child - program.started], held_up_by: vec![child] }
        }
        instr => unreachable!("{instr:?} can always happen"),
    };
    for thread in &mut wait.held_up_by {
        *thread = everybody.iter().position(|other| other == thread).expect("started");
    }
    Some(wait)
}

fn mutex(state: &State, m: usize) -> Wait {
    Wait { class: MUTEXES[m], held_up_by: state.mutexes[m].owner.into_iter().collect() }
}

/// A reader waits for the writers before it, a writer for everybody.
fn sem(class: &'static str, sem: &Sem, me: usize, writes: bool) -> Wait {
    let before = sem.queue.iter().take_while(|(waiter, _)| *waiter != me);
    let before = before.filter(|(_, other)| writes || *other).map(|(waiter, _)| *waiter);
    let readers = sem.readers.keys().copied().filter(|_| writes);
    Wait { class, held_up_by: sem.writer.into_iter().chain(readers).chain(before).collect() }
}

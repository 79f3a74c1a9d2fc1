//! Names a deadlock, as the library does: by the classes on the shortest cycles of waits.

use super::program::{CHILDREN, Instr, MUTEXES, Program, QUEUES, SEMS};
use super::reference::{Phase, State};

/// What a thread waits for: a class, and the threads that would have to act first.
struct Wait {
    class: &'static str,
    held_up_by: Vec<usize>,
}

/// The deadlocks of the threads that are `waiting` for good in a state: for each thread on a cycle the
/// shortest through it. Without a cycle, what those wait for who wait for nobody that waits.
pub(crate) fn deadlocks(state: &State, program: &Program, waiting: &[usize]) -> Vec<Vec<String>> {
    let waits: Vec<Option<Wait>> = (0..state.started.len())
        .map(|at| waiting.contains(&at).then(|| wait(state, program, state.started[at]))?)
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
pub(crate) fn closed(state: &State, program: &Program) -> Vec<usize> {
    let stuck = |me: &usize| state.advanced(program, *me, false).is_none();
    let waits: Vec<Option<Wait>> =
        state.started.iter().map(|me| stuck(me).then(|| wait(state, program, *me))?).collect();
    let ended = |at: usize| state.next(program, state.started[at]).is_none();
    let sets = 0..1_u32 << waits.len();
    let has = |set: u32, at: usize| set & 1 << at != 0;
    let is_closed = |set: &u32| {
        (0..waits.len()).filter(|at| has(*set, *at)).all(|at| {
            let mut for_whom = waits[at].iter().flat_map(|wait| &wait.held_up_by);
            for_whom.any(|other| has(*set, *other) || ended(*other))
        })
    };
    let largest = sets.filter(is_closed).max_by_key(|set| set.count_ones()).unwrap_or(0);
    (0..waits.len()).filter(|at| has(largest, *at)).collect()
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

fn wait(state: &State, program: &Program, me: usize) -> Option<Wait> {
    let phase = state.threads[me].phase;
    let mut wait = match state.next(program, me)? {
        Instr::WaitForData(_, m) if phase == Phase::Check => mutex(state, m),
        Instr::Lock(m) | Instr::RawLock(m) | Instr::LockInterruptible(m) => mutex(state, m),
        Instr::DownRead(s) => sem(state, s, me, false),
        Instr::DownWrite(s) => sem(state, s, me, true),
        Instr::WaitForAtomic(q, _) | Instr::WaitForData(q, _) | Instr::Schedule(q) => {
            Wait { class: QUEUES[q], held_up_by: Vec::new() }
        }
        Instr::Join(child) => {
            Wait { class: CHILDREN[child - program.started], held_up_by: vec![child] }
        }
        instr => unreachable!("{instr:?} can always happen"),
    };
    // Threads are told apart here by the order in which they were started.
    for thread in &mut wait.held_up_by {
        *thread = state.started.iter().position(|started| started == thread).expect("started");
    }
    Some(wait)
}

fn mutex(state: &State, m: usize) -> Wait {
    Wait { class: MUTEXES[m], held_up_by: state.mutexes[m].owner.into_iter().collect() }
}

/// A reader waits for the writers before it, a writer for everybody.
fn sem(state: &State, s: usize, me: usize, writes: bool) -> Wait {
    let sem = &state.sems[s];
    let before = sem.queue.iter().take_while(|(waiter, _)| *waiter != me);
    let before = before.filter(|(_, other)| writes || *other).map(|(waiter, _)| *waiter);
    let readers = sem.readers.keys().copied().filter(|_| writes);
    Wait {
        class: SEMS[s],
        held_up_by: sem.writer.into_iter().chain(readers).chain(before).collect(),
    }
}

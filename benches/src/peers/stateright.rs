//! stateright 0.31, which explores a hand-written transition system.
//!
//! It keeps a 64-bit fingerprint of each state and has no reduction. It runs no code and only
//! advances positions, which a checker of models can do and a checker of programs cannot.

use selvedge_models::programs::{Program, Step};
use stateright::{Checker, Model, Property};

const THREADS_MAX: usize = 8;
const LOCKS_MAX: usize = 8;
const FREE: u8 = u8::MAX;
const NO_DEADLOCK: &str = "no deadlock";

/// The order in which the states are visited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Depth first.
    Depth,
    /// Breadth first.
    Breadth,
}

/// The result of stateright.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Explored {
    /// The number of distinct states, which are all states unless there is a deadlock.
    pub states: u64,
    /// Whether one of them is a deadlock.
    pub deadlock: bool,
}

/// Explores `program` on one thread until a deadlock is found.
pub fn explore(program: &Program, order: Order) -> Explored {
    let builder = Locking { threads: program.threads() }.checker().threads(1);
    match order {
        Order::Depth => explored(&builder.spawn_dfs().join()),
        Order::Breadth => explored(&builder.spawn_bfs().join()),
    }
}

fn explored(checker: &impl Checker<Locking>) -> Explored {
    Explored {
        states: checker.unique_state_count() as u64,
        deadlock: checker.discovery(NO_DEADLOCK).is_some(),
    }
}

struct Locking {
    threads: Vec<Vec<Step>>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    positions: [u8; THREADS_MAX],
    owners: [u8; LOCKS_MAX],
}

impl Locking {
    fn next(&self, state: &State, thread: usize) -> Option<Step> {
        self.threads[thread].get(usize::from(state.positions[thread])).copied()
    }

    fn can_go_on(&self, state: &State, thread: usize) -> bool {
        match self.next(state, thread) {
            Some(Step::Lock(lock)) => state.owners[lock] == FREE,
            Some(Step::Unlock(_)) => true,
            None => false,
        }
    }

    fn is_deadlock(&self, state: &State) -> bool {
        let mut threads = 0..self.threads.len();
        !threads.clone().any(|thread| self.can_go_on(state, thread))
            && threads.any(|thread| self.next(state, thread).is_some())
    }
}

impl Model for Locking {
    type State = State;
    /// The thread that takes its next step.
    type Action = usize;

    fn init_states(&self) -> Vec<State> {
        vec![State { positions: [0; THREADS_MAX], owners: [FREE; LOCKS_MAX] }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<usize>) {
        actions.extend((0..self.threads.len()).filter(|thread| self.can_go_on(state, *thread)));
    }

    fn next_state(&self, state: &State, thread: usize) -> Option<State> {
        let mut next = state.clone();
        match self.next(state, thread)? {
            Step::Lock(lock) => next.owners[lock] = thread as u8,
            Step::Unlock(lock) => next.owners[lock] = FREE,
        }
        next.positions[thread] += 1;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(NO_DEADLOCK, |model, state| !model.is_deadlock(state))]
    }
}

#[cfg(test)]
mod tests {
    use selvedge_models::programs::PROGRAMS;

    use super::*;

    #[test]
    fn it_counts_the_states_that_are_known() {
        let small = PROGRAMS.iter().filter(|program| program.states < 100_000);
        for program in small.filter(|program| program.deadlock.is_none()) {
            for order in [Order::Depth, Order::Breadth] {
                let expected = Explored { states: program.states, deadlock: false };
                assert_eq!(explore(program, order), expected, "{}", program.name);
            }
        }
    }

    #[test]
    fn it_finds_a_deadlock() {
        assert!(explore(Program::named("abba").unwrap(), Order::Depth).deadlock);
    }
}

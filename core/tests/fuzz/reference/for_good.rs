//! Threads that wait for good while others continue.

use super::super::program::{Instr, Program};
use super::State;

/// The step that leads to a violation, which is an end, not a wait.
pub(super) const VIOLATES: usize = usize::MAX;

/// Returns a state of each bottom component of the graph of guaranteed steps, which no step leaves,
/// and the threads that wait, or poll, in every state of it.
pub(super) fn waiting(
    states: &[State],
    steps: &[Vec<usize>],
    program: &Program,
) -> Vec<(usize, Vec<usize>)> {
    let components = components(steps);
    let mut members = vec![Vec::new(); states.len()];
    let mut is_bottom = vec![true; states.len()];
    for (state, component) in components.iter().enumerate() {
        members[*component].push(state);
        is_bottom[*component] &=
            steps[state].iter().all(|next| *next != VIOLATES && components[*next] == *component);
    }
    let bottoms =
        members.into_iter().zip(is_bottom).filter(|(states, bottom)| *bottom && !states.is_empty());
    let waits = |(members, _): (Vec<usize>, bool)| {
        let stands_still =
            |me: &usize| members.iter().all(|state| stands_still(&states[*state], program, *me));
        (members[0], (0..program.threads.len()).filter(stands_still).collect())
    };
    bottoms.map(waits).filter(|(_, threads): &(usize, Vec<usize>)| !threads.is_empty()).collect()
}

/// Returns, for each state, the number of its strongly connected component (Kosaraju).
fn components(steps: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::new();
    let mut seen = vec![false; steps.len()];
    for start in 0..steps.len() {
        let mut path = vec![(start, 0)];
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        while let Some((state, next)) = path.last_mut() {
            match steps[*state].get(*next) {
                Some(to) => {
                    *next += 1;
                    if *to != VIOLATES && !std::mem::replace(&mut seen[*to], true) {
                        path.push((*to, 0));
                    }
                }
                None => {
                    order.push(*state);
                    path.pop();
                }
            }
        }
    }
    let mut before = vec![Vec::new(); steps.len()];
    for (from, to) in
        steps.iter().enumerate().flat_map(|(from, to)| to.iter().map(move |to| (from, *to)))
    {
        if to != VIOLATES {
            before[to].push(from);
        }
    }
    let mut component = vec![VIOLATES; steps.len()];
    for root in order.into_iter().rev() {
        let mut to_do = vec![root];
        while let Some(state) = to_do.pop() {
            if component[state] == VIOLATES {
                component[state] = root;
                to_do.extend(before[state].iter().filter(|from| component[**from] == VIOLATES));
            }
        }
    }
    component
}

/// Returns whether thread `me` has not ended and waits, or polls.
fn stands_still(state: &State, program: &Program, me: usize) -> bool {
    let polls = |instr| matches!(instr, Instr::Poll(_));
    let next = state.next(program, me);
    next.is_some_and(|instr| polls(instr) || state.waits(program, me))
}

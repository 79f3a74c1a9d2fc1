//! The path to a state, with the steps to states that were not kept.

use crate::schedule::{Choice, Schedule};

use crate::engine::native::automaton::Automaton;
use crate::engine::native::states::{Id, States};

/// Reconstructs paths in a search that keeps `states`.
pub(super) struct Paths<'a> {
    pub(super) automaton: &'a Automaton,
    pub(super) states: &'a States,
    /// Whether mutexes are unlocked first.
    pub(super) reduced: bool,
}

impl Paths<'_> {
    /// Returns the steps that lead to the state at `id`.
    pub(super) fn to(&self, id: Id) -> Schedule {
        let mut steps = Schedule::default();
        for (from, choice) in self.states.path_to(id) {
            self.step(from, choice, &mut steps);
        }
        steps
    }

    /// Returns the steps that lead to the state at `id`, then `choice`, then the unlocks that
    /// follow, as far as they are known.
    pub(super) fn beyond(&self, id: Id, choice: Option<Choice>) -> Schedule {
        let mut steps = self.to(id);
        choice.into_iter().for_each(|choice| self.step(id, choice, &mut steps));
        steps
    }

    fn step(&self, from: Id, choice: Choice, steps: &mut Schedule) {
        steps.0.push(choice);
        if !self.reduced {
            return;
        }
        let mut state = Vec::new();
        if let Ok((_, Ok(()))) = self.automaton.step(&self.states.get(from), choice, &mut state) {
            let unlock = |thread, _| steps.0.push(Choice { thread, outcome: 0 });
            // An unlock that has not been seen yet ends what is known.
            _ = self.automaton.unlock_all(&mut state, unlock);
        }
    }
}

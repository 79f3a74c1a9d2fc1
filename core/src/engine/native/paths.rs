//! The path to a state, with the steps to states that were not kept.

use crate::cycles::{Threads, bit};
use crate::op::ThreadId;
use crate::renaming::Renaming;
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

/// A path to a state that is kept: the steps of the program, and the names that its threads have in
/// the state.
pub(super) struct Path {
    steps: Schedule,
    /// The new name of each thread of the program.
    names: Renaming,
}

impl Path {
    /// Creates the path of these steps, at whose end every thread has its own name.
    pub(super) fn new(steps: Schedule) -> Self {
        Self { steps, names: Renaming::NONE }
    }

    /// Returns the steps, and then `choice`, which names a thread as the state does.
    pub(super) fn then(mut self, choice: Choice) -> Schedule {
        self.step(choice);
        self.steps
    }

    /// Returns the steps.
    pub(super) fn steps(self) -> Schedule {
        self.steps
    }

    /// Returns the threads of the program that have these names in the state.
    pub(super) fn threads(&self, named: Threads) -> Threads {
        let threads = (0..Threads::BITS as usize).map(ThreadId::new);
        let named = threads.filter(|thread| named & bit(*thread) != 0);
        named.fold(0, |all, thread| all | bit(self.names.inverse().of(thread)))
    }

    /// Gives the threads new names.
    pub(super) fn rename(&mut self, renaming: Renaming) {
        self.names = self.names.then(renaming);
    }

    /// Adds a step, which names a thread as the state does.
    pub(super) fn step(&mut self, Choice { thread, outcome }: Choice) {
        self.steps.0.push(Choice { thread: self.names.inverse().of(thread), outcome });
    }
}

impl Paths<'_> {
    /// Returns the path to the state at `id`.
    pub(super) fn to(&self, id: Id) -> Path {
        let mut path = Path::new(Schedule::default());
        for (from, choice) in self.states.path_to(id) {
            let mut state = self.step(from, choice, &mut path);
            let renaming = self.automaton.sort(&mut state).expect("the state was sorted before");
            path.rename(renaming);
        }
        path
    }

    /// Returns the path to the state at `id`, then `choice`, then the unlocks that follow, as far
    /// as they are known. The names are those of the state at `id`.
    pub(super) fn beyond(&self, id: Id, choice: Option<Choice>) -> Path {
        let mut path = self.to(id);
        choice.into_iter().for_each(|choice| _ = self.step(id, choice, &mut path));
        path
    }

    /// Adds a step out of the state at `from`, and the unlocks that follow. Returns where they
    /// lead.
    fn step(&self, from: Id, choice: Choice, path: &mut Path) -> Vec<u32> {
        path.step(choice);
        let mut state = Vec::new();
        if let Ok((_, Ok(()))) = self.automaton.step(&self.states.get(from), choice, &mut state) {
            if self.reduced {
                let unlock = |thread, _| path.step(Choice { thread, outcome: 0 });
                // An unlock that has not been seen yet ends what is known.
                _ = self.automaton.unlock_all(&mut state, unlock);
            }
        }
        state
    }
}

//! The automaton of a program, and the order in which it was learned.
//!
//! A search on the [automaton](super::automaton) that reaches something unknown asks for it here.
//! Most of it is computed; for a step that no thread has shown yet, the program is run.

use serde::{Deserialize, Serialize};

use crate::incomplete::Incomplete;
use crate::op::ThreadId;
use crate::renaming::Renaming;
use crate::schedule::{Choice, Schedule};

use super::automaton::{Automaton, Diverged, State, Unknown};
use super::exploration::Exploration;
use super::paths::Path;

/// An automaton that grows on demand.
pub(super) struct Learner {
    automaton: Automaton,
    /// The entries from which the automaton was built, in order.
    journal: Vec<Entry>,
    /// The state in which the program begins; empty if it does not reach one.
    beginning: Vec<u32>,
}

/// One thing that was learned.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Entry {
    /// A run of the program along a schedule.
    Run(Vec<Choice>),
    Transitions(u32, u32),
    Assignment(u32, u64),
    Renamed(u32, Renaming),
    Exposed(u32, ThreadId, u32),
}

/// A saved learner. The journal determines the automaton, as long as the program is the same.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedLearner {
    journal: Vec<Entry>,
    fingerprint: u64,
}

impl Learner {
    /// Learns how the program begins.
    pub(super) fn new(exploration: &mut Exploration<'_>) -> Result<Self, Incomplete> {
        let recording = exploration.learn(&Schedule::default())?;
        let mut automaton = Automaton::new(&exploration.alike());
        let mut beginning = Vec::new();
        if !recording.threads.is_empty() {
            beginning = automaton.begin(&recording);
        }
        automaton.learn(&recording).map_err(diverged)?;
        Ok(Self { automaton, journal: Vec::new(), beginning })
    }

    pub(super) fn automaton(&self) -> &Automaton {
        &self.automaton
    }

    /// Returns the number of the local state of a thread where it is not shown.
    pub(super) fn absent(&mut self, thread: ThreadId) -> Result<u32, Incomplete> {
        self.automaton.absent(thread).map_err(diverged)
    }

    /// Returns the role of a thread in an object, if the object names it.
    pub(super) fn role(&mut self, object: u32, thread: ThreadId) -> Option<u32> {
        self.automaton.role(object, thread)
    }

    pub(super) fn beginning(&self) -> &State {
        &self.beginning
    }

    /// Learns what is missing in `state`, to which the `path` leads.
    pub(super) fn learn(
        &mut self,
        missing: Unknown,
        state: &State,
        path: impl FnOnce(&Automaton) -> Path,
        exploration: &mut Exploration<'_>,
    ) -> Result<(), Incomplete> {
        match missing {
            Unknown::Transitions(thread, object) => {
                self.learn_entry(Entry::Transitions(thread, object), exploration)
            }
            Unknown::Assignment(object, value) => {
                self.learn_entry(Entry::Assignment(object, value), exploration)
            }
            Unknown::Renamed(object, renaming) => {
                self.learn_entry(Entry::Renamed(object, renaming), exploration)
            }
            Unknown::Exposed(object, thread, role) => {
                self.learn_entry(Entry::Exposed(object, thread, role), exploration)
            }
            // Another state that was incomplete at the same time may have caused it to be learned
            // already. Then the path leads beyond it.
            Unknown::Step(thread, outcome) if self.knows(state, Choice { thread, outcome }) => {
                Ok(())
            }
            Unknown::Step(thread, outcome) => {
                let (me, object) = self.automaton.interaction_of(state, thread);
                let path = path(&self.automaton).then(Choice { thread, outcome });
                self.learn_entry(Entry::Run(path.0), exploration)?;
                self.learn_entry(Entry::Transitions(me, object), exploration)
            }
        }
    }

    /// Returns whether the step has been seen, though perhaps not all of its successors.
    fn knows(&self, state: &State, choice: Choice) -> bool {
        match self.automaton.step(state, choice, &mut Vec::new()) {
            Err(Unknown::Step(thread, outcome)) => Choice { thread, outcome } != choice,
            _ => true,
        }
    }

    fn learn_entry(
        &mut self,
        entry: Entry,
        exploration: &mut Exploration<'_>,
    ) -> Result<(), Incomplete> {
        match &entry {
            Entry::Run(path) => {
                let recording = exploration.learn(&Schedule(path.clone()))?;
                self.automaton.learn(&recording)
            }
            Entry::Transitions(thread, object) => {
                self.automaton.learn_transitions(*thread, *object)
            }
            Entry::Assignment(object, value) => self.automaton.set(*object, *value),
            Entry::Renamed(object, renaming) => self.automaton.rename(*object, *renaming),
            Entry::Exposed(object, thread, role) => self.automaton.expose(*object, *thread, *role),
        }
        .map_err(diverged)?;
        self.journal.push(entry);
        Ok(())
    }

    pub(super) fn save(&self) -> SavedLearner {
        let fingerprint = self.automaton.fingerprint();
        SavedLearner { journal: self.journal.clone(), fingerprint }
    }

    /// Learns all that was saved again, in the same order, so that every number means what it did.
    /// Fails if the program has changed.
    pub(super) fn restore(
        saved: SavedLearner,
        exploration: &mut Exploration<'_>,
    ) -> Result<Self, Incomplete> {
        let mut learner = Self::new(exploration)?;
        for entry in saved.journal {
            learner.learn_entry(entry, exploration)?;
        }
        let same = learner.automaton.fingerprint() == saved.fingerprint;
        if same { Ok(learner) } else { Err(Incomplete::Nondeterministic) }
    }
}

fn diverged(_: Diverged) -> Incomplete {
    Incomplete::Nondeterministic
}

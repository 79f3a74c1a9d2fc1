//! Runs a strategy on the automaton of a program.
//!
//! An execution that begins like the one before need not be run from its beginning: the states
//! along the last one are kept, and the walk continues from where the two differ. An execution
//! therefore costs only its new part. The program itself runs where the automaton does not know the
//! next step, and at the end of an execution: only the program can show the violation there, once
//! for each state in which executions end.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::cycles::Threads;
use crate::explore::{Decision, Enabled, Happened, Point, Strategy};
use crate::incomplete::Incomplete;
use crate::op::{ObjectId, Op, ThreadId};
use crate::schedule::{Choice, Schedule};

use super::automaton::{Automaton, ClosedKey, State, Unknown, ViolatedKey};
use super::exploration::Exploration;
use super::learner::Learner;
use super::paths::Path;
use crate::runtime::native::Dimensions;
use crate::runtime::native::Interner;

/// The number of states in which executions end that are stored. Beyond that each end is shown.
const ENDS_MAX: usize = 1 << 20;

/// A walker's automaton of the program, and its present execution.
pub(super) struct Walk {
    learner: Learner,
    /// The steps of the present execution.
    steps: Vec<Choice>,
    /// The states before, between and after them. The vectors beyond these are for reuse.
    states: Vec<Vec<u32>>,
    /// The states in which executions have ended.
    ends: FxHashSet<Box<State>>,
    /// The violations that have been shown, each with the length of its path.
    shown: FxHashMap<ViolatedKey, usize>,
    /// The closed sets of threads that have been shown, likewise.
    shown_closed: FxHashMap<ClosedKey, usize>,
    /// The values and histories behind the numbers of the automaton.
    interner: Interner,
}

impl Walk {
    pub(super) fn new(exploration: &mut Exploration<'_>) -> Result<Self, Incomplete> {
        let executions = exploration.executions;
        let learner = Learner::new(exploration)?;
        exploration.executions = executions;
        let states = vec![learner.beginning().to_vec()];
        Ok(Self {
            learner,
            states,
            steps: Vec::new(),
            ends: FxHashSet::default(),
            shown: FxHashMap::default(),
            shown_closed: FxHashMap::default(),
            interner: exploration.execution.take_interner(),
        })
    }

    /// Runs one execution, with the choices of `strategy`. The executions of the program that are
    /// needed to learn and to show are not counted.
    pub(super) fn run(
        &mut self,
        strategy: &mut dyn Strategy,
        exploration: &mut Exploration<'_>,
    ) -> Result<(), Incomplete> {
        exploration.count_execution()?;
        if self.learner.beginning().is_empty() {
            return Ok(());
        }
        let unchanged = strategy.unchanged(self.steps.len());
        self.steps.truncate(unchanged);
        loop {
            exploration.check_depth(self.steps.len())?;
            let choice = match strategy.forced() {
                Some(forced) => forced.choice,
                None => match self.choose(strategy, exploration)? {
                    Decision::Take(choice) => choice,
                    Decision::Cut => return Ok(()),
                },
            };
            let happened = self.step(choice, exploration)?;
            let violated = happened.violated;
            strategy.happened(happened);
            if violated {
                return Ok(());
            }
        }
    }

    fn here(&self) -> &State {
        &self.states[self.steps.len()]
    }

    fn choose(
        &mut self,
        strategy: &mut dyn Strategy,
        exploration: &mut Exploration<'_>,
    ) -> Result<Decision, Incomplete> {
        let (enabled, closed) = loop {
            match self.learner.automaton().enabled(self.here()) {
                Ok(enabled) => break enabled,
                Err(missing) => self.learn(missing, exploration)?,
            }
        };
        if !enabled.iter().any(|enabled| enabled.guaranteed) {
            if !self.ends.contains(self.here()) {
                if self.ends.len() < ENDS_MAX {
                    self.ends.insert(self.here().into());
                }
                self.show(exploration)?;
            }
        } else if closed != 0 {
            let key = self.learner.automaton().closed_key(self.here(), closed);
            let length = self.steps.len();
            if self.shown_closed.get(&key).is_none_or(|shown| length < *shown) {
                self.shown_closed.insert(key, length);
                self.show(exploration)?;
            }
        }
        let here = WalkPoint { automaton: self.learner.automaton(), state: self.here(), enabled };
        let decision = strategy.choose(&here);
        if let Some(polls) = strategy.goes_round() {
            self.show_rounds(polls, exploration)?;
        }
        Ok(decision)
    }

    /// Shows the threads that wait for good where every thread with a guaranteed outcome would only
    /// repeat a round in vain, some of them because they poll.
    fn show_rounds(
        &mut self,
        polls: Threads,
        exploration: &mut Exploration<'_>,
    ) -> Result<(), Incomplete> {
        let waiting = self.learner.automaton().waiting(self.here()) | polls;
        if waiting == 0 || self.ends.contains(self.here()) {
            return Ok(());
        }
        if self.ends.len() < ENDS_MAX {
            self.ends.insert(self.here().into());
        }
        self.on_the_program(exploration, |walk, exploration| {
            exploration.show_waiting(&walk.path(), waiting)
        })
    }

    fn step(
        &mut self,
        choice: Choice,
        exploration: &mut Exploration<'_>,
    ) -> Result<Happened, Incomplete> {
        if self.states.len() == self.steps.len() + 1 {
            self.states.push(Vec::new());
        }
        loop {
            let (known, room) = self.states.split_at_mut(self.steps.len() + 1);
            let here = known.last().expect("there is a beginning");
            let before = Dimensions(here[0]);
            let missing = match self.learner.automaton().step(here, choice, &mut room[0]) {
                Ok((reply, Ok(()))) => {
                    let after = Dimensions(room[0][0]);
                    let (frees, round) = self.learner.automaton().aside(here, choice);
                    let happened = Happened {
                        reply,
                        spawned: before.threads()..after.threads(),
                        creates: before != after,
                        frees,
                        round,
                        ordered: exploration.execution.assumed_memory().words,
                        violated: false,
                    };
                    self.steps.push(choice);
                    return Ok(happened);
                }
                Ok((reply, Err(violated))) => {
                    let what = violated.key();
                    return self.violated(what, choice, reply, exploration);
                }
                Err(missing) => missing,
            };
            self.learn(missing, exploration)?;
        }
    }

    fn violated(
        &mut self,
        what: ViolatedKey,
        choice: Choice,
        reply: u64,
        exploration: &mut Exploration<'_>,
    ) -> Result<Happened, Incomplete> {
        let length = self.steps.len();
        if self.shown.get(&what).is_none_or(|shown| length < *shown) {
            self.shown.insert(what.clone(), length);
            self.on_the_program(exploration, |walk, exploration| {
                let path = walk.path().then(choice.thread, choice.outcome);
                exploration.show_violation(&path, &what)
            })?;
        }
        let threads = Dimensions(self.here()[0]).threads();
        let (frees, round) = self.learner.automaton().aside(self.here(), choice);
        let spawned = threads..threads;
        let ordered = exploration.execution.assumed_memory().words;
        Ok(Happened { reply, spawned, creates: false, frees, round, ordered, violated: true })
    }

    /// Runs the program to the present state, and records its violations.
    fn show(&mut self, exploration: &mut Exploration<'_>) -> Result<(), Incomplete> {
        self.on_the_program(exploration, |walk, exploration| exploration.show(&walk.path()))
    }

    fn path(&self) -> Schedule {
        Schedule(self.steps.clone())
    }

    fn learn(
        &mut self,
        missing: Unknown,
        exploration: &mut Exploration<'_>,
    ) -> Result<(), Incomplete> {
        self.on_the_program(exploration, |walk, exploration| {
            let (path, here) = (walk.path(), walk.here().to_vec());
            walk.learner.learn(missing, &here, |_| Path::new(path), exploration)
        })
    }

    /// Runs the program, with the numbers of this walk, and not as an execution of the search.
    fn on_the_program(
        &mut self,
        exploration: &mut Exploration<'_>,
        run: impl FnOnce(&mut Self, &mut Exploration<'_>) -> Result<(), Incomplete>,
    ) -> Result<(), Incomplete> {
        let executions = exploration.executions;
        exploration.executions = 0;
        exploration.execution.give_interner(std::mem::take(&mut self.interner));
        let result = run(self, exploration);
        self.interner = exploration.execution.take_interner();
        exploration.executions = executions;
        result
    }
}

/// A state, as the strategy sees it.
struct WalkPoint<'a> {
    automaton: &'a Automaton,
    state: &'a State,
    enabled: SmallVec<[Enabled; 6]>,
}

impl Point for WalkPoint<'_> {
    fn enabled(&self) -> &[Enabled] {
        &self.enabled
    }

    fn threads(&self) -> usize {
        Dimensions(self.state[0]).threads()
    }

    fn blocked(&self) -> Vec<(ThreadId, ObjectId, Op)> {
        self.automaton.blocked(self.state)
    }
}

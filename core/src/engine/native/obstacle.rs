//! Why threads never deadlock on a predicted inversion: where one is while another is between its
//! two locks, in every reachable state.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::explore::Replay;
use crate::incomplete::Incomplete;
use crate::limits::{Limits, Listener};
use crate::observe::Position;
use crate::observe::findings::Findings;
use crate::observe::lockdep::{Inversion, Link};
use crate::op::ThreadId;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::wait::Obstacle;

use super::automaton::Automaton;
use super::exploration::Exploration;
use super::replay::execution_of;
use super::stateful::{Aim, Stateful};

/// Explores every state of a scenario, and returns an obstacle for each two neighbours on the
/// cycle.
pub(crate) fn obstacles(
    scenario: &Scenario,
    inversion: &Inversion,
    limits: &Limits,
    listener: &mut Listener<'_>,
) -> Result<Vec<Obstacle>, Incomplete> {
    let mut exploration = Exploration::new(scenario, limits);
    exploration.check_determinism()?;
    let mut search = Stateful::start(Aim::Full, limits.jobs.get(), &mut exploration)?;
    search.run(&mut exploration, listener)?;
    exploration.check_comparable()?;
    let positions = Positions::of(scenario, &search);
    let links = &inversion.links;
    let pairs = links.iter().zip(links.iter().cycle().skip(1));
    let obstacles = pairs.map(|(one, other)| positions.obstacle(one, other, &search));
    // Where a thread never gets between its locks, the other side says why.
    let mut obstacles: Vec<Obstacle> = obstacles.filter(|obstacle| obstacle.states > 0).collect();
    // One of two neighbours says what there is to say, best with the lock that keeps them apart.
    obstacles.sort_by_key(|obstacle| obstacle.gates.is_empty());
    obstacles.truncate((links.len() / 2).max(1));
    Ok(obstacles)
}

/// The local states of threads, by their numbers in the automaton.
struct Positions(FxHashMap<u32, (String, Option<Position>)>);

impl Positions {
    /// Runs the program to one state for each local state.
    fn of(scenario: &Scenario, search: &Stateful) -> Self {
        let mut first: FxHashMap<u32, (ThreadId, Schedule)> = FxHashMap::default();
        search.each_state(|path, state| {
            for (thread, local) in Automaton::locals(state).iter().enumerate() {
                first.entry(*local).or_insert_with(|| (ThreadId::new(thread), path()));
            }
        });
        let execution = execution_of(scenario);
        let position = |(local, (thread, path)): (u32, (ThreadId, Schedule))| {
            let mut replay = Replay::new(&path);
            execution.run(scenario.program(), &mut replay, &mut Findings::default());
            let position = execution.observers(|seen| (seen.name(thread), seen.position(thread)));
            (local, position)
        };
        Self(first.into_iter().map(position).collect())
    }

    /// Returns the local states of the thread of `link` in which it is about to take its second
    /// lock.
    fn at(&self, link: &Link) -> FxHashSet<u32> {
        let is_there = |(name, position): &(String, Option<Position>)| {
            *name == link.task
                && position.as_ref().is_some_and(|position| {
                    position.at == link.wanted.1 && position.holds.contains(&&*link.held.0)
                })
        };
        self.0.iter().filter(|(_, at)| is_there(at)).map(|(local, _)| *local).collect()
    }

    fn obstacle(&self, one: &Link, other: &Link, search: &Stateful) -> Obstacle {
        let (between, others_between) = (self.at(one), self.at(other));
        let mut obstacle = Obstacle {
            thread: one.task.clone(),
            held: one.held.0.clone(),
            wanted: one.wanted.0.clone(),
            other: other.task.clone(),
            states: 0,
            together: 0,
            gates: Vec::new(),
            absent: true,
        };
        let mut gates = BTreeSet::new();
        search.each_state(|_, state| {
            let locals = Automaton::locals(state);
            let Some(here) = locals.iter().find(|local| between.contains(local)) else { return };
            obstacle.states += 1;
            obstacle.together += u64::from(locals.iter().any(|at| others_between.contains(at)));
            let blocked = search.blocked(state);
            let holds = &self.position(*here).expect("it is about to take a lock").holds;
            for (thread, local) in locals.iter().enumerate() {
                let Some(position) = self.position(*local) else { continue };
                if self.0[local].0 != other.task {
                    continue;
                }
                obstacle.absent = false;
                let waits = blocked.contains(&ThreadId::new(thread));
                gates.extend(Some(position.class).filter(|class| waits && holds.contains(class)));
            }
        });
        obstacle.gates = gates.into_iter().map(str::to_owned).collect();
        obstacle
    }

    fn position(&self, local: u32) -> Option<&Position> {
        self.0.get(&local)?.1.as_ref()
    }
}

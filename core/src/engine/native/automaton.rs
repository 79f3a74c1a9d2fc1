//! A program as a table: what each thread does next, by what it has been told, and what each
//! object becomes, by its state.
//!
//! Closures cannot be put into the middle of what they do, so to see what a thread does after a
//! reply, the program is run up to there. But a thread is deterministic: what it was told says
//! what it does, whatever else has happened. So each step of each thread is learned once, from
//! one execution, and from then on is looked up. States outnumber what a single thread can be
//! told by far; nearly all of the search runs on the table alone.

use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use crate::cycles::{Threads, Waits, bit, blockers};
use crate::explore::{CameRound, Enabled};
use crate::machine::{Fault, Machine, Ready};
use crate::mix::mix;
use crate::op::{ObjectId, Op, OpKind, RECHECKS, ThreadId};
use crate::schedule::Choice;
use crate::violation::ViolationKind;

use super::successor::Successor;
use crate::runtime::native::History;
use crate::runtime::native::{Effect, FREED, Lesson, Lessons, Next, Shape};

/// A state of the program in numbers: its [`Shape`], the state of each thread, the state of each
/// object. Equal numbers mean equal states, in one automaton.
pub(super) type State = [u32];

/// The parts of a state.
fn parts(state: &State) -> (Shape, &[u32], &[u32]) {
    let shape = Shape(state[0]);
    let (threads, objects) = state[1..].split_at(shape.threads());
    (shape, threads, objects)
}

/// The thread and the object that meet at an operation.
fn numbers(state: &State, turn: Turn) -> (u32, u32) {
    let (_, threads, objects) = parts(state);
    (threads[turn.thread.index()], objects[turn.object.index()])
}

/// What has been learned of a program.
#[derive(Default)]
pub(super) struct Automaton {
    threads: Vec<ThreadState>,
    objects: Vec<ObjectState>,
    thread_numbers: FxHashMap<History, u32>,
    object_numbers: FxHashMap<(ObjectId, Box<[u64]>), u32>,
    /// What can happen to a thread in one state at its object in another.
    meetings: FxHashMap<u64, Meeting>,
    /// What an object becomes when it is told a value.
    settings: FxHashMap<(u32, u64), Result<u32, Fault>>,
    outcomes: Vec<Outcome>,
    /// What a thread does after a reply.
    replies: FxHashMap<(History, u64), Known>,
    /// Outcomes of steps that make something.
    makers: Vec<FxHashMap<Shape, u32>>,
    /// Mutexes at which somebody may look without waiting: by object.
    tried: Vec<bool>,
    /// Whether some step releases memory that objects live in, or brings its thread back to where it
    /// was.
    asides: bool,
}

#[derive(Clone, Copy)]
struct ThreadState {
    thread: ThreadId,
    next: Next,
}

/// The next operation of a thread: who takes it, and where.
#[derive(Clone, Copy)]
struct Turn {
    thread: ThreadId,
    object: ObjectId,
}

struct ObjectState {
    object: ObjectId,
    machine: Box<dyn Machine>,
    digest: u64,
}

/// How a pending operation can complete: for each way where it leads, and the reply.
struct Meeting {
    ready: Ready,
    /// If it cannot complete: the threads that keep it from that.
    blockers: Threads,
    ways: SmallVec<[(Transition, u64); 1]>,
}

#[derive(Clone, Copy)]
enum Transition {
    /// The object becomes this, and the thread goes on so. Nothing else happens.
    Goes { object: u32, thread: u32 },
    /// The object becomes this, and the thread does that.
    Does { object: u32, outcome: u32 },
    /// The thread makes something, so what it does depends on what there is already.
    Makes { object: u32, maker: u32 },
    /// What the thread does then has not been seen yet.
    Unseen,
    /// The operation breaks a rule of the object.
    Faults(Fault),
}

#[derive(Clone, Copy)]
enum Known {
    Always(u32),
    ByShape(u32),
}

/// What a thread does after a reply, in numbers.
struct Outcome {
    next: u32,
    effects: Box<[NumberedEffect]>,
    /// Whether the thread has come back to where it was.
    round: CameRound,
    violated: Option<ViolationKind>,
}

#[derive(Clone, Copy)]
enum NumberedEffect {
    Set(ObjectId, u64),
    Made(u32),
    Spawned(u32),
}

/// What a step does.
enum Does<'a> {
    Changes(Changes<'a>),
    Violates(Violated<'a>),
}

/// What a step changes: what the object becomes, how the thread goes on, and what else.
struct Changes<'a> {
    object: u32,
    thread: u32,
    effects: &'a [NumberedEffect],
}

/// What has to be learned before a state can be expanded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missing {
    /// What can happen when a thread in this state meets an object in that.
    Meeting(u32, u32),
    /// What an object becomes when it is told a value.
    Setting(u32, u64),
    /// What a thread does after its operation, done this way.
    Step(ThreadId, u8),
}

/// What a transition out of a state leads to.
pub(super) enum Leads<'a> {
    To(Successor<'a>),
    /// The step violates something: this, or a rule of its object.
    Violates(Violated<'a>),
}

/// What a step violates, as far as the automaton knows.
pub(super) enum Violated<'a> {
    Rule(ObjectId, Fault),
    Other(&'a ViolationKind),
}

/// As [`Violated`], to be kept: equal for the same violation.
pub(super) type ViolatedKey = (Option<ObjectId>, String);

impl Violated<'_> {
    pub(super) fn key(&self) -> ViolatedKey {
        match self {
            Self::Rule(object, fault) => (Some(*object), format!("{fault:?}")),
            Self::Other(kind) => (None, kind.to_string()),
        }
    }
}

/// What there is to say of an expanded state beside where it leads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expanded {
    /// Somebody can go on.
    Goes,
    /// Somebody can go on, and these threads wait for each other all the same.
    Closed(Threads),
    /// Nobody can go on but by luck: everybody has ended, or it is a deadlock.
    Stuck,
}

/// The threads of a closed set, each with its state and that of the object it waits at: equal for
/// two states in which the same threads wait for each other in the same way.
pub(super) type ClosedKey = Box<[u64]>;

/// A program that was seen to do two different things in the same situation.
#[derive(Debug)]
pub(super) struct Diverged;

impl Automaton {
    /// The state in which the program begins.
    pub(super) fn begin(&mut self, lessons: &Lessons) -> Vec<u32> {
        let shape = Shape::new(lessons.threads.len(), lessons.machines.len());
        let mut state = vec![shape.0];
        for (index, next) in lessons.threads.iter().enumerate() {
            state.push(self.thread(ThreadId::new(index), *next).expect("new"));
        }
        for (index, machine) in lessons.machines.iter().enumerate() {
            state.push(self.object(ObjectId::new(index), machine.clone()));
        }
        state
    }

    /// Learns what an execution has shown.
    pub(super) fn learn(&mut self, lessons: &Lessons) -> Result<(), Diverged> {
        lessons.steps.iter().try_for_each(|lesson| self.learn_step(lesson))
    }

    fn learn_step(&mut self, lesson: &Lesson) -> Result<(), Diverged> {
        // Nobody goes on after a violation, so there is nothing to say of what would come next.
        let (next, effects) = match lesson.violated {
            None => (self.thread(lesson.thread, lesson.next)?, self.number_effects(lesson)?),
            Some(_) => (0, Vec::new()),
        };
        let makes = |effect: &Effect| !matches!(effect, Effect::Set(..));
        let makes = lesson.effects.iter().any(makes);
        let key = (lesson.from, lesson.reply);
        let known = match self.replies.get(&key) {
            Some(Known::Always(outcome)) => Some(*outcome),
            Some(Known::ByShape(maker)) => self.makers[*maker as usize].get(&lesson.shape).copied(),
            None => None,
        };
        if let Some(known) = known {
            let known = &self.outcomes[known as usize];
            let same = known.next == next
                && known.round == lesson.round
                && known.violated == lesson.violated;
            return if same { Ok(()) } else { Err(Diverged) };
        }
        let number = number(self.outcomes.len());
        let violated = lesson.violated.clone();
        let round = lesson.round;
        self.asides |= round.operations > 0;
        self.outcomes.push(Outcome { next, effects: effects.into(), round, violated });
        match self.replies.get(&key) {
            None if makes => {
                self.replies.insert(key, Known::ByShape(self.makers.len() as u32));
                self.makers.push(FxHashMap::from_iter([(lesson.shape, number)]));
            }
            None => drop(self.replies.insert(key, Known::Always(number))),
            Some(Known::ByShape(maker)) => {
                self.makers[*maker as usize].insert(lesson.shape, number);
            }
            Some(Known::Always(_)) => return Err(Diverged),
        }
        Ok(())
    }

    fn number_effects(&mut self, lesson: &Lesson) -> Result<Vec<NumberedEffect>, Diverged> {
        let mut objects = lesson.shape.objects()..;
        let mut number = |effect: &Effect| {
            Ok(match effect {
                Effect::Set(object, value) => NumberedEffect::Set(*object, *value),
                Effect::Made(machine) => {
                    let object = ObjectId::new(objects.next().expect("there is always a next"));
                    NumberedEffect::Made(self.object(object, machine.clone()))
                }
                Effect::Spawned(thread, next) => {
                    NumberedEffect::Spawned(self.thread(*thread, *next)?)
                }
            })
        };
        lesson.effects.iter().map(&mut number).collect()
    }

    /// Works out what can happen when a thread in one state meets an object in another. Fails if
    /// these two never meet.
    pub(super) fn meet(&mut self, thread: u32, object: u32) -> Result<(), Diverged> {
        let ThreadState { thread: me, next } =
            *self.threads.get(thread as usize).ok_or(Diverged)?;
        let (wanted, op) = next.pending.ok_or(Diverged)?;
        let ObjectState { object: id, machine, .. } =
            self.objects.get(object as usize).ok_or(Diverged)?;
        let id = *id;
        if id != wanted {
            return Err(Diverged);
        }
        let ready = machine.ready(me, op);
        let mut ways = SmallVec::new();
        for way in 0..ready.sure + ready.chance {
            let mut machine = self.objects[object as usize].machine.clone();
            ways.push(match machine.apply(me, op, way) {
                Err(fault) => (Transition::Faults(fault), 0),
                Ok(reply) => (self.transition(next.history, reply, id, machine), reply),
            });
        }
        let blockers = blockers(&*self.objects[object as usize].machine, me, op);
        self.meetings.insert(pair(thread, object), Meeting { ready, blockers, ways });
        Ok(())
    }

    /// What follows when a thread with this history is told `reply` by an object, which is now as
    /// `machine` is.
    fn transition(
        &mut self,
        history: History,
        reply: u64,
        object: ObjectId,
        machine: Box<dyn Machine>,
    ) -> Transition {
        let object = self.object(object, machine);
        match self.replies.get(&(history, reply)) {
            Some(Known::Always(outcome)) => match &self.outcomes[*outcome as usize] {
                Outcome {
                    next,
                    effects,
                    round: CameRound { operations: 0, .. },
                    violated: None,
                } if effects.is_empty() => Transition::Goes { object, thread: *next },
                _ => Transition::Does { object, outcome: *outcome },
            },
            Some(Known::ByShape(maker)) => Transition::Makes { object, maker: *maker },
            None => Transition::Unseen,
        }
    }

    /// Works out what an object becomes when it is told a value.
    pub(super) fn set(&mut self, object: u32, value: u64) -> Result<(), Diverged> {
        let known = self.objects.get(object as usize).ok_or(Diverged)?;
        let (id, mut machine) = (known.object, known.machine.clone());
        let mut told = Ok(());
        match value {
            FREED => told = machine.memory_freed(),
            value => machine.set(value),
        }
        let becomes = told.map(|()| self.object(id, machine));
        self.settings.insert((object, value), becomes);
        Ok(())
    }

    /// A number for all that has been learned, in the order in which it was.
    pub(super) fn fingerprint(&self) -> u64 {
        let threads = self.threads.iter().map(|thread| thread.next.history);
        let objects = self.objects.iter().map(|object| object.digest);
        threads.chain(objects).fold(self.threads.len() as u64, mix)
    }

    /// The thread and the object that meet in `state` at the next operation of `thread`.
    pub(super) fn meeting_of(&self, state: &State, thread: ThreadId) -> (u32, u32) {
        numbers(state, self.turn(state, thread))
    }

    /// The next operation of `thread`, which has one.
    fn turn(&self, state: &State, thread: ThreadId) -> Turn {
        let (_, threads, _) = parts(state);
        let turn = self.turn_of(thread.index(), threads[thread.index()]);
        turn.expect("whoever can take a step has announced it").0
    }

    /// The next operation of a thread that is in state `number`, if there is one.
    fn turn_of(&self, thread: usize, number: u32) -> Option<(Turn, Op)> {
        let (object, op) = self.threads[number as usize].next.pending?;
        Some((Turn { thread: ThreadId::new(thread), object }, op))
    }

    /// The next operation of everybody who has not ended.
    fn turns(&self, threads: &[u32]) -> impl Iterator<Item = (Turn, Op)> {
        let numbers = threads.iter().enumerate();
        numbers.filter_map(|(thread, number)| self.turn_of(thread, *number))
    }

    fn thread(&mut self, thread: ThreadId, next: Next) -> Result<u32, Diverged> {
        let new = number(self.threads.len());
        let known = *self.thread_numbers.entry(next.history).or_insert(new);
        if known == new {
            self.threads.push(ThreadState { thread, next });
            if let Some((object, op)) = next.pending
                && op.kind.tries_lock()
            {
                self.try_at(object);
            }
        }
        let known_as = &self.threads[known as usize];
        let same = known_as.thread == thread && known_as.next == next;
        if same { Ok(known) } else { Err(Diverged) }
    }

    fn try_at(&mut self, object: ObjectId) {
        let objects = self.tried.len().max(object.index() + 1);
        self.tried.resize(objects, false);
        self.tried[object.index()] = true;
    }

    fn object(&mut self, object: ObjectId, machine: Box<dyn Machine>) -> u32 {
        let mut words = Vec::new();
        machine.encode(&mut words);
        let digest = words.iter().fold(object.index() as u64, |digest, word| mix(digest, *word));
        let new = number(self.objects.len());
        let known = *self.object_numbers.entry((object, words.into())).or_insert(new);
        if known == new {
            if machine.is_resident() {
                // A release sees whether it is held, so its unlock is no step that nobody sees.
                self.try_at(object);
                self.asides = true;
            }
            self.objects.push(ObjectState { object, machine, digest });
        }
        known
    }

    /// Whether somebody may try `object`, and so see whether it is held.
    fn tried(&self, object: ObjectId) -> bool {
        self.tried.get(object.index()).copied().unwrap_or(false)
    }

    /// How many objects somebody may try, as far as is known.
    pub(super) fn count_tried(&self) -> usize {
        self.tried.iter().filter(|tried| **tried).count()
    }

    /// A number for `state` that is the same in every automaton of the program.
    pub(super) fn digest(&self, state: &State) -> u64 {
        let (shape, threads, objects) = parts(state);
        let mut hasher = FxHasher::default();
        for thread in threads {
            hasher.write_u64(self.threads[*thread as usize].next.history);
        }
        for object in objects {
            hasher.write_u64(self.objects[*object as usize].digest);
        }
        mix(u64::from(shape.0), hasher.finish())
    }

    /// Where `state` leads: each transition is handed to `leads`, with the thread and the way.
    /// If `reduced`, a mutex that can be given back is, and nothing else is tried.
    pub(super) fn expand(
        &self,
        state: &State,
        reduced: bool,
        scratch: &mut Vec<u32>,
        mut leads: impl FnMut(ThreadId, u8, Leads<'_>),
    ) -> Result<Expanded, Missing> {
        let (_, threads, _) = parts(state);
        if reduced && let Some(turn) = self.unlock_first(threads) {
            self.advance(state, turn, scratch, &mut leads)?;
            return Ok(Expanded::Goes);
        }
        let mut expanded = Expanded::Stuck;
        let mut waits = false;
        for (turn, _) in self.turns(threads) {
            let meeting = self.advance(state, turn, scratch, &mut leads)?;
            if meeting.ready.sure > 0 {
                expanded = Expanded::Goes;
            }
            waits |= meeting.blockers != 0;
        }
        if waits && expanded == Expanded::Goes {
            let closed = self.closed(state)?;
            if closed != 0 {
                return Ok(Expanded::Closed(closed));
            }
        }
        Ok(expanded)
    }

    /// The threads that wait for each other in `state`, whatever the others do.
    pub(super) fn closed(&self, state: &State) -> Result<Threads, Missing> {
        let (_, threads, _) = parts(state);
        let mut waits = Waits::default();
        for (thread, number) in threads.iter().enumerate() {
            match self.turn_of(thread, *number) {
                Some((turn, _)) => waits.waits(turn.thread, self.meeting(state, turn)?.blockers),
                None => waits.ended(ThreadId::new(thread)),
            }
        }
        Ok(waits.closed())
    }

    /// What tells a closed set of threads from others.
    pub(super) fn closed_key(&self, state: &State, closed: Threads) -> ClosedKey {
        let (_, threads, _) = parts(state);
        let turns = self.turns(threads).map(|(turn, _)| turn);
        let turns = turns.filter(|turn| closed & bit(turn.thread) != 0);
        turns
            .map(|turn| numbers(state, turn))
            .map(|(thread, object)| pair(thread, object))
            .collect()
    }

    /// Whether an execution may have no end: a thread comes back to where it was. A thread that does
    /// so by a sleep of `wait_event`, before which it has prepared to wait, needs one that wakes it
    /// and comes back as well.
    pub(super) fn may_be_endless(&self) -> bool {
        let pending = |thread: usize| self.threads[thread].next.pending;
        let rechecks = |(_, op): &(ObjectId, Op)| op.kind == OpKind::Sleep && op.b == RECHECKS;
        let on_cycles = self.on_cycles(|_| true);
        let pending_on_cycles = || on_cycles.iter().filter_map(|thread| pending(*thread));
        let queues: Vec<ObjectId> =
            pending_on_cycles().filter(rechecks).map(|(queue, _)| queue).collect();
        let wakes = |(queue, op): (ObjectId, Op)| {
            let waits = op.kind == OpKind::PrepareToWait || rechecks(&(queue, op));
            queues.contains(&queue) && !waits
        };
        let sleeps = |thread| pending(thread).is_some_and(|pending| rechecks(&pending));
        pending_on_cycles().any(wakes) || !self.on_cycles(|thread| !sleeps(thread)).is_empty()
    }

    /// The states of threads that lie on a cycle of steps from those that `count`, or between two.
    fn on_cycles(&self, count: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut after = vec![Vec::new(); self.threads.len()];
        let mut before = vec![Vec::new(); self.threads.len()];
        let mut lead_to = |from: usize, outcome: &u32| {
            if let Outcome { violated: None, next, .. } = &self.outcomes[*outcome as usize] {
                after[from].push(*next as usize);
                before[*next as usize].push(from);
            }
        };
        for ((history, _), known) in &self.replies {
            let Some(from) = self.thread_numbers.get(history).map(|from| *from as usize) else {
                continue;
            };
            match known {
                _ if !count(from) => {}
                Known::Always(outcome) => lead_to(from, outcome),
                Known::ByShape(maker) => {
                    let outcomes = self.makers[*maker as usize].values();
                    outcomes.for_each(|outcome| lead_to(from, outcome));
                }
            }
        }
        let mut on_cycles = vec![true; self.threads.len()];
        peel(&mut on_cycles, &before, &after);
        peel(&mut on_cycles, &after, &before);
        (0..on_cycles.len()).filter(|thread| on_cycles[*thread]).collect()
    }

    /// A thread about to give back a mutex that nobody tries.
    fn unlock_first(&self, threads: &[u32]) -> Option<Turn> {
        let mut turns = self.turns(threads);
        let first = turns.find(|(turn, op)| op.kind.unlocks() && !self.tried(turn.object));
        first.map(|(turn, _)| turn)
    }

    /// Gives back every mutex that can be given back first, and hands who does it to `each`, with
    /// whether it polls as it does. Stops before a step that is more than that: one that violates
    /// something, or makes something.
    pub(super) fn unlock_all(
        &self,
        state: &mut Vec<u32>,
        mut each: impl FnMut(ThreadId, bool),
    ) -> Result<(), Missing> {
        while let Some(turn) = self.unlock_first(parts(state).1) {
            let polls = self.polls(state, turn.thread);
            let transition = self.meeting(state, turn)?.ways[0].0;
            if matches!(transition, Transition::Makes { .. }) {
                return Ok(());
            }
            let Does::Changes(changes) = self.does(state, turn, 0, transition)? else {
                return Ok(());
            };
            let change = |state: &mut Vec<u32>| {
                changes.at(state, turn).into_iter().for_each(|(at, number)| state[at] = number);
            };
            if changes.effects.is_empty() {
                // Nearly always, and then nothing can stand against it.
                change(state);
            } else {
                let mut next = state.clone();
                change(&mut next);
                if self.take_effect(changes.effects, &mut next)?.is_some() {
                    return Ok(());
                }
                *state = next;
            }
            each(turn.thread, polls);
        }
        Ok(())
    }

    /// What an operation leads to, each way that it can be done now.
    #[inline(always)]
    fn advance(
        &self,
        state: &State,
        turn: Turn,
        scratch: &mut Vec<u32>,
        leads: &mut impl FnMut(ThreadId, u8, Leads<'_>),
    ) -> Result<&Meeting, Missing> {
        let meeting = self.meeting(state, turn)?;
        for (way, (transition, _)) in (0..).zip(&meeting.ways) {
            let next = match *transition {
                // Nearly always, and then nothing has to be looked up or copied.
                Transition::Goes { object, thread } => {
                    let changes = Changes { object, thread, effects: &[] };
                    Leads::To(Successor::new(state, changes.at(state, turn)))
                }
                transition => match self.does(state, turn, way, transition)? {
                    Does::Violates(what) => Leads::Violates(what),
                    Does::Changes(changes) => match self.go(state, turn, &changes, scratch)? {
                        Ok(()) => Leads::To(Successor::whole(scratch)),
                        Err(what) => Leads::Violates(what),
                    },
                },
            };
            leads(turn.thread, way, next);
        }
        Ok(meeting)
    }

    /// What can happen at an operation.
    #[inline(always)]
    fn meeting(&self, state: &State, turn: Turn) -> Result<&Meeting, Missing> {
        let (thread, object) = numbers(state, turn);
        self.meetings.get(&pair(thread, object)).ok_or(Missing::Meeting(thread, object))
    }

    /// What a step out of `state` does.
    fn does(
        &self,
        state: &State,
        turn: Turn,
        way: u8,
        transition: Transition,
    ) -> Result<Does<'_>, Missing> {
        let (object, outcome) = match transition {
            Transition::Goes { object, thread } => {
                return Ok(Does::Changes(Changes { object, thread, effects: &[] }));
            }
            Transition::Does { object, outcome } => (object, outcome),
            Transition::Makes { object, maker } => {
                let outcome = self.makers[maker as usize].get(&parts(state).0);
                (object, *outcome.ok_or(Missing::Step(turn.thread, way))?)
            }
            Transition::Unseen => return Err(Missing::Step(turn.thread, way)),
            Transition::Faults(fault) => {
                return Ok(Does::Violates(Violated::Rule(turn.object, fault)));
            }
        };
        Ok(match &self.outcomes[outcome as usize] {
            Outcome { violated: Some(kind), .. } => Does::Violates(Violated::Other(kind)),
            Outcome { next, effects, violated: None, .. } => {
                Does::Changes(Changes { object, thread: *next, effects })
            }
        })
    }

    /// Writes to `next` where a step out of `state` leads, unless what it does beside its operation
    /// breaks the rule of an object.
    fn go(
        &self,
        state: &State,
        turn: Turn,
        changes: &Changes<'_>,
        next: &mut Vec<u32>,
    ) -> Result<Result<(), Violated<'_>>, Missing> {
        Successor::new(state, changes.at(state, turn)).write_to(next);
        let broken = self.take_effect(changes.effects, next)?;
        Ok(broken.map_or(Ok(()), |(object, fault)| Err(Violated::Rule(object, fault))))
    }

    /// What can happen in `state`, for a search that chooses among it, and the threads that wait for
    /// each other there.
    pub(super) fn enabled(
        &self,
        state: &State,
    ) -> Result<(SmallVec<[Enabled; 6]>, Threads), Missing> {
        let (_, threads, _) = parts(state);
        let (mut enabled, mut waits) = (SmallVec::new(), false);
        for (turn, op) in self.turns(threads) {
            let meeting = self.meeting(state, turn)?;
            enabled.extend(Enabled::each_way(turn.thread, turn.object, op, meeting.ready));
            waits |= meeting.blockers != 0;
        }
        let closed = if waits { self.closed(state)? } else { 0 };
        Ok((enabled, closed))
    }

    /// What cannot happen in `state`, though it is announced. Everything about it is known.
    pub(super) fn blocked(&self, state: &State) -> Vec<(ThreadId, ObjectId, Op)> {
        let mut blocked = Vec::new();
        let known = self.each_pending(state, |thread, (object, op), ready| {
            if ready == Ready::NO {
                blocked.push((thread, object, op));
            }
        });
        known.expect("whoever asks has asked what is enabled");
        blocked
    }

    /// Whether the next operation of `thread` is a look at something that it polls for.
    pub(super) fn polls(&self, state: &State, thread: ThreadId) -> bool {
        let (_, threads, _) = parts(state);
        self.threads[threads[thread.index()] as usize].next.polls
    }

    /// What everybody who has not ended has announced, and how it can happen in `state`.
    pub(super) fn each_pending(
        &self,
        state: &State,
        mut look: impl FnMut(ThreadId, (ObjectId, Op), Ready),
    ) -> Result<(), Missing> {
        let (_, threads, _) = parts(state);
        for (turn, op) in self.turns(threads) {
            look(turn.thread, (turn.object, op), self.meeting(state, turn)?.ready);
        }
        Ok(())
    }

    /// What a thread is told by the step that `choice` takes, and what the step violates; if
    /// nothing, `next` is where it leads.
    pub(super) fn step(
        &self,
        state: &State,
        choice: Choice,
        next: &mut Vec<u32>,
    ) -> Result<(u64, Result<(), Violated<'_>>), Missing> {
        let Choice { thread, way } = choice;
        let turn = self.turn(state, thread);
        let (transition, reply) = self.meeting(state, turn)?.ways[usize::from(way)];
        Ok(match self.does(state, turn, way, transition)? {
            Does::Violates(what) => (reply, Err(what)),
            Does::Changes(changes) => (reply, self.go(state, turn, &changes, next)?),
        })
    }

    /// The objects whose memory the step that `choice` takes releases, and whether it brings its
    /// thread back to where it was.
    pub(super) fn aside(&self, state: &State, choice: Choice) -> (Box<[ObjectId]>, CameRound) {
        if !self.asides {
            return Default::default();
        }
        let turn = self.turn(state, choice.thread);
        let Ok(meeting) = self.meeting(state, turn) else { return Default::default() };
        let outcome = match meeting.ways[usize::from(choice.way)].0 {
            Transition::Does { outcome, .. } => Some(outcome),
            Transition::Makes { maker, .. } => {
                self.makers[maker as usize].get(&parts(state).0).copied()
            }
            Transition::Goes { .. } | Transition::Unseen | Transition::Faults(_) => None,
        };
        let Some(outcome) = outcome else { return Default::default() };
        let Outcome { effects, round, .. } = &self.outcomes[outcome as usize];
        let freed = |effect: &NumberedEffect| match effect {
            NumberedEffect::Set(object, FREED) => Some(*object),
            _ => None,
        };
        (effects.iter().filter_map(freed).collect(), *round)
    }

    /// The threads that cannot go on in `state`, in which everything is known.
    pub(super) fn waiting(&self, state: &State) -> Threads {
        let mut waiting = 0;
        let known = self.each_pending(state, |thread, _, ready| {
            waiting |= if ready.sure == 0 { bit(thread) } else { 0 };
        });
        known.expect("whoever asks has asked what is enabled");
        waiting
    }

    /// Lets `effects` happen in `state`; the object whose rule one of them breaks, if it does.
    fn take_effect(
        &self,
        effects: &[NumberedEffect],
        state: &mut Vec<u32>,
    ) -> Result<Option<(ObjectId, Fault)>, Missing> {
        for effect in effects {
            let shape = Shape(state[0]);
            match *effect {
                NumberedEffect::Set(id, value) => {
                    let object = &mut state[1 + shape.threads() + id.index()];
                    let becomes = self.settings.get(&(*object, value));
                    match *becomes.ok_or(Missing::Setting(*object, value))? {
                        Ok(becomes) => *object = becomes,
                        Err(fault) => return Ok(Some((id, fault))),
                    }
                }
                NumberedEffect::Made(object) => {
                    state[0] = Shape::new(shape.threads(), shape.objects() + 1).0;
                    state.push(object);
                }
                NumberedEffect::Spawned(thread) => {
                    state[0] = Shape::new(shape.threads() + 1, shape.objects()).0;
                    state.insert(1 + shape.threads(), thread);
                }
            }
        }
        Ok(None)
    }
}

impl Changes<'_> {
    /// The words of `state` that change, but for the effects.
    fn at(&self, state: &State, turn: Turn) -> [(usize, u32); 2] {
        let threads = Shape(state[0]).threads();
        [(1 + turn.thread.index(), self.thread), (1 + threads + turn.object.index(), self.object)]
    }
}

/// Takes out what nothing that is left leads to by `from`, again and again.
fn peel(left: &mut [bool], from: &[Vec<usize>], to: &[Vec<usize>]) {
    let mut leading: Vec<usize> =
        from.iter().map(|from| from.iter().filter(|state| left[**state]).count()).collect();
    let mut to_do: Vec<usize> =
        (0..left.len()).filter(|state| left[*state] && leading[*state] == 0).collect();
    while let Some(state) = to_do.pop() {
        left[state] = false;
        for next in to[state].iter().filter(|next| left[**next]) {
            leading[*next] -= 1;
            if leading[*next] == 0 {
                to_do.push(*next);
            }
        }
    }
}

/// Two numbers as one word, which is quicker to look up.
fn pair(thread: u32, object: u32) -> u64 {
    u64::from(thread) << 32 | u64::from(object)
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("fewer than 2^32 of them fit into memory")
}

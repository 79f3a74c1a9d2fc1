//! A program as a table: what each thread does next, by its observations, and what each object
//! becomes, by its state.
//!
//! Closures cannot be resumed in the middle, so to find what a thread does after a reply, the
//! program is run up to there. But a thread is deterministic: its observations determine what it
//! does, whatever else has happened. Each step of each thread is therefore learned once, from one
//! execution, and from then on is looked up. States far outnumber the observations of a single
//! thread, so nearly all of the search runs on the table alone.

mod alike;
mod endless;
mod state;
mod stepping;
mod tables;
mod views;
mod wakers;

use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use crate::cycles::{Threads, blockers};
use crate::explore::CameRound;
use crate::machine::{Fault, Machine, Ready, Role};
use crate::mix::mix;
use crate::op::{ObjectId, Op, ThreadId};
use crate::renaming::Renaming;
use crate::violation::ViolationKind;

use super::successor::Successor;
use crate::runtime::native::History;
use crate::runtime::native::{Dimensions, Effect, FREED, Next, Recording, StepRecord};
pub(super) use alike::interchangeable;
use alike::{Alike, Colours};
pub(super) use state::State;
use state::{NextOp, numbers, pair, parts};
pub(super) use wakers::{Kinds, Wakers};

/// Everything that has been learned of a program.
#[derive(Default)]
pub(super) struct Automaton {
    /// The threads that are treated as the same.
    alike: Alike,
    threads: Vec<ThreadState>,
    objects: Vec<ObjectState>,
    thread_numbers: FxHashMap<History, u32>,
    object_numbers: FxHashMap<(ObjectId, Box<[u64]>), u32>,
    /// The transitions of a thread in one state at its object in another.
    transitions: FxHashMap<u64, Transitions>,
    /// The state of an object after it is set to a value.
    assignments: FxHashMap<(u32, u64), Result<u32, Fault>>,
    /// The state of an object after a renaming.
    renamed: FxHashMap<(u32, Renaming), u32>,
    /// The roles that threads have in objects.
    roles: Vec<Role>,
    /// The states of an object in which a thread in a role is shown that was hidden.
    exposed: FxHashMap<(u32, ThreadId, u32), Box<[u32]>>,
    continuations: Vec<Continuation>,
    /// The steps of a thread after a reply.
    replies: FxHashMap<(History, u64), Known>,
    /// The continuations of steps that create something.
    creators: Vec<FxHashMap<Dimensions, u32>>,
    /// Whether a thread may look at a mutex without waiting, by object.
    tried: Vec<bool>,
    /// Whether an object cannot be renamed, so that threads that do the same are not
    /// interchangeable.
    asymmetric: bool,
    /// Whether some step releases memory that objects live in, or returns its thread to an earlier
    /// local state.
    asides: bool,
}

#[derive(Clone, Copy)]
struct ThreadState {
    thread: ThreadId,
    next: Next,
}

struct ObjectState {
    object: ObjectId,
    machine: Box<dyn Machine>,
    digest: u64,
    colours: Colours,
}

/// The possible outcomes of a pending operation, each with its successor and its reply.
struct Transitions {
    ready: Ready,
    /// Whether the thread has nothing to do.
    idles: bool,
    /// The threads that keep it from completing, if it cannot.
    blockers: Threads,
    outcomes: SmallVec<[(Transition, u64); 1]>,
}

#[derive(Clone, Copy)]
enum Transition {
    /// The object and the thread change to these states. Nothing else happens.
    Continues { object: u32, thread: u32 },
    /// The object changes to this state, and the thread has this continuation.
    Does { object: u32, continuation: u32 },
    /// The thread creates something, so its continuation depends on what exists already.
    Creates { object: u32, creator: u32 },
    /// The continuation of the thread has not been seen yet.
    Unseen,
    /// The operation violates a rule of the object.
    Faults(Fault),
}

#[derive(Clone, Copy)]
enum Known {
    Always(u32),
    ByDimensions(u32),
}

/// The continuation of a thread after a reply, in numbers.
struct Continuation {
    /// The state of the first thread that is treated as the same.
    next: u32,
    effects: Box<[NumberedEffect]>,
    /// Whether the thread has returned to an earlier local state.
    round: CameRound,
    violated: Option<ViolationKind>,
}

#[derive(Clone, Copy)]
enum NumberedEffect {
    Set(ObjectId, u64),
    Made(u32),
    Spawned(u32),
}

/// Something that has to be learned before a state can be expanded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unknown {
    /// The transitions of a thread in this state at an object in that state.
    Transitions(u32, u32),
    /// The state of an object after it is set to a value.
    Assignment(u32, u64),
    /// The state of an object after a renaming.
    Renamed(u32, Renaming),
    /// The states of an object in which a thread in a role is shown that was hidden.
    Exposed(u32, ThreadId, u32),
    /// The continuation of a thread after its operation, with this outcome.
    Step(ThreadId, u8),
}

/// The target of a transition out of a state.
pub(super) enum Leads<'a> {
    To(Successor<'a>),
    /// The step violates something: this, or a rule of its object.
    Violates(Violated<'a>),
}

/// The violation of a step, as far as the automaton knows.
pub(super) enum Violated<'a> {
    Rule(ObjectId, Fault),
    Other(&'a ViolationKind),
}

/// As [`Violated`], for storage: equal for the same violation.
pub(super) type ViolatedKey = (Option<ObjectId>, String);

impl Violated<'_> {
    pub(super) fn key(&self) -> ViolatedKey {
        match self {
            Self::Rule(object, fault) => (Some(*object), fault.to_string()),
            Self::Other(kind) => (None, kind.to_string()),
        }
    }
}

/// The result of expanding a state, apart from its successors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expanded {
    /// A thread can continue.
    Continues,
    /// A thread can continue, but these threads wait for each other.
    Closed(Threads),
    /// No thread can continue without an optional outcome: all have ended, or it is a deadlock.
    Terminal,
}

/// The threads of a closed set, each with its state and that of the object at which it waits: equal
/// for two states in which the same threads wait for each other in the same way.
pub(super) type ClosedKey = Box<[u64]>;

/// The error for a program that did two different things in the same situation.
#[derive(Debug)]
pub(super) struct Diverged;

impl Automaton {
    /// Creates an automaton of which nothing is known. `alike` has, for each thread, the number of
    /// the first that is treated as the same.
    pub(super) fn new(alike: &[usize]) -> Self {
        Self { alike: Alike::new(alike), ..Self::default() }
    }

    /// Returns the state in which the program begins.
    pub(super) fn begin(&mut self, recording: &Recording) -> Vec<u32> {
        let dimensions = Dimensions::new(recording.threads.len(), recording.machines.len());
        let mut state = vec![dimensions.0];
        for (index, next) in recording.threads.iter().enumerate() {
            state.push(self.thread(ThreadId::new(index), *next).expect("new"));
        }
        for (index, machine) in recording.machines.iter().enumerate() {
            state.push(self.object(ObjectId::new(index), machine.clone()));
        }
        state
    }

    /// Learns what an execution has shown.
    pub(super) fn learn(&mut self, recording: &Recording) -> Result<(), Diverged> {
        recording.steps.iter().try_for_each(|record| self.learn_step(record))
    }

    fn learn_step(&mut self, record: &StepRecord) -> Result<(), Diverged> {
        // No thread continues after a violation, so there is no next operation. But the memory that
        // was released before may contain a held lock.
        let (next, effects) = match record.violated {
            None => {
                let next = self.thread(record.thread, record.next)?;
                (next - self.alike.place(record.thread), self.number_effects(record)?)
            }
            Some(_) => (0, releases(record)),
        };
        let creates = |effect: &Effect| !matches!(effect, Effect::Set(..));
        let creates = record.effects.iter().any(creates);
        let key = (record.from, record.reply);
        let known = match self.replies.get(&key) {
            Some(Known::Always(continuation)) => Some(*continuation),
            Some(Known::ByDimensions(creator)) => {
                self.creators[*creator as usize].get(&record.dimensions).copied()
            }
            None => None,
        };
        if let Some(known) = known {
            let known = &self.continuations[known as usize];
            let same = known.next == next
                && known.round == record.round
                && known.violated == record.violated;
            return if same { Ok(()) } else { Err(Diverged) };
        }
        let number = number(self.continuations.len());
        let violated = record.violated.clone();
        let round = record.round;
        self.asides |= round.operations > 0;
        self.continuations.push(Continuation { next, effects: effects.into(), round, violated });
        match self.replies.get(&key) {
            None if creates => {
                self.replies.insert(key, Known::ByDimensions(self.creators.len() as u32));
                self.creators.push(FxHashMap::from_iter([(record.dimensions, number)]));
            }
            None => drop(self.replies.insert(key, Known::Always(number))),
            Some(Known::ByDimensions(creator)) => {
                self.creators[*creator as usize].insert(record.dimensions, number);
            }
            Some(Known::Always(_)) => return Err(Diverged),
        }
        Ok(())
    }

    fn number_effects(&mut self, record: &StepRecord) -> Result<Vec<NumberedEffect>, Diverged> {
        let mut objects = record.dimensions.objects()..;
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
        record.effects.iter().map(&mut number).collect()
    }

    /// Computes what can happen when a thread in one state meets an object in another. Fails if
    /// these two never meet.
    pub(super) fn learn_transitions(&mut self, thread: u32, object: u32) -> Result<(), Diverged> {
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
        let mut outcomes = SmallVec::new();
        for outcome in 0..ready.guaranteed + ready.optional {
            let mut machine = self.objects[object as usize].machine.clone();
            outcomes.push(match machine.apply(me, op, outcome) {
                Err(fault) => (Transition::Faults(fault), 0),
                Ok(reply) => {
                    if self.interchanges() {
                        // Hidden threads may have become neighbours.
                        machine.rename(&Renaming::NONE);
                    }
                    let object = self.object(id, machine);
                    let continues = op.kind.continues_by(reply);
                    (self.transition(me, next.history, continues, object), reply)
                }
            });
        }
        let machine = &*self.objects[object as usize].machine;
        let (idles, blockers) = (machine.idles(op), blockers(machine, me, op));
        self.transitions
            .insert(pair(thread, object), Transitions { ready, idles, blockers, outcomes });
        Ok(())
    }

    /// Returns the transition when thread `me` with this history gets `reply` from an object, which
    /// is then in the state `object`.
    fn transition(&self, me: ThreadId, history: History, reply: u64, object: u32) -> Transition {
        match self.replies.get(&(history, reply)) {
            Some(Known::Always(continuation)) => {
                match &self.continuations[*continuation as usize] {
                    Continuation {
                        next,
                        effects,
                        round: CameRound { operations: 0, .. },
                        violated: None,
                    } if effects.is_empty() => {
                        let thread = *next + self.alike.place(me);
                        Transition::Continues { object, thread }
                    }
                    _ => Transition::Does { object, continuation: *continuation },
                }
            }
            Some(Known::ByDimensions(creator)) => Transition::Creates { object, creator: *creator },
            None => Transition::Unseen,
        }
    }

    /// Computes the state of an object after it is set to a value.
    pub(super) fn set(&mut self, object: u32, value: u64) -> Result<(), Diverged> {
        let known = self.objects.get(object as usize).ok_or(Diverged)?;
        let (id, mut machine) = (known.object, known.machine.clone());
        let observed = match value {
            FREED => machine.memory_freed(),
            value => machine.set(value),
        };
        let becomes = observed.map(|()| self.object(id, machine));
        self.assignments.insert((object, value), becomes);
        Ok(())
    }

    /// Computes the state of an object after a renaming.
    pub(super) fn rename(&mut self, object: u32, renaming: Renaming) -> Result<(), Diverged> {
        let known = self.objects.get(object as usize).ok_or(Diverged)?;
        let (id, mut machine) = (known.object, known.machine.clone());
        if !machine.rename(&renaming) {
            return Err(Diverged);
        }
        let becomes = self.object(id, machine);
        self.renamed.insert((object, renaming), becomes);
        Ok(())
    }

    /// Returns a number for all that has been learned, in order.
    pub(super) fn fingerprint(&self) -> u64 {
        let threads = self.threads.iter().map(|thread| thread.next.history);
        let objects = self.objects.iter().map(|object| object.digest);
        threads.chain(objects).fold(self.threads.len() as u64, mix)
    }

    /// Returns the numbers of the local states of the threads.
    pub(super) fn locals(state: &State) -> &[u32] {
        parts(state).1
    }

    /// Returns the states of the thread and the object that meet in `state` at the next operation
    /// of `thread`.
    pub(super) fn interaction_of(&self, state: &State, thread: ThreadId) -> (u32, u32) {
        numbers(state, self.next_op(state, thread))
    }

    /// Returns the next operation of `thread`, which must have one.
    fn next_op(&self, state: &State, thread: ThreadId) -> NextOp {
        let (_, threads, _) = parts(state);
        let next_op = self.next_op_of(thread.index(), threads[thread.index()]);
        next_op.expect("a thread that takes a step has announced it").0
    }

    /// Returns the next operation of a thread that is in state `number`, if there is one.
    fn next_op_of(&self, thread: usize, number: u32) -> Option<(NextOp, Op)> {
        let (object, op) = self.threads[number as usize].next.pending?;
        Some((NextOp { thread: ThreadId::new(thread), object }, op))
    }

    /// Returns the next operations of all threads that have not ended.
    fn next_ops(&self, threads: &[u32]) -> impl Iterator<Item = (NextOp, Op)> {
        let numbers = threads.iter().enumerate();
        numbers.filter_map(|(thread, number)| self.next_op_of(thread, *number))
    }

    fn thread(&mut self, thread: ThreadId, next: Next) -> Result<u32, Diverged> {
        let new = number(self.threads.len());
        let first = *self.thread_numbers.entry(next.history).or_insert(new);
        let known = first + self.alike.place(thread);
        if first == new {
            let all = self.alike.members(&thread).iter();
            self.threads.extend(all.map(|thread| ThreadState { thread: *thread, next }));
            if let Some((object, op)) = next.pending {
                if op.kind.row().tries_lock {
                    self.try_at(object);
                }
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
                // A release sees whether it is held, so its unlock is visible.
                self.try_at(object);
                self.asides = true;
            }
            let colours = self.alike.colours(&*machine);
            self.asymmetric |= colours.is_none();
            let colours = colours.unwrap_or_default();
            self.objects.push(ObjectState { object, machine, digest, colours });
        }
        known
    }

    /// Returns whether a thread may try `object`, and so see whether it is held.
    fn tried(&self, object: ObjectId) -> bool {
        self.tried.get(object.index()).copied().unwrap_or(false)
    }

    /// Returns the number of objects that a thread may try, as far as is known.
    pub(super) fn count_tried(&self) -> usize {
        self.tried.iter().filter(|tried| **tried).count()
    }

    /// Returns a number for `state` that is the same in every automaton of the program.
    pub(super) fn digest(&self, state: &State) -> u64 {
        let (dimensions, threads, objects) = parts(state);
        let mut hasher = FxHasher::default();
        for thread in threads {
            hasher.write_u64(self.threads[*thread as usize].next.history);
        }
        for object in objects {
            hasher.write_u64(self.objects[*object as usize].digest);
        }
        mix(u64::from(dimensions.0), hasher.finish())
    }
}

/// Returns the releases of objects with the memory that they live in.
fn releases(record: &StepRecord) -> Vec<NumberedEffect> {
    let release = |effect: &Effect| match effect {
        Effect::Set(object, FREED) => Some(NumberedEffect::Set(*object, FREED)),
        _ => None,
    };
    record.effects.iter().filter_map(release).collect()
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("fewer than 2^32 of them fit into memory")
}

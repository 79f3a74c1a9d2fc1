//! Threads that do the same, and the one state that is kept of those that differ only in which of
//! them is where.
//!
//! The local state of a thread is its observations. So threads that run the same function with the
//! same world are distinguished by nothing but the names that objects have for them. If two of them
//! change places, and the objects change the names, what can happen is the same up to these names.
//! A search may therefore keep one state of each orbit of this group of permutations: the one in
//! which the threads that do the same are sorted, by their local states and then by how the objects
//! have them, which is their *colour* (C. N. Ip and D. L. Dill, "Better verification through
//! symmetry", FMSD 1996). Two threads of the same colour are interchangeable, so their order makes
//! no difference. Were that ever not so, an orbit would be kept twice, which is no error.

use smallvec::SmallVec;

use crate::machine::Machine;
use crate::mix::mix;
use crate::op::ThreadId;
use crate::renaming::{Renaming, THREADS_MAX};

use super::state::parts;
use super::{Automaton, State, Unknown};

/// How an object has each thread: a digest of its state with this thread's name and no other. None
/// if it names no thread that is like another.
pub(super) type Colours = Box<[u64]>;

/// The colour of a thread that an object does not name.
const UNNAMED: u64 = 0;

/// The threads that are treated as the same.
#[derive(Default)]
pub(super) struct Alike {
    /// The groups with more than one thread.
    groups: Vec<Vec<ThreadId>>,
    /// The place of each thread in its group.
    places: Vec<u32>,
    /// The group of each thread; its number is that of no group for a thread that is like no other.
    group_of: Vec<usize>,
}

impl Alike {
    pub(super) fn new(alike: &[usize]) -> Self {
        let mut groups: Vec<Vec<ThreadId>> = Vec::new();
        let mut places = Vec::new();
        let mut group_of = Vec::new();
        for like in alike {
            let members = (0..alike.len()).filter(|thread| alike[*thread] == *like);
            let members: Vec<ThreadId> = members.map(ThreadId::new).collect();
            let place = members.iter().position(|member| member.index() == places.len());
            places.push(place.expect("a thread is like itself") as u32);
            let known = groups.iter().position(|group| *group == members);
            group_of.push(known.unwrap_or(if members.len() > 1 {
                groups.len()
            } else {
                usize::MAX
            }));
            if known.is_none() && members.len() > 1 {
                groups.push(members);
            }
        }
        Self { groups, places, group_of }
    }

    /// Returns whether no two threads are treated as the same.
    fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the place of a thread among those that are treated as the same.
    pub(super) fn place(&self, thread: ThreadId) -> u32 {
        self.places.get(thread.index()).copied().unwrap_or(0)
    }

    /// Returns the threads that are treated as the same as `thread`, which is one of them.
    pub(super) fn members<'a>(&'a self, thread: &'a ThreadId) -> &'a [ThreadId] {
        let group = self.group_of.get(thread.index()).and_then(|group| self.groups.get(*group));
        group.map_or(std::slice::from_ref(thread), Vec::as_slice)
    }

    /// Returns the colours of an object in this state, or `None` if it cannot be renamed.
    pub(super) fn colours(&self, machine: &dyn Machine) -> Option<Colours> {
        let mut colours = vec![UNNAMED; self.places.len()];
        let anonymous = self.anonymous();
        for group in &self.groups {
            let unnamed = digest(machine, anonymous)?;
            for thread in group {
                // The first of a group stands for the thread, the second for all others.
                let named = digest(machine, anonymous.with(thread.index(), group[0].index()))?;
                colours[thread.index()] = if named == unnamed { UNNAMED } else { named };
            }
        }
        let is_named = colours.iter().any(|colour| *colour != UNNAMED);
        Some(if is_named { colours.into() } else { Colours::default() })
    }

    /// Returns the renaming that leaves each group the name of its second thread.
    fn anonymous(&self) -> Renaming {
        let mut renaming = Renaming::NONE;
        for group in &self.groups {
            for thread in group {
                renaming = renaming.with(thread.index(), group[1].index());
            }
        }
        renaming
    }
}

/// Returns a digest of the state of an object after a renaming, if it can be renamed.
fn digest(machine: &dyn Machine, renaming: Renaming) -> Option<u64> {
    let mut machine = dyn_clone::clone_box(machine);
    let mut words = Vec::new();
    machine.rename(&renaming).then(|| machine.encode(&mut words))?;
    Some(words.iter().fold(words.len() as u64, |digest, word| mix(digest, *word)))
}

/// What distinguishes a thread from those that do the same: its local state and its colours.
type Key = (u64, u64);

impl Automaton {
    /// Returns whether threads that do the same may be interchanged.
    pub(in crate::engine::native) fn is_symmetric(&self) -> bool {
        !self.asymmetric
    }

    /// Returns whether there are threads that are treated as the same.
    pub(in crate::engine::native) fn interchanges(&self) -> bool {
        !self.alike.is_empty()
    }

    /// Replaces `state` by the state of its orbit that is kept, and returns the new names of the
    /// threads.
    pub(in crate::engine::native) fn sort(&self, state: &mut [u32]) -> Result<Renaming, Unknown> {
        if self.alike.is_empty() {
            return Ok(Renaming::NONE);
        }
        let mut renaming = Renaming::NONE;
        for group in &self.alike.groups {
            let mut members = self.keys(state, group);
            members.sort_by_key(|(key, _)| *key);
            for (place, (_, thread)) in group.iter().zip(&members) {
                renaming = renaming.with(thread.index(), place.index());
            }
        }
        if renaming == Renaming::NONE {
            return Ok(renaming);
        }
        let (dimensions, _, objects) = parts(state);
        let first_object = 1 + dimensions.threads();
        let mut renamed: SmallVec<[(usize, u32); 8]> = SmallVec::new();
        for (at, object) in objects.iter().enumerate() {
            if !self.objects[*object as usize].colours.is_empty() {
                let known = self.renamed.get(&(*object, renaming));
                renamed.push((at, *known.ok_or(Unknown::Renamed(*object, renaming))?));
            }
        }
        renamed.into_iter().for_each(|(at, object)| state[first_object + at] = object);
        for group in &self.alike.groups {
            let words: SmallVec<[(ThreadId, u32); 8]> =
                group.iter().map(|thread| (*thread, state[1 + thread.index()])).collect();
            for (thread, word) in words {
                let place = renaming.of(thread);
                state[1 + place.index()] =
                    word - self.alike.place(thread) + self.alike.place(place);
            }
        }
        Ok(renaming)
    }

    /// Returns the number of states in the orbit of `state`.
    pub(in crate::engine::native) fn orbit(&self, state: &State) -> u64 {
        let mut size = 1;
        for group in &self.alike.groups {
            let mut keys = self.keys(state, group);
            keys.sort_by_key(|(key, _)| *key);
            let same = keys.chunk_by(|(one, _), (other, _)| one == other);
            size *= same.fold(factorial(group.len()), |size, same| size / factorial(same.len()));
        }
        size
    }

    /// Returns the threads of a group in `state`, each with what distinguishes it.
    fn keys(&self, state: &State, group: &[ThreadId]) -> SmallVec<[(Key, ThreadId); 8]> {
        let (_, threads, objects) = parts(state);
        let named = objects
            .iter()
            .zip(0..)
            .map(|(object, at)| (&*self.objects[*object as usize].colours, at));
        let named: SmallVec<[(&[u64], u64); 8]> =
            named.filter(|(colours, _)| !colours.is_empty()).collect();
        let key = |thread: &ThreadId| {
            let local = self.threads[threads[thread.index()] as usize].next.history;
            let colour = |all: u64, (colours, at): &(&[u64], u64)| match colours[thread.index()] {
                UNNAMED => all,
                colour => mix(mix(all, *at), colour),
            };
            ((local, named.iter().fold(UNNAMED, colour)), *thread)
        };
        group.iter().map(key).collect()
    }
}

fn factorial(number: usize) -> u64 {
    (1..=number as u64).product()
}

/// Returns the threads that are treated as the same, of those that do the same: none if there are
/// more than a renaming can tell apart.
pub(in crate::engine::native) fn interchangeable(alike: &[usize]) -> &[usize] {
    let distinct = alike.iter().enumerate().all(|(thread, like)| thread == *like);
    if distinct || alike.len() > THREADS_MAX { &[] } else { alike }
}

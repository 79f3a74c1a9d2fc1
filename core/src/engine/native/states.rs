//! The states that were reached, each once, in the order in which they were.
//!
//! A state is kept as its words, with the step that led to it, so that the way there can be
//! told; a table of hashes finds it again, word for word. The states lie in chunks, so that
//! nothing is moved when they grow, and in shards, each behind a lock, so that several threads
//! can add to them.

use std::hash::{Hash, Hasher};
use std::mem::size_of;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};

use crate::explore::Choice;
use crate::op::ThreadId;

use super::automaton::State;
use super::lesson::Shape;

/// Words in a chunk, as a power of two.
const CHUNK_BITS: u32 = 14;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Shards where several threads add states; one thread needs only one.
const SHARDS: usize = 64;

/// Words before those of the state: the place of the state before, and the step from there.
pub(super) const HEADER: usize = 2;

/// Where a state is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Id {
    shard: u8,
    at: u32,
}

impl Id {
    /// What comes before the first state.
    const NOWHERE: Self = Self { shard: u8::MAX, at: u32::MAX };
}

/// How a state was reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    from: Id,
    choice: Choice,
}

impl Origin {
    pub(super) const BEGINNING: Self =
        Self { from: Id::NOWHERE, choice: Choice { thread: ThreadId::SETUP, way: 0 } };

    pub(super) fn new(from: Id, thread: ThreadId, way: u8) -> Self {
        Self { from, choice: Choice { thread, way } }
    }

    fn words(self) -> [u32; HEADER] {
        let thread = (self.choice.thread.index() as u32) & 0xFFFF;
        [self.from.at, u32::from(self.from.shard) << 24 | thread << 8 | u32::from(self.choice.way)]
    }

    fn read(words: &[u32]) -> Self {
        let [at, step] = [words[0], words[1]];
        let thread = ThreadId::new((step >> 8 & 0xFFFF) as usize);
        let choice = Choice { thread, way: step as u8 };
        Self { from: Id { shard: (step >> 24) as u8, at }, choice }
    }
}

/// The states of one search.
pub(super) struct States {
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Default)]
struct Shard {
    chunks: Vec<Vec<u32>>,
    /// Where each state is, and a part of its hash.
    known: HashTable<(u32, u32)>,
}

/// How far the states reach, shard by shard: a moment of the search.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Mark(Vec<(usize, usize)>);

/// States that lie together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    shard: u8,
    chunk: usize,
    from: usize,
    to: usize,
}

impl States {
    pub(super) fn new(threads: usize) -> Self {
        let shards = if threads == 1 { 1 } else { SHARDS };
        Self { shards: (0..shards).map(|_| Mutex::default()).collect() }
    }

    /// Every word, to be kept.
    pub(super) fn save(&self) -> Vec<Vec<Vec<u32>>> {
        (0..self.shards.len()).map(|shard| self.shard(shard).chunks.clone()).collect()
    }

    /// The states that [`save`](Self::save) has kept.
    pub(super) fn restore(saved: Vec<Vec<Vec<u32>>>) -> Self {
        let states = Self { shards: saved.iter().map(|_| Mutex::default()).collect() };
        for (shard, chunks) in saved.into_iter().enumerate() {
            *states.shard(shard) = Shard::restore(chunks);
        }
        states
    }

    fn shard(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever adds states. No other method may be called meanwhile on this thread.
    pub(super) fn adder(&self) -> Adder<'_> {
        Adder { states: self, open: None }
    }

    /// How many states there are.
    pub(super) fn len(&self) -> u64 {
        self.each_shard(|shard| shard.known.len() as u64)
    }

    /// Bytes that they take.
    pub(super) fn memory(&self) -> u64 {
        self.each_shard(|shard| {
            let chunks: usize = shard.chunks.iter().map(Vec::capacity).sum();
            (chunks * size_of::<u32>() + shard.known.allocation_size()) as u64
        })
    }

    fn each_shard(&self, count: impl Fn(&Shard) -> u64) -> u64 {
        (0..self.shards.len()).map(|shard| count(&self.shard(shard))).sum()
    }

    pub(super) fn mark(&self) -> Mark {
        let mark = |shard: &Shard| match shard.chunks.last() {
            Some(chunk) => (shard.chunks.len() - 1, chunk.len()),
            None => (0, 0),
        };
        Mark((0..self.shards.len()).map(|shard| mark(&self.shard(shard))).collect())
    }

    /// Before the first state.
    pub(super) fn start(&self) -> Mark {
        Mark(vec![(0, 0); self.shards.len()])
    }

    /// The states that were added between two moments.
    pub(super) fn between(&self, from: &Mark, to: &Mark) -> Vec<Run> {
        let mut runs = Vec::new();
        for (shard, (from, to)) in from.0.iter().zip(&to.0).enumerate() {
            let chunks = &self.shard(shard).chunks;
            for (chunk, words) in chunks.iter().enumerate().take(to.0 + 1).skip(from.0) {
                let from = if chunk == from.0 { from.1 } else { 0 };
                let to = if chunk == to.0 { to.1 } else { words.len() };
                if from < to {
                    runs.push(Run { shard: shard as u8, chunk, from, to });
                }
            }
        }
        runs
    }

    /// Copies the words of `run` to `words`, where [`Run::states`] finds the states in them.
    pub(super) fn copy(&self, run: Run, words: &mut Vec<u32>) {
        words.clear();
        let shard = self.shard(run.shard.into());
        words.extend_from_slice(&shard.chunks[run.chunk][run.from..run.to]);
    }

    /// Hands every state to `look`.
    pub(super) fn for_each(&self, mut look: impl FnMut(Id, &State)) {
        let mut words = Vec::new();
        for run in self.between(&self.start(), &self.mark()) {
            self.copy(run, &mut words);
            run.states(&words).for_each(|(id, state)| look(id, state));
        }
    }

    /// Where `state` is, if it was reached.
    pub(super) fn find(&self, state: &State) -> Option<Id> {
        let hash = hash(state);
        let shard = hash as usize % self.shards.len();
        let at = self.shard(shard).find(state, hash)?;
        Some(Id { shard: shard as u8, at })
    }

    /// The state at `id`.
    pub(super) fn get(&self, id: Id) -> Vec<u32> {
        self.shard(id.shard.into()).state(id.at).to_vec()
    }

    /// The states on the way to `id`, each with the step that was taken from there.
    pub(super) fn way(&self, mut id: Id) -> Vec<(Id, Choice)> {
        let mut way = Vec::new();
        loop {
            let origin = Origin::read(self.shard(id.shard.into()).words(id.at));
            if origin.from == Id::NOWHERE {
                way.reverse();
                return way;
            }
            way.push((origin.from, origin.choice));
            id = origin.from;
        }
    }
}

/// Adds states. It keeps the last shard locked: where there is only one, that is for long.
pub(super) struct Adder<'a> {
    states: &'a States,
    open: Option<(usize, MutexGuard<'a, Shard>)>,
}

impl Adder<'_> {
    /// Adds a state, if it is new.
    pub(super) fn reach(&mut self, state: &State, origin: Origin) {
        let hash = hash(state);
        // The table goes by some bits in the middle, the shard by others.
        let wanted = hash as usize % self.states.shards.len();
        let shard = match &mut self.open {
            Some((shard, open)) if *shard == wanted => open,
            open => {
                // One at a time: two who held one and wanted another would wait for ever.
                *open = None;
                &mut open.insert((wanted, self.states.shard(wanted))).1
            }
        };
        shard.reach(state, hash, origin);
    }
}

impl Run {
    /// How many words there are.
    pub(super) fn words(&self) -> usize {
        self.to - self.from
    }

    /// The states in the words that were copied, and where they are.
    pub(super) fn states<'a>(
        &self,
        words: &'a [u32],
    ) -> impl Iterator<Item = (Id, &'a State)> + use<'a> {
        let Run { shard, chunk, from, .. } = *self;
        let mut next = 0;
        std::iter::from_fn(move || {
            let words = words.get(next..).filter(|words| !words.is_empty())?;
            let id = Id { shard, at: (chunk << CHUNK_BITS | (from + next)) as u32 };
            let state = state_in(words);
            next += HEADER + state.len();
            Some((id, state))
        })
    }
}

fn hash(state: &State) -> u64 {
    let mut hasher = FxHasher::default();
    state.hash(&mut hasher);
    hasher.finish()
}

/// The state at the beginning of `words`.
fn state_in(words: &[u32]) -> &State {
    let shape = Shape(words[HEADER]);
    &words[HEADER..HEADER + 1 + shape.threads() + shape.objects()]
}

/// The part of a hash that is kept. The table is ordered by it alone, so that it grows without a
/// look at the states.
fn part(hash: u64) -> u32 {
    (hash >> 16) as u32
}

fn spread(part: u32) -> u64 {
    u64::from(part).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Shard {
    fn reach(&mut self, state: &State, hash: u64, origin: Origin) {
        let part = part(hash);
        let Self { chunks, known } = self;
        let same = |known: &(u32, u32)| is(chunks, known, part, state);
        if let Entry::Vacant(place) = known.entry(spread(part), same, |(_, part)| spread(*part)) {
            place.insert((add(chunks, &origin.words(), state), part));
        }
    }

    fn find(&self, state: &State, hash: u64) -> Option<u32> {
        let part = part(hash);
        let same = |known: &(u32, u32)| is(&self.chunks, known, part, state);
        self.known.find(spread(part), same).map(|(at, _)| *at)
    }

    fn restore(chunks: Vec<Vec<u32>>) -> Self {
        let mut known = HashTable::new();
        for (chunk, words) in chunks.iter().enumerate() {
            let run = Run { shard: 0, chunk, from: 0, to: words.len() };
            for (id, state) in run.states(words) {
                let part = part(hash(state));
                known.insert_unique(spread(part), (id.at, part), |(_, part)| spread(*part));
            }
        }
        // The last chunk is added to.
        let chunks = chunks.into_iter().map(|mut chunk| {
            chunk.reserve_exact(CHUNK - chunk.len());
            chunk
        });
        Self { chunks: chunks.collect(), known }
    }

    fn words(&self, at: u32) -> &[u32] {
        words_in(&self.chunks, at)
    }

    fn state(&self, at: u32) -> &State {
        state_in(self.words(at))
    }
}

/// Whether a known state, of which a part of the hash is kept, is `state`.
fn is(chunks: &[Vec<u32>], (at, kept): &(u32, u32), part: u32, state: &State) -> bool {
    *kept == part && state_in(words_in(chunks, *at)) == state
}

fn words_in(chunks: &[Vec<u32>], at: u32) -> &[u32] {
    &chunks[(at >> CHUNK_BITS) as usize][at as usize & (CHUNK - 1)..]
}

/// Appends a state, to the last chunk if it has room.
fn add(chunks: &mut Vec<Vec<u32>>, header: &[u32; HEADER], state: &State) -> u32 {
    let len = HEADER + state.len();
    assert!(len <= CHUNK, "a state has fewer than {CHUNK} threads and objects");
    if chunks.last().is_none_or(|chunk| chunk.len() + len > CHUNK) {
        chunks.push(Vec::with_capacity(CHUNK));
    }
    let last = chunks.len() - 1;
    let chunk = &mut chunks[last];
    let at = u32::try_from(last << CHUNK_BITS | chunk.len()).expect("fewer than 16 GiB of states");
    chunk.extend_from_slice(header);
    chunk.extend_from_slice(state);
    at
}

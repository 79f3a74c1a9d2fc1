//! The states that were reached, each once, in order of discovery.
//!
//! A state is stored as its words, with the step that led to it, so that its path can be
//! reconstructed. A [table](super::table) of hashes finds it again, word for word. The states lie
//! in chunks, so that nothing is moved when they grow, and in stripes, each behind a lock, so that
//! several threads can add to them.

use std::hash::{Hash, Hasher};
use std::mem::size_of;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};

use crate::op::ThreadId;
use crate::schedule::Choice;

use super::automaton::State;
use super::successor::Successor;
use super::table::Table;
use crate::runtime::native::Dimensions;

/// The binary logarithm of the number of words in a chunk.
const CHUNK_BITS: u32 = 14;
const CHUNK: usize = 1 << CHUNK_BITS;

/// The number of stripes where several threads add states; one thread needs only one.
const STRIPES: usize = 64;

/// The number of states that are added to a stripe at once.
const BATCH: usize = 32;

/// The number of words before those of the state: the place of the preceding state, and the step.
pub(super) const HEADER: usize = 2;

/// The place of a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Id {
    stripe: u8,
    at: u32,
}

impl Id {
    /// The predecessor of the first state.
    const NOWHERE: Self = Self { stripe: u8::MAX, at: u32::MAX };
}

/// The step by which a state was reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    from: Id,
    choice: Choice,
}

impl Origin {
    pub(super) const BEGINNING: Self =
        Self { from: Id::NOWHERE, choice: Choice { thread: ThreadId::SETUP, outcome: 0 } };

    pub(super) fn new(from: Id, thread: ThreadId, outcome: u8) -> Self {
        Self { from, choice: Choice { thread, outcome } }
    }

    fn words(self) -> [u32; HEADER] {
        let thread = (self.choice.thread.index() as u32) & 0xFFFF;
        [
            self.from.at,
            u32::from(self.from.stripe) << 24 | thread << 8 | u32::from(self.choice.outcome),
        ]
    }

    fn read(words: &[u32]) -> Self {
        let [at, step] = [words[0], words[1]];
        let thread = ThreadId::new((step >> 8 & 0xFFFF) as usize);
        let choice = Choice { thread, outcome: step as u8 };
        Self { from: Id { stripe: (step >> 24) as u8, at }, choice }
    }
}

/// The states of one search.
pub(super) struct States {
    stripes: Box<[Mutex<Stripe>]>,
}

#[derive(Default)]
struct Stripe {
    chunks: Vec<Vec<u32>>,
    /// The place of each state.
    known: Table,
}

/// The extent of the states, stripe by stripe, at one moment of the search.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Mark(Vec<(usize, usize)>);

/// States that lie together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    stripe: u8,
    chunk: usize,
    from: usize,
    to: usize,
}

impl States {
    pub(super) fn new(threads: usize) -> Self {
        let stripes = if threads == 1 { 1 } else { STRIPES };
        Self { stripes: (0..stripes).map(|_| Mutex::default()).collect() }
    }

    /// Returns every word, for storage.
    pub(super) fn save(&self) -> Vec<Vec<Vec<u32>>> {
        (0..self.stripes.len()).map(|stripe| self.stripe(stripe).chunks.clone()).collect()
    }

    /// Restores the states that [`save`](Self::save) has returned.
    pub(super) fn restore(saved: Vec<Vec<Vec<u32>>>) -> Self {
        let states = Self { stripes: saved.iter().map(|_| Mutex::default()).collect() };
        for (stripe, chunks) in saved.into_iter().enumerate() {
            *states.stripe(stripe) = Stripe::restore(chunks);
        }
        states
    }

    fn stripe(&self, stripe: usize) -> MutexGuard<'_, Stripe> {
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an adder of states, which wait in `waiting` until there are many.
    pub(super) fn adder<'a>(&'a self, waiting: &'a mut Waiting) -> Adder<'a> {
        waiting.batches.resize_with(self.stripes.len(), Vec::new);
        Adder { states: self, waiting }
    }

    /// Returns the number of states.
    pub(super) fn len(&self) -> u64 {
        self.each_stripe(|stripe| stripe.known.len() as u64)
    }

    /// Returns their size in bytes.
    pub(super) fn memory(&self) -> u64 {
        self.each_stripe(|stripe| {
            let chunks: usize = stripe.chunks.iter().map(Vec::capacity).sum();
            (chunks * size_of::<u32>() + stripe.known.memory()) as u64
        })
    }

    /// Returns their maximal size in bytes: a place in a stripe is one of 2^32 words.
    pub(super) fn memory_max(&self) -> u64 {
        (self.stripes.len() as u64) << 33
    }

    fn each_stripe(&self, count: impl Fn(&Stripe) -> u64) -> u64 {
        (0..self.stripes.len()).map(|stripe| count(&self.stripe(stripe))).sum()
    }

    pub(super) fn mark(&self) -> Mark {
        let mark = |stripe: &Stripe| match stripe.chunks.last() {
            Some(chunk) => (stripe.chunks.len() - 1, chunk.len()),
            None => (0, 0),
        };
        Mark((0..self.stripes.len()).map(|stripe| mark(&self.stripe(stripe))).collect())
    }

    /// Returns the mark before the first state.
    pub(super) fn start(&self) -> Mark {
        Mark(vec![(0, 0); self.stripes.len()])
    }

    /// Returns the states that were added between two marks.
    pub(super) fn between(&self, from: &Mark, to: &Mark) -> Vec<Run> {
        let mut runs = Vec::new();
        for (stripe, (from, to)) in from.0.iter().zip(&to.0).enumerate() {
            let chunks = &self.stripe(stripe).chunks;
            for (chunk, words) in chunks.iter().enumerate().take(to.0 + 1).skip(from.0) {
                let from = if chunk == from.0 { from.1 } else { 0 };
                let to = if chunk == to.0 { to.1 } else { words.len() };
                if from < to {
                    runs.push(Run { stripe: stripe as u8, chunk, from, to });
                }
            }
        }
        runs
    }

    /// Copies the words of `run` to `words`, where [`Run::states`] finds the states in them.
    pub(super) fn copy(&self, run: Run, words: &mut Vec<u32>) {
        words.clear();
        let stripe = self.stripe(run.stripe.into());
        words.extend_from_slice(&stripe.chunks[run.chunk][run.from..run.to]);
    }

    /// Passes every state to `look`.
    pub(super) fn for_each(&self, mut look: impl FnMut(Id, &State)) {
        let mut words = Vec::new();
        for run in self.between(&self.start(), &self.mark()) {
            self.copy(run, &mut words);
            run.states(&words).for_each(|(id, state)| look(id, state));
        }
    }

    /// Returns the place of `state`, if it was reached.
    pub(super) fn find(&self, state: &State) -> Option<Id> {
        let hash = hash(state);
        let stripe = stripe_of(hash, self.stripes.len());
        let at = self.stripe(stripe).find(state, hash)?;
        Some(Id { stripe: stripe as u8, at })
    }

    /// Returns the state at `id`.
    pub(super) fn get(&self, id: Id) -> Vec<u32> {
        self.stripe(id.stripe.into()).state(id.at).to_vec()
    }

    /// Returns the states on the path to `id`, each with the step that was taken from there.
    pub(super) fn path_to(&self, mut id: Id) -> Vec<(Id, Choice)> {
        let mut outcome = Vec::new();
        loop {
            let origin = Origin::read(self.stripe(id.stripe.into()).words(id.at));
            if origin.from == Id::NOWHERE {
                outcome.reverse();
                return outcome;
            }
            outcome.push((origin.from, origin.choice));
            id = origin.from;
        }
    }
}

/// Adds states, many at a time. All are added when it is dropped.
pub(super) struct Adder<'a> {
    states: &'a States,
    waiting: &'a mut Waiting,
}

/// States that are to be added.
#[derive(Default)]
pub(super) struct Waiting {
    /// Headers and states.
    words: Vec<u32>,
    count: usize,
    /// The states for each stripe: a part of the hash, and where the header begins.
    batches: Vec<Vec<(u32, usize)>>,
}

impl Adder<'_> {
    /// Adds a state, if it is new.
    pub(super) fn reach(&mut self, state: Successor<'_>, origin: Origin) {
        let Waiting { words, count, batches } = &mut *self.waiting;
        words.extend_from_slice(&origin.words());
        state.append_to(words);
        *count += 1;
        if *count == BATCH * batches.len() {
            self.add();
        }
    }

    fn add(&mut self) {
        let Waiting { words, count, batches } = &mut *self.waiting;
        let mut from = 0;
        while from < words.len() {
            let state = state_in(&words[from..]);
            let hash = hash(state);
            let stripe = stripe_of(hash, batches.len());
            batches[stripe].push((part(hash), from));
            from += HEADER + state.len();
        }
        for (stripe, batch) in batches.iter_mut().enumerate() {
            if !batch.is_empty() {
                self.states.stripe(stripe).add(batch, words);
                batch.clear();
            }
        }
        words.clear();
        *count = 0;
    }
}

impl Drop for Adder<'_> {
    fn drop(&mut self) {
        self.add();
    }
}

impl Run {
    /// Returns the number of words.
    pub(super) fn words(&self) -> usize {
        self.to - self.from
    }

    /// Returns the states in the words that were copied, with their places.
    pub(super) fn states<'a>(
        &self,
        words: &'a [u32],
    ) -> impl Iterator<Item = (Id, &'a State)> + use<'a> {
        let Run { stripe, chunk, from, .. } = *self;
        let mut next = 0;
        std::iter::from_fn(move || {
            let words = words.get(next..).filter(|words| !words.is_empty())?;
            let id = Id { stripe, at: (chunk << CHUNK_BITS | (from + next)) as u32 };
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

/// Returns the state at the beginning of `words`.
fn state_in(words: &[u32]) -> &State {
    let dimensions = Dimensions(words[HEADER]);
    &words[HEADER..HEADER + 1 + dimensions.threads() + dimensions.objects()]
}

/// Returns the stripe of a state with this hash; the number of stripes is a power of two.
fn stripe_of(hash: u64, stripes: usize) -> usize {
    hash as usize & (stripes - 1)
}

/// Returns the part of a hash that is stored: not the lowest bits, which select the stripe.
fn part(hash: u64) -> u32 {
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

impl Stripe {
    /// Adds the new ones. The slots of the table are far from each other in memory, so all of them
    /// are prefetched before any is read. The states found there are not, since most were added
    /// recently.
    fn add(&mut self, batch: &[(u32, usize)], words: &[u32]) {
        let Self { chunks, known } = self;
        known.reserve(batch.len());
        for (part, _) in batch {
            known.prefetch(*part);
        }
        for (part, from) in batch {
            let words = &words[*from..];
            let state = state_in(words);
            if let Err(vacant) = known.find(*part, |at| state_in(words_in(chunks, at)) == state) {
                let at = push(chunks, &words[..HEADER + state.len()]);
                known.insert(vacant, *part, at);
            }
        }
    }

    fn find(&self, state: &State, hash: u64) -> Option<u32> {
        if self.known.len() == 0 {
            return None;
        }
        self.known.find(part(hash), |at| self.state(at) == state).ok()
    }

    fn restore(chunks: Vec<Vec<u32>>) -> Self {
        let mut known = Table::default();
        for (chunk, words) in chunks.iter().enumerate() {
            let run = Run { stripe: 0, chunk, from: 0, to: words.len() };
            for (id, state) in run.states(words) {
                known.reserve(1);
                known.put_new(part(hash(state)), id.at);
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

fn words_in(chunks: &[Vec<u32>], at: u32) -> &[u32] {
    &chunks[(at >> CHUNK_BITS) as usize][at as usize & (CHUNK - 1)..]
}

/// Appends a state, to the last chunk if it has room.
fn push(chunks: &mut Vec<Vec<u32>>, words: &[u32]) -> u32 {
    let len = words.len();
    assert!(len <= CHUNK, "a state has fewer than {CHUNK} threads and objects");
    if chunks.last().is_none_or(|chunk| chunk.len() + len > CHUNK) {
        chunks.push(Vec::with_capacity(CHUNK));
    }
    let last = chunks.len() - 1;
    let chunk = &mut chunks[last];
    let at = u32::try_from(last << CHUNK_BITS | chunk.len()).expect("fewer than 16 GiB of states");
    chunk.extend_from_slice(words);
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a state of one thread and one object.
    fn state(thread: u32, object: u32) -> [u32; 3] {
        [Dimensions::new(1, 1).0, thread, object]
    }

    /// So many that some of them have equal stored parts of the hash.
    const MANY: u32 = 300_000;

    #[test]
    fn states_of_the_same_hash_are_different_states() {
        let parts = (0..MANY).map(|number| part(hash(&state(number, number / 7))));
        assert!(parts.collect::<rustc_hash::FxHashSet<_>>().len() < MANY as usize);
        let states = States::new(1);
        let mut waiting = Waiting::default();
        let mut adder = states.adder(&mut waiting);
        for number in (0..MANY).chain(0..MANY) {
            adder.reach(Successor::whole(&state(number, number / 7)), Origin::BEGINNING);
        }
        drop(adder);
        assert_eq!(states.len(), u64::from(MANY));
    }

    #[test]
    fn threads_that_reach_the_same_states_add_each_once_and_all_are_found() {
        let states = States::new(2);
        let beginning = Origin::BEGINNING;
        std::thread::scope(|scope| {
            for shift in 0..2 {
                let states = &states;
                scope.spawn(move || {
                    let mut waiting = Waiting::default();
                    let mut adder = states.adder(&mut waiting);
                    for number in 0..10_000 {
                        let number = (number + shift * 5_000) % 10_000;
                        // The same state in two representations.
                        match shift {
                            0 => adder.reach(Successor::whole(&state(number, 3)), beginning),
                            _ => adder.reach(
                                Successor::new(&state(1, 1), [(1, number), (2, 3)]),
                                beginning,
                            ),
                        }
                    }
                });
            }
        });
        assert_eq!(states.len(), 10_000);
        let mut seen = 0;
        states.for_each(|id, state| {
            assert_eq!(states.find(state), Some(id));
            assert_eq!(states.get(id), state);
            seen += 1;
        });
        assert_eq!(seen, 10_000);
        assert_eq!(states.find(&state(10_000, 3)), None);
        let restored = States::restore(states.save());
        assert_eq!(restored.len(), 10_000);
        states.for_each(|id, state| assert_eq!(restored.find(state), Some(id)));
    }
}

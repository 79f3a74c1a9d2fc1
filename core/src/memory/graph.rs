//! The execution graph of a program with sequentially consistent accesses, and RC11's axiom about
//! them: `psc` is acyclic.
//!
//! Fences alone need less (see [`fences`](super::fences)). But which accesses precede which also
//! depends on program order at different words, so here each event is kept, and what an access may
//! do is checked on the graph. Two executions are in one state only if their graphs are equal.

use smallvec::SmallVec;

use super::view::Set;
use super::words::Word;

/// The number of a store that the set-up has made.
pub(super) const INITIAL: u32 = u32::MAX;

/// An event of a thread, by the number of its thread and its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Event {
    pub(super) number: u32,
    /// The word, if it is an access.
    pub(super) word: Option<u32>,
    /// The store that it reads, if it does.
    pub(super) reads: Option<u32>,
    pub(super) writes: bool,
    /// Whether it is sequentially consistent.
    pub(super) total: bool,
    /// The events that happen before it.
    pub(super) before: Set,
}

/// The bits for the number of an event in its thread.
const INDEX_BITS: u32 = 16;

/// The events, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph(Vec<Event>);

/// A set of events, by place.
#[derive(Clone, Debug, Default)]
struct Places(SmallVec<[u64; 2]>);

impl Places {
    fn add(&mut self, place: usize) {
        let word = place / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (place % 64);
    }

    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word & 1 << (place % 64) != 0)
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(mine, theirs)| mine & theirs != 0)
    }

    fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }
}

impl Graph {
    /// Returns the number of the next event of a thread.
    pub(super) fn next(&self, thread: usize) -> u32 {
        let (first, end) = ((thread as u32) << INDEX_BITS, (thread as u32 + 1) << INDEX_BITS);
        let place = self.0.partition_point(|event| event.number < end);
        let last = self.0[..place].last().filter(|event| event.number >= first);
        last.map_or(first, |last| last.number + 1)
    }

    /// Adds an event.
    pub(super) fn add(&mut self, event: Event) {
        let place = self.0.partition_point(|other| other.number < event.number);
        self.0.insert(place, event);
    }

    pub(super) fn set_total(&mut self, number: u32, total: bool) {
        let place = self.0.binary_search_by_key(&number, |event| event.number);
        place.into_iter().for_each(|place| self.0[place].total = total);
    }

    /// Returns whether the last event of a thread is this load. Then nothing distinguishes the two.
    pub(super) fn repeats(&self, event: &Event) -> bool {
        let last = event.number.checked_sub(1);
        let place = last.and_then(|last| self.0.binary_search_by_key(&last, |e| e.number).ok());
        place.is_some_and(|place| {
            let last = &self.0[place];
            let mut before = last.before.clone();
            before.insert(last.number);
            let same = (last.word, last.reads, last.writes, last.total)
                == (event.word, event.reads, event.writes, event.total);
            same && event.reads.is_some() && !event.writes && before == event.before
        })
    }

    fn same_thread(one: &Event, other: &Event) -> bool {
        one.number >> INDEX_BITS == other.number >> INDEX_BITS
    }

    /// Returns for each event those that come after it in coherence order: `mo` and `fr`.
    fn later(&self, words: &[Word]) -> Vec<Places> {
        let rank = |event: &Event, store: u32| {
            let stores = &words[event.word? as usize].stores;
            stores.iter().position(|other| other.event == store)
        };
        let of = |event: &Event| {
            let own = if event.writes { event.number } else { event.reads? };
            let base = if own == INITIAL { 0 } else { rank(event, own)? };
            let stores = &words[event.word? as usize].stores[base + 1..];
            let mut places = Places::default();
            for store in stores {
                let place = self.0.binary_search_by_key(&store.event, |event| event.number);
                place.into_iter().for_each(|place| places.add(place));
            }
            Some(places)
        };
        self.0.iter().map(|event| of(event).unwrap_or_default()).collect()
    }

    /// Returns for each event those that happen before it.
    fn before(&self) -> Vec<Places> {
        let of = |event: &Event| {
            let mut places = Places::default();
            for number in event.before.iter() {
                let place = self.0.binary_search_by_key(&number, |event| event.number);
                place.into_iter().for_each(|place| places.add(place));
            }
            places
        };
        self.0.iter().map(of).collect()
    }

    /// Returns for each event those before it by `sb; hb; sb` where both steps of program order
    /// lead to another word.
    fn around(&self, before: &[Places]) -> Vec<Places> {
        let next = |one: usize, other: usize| {
            let (one, other) = (&self.0[one], &self.0[other]);
            let order = one.number < other.number && Self::same_thread(one, other);
            order && one.word != other.word
        };
        let all = 0..self.0.len();
        // Those with a later event of their thread, at another word, that happens before this.
        let reach = |event: usize| {
            let mut places = Places::default();
            for one in all.clone() {
                let steps = |middle: usize| before[event].has(middle) && next(one, middle);
                if all.clone().any(steps) {
                    places.add(one);
                }
            }
            places
        };
        let reach: Vec<Places> = all.clone().map(reach).collect();
        let of = |event: usize| {
            let mut places = Places::default();
            all.clone()
                .filter(|last| next(*last, event))
                .for_each(|last| places.join(&reach[last]));
            places
        };
        all.clone().map(of).collect()
    }

    /// Returns whether the sequentially consistent events can be ordered.
    pub(super) fn is_consistent(&self, words: &[Word]) -> bool {
        let total: Vec<usize> = (0..self.0.len()).filter(|at| self.0[*at].total).collect();
        if total.len() < 2 {
            return true;
        }
        let (later, before) = (self.later(words), self.before());
        let (scb, eco) = (self.scb(&later, &before), self.eco(&later));
        let all = 0..self.0.len();
        // A fence takes part by what happens after it, or before it.
        let is_fence = |event: usize| self.0[event].word.is_none();
        let from = |event: usize| -> Vec<usize> {
            let after =
                |other: &usize| *other == event || (is_fence(event) && before[*other].has(event));
            all.clone().filter(after).collect()
        };
        let to = |event: usize| {
            let mut places =
                if is_fence(event) { before[event].clone() } else { Places::default() };
            places.add(event);
            places
        };
        let from: Vec<Vec<usize>> = total.iter().map(|event| from(*event)).collect();
        let to: Vec<Places> = total.iter().map(|event| to(*event)).collect();
        let precedes = |one: usize, other: usize| {
            let fences = is_fence(total[one]) && is_fence(total[other]);
            let relates = |event: &usize| {
                scb[*event].meets(&to[other]) || (fences && eco[*event].meets(&to[other]))
            };
            (fences && before[total[other]].has(total[one])) || from[one].iter().any(relates)
        };
        let numbers = 0..total.len();
        let row = |one| numbers.clone().map(|other| precedes(one, other)).collect();
        acyclic(numbers.clone().map(row).collect())
    }

    /// Returns for each event those that come after it in the order that RC11 calls `scb`: program
    /// order, `mo`, `fr`, and those parts of happens-before that lead to the same word, or away
    /// from one word and then to another.
    fn scb(&self, later: &[Places], before: &[Places]) -> Vec<Places> {
        let around = self.around(before);
        let mut rows = later.to_vec();
        for (one, row) in rows.iter_mut().enumerate() {
            for other in 0..self.0.len() {
                let (first, second) = (&self.0[one], &self.0[other]);
                let same_word = first.word.is_some() && first.word == second.word;
                let happens = before[other].has(one);
                if (happens && (same_word || Self::same_thread(first, second)))
                    || around[other].has(one)
                {
                    row.add(other);
                }
            }
        }
        rows
    }

    /// Returns for each event those that come after it in coherence order, `eco`: they are later,
    /// or read it or what is later.
    fn eco(&self, later: &[Places]) -> Vec<Places> {
        let mut rows = later.to_vec();
        for (reader, event) in self.0.iter().enumerate() {
            let Some(store) = event.reads else { continue };
            let Ok(store) = self.0.binary_search_by_key(&store, |event| event.number) else {
                continue;
            };
            for (one, row) in rows.iter_mut().enumerate() {
                if one == store || later[one].has(store) {
                    row.add(reader);
                }
            }
        }
        rows
    }

    pub(super) fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.0.len() as u64);
        for event in &self.0 {
            let flags = u64::from(event.writes) | u64::from(event.total) << 1;
            let number = |number: Option<u32>| number.map_or(0, |number| u64::from(number) + 1);
            key.extend([u64::from(event.number), number(event.word), number(event.reads), flags]);
            event.before.encode(key);
        }
    }
}

fn acyclic(mut precedes: Vec<Vec<bool>>) -> bool {
    let all = 0..precedes.len();
    for middle in all.clone() {
        let after = precedes[middle].clone();
        for row in precedes.iter_mut().filter(|row| row[middle]) {
            row.iter_mut().zip(&after).for_each(|(mine, theirs)| *mine |= theirs);
        }
    }
    all.clone().all(|event| !precedes[event][event])
}

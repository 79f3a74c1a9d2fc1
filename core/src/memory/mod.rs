//! The memory of the native engine where a [`WeakAtomic`](crate::sync::WeakAtomic) asks for less
//! than sequential consistency: RC11 as a machine.
//!
//! RC11 is the memory model of C11 as repaired by Lahav, Vafeiadis, Kang, Hur and Dreyer
//! ("Repairing sequential consistency in C/C++11", PLDI 2017), here with the release sequences of
//! C++20. It forbids cycles of program order and reads-from, so each of its executions can be run
//! in an order in which a load comes after the store that it reads. That is what makes a machine
//! possible, as in "A promising semantics for relaxed-memory concurrency" (Kang, Hur, Lahav,
//! Vafeiadis and Dreyer, POPL 2017), here without promises.
//!
//! Each word keeps its stores in modification order, with the view that each releases. Each thread
//! has its views. A load reads any store that is not before the thread's view, and a store is
//! inserted anywhere after it: both are outcomes of the operation. A store that no thread can
//! read any more is dropped, and the others are numbered anew, so equal memories are equal states.
//!
//! All words are one object of the execution, since a view is about all of them. The operations of
//! the other primitives carry views from thread to thread: see [`Note`]. `docs/memory.md` says
//! more.

mod fences;
mod graph;
mod notes;
mod races;
mod view;
mod words;

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, Ready};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;

use fences::Fences;
use graph::{Event, Graph, INITIAL};
pub(crate) use notes::{Note, Orders, orders};
use view::{Set, View};
use words::{Access, Store, Word};

/// The memory of a world.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    words: Vec<Word>,
    /// By number; nothing for a thread that has ended.
    threads: Vec<Option<Thread>>,
    /// The other objects that carry views, by number.
    carriers: Vec<Carrier>,
    fences: Fences,
    /// Every event, if there are sequentially consistent accesses.
    graph: Option<Graph>,
    /// The accesses of variables that a later one could race with.
    accesses: Set,
}

/// The views of a thread.
#[derive(Clone, Default)]
struct Thread {
    /// What happens before its next operation.
    now: View,
    /// The same if an acquire fence came next.
    acquired: View,
    /// What happened before its last release fence.
    fenced: View,
}

/// The views that an object carries from the threads that release it to those that acquire it.
#[derive(Clone)]
struct Carrier {
    object: u32,
    /// From its owners.
    exclusive: View,
    /// From its readers, for the next owner alone.
    shared: View,
}

impl Thread {
    fn acquire(&mut self, view: &View) {
        self.now.join(view);
        self.acquired.join(view);
    }
}

fn acquires(ordering: Ordering) -> bool {
    matches!(ordering, Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst)
}

fn releases(ordering: Ordering) -> bool {
    matches!(ordering, Ordering::Release | Ordering::AcqRel | Ordering::SeqCst)
}

impl Memory {
    /// Creates a memory without words, for so many threads. `total` is whether there may be
    /// sequentially consistent accesses.
    pub(crate) fn new(threads: usize, total: bool) -> Self {
        let graph = total.then(Graph::default);
        Self { threads: vec![Some(Thread::default()); threads], graph, ..Self::default() }
    }

    /// Notes an event of a thread, if each is kept: an access of a word, with the store that it
    /// reads, or something else. Returns its number.
    fn log(&mut self, me: ThreadId, access: Option<(Op, Access)>, reads: Option<u32>) -> u32 {
        let word = access.map(|(op, _)| self.word(op) as u32);
        let Some(Some(thread)) = self.threads.get_mut(me.index()) else { return INITIAL };
        let Some(graph) = &mut self.graph else { return INITIAL };
        let number = graph.next(me.index());
        let writes = access.is_some_and(|(_, access)| !matches!(access, Access::Read(_)));
        let total = access
            .is_some_and(|(op, access)| op.weak.ordering(access.is_update()) == Ordering::SeqCst);
        let before = thread.now.events.clone();
        let event = Event { number, word, reads, writes, total, before };
        if !graph.repeats(&event) {
            graph.add(event);
            thread.now.events.insert(number);
            thread.acquired.events.insert(number);
        }
        number
    }

    fn thread(&mut self, me: ThreadId) -> &mut Thread {
        self.threads[me.index()].as_mut().expect("it has not ended")
    }

    fn word(&self, op: Op) -> usize {
        let object = op.weak.object();
        self.words.iter().position(|word| Some(word.object) == object).expect("declared before")
    }

    /// Returns what `op` can do now.
    fn outcomes(&self, me: ThreadId, op: Op) -> SmallVec<[Access; 4]> {
        let word = self.word(op);
        let Some(Some(thread)) = self.threads.get(me.index()) else {
            // The set-up and the final check see what is last.
            let mut accesses = self.words[word].accesses(op, self.words[word].last());
            accesses.truncate(1);
            return accesses;
        };
        let mut accesses = self.words[word].accesses(op, thread.now.rank(word));
        if !self.fences.0.is_empty() {
            accesses.retain(|access| {
                let after = self.after(thread, op, word, *access);
                self.fences.allow(&after, word, access.base())
            });
        }
        if self.graph.is_some() {
            accesses.retain(|access| {
                let mut next = self.clone();
                next.access(me, op, *access);
                next.graph.is_some_and(|graph| graph.is_consistent(&next.words))
            });
        }
        accesses
    }

    /// Returns the fences that happen before an access.
    fn after(&self, thread: &Thread, op: Op, word: usize, access: Access) -> Set {
        let mut after = thread.now.fences.clone();
        if let Access::Read(rank) | Access::Update(rank) = access {
            if acquires(op.weak.ordering(access.is_update())) {
                after.join(&self.words[word].stores[rank].view.fences);
            }
        }
        after
    }

    fn access(&mut self, me: ThreadId, op: Op, access: Access) -> u64 {
        let word = self.word(op);
        let ordering = op.weak.ordering(access.is_update());
        if self.threads.get(me.index()).is_none_or(Option::is_none) {
            return self.access_alone(word, op, access);
        }
        let read = match access {
            Access::Read(rank) | Access::Update(rank) => {
                let Store { value, view, event, .. } = self.words[word].stores[rank].clone();
                let thread = self.thread(me);
                thread.acquired.join(&view);
                if acquires(ordering) {
                    thread.now.join(&view);
                }
                self.observe(me, word, rank);
                Some((value, view, event))
            }
            Access::Write(_) => None,
        };
        let rank = match access {
            Access::Read(rank) => {
                let after = self.thread(me).now.fences.clone();
                self.fences.access(&after, word, 2 * rank as u32 + 1);
                let (value, _, event) = read.expect("it reads");
                self.log(me, Some((op, access)), Some(event));
                return value;
            }
            Access::Write(rank) => rank,
            Access::Update(rank) => rank + 1,
        };
        let reads = read.as_ref().map(|(.., event)| *event);
        let (before, carried, _) = read.unwrap_or_default();
        self.insert(word, rank);
        let event = self.log(me, Some((op, access)), reads);
        self.observe(me, word, rank);
        let thread = self.thread(me);
        let mut view = if releases(ordering) { &thread.now } else { &thread.fenced }.clone();
        view.join(&carried);
        // A thread that reads the store has its rank.
        view.set_rank(word, 0);
        let value = op.updates(before);
        let store = Store { value, view, update: access.is_update(), event };
        self.words[word].stores.insert(rank, store);
        let after = self.thread(me).now.fences.clone();
        self.fences.access(&after, word, 2 * rank as u32);
        if op.kind == OpKind::Store { 0 } else { before }
    }

    /// Performs an access when no thread runs.
    fn access_alone(&mut self, word: usize, op: Op, access: Access) -> u64 {
        let last = self.words[word].last();
        let before = self.words[word].stores[last].value;
        if !matches!(access, Access::Read(_)) {
            self.insert(word, last + 1);
            let (value, view) = (op.updates(before), View::default());
            let store = Store { value, view, update: false, event: INITIAL };
            self.words[word].stores.push(store);
        }
        if op.kind == OpKind::Store { 0 } else { before }
    }

    fn observe(&mut self, me: ThreadId, word: usize, rank: usize) {
        let thread = self.thread(me);
        thread.now.raise(word, rank);
        thread.acquired.raise(word, rank);
    }

    /// Makes room for a store of the rank `new`.
    fn insert(&mut self, word: usize, new: usize) {
        self.views().for_each(|view| view.make_room(word, new));
        self.fences.0.iter_mut().for_each(|fence| fence.make_room(word, new));
    }

    fn fence(&mut self, me: ThreadId, ordering: Ordering) {
        let Some(Some(thread)) = self.threads.get_mut(me.index()) else { return };
        if acquires(ordering) {
            thread.now = thread.acquired.clone();
        }
        if self.graph.is_some() {
            self.log_fence(me, ordering == Ordering::SeqCst);
        } else if ordering == Ordering::SeqCst {
            let now = thread.now.clone();
            if let Some(new) = self.fences.add(me.index(), &now) {
                self.views().for_each(|view| view.fences.make_room(new));
                let thread = self.thread(me);
                thread.now.fences.insert(new);
                thread.acquired.fences.insert(new);
            }
        }
        if releases(ordering) {
            let thread = self.thread(me);
            thread.fenced = thread.now.clone();
        }
    }

    fn log_fence(&mut self, me: ThreadId, total: bool) {
        let number = self.log(me, None, None);
        if let Some(graph) = &mut self.graph {
            graph.set_total(number, total);
        }
    }

    /// Enumerates all views.
    fn views(&mut self) -> impl Iterator<Item = &mut View> {
        let threads = self.threads.iter_mut().flatten();
        let threads = threads.flat_map(|t| [&mut t.now, &mut t.acquired, &mut t.fenced]);
        let stores = self.words.iter_mut().flat_map(|word| &mut word.stores);
        let carriers = self.carriers.iter_mut().flat_map(|c| [&mut c.exclusive, &mut c.shared]);
        let fences = self.fences.0.iter_mut().map(|fence| &mut fence.view);
        threads.chain(stores.map(|store| &mut store.view)).chain(carriers).chain(fences)
    }

    /// Drops what has no effect any more, so that equal memories are equal states.
    fn tidy(&mut self) {
        // The graph needs every store.
        let droppable = if self.graph.is_some() { 0 } else { self.words.len() };
        for word in 0..droppable {
            let ranks = self.threads.iter().flatten().map(|thread| thread.now.rank(word));
            let count = ranks.min().unwrap_or(self.words[word].last());
            if count > 0 {
                self.words[word].stores.drain(..count);
                self.views().for_each(|view| view.forget(word, count));
                self.fences.0.iter_mut().for_each(|fence| fence.forget(word, count));
            }
            self.words[word].stores[0].update = false;
        }
        loop {
            let threads = self.threads.iter().flatten();
            let old = self.fences.remove_one(threads.map(|thread| &thread.now));
            let Some(old) = old else { break };
            self.views().for_each(|view| view.fences.close_gap(old));
        }
        self.forget_accesses();
        self.carriers.retain(|c| !(c.exclusive.is_empty() && c.shared.is_empty()));
    }
}

impl Access {
    fn is_update(self) -> bool {
        matches!(self, Self::Update(_))
    }
}

impl Machine for Memory {
    fn ready(&self, me: ThreadId, op: Op) -> Ready {
        if op.kind == OpKind::Fence {
            return Ready::YES;
        }
        let outcomes = self.outcomes(me, op).len();
        let guaranteed = u8::try_from(outcomes).expect("fewer than 256 stores that matter");
        Ready { guaranteed, optional: 0 }
    }

    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault> {
        let reply = match op.kind {
            OpKind::Fence => {
                self.fence(me, op.weak.ordering(true));
                0
            }
            _ => {
                let access = self.outcomes(me, op)[usize::from(outcome)];
                self.access(me, op, access)
            }
        };
        self.tidy();
        Ok(reply)
    }

    fn set(&mut self, value: u64) -> Result<(), Fault> {
        self.note(Note::from_word(value))?;
        self.tidy();
        Ok(())
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.words.len() as u64);
        for word in &self.words {
            key.extend([u64::from(word.object), word.stores.len() as u64]);
            for store in &word.stores {
                key.extend([store.value, u64::from(store.update), u64::from(store.event)]);
                store.view.encode(key);
            }
        }
        key.push(self.threads.len() as u64);
        for thread in &self.threads {
            key.push(u64::from(thread.is_some()));
            let views = thread.iter().flat_map(|t| [&t.now, &t.acquired, &t.fenced]);
            views.for_each(|view| view.encode(key));
        }
        key.push(self.carriers.len() as u64);
        for carrier in &self.carriers {
            key.push(u64::from(carrier.object));
            carrier.exclusive.encode(key);
            carrier.shared.encode(key);
        }
        key.push(self.fences.0.len() as u64);
        self.fences.0.iter().for_each(|fence| fence.encode(key));
        self.accesses.encode(key);
        self.graph.iter().for_each(|graph| graph.encode(key));
    }
}

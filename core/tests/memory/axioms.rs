//! RC11 by its axioms: every execution graph of a program is enumerated and checked.
//!
//! An execution is a choice of the store that each load reads (`rf`), and of an order of the stores
//! of each word (`mo`). It is consistent if
//!
//! - `hb; eco?` is irreflexive (coherence),
//! - no store comes between the two halves of a read-modify-write (atomicity),
//! - `psc` is acyclic (sequentially consistent accesses and fences),
//! - `sb ∪ rf` is acyclic (no load buffering).
//!
//! Lahav, Vafeiadis, Kang, Hur and Dreyer, "Repairing sequential consistency in C/C++11", PLDI
//! 2017, with the release sequences of C++20: a store, and the read-modify-writes after it. Nothing
//! here is shared with the library.

use std::sync::atomic::Ordering;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use super::program::{Act, Event, Modify, Outcome, Outcomes, Program};

/// A relation of at most 32 events: by event, the set of those that it relates to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Relation([u32; 20]);

const NONE: Relation = Relation([0; 20]);

impl Relation {
    fn add(&mut self, one: usize, other: usize) {
        self.0[one] |= 1 << other;
    }

    fn has(&self, one: usize, other: usize) -> bool {
        self.0[one] & 1 << other != 0
    }

    fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine |= theirs);
        self
    }

    /// One, then the other.
    fn then(&self, other: &Self) -> Self {
        let mut result = NONE;
        for (row, targets) in result.0.iter_mut().zip(self.0) {
            for (middle, next) in other.0.iter().enumerate() {
                if targets & 1 << middle != 0 {
                    *row |= next;
                }
            }
        }
        result
    }

    fn plus(self) -> Self {
        let mut result = self;
        loop {
            let next = result.or(&result.then(&result));
            if next == result {
                return result;
            }
            result = next;
        }
    }

    fn or_same(mut self) -> Self {
        (0..self.0.len()).for_each(|event| self.add(event, event));
        self
    }

    /// The pairs of which the first is in `from` and the second in `to`.
    fn between(&self, from: u32, to: u32) -> Self {
        let mut result = *self;
        for (event, row) in result.0.iter_mut().enumerate() {
            *row &= if from & 1 << event != 0 { to } else { 0 };
        }
        result
    }

    fn filter(&self, keep: impl Fn(usize, usize) -> bool) -> Self {
        let mut result = NONE;
        for one in 0..self.0.len() {
            for other in 0..self.0.len() {
                if self.has(one, other) && keep(one, other) {
                    result.add(one, other);
                }
            }
        }
        result
    }

    fn inverse(&self) -> Self {
        let mut result = NONE;
        for one in 0..self.0.len() {
            (0..self.0.len())
                .filter(|other| self.has(one, *other))
                .for_each(|o| result.add(o, one));
        }
        result
    }

    fn is_irreflexive(&self) -> bool {
        (0..self.0.len()).all(|event| !self.has(event, event))
    }

    fn is_acyclic(self) -> bool {
        self.plus().is_irreflexive()
    }
}

/// What an event of an execution does.
#[derive(Clone, Copy)]
struct Node {
    word: Option<usize>,
    reads: bool,
    writes: bool,
    order: Ordering,
    read: u64,
    wrote: u64,
}

/// The events of an execution: first the initial stores, then those of the threads.
struct Execution<'a> {
    program: &'a Program,
    words: usize,
    /// The event that each node is, but for the initial stores.
    events: Vec<(usize, Event)>,
    nodes: Vec<Node>,
    sb: Relation,
    rf: Relation,
}

/// Returns whether a thread can wait for a value for good: each of the others has ended, or waits
/// too, and the last store of the word is another. A thread that looks for ever reads the last
/// store at some time.
pub(crate) fn gets_stuck(program: &Program) -> bool {
    let ends = |events: &Vec<Event>| {
        let waits = |at: &usize| matches!(events[*at].act, Act::Await(_));
        (0..events.len()).filter(waits).map(Some).chain([None]).collect::<Vec<_>>()
    };
    let choices: Vec<Vec<Option<usize>>> = program.0.iter().map(ends).collect();
    let mut ways = vec![Vec::new()];
    for choice in &choices {
        let extended = |way: &Vec<Option<usize>>| {
            let with = |end: &Option<usize>| way.iter().copied().chain([*end]).collect();
            choice.iter().map(with).collect::<Vec<Vec<_>>>()
        };
        ways = ways.iter().flat_map(extended).collect();
    }
    ways.iter().filter(|way| way.iter().any(Option::is_some)).any(|way| {
        let cut = |(events, end): (&Vec<Event>, &Option<usize>)| {
            let mut events = events[..end.map_or(events.len(), |end| end + 1)].to_vec();
            if let (Some(_), Some(Event { act, .. })) = (end, events.last_mut()) {
                let Act::Await(value) = *act else { unreachable!("it ends where it waits") };
                *act = Act::Stuck(value);
            }
            events
        };
        !outcomes(&Program(program.0.iter().zip(way).map(cut).collect())).is_empty()
    })
}

/// Returns everything that a program can end with.
pub(crate) fn outcomes(program: &Program) -> Outcomes {
    let words = program.words();
    let of_thread = |(thread, events): (usize, &Vec<Event>)| {
        events.iter().map(move |event| (thread, *event)).collect::<Vec<_>>()
    };
    let events: Vec<(usize, Event)> = program.0.iter().enumerate().flat_map(of_thread).collect();
    let mut sb = NONE;
    for (one, (thread, _)) in events.iter().enumerate() {
        (0..words).for_each(|word| sb.add(word, words + one));
        for (other, (with, _)) in events.iter().enumerate().skip(one + 1) {
            if thread == with {
                sb.add(words + one, words + other);
            }
        }
    }
    let mut execution = Execution { program, words, events, nodes: Vec::new(), sb, rf: NONE };
    let mut found = Outcomes::new();
    execution.choose_reads(0, &mut Vec::new(), &mut found);
    found
}

fn reads(act: Act) -> bool {
    !matches!(act, Act::Store(_) | Act::Fence)
}

fn may_write(act: Act) -> bool {
    !matches!(act, Act::Load | Act::Await(_) | Act::Stuck(_) | Act::Fence)
}

impl Execution<'_> {
    /// Chooses the store that each event from `at` on reads.
    fn choose_reads(&mut self, at: usize, from: &mut Vec<Option<usize>>, found: &mut Outcomes) {
        let Some((_, event)) = self.events.get(at).copied() else {
            if self.evaluate(from) {
                self.choose_orders(found);
            }
            return;
        };
        if !reads(event.act) {
            from.push(None);
            self.choose_reads(at + 1, from, found);
            from.pop();
            return;
        }
        let of_word = |(place, (_, other)): (usize, &(usize, Event))| {
            let source = place != at && other.word == event.word && may_write(other.act);
            source.then_some(self.words + place)
        };
        let sources: Vec<usize> = std::iter::once(event.word)
            .chain(self.events.iter().enumerate().filter_map(of_word))
            .collect();
        for source in sources {
            from.push(Some(source));
            self.choose_reads(at + 1, from, found);
            from.pop();
        }
    }

    /// Computes the values, if no event depends on itself and each is read from a store.
    fn evaluate(&mut self, from: &[Option<usize>]) -> bool {
        self.rf = NONE;
        for (at, source) in from.iter().enumerate() {
            source.iter().for_each(|source| self.rf.add(*source, self.words + at));
        }
        let order = self.sb.or(&self.rf).plus();
        if !order.is_irreflexive() {
            return false;
        }
        let initial = |word| Node {
            word: Some(word),
            reads: false,
            writes: true,
            order: Relaxed,
            read: 0,
            wrote: 0,
        };
        let all = self.words + self.events.len();
        self.nodes = (0..all).map(|at| initial(at.min(self.words.saturating_sub(1)))).collect();
        (0..self.words).for_each(|word| self.nodes[word] = initial(word));
        // An event after more others comes later.
        let mut sorted: Vec<usize> = (0..self.events.len()).collect();
        let before = |event: usize| (0..all).filter(|other| order.has(*other, event)).count();
        sorted.sort_by_key(|at| before(self.words + at));
        for at in sorted {
            let Event { act, word, order } = self.events[at].1;
            let read = match from[at] {
                Some(source) if !self.nodes[source].writes => return false,
                Some(source) => self.nodes[source].wrote,
                None => 0,
            };
            match act {
                Act::Await(value) if read != value => return false,
                Act::Stuck(value) if read == value => return false,
                _ => {}
            }
            let (writes, wrote, order) = match act {
                Act::Load | Act::Await(_) | Act::Stuck(_) | Act::Fence => (false, 0, order),
                Act::Store(value) | Act::Swap(value) => (true, value, order),
                Act::Modify(modify, value) => (true, modified(modify, read, value), order),
                Act::Cas(current, new, _) if read == current => (true, new, order),
                Act::Cas(_, _, failure) => (false, 0, failure),
            };
            let word = (act != Act::Fence).then_some(word);
            let reads = reads(act);
            self.nodes[self.words + at] = Node { word, reads, writes, order, read, wrote };
        }
        true
    }

    fn set(&self, is: impl Fn(&Node) -> bool) -> u32 {
        let set = |set, (at, node): (usize, &Node)| set | u32::from(is(node)) << at;
        self.nodes.iter().enumerate().fold(0, set)
    }

    fn same_word(&self, one: usize, other: usize) -> bool {
        self.nodes[one].word.is_some() && self.nodes[one].word == self.nodes[other].word
    }

    /// Happens-before, which does not depend on the order of the stores.
    fn happens_before(&self) -> Relation {
        let acquires = |order| matches!(order, Acquire | AcqRel | SeqCst);
        let releases = |order| matches!(order, Release | AcqRel | SeqCst);
        let fences = self.set(|node| node.word.is_none());
        let writes = self.set(|node| node.writes);
        let reads = self.set(|node| node.reads);
        let updates = writes & reads;
        let all = u32::MAX;
        // [W]; (rf; rmw)*
        let sequence = self.rf.between(writes, updates).plus().or_same();
        let sequence = sequence.between(writes, writes);
        let from_fence = self.sb.between(fences, writes).or_same();
        let to_fence = self.sb.between(reads, fences).or_same();
        let synchronises = from_fence
            .then(&sequence)
            .then(&self.rf)
            .then(&to_fence)
            .between(self.set(|node| releases(node.order)), self.set(|node| acquires(node.order)));
        self.sb.or(&synchronises).between(all, all).plus()
    }

    /// Chooses the order of the stores of each word.
    fn choose_orders(&self, found: &mut Outcomes) {
        let hb = self.happens_before();
        if hb.is_irreflexive() {
            self.order_word(0, &hb, &mut Vec::new(), &mut NONE.clone(), &mut Vec::new(), found);
        }
    }

    fn order_word(
        &self,
        word: usize,
        hb: &Relation,
        placed: &mut Vec<usize>,
        mo: &mut Relation,
        last: &mut Vec<u64>,
        found: &mut Outcomes,
    ) {
        if word == self.words {
            if self.is_consistent(hb, mo) {
                found.insert(self.outcome(last));
            }
            return;
        }
        let on_word =
            |node: &&usize| self.nodes[**node].writes && self.nodes[**node].word == Some(word);
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        let stores: Vec<usize> = all.iter().filter(on_word).copied().collect();
        if placed.len() == stores.len() {
            let stuck = |event: &Event| matches!(event.act, Act::Stuck(_)) && event.word == word;
            let newest = |at: usize| placed.last().is_some_and(|end| self.rf.has(*end, at));
            let mut events = self.events.iter().enumerate();
            if events.any(|(at, (_, event))| stuck(event) && !newest(self.words + at)) {
                return;
            }
            let end = placed.last().map_or(0, |store| self.nodes[*store].wrote);
            last.push(end);
            self.order_word(word + 1, hb, &mut Vec::new(), mo, last, found);
            last.pop();
            return;
        }
        for store in &stores {
            let fits = match placed.last() {
                None => *store == word,
                Some(before) => {
                    let updates = self.nodes[*store].reads;
                    !placed.contains(store) && (!updates || self.rf.has(*before, *store))
                }
            };
            let early =
                stores.iter().any(|other| !placed.contains(other) && hb.has(*other, *store));
            if !fits || early {
                continue;
            }
            let before = *mo;
            placed.iter().for_each(|other| mo.add(*other, *store));
            placed.push(*store);
            self.order_word(word, hb, placed, mo, last, found);
            placed.pop();
            *mo = before;
        }
    }

    fn is_consistent(&self, hb: &Relation, mo: &Relation) -> bool {
        let fr = self.rf.inverse().then(mo).filter(|one, other| one != other);
        let eco = self.rf.or(mo).or(&fr).plus();
        let coherent = hb.then(&eco.or_same()).is_irreflexive();
        let updates = self.set(|node| node.reads && node.writes);
        let atomic = fr.then(mo).between(updates, updates).is_irreflexive();
        coherent && atomic && self.psc(hb, mo, &fr, &eco).is_acyclic()
    }

    fn psc(&self, hb: &Relation, mo: &Relation, fr: &Relation, eco: &Relation) -> Relation {
        let total = |node: &Node| node.order == SeqCst;
        let fences = self.set(|node| total(node) && node.word.is_none());
        let accesses = self.set(|node| total(node) && node.word.is_some());
        let all = u32::MAX;
        let elsewhere = self.sb.filter(|one, other| !self.same_word(one, other));
        let scb = self
            .sb
            .or(&elsewhere.then(hb).then(&elsewhere))
            .or(&hb.filter(|one, other| self.same_word(one, other)))
            .or(mo)
            .or(fr);
        let same = NONE.or_same();
        let left = same.between(accesses, accesses).or(&hb.or_same().between(fences, all));
        let right = same.between(accesses, accesses).or(&hb.or_same().between(all, fences));
        let base = left.then(&scb).then(&right);
        let of_fences = hb.or(&hb.then(eco).then(hb)).between(fences, fences);
        base.or(&of_fences)
    }

    fn outcome(&self, last: &[u64]) -> Outcome {
        let mut read = vec![Vec::new(); self.program.0.len()];
        for (at, (thread, event)) in self.events.iter().enumerate() {
            if reads(event.act) {
                read[*thread].push(self.nodes[self.words + at].read);
            }
        }
        (read, last.to_vec())
    }
}

fn modified(modify: Modify, before: u64, value: u64) -> u64 {
    match modify {
        Modify::Add => before.wrapping_add(value),
        Modify::Sub => before.wrapping_sub(value),
        Modify::And => before & value,
        Modify::Or => before | value,
        Modify::Xor => before ^ value,
        Modify::Max => before.max(value),
        Modify::Min => before.min(value),
    }
}

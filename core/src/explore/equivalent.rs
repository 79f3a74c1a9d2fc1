//! The executions that are equivalent to a given one, and what its end depends on.
//!
//! Executions of one Mazurkiewicz trace end in the same state. They differ in how often they switch
//! between threads, so one of them is the easiest to read.

use rustc_hash::FxHashSet;

use super::happens_before::{Clock, HappensBefore, Past};
use super::rounds;
use super::{Decision, Enabled, Happened, Point, Replay, Strategy};
use crate::cycles::{self, Threads};
use crate::op::{ObjectId, ThreadId};
use crate::schedule::{Choice, Schedule};

/// The number of points after a context switch that are looked at. Counterexamples have some
/// hundreds at most.
const POINTS_MAX: usize = 20_000;

/// Follows a schedule and records the order that the dependence of its operations puts them in.
#[derive(Debug)]
pub(crate) struct Recorder<'a> {
    replay: Replay<'a>,
    order: HappensBefore,
    /// The operation that was chosen last, until it has happened.
    taken: Option<Enabled>,
    /// Whether the last operation has violated something.
    violated: bool,
    /// The threads that cannot continue at the end, each with the object that it waits for.
    blocked: Vec<(ThreadId, ObjectId)>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(replay: Replay<'a>) -> Self {
        let (order, blocked) = (HappensBefore::default(), Vec::new());
        Self { replay, order, taken: None, violated: false, blocked }
    }

    /// Returns an equivalent schedule with the fewest context switches.
    pub(crate) fn fewest_switches(&self) -> Option<Schedule> {
        Blocks::new(self).fewest()
    }

    /// Returns, for each operation, whether the violation depends on it: of the last operation, or
    /// of `waiting` threads, which wait for good. All do if it was found after the last operation.
    pub(crate) fn causes(&self, waiting: Threads) -> Vec<bool> {
        let events = &self.order.events;
        let ends: Vec<usize> = match (self.violated, waiting) {
            (true, _) => events.len().checked_sub(1).into_iter().collect(),
            (false, 0) => return vec![true; events.len()],
            (false, _) => self.ends_of(waiting).collect(),
        };
        let mut past = Clock::default();
        ends.iter().for_each(|end| past.join(&events[*end].clock));
        let matters = |event: &Past| past.covers(event) && !event.event.does_not_arrive();
        events.iter().map(matters).collect()
    }

    /// Returns the last operations of the threads that wait, and of each thread on the objects that
    /// they wait for.
    fn ends_of(&self, waiting: Threads) -> impl Iterator<Item = usize> {
        let waits = move |thread: ThreadId| waiting & cycles::bit(thread) != 0;
        let last =
            self.order.events.iter().map(|past| past.event.thread()).filter(move |t| waits(*t));
        let objects = self.blocked.iter().filter(move |(thread, _)| waits(*thread));
        let on = objects.flat_map(|(_, object)| self.order.on(*object));
        last.filter_map(|thread| self.order.last_of(thread)).chain(on)
    }
}

impl Strategy for Recorder<'_> {
    fn begin(&mut self) -> bool {
        self.replay.begin()
    }

    fn choose(&mut self, point: &dyn Point) -> Decision {
        let decision = self.replay.choose(point);
        match decision {
            Decision::Take(choice) => {
                self.taken = point.enabled().iter().find(|e| e.choice == choice).copied();
            }
            Decision::Cut => {
                self.blocked =
                    point.blocked().into_iter().map(|(t, object, _)| (t, object)).collect();
            }
        }
        decision
    }

    fn happened(&mut self, happened: Happened) {
        self.replay.happened(happened.clone());
        self.violated = happened.violated;
        if let Some(taken) = self.taken.take() {
            rounds::record(taken, happened, &mut self.order);
        }
    }

    fn waiting(&self) -> Option<Threads> {
        self.replay.waiting()
    }

    fn goes_round(&self) -> Option<Threads> {
        self.replay.goes_round()
    }
}

/// A point between two blocks.
struct Between {
    /// The number of operations that each thread has done.
    progress: Vec<usize>,
    /// The point before the last block, and the thread of that block.
    before: Option<(usize, usize)>,
}

/// The search for an execution with few blocks, which are operations of one thread in a row.
///
/// A block may as well be as long as possible: an operation that happens earlier makes no operation
/// of another thread impossible. After a block only the progress of the threads counts.
struct Blocks<'a> {
    order: &'a HappensBefore,
    /// The events of each thread.
    of_thread: Vec<Vec<usize>>,
    /// The operation that has to come last.
    last: Option<usize>,
}

impl<'a> Blocks<'a> {
    fn new(recorder: &'a Recorder<'_>) -> Self {
        let order = &recorder.order;
        let mut of_thread: Vec<Vec<usize>> = Vec::new();
        for (at, past) in order.events.iter().enumerate() {
            let thread = past.event.thread().index();
            of_thread.resize_with(of_thread.len().max(thread + 1), Vec::new);
            of_thread[thread].push(at);
        }
        let last = recorder.violated.then(|| order.events.len() - 1);
        Self { order, of_thread, last }
    }

    /// Returns the first schedule that a breadth-first search by the number of blocks finds.
    fn fewest(&self) -> Option<Schedule> {
        let start = vec![0; self.of_thread.len()];
        let mut seen: FxHashSet<Vec<usize>> = FxHashSet::default();
        let mut points = vec![Between { progress: start, before: None }];
        let mut next = 0;
        while let Some(here) = points.get(next).filter(|_| next < POINTS_MAX) {
            let progress = here.progress.clone();
            if progress.iter().sum::<usize>() == self.order.events.len() {
                return Some(self.schedule(&points, next));
            }
            for thread in 0..progress.len() {
                let end = self.block(thread, &progress);
                if end > progress[thread] {
                    let mut after = progress.clone();
                    after[thread] = end;
                    if seen.insert(after.clone()) {
                        points.push(Between { progress: after, before: Some((next, thread)) });
                    }
                }
            }
            next += 1;
        }
        None
    }

    /// Returns the progress of `thread` after a block that begins now.
    fn block(&self, thread: usize, progress: &[usize]) -> usize {
        let total: usize = progress.iter().sum();
        let mut now = progress.to_vec();
        while let Some(event) = self.of_thread[thread].get(now[thread]) {
            let clock = &self.order.events[*event].clock;
            let possible = (0..now.len()).all(|other| {
                other == thread || clock.of(ThreadId::new(other)) as usize <= now[other]
            });
            let others_done = total - progress[thread] + now[thread] + 1 == self.order.events.len();
            if !possible || (self.last == Some(*event) && !others_done) {
                break;
            }
            now[thread] += 1;
        }
        now[thread]
    }

    fn schedule(&self, points: &[Between], last: usize) -> Schedule {
        let mut blocks: Vec<Vec<Choice>> = Vec::new();
        let mut at = last;
        while let Between { progress, before: Some((before, thread)) } = &points[at] {
            let done = points[*before].progress[*thread]..progress[*thread];
            let events = &self.of_thread[*thread][done];
            blocks.push(events.iter().map(|e| self.order.events[*e].event.what.choice).collect());
            at = *before;
        }
        Schedule(blocks.into_iter().rev().flatten().collect())
    }
}

//! Who waits for whom when nobody can go on.

use crate::op::{ObjectId, ThreadId};
use crate::operations::OpKind;
use crate::violation::{Violation, ViolationKind, Wait, sorted_classes};

use super::lockdep::Mode;
use super::{Observers, Pending};

impl Observers {
    /// The violations of a state in which the `unfinished` threads wait for good: one for the shortest
    /// cycle of waits through each thread that is on a cycle.
    pub(crate) fn deadlocks(&self, unfinished: &[ThreadId]) -> Vec<Violation> {
        if unfinished.is_empty() {
            return Vec::new();
        }
        let mut cycles: Vec<Vec<ThreadId>> = Vec::new();
        for cycle in unfinished.iter().filter_map(|thread| self.cycle_through(*thread, unfinished))
        {
            let same = |known: &Vec<ThreadId>| {
                known.len() == cycle.len() && cycle.iter().all(|thread| known.contains(thread))
            };
            if !cycles.iter().any(same) {
                cycles.push(cycle);
            }
        }
        // Without a cycle there are threads that wait for nobody who waits: for a wake-up that nobody
        // gives, or for what somebody never gives back. The others only wait behind them.
        if cycles.is_empty() {
            let waits_behind =
                |t: &ThreadId| self.held_up_by(*t).iter().any(|b| unfinished.contains(b));
            cycles
                .push(unfinished.iter().copied().filter(|thread| !waits_behind(thread)).collect());
        }
        cycles.iter().map(|involved| self.deadlock(unfinished, involved)).collect()
    }

    /// The violation that `thread` waits for ever, though all the others who can go on do: what
    /// has happened from operation `again_from` on happens again and again.
    pub(crate) fn starvation(&self, thread: ThreadId, again_from: usize) -> Violation {
        Violation {
            kind: ViolationKind::starvation(&self.name(thread), self.waits_for(thread)),
            reason: format!("starvation: {} for ever", self.describe(thread)),
            waits: vec![self.wait(thread, false)],
            again_from: Some(again_from),
        }
    }

    fn deadlock(&self, unfinished: &[ThreadId], involved: &[ThreadId]) -> Violation {
        let classes = involved.iter().map(|t| self.waits_for(*t));
        let kind = ViolationKind::Deadlock(sorted_classes(classes.map(str::to_owned)));
        let links: Vec<String> = involved.iter().map(|t| self.describe(*t)).collect();
        let waits = unfinished.iter().map(|t| self.wait(*t, involved.contains(t))).collect();
        let reason = format!("deadlock: {}", links.join("; "));
        Violation { waits, ..Violation::new(kind, reason) }
    }

    /// What `thread` polls for, or the class of the object that it waits at.
    fn waits_for(&self, thread: ThreadId) -> &'static str {
        let wish = self.objects[self.blocks(thread).index()].name;
        self.polls(thread).unwrap_or(wish)
    }

    fn wish(&self, thread: ThreadId) -> Pending {
        self.threads[thread.index()].pending.expect("a stuck thread has announced what it wants")
    }

    pub(crate) fn name(&self, thread: ThreadId) -> String {
        self.threads[thread.index()].name.to_string()
    }

    /// What `thread` waits for: the work, if somebody runs it; as long as nobody can, its queue.
    fn blocks(&self, thread: ThreadId) -> ObjectId {
        let Pending { object, about, .. } = self.wish(thread);
        let runs = || self.threads.iter().any(|other| other.holds.contains(&about));
        if about == object || runs() { about } else { object }
    }

    /// The threads that have to act before `thread` can go on.
    fn held_up_by(&self, thread: ThreadId) -> Vec<ThreadId> {
        use OpKind::{AwaitGracePeriod, AwaitReaders, RcuCallback};
        let wish = self.wish(thread);
        if self.polls(thread).is_some() {
            return Vec::new();
        }
        if wish.op.kind == OpKind::Join {
            return vec![ThreadId::new(wish.op.a as usize)];
        }
        let blocks = self.blocks(thread);
        let wants_read = matches!(wish.op.kind, OpKind::AwaitRead);
        let mut threads: Vec<ThreadId> = Vec::new();
        for (index, other) in self.threads.iter().enumerate() {
            let holds = other.holds.contains(&blocks)
                && !(wants_read && self.holds_shared_only(index, wish))
                && !(matches!(wish.op.kind, AwaitReaders | AwaitGracePeriod | RcuCallback)
                    && self.began_later(index, thread));
            let ahead = other.pending.is_some_and(|p| {
                p.object == wish.object
                    && p.since < wish.since
                    && (p.op.kind == OpKind::AwaitWrite
                        || (p.op.kind == OpKind::AwaitRead && !wants_read))
            });
            if holds || ahead {
                threads.push(ThreadId::new(index));
            }
        }
        threads
    }

    fn holds_shared_only(&self, thread: usize, wish: Pending) -> bool {
        let taken = |event: &&super::Event| {
            event.object == wish.object
                && event.succeeded()
                && event.thread.index() == thread
                && event.op.kind.row().takes.is_some()
        };
        self.events
            .iter()
            .rev()
            .find(taken)
            .is_some_and(|event| event.op.kind.row().takes == Some(Mode::Shared))
    }

    /// Whether every section that `reader` is in began after `waiter` began to wait for those who
    /// read.
    fn began_later(&self, reader: usize, waiter: ThreadId) -> bool {
        let object = self.wish(waiter).object;
        let on_it = || self.events.iter().enumerate().filter(|(_, event)| event.object == object);
        let waits = on_it().rfind(|(_, event)| event.thread == waiter).map(|(at, _)| at);
        // Which one of the reader's it is, and since when. Those of RCU are all the same one.
        let mut sections: Vec<(u64, usize)> = Vec::new();
        for (at, event) in on_it().filter(|(_, event)| event.thread.index() == reader) {
            match event.op.kind {
                OpKind::SrcuReadLock | OpKind::RcuReadLock => {
                    sections.push((event.reply.unwrap_or_default(), at));
                }
                OpKind::SrcuReadUnlock | OpKind::RcuReadUnlock => {
                    let ended = sections.iter().rposition(|(number, _)| *number == event.op.a);
                    ended.map(|ended| sections.remove(ended));
                }
                _ => {}
            }
        }
        sections.iter().all(|(_, since)| Some(*since) > waits)
    }

    /// The shortest cycle of waits of `unfinished` threads through `start`, beginning there.
    fn cycle_through(&self, start: ThreadId, unfinished: &[ThreadId]) -> Option<Vec<ThreadId>> {
        let mut paths = vec![vec![start]];
        while !paths.is_empty() {
            let mut longer = Vec::new();
            for path in paths {
                for next in self.held_up_by(path[path.len() - 1]) {
                    if next == start {
                        return Some(path);
                    }
                    if unfinished.contains(&next) && !path.contains(&next) {
                        longer.push(path.iter().copied().chain([next]).collect());
                    }
                }
            }
            paths = longer;
        }
        None
    }

    fn describe(&self, thread: ThreadId) -> String {
        let held: Vec<String> =
            self.threads[thread.index()].holds.iter().map(|o| self.object_name(*o)).collect();
        let holding = match held.as_slice() {
            [] => String::new(),
            held => format!(" holds {} and", held.join(", ")),
        };
        let waits = match self.polls(thread) {
            Some(what) => format!("polls for {what}"),
            None => format!("waits for {}", self.object_name(self.blocks(thread))),
        };
        format!("{}{holding} {waits}", self.name(thread))
    }

    fn wait(&self, thread: ThreadId, on_cycle: bool) -> Wait {
        let wish = self.wish(thread);
        Wait {
            thread: self.name(thread),
            wants: match self.polls(thread) {
                Some(what) => format!("poll({what})"),
                None => format!("{}({})", wish.op.kind, self.object_name(wish.about)),
            },
            at: wish.taken.to_string(),
            waits_for: self.held_up_by(thread).into_iter().map(|t| self.name(t)).collect(),
            on_cycle,
        }
    }
}

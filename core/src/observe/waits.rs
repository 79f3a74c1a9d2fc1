//! The waits of a state in which no thread can continue.

use crate::machine::QUEUED;
use crate::op::{ObjectId, ThreadId};
use crate::operations::OpKind;
use crate::violation::{Violation, ViolationKind, Wait, sorted_classes};

use super::lockdep::Mode;
use super::{Observers, Pending};

impl Observers {
    /// Returns the violations of a state in which the `unfinished` threads wait for good: one for
    /// the shortest cycle of waits through each thread that is on a cycle.
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
        // Without a cycle there are threads that wait for no waiting thread: for a wake-up that no
        // thread sends, or for something that a thread never releases. The others only wait behind
        // them.
        if cycles.is_empty() {
            let waits_behind =
                |t: &ThreadId| self.held_up_by(*t).iter().any(|b| unfinished.contains(b));
            cycles
                .push(unfinished.iter().copied().filter(|thread| !waits_behind(thread)).collect());
        }
        cycles.iter().map(|involved| self.deadlock(unfinished, involved)).collect()
    }

    /// Returns the violation that `thread` waits for ever, though all other threads that can
    /// continue do: the operations from `again_from` on repeat for ever.
    pub(crate) fn starvation(&self, thread: ThreadId, again_from: usize) -> Violation {
        Violation {
            kind: ViolationKind::starvation(&self.name(thread), self.waits_for(thread)),
            reason: format!("starvation: {} for ever", self.describe(thread)),
            waits: vec![self.wait(thread, false)],
            again_from: Some(again_from),
        }
    }

    fn deadlock(&self, unfinished: &[ThreadId], involved: &[ThreadId]) -> Violation {
        // An interrupted thread waits for no object.
        let waits = involved.iter().filter(|t| self.interrupted_by(**t).is_none());
        let classes = waits.map(|t| self.waits_for(*t));
        let kind = ViolationKind::Deadlock(sorted_classes(classes.map(str::to_owned)));
        let links: Vec<String> = involved.iter().map(|t| self.describe(*t)).collect();
        let waits = unfinished.iter().map(|t| self.wait(*t, involved.contains(t))).collect();
        let reason = format!("deadlock: {}", links.join("; "));
        Violation { waits, ..Violation::new(kind, reason) }
    }

    /// Returns what `thread` polls for, or the class of the object that it waits at.
    fn waits_for(&self, thread: ThreadId) -> &'static str {
        let class = self.objects[self.blocks(thread).index()].name;
        self.polls(thread).unwrap_or(class)
    }

    /// Returns the thread of the callback of RCU that runs on top of `thread`.
    fn interrupted_by(&self, thread: ThreadId) -> Option<ThreadId> {
        let Pending { op, .. } = self.pending_of(thread);
        (op.kind == OpKind::AwaitRcuCallback).then(|| ThreadId::new(op.a as usize))
    }

    fn pending_of(&self, thread: ThreadId) -> Pending {
        self.threads[thread.index()].pending.expect("a stuck thread has announced what it wants")
    }

    pub(crate) fn name(&self, thread: ThreadId) -> String {
        self.threads[thread.index()].name.to_string()
    }

    pub(crate) fn thread_named(&self, name: &str) -> Option<ThreadId> {
        self.threads.iter().position(|thread| &*thread.name == name).map(ThreadId::new)
    }

    /// Returns what `thread` waits for: the work, if a thread runs it; its queue, as long as no
    /// thread can.
    fn blocks(&self, thread: ThreadId) -> ObjectId {
        let Pending { object, about, .. } = self.pending_of(thread);
        let runs = || self.threads.iter().any(|other| other.holds.contains(&about));
        if about == object || runs() { about } else { object }
    }

    /// Returns the threads that have to act before `thread` can continue.
    fn held_up_by(&self, thread: ThreadId) -> Vec<ThreadId> {
        use OpKind::{AwaitGracePeriod, AwaitReaders, RcuCallback, SrcuCallback};
        let pending = self.pending_of(thread);
        // A parked thread waits for any other thread to unpark it.
        if self.polls(thread).is_some() || pending.op.kind == OpKind::AwaitUnpark {
            return Vec::new();
        }
        if pending.op.kind == OpKind::Join {
            return vec![ThreadId::new(pending.op.a as usize)];
        }
        if let Some(callback) = self.interrupted_by(thread) {
            return vec![callback];
        }
        if pending.op.kind == OpKind::AwaitCallbacks {
            return self.callbacks_before(thread, pending.object);
        }
        let blocks = self.blocks(thread);
        let wants_read = matches!(
            pending.op.kind,
            OpKind::AwaitRead
                | OpKind::AwaitReadKillable
                | OpKind::AwaitReadLock
                | OpKind::ReadLockPassing
        );
        let behind = self.queued_on(thread.index(), pending.object);
        let mut threads: Vec<ThreadId> = Vec::new();
        for (index, other) in self.threads.iter().enumerate() {
            let holds = other.holds.contains(&blocks)
                && !(wants_read && self.holds_shared_only(index, pending))
                && !(matches!(
                    pending.op.kind,
                    AwaitReaders | AwaitGracePeriod | RcuCallback | SrcuCallback
                ) && self.began_later(index, thread));
            let ahead = || self.queued_on(index, pending.object);
            let ahead = behind.zip(ahead()).is_some_and(|((mine, _), (theirs, writes))| {
                theirs < mine && (writes || !wants_read)
            });
            if holds || ahead {
                threads.push(ThreadId::new(index));
            }
        }
        threads
    }

    /// Returns the threads of the callbacks that were called before `waiter` began to wait for
    /// them, and have not returned.
    fn callbacks_before(&self, waiter: ThreadId, object: ObjectId) -> Vec<ThreadId> {
        let mut called = Vec::new();
        let mut awaited = Vec::new();
        for event in self.events.iter().filter(|event| event.object == object) {
            match event.op.kind {
                OpKind::CallRcu | OpKind::CallSrcu => {
                    called.push(ThreadId::new(event.op.a as usize));
                }
                OpKind::CallbackReturns => {
                    called.retain(|callback| *callback != event.thread);
                    awaited.retain(|callback| *callback != event.thread);
                }
                OpKind::RcuBarrier | OpKind::SrcuBarrier if event.thread == waiter => {
                    awaited.clone_from(&called);
                }
                _ => {}
            }
        }
        awaited
    }

    /// Returns the place among the events at which a thread has queued for a lock, if it has not
    /// been served yet, and whether it wants to write. It may wait for another by now, in an
    /// interrupt.
    fn queued_on(&self, thread: usize, object: ObjectId) -> Option<(usize, bool)> {
        let events = self.events.iter().enumerate().rev();
        let mut mine =
            events.filter(|(_, event)| event.object == object && event.thread.index() == thread);
        let (at, event) = mine.find(|(_, event)| event.op.kind.row().takes.is_some())?;
        let writes = match event.op.kind {
            OpKind::DownWrite | OpKind::WriteLock => true,
            OpKind::DownRead | OpKind::ReadLock => false,
            _ => return None,
        };
        (event.reply == Some(QUEUED)).then_some((at, writes))
    }

    fn holds_shared_only(&self, thread: usize, pending: Pending) -> bool {
        let taken = |event: &&super::Event| {
            event.object == pending.object
                && event.succeeded()
                && event.thread.index() == thread
                && event.op.kind.row().takes.is_some()
        };
        self.events
            .iter()
            .rev()
            .find(taken)
            .is_some_and(|event| event.op.kind.row().takes != Some(Mode::Exclusive))
    }

    /// Returns whether every section of `reader` began after `waiter` began to wait for the
    /// readers.
    fn began_later(&self, reader: usize, waiter: ThreadId) -> bool {
        let object = self.pending_of(waiter).object;
        let on_it = || self.events.iter().enumerate().filter(|(_, event)| event.object == object);
        let waits = on_it().rfind(|(_, event)| event.thread == waiter).map(|(at, _)| at);
        // The sections of the reader, each with its beginning. Those of RCU are all the same one.
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

    /// Returns the shortest cycle of waits of `unfinished` threads through `start`, beginning
    /// there.
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
        let waits = match (self.polls(thread), self.interrupted_by(thread)) {
            (_, Some(callback)) => format!("is interrupted by {}", self.name(callback)),
            (Some(what), _) => format!("polls for {what}"),
            _ => format!("waits for {}", self.object_name(self.blocks(thread))),
        };
        format!("{}{holding} {waits}", self.name(thread))
    }

    /// Returns the operation that `thread` waits for, or what it polls for.
    pub(crate) fn wants(&self, thread: ThreadId) -> String {
        let pending = self.pending_of(thread);
        match self.polls(thread) {
            Some(what) => format!("poll({what})"),
            None => {
                // The second half of an operation is the operation, to its caller.
                let text = pending.op.name();
                let halves = [" (waiting)", " (queued)", " (asleep)", " (parked)"];
                let name = halves.iter().find_map(|half| text.strip_suffix(half)).unwrap_or(text);
                format!("{name}({})", self.object_name(pending.about))
            }
        }
    }

    fn wait(&self, thread: ThreadId, on_cycle: bool) -> Wait {
        let pending = self.pending_of(thread);
        Wait {
            thread: self.name(thread),
            wants: self.wants(thread),
            at: pending.taken.to_string(),
            waits_for: self.held_up_by(thread).into_iter().map(|t| self.name(t)).collect(),
            on_cycle,
        }
    }
}

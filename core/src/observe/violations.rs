//! The violations of an execution, with their texts.

use crate::explore::CameRound;
use crate::machine::Fault;
use crate::op::{ObjectId, Place, ThreadId};
use crate::operations::OpKind;
use crate::panics::Panic;
use crate::violation::{Violation, ViolationKind};

use super::lockdep::Taken;
use super::{Event, Observers, Pending, Thread, Watched};

impl Observers {
    /// Returns the message about thread `me`, which is in a loop without new observations.
    pub(crate) fn spins(&self, me: ThreadId) -> String {
        let Thread { name, pending, .. } = &self.threads[me.index()];
        let last = pending.expect("it has just done it");
        let what = format!("{}({})", last.op.name(), self.object_name(last.object));
        format!(
            "{name} is in a loop at {} ({what}) without new observations: write a loop that waits \
             as `wait_event(|| ..)` or `poll(\"what\", || ..)`, one around `prepare_to_wait` and \
             `schedule` in `rounds(|| ..)`, and an endless loop as `forever(|| ..)`; reduce the \
             number of rounds of any other loop",
            last.taken
        )
    }

    /// Returns the violation of thread `me`, which has released memory that contains a held lock.
    pub(crate) fn freed_while_held(&self, me: ThreadId, object: ObjectId) -> Violation {
        let holds = |thread: &&Thread| thread.holds.contains(&object);
        let holder =
            self.threads.iter().find(holds).map_or("another thread", |thread| &thread.name);
        let (lock, memory) = (self.object_name(object), self.memory_name(object));
        let who = self.threads.get(me.index()).map_or("the final check", |thread| &thread.name);
        let at = self.events.last().map_or(String::new(), |event| format!(" at {}", event.taken));
        let reason = format!("{who} releases {memory}{at} while {holder} holds {lock} in it");
        let class = self.objects[object.index()].name.to_owned();
        Violation::new(ViolationKind::FreedWhileHeld(class), reason)
    }

    /// Returns the name of the memory that an object is or lives in.
    fn memory_name(&self, object: ObjectId) -> String {
        self.object_name(self.objects[object.index()].memory.unwrap_or(object))
    }

    /// Returns the violation of thread `me`, whose announced operation violated a rule of its
    /// object.
    pub(crate) fn fault(&mut self, me: ThreadId, outcome: u8, fault: Fault) -> Violation {
        let pending = self.threads[me.index()].pending.take().expect("announced before");
        let Pending { object, about, op, taken, instruction, .. } = pending;
        let violation = self.faulty(me, pending, fault);
        self.events.push(Event {
            thread: me,
            object,
            about,
            op,
            outcome,
            reply: None,
            taken,
            instruction,
            frees: Box::default(),
            round: CameRound::default(),
        });
        self.seen.coverage.reach(taken);
        violation
    }

    /// Returns the violation of thread `me`, whose last operation races with one of another thread
    /// that does not happen before it.
    pub(crate) fn unordered(&self, me: ThreadId) -> Violation {
        let (mine, before) = self.events.split_last().expect("it has just happened");
        let writes = |kind| matches!(kind, OpKind::PlainWrite | OpKind::MarkedWrite);
        let plain = |kind| matches!(kind, OpKind::PlainWrite | OpKind::PlainRead);
        let conflicts = |event: &&Event| {
            let (one, other) = (event.op.kind, mine.op.kind);
            let accesses = plain(one) || matches!(one, OpKind::MarkedRead | OpKind::MarkedWrite);
            event.object == mine.object
                && event.thread != me
                && accesses
                && (writes(one) || writes(other))
                && (plain(one) || plain(other))
        };
        let other = before.iter().rev().find(conflicts);
        let object = self.object_name(mine.object);
        let access = |event: &Event| {
            let name = &self.threads[event.thread.index()].name;
            format!("{name}: {}({object}) at {}", event.op.kind, event.taken)
        };
        let theirs = other.map(access).unwrap_or_default();
        let reason = format!("data race: {}; nothing orders it after {theirs}", access(mine));
        let class = self.objects[mine.object.index()].name;
        Violation::new(ViolationKind::data_race(class), reason)
    }

    /// Returns the violation of thread `me`, whose access races with one that has not ended.
    fn race(&self, me: ThreadId, pending: Pending) -> Violation {
        let object = self.object_name(pending.object);
        let access = |thread: ThreadId, event: (OpKind, Taken)| {
            let Thread { name, holds, .. } = &self.threads[thread.index()];
            let held: Vec<String> = holds.iter().map(|object| self.object_name(*object)).collect();
            let held = if held.is_empty() { "nothing".to_owned() } else { held.join(", ") };
            format!("{name}: {}({object}) at {}, with {held} held", event.0, event.1)
        };
        let begins = |event: &&Event| {
            event.object == pending.object
                && matches!(event.op.kind, OpKind::PlainRead | OpKind::PlainWrite)
        };
        let ended = |event: &Event| {
            let later = self.events.iter().rev().take_while(|later| !std::ptr::eq(*later, event));
            let ends = |later: &Event| {
                matches!(later.op.kind, OpKind::PlainReadEnds | OpKind::PlainWriteEnds)
            };
            later.into_iter().any(|later| {
                later.object == event.object && later.thread == event.thread && ends(later)
            })
        };
        let conflicts = |event: &&Event| {
            let writes = |kind| matches!(kind, OpKind::PlainWrite | OpKind::MarkedWrite);
            writes(event.op.kind) || writes(pending.op.kind)
        };
        let others = self.events.iter().rev().filter(begins).filter(conflicts);
        let other = others.into_iter().find(|event| !ended(event));
        let mine = access(me, (pending.op.kind, pending.taken));
        let theirs = other.map(|event| access(event.thread, (event.op.kind, event.taken)));
        let reason = format!("data race: {mine}; {}", theirs.unwrap_or_default());
        let class = self.objects[pending.object.index()].name;
        Violation::new(ViolationKind::data_race(class), reason)
    }

    fn faulty(&self, me: ThreadId, pending: Pending, fault: Fault) -> Violation {
        if fault == Fault::DataRace {
            return self.race(me, pending);
        }
        let thread = &self.threads[me.index()];
        // An object in memory is touched together with it.
        let touched = match fault {
            Fault::UseAfterRelease => self.objects[pending.object.index()].memory,
            _ => None,
        };
        let touched = touched.unwrap_or(pending.object);
        let class = self.objects[touched.index()].name.to_owned();
        let object = self.object_name(touched);
        let (kind, what) = match fault {
            Fault::NotOwner => (ViolationKind::NotOwner(class), "does not own"),
            Fault::FreedWhileHeld | Fault::DataRace => {
                unreachable!("it has a text of its own")
            }
            Fault::UseAfterRelease => {
                (ViolationKind::UseAfterRelease(class), "touches, after its release,")
            }
            Fault::DoubleRelease => (ViolationKind::DoubleRelease(class), "releases again"),
        };
        let last = self.last_release(touched).map_or(String::new(), |event| {
            format!("; released by {} at {}", self.threads[event.thread.index()].name, event.taken)
        });
        let (did, at) = (pending.op.name(), pending.taken);
        let on = match touched == pending.object {
            true => String::new(),
            false => format!("({})", self.object_name(pending.object)),
        };
        let reason = format!("{} {what} {object}: {did}{on} at {at}{last}", thread.name);
        Violation::new(kind, reason)
    }

    fn last_release(&self, object: ObjectId) -> Option<&Event> {
        let releases = |event: &&Event| {
            use OpKind::{DestroyWorkqueue, FreeModule, KrefPut, Release};
            let kinds = [Release, FreeModule, KrefPut, DestroyWorkqueue];
            event.object == object && kinds.contains(&event.op.kind)
        };
        self.events.iter().rev().find(releases)
    }

    /// Returns the violation of an invariant, found by thread `me`.
    pub(crate) fn broken(&self, me: ThreadId, id: &str, message: &str, at: Place) -> Violation {
        let who = match self.threads.get(me.index()) {
            Some(thread) => {
                format!("{} at {}", thread.name, thread.taken(at))
            }
            None => {
                format!("found at the end {}", Taken { function: None, at, line: self.line })
            }
        };
        let reason = format!("{id}: {message} ({who})");
        Violation::new(ViolationKind::invariant(id), reason)
    }

    /// Returns the violation that thread `me` panicked.
    pub(crate) fn panicked(&self, me: ThreadId, panic: &Panic) -> Violation {
        let who = self.threads.get(me.index()).map_or("the set-up or the final check", |t| &t.name);
        let place = panic.place.as_ref().map_or(String::new(), |place| format!(" [{place}]"));
        let reason = format!("{who} panicked: {}{place}", panic.message);
        let kind = ViolationKind::Panic(panic.message.clone());
        Violation::new(kind, reason)
    }

    /// Returns the leaks of the finished world.
    pub(crate) fn leaks(&self) -> Vec<Violation> {
        let leaked =
            self.objects.iter().enumerate().filter(|(_, object)| object.leaked && !object.freed);
        let leak = |(place, object): (usize, &Watched)| {
            let kind = ViolationKind::Leak(object.name.to_owned());
            Violation::new(kind, self.leaked(ObjectId::new(place)))
        };
        leaked.map(leak).collect()
    }

    /// Returns why an object is leaked: which thread holds it, or what happened to it last.
    fn leaked(&self, object: ObjectId) -> String {
        let name = self.object_name(object);
        let on = |event: &&Event| event.objects().any(|other| other == object);
        let by = |event: &Event| {
            let who = &self.threads[event.thread.index()].name;
            format!("{who}, {} at {}", event.op.name(), event.taken)
        };
        let holder = self.threads.iter().position(|thread| thread.holds.contains(&object));
        if let Some(holder) = holder.map(ThreadId::new) {
            let took = |event: &&Event| {
                let takes = event.op.kind.row().takes.is_some() && event.succeeded();
                on(event) && event.thread == holder && takes
            };
            let took = self.events.iter().rev().find(took);
            let by = took.map_or_else(|| self.name(holder), by);
            return format!("{name} is still held at the end: taken by {by}");
        }
        match self.events.iter().rev().find(on) {
            Some(last) => {
                format!("{name} is not released at the end: last used by {}", by(last))
            }
            None => format!("{name} is not released at the end: no thread has used it"),
        }
    }
}

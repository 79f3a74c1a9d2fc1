//! The steps of an execution, and the steps that only release what its threads own.

use std::any::Any;

use smallvec::SmallVec;

use crate::explore::{Enabled, Happened};
use crate::observe::findings::Findings;
use crate::op::ThreadId;
use crate::panics::Panic;
use crate::runtime::native::fiber::Stop;
use crate::runtime::native::recording::{Dimensions, StepRecord};
use crate::schedule::Choice;
use crate::violation::Violation;

use super::{Execution, Inner, Standing, Thread};

/// The number of steps for which an execution that the strategy cut is run on, so that its threads
/// release what they own. After that they are unwound, which is slower.
const RUN_OUT_STEPS: usize = 1_000;

impl Execution {
    /// Runs every thread, in any order, until each has ended or cannot continue.
    pub(super) fn run_out(&self) {
        self.inner.borrow_mut().watched = false;
        for _ in 0..RUN_OUT_STEPS {
            match self.standing() {
                Standing::NewThread(thread) => self.resume(thread),
                Standing::Violated | Standing::AllDone => return,
                Standing::Going | Standing::TooLong => match self.some_guaranteed() {
                    Some(choice) => self.step(choice),
                    None => return,
                },
            }
        }
    }

    pub(super) fn some_guaranteed(&self) -> Option<Choice> {
        let inner = self.inner.borrow();
        inner.threads.iter().enumerate().find_map(|(index, thread)| {
            let (object, op) = thread.pending?;
            let thread = ThreadId::new(index);
            let ready = inner.machines[object.index()].ready(thread, op);
            (ready.guaranteed > 0).then_some(Choice { thread, outcome: 0 })
        })
    }

    /// Unwinds the threads that have not ended, and keeps the stacks.
    pub(super) fn take_down(&self) {
        let threads = std::mem::take(&mut self.inner.borrow_mut().threads);
        for thread in threads {
            let Some(fiber) = thread.fiber else { continue };
            let mut stacks = std::mem::take(&mut self.inner.borrow_mut().stacks);
            fiber.recycle(&mut stacks);
            self.inner.borrow_mut().stacks = stacks;
        }
    }

    pub(super) fn announced(&self, wanted: &Enabled) -> bool {
        let inner = self.inner.borrow();
        let thread = inner.threads.get(wanted.choice.thread.index());
        thread.is_some_and(|thread| thread.pending == Some((wanted.object, wanted.op)))
    }

    pub(super) fn enabled(&self) -> SmallVec<[Enabled; 6]> {
        let inner = self.inner.borrow();
        let mut enabled = SmallVec::new();
        for (index, thread) in inner.threads.iter().enumerate() {
            let Some((object, op)) = thread.pending else { continue };
            let thread = ThreadId::new(index);
            let ready = inner.machines[object.index()].ready(thread, op);
            enabled.extend(Enabled::each_outcome(thread, object, op, ready));
        }
        enabled
    }

    /// Performs the chosen operation, and runs its thread and those that it starts up to their next
    /// ones.
    pub(super) fn advance(&self, choice: Choice) -> Happened {
        let made = |inner: &Inner| (inner.threads.len(), inner.machines.len());
        let before = made(&self.inner.borrow());
        self.step(choice);
        while let Standing::NewThread(thread) = self.standing() {
            self.resume(thread);
        }
        let inner = self.inner.borrow();
        let after = made(&inner);
        Happened {
            reply: inner.threads[choice.thread.index()].reply,
            spawned: before.0..after.0,
            creates: before != after,
            frees: inner.observers.last_frees(),
            round: inner.observers.last_round(),
            ordered: inner.memory.is_some(),
            violated: inner.violation.is_some() || inner.apart.is_some(),
        }
    }

    /// Performs the chosen operation, and runs its thread up to the next one.
    pub(super) fn step(&self, choice: Choice) {
        let me = choice.thread;
        {
            let mut inner = self.inner.borrow_mut();
            let inner = &mut *inner;
            let thread = &mut inner.threads[me.index()];
            let (object, op) = thread.pending.take().expect("only announced operations happen");
            let from = thread.history;
            let machine = &mut inner.machines[object.index()];
            match machine.apply(me, op, choice.outcome) {
                Ok(reply) => {
                    thread.reply = reply;
                    if inner.watched {
                        if thread.rounds.idle(object, op, reply) {
                            let spins = inner.observers.spins(me);
                            self.spins.borrow_mut().get_or_insert(spins);
                        }
                        thread.history = inner.interner.extend(from, op.kind.observed(reply));
                        inner.observers.complete(me, choice.outcome, reply, machine.leaked());
                        let dimensions = Dimensions::new(inner.threads.len(), inner.machines.len());
                        if let Some(recording) = &mut inner.recording {
                            let reply = op.kind.continues_by(reply);
                            recording.open = Some(StepRecord::begin(me, from, reply, dimensions));
                        }
                        inner.note_order(me, object, op, reply);
                    }
                }
                Err(fault) => {
                    if inner.watched {
                        inner.violation = Some(inner.observers.fault(me, choice.outcome, fault));
                    }
                    return;
                }
            }
        }
        self.resume(me);
    }

    pub(super) fn resume(&self, me: ThreadId) {
        let (mut fiber, name) = {
            let mut inner = self.inner.borrow_mut();
            inner.running = me;
            let fiber = inner.threads[me.index()].fiber.take();
            (fiber.expect("a thread that has not ended"), inner.observers.shared_name(me))
        };
        let stop = fiber.resume(&name);
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        inner.running = ThreadId::SETUP;
        match stop {
            Stop::Suspended => inner.threads[me.index()].fiber = Some(fiber),
            Stop::Ended => {
                fiber.recycle(&mut inner.stacks);
                let Thread { end, history, .. } = inner.threads[me.index()];
                if let Some(end) = end {
                    inner.set(end, history);
                }
                inner.note_end(me, end);
            }
            Stop::Panicked(payload) => {
                fiber.recycle(&mut inner.stacks);
                let panic = Panic::of(payload.as_ref());
                inner.violation.get_or_insert_with(|| inner.observers.panicked(me, &panic));
            }
        }
    }

    pub(super) fn panicked(&self, payload: &(dyn Any + Send)) {
        let panic = Panic::of(payload);
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let panicked = || inner.observers.panicked(ThreadId::SETUP, &panic);
        inner.violation.get_or_insert_with(panicked);
    }

    pub(super) fn note_violation(&self, findings: &mut Findings) {
        let violation = {
            let mut inner = self.inner.borrow_mut();
            // The effects of the step come before what its thread did next.
            match inner.apart.take() {
                Some((violation, threads)) => {
                    inner.observers.forget_threads_from(threads);
                    Some(violation)
                }
                None => inner.violation.take(),
            }
        };
        if let Some(violation) = violation {
            self.note(findings, violation);
        }
    }

    pub(super) fn note(&self, findings: &mut Findings, violation: Violation) {
        findings.note(violation, &self.inner.borrow().observers);
    }
}

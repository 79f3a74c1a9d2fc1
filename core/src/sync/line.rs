//! A function that a CPU runs on its own: the common part of interrupt lines, tasklets and timers.
//!
//! The function interrupts a thread ([`interrupts`]), or runs on an idle CPU, which is a thread
//! that is named after the object.

use std::sync::{Arc, Weak};

use crate::cpu::{Context, Cpu};
use crate::machine::{Machine, REFUSED};
use crate::name::Name;
use crate::op::{Op, Place};
use crate::operations::OpKind;
use crate::runtime::interrupts::{self, Source};
use crate::runtime::object::Object;
use crate::runtime::setting::preempt_rt;

use super::again::{Stage, spawn_again};

/// The operations around the function.
pub(super) struct Frame {
    /// What runs the function, and the operation by which that interrupts a thread, or not. None if
    /// the function always runs in a thread of its own.
    pub(super) interrupts: Option<(Context, OpKind)>,
    /// The beginning in a thread of its own.
    pub(super) begins: OpKind,
    pub(super) returns: OpKind,
}

/// What the CPU runs, with the line as its argument.
type Function = Box<dyn Fn(&Arc<Line>) + Send + Sync>;

pub(super) struct Line {
    class: Name,
    pub(super) object: Object,
    frame: &'static Frame,
    /// What runs the function, and how it interrupts a thread. On PREEMPT_RT softirqs are threads.
    interrupts: Option<(Context, OpKind)>,
    /// The place where the function was given.
    at: Place,
    function: Function,
    own: Weak<Line>,
}

impl Line {
    pub(super) fn new(
        class: Name,
        machine: Box<dyn Machine>,
        frame: &'static Frame,
        at: Place,
        function: impl Fn(&Arc<Self>) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let object = Object::new(class, machine);
        let function = Box::new(function);
        let hard = |(kind, _): &(Context, OpKind)| *kind == Context::Hardirq || !preempt_rt();
        let interrupts = frame.interrupts.filter(hard);
        let line = Arc::new_cyclic(|own: &Weak<Self>| Self {
            class,
            object,
            frame,
            interrupts,
            at,
            function,
            own: Weak::clone(own),
        });
        if interrupts.is_some() {
            interrupts::add_source(Weak::clone(&line.own) as Weak<dyn Source>);
        }
        line
    }

    pub(super) fn perform(&self, kind: OpKind, at: Place) -> u64 {
        self.object.perform(Op::new(kind), at)
    }

    /// Starts the thread in which the function runs on an idle CPU.
    pub(super) fn start_thread(&self) {
        let (steps, line) = (self.handle(), self.handle());
        let report = move |stage| match stage {
            Stage::Begins => {
                let reply = steps.perform(steps.frame.begins, steps.at);
                if let Some((interrupt, _)) = steps.interrupts.filter(|_| reply != REFUSED) {
                    interrupts::change_cpu(|cpu| *cpu = cpu.handling(interrupt));
                }
                reply
            }
            Stage::Returns => {
                let reply = steps.perform(steps.frame.returns, steps.at);
                interrupts::change_cpu(|cpu| *cpu = Cpu::default());
                reply
            }
        };
        let function = move || (line.function)(&line);
        spawn_again(self.class.as_str(), self.object.number(), report, function);
    }

    fn handle(&self) -> Arc<Self> {
        self.own.upgrade().expect("it is used by its owner")
    }
}

impl Source for Line {
    fn context(&self) -> Context {
        self.interrupts.map_or(Context::Task, |(interrupt, _)| interrupt)
    }

    fn arrives(&self) -> bool {
        let Some((interrupt, arrives)) = self.interrupts else { return false };
        if self.object.perform_uninterrupted(Op::new(arrives), self.at) == REFUSED {
            return false;
        }
        interrupts::handle(interrupt, || {
            (self.function)(&self.handle());
            self.perform(self.frame.returns, self.at);
        });
        true
    }
}

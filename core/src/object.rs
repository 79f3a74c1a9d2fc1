//! The handle that every primitive has on its state machine, wherever that lives.

use std::fmt;
use std::panic::Location;

use crate::engine::native;
use crate::machine::Machine;
use crate::op::Op;
use crate::runtime::{self, Runtime};

/// Where an operation was called.
pub(crate) type Place = &'static Location<'static>;

/// A state machine in the care of the runtime that was in charge when it was made.
pub(crate) enum Object {
    Native(native::Handle),
    Std(Box<runtime::std_host::Monitor>),
    #[cfg(feature = "loom")]
    Loom(Box<runtime::loom_host::Monitor>),
    #[cfg(feature = "shuttle")]
    Shuttle(Box<runtime::shuttle_host::Monitor>),
}

macro_rules! each_home {
    ($object:expr, $home:ident => $body:expr) => {
        match $object {
            Object::Native($home) => $body,
            Object::Std($home) => $body,
            #[cfg(feature = "loom")]
            Object::Loom($home) => $body,
            #[cfg(feature = "shuttle")]
            Object::Shuttle($home) => $body,
        }
    };
}

impl Object {
    /// Registers `machine`, an object of class `class`, with the runtime in charge.
    pub(crate) fn new(class: &'static str, machine: Box<dyn Machine>) -> Self {
        match runtime::current() {
            Runtime::Native(execution) => Self::Native(execution.register(class, machine)),
            Runtime::Std => {
                Self::Std(Box::new(runtime::std_host::Monitor::new(class, machine, None)))
            }
            #[cfg(feature = "loom")]
            Runtime::Loom(host) => {
                Self::Loom(Box::new(runtime::loom_host::Monitor::new(class, machine, host)))
            }
            #[cfg(feature = "shuttle")]
            Runtime::Shuttle(host) => {
                Self::Shuttle(Box::new(runtime::shuttle_host::Monitor::new(class, machine, host)))
            }
        }
    }

    /// One operation of the calling thread: announced, waited for, applied.
    pub(crate) fn perform(&self, op: Op, at: Place) -> u64 {
        self.perform_then(op, at, || ()).0
    }

    /// As [`perform`](Self::perform), with something invisible that belongs to the operation:
    /// no other thread does anything in between.
    pub(crate) fn perform_then<R>(&self, op: Op, at: Place, then: impl FnOnce() -> R) -> (u64, R) {
        // A destructor that is run because the execution is over must not take part in it.
        if unwinding() {
            return (0, then());
        }
        each_home!(self, home => home.perform_then(op, at, then))
    }

    /// A number that no other object has, as far as anybody can tell who uses this one.
    pub(crate) fn number(&self) -> u64 {
        each_home!(self, home => home.id().index() as u64)
    }

    /// A change that is part of the operation before it.
    pub(crate) fn set(&self, value: u64) {
        each_home!(self, home => home.set(value));
    }

    /// The identity of a value that the object stands for, after a change. Only an engine that
    /// compares states wants to know.
    pub(crate) fn set_value_id(&self, id: u64) {
        if let Self::Native(home) = self {
            home.set(id);
        }
    }

    /// Tells the observers that the calling thread promises to wake this object's sleepers, or
    /// that it has done so.
    pub(crate) fn observe_promise(&self, made: bool, at: Place) {
        each_home!(self, home => home.promise(made, at));
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_home!(self, home => fmt::Debug::fmt(home, f))
    }
}

/// Whether the thread is being taken down. Its destructors then release memory, not locks:
/// the execution they belong to is over.
pub(crate) fn unwinding() -> bool {
    std::thread::panicking()
}

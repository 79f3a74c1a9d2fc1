//! The handle that every primitive has on its state machine, wherever that lives.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use crate::machine::{Machine, Resident};
use crate::op::{ObjectId, Op, Place};
use crate::operations::OpKind;
use crate::runtime::native;
use crate::runtime::{self, Runtime};

/// A synchronisation object.
#[derive(Clone)]
pub(crate) struct Object {
    home: Home,
    /// The object that stands for the memory that this one lives in, if that can be released.
    memory: Option<Arc<Object>>,
}

/// A state machine in the care of the runtime that was in charge when it was made.
#[derive(Clone)]
enum Home {
    Native(native::Handle),
    Std(Arc<runtime::std_host::Monitor>),
    #[cfg(feature = "loom")]
    Loom(Arc<runtime::loom_host::Monitor>),
    #[cfg(feature = "shuttle")]
    Shuttle(Arc<runtime::shuttle_host::Monitor>),
}

macro_rules! each_home {
    ($object:expr, $home:ident => $body:expr) => {
        match &$object.home {
            Home::Native($home) => $body,
            Home::Std($home) => $body,
            #[cfg(feature = "loom")]
            Home::Loom($home) => $body,
            #[cfg(feature = "shuttle")]
            Home::Shuttle($home) => $body,
        }
    };
}

/// Memory in which objects are being made.
struct Making {
    memory: Arc<Object>,
    residents: Vec<Object>,
}

thread_local! {
    static MAKING: RefCell<Vec<Making>> = const { RefCell::new(Vec::new()) };
}

/// Runs `make`, and yields with its result the objects that it has made: they live in `memory`.
pub(crate) fn inside<T>(memory: &Arc<Object>, make: impl FnOnce() -> T) -> (T, Vec<Object>) {
    /// Ends with the scope, also if `make` panics.
    struct Scope;
    impl Drop for Scope {
        fn drop(&mut self) {
            MAKING.with_borrow_mut(Vec::pop);
        }
    }
    let making = Making { memory: Arc::clone(memory), residents: Vec::new() };
    MAKING.with_borrow_mut(|all| all.push(making));
    let scope = Scope;
    let value = make();
    let making =
        MAKING.with_borrow_mut(|all| all.last_mut().map(|m| std::mem::take(&mut m.residents)));
    drop(scope);
    (value, making.expect("pushed before"))
}

impl Object {
    /// Registers `machine`, an object of class `class`, with the runtime in charge. It lives in the
    /// memory that is being made, if there is any.
    pub(crate) fn new(class: &'static str, machine: Box<dyn Machine>) -> Self {
        let memory = MAKING.with_borrow(|all| all.last().map(|m| Arc::clone(&m.memory)));
        let machine = match &memory {
            Some(_) => Box::new(Resident::new(machine)),
            None => machine,
        };
        let object = Self { home: Home::new(class, machine, memory.as_deref()), memory };
        if object.memory.is_some() {
            let resident = object.clone();
            MAKING.with_borrow_mut(|all| all.last_mut().map(|m| m.residents.push(resident)));
        }
        object
    }

    /// As [`new`](Self::new), for what is in no memory of the driver: state of the proof or of the
    /// machine, or a piece of memory of its own.
    pub(crate) fn outside(class: &'static str, machine: Box<dyn Machine>) -> Self {
        Self { home: Home::new(class, machine, None), memory: None }
    }

    /// One operation of the calling thread: announced, waited for, applied.
    pub(crate) fn perform(&self, op: Op, at: Place) -> u64 {
        self.perform_then(op, at, || ()).0
    }

    /// As [`perform`](Self::perform), with something invisible that belongs to the operation:
    /// no other thread does anything in between.
    ///
    /// # Panics
    ///
    /// While an object is made with what lives in it: others would take part in that.
    pub(crate) fn perform_then<R>(&self, op: Op, at: Place, then: impl FnOnce() -> R) -> (u64, R) {
        // A destructor that is run because the execution is over must not take part in it.
        if unwinding() {
            return (0, then());
        }
        let making = MAKING.with_borrow(|all| !all.is_empty());
        assert!(
            !making,
            "{} while a tracked object is made, which only makes what lives in it",
            op.kind
        );
        each_home!(self, home => home.perform_then(op, at, then))
    }

    /// Whether it lives in memory that can be released.
    pub(crate) fn lives_in_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// The rest of an unlock that is not over when the lock is free again. It touches the lock, and
    /// so the memory that it lives in; where that cannot be released, nobody can see it.
    pub(crate) fn finish_unlock(&self, at: Place) {
        if let Some(memory) = &self.memory {
            memory.perform(Op::new(OpKind::FinishUnlock), at);
        }
    }

    /// A number that no other object has, as far as anybody can tell who uses this one.
    pub(crate) fn number(&self) -> u64 {
        self.id().index() as u64
    }

    /// A change that is part of the operation before it.
    pub(crate) fn set(&self, value: u64) {
        each_home!(self, home => home.set(value));
    }

    /// The memory that the object lives in is released, which is part of the operation before it.
    pub(crate) fn free(&self) {
        each_home!(self, home => home.free());
    }

    /// The identity of a value that the object stands for, after a change. Only an engine that
    /// compares states wants to know.
    pub(crate) fn set_value_id(&self, id: u64) {
        if let Home::Native(home) = &self.home {
            home.set(id);
        }
    }

    /// Tells the observers that the calling thread promises to wake this object's sleepers, or
    /// that it has done so.
    pub(crate) fn observe_promise(&self, made: bool, at: Place) {
        each_home!(self, home => home.promise(made, at));
    }

    /// Tells the observers that the data behind the lock, taken at `at`, have been looked at.
    pub(crate) fn observe_use(&self, at: Place) {
        each_home!(self, home => home.used(at));
    }

    /// The object of a native execution that this is.
    pub(crate) fn native(&self) -> Option<ObjectId> {
        match &self.home {
            Home::Native(home) => Some(home.id()),
            _ => None,
        }
    }

    fn id(&self) -> ObjectId {
        each_home!(self, home => home.id())
    }
}

impl Home {
    fn new(class: &'static str, machine: Box<dyn Machine>, memory: Option<&Object>) -> Self {
        let memory = memory.map(Object::id);
        match runtime::current() {
            Runtime::Native(execution) => Self::Native(execution.register(class, memory, machine)),
            Runtime::Std => {
                Self::Std(Arc::new(runtime::std_host::Monitor::new(class, memory, machine, None)))
            }
            #[cfg(feature = "loom")]
            Runtime::Loom(host) => {
                Self::Loom(Arc::new(runtime::loom_host::Monitor::new(class, memory, machine, host)))
            }
            #[cfg(feature = "shuttle")]
            Runtime::Shuttle(host) => Self::Shuttle(Arc::new(runtime::shuttle_host::Monitor::new(
                class, memory, machine, host,
            ))),
        }
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

//! The handle of a primitive on its state machine, in any runtime.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use crate::machine::{Machine, Resident};
use crate::name::Name;
use crate::op::{ObjectId, Op, Place};
use crate::operations::OpKind;
use crate::runtime::native;
use crate::runtime::setting::setting;
use crate::runtime::{self, Runtime, interrupts};

/// A synchronisation object.
#[derive(Clone)]
pub(crate) struct Object {
    home: Home,
    /// The object that represents the memory in which this one lives, if that can be released.
    memory: Option<Arc<Object>>,
}

/// A state machine that belongs to the runtime that was in charge at its creation.
#[derive(Clone)]
enum Home {
    Native(native::Handle),
    Std(Arc<runtime::std_host::Monitor>),
    #[cfg(any(loom, feature = "loom"))]
    Loom(Arc<runtime::loom_host::Monitor>),
    #[cfg(feature = "shuttle")]
    Shuttle(Arc<runtime::shuttle_host::Monitor>),
}

macro_rules! each_home {
    ($object:expr, $home:ident => $body:expr) => {
        match &$object.home {
            Home::Native($home) => $body,
            Home::Std($home) => $body,
            #[cfg(any(loom, feature = "loom"))]
            Home::Loom($home) => $body,
            #[cfg(feature = "shuttle")]
            Home::Shuttle($home) => $body,
        }
    };
}

/// Memory in which objects are being created.
struct Making {
    memory: Arc<Object>,
    residents: Vec<Object>,
}

thread_local! {
    static MAKING: RefCell<Vec<Making>> = const { RefCell::new(Vec::new()) };
}

/// Runs `make`, and returns its result with the objects that it has created, which live in
/// `memory`.
pub(crate) fn inside<T>(memory: &Arc<Object>, make: impl FnOnce() -> T) -> (T, Vec<Object>) {
    /// A guard that ends with the scope, also if `make` panics.
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
    /// memory that is being created, if there is any.
    pub(crate) fn new(class: impl Into<Name>, machine: Box<dyn Machine>) -> Self {
        let class = class.into().as_str();
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

    /// As [`new`](Self::new), for an object that is in no memory of the driver: state of the proof
    /// or of the hardware, or a separate piece of memory.
    pub(crate) fn outside(class: impl Into<Name>, machine: Box<dyn Machine>) -> Self {
        Self { home: Home::new(class.into().as_str(), machine, None), memory: None }
    }

    /// Performs one operation of the calling thread: announces it, waits for it, applies it.
    pub(crate) fn perform(&self, op: Op, at: Place) -> u64 {
        self.perform_then(op, at, || ()).0
    }

    /// As [`perform`](Self::perform), followed by something invisible that belongs to the
    /// operation: no other thread runs in between.
    ///
    /// # Panics
    ///
    /// While a tracked object is created with the objects that live in it, since other threads
    /// would take part in that.
    pub(crate) fn perform_then<R>(&self, op: Op, at: Place, then: impl FnOnce() -> R) -> (u64, R) {
        // A destructor that runs because the execution is over must not take part in it.
        if unwinding() {
            return (0, then());
        }
        let making = MAKING.with_borrow(|all| !all.is_empty());
        assert!(
            !making,
            "{} while a tracked object is created, which may only create what lives in it",
            op.kind
        );
        interrupts::arrive();
        each_home!(self, home => home.perform_then(op, at, then))
    }

    /// As [`perform`](Self::perform), without an interrupt before it.
    pub(crate) fn perform_uninterrupted(&self, op: Op, at: Place) -> u64 {
        each_home!(self, home => home.perform_then(op, at, || ())).0
    }

    /// Returns whether it lives in memory that can be released.
    pub(crate) fn lives_in_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Performs the rest of an unlock that is not over when the lock is free again. It touches the
    /// lock, and so the memory that it lives in. Where that cannot be released, the rest has no
    /// effect.
    pub(crate) fn finish_unlock(&self, at: Place) {
        if let Some(memory) = &self.memory {
            memory.perform(Op::new(OpKind::FinishUnlock), at);
        }
    }

    /// Accesses the memory that it lives in, if that can be released.
    pub(crate) fn touch_memory(&self, at: Place) {
        if let Some(memory) = &self.memory {
            memory.perform(Op::new(OpKind::Use), at);
        }
    }

    /// Performs one operation of the calling thread that is about this object and on another of the
    /// native engine.
    pub(crate) fn perform_in(&self, other: &native::Handle, op: Op, at: Place) -> u64 {
        if unwinding() {
            return 0;
        }
        interrupts::arrive();
        other.perform_then(op, at, || ()).0
    }

    /// Returns a number that distinguishes this object from the others of its world.
    pub(crate) fn number(&self) -> u64 {
        self.id().index() as u64
    }

    /// Sets the value, as a part of the operation before.
    pub(crate) fn set(&self, value: u64) {
        each_home!(self, home => home.set(value));
    }

    /// Notes that the memory in which the object lives is released, as a part of the operation
    /// before.
    pub(crate) fn free(&self) {
        each_home!(self, home => home.free());
    }

    /// Sets the identity of the value that the object represents, after a change. Only engines that
    /// compare states use it.
    pub(crate) fn set_value_id(&self, id: u64) {
        if let Home::Native(home) = &self.home {
            home.set(id);
        }
    }

    /// Notifies the observers that the calling thread promises to wake this object's sleepers, or
    /// that it has done so.
    pub(crate) fn observe_promise(&self, made: bool, at: Place) {
        each_home!(self, home => home.promise(made, at));
    }

    /// Notifies the observers that the data behind the lock, taken at `at`, have been accessed.
    pub(crate) fn observe_use(&self, at: Place) {
        each_home!(self, home => home.used(at));
    }

    /// Returns whether the running thread holds the object, if an engine knows that.
    pub(crate) fn observe_held(&self) -> Option<bool> {
        setting(|_, observers, me| observers.holds(me, self.id()))
    }

    /// Returns its number in a native execution.
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
            #[cfg(any(loom, feature = "loom"))]
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

/// Returns whether the thread is being unwound. Its destructors then release memory, not locks: the
/// execution they belong to is over.
pub(crate) fn unwinding() -> bool {
    std::thread::panicking()
}

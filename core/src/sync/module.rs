//! `struct module`: references that keep a module's text, and the unloading of the module.

use std::fmt;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{Op, Place, ThreadId};
use crate::operations::{OpKind, RETURNS};
use crate::runtime::object::{Object, unwinding};

/// A loaded module: its reference count, and whether its text is still present.
///
/// `delete_module(2)` does not wait: it fails while a reference is held. Once it has succeeded,
/// `try_module_get` fails, the module's exit function runs, and then the text is freed. A
/// [`call`](Self::call) into freed text is a use after release. The source is
/// `kernel/module/main.c`.
///
/// A function of the module needs the text until it has returned. The last thing that it does may
/// tell the exit function that it is done, and then it returns into freed text.
/// `kthread_complete_and_exit` is for a thread whose code may be gone after the completion: it does
/// not return there (`kernel/kthread.c`, v6.6). [`enter`](Self::enter) stands for such a function.
///
/// # What is left out
///
/// The text that a function runs in is accessed where [`call`](Self::call) or
/// [`enter`](Self::enter) says so, and nowhere else: the function of a timer or a work does not
/// touch a module by itself. A module that was freed is not loaded again. `delete_module` with
/// `O_TRUNC`, which ignores the references, is missing.
///
/// ```
/// use selvedge_core::sync::{Completion, Kthread, ModuleRef};
/// use selvedge_core::{Engine, Scenario, ViolationKind, in_world};
///
/// struct World {
///     module: ModuleRef,
///     done: Completion,
///     server: Kthread,
/// }
/// fn returns(w: &World) {
///     let _text = w.module.enter();
///     w.done.complete();
/// }
/// // `kthread_complete_and_exit(&w->done, 0)`
/// fn exits(w: &World) {
///     let text = w.module.enter();
///     text.exit();
///     w.done.complete();
/// }
/// let scenario = |function: fn(&World)| {
///     let world = move || World {
///         module: ModuleRef::new("driver"),
///         done: Completion::new("done"),
///         server: Kthread::new("server", in_world(function)),
///     };
///     Scenario::builder("example/text", world).thread("rmmod", |w| {
///         w.server.kthread_run();
///         w.module.delete().expect("no one has a reference");
///         w.done.wait_for_completion();
///         w.module.free();
///     })
/// };
/// let freed = ViolationKind::use_after_release("driver");
/// scenario(returns).expect_violations([freed]).assert_as_expected(Engine::Native);
/// scenario(exits).expect_proof().assert_as_expected(Engine::Native);
/// ```
pub struct ModuleRef {
    object: Object,
}

impl ModuleRef {
    /// Creates a live module without references.
    pub fn new(class: impl Into<Name>) -> Self {
        Self { object: Object::new(class, Box::new(State { phase: Phase::Live, count: 0 })) }
    }

    /// `try_module_get`: takes a reference unless the module is being unloaded, and returns whether
    /// it did.
    #[doc(alias = "try_module_get")]
    #[track_caller]
    pub fn try_get(&self) -> bool {
        self.object.perform(Op::new(OpKind::TryModuleGet), Location::caller()) == 1
    }

    /// `module_put`: drops a reference.
    #[doc(alias = "module_put")]
    #[track_caller]
    pub fn put(&self) {
        self.object.perform(Op::new(OpKind::ModulePut), Location::caller());
    }

    /// `delete_module`: begins to unload, up to the call of the module's exit function.
    ///
    /// # Errors
    ///
    /// [`ModuleBusy`] while a reference is held (`-EWOULDBLOCK` in the kernel).
    #[doc(alias = "delete_module")]
    #[track_caller]
    pub fn delete(&self) -> Result<(), ModuleBusy> {
        match self.object.perform(Op::new(OpKind::DeleteModule), Location::caller()) {
            1 => Ok(()),
            _ => Err(ModuleBusy),
        }
    }

    /// `free_module`: frees the text after the exit function has returned.
    #[doc(alias = "free_module")]
    #[track_caller]
    pub fn free(&self) {
        self.object.perform(Op::new(OpKind::FreeModule), Location::caller());
    }

    /// Calls into the module's text, or reads its data.
    #[track_caller]
    pub fn call(&self) {
        self.object.perform(Op::new(OpKind::CallModule), Location::caller());
    }

    /// Enters a function of the module, which the guard returns from where it is dropped: both need
    /// the text.
    #[track_caller]
    pub fn enter(&self) -> ModuleText<'_> {
        let at = Location::caller();
        self.object.perform(Op::new(OpKind::CallModule), at);
        ModuleText { module: self, returns: true, at }
    }
}

/// A function of a module that has not returned: see [`ModuleRef::enter`].
#[must_use = "the function returns where this is dropped"]
#[derive(Debug)]
pub struct ModuleText<'a> {
    module: &'a ModuleRef,
    returns: bool,
    at: Place,
}

impl ModuleText<'_> {
    /// Leaves the text for good, as `kthread_complete_and_exit` and `module_put_and_kthread_exit`
    /// do, which do not return to the module. What they do then (complete, put) comes after this.
    pub fn exit(mut self) {
        self.returns = false;
    }
}

impl Drop for ModuleText<'_> {
    fn drop(&mut self) {
        if self.returns && !unwinding() {
            let op = Op::with_two(OpKind::CallModule, 0, RETURNS);
            self.module.object.perform(op, self.at);
        }
    }
}

impl fmt::Debug for ModuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleRef").field("object", &self.object).finish_non_exhaustive()
    }
}

/// A module that is referenced and so cannot be deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ModuleBusy;

impl fmt::Display for ModuleBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the module is in use")
    }
}

impl std::error::Error for ModuleBusy {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Live,
    Going,
    Freed,
}

#[derive(Clone)]
struct State {
    phase: Phase,
    count: u64,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready::YES
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        match (op.kind, self.phase) {
            // The reference count lives in `struct module`, which is freed with the text.
            (OpKind::TryModuleGet | OpKind::ModulePut | OpKind::CallModule, Phase::Freed) => {
                Err(Fault::UseAfterRelease)
            }
            (OpKind::TryModuleGet, Phase::Live) => {
                self.count += 1;
                Ok(1)
            }
            (OpKind::TryModuleGet, Phase::Going) => Ok(0),
            (OpKind::ModulePut, _) if self.count == 0 => Err(Fault::DoubleRelease),
            (OpKind::ModulePut, _) => {
                self.count -= 1;
                Ok(0)
            }
            (OpKind::DeleteModule, Phase::Live) if self.count == 0 => {
                self.phase = Phase::Going;
                Ok(1)
            }
            (OpKind::DeleteModule, _) => Ok(0),
            (OpKind::FreeModule, Phase::Freed) => Err(Fault::DoubleRelease),
            (OpKind::FreeModule, _) => {
                self.phase = Phase::Freed;
                Ok(0)
            }
            (OpKind::CallModule, _) => Ok(0),
            (other, _) => unreachable!("{other} is not an operation of a module"),
        }
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([self.phase as u64, self.count]);
    }

    fn leaked(&self) -> bool {
        self.count > 0
    }
}

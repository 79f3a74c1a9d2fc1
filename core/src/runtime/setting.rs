//! What the threads of one execution run in, apart from its objects: the world, the CPUs, and the
//! kind of kernel.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::observe::Observers;
use crate::op::ThreadId;

use super::interrupts::Interrupts;
use super::{Runtime, current, host, me, note_opaque};

type World = dyn Any + Send + Sync;

/// What the threads of one execution run in.
pub(crate) struct Setting {
    /// Its number among all executions.
    number: u64,
    pub(super) interrupts: Interrupts,
    /// What the threads share, once it is made.
    world: Option<Weak<World>>,
    preempt_rt: bool,
    /// What the statics of the program hold in it, each of a type of its own.
    statics: Vec<Static>,
}

/// What a static holds in one execution.
type Static = Arc<dyn Any + Send + Sync>;

impl Default for Setting {
    fn default() -> Self {
        static EXECUTIONS: AtomicU64 = AtomicU64::new(1);
        let number = EXECUTIONS.fetch_add(1, Ordering::Relaxed);
        let (interrupts, world, preempt_rt) = (Interrupts::default(), None, false);
        Self { number, interrupts, world, preempt_rt, statics: Vec::new() }
    }
}

/// Returns the number of the execution, if an engine is in charge, and the running thread.
pub(crate) fn here() -> (Option<u64>, ThreadId) {
    match setting(|setting, _, me| (setting.number, me)) {
        Some((number, me)) => (Some(number), me),
        None => (None, me(&current())),
    }
}

/// Calls `with` with the setting of the execution, its observers and the running thread, if an
/// engine is in charge.
pub(crate) fn setting<R>(
    with: impl FnOnce(&mut Setting, &mut Observers, ThreadId) -> R,
) -> Option<R> {
    match current() {
        Runtime::Native(execution) => Some(execution.setting(with)),
        other => host().map(|host| host.setting(me(&other), with)),
    }
}

/// Sets the world of the execution.
pub(crate) fn set_world(world: &Arc<World>) {
    setting(|setting, _, _| setting.world = Some(Arc::downgrade(world)));
}

/// Returns the world of the execution, if an engine is in charge and the world is made.
pub(crate) fn world() -> Option<Arc<World>> {
    setting(|setting, _, _| setting.world.as_ref().and_then(Weak::upgrade))?
}

/// Declares that the kernel is PREEMPT_RT, before the world is made.
pub(crate) fn set_preempt_rt() {
    setting(|setting, observers, _| {
        setting.preempt_rt = true;
        observers.set_preempt_rt();
    });
}

/// Returns whether the kernel is PREEMPT_RT.
pub(crate) fn preempt_rt() -> bool {
    setting(|setting, _, _| setting.preempt_rt).unwrap_or(false)
}

/// Returns the number of threads that the execution has had, if an engine is in charge.
pub(crate) fn threads() -> usize {
    setting(|_, observers, _| observers.made().0).unwrap_or(0)
}

/// Calls `with` with what the statics of the program hold in the execution.
fn statics<R>(with: impl FnOnce(&mut Vec<Static>) -> R) -> R {
    static OUTSIDE: Mutex<Vec<Static>> = Mutex::new(Vec::new());

    let mut with = Some(with);
    let mut call = |statics: &mut _| with.take().map(|with| with(statics));
    let inside = setting(|setting, _, _| call(&mut setting.statics)).flatten();
    let outside = || call(&mut OUTSIDE.lock().unwrap_or_else(PoisonError::into_inner));
    inside.or_else(outside).expect("it is called once")
}

/// Returns what the static of type `T` holds in the execution, if that is made.
pub(crate) fn of_static<T: Any + Send + Sync>() -> Option<Arc<T>> {
    statics(|statics| statics.iter().find_map(|held| Arc::clone(held).downcast().ok()))
}

/// Sets what the static of type `T` holds in the execution.
///
/// If there are several threads already, another of them may look for it before or after this,
/// which is no operation: states cannot be compared then.
pub(crate) fn set_static<T: Any + Send + Sync>(value: T) -> Arc<T> {
    if threads() > 1 {
        note_opaque();
    }
    let value = Arc::new(value);
    statics(|statics| statics.push(Arc::clone(&value) as Static));
    value
}

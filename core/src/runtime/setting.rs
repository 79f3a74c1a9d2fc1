//! What the threads of one execution run in, apart from its objects: the world, the CPUs, and the
//! kind of kernel.

use std::any::Any;
use std::sync::{Arc, Weak};

use crate::observe::Observers;
use crate::op::ThreadId;

use super::interrupts::Interrupts;
use super::{Runtime, current, host, me};

type World = dyn Any + Send + Sync;

/// What the threads of one execution run in.
#[derive(Default)]
pub(crate) struct Setting {
    pub(super) interrupts: Interrupts,
    /// What the threads share, once it is made.
    world: Option<Weak<World>>,
    preempt_rt: bool,
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

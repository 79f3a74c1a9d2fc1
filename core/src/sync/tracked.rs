//! Objects that can be released, and whoever touches them too late.

use std::fmt;
use std::panic::Location;

use std::sync::Arc;

use crate::machine::{Fault, Machine, Ready};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::{self, Object};

/// A heap object of the driver: allocated when it is made, freed by
/// [`release`](Self::release).
///
/// A touch after the release, a second release, and an object that is never released are
/// violations that name the object. The value itself stays readable, because the model's memory
/// is not the driver's; what is in it may change only through primitives.
///
/// Locks, wait queues, timers and other objects can live in it ([`with`](Self::with)), as they do in
/// a `struct` of the driver. Each operation on one of them then touches the object, and it must not
/// be released while somebody holds a lock in it
/// ([`ViolationKind::FreedWhileHeld`](crate::ViolationKind::FreedWhileHeld); the kernel's lockdep
/// says "held lock freed").
///
/// `mutex_unlock`, `up_read` and `up_write` of such a lock take a second step, in which the object is
/// still touched though somebody else may have the lock already: "callers of mutex_unlock() must
/// ensure that the mutex stays alive until mutex_unlock() has returned"
/// (Documentation/locking/mutex-design.rst). `spin_unlock` does not.
///
/// # What is left out
///
/// Memory that was released is not given to somebody else, so what is found is the first touch, and not
/// what comes of it.
///
/// ```
/// use selvedge_core::sync::{Mutex, Tracked};
/// use selvedge_core::{Engine, Scenario, ViolationKind};
///
/// struct Device {
///     lock: Mutex<u32>,
/// }
/// // Two users; whoever is the last frees the device. The other may not be out of its unlock.
/// fn put(device: &Tracked<Device>) {
///     let last = {
///         let mut users = device.get().lock.lock();
///         *users -= 1;
///         *users == 0
///     };
///     if last {
///         device.release();
///     }
/// }
/// let device = || Tracked::with("device", || Device { lock: Mutex::new("device->lock", 2) });
/// Scenario::builder("example/unlock", device)
///     .thread("close", put)
///     .thread("disconnect", put)
///     .expect_violations([ViolationKind::use_after_release("device")])
///     .assert_as_expected(Engine::Native);
/// ```
pub struct Tracked<T = ()> {
    object: Arc<Object>,
    /// What lives in it.
    residents: Vec<Object>,
    value: T,
}

impl<T> Tracked<T> {
    /// `kzalloc` of an object named `class`. What `value` is made of lives elsewhere: a reference to
    /// it is touched, and not what it refers to.
    pub fn new(class: &'static str, value: T) -> Self {
        Self { object: Arc::new(memory(class)), residents: Vec::new(), value }
    }

    /// `kzalloc` of an object named `class`, in which every lock and other object of
    /// [`sync`](crate::sync) lives that `make` makes. A [`Tracked`] made in it is memory of its own,
    /// and a [`Ghost`](super::Ghost) and [`Hardware`](super::Hardware) are in no memory of the driver.
    ///
    /// # Panics
    ///
    /// If `make` does more than make: if it takes a lock, say.
    pub fn with(class: &'static str, make: impl FnOnce() -> T) -> Self {
        let object = Arc::new(memory(class));
        let (value, residents) = object::inside(&object, make);
        Self { object, residents, value }
    }

    /// Follows a pointer to the object.
    #[track_caller]
    pub fn get(&self) -> &T {
        self.object.perform(Op::new(OpKind::Use), Location::caller());
        &self.value
    }

    /// `kfree`.
    #[track_caller]
    pub fn release(&self) {
        let free = || self.residents.iter().for_each(Object::free);
        self.object.perform_then(Op::new(OpKind::Release), Location::caller(), free);
    }
}

impl<T> fmt::Debug for Tracked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("object", &self.object).finish_non_exhaustive()
    }
}

fn memory(class: &'static str) -> Object {
    Object::outside(class, Box::new(State { released: false }))
}

#[derive(Clone)]
struct State {
    released: bool,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready::YES
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::Use | OpKind::FinishUnlock if self.released => Err(Fault::UseAfterRelease),
            OpKind::Use | OpKind::FinishUnlock => Ok(0),
            OpKind::Release if self.released => Err(Fault::DoubleRelease),
            OpKind::Release => {
                self.released = true;
                Ok(0)
            }
            other => unreachable!("{other} is no operation of a tracked object"),
        }
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(u64::from(self.released));
    }

    fn leaked(&self) -> bool {
        !self.released
    }
}

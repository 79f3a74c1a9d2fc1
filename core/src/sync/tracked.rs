//! Objects that can be released, and accesses after the release.

use std::fmt;
use std::panic::Location;

use std::sync::Arc;

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::{self, Object};

/// A heap object of the driver: allocated when it is made, freed by [`release`](Self::release).
///
/// An access after the release, a second release, and a missing release are violations that name
/// the object. The value itself stays readable, because the model's memory is not the driver's. Its
/// content may change only through primitives.
///
/// Locks, wait queues, timers and other objects can live in it ([`with`](Self::with)), as they do
/// in a `struct` of the driver. Each operation on one of them then touches the object, which must
/// not be released while a thread holds a lock in it
/// ([`ViolationKind::FreedWhileHeld`](crate::ViolationKind::FreedWhileHeld)). The kernel's lockdep
/// says "held lock freed" if the thread that frees it is the holder, and nothing if another is
/// (`debug_check_no_locks_freed`, kernel/locking/lockdep.c, v6.6). A read section of
/// [`Rcu`](super::Rcu) or [`Srcu`](super::Srcu) is no lock here: the release of an `Srcu` with a
/// reader shows where the reader leaves its section, which is a use after release.
///
/// `mutex_unlock`, `up_read` and `up_write` of such a lock take a second step, which still touches
/// the object although another thread may hold the lock already: "callers of mutex_unlock() must
/// ensure that the mutex stays alive until mutex_unlock() has returned"
/// (Documentation/locking/mutex-design.rst). `spin_unlock` does not.
///
/// # What is left out
///
/// Released memory is not allocated again, so the first access after the release is found, and not
/// its consequences.
///
/// ```
/// use selvedge_core::sync::{Mutex, Tracked};
/// use selvedge_core::{Engine, Scenario, ViolationKind};
///
/// struct Device {
///     lock: Mutex<u32>,
/// }
/// // Two users; the last one frees the device. The other may still be in its unlock.
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
    /// The objects that live in it.
    residents: Vec<Object>,
    value: T,
}

impl<T> Tracked<T> {
    /// `kzalloc`: allocates an object named `class`. Objects within `value` live elsewhere: an
    /// access through [`get`](Self::get) touches the value, and not what it refers to.
    #[doc(alias = "kzalloc")]
    pub fn new(class: impl Into<Name>, value: T) -> Self {
        Self { object: Arc::new(memory(class)), residents: Vec::new(), value }
    }

    /// `kzalloc`: allocates an object named `class`, in which every lock and other object of
    /// [`sync`](crate::sync) lives that `make` creates. A [`Tracked`] made in it is separate
    /// memory, and a [`Ghost`](super::Ghost) and [`Hardware`](super::Hardware) are in no memory of
    /// the driver.
    ///
    /// # Panics
    ///
    /// If `make` performs an operation, such as taking a lock.
    #[doc(alias = "kzalloc")]
    pub fn with(class: impl Into<Name>, make: impl FnOnce() -> T) -> Self {
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

    /// `kfree`: releases the object.
    #[doc(alias = "kfree")]
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

pub(crate) fn memory(class: impl Into<Name>) -> Object {
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
            other => unreachable!("{other} is not an operation of a tracked object"),
        }
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(u64::from(self.released));
    }

    fn leaked(&self) -> bool {
        !self.released
    }
}

//! The data behind a lock.
//!
//! The model's lock decides which thread may access the data; the `std` lock here only makes that
//! safe Rust. It is never contended. If it were, a model lock would have admitted two holders, or a
//! guard was forgotten, and the access panics.
//!
//! The search compares states, so a value has an *identity*: the native engine interns the bytes
//! that [`Hash`] feeds to the hasher, and their number is the identity. Data can change only under
//! its lock, so the identity is taken when the lock is released and reported to the next holder. In
//! between, the value is a function of what the holder has observed.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::ops::DerefMut;
use std::sync::{
    Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};

use crate::machine::KEEP;
use crate::runtime;

/// A value that can be protected by a lock. Implemented for every type that qualifies.
///
/// [`Hash`] must distinguish different values: two values that feed the same bytes to the hasher
/// count as equal. Every derived `Hash` does.
///
/// A lock that several readers can hold is shared between threads only if its value can be, which
/// is `Sync`, as for the locks of `std`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be protected by a lock of selvedge",
    note = "derive `Hash`, so that states can be compared, or wrap the value in `Opaque`",
    note = "the value must also be `Send` and `'static`"
)]
pub trait Value: Hash + Send + 'static {}

impl<T: Hash + Send + 'static> Value for T {}

/// A value that is indistinguishable from others of its type: a closure, or a type of another crate
/// without `Hash`.
///
/// States with such values cannot be compared. The native engine then falls back from the full
/// search to [`Search::Dpor`](crate::Search::Dpor), which compares no states.
///
/// ```
/// use selvedge_core::sync::Mutex;
/// use selvedge_core::{Engine, Opaque, Scenario, Search};
///
/// let scenario = Scenario::builder("example/opaque", || Mutex::new("hook", Opaque(None::<f64>)))
///     .thread("T1", |hook| hook.lock().0 = Some(0.5))
///     .thread("T2", |hook| hook.lock().0 = None)
///     .expect_proof();
/// let report = scenario.verify(Engine::Native);
/// assert!(report.as_expected(), "{report}");
/// assert_eq!(report.search, Some(Search::Dpor));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Opaque<T>(pub T);

impl<T> Hash for Opaque<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {
        runtime::note_opaque();
    }
}

/// Data of which the lock admits one holder at a time.
pub(crate) struct Data<T> {
    cell: Mutex<T>,
}

impl<T: Value> Data<T> {
    /// Creates the data and returns it with the identity of its first value.
    pub(crate) fn new(value: T) -> (Self, u64) {
        let id = runtime::value_id(&value);
        (Self { cell: Mutex::new(value) }, id)
    }

    pub(crate) fn write(&self) -> OwnedData<'_, T> {
        WriteData::new(granted(self.cell.try_lock()))
    }

    /// Returns the data, whose identity is not known any more.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        runtime::note_opaque();
        self.cell.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_inner(self) -> T {
        self.cell.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Data of which the lock admits one writer or several readers.
pub(crate) struct SharedData<T> {
    cell: RwLock<T>,
}

impl<T: Value> SharedData<T> {
    /// Creates the data and returns it with the identity of its first value.
    pub(crate) fn new(value: T) -> (Self, u64) {
        let id = runtime::value_id(&value);
        (Self { cell: RwLock::new(value) }, id)
    }

    pub(crate) fn write(&self) -> WriteData<RwLockWriteGuard<'_, T>> {
        WriteData::new(granted(self.cell.try_write()))
    }

    /// Returns the data, whose identity is not known any more.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        runtime::note_opaque();
        self.cell.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_inner(self) -> T {
        self.cell.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read(&self) -> ReadData<'_, T> {
        ReadData { cell: Some(granted(self.cell.try_read())), looked: Cell::new(false) }
    }
}

/// Unwraps the guard: the model's lock was granted, so the cell is free. A panic of an earlier
/// holder poisons the cell, but it also ends the execution, after which only destructors access the
/// data.
fn granted<G>(cell: Result<G, TryLockError<G>>) -> G {
    match cell {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
        Err(TryLockError::WouldBlock) => panic!("the guard of the last holder was forgotten"),
    }
}

/// The data of a lock held exclusively, until [`close`](Self::close). `G` is the guard of the cell.
pub(crate) struct WriteData<G> {
    cell: Option<G>,
    touched: bool,
    looked: Cell<bool>,
}

/// The data of a lock that is never shared.
pub(crate) type OwnedData<'a, T> = WriteData<MutexGuard<'a, T>>;

impl<G: DerefMut<Target: Value + Sized>> WriteData<G> {
    fn new(cell: G) -> Self {
        Self { cell: Some(cell), touched: false, looked: Cell::new(false) }
    }

    pub(crate) fn get(&self) -> &G::Target {
        self.looked.set(true);
        self.cell.as_deref().expect("open until the lock's guard is dropped")
    }

    pub(crate) fn get_mut(&mut self) -> &mut G::Target {
        self.touched = true;
        self.looked.set(true);
        self.cell.as_deref_mut().expect("open until the lock's guard is dropped")
    }

    /// Returns the data, to a caller that only looks at it.
    pub(crate) fn look(&mut self) -> &mut G::Target {
        self.looked.set(true);
        self.cell.as_deref_mut().expect("open until the lock's guard is dropped")
    }

    /// Returns whether the data was accessed.
    pub(crate) fn looked(&self) -> bool {
        self.looked.get()
    }

    /// Releases the data and returns the identity of its value.
    pub(crate) fn close(&mut self) -> u64 {
        let id = if self.touched { runtime::value_id(self.get()) } else { KEEP };
        self.cell = None;
        id
    }
}

/// The data of a lock held shared, until [`close`](Self::close).
pub(crate) struct ReadData<'a, T> {
    cell: Option<RwLockReadGuard<'a, T>>,
    looked: Cell<bool>,
}

impl<T> ReadData<'_, T> {
    pub(crate) fn get(&self) -> &T {
        self.looked.set(true);
        self.cell.as_ref().expect("open until the lock's guard is dropped")
    }

    /// Returns whether the data was accessed.
    pub(crate) fn looked(&self) -> bool {
        self.looked.get()
    }

    /// Releases the data.
    pub(crate) fn close(&mut self) {
        self.cell = None;
    }
}

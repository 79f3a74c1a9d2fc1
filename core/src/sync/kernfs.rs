//! Active references of kernfs: a file that is in use is not removed.

use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, REFUSED, Ready};
use crate::name::Name;
use crate::op::{Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;
use crate::runtime::object::{Object, unwinding};

/// A file of kernfs or sysfs, as in `fs/kernfs/dir.c`, v6.6.
///
/// A `show` or `store` runs with an active reference, which no thread gets any more once the file
/// is being removed. [`kernfs_remove`](Self::kernfs_remove) waits until all are dropped
/// (`kernfs_drain`), so it deadlocks if the caller holds a lock that a `show` takes, and if it is
/// called in a `show` of the file. lockdep predicts the former, on the class `kn->active` of the
/// kernel. A `store` that removes its own file uses
/// [`remove_self`](ActiveReference::remove_self).
///
/// # What is left out
///
/// Directories, and the references that keep the memory of a node.
///
/// ```
/// use selvedge_core::sync::{Kernfs, Mutex};
/// use selvedge_core::{Engine, Scenario, ViolationKind};
///
/// Scenario::builder("example/sysfs", || (Mutex::new("rtnl", ()), Kernfs::new("kn->active")))
///     .thread("show", |(rtnl, file)| {
///         if let Some(_active) = file.kernfs_get_active() {
///             rtnl.lock().unlock();
///         }
///     })
///     .thread("unregister", |(rtnl, file)| {
///         let _rtnl = rtnl.lock();
///         file.kernfs_remove();
///     })
///     .expect_violations([ViolationKind::deadlock(["kn->active", "rtnl"])])
///     .assert_as_expected(Engine::Native);
/// ```
#[doc(alias("kernfs_node", "sysfs"))]
pub struct Kernfs {
    object: Object,
}

impl Kernfs {
    /// `kernfs_create_file`, `sysfs_create_file`: creates a file of lock class `class`.
    #[doc(alias("kernfs_create_file", "sysfs_create_file", "device_create_file"))]
    pub fn new(class: impl Into<Name>) -> Self {
        Self { object: Object::new(class, Box::new(State::default())) }
    }

    /// `kernfs_get_active`: takes an active reference, unless the file is being removed. The open
    /// and each `show` and `store` of a file begin with that.
    #[track_caller]
    pub fn kernfs_get_active(&self) -> Option<ActiveReference<'_>> {
        let at = Location::caller();
        match self.perform(OpKind::KernfsGetActive, at) {
            REFUSED => None,
            _ => Some(ActiveReference { file: self, at, held: true }),
        }
    }

    /// `kernfs_remove`, `sysfs_remove_file`: removes the file, and waits until no active reference
    /// is left.
    #[doc(alias("sysfs_remove_file", "device_remove_file", "kernfs_drain"))]
    #[track_caller]
    pub fn kernfs_remove(&self) {
        let at = Location::caller();
        self.perform(OpKind::KernfsDeactivate, at);
        self.perform(OpKind::KernfsDrain, at);
    }

    fn perform(&self, kind: OpKind, at: Place) -> u64 {
        self.object.perform(Op::new(kind), at)
    }
}

impl fmt::Debug for Kernfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernfs").field("object", &self.object).finish_non_exhaustive()
    }
}

/// An active reference to a [`Kernfs`] file. Dropping it is `kernfs_put_active`.
#[must_use = "the file can be removed as soon as this is dropped"]
#[derive(Debug)]
pub struct ActiveReference<'a> {
    file: &'a Kernfs,
    at: Place,
    /// Whether the reference is held, and not broken.
    held: bool,
}

impl ActiveReference<'_> {
    /// `kernfs_put_active`: drops the reference.
    #[track_caller]
    pub fn kernfs_put_active(mut self) {
        self.at = Location::caller();
    }

    /// `kernfs_break_active_protection`, `sysfs_break_active_protection`: drops the reference for a
    /// while, so that the file can be removed meanwhile.
    #[doc(alias("kernfs_break_active_protection", "sysfs_break_active_protection"))]
    #[track_caller]
    pub fn break_active_protection(&mut self) {
        if std::mem::take(&mut self.held) {
            self.file.perform(OpKind::KernfsPutActive, Location::caller());
        }
    }

    /// `kernfs_unbreak_active_protection`: takes the reference again, even of a file that is
    /// removed.
    #[doc(alias("kernfs_unbreak_active_protection", "sysfs_unbreak_active_protection"))]
    #[track_caller]
    pub fn unbreak_active_protection(&mut self) {
        if !std::mem::replace(&mut self.held, true) {
            self.file.perform(OpKind::KernfsUnbreak, Location::caller());
        }
    }

    /// `kernfs_remove_self`: removes the file from its own `store`, without the caller's reference.
    /// Returns whether the caller has removed it; of several callers one has, and the others
    /// return when it is done.
    #[doc(alias("kernfs_remove_self", "sysfs_remove_file_self"))]
    #[track_caller]
    pub fn remove_self(&mut self) -> bool {
        let at = Location::caller();
        self.break_active_protection();
        let first = self.file.perform(OpKind::KernfsDeactivate, at) == 1;
        self.file.perform(OpKind::KernfsDrain, at);
        self.unbreak_active_protection();
        first
    }
}

impl Drop for ActiveReference<'_> {
    fn drop(&mut self) {
        if self.held && !unwinding() {
            self.file.perform(OpKind::KernfsPutActive, self.at);
        }
    }
}

/// The state of a file.
#[derive(Clone, Default)]
struct State {
    removed: bool,
    /// The threads with an active reference, each as often as it has one. Sorted.
    active: SmallVec<[ThreadId; 2]>,
}

impl State {
    fn get(&mut self, me: ThreadId) {
        self.active.push(me);
        self.active.sort_unstable();
    }
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        Ready::when(op.kind != OpKind::KernfsDrain || self.active.is_empty())
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        match op.kind {
            OpKind::KernfsGetActive if self.removed => return Ok(REFUSED),
            OpKind::KernfsGetActive | OpKind::KernfsUnbreak => self.get(me),
            OpKind::KernfsPutActive => {
                let place = self.active.iter().position(|holder| *holder == me);
                self.active.remove(place.ok_or(Fault::NotOwner)?);
            }
            OpKind::KernfsDeactivate => {
                return Ok(u64::from(!std::mem::replace(&mut self.removed, true)));
            }
            OpKind::KernfsDrain => {}
            other => unreachable!("{other} is not an operation of a file of kernfs"),
        }
        Ok(0)
    }

    /// The threads with an active reference.
    fn blockers(&self, _me: ThreadId, _op: Op) -> SmallVec<[ThreadId; 4]> {
        self.active.iter().copied().collect()
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        renaming.apply(&mut self.active);
        self.active.sort_unstable();
        true
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([u64::from(self.removed), self.active.len() as u64]);
        key.extend(self.active.iter().map(|thread| thread.index() as u64));
    }

    fn leaked(&self) -> bool {
        !self.active.is_empty()
    }
}

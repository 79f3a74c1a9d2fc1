//! `struct ww_mutex`: mutexes that a thread takes in any order, and backs off from instead of
//! deadlocking.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::declare;
use crate::machine::{QUEUED, REFUSED};
use crate::name::Name;
use crate::op::{Op, Place};
use crate::operations::OpKind;
use crate::runtime::object::{Object, unwinding};

use super::outside::Outside;
use super::ww_state::{Algorithm, IN_CONTEXT, KEPT, NESTED, OTHER, SLOW, UNNEEDED, WwState};

/// The kernel's `struct ww_class`: [`WwMutex`]es of which a thread may take several in any order.
///
/// The rules are those of `Documentation/locking/ww-mutex-design.rst` and
/// `kernel/locking/ww_mutex.h`, v6.6. A thread begins an acquire context
/// ([`ww_acquire_init`](Self::ww_acquire_init)), whose age decides which of two threads backs off.
/// With *wound-wait* an older context wounds a younger one that holds what it wants, and the
/// younger gets `-EDEADLK` where it would have to wait. With *wait-die* a younger context gets
/// `-EDEADLK` instead of waiting for an older one. The thread then unlocks what it has taken in the
/// context, and waits for the contended mutex alone ([`WwMutex::ww_mutex_lock_slow`]).
///
/// lockdep sees the context as a lock of class `NAME_acquire`, and every mutex as one of class
/// `NAME_mutex`. Inside of a context the order of the mutexes is not reported (`nest_lock`).
///
/// # What is left out
///
/// - Any waiter may be next; the kernel sorts those with a context by their age.
/// - The interruptible variants are missing.
/// - A mutex that lives in freed memory ([`Tracked::with`](super::Tracked::with)) is not noticed.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::WwClass;
/// let class = WwClass::new("reservation_ww_class");
/// let (a, b) = (class.mutex(), class.mutex());
/// let ctx = class.ww_acquire_init();
/// let first = a.ww_mutex_lock(&ctx).expect("no other thread has a lock");
/// let second = b.ww_mutex_lock(&ctx).expect("no other thread has a lock");
/// ctx.ww_acquire_done();
/// drop((first, second));
/// ctx.ww_acquire_fini();
/// # });
/// ```
#[doc(alias("struct ww_class", "DEFINE_WW_CLASS"))]
pub struct WwClass {
    /// The contexts, and the state of all mutexes.
    object: Arc<Object>,
    mutexes: Name,
}

impl WwClass {
    /// `DEFINE_WW_CLASS`: creates a class whose contexts wound and wait.
    pub fn new(class: impl Into<Name>) -> Self {
        Self::of(class.into(), Algorithm::WoundWait)
    }

    /// `DEFINE_WD_CLASS`: creates a class whose contexts wait and die.
    #[doc(alias = "DEFINE_WD_CLASS")]
    pub fn wait_die(class: impl Into<Name>) -> Self {
        Self::of(class.into(), Algorithm::WaitDie)
    }

    fn of(class: Name, algorithm: Algorithm) -> Self {
        let name = |part: &str| Name::from(format!("{class}_{part}"));
        let object = Object::new(name("acquire"), Box::new(WwState::new(algorithm)));
        Self { object: Arc::new(object), mutexes: name("mutex") }
    }

    /// `ww_mutex_init`: creates an unlocked mutex of the class.
    #[doc(alias = "ww_mutex_init")]
    pub fn mutex(&self) -> WwMutex {
        let own = Object::outside(self.mutexes, Box::new(Outside { value: 0 }));
        WwMutex { class: Arc::clone(&self.object), own }
    }

    /// `ww_acquire_init`: begins an acquire context of the calling thread. It is older than those
    /// that begin later, also after it has backed off.
    ///
    /// # Violations
    ///
    /// The invariant `ww_acquire_init` if the thread is in a context of the class already, which
    /// lockdep reports as possible recursive locking.
    #[track_caller]
    pub fn ww_acquire_init(&self) -> WwAcquireCtx<'_> {
        let at = Location::caller();
        if self.object.perform(Op::new(OpKind::WwAcquireInit), at) == NESTED {
            let what = "the thread is in an acquire context of the class already";
            broken("ww_acquire_init", what, at);
        }
        let (held, done) = (RefCell::default(), Cell::new(false));
        WwAcquireCtx { class: self, held, done, at }
    }
}

fn broken(rule: &str, what: &str, at: Place) {
    declare::broken_at(rule, what.to_owned(), at);
}

impl fmt::Debug for WwClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WwClass").field("object", &self.object).finish_non_exhaustive()
    }
}

/// The kernel's `struct ww_acquire_ctx`: the locks that a thread takes together. Dropping it is
/// `ww_acquire_fini`.
#[must_use = "the context lasts only as long as this lives"]
#[doc(alias = "struct ww_acquire_ctx")]
pub struct WwAcquireCtx<'a> {
    class: &'a WwClass,
    /// The mutexes that are held in the context.
    held: RefCell<Vec<u64>>,
    /// Whether all mutexes have been taken.
    done: Cell<bool>,
    at: Place,
}

impl WwAcquireCtx<'_> {
    /// `ww_acquire_done`: declares that the thread takes no further mutex in the context.
    ///
    /// # Violations
    ///
    /// The invariant `ww_acquire_done` if that was declared before, for which
    /// `CONFIG_DEBUG_MUTEXES` warns.
    #[track_caller]
    pub fn ww_acquire_done(&self) {
        if self.done.replace(true) {
            broken("ww_acquire_done", "the context is done already", Location::caller());
        }
    }

    /// `ww_acquire_fini`: ends the context.
    ///
    /// # Violations
    ///
    /// The invariant `ww_acquire_fini` if a mutex is still held in the context, for which
    /// `CONFIG_DEBUG_MUTEXES` warns.
    #[track_caller]
    pub fn ww_acquire_fini(mut self) {
        self.at = Location::caller();
    }

    /// Notes that the context has taken a mutex, of which `ww_mutex_lock_acquired` may warn
    /// (`kernel/locking/ww_mutex.h`, v6.6).
    fn takes(&self, number: u64, warning: u64, at: Place) {
        if self.done.get() {
            broken("ww_acquire_done", "the thread takes a ww_mutex after ww_acquire_done", at);
        }
        match warning {
            OTHER => {
                broken("ww_mutex_lock", "after -EDEADLK the thread takes another ww_mutex", at);
            }
            KEPT => {
                broken("ww_mutex_lock", "after -EDEADLK the context still holds a ww_mutex", at);
            }
            UNNEEDED => {
                broken("ww_mutex_lock_slow", "the context has not backed off", at);
            }
            _ => {}
        }
        self.held.borrow_mut().push(number);
    }
}

impl Drop for WwAcquireCtx<'_> {
    fn drop(&mut self) {
        if unwinding() {
            return;
        }
        if !self.held.borrow().is_empty() {
            broken("ww_acquire_fini", "a ww_mutex of the context is held at its end", self.at);
        }
        self.class.object.perform(Op::new(OpKind::WwAcquireFini), self.at);
    }
}

impl fmt::Debug for WwAcquireCtx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WwAcquireCtx")
            .field("held", &self.held.borrow().len())
            .finish_non_exhaustive()
    }
}

/// The reason why [`WwMutex::ww_mutex_lock`] has not taken the mutex.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WwError {
    /// `-EDEADLK`: the context has to back off.
    Deadlock,
    /// `-EALREADY`: the context holds the mutex already.
    Already,
}

impl fmt::Display for WwError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadlock => "the context has to back off",
            Self::Already => "the context holds the mutex already",
        })
    }
}

impl std::error::Error for WwError {}

/// The kernel's `struct ww_mutex`, a mutex of a [`WwClass`]. It protects no data of its own here.
///
/// lockdep sees every mutex of the class as one of class `NAME_mutex`.
#[doc(alias = "struct ww_mutex")]
pub struct WwMutex {
    /// The object of the class, which has the state of all its mutexes.
    class: Arc<Object>,
    /// The object that represents the mutex.
    own: Object,
}

impl WwMutex {
    /// `ww_mutex_lock`: waits until the mutex is free and takes it, in the context `ctx`.
    ///
    /// # Errors
    ///
    /// [`WwError::Deadlock`] if the context has to back off, and [`WwError::Already`] if it holds
    /// the mutex.
    ///
    /// # Violations
    ///
    /// The invariants `ww_acquire_done` if the context is done, and `ww_mutex_lock` if it is of
    /// another class, if the first mutex that it takes after `-EDEADLK` is another, or if it still
    /// holds one then: `CONFIG_DEBUG_MUTEXES` warns of each.
    #[track_caller]
    pub fn ww_mutex_lock<'a>(&'a self, ctx: &'a WwAcquireCtx<'_>) -> Result<WwGuard<'a>, WwError> {
        let at = Location::caller();
        if ctx.held.borrow().contains(&self.number()) {
            return Err(WwError::Already);
        }
        match self.lock(Some(ctx), IN_CONTEXT, at) {
            true => Ok(WwGuard { mutex: self, ctx: Some(ctx), at }),
            false => Err(WwError::Deadlock),
        }
    }

    /// `ww_mutex_lock_slow`: as [`ww_mutex_lock`](Self::ww_mutex_lock), for the mutex that the
    /// context has backed off from. It does not fail, since the context holds nothing.
    ///
    /// # Violations
    ///
    /// The invariant `ww_mutex_lock_slow` if the context still holds a mutex: "The caller must have
    /// released all w/w mutexes already acquired with the context" (`include/linux/ww_mutex.h`).
    /// The same if the context has not backed off.
    #[track_caller]
    pub fn ww_mutex_lock_slow<'a>(&'a self, ctx: &'a WwAcquireCtx<'_>) -> WwGuard<'a> {
        let at = Location::caller();
        if !ctx.held.borrow().is_empty() {
            broken("ww_mutex_lock_slow", "the context still holds a ww_mutex", at);
        }
        self.lock(Some(ctx), SLOW, at);
        WwGuard { mutex: self, ctx: Some(ctx), at }
    }

    /// `ww_mutex_lock` without a context: waits as for a mutex, for a thread that takes only one of
    /// the class.
    #[doc(alias = "ww_mutex_lock")]
    #[track_caller]
    pub fn ww_mutex_lock_single(&self) -> WwGuard<'_> {
        let at = Location::caller();
        self.lock(None, 0, at);
        WwGuard { mutex: self, ctx: None, at }
    }

    /// `ww_mutex_trylock`: takes the mutex if it is free now, in the context if there is one. Never
    /// waits.
    #[track_caller]
    pub fn ww_mutex_trylock<'a>(
        &'a self,
        ctx: Option<&'a WwAcquireCtx<'_>>,
    ) -> Option<WwGuard<'a>> {
        let at = Location::caller();
        self.check_class(ctx, at);
        let how = if ctx.is_some() { IN_CONTEXT } else { 0 };
        let reply = self.perform(OpKind::TryWwLock, how, at);
        if reply == REFUSED {
            return None;
        }
        ctx.into_iter().for_each(|ctx| ctx.takes(self.number(), reply, at));
        Some(WwGuard { mutex: self, ctx, at })
    }

    /// Takes the mutex, and returns whether the context need not back off.
    fn lock(&self, ctx: Option<&WwAcquireCtx<'_>>, how: u64, at: Place) -> bool {
        self.check_class(ctx, at);
        let mut reply = self.perform(OpKind::WwLock, how, at);
        if reply == QUEUED {
            reply = self.perform(OpKind::AwaitWwLock, how, at);
        }
        if reply == REFUSED {
            return false;
        }
        ctx.into_iter().for_each(|ctx| ctx.takes(self.number(), reply, at));
        true
    }

    fn check_class(&self, ctx: Option<&WwAcquireCtx<'_>>, at: Place) {
        if ctx.is_some_and(|ctx| !Arc::ptr_eq(&ctx.class.object, &self.class)) {
            broken("ww_mutex_lock", "the context is of another ww_class", at);
        }
    }

    fn number(&self) -> u64 {
        self.own.number() + 1
    }

    fn perform(&self, kind: OpKind, how: u64, at: Place) -> u64 {
        self.class.perform(Op::with_two(kind, how, self.number()), at)
    }
}

impl fmt::Debug for WwMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WwMutex").field("object", &self.own).finish_non_exhaustive()
    }
}

/// A held [`WwMutex`]. Dropping it unlocks.
#[must_use = "a ww_mutex is held only as long as its guard lives"]
pub struct WwGuard<'a> {
    mutex: &'a WwMutex,
    ctx: Option<&'a WwAcquireCtx<'a>>,
    at: Place,
}

impl WwGuard<'_> {
    /// `ww_mutex_unlock`: unlocks.
    #[track_caller]
    pub fn ww_mutex_unlock(mut self) {
        self.at = Location::caller();
    }
}

impl Drop for WwGuard<'_> {
    fn drop(&mut self) {
        if !unwinding() {
            let number = self.mutex.number();
            if let Some(ctx) = self.ctx {
                ctx.held.borrow_mut().retain(|held| *held != number);
            }
            self.mutex.perform(OpKind::WwUnlock, 0, self.at);
        }
    }
}

impl fmt::Debug for WwGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WwGuard").field(self.mutex).finish()
    }
}

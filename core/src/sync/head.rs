//! `struct rcu_head`: the function that RCU calls after a grace period.

use std::fmt;
use std::sync::Arc;

use crate::runtime::object::Object;

use super::outside::Outside;

/// The kernel's `struct rcu_head`, with the function that [`Rcu::call`](super::Rcu::call) or
/// [`Srcu::call`](super::Srcu::call) is given for it.
///
/// In the kernel it lives in the object that the function frees. The function is given once.
/// [`in_world`](crate::in_world) makes it of a function of the world:
///
/// ```
/// use selvedge_core::sync::{Rcu, RcuHead, Tracked};
/// use selvedge_core::{Engine, Scenario, in_world};
///
/// struct World {
///     rcu: Rcu,
///     domain: Tracked,
///     free: RcuHead,
/// }
/// fn free_domain(w: &World) {
///     w.domain.release();
/// }
/// let world = || World {
///     rcu: Rcu::new(),
///     domain: Tracked::new("s390_domain", ()),
///     free: RcuHead::new(in_world(free_domain)),
/// };
/// Scenario::builder("example/rcu_head", world)
///     .thread("reader", |w| {
///         let reader = w.rcu.read_lock();
///         w.domain.get();
///         w.rcu.call(&w.free); // call_rcu(&domain->rcu, free_domain)
///         reader.unlock();
///     })
///     .expect_proof()
///     .assert_as_expected(Engine::Native);
/// ```
#[doc(alias("struct rcu_head", "struct callback_head"))]
pub struct RcuHead {
    inner: Arc<Inner>,
}

struct Inner {
    /// The identity of the head.
    object: Object,
    function: Box<dyn Fn(&RcuHead) + Send + Sync>,
}

impl RcuHead {
    /// Creates a head whose function is `function`, which receives the head, to be called again.
    #[doc(alias = "init_rcu_head")]
    pub fn new(function: impl Fn(&Self) + Send + Sync + 'static) -> Self {
        let object = Object::new("rcu_head", Box::new(Outside { value: 0 }));
        Self { inner: Arc::new(Inner { object, function: Box::new(function) }) }
    }

    pub(super) fn handle(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }

    pub(super) fn number(&self) -> u64 {
        self.inner.object.number()
    }

    pub(super) fn run(&self) {
        (self.inner.function)(self);
    }
}

impl fmt::Debug for RcuHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RcuHead").field("object", &self.inner.object).finish_non_exhaustive()
    }
}

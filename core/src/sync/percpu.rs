//! Per-CPU data, and threads that migrate between CPUs.

use std::fmt;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::name::Name;
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::Object;

/// One `T` for each CPU, found by `raw_cpu_ptr`.
///
/// A thread that may be preempted can be on any CPU, and can migrate as soon as `raw_cpu_ptr` has
/// returned. The pointer stays valid, but may no longer be that of its own CPU. `T` is therefore
/// something that several threads can use, such as a [`SpinLock`](super::SpinLock). The search
/// explores every CPU at every call. A migration is an optional outcome, so no thread may wait for
/// one.
///
/// # What is left out
///
/// `preempt_disable` and `migrate_disable` are missing: a thread may always migrate.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{PerCpu, SpinLock};
/// let rings = PerCpu::new("fq", (0..2).map(|cpu| SpinLock::new("fq->lock", vec![cpu])));
/// let ring = rings.this_cpu().spin_lock_irqsave();
/// assert!(ring[0] < 2);
/// # });
/// ```
pub struct PerCpu<T> {
    object: Object,
    cpus: Vec<T>,
}

impl<T> PerCpu<T> {
    /// `alloc_percpu`: creates the objects of all CPUs, named `class`.
    ///
    /// # Panics
    ///
    /// If there is no CPU, or if there are more than 26, since a schedule has one letter for each.
    #[doc(alias = "alloc_percpu")]
    pub fn new(class: impl Into<Name>, cpus: impl IntoIterator<Item = T>) -> Self {
        let cpus: Vec<T> = cpus.into_iter().collect();
        assert!((1..=26).contains(&cpus.len()), "from 1 to 26 CPUs, not {}", cpus.len());
        let count = cpus.len() as u8;
        Self { object: Object::new(class, Box::new(State { cpus: count })), cpus }
    }

    /// `raw_cpu_ptr`: returns the object of the CPU that the thread is on.
    #[doc(alias = "raw_cpu_ptr")]
    #[track_caller]
    pub fn this_cpu(&self) -> &T {
        let cpu = self.object.perform(Op::new(OpKind::ThisCpu), Location::caller());
        &self.cpus[cpu as usize]
    }

    /// `for_each_possible_cpu`: returns the object of each CPU.
    #[doc(alias = "for_each_possible_cpu")]
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.cpus.iter()
    }
}

impl<T> fmt::Debug for PerCpu<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCpu").field("object", &self.object).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct State {
    cpus: u8,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, _op: Op) -> Ready {
        Ready { guaranteed: 1, optional: self.cpus - 1 }
    }

    fn apply(&mut self, _me: ThreadId, _op: Op, outcome: u8) -> Result<u64, Fault> {
        Ok(u64::from(outcome))
    }

    fn names_threads(&self) -> bool {
        false
    }

    fn encode(&self, _key: &mut Vec<u64>) {}
}

//! Per-CPU data, and threads that move from CPU to CPU.

use std::fmt;
use std::panic::Location;

use crate::machine::{Fault, Machine, Ready};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;
use crate::runtime::object::Object;

/// One `T` for each CPU, found by `raw_cpu_ptr`.
///
/// A thread that may be preempted can be on any CPU, and on another one at once when it has asked:
/// what it was given is still there, but may no longer be its own. So `T` is something that several
/// threads can use, such as a [`SpinLock`](super::SpinLock). Every CPU is explored at every question;
/// to have moved counts as luck, so nobody waits for it.
///
/// # What is left out
///
/// `preempt_disable` and `migrate_disable`: a thread may always be moved.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{PerCpu, SpinLock};
/// let rings = PerCpu::new("fq", (0..2).map(|cpu| SpinLock::new("fq->lock", vec![cpu])));
/// let ring = rings.this_cpu().lock();
/// assert!(ring[0] < 2);
/// # });
/// ```
pub struct PerCpu<T> {
    object: Object,
    cpus: Vec<T>,
}

impl<T> PerCpu<T> {
    /// `alloc_percpu`: what each CPU has, named `class`.
    ///
    /// # Panics
    ///
    /// If there is no CPU, or there are more than 26: a schedule has a letter for each.
    pub fn new(class: &'static str, cpus: impl IntoIterator<Item = T>) -> Self {
        let cpus: Vec<T> = cpus.into_iter().collect();
        assert!((1..=26).contains(&cpus.len()), "from 1 to 26 CPUs, not {}", cpus.len());
        let count = cpus.len() as u8;
        Self { object: Object::new(class, Box::new(State { cpus: count })), cpus }
    }

    /// `raw_cpu_ptr`: what belongs to the CPU that the thread is on.
    #[track_caller]
    pub fn this_cpu(&self) -> &T {
        let cpu = self.object.perform(Op::new(OpKind::ThisCpu), Location::caller());
        &self.cpus[cpu as usize]
    }

    /// `for_each_possible_cpu`: what each CPU has.
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

    fn encode(&self, _key: &mut Vec<u64>) {}
}

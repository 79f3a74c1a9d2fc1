//! The assumptions of a verdict: the preconditions of its scenario.
//!
//! The documentation of each primitive states what it leaves out. A proof depends on these
//! omissions for the primitives that the scenario has used, and a reader of the verdict may not
//! have read that documentation.

use crate::operations::{Assumption, OpKind};
use crate::search::Engine;

/// The operations and declarations that have happened, over all executions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    assumptions: [bool; Assumption::ALL.len()],
    sleeps: bool,
    rounds: bool,
    calls: bool,
    preempt_rt: bool,
}

impl Used {
    pub(super) fn operation(&mut self, kind: OpKind) {
        let row = kind.row();
        row.assumes.iter().for_each(|assumption| self.assume(*assumption));
        self.sleeps |= row.wakes_spuriously;
    }

    /// Notes that a thread has returned to an earlier local state.
    pub(super) fn round(&mut self) {
        self.rounds = true;
    }

    /// Notes something that a verdict takes for granted.
    pub(super) fn assume(&mut self, assumption: Assumption) {
        self.assumptions[assumption as usize] = true;
    }

    /// Notes that a thread makes several calls that carry nothing over.
    pub(super) fn calls(&mut self) {
        self.calls = true;
    }

    /// Notes that the kernel is PREEMPT_RT.
    pub(super) fn preempt_rt(&mut self) {
        self.preempt_rt = true;
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        for (mine, theirs) in self.assumptions.iter_mut().zip(other.assumptions) {
            *mine |= theirs;
        }
        self.sleeps |= other.sleeps;
        self.rounds |= other.rounds;
        self.calls |= other.calls;
        self.preempt_rt |= other.preempt_rt;
    }

    /// Returns the assumptions of a verdict of `engine`. `weak` is whether an access has asked for
    /// less than sequential consistency.
    pub(super) fn given(&self, engine: Engine, weak: bool) -> Vec<&'static str> {
        let weak = weak && engine.has_weak_memory();
        let memory = match weak {
            true => {
                "memory is as RC11 has it, which is C11 without load buffering, where a \
                 `WeakAtomic` is used, and sequentially consistent elsewhere"
            }
            false => "memory is sequentially consistent",
        };
        let mut given = vec![memory, "no interrupt arrives but those of the scenario"];
        let native = engine == Engine::Native;
        let held = |assumption: &&Assumption| self.assumptions[**assumption as usize];
        if self.preempt_rt {
            given.push("the kernel is PREEMPT_RT: spinlocks sleep, and interrupts are threads");
        }
        for assumption in Assumption::ALL.iter().filter(held) {
            if self.preempt_rt && *assumption == Assumption::NotPreemptRt {
                continue;
            }
            if *assumption != Assumption::Hashes || native {
                given.push(assumption.text());
            }
        }
        if self.sleeps && engine == Engine::Loom {
            given.push("a thread wakes spuriously at most once in an execution");
        }
        if self.rounds {
            given.push("rounds of `poll`, `forever` and the `wait_event`s carry nothing over");
        }
        if self.calls {
            given.push("a thread's `calls` carry nothing over from one to the next");
        }
        given
    }
}

//! Selvedge answers one question about a locking scheme: *is there any ordering of these threads
//! that deadlocks, touches something after its release, or breaks an invariant?* It answers with
//! a proof, every ordering explored, or with the ordering.
//!
//! # Background
//!
//! A kernel driver's locking is argued over on mailing lists: who takes which lock first, what
//! may happen between two critical sections, why a trylock is or is not enough. The arguments
//! are about orderings, and a person can hold only a few orderings in mind. Testing does not
//! help much: the ordering that matters is the one that the scheduler does not choose. Lockdep
//! sees an inversion of the lock order in any ordering, but not a gap between a check and the
//! use of its answer, not a wait on a flag, and not whether the inversion can ever bite.
//!
//! # What it does
//!
//! Write the scheme as a [`Scenario`]: a world of the kernel's synchronisation objects
//! ([`sync`]), a few threads, and a claim. An [`Engine`] explores the orderings and gives a
//! [`Verdict`]:
//!
//! ```
//! use selvedge_core::sync::{Ghost, Mutex};
//! use selvedge_core::{Engine, Scenario, ViolationKind};
//!
//! // Two administrators, one queue. The one who asks first may be told "free" and find the
//! // queue taken when it acts: the lock is dropped in between.
//! struct World {
//!     free: Mutex<bool>,
//!     owners: Ghost<u32>,
//! }
//!
//! fn take_if_free(world: &World) {
//!     let free = *world.free.lock();
//!     if free {
//!         *world.free.lock() = false;
//!         world.owners.update(|owners| *owners += 1);
//!     }
//! }
//!
//! let world = || World { free: Mutex::new("perms", true), owners: Ghost::new("owners", 0) };
//! let one_owner = |owners: &u32| match owners {
//!     0 | 1 => Ok(()),
//!     n => Err(format!("{n} owners")),
//! };
//! Scenario::builder("example/check-then-act", world)
//!     .thread("T1", take_if_free)
//!     .thread("T2", take_if_free)
//!     .finally(move |world| world.owners.check("ONE-OWNER", one_owner))
//!     .expect_violations([ViolationKind::invariant("ONE-OWNER")])
//!     .assert_as_expected(Engine::Native);
//! ```
//!
//! A violation is named precisely ([`ViolationKind`]): the lock classes on the cycle, the
//! invariant's id, the object. A claim names it too, so a test cannot pass for the wrong reason.
//! Each comes with its [`Schedule`] and [`Trace`], and [`Scenario::replay`] shows it again,
//! operation for operation.
//!
//! # What is checked
//!
//! - **Deadlock**: a thread that comes to wait, or to [`poll`], for good, whatever the other threads
//!   do. A closed cycle of waits is named as that cycle, also while other threads go on. A wait for
//!   a flag is part of a cycle if a thread has promised to clear it ([`sync::WaitQueue::promise`]).
//!   A thread that only a signal or a spurious wake-up can help waits for good.
//! - **Starvation**, if asked for ([`ScenarioBuilder::starvation_free`]): a thread that could go on
//!   now and then, and waits for ever on a fair cycle of states.
//! - **Lock order**, as lockdep does it, over all executions ([`observe::lockdep`]). The search
//!   then settles each predicted cycle: *feasible* with a schedule, or *infeasible* in this
//!   scenario ([`Classification`]).
//! - **Lifetimes**: a touch after the release, a second release, something left behind at the
//!   end: never released ([`sync::Tracked`]), still referenced ([`sync::Kref`],
//!   [`sync::ModuleRef`]), still locked.
//! - **Ownership**: an unlock by another thread.
//! - **Sleeping in atomic context**: with a spinlock held, in a read section of RCU, in the
//!   function of a timer ([`might_sleep`]).
//! - **Invariants**: [`invariant_broken`] from inside the model, [`sync::Ghost::check`] on state
//!   that the driver does not record, assertions (a panic is a violation).
//!
//! # Three engines
//!
//! The native engine compares states: it visits each once, on coroutines, and where threads
//! share locks a proof takes milliseconds. [loom] and [shuttle] run the same scenarios over
//! their own mutexes and schedulers, as witnesses. loom shares no search with it and proves too,
//! where it comes to an end. On shuttle the source-DPOR of the native engine proves once more, on
//! an executor that shares nothing with it; where there are too many orderings for that, shuttle's
//! random schedules only refute.
//!
//! loom 0.7.2 does not explore everything that its interface offers: not a failing `try_lock`,
//! not a load before a store to the same atomic, nothing right after a `yield_now`. Objects here
//! are built only from what it does explore, a `Mutex` and a `Condvar` in a predicate loop, and
//! its own log event decides whether it is done. The test suite `loom_defects` asserts each
//! defect that is stepped round.
//!
//! # What a proof means
//!
//! [`Verdict::Proved`] says that every ordering of the scenario's operations was explored, that no
//! limit was hit, and that from no reachable state a thread can come to wait for good: no reachable
//! bottom strongly connected component of the guaranteed steps has a thread that waits, or polls, in
//! every state of it. It rests on these conditions:
//!
//! - Threads share the world only through [`sync`] and [`thread`]. What they learn elsewhere
//!   the state does not show; an engine that notices (the program does something else when run
//!   again) refuses, but it need not notice.
//! - Threads are deterministic but for what the primitives tell them.
//! - A value behind a lock is told apart by its `Hash` ([`Value`]).
//! - Memory is sequentially consistent, but for [`sync::WeakAtomic`], about which only loom says that
//!   anything is proved.
//!
//! And it is about the scenario: two threads that do this, not any number that do anything.
//!
//! # Limitations
//!
//! - On loom a thread wakes spuriously at most once, so a scenario that sleeps gets no proof there. The
//!   searches of orderings prove it if the thread looks at its condition again
//!   ([`sync::WaitQueue::wait_event`]) and its condition only looks.
//! - No interrupt comes on the CPU of the thread that it interrupts, and a spinlock never sleeps as on
//!   PREEMPT_RT. [`Report::given`] says what else a verdict takes for granted.
//! - Outside of an engine nobody is interrupted and nobody wakes spuriously.
//! - Weak memory is modelled by [`sync::WeakAtomic`] alone, and explored by loom alone.
//!
//! # Implementation
//!
//! Every object is a small state machine that says whether an operation can happen and what it
//! does; a runtime makes a step atomic and lets threads wait. `ARCHITECTURE.md` in the
//! repository walks through it.
//!
//! [loom]: https://docs.rs/loom
//! [shuttle]: https://docs.rs/shuttle

#![deny(missing_docs)]

mod checkpoint;
mod cycles;
mod declare;
mod engine;
mod expectation;
mod explore;
mod fingerprint;
mod limits;
mod machine;
mod mix;
pub mod observe;
mod op;
mod operations;
mod panics;
mod program;
mod report;
mod runtime;
mod scenario;
mod schedule;
mod search;
mod shard;
pub mod sync;
pub mod thread;
mod violation;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use declare::{Function, forever, function, invariant_broken, might_sleep, poll};
pub use engine::native::ReplayError;
pub use expectation::{Claim, Expectation, Found};
pub use fingerprint::Fingerprint;
pub use limits::{Limits, Listener, Progress};
pub use observe::findings::Counterexample;
pub use observe::{Site, Step, Trace};
pub use report::{Classification, Part, Prediction, Report, Verdict};
pub use scenario::{Calls, Scenario, ScenarioBuilder};
pub use schedule::{Schedule, ScheduleError};
pub use search::{Engine, Search, UnknownName};
pub use shard::{Shard, ShardError};
pub use sync::data::{Opaque, Value};
pub use violation::{Violation, ViolationKind, Wait};

/// Runs an example of the documentation as the only thread of a scenario.
#[doc(hidden)]
pub fn doctest(example: impl Fn() + Send + Sync + 'static) {
    let scenario =
        Scenario::builder("doctest", || ()).thread("T", move |()| example()).expect_proof();
    scenario.assert_as_expected(Engine::Native);
}

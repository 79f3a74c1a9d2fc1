//! Selvedge model-checks locking protocols: is there an interleaving of these threads that
//! deadlocks, uses memory after it is freed, or breaks an invariant? The answer is either a proof,
//! because every interleaving was explored, or a counterexample: the interleaving, step by step.
//!
//! # Background
//!
//! The locking of a kernel driver is argued over on mailing lists: which lock comes first, what may
//! happen between two critical sections, why a trylock is or is not enough. These are arguments
//! about interleavings, and a person can keep only a few in mind. Tests help little, since the
//! interleaving that matters is the one that the scheduler does not choose. lockdep sees an
//! inversion of the lock order in any interleaving. It does not see a gap between a check and the
//! use of its answer, or a wait on a flag, and it does not know whether an inversion can deadlock.
//!
//! # Getting started
//!
//! [`check`] explores a closure that spawns its threads:
//!
//! ```should_panic
//! use std::sync::Arc;
//!
//! use selvedge_core::sync::Mutex;
//! use selvedge_core::thread;
//!
//! selvedge_core::check(|| {
//!     let (a, b) = (Arc::new(Mutex::new("A", ())), Arc::new(Mutex::new("B", ())));
//!     let (a2, b2) = (Arc::clone(&a), Arc::clone(&b));
//!     let thread = thread::spawn("T2", move || {
//!         let _b = b2.lock();
//!         let _a = a2.lock();
//!     });
//!     let (_a, _b) = (a.lock(), b.lock());
//!     drop((_a, _b));
//!     thread.join();
//! });
//! ```
//!
//! A [`Scenario`] has named threads over a world of objects, and an expectation:
//!
//! ```
//! use selvedge_core::sync::{Ghost, Mutex};
//! use selvedge_core::{Engine, Scenario, ViolationKind};
//!
//! // Two administrators, one queue. The answer "free" may be outdated when a thread acts on it,
//! // since the lock is released in between.
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
//! [`model()`] explores ordinary Rust. [`std`](mod@crate::std) has the standard library's names for
//! threads and what they share, so a test written for loom or shuttle runs with its `use` lines
//! changed.
//!
//! A violation has a precise name ([`ViolationKind`]): the lock classes of the cycle, the id of the
//! invariant, the class of the object. An expectation names it, so a test cannot pass for the wrong
//! reason. Each violation has a [`Schedule`] and a [`Trace`], and [`Scenario::replay`] shows it
//! again, operation by operation. A [`Checker`] sets the engine, the search and the limits.
//!
//! # What is checked
//!
//! - **Deadlock**: a thread that waits, or [`poll`]s, for good, whatever the other threads do. A
//!   closed cycle of waits is named as that cycle, even while other threads continue. A wait for a
//!   flag is part of a cycle if a thread has promised to clear it ([`sync::WaitQueue::promise`]). A
//!   thread that only a signal or a spurious wake-up can help waits for good.
//! - **Starvation**, if asked for ([`ScenarioBuilder::starvation_free`]): a thread that waits for
//!   ever on a fair cycle of states.
//! - **Lock order**, as lockdep checks it, over all executions ([`observe::lockdep`]). The search
//!   then classifies each predicted cycle: *feasible*, with a schedule, or *infeasible* in this
//!   scenario ([`Classification`]).
//! - **Lifetimes**: a use after the release, a double release, and a leak at the end of an object
//!   that is not released ([`sync::Tracked`]), still referenced ([`sync::Kref`],
//!   [`sync::ModuleRef`]) or still locked.
//! - **Data races** on a [`sync::Plain`] variable, with both accesses and the locks held.
//! - **Ownership**: an unlock by another thread.
//! - **Interrupts** that take a lock of the thread that they interrupt, or wait for a thread that
//!   waits for it ([`sync::Irq`]).
//! - **Sleeping in atomic context**: with a spinlock held, in a read section of RCU, in the
//!   function of a timer or an interrupt, with interrupts disabled ([`might_sleep`]).
//! - **Invariants**: [`invariant_broken`] in the model, [`sync::Ghost::check`] on state that the
//!   driver does not record, assertions (a panic is a violation).
//!
//! # Three engines
//!
//! The native engine compares states and visits each once. Where threads share locks, a proof takes
//! milliseconds. [loom] and [shuttle] run the same scenarios on their own mutexes and schedulers,
//! as a cross-check. loom shares no search with the native engine. On shuttle the source-DPOR of
//! the native engine proves once more, on an executor that shares nothing with it; where there are
//! too many traces for that, shuttle's random schedules can only refute.
//!
//! loom 0.7.2 does not explore everything that its interface offers: not a failing `try_lock`, not
//! a load before a store to the same atomic, nothing right after a `yield_now`. Objects here are
//! built only from what it does explore, a `Mutex` and a `Condvar` in a predicate loop, and its own
//! log event decides whether the search is complete. The test suite `loom_defects` asserts each
//! defect that is worked around.
//!
//! # What a proof means
//!
//! [`Verdict::Proved`] states that every interleaving of the scenario's operations was explored,
//! that no limit was reached, and that from no reachable state a thread can get to wait for good:
//! no reachable bottom strongly connected component of the guaranteed steps has a thread that
//! waits, or polls, in every state of it. It rests on these conditions:
//!
//! - Threads share the world only through [`sync`], [`thread`] and [`std`](mod@crate::std). What
//!   they learn elsewhere is not part of the state. The determinism check finds much of that, and
//!   not all.
//! - Threads are deterministic, apart from what the primitives return.
//! - Values behind a lock differ where their `Hash` does ([`Value`]).
//! - Memory is sequentially consistent, apart from [`sync::WeakAtomic`] and the atomics of `std`,
//!   whose memory is that of RC11.
//!
//! And it is about the scenario: these threads with these calls, not any number of threads with any
//! calls. [`Report::preconditions`] lists what else a verdict takes for granted.
//!
//! # Limitations
//!
//! - On loom a thread wakes spuriously at most once, so loom proves nothing of a scenario that
//!   sleeps. The searches of interleavings prove it if the thread checks its condition again
//!   ([`sync::WaitQueue::wait_event`]) and the condition only reads.
//! - No interrupt arrives but those of the scenario ([`sync::Irq`], [`sync::Tasklet`],
//!   [`sync::Timer`], and the callbacks of [`sync::Rcu`]).
//! - Outside of an engine no wait is interrupted and no thread wakes spuriously.
//! - Weak memory is that of words ([`sync::WeakAtomic`]) alone, and not explored by shuttle.
//!
//! # Features
//!
//! `loom` and `shuttle` add these engines; neither is on by default. The native engine needs none,
//! and `--cfg loom` brings loom along without the feature.
//!
//! # Implementation
//!
//! Every object is a small state machine that says whether an operation can happen and what it
//! does. A runtime makes a step atomic and lets threads wait. `ARCHITECTURE.md` in the repository
//! is the map.
//!
//! [loom]: https://docs.rs/loom
//! [shuttle]: https://docs.rs/shuttle

#![deny(missing_docs)]

mod checker;
mod checkpoint;
mod cpu;
mod cycles;
mod declare;
mod engine;
mod expectation;
mod explore;
mod fingerprint;
mod incomplete;
pub mod kernel;
mod limits;
mod machine;
mod memory;
mod mix;
mod name;
pub mod observe;
mod op;
mod operations;
mod panics;
mod program;
mod renaming;
mod report;
mod runtime;
mod scenario;
mod schedule;
mod script;
mod search;
mod shard;
pub mod std;
pub mod sync;
pub mod thread;
mod violation;
mod wait;

pub use self::std::model;
pub use checker::{Checker, check};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use declare::{
    Function, SourceLine, forever, function, in_world, invariant_broken, might_sleep, poll, rounds,
    source_line,
};
pub use engine::native::ReplayError;
pub use expectation::{Claim, Expectation, Found};
pub use fingerprint::Fingerprint;
pub use incomplete::Incomplete;
pub use limits::Progress;
pub use name::Name;
pub use observe::findings::Counterexample;
pub use observe::{Action, Call, Site, Step, Switch, Trace};
pub use report::{Classification, Prediction, Report, ShardResult, Verdict};
pub use scenario::{Calls, Scenario, ScenarioBuilder};
pub use schedule::{Schedule, ScheduleError};
pub use script::Script;
pub use search::{Engine, Search, UnknownName};
pub use shard::{Shard, ShardError};
pub use sync::data::{Opaque, Value};
pub use violation::{Violation, ViolationKind, Wait};
pub use wait::{Length, LongestWait, Obstacle};

/// The program in the README of the crate runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Why a verdict is inconclusive.

use std::fmt;
use std::time::Duration;

use crate::search::{Engine, Search};
use crate::shard::Shard;

/// The reason why not every interleaving was explored.
///
/// Its `Display` is one line, as the command prints it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Incomplete {
    /// The limit of executions was reached.
    Executions {
        /// The limit.
        limit: u64,
    },
    /// An execution has more operations than the limit. The program may have no end.
    Operations {
        /// The limit.
        limit: usize,
    },
    /// The states take more memory than the limit.
    Memory {
        /// The bytes that the states take.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The time limit was reached.
    Time {
        /// The limit.
        limit: Duration,
    },
    /// An execution has more threads than the search can tell apart.
    Threads {
        /// The most that it can.
        limit: usize,
    },
    /// An execution has more threads or objects than a state has room for.
    Crowded,
    /// A replay of the same schedule gave different operations: the program depends on something
    /// outside of its world.
    Nondeterministic,
    /// The world has values that cannot be compared ([`Opaque`](crate::Opaque)), and the search
    /// compares states.
    Incomparable,
    /// A thread is in a loop in which it observes nothing new; the text names the loop and the call
    /// to add.
    EndlessLoop(String),
    /// The program asks for memory that is weaker than sequentially consistent, which the engine
    /// does not have.
    WeakMemory {
        /// The engine.
        engine: Engine,
    },
    /// The scenario asks for starvation freedom, which the engine cannot answer.
    StarvationOnEngine {
        /// The engine.
        engine: Engine,
    },
    /// The scenario asks for starvation freedom, which the search cannot answer.
    StarvationBySearch {
        /// The search.
        search: Search,
    },
    /// Any number of threads run a function of the scenario, which the engine cannot answer.
    AnyNumberOnEngine {
        /// The engine.
        engine: Engine,
    },
    /// The small numbers of threads that were explored violate nothing, and the views do not tell
    /// for the others; the text says why.
    AnyNumber(String),
    /// A certificate was asked for of a scenario with any number of threads, or of one that asks
    /// for starvation freedom.
    NotCertified,
    /// A shard was asked for of a search that has none.
    NoShards {
        /// The search.
        search: Search,
    },
    /// This is one shard of a search.
    Shard(Shard),
    /// The engine stops at the first counterexample.
    FirstCounterexample {
        /// The engine.
        engine: Engine,
    },
    /// Something that can happen was left out; the text says what.
    LeftOut(String),
    /// The engine found a violation that may come from a defect of the engine; the text says which.
    Doubtful(String),
    /// The engine gave up; the text is its own.
    GaveUp {
        /// The engine.
        engine: Engine,
        /// What it said.
        message: String,
    },
    /// The build does not have the engine.
    Absent {
        /// The engine.
        engine: Engine,
    },
    /// The listener stopped the search; the text is its reason.
    Stopped(String),
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Executions { limit } => write!(f, "stopped after {limit} executions, the limit"),
            Self::Operations { limit } => {
                write!(f, "an execution has more than {limit} operations")
            }
            Self::Memory { bytes, limit } => {
                write!(f, "the states take {bytes} bytes, the limit is {limit}")
            }
            Self::Time { limit } => write!(f, "stopped after {limit:?}, the limit"),
            Self::Threads { limit } => write!(f, "an execution has more than {limit} threads"),
            Self::Crowded => {
                f.write_str("an execution has more threads or objects than a state has room for")
            }
            Self::Nondeterministic => f.write_str(
                "uncontrolled nondeterminism: a replay of the same schedule gave different \
                 operations; likely causes are time, randomness, a `HashMap`'s order, or state \
                 outside of the world",
            ),
            Self::Incomparable => f.write_str("the world has values that cannot be compared"),
            Self::EndlessLoop(text)
            | Self::LeftOut(text)
            | Self::Doubtful(text)
            | Self::AnyNumber(text) => f.write_str(text),
            Self::AnyNumberOnEngine { engine } => {
                write!(f, "{engine} runs a fixed number of threads; use the native engine")
            }
            Self::Stopped(reason) => f.write_str(reason),
            Self::WeakMemory { engine } => write!(
                f,
                "interleavings that are weaker than sequential consistency are beyond {engine}"
            ),
            Self::StarvationOnEngine { engine } => {
                write!(
                    f,
                    "{engine} has no states, and starvation needs them; use the native engine"
                )
            }
            Self::StarvationBySearch { search } => {
                write!(f, "starvation needs the search `full`, not `{search}`")
            }
            Self::NotCertified => f.write_str(
                "a certificate has the states of a proof, which prove neither starvation freedom \
                 nor anything of any number of threads",
            ),
            Self::NoShards { search } => {
                write!(f, "only the search `dpor` has shards, not `{search}`")
            }
            Self::Shard(shard) => write!(f, "this is shard {shard} of the search"),
            Self::FirstCounterexample { engine } => {
                write!(f, "{engine} stops at the first counterexample")
            }
            Self::GaveUp { engine, message } => write!(f, "{engine} gave up: {message}"),
            Self::Absent { engine } => write!(f, "this build is without {engine}"),
        }
    }
}

impl std::error::Error for Incomplete {}

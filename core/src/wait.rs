//! How long a thread may wait.

/// The longest wait of a thread, over every interleaving of its scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LongestWait {
    /// The name of the thread.
    pub thread: String,
    /// The length of the wait.
    pub length: Length,
}

/// How many operations other threads perform while a thread cannot continue, or polls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// The thread continues in the end.
    Bounded {
        /// The most operations that have to happen before the thread can continue, even if the
        /// scheduler runs only the threads that it waits for. 0 if it never waits.
        required: u64,
        /// The most operations that can happen meanwhile, or `None` if there may be any number.
        /// Whether a fair scheduler prevents that is what
        /// [`starvation_free`](crate::ScenarioBuilder::starvation_free) asks.
        possible: Option<u64>,
    },
    /// The thread waits for good in some interleaving.
    ForGood,
}

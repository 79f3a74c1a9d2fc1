//! How long threads may wait, and why some never wait for each other.

use std::fmt;

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

/// Why two threads never deadlock on a predicted inversion: where one is in every reachable state
/// in which the other is between its two locks.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Obstacle {
    /// The name of the thread between its locks.
    pub thread: String,
    /// The class that it holds.
    pub held: String,
    /// The class that it is about to take.
    pub wanted: String,
    /// The name of the other thread, which takes them in the other order.
    pub other: String,
    /// The number of states in which the first thread is between its locks.
    pub states: u64,
    /// The number of those in which both are between their locks. They do not wait for each other
    /// there, since they share a lock.
    pub together: u64,
    /// The locks that the first thread holds, and for which the other waits in some of the states.
    pub gates: Vec<String>,
    /// Whether the other thread has not started or has ended in all of them.
    pub absent: bool,
}

/// Two lines: when, and where the other thread is then.
impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, held, wanted, other, states, together, gates, .. } = self;
        if thread == other && held == wanted {
            return write!(f, "{thread} takes {held} twice, and no other waits in between.");
        }
        if thread == other {
            return write!(f, "{thread} takes {held} and {wanted} in both orders, one by one.");
        }
        let count =
            |count: u64| if count == 1 { "1 state".into() } else { format!("{count} states") };
        if *together > 0 {
            let count = count(*together);
            writeln!(f, "{thread} and {other} are between {held} and {wanted} at once ({count}),")?;
            return write!(f, "and share a lock: neither waits for the other.");
        }
        let count = count(*states);
        writeln!(f, "While {thread} holds {held} and is about to take {wanted} ({count}),")?;
        write!(f, "{other} never holds {wanted} and is about to take {held}: ")?;
        match gates.as_slice() {
            [] if self.absent => write!(f, "it has not started or has ended."),
            [] => write!(f, "no lock is around both, the order of events keeps it away."),
            gates => write!(f, "it waits for {}, which {thread} holds.", gates.join(" or ")),
        }
    }
}

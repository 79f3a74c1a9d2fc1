//! Recordings of executions, which show for each step what the thread did next.

use crate::explore::CameRound;
use crate::machine::Machine;
use crate::op::{ObjectId, Op, ThreadId};
use crate::violation::ViolationKind;

use crate::runtime::native::intern::{BEGINNING, History};

/// The steps of one execution, and the state before them.
#[derive(Default)]
pub(crate) struct Recording {
    /// Every thread before the first step.
    pub(crate) threads: Vec<Next>,
    /// Every object before the first step.
    pub(crate) machines: Vec<Box<dyn Machine>>,
    /// The steps, in order.
    pub(crate) steps: Vec<StepRecord>,
    /// The step in progress.
    pub(crate) open: Option<StepRecord>,
}

/// The observations of a thread, and its next operation, or none if it has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Next {
    pub(crate) history: History,
    pub(crate) pending: Option<(ObjectId, Op)>,
    /// Whether that is a look at something that it polls for.
    pub(crate) polls: bool,
}

/// The number of threads and objects that fit into a state.
const MOST: usize = 16_000;

/// The numbers of threads and objects. Those that a step creates are numbered from here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Dimensions(pub(crate) u32);

impl Dimensions {
    pub(crate) fn new(threads: usize, objects: usize) -> Self {
        assert!(Self::has_room(threads, objects), "an execution does not get that far");
        Self((threads as u32) << 20 | objects as u32)
    }

    /// Returns whether so many fit into a state.
    pub(crate) fn has_room(threads: usize, objects: usize) -> bool {
        threads < 1 << 12 && threads + objects <= MOST
    }

    pub(crate) fn threads(self) -> usize {
        (self.0 >> 20) as usize
    }

    pub(crate) fn objects(self) -> usize {
        (self.0 & 0xF_FFFF) as usize
    }
}

/// One step: what a thread with the observations `from` did after its operation replied `reply`, up
/// to its next operation.
///
/// Everything here is a function of `from`, `reply` and `dimensions`, since a thread is
/// deterministic.
#[derive(Clone)]
pub(crate) struct StepRecord {
    pub(crate) thread: ThreadId,
    pub(crate) from: History,
    pub(crate) reply: u64,
    pub(crate) dimensions: Dimensions,
    /// The effects of the step apart from its operation, in order.
    pub(crate) effects: Vec<Effect>,
    pub(crate) next: Next,
    /// Whether the thread has returned to an earlier local state.
    pub(crate) round: CameRound,
    /// The violation of the step, if any: an invariant, an assertion.
    pub(crate) violated: Option<ViolationKind>,
}

impl StepRecord {
    pub(crate) fn begin(
        thread: ThreadId,
        from: History,
        reply: u64,
        dimensions: Dimensions,
    ) -> Self {
        Self {
            thread,
            from,
            reply,
            dimensions,
            effects: Vec::new(),
            next: Next { history: BEGINNING, pending: None, polls: false },
            round: CameRound::default(),
            violated: None,
        }
    }
}

/// The value that an object is set to when the memory that it lives in is released. No value and no
/// history has this number.
pub(crate) const FREED: u64 = u64::MAX;

/// An effect of a step apart from its operation.
#[derive(Clone)]
pub(crate) enum Effect {
    /// An object was set to a value: a ghost's new one, or a thread's end.
    Set(ObjectId, u64),
    /// An object was created.
    Made(Box<dyn Machine>),
    /// A thread was started, and is at its first operation.
    Spawned(ThreadId, Next),
}

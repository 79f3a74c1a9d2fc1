//! What an execution shows of its program: for each step, what the thread did next.

use crate::explore::CameRound;
use crate::machine::Machine;
use crate::op::{ObjectId, Op, ThreadId};
use crate::violation::ViolationKind;

use crate::runtime::native::intern::{BEGINNING, History};

/// What one execution has shown.
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

/// What a thread has been told, and what it does next; nothing if it has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Next {
    pub(crate) history: History,
    pub(crate) pending: Option<(ObjectId, Op)>,
    /// Whether that is a look at something that it polls for.
    pub(crate) polls: bool,
}

/// How many threads and objects a state has room for.
const MOST: usize = 16_000;

/// How many threads and objects there are. What a step makes is numbered from here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Dimensions(pub(crate) u32);

impl Dimensions {
    pub(crate) fn new(threads: usize, objects: usize) -> Self {
        assert!(Self::has_room(threads, objects), "an execution does not get that far");
        Self((threads as u32) << 20 | objects as u32)
    }

    /// Whether a state can have so many.
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

/// One step: what a thread that had been told `from` did when its operation replied `reply`,
/// up to its next operation.
///
/// Everything here is a function of `from`, `reply` and `dimensions`: a thread is deterministic.
#[derive(Clone)]
pub(crate) struct StepRecord {
    pub(crate) thread: ThreadId,
    pub(crate) from: History,
    pub(crate) reply: u64,
    pub(crate) dimensions: Dimensions,
    /// What it did beside its operation, in order.
    pub(crate) effects: Vec<Effect>,
    pub(crate) next: Next,
    /// Whether it has come back to where it was.
    pub(crate) round: CameRound,
    /// What it violated, if it did: an invariant, an assertion.
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

/// The value that an object is told when the memory that it lives in is released. No value and no
/// history has this number.
pub(crate) const FREED: u64 = u64::MAX;

/// What a step does beside its operation.
#[derive(Clone)]
pub(crate) enum Effect {
    /// An object was told a value: a ghost's new one, a thread's end.
    Set(ObjectId, u64),
    /// An object was made.
    Made(Box<dyn Machine>),
    /// A thread was started, and has come to its first operation.
    Spawned(ThreadId, Next),
}

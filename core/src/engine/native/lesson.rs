//! What an execution shows of its program: for each step, what the thread did next.

use crate::explore::CameRound;
use crate::machine::Machine;
use crate::op::{ObjectId, Op, ThreadId};
use crate::violation::ViolationKind;

use super::intern::{BEGINNING, History};

/// What one execution has shown.
#[derive(Default)]
pub(super) struct Lessons {
    /// Every thread before the first step.
    pub(super) threads: Vec<Next>,
    /// Every object before the first step.
    pub(super) machines: Vec<Box<dyn Machine>>,
    /// The steps, in order.
    pub(super) steps: Vec<Lesson>,
    /// The step in progress.
    pub(super) open: Option<Lesson>,
}

/// What a thread has been told, and what it does next; nothing if it has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Next {
    pub(super) history: History,
    pub(super) pending: Option<(ObjectId, Op)>,
    /// Whether that is a look at something that it polls for.
    pub(super) polls: bool,
}

/// How many threads and objects there are. What a step makes is numbered from here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Shape(pub(super) u32);

impl Shape {
    pub(super) fn new(threads: usize, objects: usize) -> Self {
        assert!(
            threads < 1 << 12 && objects < 1 << 20,
            "fewer than 4,096 threads, 1,048,576 objects"
        );
        Self((threads as u32) << 20 | objects as u32)
    }

    pub(super) fn threads(self) -> usize {
        (self.0 >> 20) as usize
    }

    pub(super) fn objects(self) -> usize {
        (self.0 & 0xF_FFFF) as usize
    }
}

/// One step: what a thread that had been told `from` did when its operation replied `reply`,
/// up to its next operation.
///
/// Everything here is a function of `from`, `reply` and `shape`: a thread is deterministic.
#[derive(Clone)]
pub(super) struct Lesson {
    pub(super) thread: ThreadId,
    pub(super) from: History,
    pub(super) reply: u64,
    pub(super) shape: Shape,
    /// What it did beside its operation, in order.
    pub(super) effects: Vec<Effect>,
    pub(super) next: Next,
    /// Whether it has come back to where it was.
    pub(super) round: CameRound,
    /// What it violated, if it did: an invariant, an assertion.
    pub(super) violated: Option<ViolationKind>,
}

impl Lesson {
    pub(super) fn begin(thread: ThreadId, from: History, reply: u64, shape: Shape) -> Self {
        Self {
            thread,
            from,
            reply,
            shape,
            effects: Vec::new(),
            next: Next { history: BEGINNING, pending: None, polls: false },
            round: CameRound::default(),
            violated: None,
        }
    }
}

/// The value that an object is told when the memory that it lives in is released. No value and no
/// history has this number.
pub(super) const FREED: u64 = u64::MAX;

/// What a step does beside its operation.
#[derive(Clone)]
pub(super) enum Effect {
    /// An object was told a value: a ghost's new one, a thread's end.
    Set(ObjectId, u64),
    /// An object was made.
    Made(Box<dyn Machine>),
    /// A thread was started, and has come to its first operation.
    Spawned(ThreadId, Next),
}

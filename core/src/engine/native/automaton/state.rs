//! The states of the automaton, as numbers.

use crate::op::{ObjectId, ThreadId};
use crate::runtime::native::Dimensions;

/// A state of the program in numbers: its [`Dimensions`], the state of each thread, the state of
/// each object. Equal numbers mean equal states, in one automaton.
pub(in crate::engine::native) type State = [u32];

/// Returns the parts of a state.
pub(super) fn parts(state: &State) -> (Dimensions, &[u32], &[u32]) {
    let dimensions = Dimensions(state[0]);
    let (threads, objects) = state[1..].split_at(dimensions.threads());
    (dimensions, threads, objects)
}

/// Returns the states of the thread and the object that meet at an operation.
pub(super) fn numbers(state: &State, next_op: NextOp) -> (u32, u32) {
    let (_, threads, objects) = parts(state);
    (threads[next_op.thread.index()], objects[next_op.object.index()])
}

/// The next operation of a thread: the thread and the object.
#[derive(Clone, Copy)]
pub(super) struct NextOp {
    pub(super) thread: ThreadId,
    pub(super) object: ObjectId,
}

/// Returns two numbers as one word, which is faster to look up.
pub(super) fn pair(thread: u32, object: u32) -> u64 {
    u64::from(thread) << 32 | u64::from(object)
}

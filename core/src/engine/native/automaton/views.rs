//! What a few threads among any number of them see.
//!
//! A view is a state in which only a few threads are shown: the others are
//! [absent](Automaton::absent) from it, and the objects name them [`HIDDEN`](ThreadId::HIDDEN).

use crate::machine::{Ready, WaitsFor};
use crate::op::{ObjectId, Op, ThreadId};
use crate::renaming::Renaming;
use crate::runtime::native::Next;

use super::state::parts;
use super::{Automaton, Diverged, ObjectState, State, Unknown};

/// The history of a thread that is not shown. It is sorted behind all others.
const ABSENT: u64 = u64::MAX;

/// A thread of a view that cannot continue now.
pub(in crate::engine::native) struct Waiting {
    pub(in crate::engine::native) thread: ThreadId,
    pub(in crate::engine::native) object: ObjectId,
    pub(in crate::engine::native) op: Op,
    pub(in crate::engine::native) waits_for: WaitsFor,
}

impl Automaton {
    /// Returns the number of the local state of `thread` where it is not shown.
    pub(in crate::engine::native) fn absent(&mut self, thread: ThreadId) -> Result<u32, Diverged> {
        let like = self.alike.members(&thread)[0].index() as u64;
        self.thread(thread, Next { history: ABSENT - like, pending: None, polls: false })
    }

    /// Returns the local state of `thread` in a view, as the number that it has for each thread
    /// that does the same.
    pub(in crate::engine::native) fn local(&self, state: &State, thread: ThreadId) -> u32 {
        parts(state).1[thread.index()] - self.alike.place(thread)
    }

    /// Sets the local state of `thread`, by its number for each thread that does the same.
    pub(in crate::engine::native) fn set_local(
        &self,
        state: &mut State,
        thread: ThreadId,
        local: u32,
    ) {
        state[1 + thread.index()] = local + self.alike.place(thread);
    }

    /// Returns the threads, whether they are shown or not.
    pub(in crate::engine::native) fn threads_of(
        &self,
        state: &State,
    ) -> impl Iterator<Item = ThreadId> {
        (0..parts(state).1.len()).map(ThreadId::new)
    }

    /// Returns the states of the objects.
    pub(in crate::engine::native) fn objects<'s>(&self, state: &'s State) -> &'s [u32] {
        parts(state).2
    }

    /// Returns the object that is in this state.
    pub(in crate::engine::native) fn id_of(&self, object: u32) -> ObjectId {
        self.objects[object as usize].object
    }

    /// Returns the state of an object after `threads` are hidden.
    pub(in crate::engine::native) fn hidden(
        &self,
        object: u32,
        threads: &[ThreadId],
    ) -> Result<u32, Unknown> {
        let colours = &self.objects[object as usize].colours;
        let named = |thread: &&ThreadId| colours.get(thread.index()).is_some_and(|at| *at != 0);
        let named = threads.iter().filter(named);
        let renaming = named.fold(Renaming::NONE, |all, thread| all.hide(thread.index()));
        if renaming == Renaming::NONE {
            return Ok(object);
        }
        let known = self.renamed.get(&(object, renaming));
        known.copied().ok_or(Unknown::Renamed(object, renaming))
    }

    /// Returns the role of `thread` in an object; `None` if the object does not name it.
    pub(in crate::engine::native) fn role(&mut self, object: u32, thread: ThreadId) -> Option<u32> {
        let ObjectState { machine, colours, .. } = &self.objects[object as usize];
        if colours.get(thread.index()).is_none_or(|colour| *colour == 0) {
            return None;
        }
        let role = machine.role(thread);
        let known = self.roles.iter().position(|known| *known == role);
        let number = known.unwrap_or(self.roles.len());
        if known.is_none() {
            self.roles.push(role);
        }
        Some(number as u32)
    }

    /// Returns the states of an object that become this one when `thread`, which has this role, is
    /// hidden.
    pub(in crate::engine::native) fn exposed(
        &self,
        object: u32,
        thread: ThreadId,
        role: u32,
    ) -> Result<&[u32], Unknown> {
        let known = self.exposed.get(&(object, thread, role));
        known.map(|all| &**all).ok_or(Unknown::Exposed(object, thread, role))
    }

    /// Computes what [`exposed`](Self::exposed) returns.
    pub(in crate::engine::native) fn expose(
        &mut self,
        object: u32,
        thread: ThreadId,
        role: u32,
    ) -> Result<(), Diverged> {
        let known = self.objects.get(object as usize).ok_or(Diverged)?;
        let exposed = known.machine.expose(thread, &self.roles[role as usize]).ok_or(Diverged)?;
        let id = known.object;
        let numbers = exposed.into_iter().map(|machine| self.object(id, machine)).collect();
        self.exposed.insert((object, thread, role), numbers);
        Ok(())
    }

    /// Returns the threads that cannot continue in a view, in which everything is known.
    pub(in crate::engine::native) fn waits(&self, state: &State) -> Result<Vec<Waiting>, Unknown> {
        let (_, _, objects) = parts(state);
        let mut waiting = Vec::new();
        self.each_pending(state, |thread, (object, op), ready: Ready| {
            if ready.guaranteed == 0 {
                let machine = &*self.objects[objects[object.index()] as usize].machine;
                let waits_for = machine.waits_for(thread, op);
                waiting.push(Waiting { thread, object, op, waits_for });
            }
        })?;
        Ok(waiting)
    }

    /// Returns the next operation of a thread in this local state, if it has not ended.
    pub(in crate::engine::native) fn pending(&self, local: u32) -> Option<(ObjectId, Op)> {
        self.threads[local as usize].next.pending
    }

    /// Returns whether `thread` has ended.
    pub(in crate::engine::native) fn has_ended(&self, state: &State, thread: ThreadId) -> bool {
        self.threads[parts(state).1[thread.index()] as usize].next.pending.is_none()
    }
}

//! The threads of an execution, and their names.

use std::sync::Arc;

use crate::op::ThreadId;

use super::lockdep::Task;
use super::place::Taken;
use super::{Observers, Pending, Thread};

/// A thread between two of its operations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    /// The classes that it holds.
    pub(crate) holds: Vec<&'static str>,
    /// The class of the object of its next operation.
    pub(crate) class: &'static str,
    /// The place of that operation.
    pub(crate) at: Taken,
}

impl Observers {
    /// Returns where a thread is, unless it has ended.
    pub(crate) fn position(&self, thread: ThreadId) -> Option<Position> {
        let Thread { task, pending, .. } = &self.threads[thread.index()];
        let Pending { object, taken, .. } = (*pending)?;
        let holds = task.held().map(|class| self.seen.lockdep.name(class)).collect();
        Some(Position { holds, class: self.objects[object.index()].name, at: taken })
    }

    pub(crate) fn add_thread(&mut self, name: Arc<str>) -> ThreadId {
        let id = ThreadId::new(self.threads.len());
        let name = self.distinct(name);
        self.threads.push(Thread {
            name,
            functions: Vec::new(),
            line: None,
            task: Task::default(),
            holds: Vec::new(),
            atomic: Vec::new(),
            pending: None,
            polls: None,
            spins: false,
            operations: 0,
        });
        id
    }

    /// Returns the name, with a number from 1 if another thread has been given it.
    fn distinct(&mut self, name: Arc<str>) -> Arc<str> {
        let namesakes = self.namesakes.entry(Arc::clone(&name)).or_default();
        *namesakes += 1;
        match *namesakes - 1 {
            0 => name,
            number => format!("{name}#{number}").into(),
        }
    }
}

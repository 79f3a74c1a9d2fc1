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
        self.threads.push(Thread {
            name: self.distinct(name),
            functions: Vec::new(),
            line: None,
            task: Task::default(),
            holds: Vec::new(),
            atomic: Vec::new(),
            pending: None,
            polls: None,
            operations: 0,
        });
        id
    }

    /// Returns the name, with a number if another thread has it.
    fn distinct(&self, name: Arc<str>) -> Arc<str> {
        let taken = |name: &str| self.threads.iter().any(|thread| *thread.name == *name);
        if !taken(&name) {
            return name;
        }
        let numbered = (1..).map(|number| format!("{name}#{number}"));
        numbered.into_iter().find(|name| !taken(name)).map_or(name.clone(), Arc::from)
    }
}

//! The threads of an execution, and their names.

use std::sync::Arc;

use crate::op::ThreadId;

use super::lockdep::Task;
use super::{Observers, Thread};

impl Observers {
    pub(crate) fn add_thread(&mut self, name: Arc<str>) -> ThreadId {
        let id = ThreadId::new(self.threads.len());
        self.threads.push(Thread {
            name: self.distinct(name),
            functions: Vec::new(),
            task: Task::default(),
            holds: Vec::new(),
            nested: Vec::new(),
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

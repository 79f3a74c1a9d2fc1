//! Where a thread is: the kernel function that it models, and the line.

use std::fmt;
use std::panic::Location;

use crate::op::{Place, ThreadId};

use super::{Observers, Thread};

/// The place where a lock was taken or wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The modelled kernel function, if the model named one.
    pub function: Option<&'static str>,
    /// The line of the model.
    pub at: &'static Location<'static>,
    /// The line of the text that the model carries out, if it is an interpreter
    /// ([`source_line`](crate::source_line)).
    pub line: Option<Line>,
}

/// A line of a text that is no Rust.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Line {
    /// The file.
    pub file: &'static str,
    /// The line in it, from 1.
    pub number: u32,
}

impl Taken {
    /// Returns the file that reports name.
    pub fn file(&self) -> &'static str {
        self.line.map_or(self.at.file(), |line| line.file)
    }

    /// Returns the line in that file, from 1.
    pub fn line_number(&self) -> u32 {
        self.line.map_or(self.at.line(), |line| line.number)
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(function) = self.function {
            write!(f, "{function} ")?;
        }
        write!(f, "[{}:{}]", self.file(), self.line_number())
    }
}

impl Thread {
    /// Returns the place `at`, as reports name it.
    pub(super) fn taken(&self, at: Place) -> Taken {
        Taken { function: self.function(), at, line: self.line }
    }
}

impl Observers {
    pub(crate) fn enter_function(&mut self, me: ThreadId, name: &'static str) {
        if let Some(thread) = self.threads.get_mut(me.index()) {
            let frame = self.seen.calls.enter(thread.functions.last_mut(), name);
            thread.functions.push(frame);
        }
    }

    pub(crate) fn leave_function(&mut self, me: ThreadId) {
        if let Some(thread) = self.threads.get_mut(me.index()) {
            if let Some(frame) = thread.functions.pop() {
                self.seen.calls.leave(frame);
            }
        }
    }

    /// Notes which line of a text thread `me` carries out, and returns the line before.
    pub(crate) fn set_line(&mut self, me: ThreadId, line: Option<Line>) -> Option<Line> {
        let current = match self.threads.get_mut(me.index()) {
            Some(thread) => &mut thread.line,
            None => &mut self.line,
        };
        std::mem::replace(current, line)
    }
}

//! A state that is represented by its predecessor and the changes.
//!
//! Most steps change one thread and one object. It is faster to record these two and to copy the
//! rest from where it has long been than to change a copy and to copy that: a processor that reads
//! several words at once waits for words that it has just written one by one.

use super::automaton::State;

/// A state, as the difference to another one.
#[derive(Clone, Copy)]
pub(super) struct Successor<'a> {
    of: &'a State,
    /// The thread and the object that a step has changed, with their new states.
    changed: Option<[(usize, u32); 2]>,
}

impl<'a> Successor<'a> {
    /// Creates the state that follows `of` when these words change.
    pub(super) fn new(of: &'a State, changed: [(usize, u32); 2]) -> Self {
        Self { of, changed: Some(changed) }
    }

    /// Creates a state without a predecessor.
    pub(super) fn whole(state: &'a State) -> Self {
        Self { of: state, changed: None }
    }

    /// Appends its words to `words`.
    pub(super) fn append_to(self, words: &mut Vec<u32>) {
        let start = words.len();
        words.extend_from_slice(self.of);
        if let Some(changed) = self.changed {
            let words = &mut words[start..];
            for (at, word) in changed {
                words[at] = word;
            }
        }
    }

    /// Replaces the content of `words` by its words.
    pub(super) fn write_to(self, words: &mut Vec<u32>) {
        words.clear();
        self.append_to(words);
    }
}

//! A state that is told by the one it follows.
//!
//! Most steps change one thread and one object. To write down the two of them and to copy the rest
//! from where it has long been is quicker than to change a copy and to copy that: a processor that
//! reads several words at once waits for those that it has just written one by one.

use super::automaton::State;

/// A state, as another one but for some words.
#[derive(Clone, Copy)]
pub(super) struct Successor<'a> {
    of: &'a State,
    /// The thread and the object that a step has changed, and what they are now.
    changed: Option<[(usize, u32); 2]>,
}

impl<'a> Successor<'a> {
    /// The state that follows `of` when these words change.
    pub(super) fn new(of: &'a State, changed: [(usize, u32); 2]) -> Self {
        Self { of, changed: Some(changed) }
    }

    /// A state that is told in full.
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

    /// Makes `words` its words.
    pub(super) fn write_to(self, words: &mut Vec<u32>) {
        words.clear();
        self.append_to(words);
    }
}

//! A set of small numbers that finds the highest number below a bound without searching.

use alloc::vec::Vec;

use crate::words;

/// Bits, and for each word of them a bit that says whether the word has a bit, and so on up to a
/// single word. Four levels are enough for 16 million numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Summary {
    /// The levels, the lowest first.
    levels: Vec<Vec<u64>>,
}

impl Summary {
    /// Creates an empty set for numbers below `count`.
    pub(crate) fn new(count: u64) -> Self {
        let mut levels = Vec::new();
        let mut bits = count;
        loop {
            let words = words::zeros(bits);
            bits = words.len() as u64;
            levels.push(words);
            if bits <= 1 {
                return Self { levels };
            }
        }
    }

    pub(crate) fn insert(&mut self, number: u64) {
        let mut at = number;
        for level in &mut self.levels {
            let word = &mut level[words::index(at / 64)];
            let known = *word != 0;
            *word |= 1 << (at % 64);
            if known {
                return;
            }
            at /= 64;
        }
    }

    pub(crate) fn remove(&mut self, number: u64) {
        let mut at = number;
        for level in &mut self.levels {
            let word = &mut level[words::index(at / 64)];
            *word &= !(1 << (at % 64));
            if *word != 0 {
                return;
            }
            at /= 64;
        }
    }

    /// Sets which of the numbers from 64 * `word` on are in the set. The caller then calls
    /// [`sum_up`](Self::sum_up).
    pub(crate) fn set_word(&mut self, word: usize, bits: u64) {
        self.levels[0][word] = bits;
    }

    /// Rebuilds the higher levels.
    pub(crate) fn sum_up(&mut self) {
        for height in 1..self.levels.len() {
            let (below, level) = self.levels.split_at_mut(height);
            for (word, below) in level[0].iter_mut().zip(below[height - 1].chunks(64)) {
                let bits = below.iter().enumerate();
                *word = bits.fold(0, |word, (bit, below)| word | u64::from(*below != 0) << bit);
            }
        }
    }

    /// Returns the highest number below `end`.
    pub(crate) fn last_below(&self, end: u64) -> Option<u64> {
        let mut end = end;
        for (height, level) in self.levels.iter().enumerate() {
            let word = end / 64;
            // A bound at the edge of a word needs no bit of that word.
            let below = (1 << (end % 64)) - 1;
            let bits = level.get(words::index(word)).map_or(0, |bits| bits & below);
            if bits != 0 {
                return Some(self.descend(height, word * 64 + highest(bits)));
            }
            end = word;
        }
        None
    }

    /// Returns the highest number below bit `at` of level `height`, which is set.
    fn descend(&self, height: usize, at: u64) -> u64 {
        let levels = self.levels[..height].iter().rev();
        levels.fold(at, |at, level| at * 64 + highest(level[words::index(at)]))
    }
}

/// Returns the highest bit that is set. At least one must be set.
pub(crate) fn highest(bits: u64) -> u64 {
    63 - u64::from(bits.leading_zeros())
}

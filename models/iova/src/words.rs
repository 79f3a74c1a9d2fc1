//! Bits in words: finding bits, and changing many at once.

/// Returns enough words for `bits` bits, none of which is set.
pub(crate) fn zeros(bits: u64) -> alloc::vec::Vec<u64> {
    alloc::vec![0; index(bits.div_ceil(64))]
}

/// Converts a word number to an index. Creating a bitmap that does not fit into memory fails
/// earlier.
pub(crate) fn index(word: u64) -> usize {
    word as usize
}

/// Returns the first bit in `from..to` that is set.
pub(crate) fn first_one(words: &[u64], from: u64, to: u64) -> Option<u64> {
    first(words, from, to, |word| word)
}

/// Returns the first bit in `from..to` that is not set.
pub(crate) fn first_zero(words: &[u64], from: u64, to: u64) -> Option<u64> {
    first(words, from, to, |word| !word)
}

fn first(words: &[u64], from: u64, to: u64, of: impl Fn(u64) -> u64) -> Option<u64> {
    if from >= to {
        return None;
    }
    let mut at = index(from / 64);
    let mut word = of(words[at]) & (!0 << (from % 64));
    let last = index((to - 1) / 64);
    while word == 0 {
        if at == last {
            return None;
        }
        at += 1;
        word = of(words[at]);
    }
    let found = at as u64 * 64 + u64::from(word.trailing_zeros());
    (found < to).then_some(found)
}

/// Returns the words that `from..to` touches, each with a mask of its bits in the range.
pub(crate) fn masks(from: u64, to: u64) -> impl Iterator<Item = (usize, u64)> {
    (from / 64..to.div_ceil(64)).map(move |word| {
        let low = !0 << from.saturating_sub(word * 64);
        let high = !0 >> ((word + 1) * 64).saturating_sub(to);
        (index(word), low & high)
    })
}

pub(crate) fn set(words: &mut [u64], from: u64, to: u64) {
    for (word, mask) in masks(from, to) {
        words[word] |= mask;
    }
}

pub(crate) fn clear(words: &mut [u64], from: u64, to: u64) {
    for (word, mask) in masks(from, to) {
        words[word] &= !mask;
    }
}

pub(crate) fn all_ones(words: &[u64], from: u64, to: u64) -> bool {
    masks(from, to).all(|(word, mask)| words[word] & mask == mask)
}

pub(crate) fn all_zeros(words: &[u64], from: u64, to: u64) -> bool {
    masks(from, to).all(|(word, mask)| words[word] & mask == 0)
}

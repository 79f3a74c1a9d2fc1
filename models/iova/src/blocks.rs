//! A bitmap with summaries, in which no operation searches.

use alloc::vec::Vec;
use core::array;

use crate::request::{Pages, Pfn, Request};
use crate::summary::{Summary, highest};
use crate::words;

/// The number of orders with a summary: runs of 1, 2, 4, .. 32 bits. A run of 64 is a bit of the
/// next level.
const ORDERS: usize = 6;

/// A bitmap with one bit for each free page. 64 bits are a word, and a word that is entirely free
/// is a free bit of the next level. For each level and each power of two, a [`Summary`] records
/// which words have a run of that many free bits, aligned to its size. The highest free block of
/// any power of two below any limit is therefore found in a number of steps that depends only on
/// the logarithm to base 64 of the aperture and not on what is allocated.
///
/// A request for another number of pages takes the beginning of a block. The rest of the block
/// stays free, and nothing is rounded. The bitmap is read from its beginning only if no block is
/// whole and the pages need not fill one. In the worst case this reads a word for each 64 pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Blocks {
    /// The page of the first bit. It is below the aperture, so that a page and its bit have the
    /// same alignment.
    base: Pfn,
    /// The number of bits of the lowest level.
    count: u64,
    levels: Vec<Level>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Level {
    words: Vec<u64>,
    /// The words that have a run of 1, 2, 4, .. 32.
    having: [Summary; ORDERS],
}

impl Blocks {
    /// Creates an aperture in which every page is free.
    pub(crate) fn new(aperture: Pages) -> Self {
        let Pages { pfn, count } = aperture;
        let base = pfn & !(count.next_power_of_two() - 1);
        let bits = pfn + count - base;
        let mut levels = Vec::new();
        let mut left = bits;
        while levels.is_empty() || left > 1 {
            let words = words::zeros(left);
            left = words.len() as u64;
            let having = array::from_fn(|_| Summary::new(left));
            levels.push(Level { words, having });
        }
        let mut blocks = Self { base, count: bits, levels };
        blocks.put(aperture);
        blocks
    }

    /// Frees the pages of the bits that are set in `bits`, and clears the bits. A bit is a page,
    /// counted from the beginning of the aperture rounded down to the next power of two that is not
    /// below its size.
    ///
    /// There are many bits, so the summaries are rebuilt once and not updated with each word.
    pub(crate) fn put_words(&mut self, bits: &mut [u64]) {
        for (word, bits) in self.levels[0].words.iter_mut().zip(bits) {
            *word |= *bits;
            *bits = 0;
        }
        for level in 0..self.levels.len() {
            self.sum_up(level);
        }
    }

    /// Rebuilds the summaries of a level and the words of the next level.
    fn sum_up(&mut self, level: usize) {
        let (levels, above) = self.levels.split_at_mut(level + 1);
        let Level { words, having } = &mut levels[level];
        for (group, words) in words.chunks(64).enumerate() {
            let mut has = [0; ORDERS + 1];
            for (bit, word) in words.iter().enumerate() {
                let orders = match *word {
                    0 => 0,
                    u64::MAX => ORDERS + 1,
                    word => orders(word, 0).0,
                };
                for has in &mut has[..orders] {
                    *has |= 1 << bit;
                }
            }
            for (summary, has) in having.iter_mut().zip(has) {
                summary.set_word(group, has);
            }
            if let Some(next) = above.first_mut() {
                next.words[group] = has[ORDERS];
            }
        }
        having.iter_mut().for_each(Summary::sum_up);
    }

    /// Returns the number of words that [`put_words`](Self::put_words) takes.
    pub(crate) fn words(&self) -> usize {
        self.levels[0].words.len()
    }

    /// Returns the bits of `pages`.
    pub(crate) fn bits(&self, pages: Pages) -> (u64, u64) {
        let from = pages.pfn - self.base;
        (from, from + pages.count)
    }

    /// Frees `pages`.
    pub(crate) fn put(&mut self, pages: Pages) {
        let (from, to) = self.bits(pages);
        for (word, mask) in words::masks(from, to) {
            self.update(0, word, self.levels[0].words[word] | mask);
        }
    }

    /// Takes pages out and returns the first of them.
    pub(crate) fn take(&mut self, request: Request) -> Option<Pfn> {
        let end = request.limit().saturating_sub(self.base).min(self.count);
        let order = request.count().next_power_of_two().trailing_zeros() as usize;
        let fills = request.count() == request.align() && order < ORDERS * self.levels.len();
        let from = match self.block_below(order, end) {
            None if !fills => self.run_below(request, end)?,
            found => found?,
        };
        for (word, mask) in words::masks(from, from + request.count()) {
            self.update(0, word, self.levels[0].words[word] & !mask);
        }
        Some(self.base + from)
    }

    /// Changes a word and updates the summaries and the next level.
    fn update(&mut self, level: usize, word: usize, new: u64) {
        let Level { words, having } = &mut self.levels[level];
        let (old, at) = (words[word], word as u64);
        words[word] = new;
        let (before, after) = orders(old, new);
        for summary in having.iter_mut().take(after).skip(before) {
            summary.insert(at);
        }
        for summary in having.iter_mut().take(before).skip(after) {
            summary.remove(at);
        }
        if (before > ORDERS) != (after > ORDERS) {
            if let Some(next) = self.levels.get(level + 1) {
                let flipped = next.words[word / 64] ^ 1 << (at % 64);
                self.update(level + 1, word / 64, flipped);
            }
        }
    }

    /// Returns the beginning of the highest free block of 2^`order` pages that ends at or before
    /// `end`.
    fn block_below(&self, order: usize, end: u64) -> Option<u64> {
        let unit = ORDERS * (order / ORDERS);
        let order = order % ORDERS;
        let Level { words, having } = self.levels.get(unit / ORDERS)?;
        let end = end >> unit;
        let edge = end / 64;
        let below = (1 << (end % 64)) - 1;
        let at_edge = words.get(words::index(edge)).map_or(0, |bits| runs(bits & below, order));
        let (word, runs) = match at_edge {
            0 => {
                let word = having[order].last_below(edge)?;
                (word, runs(words[words::index(word)], order))
            }
            runs => (edge, runs),
        };
        Some((word * 64 + highest(runs)) << unit)
    }

    /// Returns the lowest free pages that satisfy the request, whether they are a block or not.
    fn run_below(&self, request: Request, end: u64) -> Option<u64> {
        let free = &self.levels[0].words;
        let mut from = 0;
        loop {
            let one = words::first_one(free, from, end)?;
            let at = (self.base + one).next_multiple_of(request.align()) - self.base;
            let to = at + request.count();
            if to > end {
                return None;
            }
            match words::first_zero(free, at, to) {
                None => return Some(at),
                Some(zero) => from = zero + 1,
            }
        }
    }
}

/// Returns the beginnings of the runs of 2^`order` bits that are aligned to their size.
fn runs(bits: u64, order: usize) -> u64 {
    (0..order).fold(bits, halved)
}

/// Returns for `a` and for `b` the number of orders of which it has a run, from 0 to 7.
fn orders(mut a: u64, mut b: u64) -> (usize, usize) {
    let mut orders = (0, 0);
    let mut order = 0;
    // Both are computed at once, so that neither waits for the other.
    while a | b != 0 {
        orders.0 += usize::from(a != 0);
        orders.1 += usize::from(b != 0);
        (a, b) = (halved(a, order), halved(b, order));
        order += 1;
    }
    orders
}

/// Returns the beginnings of the runs of twice 2^`order` bits, given those of 2^`order` bits.
fn halved(runs: u64, order: usize) -> u64 {
    /// The multiples of 2, 4, .. 64, and none at all.
    const ALIGNED: [u64; 7] = [!0 / 3, !0 / 15, !0 / 255, !0 / 0xffff, !0 / 0xffff_ffff, 1, 0];
    runs & runs.checked_shr(1 << order).unwrap_or(0) & ALIGNED[order]
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Three levels, and summaries of two. A reference could not check so many pages one by one.
    const APERTURE: Pages = Pages { pfn: 70_001, count: 300_000 };

    fn request(count: u64, aligned: bool, limit: u64) -> Request {
        let request = Request::pages(count).unwrap().below(limit * 4096).unwrap();
        if aligned { request.size_aligned() } else { request }
    }

    fn sizes() -> impl Strategy<Value = u64> {
        prop_oneof![1..100_u64, 1..10_000_u64, 1..80_000_u64, (0..17_u32).prop_map(|k| 1 << k)]
    }

    /// Returns the levels as built from the lowest.
    fn made_anew(blocks: &Blocks) -> Blocks {
        let mut anew = Blocks::new(APERTURE);
        anew.take(Request::pages(APERTURE.count).unwrap());
        anew.put_words(&mut blocks.levels[0].words.clone());
        anew
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn the_levels_say_what_the_pages_say(
            ops in vec((sizes(), any::<bool>(), 70_000..400_000_u64, any::<bool>()), 1..100),
        ) {
            let mut blocks = Blocks::new(APERTURE);
            let mut out: Vec<Pages> = Vec::new();
            for (count, aligned, limit, frees) in ops {
                if let Some(pages) = if frees { out.pop() } else { None } {
                    blocks.put(pages);
                    continue;
                }
                let request = request(count, aligned, limit);
                match blocks.take(request) {
                    Some(pfn) => {
                        let end = pfn + count;
                        prop_assert!(pfn >= APERTURE.pfn && end <= limit.min(370_001));
                        prop_assert!(pfn % request.align() == 0);
                        let apart = |p: &Pages| p.pfn >= end || p.pfn + p.count <= pfn;
                        prop_assert!(out.iter().all(apart));
                        out.insert(out.len() / 2, Pages { pfn, count });
                    }
                    None => {
                        let end = limit.min(370_001).saturating_sub(blocks.base);
                        prop_assert_eq!(blocks.run_below(request, end), None);
                    }
                }
                prop_assert!(blocks == made_anew(&blocks));
            }
        }
    }
}

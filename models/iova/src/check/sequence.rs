//! Random sequences of operations.

use alloc::vec::Vec;

use super::{CPUS, LARGEST};
use crate::request::Pfn;

/// An operation, which is one call or none, or several if a flush is needed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// The number of pages, whether they are aligned to their size, and a limit in pages.
    Alloc {
        count: u64,
        aligned: bool,
        limit: Option<u64>,
    },
    /// Frees one of the allocated mappings.
    Free {
        which: usize,
    },
    /// Frees these pages, whether they are allocated or not.
    FreeAny {
        pfn: Pfn,
        count: u64,
    },
    BeginFlush,
    /// Ends one of the running flushes.
    FinishFlush {
        which: usize,
    },
}

/// The longest sequence.
const LENGTH: u64 = 1000;

/// Returns the operations of this seed and the CPU of each.
pub(super) fn random(seed: u64) -> Vec<(usize, Op)> {
    let mut rng = Rng(seed);
    let length = rng.below(LENGTH);
    (0..length).map(|_| (rng.below(CPUS as u64) as usize, op(&mut rng))).collect()
}

fn op(rng: &mut Rng) -> Op {
    match rng.below(28) {
        0..12 => {
            let count = match rng.below(9) {
                0..4 => 1,
                4..8 => 1 + rng.below(9),
                _ => 1 + rng.below(LARGEST),
            };
            let aligned = rng.below(2) == 0;
            let limit = if rng.below(4) == 0 { Some(rng.below(400)) } else { None };
            Op::Alloc { count, aligned, limit }
        }
        12..22 => Op::Free { which: rng.below(1 << 32) as usize },
        22..24 => Op::FreeAny { pfn: rng.below(340), count: rng.below(9) },
        24..26 => Op::BeginFlush,
        _ => Op::FinishFlush { which: rng.below(1 << 32) as usize },
    }
}

/// The generator `SplitMix64`, by Sebastiano Vigna.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

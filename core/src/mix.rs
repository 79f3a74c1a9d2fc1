//! A bit mixer, for digests and for numbers that stand for their components.

/// Mixes two words into one that reveals little about either (the finalizer of `splitmix64`).
pub(crate) fn mix(one: u64, other: u64) -> u64 {
    let mut z = one.rotate_left(32) ^ other.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

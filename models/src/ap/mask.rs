//! The 256-bit masks of the AP bus, and the strings that administrators write into them.

use std::fmt;
use std::hash::{Hash, Hasher};

use bitvec::array::BitArray;
use bitvec::order::Msb0;

use crate::Errno;

/// The number of adapters and of domains that a mask has bits for (`AP_DEVICES`, `AP_DOMAINS`).
pub const BITS: usize = 256;

/// A mask of adapters or of domains, in the kernel's *inverse* bit order: bit 0 is the most
/// significant bit of the first word.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ApMask(BitArray<[u64; 4], Msb0>);

impl ApMask {
    /// Returns the mask without any bit.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the mask with every bit.
    pub fn all() -> Self {
        Self(BitArray::new([u64::MAX; 4]))
    }

    /// Returns the mask with exactly these bits.
    pub fn of(bits: impl IntoIterator<Item = u8>) -> Self {
        let mut mask = Self::none();
        bits.into_iter().for_each(|bit| mask.set(bit, true));
        mask
    }

    /// Models `test_bit_inv`.
    pub fn test(&self, bit: u8) -> bool {
        self.0[usize::from(bit)]
    }

    /// Models `set_bit_inv`, or `clear_bit_inv` for `false`.
    pub fn set(&mut self, bit: u8, value: bool) {
        self.0.set(usize::from(bit), value);
    }

    /// Returns the bits that are set, in order.
    pub fn bits(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter_ones().map(|bit| bit as u8)
    }

    /// Returns whether no bit is set.
    pub fn is_empty(&self) -> bool {
        self.0.not_any()
    }

    /// Returns the bits of this mask that `other` does not have.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns the bits that both masks have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns whether the masks share a bit.
    pub fn intersects(&self, other: &Self) -> bool {
        (self.0 & other.0).any()
    }

    /// Models `ap_parse_mask_str`: returns the mask that results when `text` is written into the
    /// sysfs file of this mask.
    ///
    /// A text that begins with a sign is a list of changes, separated by commas: `+1,-0x10,+4-7`
    /// sets bit 1, clears bit 16 and sets bits 4 to 7, in this order. Any other text is a whole
    /// mask in hexadecimal digits, with or without `0x`. The first digit is for bits 0 to 3, and
    /// digits that are missing at the right are 0. A newline ends either form.
    ///
    /// Source: `drivers/s390/crypto/ap_bus.c`: `ap_parse_mask_str`, `modify_bitmap`,
    /// `hex2bitmap`, v4.20 and later.
    ///
    /// # Errors
    ///
    /// [`Errno::Einval`] if the text has neither form. The mask is then unchanged.
    pub fn parse(&self, text: &str) -> Result<Self, Errno> {
        match text.as_bytes().first() {
            Some(b'+' | b'-') => self.modify_bitmap(text),
            _ => hex2bitmap(text),
        }
    }

    fn modify_bitmap(&self, text: &str) -> Result<Self, Errno> {
        let mut mask = *self;
        let mut rest = text;
        while let Some(sign) = rest.chars().next() {
            let value = match sign {
                '+' => true,
                '-' => false,
                _ => return Err(Errno::Einval),
            };
            let (first, after) = number(&rest[1..])?;
            let (last, after) = match after.strip_prefix('-') {
                Some(range) => number(range)?,
                None => (first, after),
            };
            if first > last {
                return Err(Errno::Einval);
            }
            (first..=last).for_each(|bit| mask.set(bit, value));
            rest = after.trim_start_matches([',', '\n']);
        }
        Ok(mask)
    }
}

/// Parses a bit number at the start of `text`: decimal, octal after `0`, hexadecimal after `0x`.
/// Returns it with the rest of the text.
fn number(text: &str) -> Result<(u8, &str), Errno> {
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (16, &text[2..]),
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let bit = u8::from_str_radix(&digits[..end], radix).map_err(|_| Errno::Einval)?;
    Ok((bit, &digits[end..]))
}

fn hex2bitmap(text: &str) -> Result<ApMask, Errno> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let digits = text.strip_prefix("0x").or(text.strip_prefix('x')).unwrap_or(text);
    if digits.is_empty() || digits.len() > BITS / 4 {
        return Err(Errno::Einval);
    }
    let mut mask = ApMask::none();
    for (place, digit) in digits.chars().enumerate() {
        let nibble = digit.to_digit(16).ok_or(Errno::Einval)?;
        for bit in (0..4).filter(|bit| nibble & (8 >> bit) != 0) {
            mask.0.set(4 * place + bit, true);
        }
    }
    Ok(mask)
}

/// Hashes the words and not each of the 256 bits.
impl Hash for ApMask {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.data.hash(state);
    }
}

/// The form of sysfs: `0x` and 64 digits.
impl fmt::Display for ApMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0.data;
        write!(f, "0x{a:016x}{b:016x}{c:016x}{d:016x}")
    }
}

impl fmt::Debug for ApMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.bits()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(mask: ApMask) -> Vec<u8> {
        mask.bits().collect()
    }

    #[test]
    fn bit_zero_is_the_most_significant() {
        assert_eq!(ApMask::of([0]).to_string(), format!("0x8{}", "0".repeat(63)));
        assert_eq!(ApMask::of([255]).to_string(), format!("0x{}1", "0".repeat(63)));
    }

    #[test]
    fn a_hexadecimal_text_is_a_whole_mask_padded_at_the_right() {
        let before = ApMask::of([200]);
        assert_eq!(bits(before.parse("0x41").unwrap()), [1, 7]);
        assert_eq!(bits(before.parse("41\n").unwrap()), [1, 7]);
        assert_eq!(bits(before.parse("xF").unwrap()), [0, 1, 2, 3]);
        assert_eq!(before.parse(&before.to_string()), Ok(before));
        assert_eq!(ApMask::none().parse(&format!("0x{}", "f".repeat(64))), Ok(ApMask::all()));
    }

    #[test]
    fn a_signed_list_changes_the_mask_and_the_last_word_counts() {
        let before = ApMask::of([7, 16]);
        assert_eq!(bits(before.parse("+1,-0x10,+4-6").unwrap()), [1, 4, 5, 6, 7]);
        assert_eq!(bits(before.parse("+010,-8\n").unwrap()), [7, 16]);
        assert_eq!(bits(before.parse("-0-255,+0,+255").unwrap()), [0, 255]);
        assert_eq!(bits(before.parse("+1+2").unwrap()), [1, 2, 7, 16]);
    }

    #[test]
    fn bad_texts_are_einval() {
        for text in [
            "", "\n", "0x", "0xg", "0x41 ", "zz", "+", "-", "+256", "+1,2", "+1,,x", "+3-1", "+1-",
            "+1-256", "+0x", "+08", "+ 1", "+-1",
        ] {
            assert_eq!(ApMask::of([7]).parse(text), Err(Errno::Einval), "{text:?}");
        }
        assert_eq!(ApMask::none().parse(&"0".repeat(65)), Err(Errno::Einval));
    }
}

//! Secret bits, as words that the compiler cannot see through.
//!
//! A mask made of a `bool` does not stay a mask: the optimizer knows that a `bool` has two values, reads `x & mask` as
//! a choice between `x` and zero, and the code generator is free to make a jump of that. So no secret is ever a `bool`
//! here. A [`Bit`] is a word that went through an optimization barrier: to the compiler it may be any word, and what is
//! computed with it stays arithmetic.
//!
//! [`secret`] and [`public`] say where a secret enters and where something is shown. They compile to nothing, except
//! for the constant-time test (`tests/constant-time`), which follows every secret from where it enters through the
//! machine code.

#[cfg(feature = "taint")]
pub mod taint;

use super::block::Block;
use subtle::Choice;

/// A secret bit. No `Debug` and no `PartialEq`; a plain value like [`Block`].
#[derive(Clone, Copy)]
pub struct Bit(u64);

impl Bit {
    /// The least significant bit of a word.
    #[inline(always)]
    #[must_use]
    pub fn lowest(word: u64) -> Bit {
        // The inner barrier: a shift by a secret before it stays a shift. As a bit test it would take constant time
        // too, but valgrind's is an address.
        Bit(hide(hide(word) & 1))
    }

    /// Zero or one.
    #[inline(always)]
    #[must_use]
    pub fn word(self) -> u64 {
        self.0
    }

    /// All ones if the bit is set, else zero.
    #[inline(always)]
    #[must_use]
    pub fn mask(self) -> u64 {
        self.0.wrapping_neg()
    }

    /// All ones if the bit is set, else zero: multiplies a block by the bit.
    #[inline(always)]
    #[must_use]
    pub fn block(self) -> Block {
        let mask = u128::from(self.mask());
        Block(mask | mask << 64)
    }

    /// For curve points and bytes.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation)]
    pub fn choice(self) -> Choice {
        Choice::from(self.0 as u8)
    }
}

impl std::ops::Not for Bit {
    type Output = Bit;

    #[inline(always)]
    fn not(self) -> Bit {
        Bit(self.0 ^ 1)
    }
}

/// One, of which the compiler does not know that it is: `one() << secret` stays a shift, as in [`Bit::lowest`].
#[inline(always)]
#[must_use]
pub fn one() -> u64 {
    hide(1)
}

/// The same word, of which the compiler knows nothing any more.
#[inline(always)]
fn hide(word: u64) -> u64 {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
    {
        let mut word = word;
        // SAFETY: there is no instruction. What the compiler may not assume is that the register is unchanged.
        unsafe {
            std::arch::asm!("/* {0} */", inout(reg) word, options(pure, nomem, nostack, preserves_flags));
        }
        word
    }
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
    std::hint::black_box(word)
}

/// Values that are secret from here on: randomness as it is drawn, inputs and weights as they are brought.
#[cfg(not(feature = "taint"))]
#[inline(always)]
pub fn secret<T: Plain>(_values: &mut [T]) {}

/// What may be known: said where a decision is taken on it, with the reason beside.
#[cfg(not(feature = "taint"))]
#[inline(always)]
#[must_use]
pub fn public<T: Plain>(value: T) -> T {
    value
}

/// Whether the portable code is to run where there is vector code: the constant-time test may ask for it.
#[cfg(not(feature = "taint"))]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "for vector code"))]
#[inline(always)]
pub(crate) fn portable() -> bool {
    false
}

#[cfg(feature = "taint")]
pub use taint::{portable, public, secret};

/// Values whose bytes can be marked.
pub trait Plain: Copy {}

impl Plain for bool {}
impl Plain for u8 {}
impl Plain for u64 {}
impl Plain for i64 {}
impl Plain for [u8; 32] {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_select() {
        for (word, expect) in [(0, 0), (1, 1), (6, 0), (u64::MAX, 1)] {
            let bit = Bit::lowest(word);
            assert_eq!(bit.word(), expect);
            assert_eq!(bit.mask(), if expect == 1 { u64::MAX } else { 0 });
            assert_eq!(bit.block().0, if expect == 1 { u128::MAX } else { 0 });
            assert_eq!((!bit).word(), 1 - expect);
            assert_eq!(bit.choice().unwrap_u8(), expect as u8);
        }
    }
}

//! The instruction sets of x86-64, the fastest first.

use super::aes128::AesNi;
use super::aes256::Vaes;
use super::blake3::{Eight, Root};
use super::round_keys::RoundKeys;
use super::transpose256::Avx2;
use crate::crypto::{Block, ct};
use std::arch::x86_64::{__m128i, _mm_loadu_si128};

/// Proof of AVX-512 (F, BW), VAES and GFNI.
#[derive(Clone, Copy)]
pub(crate) struct Wide(());

impl Wide {
    fn detect() -> Option<Wide> {
        let present = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("gfni");
        present.then_some(Wide(()))
    }
}

/// Instructions for AES-128.
#[derive(Clone, Copy)]
pub(crate) enum Cipher {
    /// Four blocks in a register.
    Wide(Wide),
    /// Two blocks in a register.
    Vaes(Vaes),
    /// One block in a register.
    AesNi(AesNi),
}

impl Cipher {
    /// Those that this processor has, the fastest first.
    pub(crate) fn available() -> impl Iterator<Item = Cipher> {
        let narrow = Vaes::detect().map(Cipher::Vaes).into_iter().chain(AesNi::detect().map(Cipher::AesNi));
        Wide::detect().map(Cipher::Wide).into_iter().chain(narrow).filter(|_| !ct::portable())
    }

    /// The fastest that this processor has.
    pub(crate) fn detect() -> Option<Cipher> {
        Cipher::available().next()
    }

    pub(crate) fn expand(self, key: Block) -> RoundKeys {
        match self {
            Cipher::Wide(wide) => wide.expand(key),
            Cipher::Vaes(vaes) => vaes.expand(key),
            Cipher::AesNi(aes) => aes.expand(key),
        }
    }

    /// `out[i] = AES(counter + i)`.
    pub(crate) fn stream(self, keys: &RoundKeys, counter: u64, out: &mut [Block]) {
        match self {
            Cipher::Wide(wide) => wide.stream(keys, counter, out),
            Cipher::Vaes(vaes) => vaes.stream(keys, counter, out),
            Cipher::AesNi(aes) => aes.stream(keys, counter, out),
        }
    }

    /// `x = AES(x xor offset) xor x xor offset`.
    pub(crate) fn mmo(self, keys: &RoundKeys, offset: Block, blocks: &mut [Block]) {
        match self {
            Cipher::Wide(wide) => wide.mmo(keys, offset, blocks),
            Cipher::Vaes(vaes) => vaes.mmo(keys, offset, blocks),
            Cipher::AesNi(aes) => aes.mmo(keys, offset, blocks),
        }
    }

    /// The bits 0, and the bits 1, of what [`Cipher::mmo`] makes of at most 64 blocks; None: no faster than from the
    /// blocks.
    pub(crate) fn mmo_bits(self, keys: &RoundKeys, offset: Block, blocks: &[Block]) -> Option<[u64; 2]> {
        match self {
            Cipher::Wide(_) => None,
            Cipher::Vaes(vaes) => Some(vaes.mmo_bits(keys, offset, blocks)),
            Cipher::AesNi(aes) => Some(aes.mmo_bits(keys, offset, blocks)),
        }
    }

    /// See `StreamBank::sums`; the streams absent from the front of the bank are zeros.
    pub(crate) fn sums(
        self,
        field_bits: usize,
        keys: &[RoundKeys],
        counter: u64,
        all: &mut [Block],
        bits: &mut [&mut [Block]],
    ) {
        assert!(keys.len() <= 1 << field_bits && bits.iter().all(|b| b.len() == all.len()));
        match field_bits {
            1 => self.sums_of::<1>(keys, counter, all, bits),
            2 => self.sums_of::<2>(keys, counter, all, bits),
            4 => self.sums_of::<4>(keys, counter, all, bits),
            8 => self.sums_of::<8>(keys, counter, all, bits),
            _ => unreachable!("fields of 2^{field_bits} elements are refused at setup"),
        }
    }

    fn sums_of<const BITS: usize>(
        self,
        keys: &[RoundKeys],
        counter: u64,
        all: &mut [Block],
        bits: &mut [&mut [Block]],
    ) {
        match self {
            Cipher::Wide(wide) => wide.sums::<BITS>(keys, counter, all, bits),
            Cipher::Vaes(vaes) => vaes.sums::<BITS>(keys, counter, all, bits),
            Cipher::AesNi(aes) => aes.sums::<BITS>(keys, counter, all, bits),
        }
    }
}

/// Instructions for transposing bits.
#[derive(Clone, Copy)]
pub(crate) enum Turner {
    /// 512 rows at a time.
    Wide(Wide),
    /// 128 rows at a time.
    Avx2(Avx2),
}

impl Turner {
    /// Those that this processor has for columns of `stride` blocks, the fastest first.
    pub(crate) fn available(stride: usize) -> impl Iterator<Item = Turner> {
        let wide = Wide::detect().filter(|_| Wide::turns(stride)).map(Turner::Wide);
        wide.into_iter().chain(Avx2::detect().map(Turner::Avx2)).filter(|_| !ct::portable())
    }

    /// See [`crate::crypto::transpose`].
    pub(crate) fn transpose(self, columns: &[Block], stride: usize, rows: &mut [Block]) {
        match self {
            Turner::Wide(wide) => wide.transpose(columns, stride, rows),
            Turner::Avx2(avx2) => avx2.transpose(columns, stride, rows),
        }
    }
}

/// Instructions for output blocks of BLAKE3.
#[derive(Clone, Copy)]
pub(crate) struct OutputBlocks(Avx2);

impl OutputBlocks {
    /// Those that this processor has.
    pub(crate) fn available() -> impl Iterator<Item = OutputBlocks> {
        Avx2::detect().map(OutputBlocks).into_iter().filter(|_| !ct::portable())
    }

    /// None where the registry's crate is faster: with AVX-512 it makes sixteen blocks at a time.
    pub(crate) fn detect() -> Option<OutputBlocks> {
        let sixteen = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
        OutputBlocks::available().next().filter(|_| !sixteen)
    }

    /// Output blocks `counter .. counter + 8`, each as its two halves.
    pub(crate) fn eight(self, root: &Root, counter: u64, out: &mut Eight) {
        self.0.blake3(root, counter, out);
    }
}

#[inline(always)]
pub(super) fn load128(b: &Block) -> __m128i {
    // SAFETY: a block is 16 readable bytes; SSE2 is part of x86-64.
    unsafe { _mm_loadu_si128(std::ptr::from_ref(b).cast()) }
}

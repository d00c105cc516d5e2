//! AES-128 on four blocks per register, and sums of counter-mode streams that never leave the registers.

use super::round_keys::{self, RoundKeys};
use super::x86::{Wide, load128};
use crate::crypto::Block;
use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_broadcast_i32x4,
    _mm512_loadu_si512, _mm512_set_epi64, _mm512_setzero_si512, _mm512_storeu_si512, _mm512_xor_si512,
};

/// Registers worked on at once: enough to hide the latency of a round.
const V: usize = 4;
/// Blocks worked on at once.
const STEP: usize = 4 * V;

impl Wide {
    pub(super) fn expand(self, key: Block) -> RoundKeys {
        // SAFETY: `self` proves the features.
        unsafe { round_keys::expand(key) }
    }

    pub(super) fn derive(self, keys: &RoundKeys, number: u64) -> RoundKeys {
        // SAFETY: `self` proves the features.
        unsafe { round_keys::derive(keys, number) }
    }

    /// `out[i] = AES(counter + i)`.
    pub(super) fn stream(self, keys: &RoundKeys, counter: u64, out: &mut [Block]) {
        // SAFETY: `self` proves the features.
        unsafe { stream(keys, counter, out) }
    }

    /// `x = AES(x xor offset) xor x xor offset`.
    pub(super) fn mmo(self, keys: &RoundKeys, offset: Block, blocks: &mut [Block]) {
        // SAFETY: `self` proves the features.
        unsafe { mmo(keys, offset, blocks) }
    }

    /// See `StreamBank::sums`, for `BITS` bits.
    pub(super) fn sums<const BITS: usize>(
        self,
        keys: &[RoundKeys],
        counter: u64,
        all: &mut [Block],
        bits: &mut [&mut [Block]],
    ) {
        // SAFETY: `self` proves the features.
        unsafe { sums::<BITS>(keys, counter, all, bits) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,aes,vaes")]
fn stream(keys: &RoundKeys, counter: u64, out: &mut [Block]) {
    for (step, chunk) in out.chunks_mut(STEP).enumerate() {
        let state = encrypt(keys, counters(counter + (step * STEP) as u64));
        store(chunk, state);
    }
}

#[target_feature(enable = "avx512f,avx512bw,aes,vaes")]
fn mmo(keys: &RoundKeys, offset: Block, blocks: &mut [Block]) {
    let offset = _mm512_broadcast_i32x4(load128(&offset));
    for chunk in blocks.chunks_mut(STEP) {
        let input = load(chunk).map(|x| _mm512_xor_si512(x, offset));
        store(chunk, add(encrypt(keys, input), input));
    }
}

#[target_feature(enable = "avx512f,avx512bw,aes,vaes")]
fn sums<const BITS: usize>(keys: &[RoundKeys], counter: u64, all: &mut [Block], bits: &mut [&mut [Block]]) {
    let zero = [_mm512_setzero_si512(); V];
    let leaves = 1usize << BITS;
    let first = leaves - keys.len();
    for (step, all) in all.chunks_mut(STEP).enumerate() {
        let counters = counters(counter + (step * STEP) as u64);
        let mut columns = [zero; BITS];
        let mut stack = [zero; BITS];
        let mut sum = zero;
        for x in 0..leaves {
            sum = if x < first { zero } else { encrypt(&keys[x - first], counters) };
            let level = x.trailing_ones() as usize;
            for b in 0..level {
                columns[b] = add(columns[b], sum);
                sum = add(sum, stack[b]);
            }
            if let Some(top) = stack.get_mut(level) {
                *top = sum;
            }
        }
        for (column, to) in columns.iter().zip(bits.iter_mut()) {
            store(&mut to[step * STEP..][..all.len()], *column);
        }
        store(all, sum);
    }
}

/// `counter .. counter + STEP`, each in the low half of a block.
#[inline]
#[target_feature(enable = "avx512f")]
fn counters(counter: u64) -> [__m512i; V] {
    let first = counter.cast_signed();
    std::array::from_fn(|v| {
        let lanes = _mm512_set_epi64(0, first, 0, first, 0, first, 0, first);
        let v = 4 * v as i64;
        _mm512_add_epi64(lanes, _mm512_set_epi64(0, v + 3, 0, v + 2, 0, v + 1, 0, v))
    })
}

#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn encrypt(keys: &RoundKeys, mut state: [__m512i; V]) -> [__m512i; V] {
    let key = |i: usize| _mm512_broadcast_i32x4(load128(&keys.0[i]));
    let k = key(0);
    for s in &mut state {
        *s = _mm512_xor_si512(*s, k);
    }
    for i in 1..10 {
        let k = key(i);
        for s in &mut state {
            *s = _mm512_aesenc_epi128(*s, k);
        }
    }
    let k = key(10);
    for s in &mut state {
        *s = _mm512_aesenclast_epi128(*s, k);
    }
    state
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: [__m512i; V], b: [__m512i; V]) -> [__m512i; V] {
    std::array::from_fn(|v| _mm512_xor_si512(a[v], b[v]))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(blocks: &[Block]) -> [__m512i; V] {
    let mut buf = [Block::ZERO; STEP];
    let from = if blocks.len() == STEP {
        blocks
    } else {
        buf[..blocks.len()].copy_from_slice(blocks);
        &buf
    };
    // SAFETY: `from` has STEP = 4 V blocks, and register v reads blocks 4 v .. 4 v + 4, at any alignment.
    std::array::from_fn(|v| unsafe { _mm512_loadu_si512(from.as_ptr().add(4 * v).cast()) })
}

/// Stores the first `blocks.len()` blocks.
#[inline]
#[target_feature(enable = "avx512f")]
fn store(blocks: &mut [Block], state: [__m512i; V]) {
    let mut buf = [Block::ZERO; STEP];
    let whole = blocks.len() == STEP;
    let to = if whole { &mut *blocks } else { &mut buf };
    for (v, s) in state.iter().enumerate() {
        // SAFETY: `to` has STEP = 4 V blocks, and register v writes blocks 4 v .. 4 v + 4, at any alignment.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().add(4 * v).cast(), *s) };
    }
    if !whole {
        let n = blocks.len();
        blocks.copy_from_slice(&buf[..n]);
    }
}

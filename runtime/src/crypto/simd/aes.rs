//! AES-128 on registers of one or two blocks, and sums of counter-mode streams.
//!
//! Written once for both: a proof of the instructions is passed along, whose methods are the operations on a register.

use super::round_keys::RoundKeys;
use crate::crypto::Block;

/// Registers worked on at once: enough to hide the latency of a round, and half of those that there are.
pub(super) const V: usize = 8;

/// Operations on registers of `N` blocks. Implemented by proofs of the instructions that they take.
pub(super) trait Registers<const N: usize>: Copy {
    type Register: Copy;

    /// `first`, `first + 1`, .. in the low halves of the blocks.
    fn counters(self, first: u64) -> Self::Register;
    /// `key` in every block.
    fn broadcast(self, key: &Block) -> Self::Register;
    fn load(self, from: &[Block; N]) -> Self::Register;
    fn store(self, to: &mut [Block; N], x: Self::Register);
    fn xor(self, a: Self::Register, b: Self::Register) -> Self::Register;
    /// A round of AES.
    fn round(self, x: Self::Register, key: Self::Register) -> Self::Register;
    /// The last round of AES.
    fn last_round(self, x: Self::Register, key: Self::Register) -> Self::Register;
    /// The bits 0, and the bits 1, of all blocks in order.
    fn low_bits(self, state: &[Self::Register; V]) -> [u64; 2];
}

/// `out[i] = AES(counter + i)`.
#[inline(always)]
pub(super) fn stream<const N: usize, P: Registers<N>>(isa: P, keys: &RoundKeys, counter: u64, out: &mut [Block]) {
    for (step, chunk) in out.chunks_mut(V * N).enumerate() {
        let mut state = counters(isa, counter + (step * V * N) as u64);
        encrypt(isa, keys, &mut state);
        store(isa, chunk, &state);
    }
}

/// `x = AES(x xor offset) xor x xor offset`.
#[inline(always)]
pub(super) fn mmo<const N: usize, P: Registers<N>>(isa: P, keys: &RoundKeys, offset: Block, blocks: &mut [Block]) {
    let offset = isa.broadcast(&offset);
    for chunk in blocks.chunks_mut(V * N) {
        let mut input = load(isa, chunk);
        for x in &mut input {
            *x = isa.xor(*x, offset);
        }
        let mut state = input;
        encrypt(isa, keys, &mut state);
        add(isa, &mut state, &input);
        store(isa, chunk, &state);
    }
}

/// The bits 0, and the bits 1, of what [`mmo`] makes of at most 64 blocks.
#[inline(always)]
pub(super) fn mmo_bits<const N: usize, P: Registers<N>>(
    isa: P,
    keys: &RoundKeys,
    offset: Block,
    blocks: &[Block],
) -> [u64; 2] {
    let offset = isa.broadcast(&offset);
    let mut out = [0; 2];
    for (step, chunk) in blocks.chunks(V * N).enumerate() {
        let mut input = load(isa, chunk);
        for x in &mut input {
            *x = isa.xor(*x, offset);
        }
        let mut state = input;
        encrypt(isa, keys, &mut state);
        add(isa, &mut state, &input);
        let bits = isa.low_bits(&state);
        for (out, bits) in out.iter_mut().zip(bits) {
            *out |= (bits & (u64::MAX >> (64 - chunk.len()))) << (step * V * N);
        }
    }
    out
}

/// See `StreamBank::sums`; the streams absent from the front of the bank are zeros.
#[inline(always)]
pub(super) fn sums<const N: usize, const BITS: usize, P: Registers<N>>(
    isa: P,
    keys: &[RoundKeys],
    counter: u64,
    all: &mut [Block],
    bits: &mut [&mut [Block]],
) {
    let zero = [isa.broadcast(&Block::ZERO); V];
    let leaves = 1usize << BITS;
    let first = leaves - keys.len();
    for (step, all) in all.chunks_mut(V * N).enumerate() {
        let counters = counters(isa, counter + (step * V * N) as u64);
        let mut columns = [zero; BITS];
        let mut stack = [zero; BITS];
        let mut sum = zero;
        for x in 0..leaves {
            if let Some(i) = x.checked_sub(first) {
                sum = counters;
                encrypt(isa, &keys[i], &mut sum);
            }
            let level = x.trailing_ones() as usize;
            for (column, left) in columns.iter_mut().zip(&stack).take(level) {
                add(isa, column, &sum);
                add(isa, &mut sum, left);
            }
            if let Some(top) = stack.get_mut(level) {
                *top = sum;
            }
        }
        for (column, to) in columns.iter().zip(bits.iter_mut()) {
            store(isa, &mut to[step * V * N..][..all.len()], column);
        }
        store(isa, all, &sum);
    }
}

#[inline(always)]
fn counters<const N: usize, P: Registers<N>>(isa: P, counter: u64) -> [P::Register; V] {
    let mut out = [isa.counters(counter); V];
    for (v, x) in out.iter_mut().enumerate().skip(1) {
        *x = isa.counters(counter + (v * N) as u64);
    }
    out
}

#[inline(always)]
fn encrypt<const N: usize, P: Registers<N>>(isa: P, keys: &RoundKeys, state: &mut [P::Register; V]) {
    let [whitening, rounds @ .., last] = &keys.0;
    let k = isa.broadcast(whitening);
    for v in 0..V {
        state[v] = isa.xor(state[v], k);
    }
    for key in rounds {
        let k = isa.broadcast(key);
        for v in 0..V {
            state[v] = isa.round(state[v], k);
        }
    }
    let k = isa.broadcast(last);
    for v in 0..V {
        state[v] = isa.last_round(state[v], k);
    }
}

#[inline(always)]
fn add<const N: usize, P: Registers<N>>(isa: P, to: &mut [P::Register; V], from: &[P::Register; V]) {
    for v in 0..V {
        to[v] = isa.xor(to[v], from[v]);
    }
}

/// At most `V` registers of blocks; zeros where there are none.
#[inline(always)]
fn load<const N: usize, P: Registers<N>>(isa: P, blocks: &[Block]) -> [P::Register; V] {
    let mut out = [isa.broadcast(&Block::ZERO); V];
    let (whole, rest) = blocks.as_chunks::<N>();
    for (x, from) in out.iter_mut().zip(whole) {
        *x = isa.load(from);
    }
    if !rest.is_empty() {
        let mut buf = [Block::ZERO; N];
        buf[..rest.len()].copy_from_slice(rest);
        out[whole.len()] = isa.load(&buf);
    }
    out
}

/// Stores the first `blocks.len()` blocks.
#[inline(always)]
fn store<const N: usize, P: Registers<N>>(isa: P, blocks: &mut [Block], state: &[P::Register; V]) {
    let (whole, rest) = blocks.as_chunks_mut::<N>();
    let at = whole.len();
    for (to, x) in whole.iter_mut().zip(state) {
        isa.store(to, *x);
    }
    if !rest.is_empty() {
        let mut buf = [Block::ZERO; N];
        isa.store(&mut buf, state[at]);
        rest.copy_from_slice(&buf[..rest.len()]);
    }
}

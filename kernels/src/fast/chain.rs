//! Elementwise operators that follow one another, applied to a stretch of a tensor while it is in the cache.

use super::Left;
use crate::micro::{Loops, vectorized};
use picc_ir::eval::Shares;
use picc_ir::{Id, Tensor};
use smallvec::SmallVec;
use std::marker::PhantomData;

/// Elements that all links of a chain see before the next ones.
const STRETCH: usize = 2048;

/// One elementwise operator. Each leaves signed representatives of its ring, of which `unused` is what it lacks to 64
/// bits.
pub(super) enum Link {
    /// `floor((x + 2^(shift - 1)) / 2^shift)` from the ring of `unused` into the ring `shift` bits shorter.
    Trunc {
        shift: u32,
        unused: u32,
    },
    /// Nothing but a smaller ring.
    Wrap {
        unused: u32,
    },
    Relu,
    Neg {
        unused: u32,
    },
    Shl {
        bits: u32,
        unused: u32,
    },
    With {
        how: Binary,
        other: Operand,
        unused: u32,
    },
    /// The truncation of `node` as two parties compute it on shares in `ring`.
    TruncShares {
        node: Id,
        ring: u8,
        shift: u8,
    },
    /// The coins of `node`, a layer under full-range masks in `ring`.
    Coins {
        node: Id,
        ring: u8,
    },
    /// The ReLU of `node` by shares without low bits.
    ReluShares {
        node: Id,
        ring: u8,
        skip_low: u8,
    },
    /// A range that `node` claims: values stay as they are, and those outside are counted.
    Claim {
        node: Id,
        lo: i64,
        hi: i64,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Binary {
    Add,
    Sub,
    /// The other operand minus this one.
    SubFrom,
    Mul,
    Max,
}

pub(super) enum Operand {
    /// Element `i` is `values[i / inner % values.len()]`.
    Pattern { values: Vec<i64>, inner: usize },
    /// Another value of the same shape.
    Node(Id),
}

/// A constant as it is broadcast to `shape`, if it varies along neighbouring axes only.
pub(super) fn pattern(constant: &Tensor<i64>, shape: &[usize]) -> Option<Operand> {
    let lead = shape.len().checked_sub(constant.shape.len())?;
    let own = |axis: usize| if axis < lead { 1 } else { constant.shape[axis - lead] };
    let varies = |axis: &usize| own(*axis) != 1;
    let first = (0..shape.len()).find(varies).unwrap_or(shape.len());
    let end = (0..shape.len()).rev().find(varies).map_or(shape.len(), |a| a + 1);
    if (first..end).any(|a| own(a) != shape[a]) || constant.data.is_empty() {
        return None;
    }
    Some(Operand::Pattern { values: constant.data.clone(), inner: shape[end..].iter().product() })
}

/// Applies `links` to `data`, with shares by `seed`; `node` finds the other operands. Adds to `left` how many values
/// leave each range that is claimed.
pub(super) fn apply<'a>(
    links: &[Link],
    data: &mut [i64],
    seed: u64,
    node: impl Fn(Id) -> &'a [i64],
    left: &mut Vec<Left>,
) {
    if links.is_empty() {
        return;
    }
    let mut counts: SmallVec<[u64; 8]> = SmallVec::from_elem(0, links.len());
    vectorized(Chain { links, data, seed, node, counts: &mut counts, operands: PhantomData });
    for (link, values) in links.iter().zip(counts) {
        if let Link::Claim { node, .. } = *link
            && values > 0
        {
            left.push(Left { node, values });
        }
    }
}

struct Chain<'a, 'b, F> {
    links: &'b [Link],
    data: &'b mut [i64],
    seed: u64,
    node: F,
    /// For each link the values that leave its range.
    counts: &'b mut [u64],
    operands: PhantomData<&'a [i64]>,
}

impl<'a, F: Fn(Id) -> &'a [i64]> Loops for Chain<'a, '_, F> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for (n, stretch) in self.data.chunks_mut(STRETCH).enumerate() {
            for (link, count) in self.links.iter().zip(&mut *self.counts) {
                *count += link.apply(stretch, n * STRETCH, self.seed, &self.node);
            }
        }
    }
}

impl Link {
    /// How many values leave the range that it claims, if it claims one.
    #[inline(always)]
    fn apply<'a>(&self, x: &mut [i64], start: usize, seed: u64, node: &impl Fn(Id) -> &'a [i64]) -> u64 {
        match *self {
            Link::Claim { lo, hi, .. } => {
                return x.iter().map(|v| u64::from((*v < lo) | (*v > hi))).sum();
            }
            Link::TruncShares { node, ring, shift } => Shares::new(seed, node).truncate(start, x, ring, shift),
            Link::Coins { node, ring } => Shares::new(seed, node).coins(start, x, ring),
            Link::ReluShares { node, ring, skip_low } => Shares::new(seed, node).relu(start, x, ring, skip_low),
            Link::Trunc { shift, unused } => {
                let half = if shift == 0 { 0 } else { 1i64 << (shift - 1) };
                // The sum mod the ring, then its upper bits.
                each(x, |v| v.wrapping_add(half) << unused >> (unused + shift));
            }
            Link::Wrap { unused } => each(x, |v| v << unused >> unused),
            Link::Relu => each(x, |v| v.max(0)),
            Link::Neg { unused } => each(x, |v| v.wrapping_neg() << unused >> unused),
            Link::Shl { bits, unused } => each(x, |v| v << bits << unused >> unused),
            Link::With { how, ref other, unused } => {
                let wrap = move |v: i64| v << unused >> unused;
                match how {
                    Binary::Add => with(x, start, other, node, move |a, b| wrap(a.wrapping_add(b))),
                    Binary::Sub => with(x, start, other, node, move |a, b| wrap(a.wrapping_sub(b))),
                    Binary::SubFrom => with(x, start, other, node, move |a, b| wrap(b.wrapping_sub(a))),
                    Binary::Mul => with(x, start, other, node, move |a, b| wrap(a.wrapping_mul(b))),
                    Binary::Max => with(x, start, other, node, Ord::max),
                }
            }
        }
        0
    }
}

#[inline(always)]
fn each(x: &mut [i64], f: impl Fn(i64) -> i64) {
    x.iter_mut().for_each(|v| *v = f(*v));
}

#[inline(always)]
fn with<'a>(
    x: &mut [i64],
    start: usize,
    other: &Operand,
    node: &impl Fn(Id) -> &'a [i64],
    f: impl Fn(i64, i64) -> i64,
) {
    match other {
        Operand::Node(id) => pairs(x, &node(*id)[start..], f),
        Operand::Pattern { values, inner } => {
            let mut at = 0;
            while at < x.len() {
                let i = start + at;
                let which = i / inner % values.len();
                let rest = x.len() - at;
                if *inner == 1 {
                    let count = rest.min(values.len() - which);
                    pairs(&mut x[at..at + count], &values[which..], &f);
                    at += count;
                } else {
                    let count = rest.min(inner - i % inner);
                    let b = values[which];
                    each(&mut x[at..at + count], |a| f(a, b));
                    at += count;
                }
            }
        }
    }
}

#[inline(always)]
fn pairs(x: &mut [i64], other: &[i64], f: impl Fn(i64, i64) -> i64) {
    x.iter_mut().zip(other).for_each(|(a, &b)| *a = f(*a, b));
}

//! The server's weights, made ready at load time.

use crate::crypto::ct;
use crate::crypto::rlwe::Ring;
use crate::error::{BadProgram, Result};
use picc_ir::mpc::rlwe::{ConvPlan, LinearPlan, MatMulPlan};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// One weight polynomial.
#[derive(Clone)]
pub(super) enum Weight {
    /// Zero by structure: channels and outputs of different groups.
    Zero,
    /// A constant polynomial (1x1 kernel, one channel, one output): its residues.
    Scalar([u64; 4]),
    /// Values at the roots, for each prime.
    Ntt(Vec<u64>),
}

/// The weight polynomials of one response: one per input polynomial of its block.
pub(super) type Row = Vec<Weight>;

/// Weights of a layer, transformed as far as the memory allows.
pub struct PreparedLinear {
    plan: LinearPlan,
    ring: Arc<Ring>,
    weights: Vec<i32>,
    /// First row of each block.
    starts: Vec<usize>,
    /// Rows of all blocks; `None`: each is made when it is needed.
    rows: Option<Vec<Row>>,
}

impl PreparedLinear {
    /// Transforms all weights if that takes at most `max_bytes`; otherwise a request pays for it.
    pub fn new(plan: LinearPlan, weights: &[i64], max_bytes: u64) -> Result<PreparedLinear> {
        let [_, len, _] = plan.layer.lens();
        if weights.len() != len {
            return Err(BadProgram::WeightCount { expected: len, got: weights.len() }.into());
        }
        let least = -1i64 << (plan.budget.weight_bits - 1);
        let most = least.abs().min(i32::MAX.into());
        // Below the least or above the most: one of the differences is negative.
        let outside = |w: i64| w.wrapping_sub(least) | most.wrapping_sub(w);
        let any = weights.iter().fold(0, |any, &w| any | outside(w));
        // That all fit is known: a server with others does not start.
        if ct::public(any < 0) {
            return Err(BadProgram::WeightRange { bits: plan.budget.weight_bits }.into());
        }
        let weights: Vec<i32> = weights.iter().map(|&w| w as i32).collect();
        let (layer, encoding) = (&plan.layer, &plan.encoding);
        let mut tasks = Vec::new();
        let mut starts = Vec::new();
        for block in 0..encoding.blocks(layer) {
            starts.push(tasks.len());
            tasks.extend(encoding.output_parts(layer, block).map(|m| (block, m)));
        }
        let ring = Ring::of(plan.budget.set);
        let mut prepared = PreparedLinear { plan, ring, weights, starts, rows: None };
        if prepared.is_scalar() || prepared.transformed_bytes() <= max_bytes {
            prepared.rows = Some(tasks.into_par_iter().map(|(b, m)| prepared.make_row(b, &m)).collect());
        }
        Ok(prepared)
    }

    #[must_use]
    pub fn plan(&self) -> &LinearPlan {
        &self.plan
    }

    /// Bytes that the weights occupy.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let rows = self.rows.iter().flatten().flatten().map(|w| match w {
            Weight::Ntt(v) => size_of_val(&v[..]) + size_of::<Weight>(),
            Weight::Zero | Weight::Scalar(_) => size_of::<Weight>(),
        });
        (rows.sum::<usize>() + size_of_val(&self.weights[..])) as u64
    }

    /// Whether requests find the weights transformed.
    #[must_use]
    pub fn is_transformed(&self) -> bool {
        self.rows.is_some()
    }

    /// Row `part` of `block`.
    pub(super) fn row(&self, block: usize, part: usize, outputs: &Range<usize>) -> Cow<'_, [Weight]> {
        match &self.rows {
            Some(rows) => Cow::Borrowed(&rows[self.starts[block] + part]),
            None => Cow::Owned(self.make_row(block, outputs)),
        }
    }

    /// Every weight polynomial is a constant.
    fn is_scalar(&self) -> bool {
        self.plan.encoding.has_constant_weights(&self.plan.layer)
    }

    fn transformed_bytes(&self) -> u64 {
        let products = self.plan.products() / self.plan.encoding.tiles(&self.plan.layer) as u64;
        products * (self.ring.degree() * self.ring.tables().len() * 8) as u64
    }

    fn make_row(&self, block: usize, outputs: &Range<usize>) -> Row {
        let (layer, encoding) = (&self.plan.layer, &self.plan.encoding);
        let scalar = self.is_scalar();
        encoding
            .channel_parts(layer, block)
            .map(|channels| {
                if !self.plan.overlap(outputs, &channels) {
                    return Weight::Zero;
                }
                if scalar {
                    let w = self.weights[layer.weight_index(outputs.start, channels.start, &layer.taps(0)[0])];
                    let mut residues = [0; 4];
                    for (r, t) in residues.iter_mut().zip(self.ring.tables()) {
                        *r = t.modulus().small(w.into());
                    }
                    return Weight::Scalar(residues);
                }
                Weight::Ntt(self.polynomial(outputs, &channels))
            })
            .collect()
    }

    /// Places of [`picc_ir::mpc::rlwe::encoding`], transformed.
    fn polynomial(&self, outputs: &Range<usize>, channels: &Range<usize>) -> Vec<u64> {
        let (layer, encoding, n) = (&self.plan.layer, &self.plan.encoding, self.ring.degree());
        let mut words = vec![0; n * self.ring.tables().len()];
        for (mi, m) in outputs.clone().enumerate() {
            for (ci, c) in channels.clone().enumerate() {
                if m / layer.outputs != c / layer.channels {
                    continue;
                }
                for tap in layer.taps(c) {
                    let w = i64::from(self.weights[layer.weight_index(m, c, tap)]);
                    let (plus, minus) =
                        (encoding.output_position(mi, 0, 0, 0), encoding.input_position(ci, 0, tap.y, tap.x));
                    let (at, w) = if plus >= minus { (plus - minus, w) } else { (n + plus - minus, -w) };
                    for (i, t) in self.ring.tables().iter().enumerate() {
                        words[i * n + at] = t.modulus().small(w);
                    }
                }
            }
        }
        self.ring.tables().iter().zip(words.chunks_exact_mut(n)).for_each(|(t, w)| t.forward(w));
        words
    }
}

/// Weights of a convolution, `[c_out, c_in / groups, kh, kw]`.
pub struct PreparedConv {
    pub(super) linear: PreparedLinear,
}

impl PreparedConv {
    /// Transforms all weights now.
    pub fn new(plan: &ConvPlan, weights: &[i64]) -> Result<PreparedConv> {
        PreparedConv::within(plan, weights, u64::MAX)
    }

    /// Transforms them now only if that takes at most `max_bytes`.
    pub fn within(plan: &ConvPlan, weights: &[i64], max_bytes: u64) -> Result<PreparedConv> {
        Ok(PreparedConv { linear: PreparedLinear::new(plan.linear.clone(), weights, max_bytes)? })
    }

    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.linear.memory_bytes()
    }
}

/// Weights of a matrix product, in the plan's layout.
pub struct PreparedMatMul {
    pub(super) linear: PreparedLinear,
}

impl PreparedMatMul {
    /// Transforms all weights now.
    pub fn new(plan: &MatMulPlan, weights: &[i64]) -> Result<PreparedMatMul> {
        PreparedMatMul::within(plan, weights, u64::MAX)
    }

    /// Transforms them now only if that takes at most `max_bytes`.
    pub fn within(plan: &MatMulPlan, weights: &[i64], max_bytes: u64) -> Result<PreparedMatMul> {
        Ok(PreparedMatMul { linear: PreparedLinear::new(plan.linear.clone(), weights, max_bytes)? })
    }

    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.linear.memory_bytes()
    }
}

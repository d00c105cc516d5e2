//! The interpreter with the errors that a private run makes.
//!
//! Three protocols are not exact: the local truncation, comparisons that leave out low bits ([`crate::mpc::ReluOt`]),
//! and ring LWE under full-range masks ([`crate::mpc::rlwe::Hiding`]).
//! What the first two lose depends on the shares of their argument alone, and these are uniform. So each element is
//! shared anew with a pseudo-random share, both shares go through what the two parties compute on them, and the result
//! has exactly the distribution of a private run. A rounding model would be biased where it matters: windows make
//! values near zero smaller on average, truncations do not.
//!
//! The coin of a masked layer comes from rounding errors of the response, which are nobody's input: -1 and 1 are drawn
//! with probability 1/8 each, half of [`crate::mpc::rlwe::COIN_RATE`], the most that any layer has. Signs are as
//! likely.
//!
//! The generator is keyed by seed and node: two graphs that differ in one node make the same choices elsewhere.

use super::{EvalError, Value, eval_op, failed, run, source};
use crate::graph::{Graph, Id};
use crate::mpc::MaxPoolOt;
use crate::mpc::cost::{LinePlan, PoolPlan};
use crate::mpc::rlwe::Hiding;
use crate::op::{MpcOp, Op};
use crate::tensor::Tensor;
use crate::ty::{Fixed, Ty, TypeError, wrap};
use crate::weights::RingWeights;
use std::collections::BTreeMap;

/// As [`super::run_ring`], with truncations and windows as the protocols compute them on random shares.
///
/// Deterministic: the same seed gives the same result. Not for secrets: the generator is no cryptographic one.
pub fn run_shares(
    graph: &Graph,
    inputs: &BTreeMap<String, Tensor<i64>>,
    weights: &RingWeights,
    seed: u64,
    observer: &mut dyn FnMut(Id, &Value),
) -> Result<Vec<(String, Value)>, EvalError> {
    let mut at = 0u32;
    run(
        graph,
        |node, args: &[&Value], tys| {
            let id = Id(at);
            at += 1;
            if let Some(value) = source(node, inputs, weights)? {
                return Ok(value);
            }
            let noisy = Shares::new(seed, id).protocol(&node.op, args, tys, &node.ty);
            let noisy = noisy.map_err(|error| failed(node, error))?;
            match noisy {
                Some(value) => Ok(value),
                None => eval_op(&node.op, args, tys, &node.ty).map_err(|error| failed(node, error)),
            }
        },
        observer,
    )
}

/// The sharings of one node's argument in one run: a splitmix64 generator, so that element `i` has draw `i` in whatever
/// order, and by whomever, elements are computed.
#[derive(Clone, Copy)]
pub struct Shares(u64);

#[inline(always)]
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Shares {
    #[must_use]
    pub fn new(seed: u64, node: Id) -> Shares {
        Shares(mix(seed ^ mix(u64::from(node.0) + 1)))
    }

    /// Word `i`.
    #[inline(always)]
    fn draw(self, i: u64) -> u64 {
        mix(self.0.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Sharing `i` of `x` in a ring of `ring` bits.
    #[inline(always)]
    fn split(self, i: u64, x: i64, ring: u8) -> [u64; 2] {
        let own = self.draw(i);
        [own & mask(ring), x.cast_unsigned().wrapping_sub(own) & mask(ring)]
    }

    /// The local truncation of elements `first..first + x.len()` of a tensor: both shares shifted, the server's after
    /// adding `2^shift - 1`.
    #[inline(always)]
    pub fn truncate(self, first: usize, x: &mut [i64], ring: u8, shift: u8) {
        for (i, x) in (first as u64..).zip(x) {
            let [client, server] = self.split(i, *x, ring);
            let server = server.wrapping_add(mask(shift)) & mask(ring);
            *x = wrap((client >> shift).wrapping_add(server >> shift).cast_signed(), ring - shift);
        }
    }

    /// Adds the coins of a layer under full-range masks to such elements, modulo the ring.
    #[inline(always)]
    pub fn coins(self, first: usize, x: &mut [i64], ring: u8) {
        for (i, x) in (first as u64..).zip(x) {
            // Three bits: 0 is one more, 1 is one less.
            let draw = self.draw(i) >> 61;
            let coin = i64::from(draw == 0) - i64::from(draw == 1);
            *x = wrap(x.wrapping_add(coin), ring);
        }
    }

    /// The ReLU of such elements by shares without their `skip_low` low bits.
    #[inline(always)]
    pub fn relu(self, first: usize, x: &mut [i64], ring: u8, skip_low: u8) {
        for (i, x) in (first as u64..).zip(x) {
            *x = self.relu_of(i, *x, ring, skip_low);
        }
    }

    /// `x` if the shares without their low bits are those of a non-negative value, else 0.
    #[inline(always)]
    fn relu_of(self, i: u64, x: i64, ring: u8, skip_low: u8) -> i64 {
        let [client, server] = self.split(i, x, ring);
        let high = (client >> skip_low).wrapping_add(server >> skip_low).cast_signed();
        if wrap(high, ring - skip_low) < 0 { 0 } else { x }
    }

    /// Whether a layer's shares may miss its result by one.
    #[must_use]
    pub fn tosses(op: &Op) -> bool {
        match op {
            Op::Mpc(MpcOp::ConvRlwe(op)) => op.hiding == Hiding::FullRange,
            Op::Mpc(MpcOp::MatMulRlwe(op)) => op.hiding == Hiding::FullRange,
            _ => false,
        }
    }

    /// The result of a protocol that makes errors; `None` for all others.
    ///
    /// # Errors
    /// If the arguments do not fit the operator.
    pub fn protocol(self, op: &Op, args: &[&Value], tys: &[&Ty], ty: &Ty) -> Result<Option<Value>, TypeError> {
        if let (true, Some(f)) = (Shares::tosses(op), ty.as_fixed()) {
            let mut value = eval_op(op, args, tys, ty)?;
            if let Value::Ring(x) = &mut value {
                self.coins(0, &mut x.data, f.ring_bits);
            }
            return Ok(Some(value));
        }
        let (Some(x), Some(f)) = (args.first().and_then(|v| v.as_ring()), tys.first().and_then(|t| t.as_fixed()))
        else {
            return Ok(None);
        };
        let value = match op {
            Op::Mpc(MpcOp::TruncReduceLocal(op)) => {
                let mut x = x.clone();
                self.truncate(0, &mut x.data, f.ring_bits, op.shift);
                x
            }
            Op::Mpc(MpcOp::ReluOt(op)) if op.skip_low > 0 => {
                let mut x = x.clone();
                self.relu(0, &mut x.data, f.ring_bits, op.skip_low);
                x
            }
            Op::Mpc(MpcOp::MaxPoolOt(op)) if op.skip_low > 0 => {
                Draws { shares: self, next: 0 }.max_pool(op, x, tys[0], f)?
            }
            _ => return Ok(None),
        };
        Ok(Some(Value::Ring(value)))
    }
}

/// Sharings taken one after another, where a protocol compares more than its argument's elements.
struct Draws {
    shares: Shares,
    next: u64,
}

impl Draws {
    /// The tournament that the protocol plays, plane by plane.
    fn max_pool(&mut self, op: &MaxPoolOt, x: &Tensor<i64>, ty: &Ty, f: Fixed) -> Result<Tensor<i64>, TypeError> {
        let [vertical, horizontal] = op.windows(ty)?;
        let padding = || TypeError::new("a window of padding only");
        let plan = PoolPlan::new(&vertical, &horizontal).ok_or_else(padding)?;
        let (h, w) = (vertical.len, horizontal.len);
        let (out_h, out_w) = (plan.rows.outputs.len(), plan.cols.outputs.len());
        let mut out = Vec::with_capacity(x.data.len() / (h * w).max(1) * out_h * out_w);
        for plane in x.data.chunks_exact(h * w) {
            let mut line = |plan: &LinePlan, values: Vec<i64>| self.line(plan, values, f.ring_bits, op.skip_low);
            let mut result = vec![0; out_h * out_w];
            if plan.width_first {
                let read = plan.rows.read();
                let mut rows = vec![Vec::new(); h];
                for &y in &read {
                    rows[y] = line(&plan.cols, plane[y * w..][..w].to_vec());
                }
                for ox in 0..out_w {
                    let column = rows.iter().map(|row| row.get(ox).copied().unwrap_or(0)).collect();
                    for (oy, v) in line(&plan.rows, column).into_iter().enumerate() {
                        result[oy * out_w + ox] = v;
                    }
                }
            } else {
                let read = plan.cols.read();
                let mut cols = vec![Vec::new(); w];
                for &at in &read {
                    cols[at] = line(&plan.rows, plane[at..].iter().step_by(w).copied().collect());
                }
                for oy in 0..out_h {
                    let row = cols.iter().map(|col| col.get(oy).copied().unwrap_or(0)).collect();
                    result[oy * out_w..][..out_w].copy_from_slice(&line(&plan.cols, row));
                }
            }
            out.extend(result);
        }
        let shape = op.tensor_op_shape(ty)?;
        Ok(Tensor::new(&shape, out))
    }

    fn line(&mut self, plan: &LinePlan, mut values: Vec<i64>, ring: u8, skip_low: u8) -> Vec<i64> {
        for &(x, y) in plan.levels.iter().flatten() {
            let above =
                self.shares.relu_of(self.next, wrap(values[x].wrapping_sub(values[y]), ring), ring, skip_low);
            self.next += 1;
            values.push(wrap(above.wrapping_add(values[y]), ring));
        }
        plan.outputs.iter().map(|&v| values[v]).collect()
    }
}

#[inline(always)]
fn mask(bits: u8) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::run_ring;
    use crate::mpc::{ReluOt, Share, TruncReduceLocal};
    use crate::ops::{Input, MaxPool};
    use crate::ty::Owner;

    fn graph(op: impl Into<Op>, shape: &[usize], limit: i64) -> Graph {
        let mut g = Graph::default();
        let f = Fixed { ring_bits: 16, frac_bits: 8, lo: -limit, hi: limit };
        let x = g.add(Input { name: "x".into(), ty: Ty::fixed(shape, f, Owner::Client) }, &[], "x").unwrap();
        let x = g.add(Share {}, &[x], "x").unwrap();
        let y = g.add(op, &[x], "y").unwrap();
        g.outputs.push(("y".into(), y));
        g
    }

    fn both(g: &Graph, x: Tensor<i64>, seed: u64) -> [Vec<i64>; 2] {
        let inputs = BTreeMap::from([("x".to_owned(), x)]);
        let none = RingWeights::new();
        let exact = run_ring(g, &inputs, &none, &mut |_, _| ()).unwrap();
        let noisy = run_shares(g, &inputs, &none, seed, &mut |_, _| ()).unwrap();
        [exact, noisy].map(|out| out[0].1.as_ring().unwrap().data.clone())
    }

    /// The expectation of the local truncation is the exact quotient, that of a window is known too.
    #[test]
    fn errors_have_the_distribution_of_the_protocols() {
        let n = 20_000;
        let g = graph(TruncReduceLocal { shift: 4 }, &[n], 4000);
        for x in [-1000, -7, 0, 16, 21, 3999] {
            let [_, noisy] = both(&g, Tensor::full(&[n], x), 1);
            assert!(noisy.iter().all(|v| *v == x >> 4 || *v == (x + 15) >> 4), "{x}");
            let mean = noisy.iter().sum::<i64>() as f64 / n as f64;
            assert!((mean - x as f64 / 16.0).abs() < 0.02, "{x}: {mean}");
        }
        let g = graph(ReluOt { radix: 4, skip_low: 6 }, &[n], 4000);
        for x in [-4000, -64, -1, 0, 1, 20, 62, 63, 64, 4000] {
            let [exact, noisy] = both(&g, Tensor::full(&[n], x), 2);
            assert!(exact.iter().zip(&noisy).all(|(e, v)| v == e || (*v == 0 && *e < 64)), "{x}");
            let kept = noisy.iter().filter(|v| **v != 0).count() as f64 / n as f64;
            let expected = if x <= 0 { 0.0 } else { ((x + 1) as f64 / 64.0).min(1.0) };
            assert!((kept - expected).abs() < 0.02, "{x}: {kept}, expected {expected}");
        }
    }

    /// As often as the budgets admit, and without a bias.
    #[test]
    fn a_masked_layer_is_off_by_one_at_most_and_a_flooded_one_not_at_all() {
        use crate::geom::MatMulGeom;
        use crate::mpc::MatMulRlwe;
        use crate::mpc::rlwe::{COIN_RATE, Hiding};
        use crate::ops::Weight;
        let n = 20_000;
        let run = |hiding: Hiding| {
            let mut g = Graph::default();
            let f = Fixed { ring_bits: 16, frac_bits: 0, lo: -100, hi: 100 };
            let input = Input { name: "x".into(), ty: Ty::fixed(&[1, 1], f, Owner::Client) };
            let x = g.add(input, &[], "x").unwrap();
            let x = g.add(Share {}, &[x], "x").unwrap();
            let f = Fixed { lo: -3, hi: 3, ..f };
            let w = Weight { name: "w".into(), ty: Ty::fixed(&[1, n], f, Owner::Server) };
            let w = g.add(w, &[], "w").unwrap();
            let geom = MatMulGeom { batch: 1, rows: 1, inner: 1, cols: n };
            let op = MatMulRlwe { geom, weight_bits: 3, weights_left: false, hiding };
            let y = g.add(op, &[x, w], "y").unwrap();
            g.outputs.push(("y".into(), y));
            let inputs = BTreeMap::from([("x".to_owned(), Tensor::full(&[1, 1], 7))]);
            let weights = RingWeights::from([("w".to_owned(), Tensor::full(&[1, n], 3))]);
            let out = run_shares(&g, &inputs, &weights, 4, &mut |_, _| ()).unwrap();
            out[0].1.as_ring().unwrap().data.iter().map(|v| v - 21).collect::<Vec<i64>>()
        };
        assert!(run(Hiding::Flood).iter().all(|c| *c == 0));
        let coins = run(Hiding::FullRange);
        assert!(coins.iter().all(|c| c.abs() <= 1));
        for side in [-1, 1] {
            let rate = coins.iter().filter(|c| **c == side).count() as f64 / n as f64;
            assert!((rate - COIN_RATE / 2.0).abs() < 0.01, "{side}: {rate}");
        }
    }

    #[test]
    fn a_window_of_a_pool_loses_little_and_no_window_nothing() {
        let mut state = 7u64;
        let mut next = || {
            state = mix(state.wrapping_add(1));
            (state % 200) as i64 - 100
        };
        for (kernel, stride, pads) in [([2, 2], [2, 2], [0; 4]), ([3, 3], [2, 2], [1; 4]), ([3, 1], [1, 1], [0; 4])]
        {
            let pool = MaxPool { kernel, stride, pads, dilation: [1, 1] };
            let x = Tensor::new(&[2, 3, 7, 9], (0..378).map(|_| next()).collect());
            let noisy = MaxPoolOt { skip_low: 4, ..MaxPoolOt::exact(&pool, 4) };
            let [exact, lossy] = both(&graph(noisy, &x.shape, 1000), x.clone(), 3);
            assert_eq!(exact.len(), lossy.len());
            assert!(exact.iter().zip(&lossy).all(|(e, v)| (0..=4 * 15).contains(&(e - v))));
            assert_ne!(exact, lossy);
            let [exact, same] = both(&graph(MaxPoolOt::exact(&pool, 4), &x.shape, 1000), x, 3);
            assert_eq!(exact, same);
        }
    }
}

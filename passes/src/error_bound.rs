//! How far a program may be from the reference interpreter, in units of the last place.
//!
//! Two protocols are inexact: the truncation on shares, and layers under RLWE with full-range masks; each is off by at
//! most one unit. The bound follows these units through the rest of the program with the actual weights:
//!
//! | node | worst case | variance |
//! |---|---|---|
//! | truncation by `s` | `ceil(e / 2^s + 1/2)` | `v / 4^s + 1/2` |
//! | linear layer | `e * max L1(filter)` | `v * max L2(filter)^2` |
//! | its coin under full-range masks | `+ 1` | `+ 1/4` |
//! | sum | `e + e'` | `v + v'` |
//! | relu, max, pooling | `max e` | `max v` |
//! | relu, pooling without the low k bits | `max e + 2^k - 1`, for each level of a tournament | unbounded |
//!
//! The worst case adds up every unit with the worst sign. The variance takes errors as independent: the share of one
//! party is uniform, so the carry of a truncation is a coin that no other truncation sees; so is the carry of a mask.
//!
//! Truncation on shares gives a value strictly within one of `(x + d) / 2^s`, where `d` is the error before, and the
//! reference rounds `x / 2^s`, off by at most a half: both differ by less than `|d| / 2^s + 3/2`, and by a whole
//! number.

use crate::error::{CompileError, Result};
use picc_ir::eval::Shares;
use picc_ir::facts::ErrorRule;
use picc_ir::mpc::rlwe::COIN_RATE;
use picc_ir::op::Op;
use picc_ir::ty::wrap;
use picc_ir::weights::RingWeights;
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use std::borrow::Cow;

/// Error of one value, in units of its last place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Error {
    /// No element is further off than this.
    pub worst: f64,
    /// Variance of an element's error.
    pub variance: f64,
}

impl Error {
    fn join(self, o: Error) -> Error {
        Error { worst: self.worst.max(o.worst), variance: self.variance.max(o.variance) }
    }

    fn plus(self, o: Error) -> Error {
        Error { worst: self.worst + o.worst, variance: self.variance + o.variance }
    }

    /// Of `factor * x`, or of a sum of products whose factors have these norms.
    fn scaled(self, l1: f64, l2_squared: f64) -> Error {
        Error { worst: self.worst * l1, variance: self.variance * l2_squared }
    }

    fn is_zero(self) -> bool {
        self.worst == 0.0
    }
}

/// Variance that one truncation adds: it rounds up or down at random around the exact quotient, so that it misses the
/// nearest integer by one with probability 1/2 at most.
const TRUNCATION_VARIANCE: f64 = 0.5;

/// Errors of all nodes of an mpc graph up to where the client computes over the reals.
pub(crate) fn errors(graph: &Graph, weights: &RingWeights) -> Result<Vec<Error>> {
    let mut errors: Vec<Error> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let at = |i: usize| node.args.get(i).map_or(Error::default(), |a| errors[a.index()]);
        let joined = || node.args.iter().fold(Error::default(), |e, a| e.join(errors[a.index()]));
        let magnitude =
            |i: usize| node.args.get(i).and_then(|&a| graph.ty(a).as_fixed()).map_or(0.0, |f| f.max_abs() as f64);
        let error = match node.op.facts().error {
            // What the client computes over the reals is exact: a bound speaks of the values that it was shown.
            _ if node.ty.as_fixed().is_none() => joined(),
            ErrorRule::Exact => Error::default(),
            ErrorRule::Sum => at(0).plus(at(1)),
            ErrorRule::Largest => joined(),
            ErrorRule::Compared { skip_low, levels } => joined().plus(window(skip_low, levels)),
            ErrorRule::Scaled { l1, l2_squared } => at(0).scaled(l1, l2_squared),
            ErrorRule::Summed => {
                let count = (graph.ty(node.args[0]).len() / node.ty.len().max(1)) as f64;
                at(0).scaled(count, count)
            }
            ErrorRule::Filters | ErrorRule::Rows if joined().is_zero() => coin(&node.op),
            ErrorRule::Filters => {
                let (l1, l2) = norms(&*weight(graph, weights, node.args[1])?, 0);
                at(0).scaled(l1, l2).plus(coin(&node.op))
            }
            ErrorRule::Rows => {
                let left = graph.ty(node.args[0]).owner == Owner::Server;
                let w = weight(graph, weights, node.args[usize::from(!left)])?;
                let (l1, l2) = norms(&w, if left { w.shape.len() - 2 } else { w.shape.len() - 1 });
                joined().scaled(l1, l2).plus(coin(&node.op))
            }
            ErrorRule::Product => {
                let second = node.args.len() - 1;
                product(at(0), at(second), magnitude(0), magnitude(second))
            }
            ErrorRule::Products => {
                let inner = graph.ty(node.args[0]).shape.last().copied().unwrap_or(1) as f64;
                product(at(0), at(1), magnitude(0), magnitude(1)).scaled(inner, inner)
            }
            ErrorRule::Shifted { shift } => shifted(at(0), shift),
            ErrorRule::ShiftedShares { shift } => {
                let scale = f64::from(shift).exp2();
                let variance = at(0).variance / (scale * scale) + TRUNCATION_VARIANCE;
                Error { worst: (at(0).worst / scale + 0.5).ceil(), variance }
            }
            ErrorRule::Index { axis } => index(at(0), graph, node.args[0], axis),
        };
        let most = graph.ty(id).as_fixed().map_or(f64::INFINITY, |f| f64::from(f.ring_bits).exp2());
        errors.push(Error { worst: error.worst.min(most), variance: error.variance });
    }
    Ok(errors)
}

/// What `levels` comparisons lose that leave out low bits. All of it has one sign, so that it does not average out:
/// there is no likely bound below the worst case.
fn window(skip_low: u8, levels: u64) -> Error {
    if skip_low == 0 || levels == 0 {
        return Error::default();
    }
    Error { worst: levels as f64 * (f64::from(skip_low).exp2() - 1.0), variance: 1e100 }
}

/// What a layer under full-range masks adds: -1, 0 or 1, not 0 with at most this probability.
fn coin(op: &Op) -> Error {
    if Shares::tosses(op) { Error { worst: 1.0, variance: COIN_RATE } } else { Error::default() }
}

fn shifted(e: Error, shift: u8) -> Error {
    let scale = f64::from(shift).exp2();
    Error { worst: (e.worst / scale).ceil(), variance: e.variance / (scale * scale) }
}

/// `(a + e)(b + f) - a b`
fn product(e: Error, f: Error, a: f64, b: f64) -> Error {
    Error {
        worst: e.worst * b + f.worst * a + e.worst * f.worst,
        variance: e.variance * b * b + f.variance * a * a + e.variance * f.variance,
    }
}

/// Another element may win by an ulp.
fn index(e: Error, graph: &Graph, x: Id, axis: usize) -> Error {
    let last = graph.ty(x).shape[axis].saturating_sub(1) as f64;
    if e.is_zero() { e } else { Error { worst: last, variance: last * last } }
}

/// A factor that no error reaches: weights, constants, and what is computed from them alone.
fn weight<'w>(graph: &Graph, weights: &'w RingWeights, id: Id) -> Result<Cow<'w, Tensor<i64>>> {
    let node = graph.node(id);
    let fail = |why: String| CompileError::Internal(format!("factor `{}`: {why}", node.name));
    if let Op::Weight(w) = &node.op {
        return weights.get(&w.name).map(Cow::Borrowed).ok_or_else(|| fail("its values are missing".to_owned()));
    }
    let args = node.args.iter().map(|&a| weight(graph, weights, a)).collect::<Result<Vec<_>>>()?;
    let args: Vec<&Tensor<i64>> = args.iter().map(|t| &**t).collect();
    let tys: Vec<&Ty> = node.args.iter().map(|&a| graph.ty(a)).collect();
    let ring = node.ty.as_fixed().map_or(64, |f| f.ring_bits);
    let value = node.op.eval_ring(&args, &tys).map_err(|e| fail(e.to_string()))?;
    Ok(Cow::Owned(value.map(|&v| wrap(v, ring))))
}

/// Largest L1 norm and largest squared L2 norm over the slices along `axis`.
fn norms(w: &Tensor<i64>, axis: usize) -> (f64, f64) {
    let inner: usize = w.shape[axis + 1..].iter().product();
    let n = w.shape[axis];
    let mut sums = vec![(0.0, 0.0); n];
    for (i, &v) in w.data.iter().enumerate() {
        let slot = &mut sums[(i / inner.max(1)) % n.max(1)];
        slot.0 += (v as f64).abs();
        slot.1 += (v as f64) * (v as f64);
    }
    sums.into_iter().fold((0.0, 0.0), |(a, b): (f64, f64), (l1, l2)| (a.max(l1), b.max(l2)))
}

/// The next power of two: nothing finer about the weights becomes public.
pub(crate) fn public_ulps(e: Error) -> u64 {
    if e.is_zero() {
        0
    } else if e.worst >= f64::from(62u8).exp2() {
        1 << 62
    } else {
        (e.worst.ceil() as u64).next_power_of_two()
    }
}

/// Six standard deviations, and never more than the worst case.
pub(crate) fn likely_ulps(e: Error) -> f64 {
    (6.0 * e.variance.sqrt()).min(e.worst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use crate::testing::Net;
    use picc_ir::eval::quantize_to;
    use picc_ir::op::MpcOp;
    use picc_ir::ops::TruncReduce;
    use std::collections::BTreeMap;

    /// Truncations that are off by -1, 0 or +1 at random stay within the bound, and within six standard deviations.
    #[test]
    fn random_carries_stay_within_the_bound() {
        for seed in 0..10 {
            let mut net = Net::new(seed);
            let x = net.input(&[1, 3, 8, 8]);
            let a = net.conv(x, 4, 3, 1, 1);
            let a = net.bias(a);
            let a = net.relu(a);
            let b = net.conv(a, 4, 3, 1, 1);
            let b = net.add(picc_ir::ops::Add {}, &[a, b]);
            let b = net.average_pool(b, 2);
            let y = net.gemm(b, 5);
            net.output(y);
            let samples = net.samples(2, 1.0);
            let compiled = net.compile(&Options::plain(), &samples);
            let graph = &compiled.program.graph;
            let bound = errors(graph, &compiled.weights).unwrap();
            let exact = run(graph, &compiled.weights, &samples[0], &mut || 0);
            let mut rng = crate::testing::Rng(seed);
            let noisy = run(graph, &compiled.weights, &samples[0], &mut || rng.below(3) as i64 - 1);
            for (id, _) in graph.iter().filter(|(_, n)| n.ty.as_fixed().is_some()) {
                let e = bound[id.index()];
                for (a, b) in exact[id.index()].iter().zip(&noisy[id.index()]) {
                    let d = (a - b).abs() as f64;
                    assert!(d <= e.worst, "{}: {d} > {}", graph.node(id).op.name(), e.worst);
                    assert!(d <= 12.0 * e.variance.sqrt() + 1.0, "{d} is not likely at {}", e.variance);
                }
            }
            assert!(compiled.program.error_ulps[0] > 0);
        }
    }

    /// Ring values of all nodes, `carry` added to each truncated element.
    fn run(
        graph: &Graph,
        weights: &RingWeights,
        inputs: &BTreeMap<String, Tensor<f32>>,
        carry: &mut dyn FnMut() -> i64,
    ) -> Vec<Vec<i64>> {
        let mut values: Vec<Tensor<i64>> = Vec::new();
        for (_, node) in graph.iter() {
            let args: Vec<&Tensor<i64>> = node.args.iter().map(|a| &values[a.index()]).collect();
            let tys: Vec<_> = node.args.iter().map(|&a| graph.ty(a)).collect();
            let value = match &node.op {
                Op::Input(i) => quantize_to(&inputs[&i.name], i.ty.as_fixed().unwrap()),
                Op::Weight(w) => weights[&w.name].clone(),
                _ if node.ty.as_fixed().is_none() => Tensor::default(),
                Op::Mpc(MpcOp::TruncReduceLocal(t)) => {
                    let exact = TruncReduce { shift: t.shift };
                    let v = picc_ir::op::OpDef::eval_ring(&exact, &args, &tys).unwrap();
                    v.map(|&v| v + carry())
                }
                op if Shares::tosses(op) => op.eval_ring(&args, &tys).unwrap().map(|&v| v + carry()),
                op => op.eval_ring(&args, &tys).unwrap(),
            };
            let ring = node.ty.as_fixed().map_or(64, |f| f.ring_bits);
            values.push(value.map(|&v| picc_ir::ty::wrap(v, ring)));
        }
        values.into_iter().map(|t| t.data).collect()
    }

    /// A bound speaks of the values that the client is shown, whatever it computes of them.
    #[test]
    fn what_the_client_computes_changes_no_bound() {
        for scaled in [false, true] {
            let mut net = Net::new(1);
            let x = net.input(&[1, 3, 4, 4]);
            let y = net.gemm(x, 4);
            let y = net.relu(y);
            let mut y = net.gemm(y, 4);
            if scaled {
                y = net.add(picc_ir::ops::Softmax { axis: 1 }, &[y]);
                let hundred = net.scalar(100.0);
                y = net.add(picc_ir::ops::Mul {}, &[y, hundred]);
            }
            net.output(y);
            let samples = net.samples(2, 1.0);
            let compiled = net.compile(&Options::plain(), &samples);
            assert!(compiled.program.error_ulps[0] > 0, "{scaled}");
        }
    }

    #[test]
    fn exact_programs_have_no_error() {
        let mut net = Net::new(1);
        let x = net.input(&[1, 3, 4, 4]);
        let y = net.conv(x, 2, 3, 1, 1);
        net.output(y);
        let compiled = net.compile(&Options { exact: true, ..Options::plain() }, &[]);
        assert_eq!(compiled.program.error_ulps, [0]);
    }
}

//! Polynomial activation (DELPHI, AutoReP): channels become `c2 x^2 + c1 x + c0`.
//!
//! As `(scale x + shift)^2 + rest`: scale and shift go into the layer before, so that one product of a shared value
//! with itself is all that remains. Whether that is cheaper than a comparison is asked of the cost functions.

use super::linearize;
use super::mask::Kind;
use super::moments::Moments;
use super::sites::Site;
use crate::compile::{Options, compile};
use crate::error::Result;
use crate::graph_edit::scalar_const;
use picc_ir::ops::{Conv, Input, Mul, Relu, Weight};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Owner, Tensor, Ty};
use std::collections::BTreeMap;

/// The polynomial that fits one channel best, and its squared error: a square, or a line where the channel is nearly
/// straight (as a square it would be the difference of large numbers).
pub(super) fn channel(site: &Site, m: &Moments) -> (Kind, f64) {
    let Some((p, error)) = m.parabola() else { return linearize::channel(site, m) };
    let scale = p.c2.sqrt();
    let shift = p.c1 / (2.0 * scale);
    let rest = p.c0 - shift * shift;
    (Kind::Square { scale: scale as f32, shift: shift as f32, rest: rest as f32 }, error)
}

/// Bytes of 512 activations between two convolutions: by squares, by ReLUs.
pub(super) fn prices(options: &Options) -> Result<[u64; 2]> {
    Ok([price(options, true)?, price(options, false)?])
}

fn price(options: &Options, square: bool) -> Result<u64> {
    let fail = |source| crate::CompileError::Type { node: "activation".to_owned(), op: "conv", source };
    let mut g = Graph::default();
    let shape = [1, 8, 8, 8];
    let x = Input { name: "x".to_owned(), ty: Ty::real(&shape, Owner::Client) };
    let x = g.add(x, &[], "x").map_err(fail)?;
    let ty = Ty::real(&[8, 8, 1, 1], Owner::Server);
    let conv = Conv { stride: [1, 1], pads: [0; 4], dilation: [1, 1], groups: 1 };
    let mut weights = RealWeights::new();
    let mut layer = |g: &mut Graph, x, name: &str| {
        weights.insert(name.to_owned(), Tensor::new(&[8, 8, 1, 1], (0..64).map(|i| wave(i) / 3.0).collect()));
        let w = g.add(Weight { name: name.to_owned(), ty: ty.clone() }, &[], name)?;
        g.add(conv.clone(), &[x, w], name)
    };
    let y = layer(&mut g, x, "first").map_err(fail)?;
    let y = if square {
        let uu = g.add(Mul {}, &[y, y], "activation").map_err(fail)?;
        let c = g.add(scalar_const(0.125), &[], "rest").map_err(fail)?;
        g.add(picc_ir::ops::Add {}, &[uu, c], "activation")
    } else {
        g.add(Relu {}, &[y], "activation")
    };
    let y = layer(&mut g, y.map_err(fail)?, "second").map_err(fail)?;
    g.outputs.push(("y".to_owned(), y));
    let sample =
        |s: usize| BTreeMap::from([("x".to_owned(), Tensor::new(&shape, (s..s + 512).map(wave).collect()))]);
    let options = Options { preprocess: None, labels: Vec::new(), ..options.clone() };
    let compiled = compile(&g, &weights, &options, &[sample(0), sample(7)])?;
    Ok(compiled.report.cost.inference().total())
}

/// Values in [-1, 1] without a pattern that matters.
fn wave(i: usize) -> f32 {
    ((i * 2_654_435_761) % 2001) as f32 / 1000.0 - 1.0
}

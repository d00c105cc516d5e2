//! Local response normalisation as products and ReLUs: `x * g(t)` with `t = alpha / size * sum of x^2 over channels`.
//!
//! ```text
//! x -> x * x -> sum over a window of channels -> * alpha / size = t -> lines -> g(t) -> * x
//! ```
//! `(bias + t)^-beta` is convex and falling; between knots `g` is its chord, lowered by half of the largest gap, so
//! that the error has both signs. Class `Approx`: the bound on `|g(t) - (bias + t)^-beta|` is noted in the program.

use crate::error::{CompileError, Result};
use crate::graph_edit::{Builder, prune, scalar_const};
use picc_ir::op::Op;
use picc_ir::ops::{Add, Lrn, Mul, Pad, Relu, Slice};
use picc_ir::{Graph, Id};
use std::collections::BTreeMap;

/// Straight pieces of the approximation; each but the first costs one ReLU an element.
const PIECES: usize = 16;

/// Whether anything is to be done.
pub(crate) fn has_lrn(graph: &Graph) -> bool {
    graph.nodes.iter().any(|n| matches!(n.op, Op::Lrn(_)))
}

/// The graph with `t` of every normalisation beside it, to find out how large it gets: `(node, t)` by name and id.
pub(crate) fn with_windows(graph: &Graph) -> Result<(Graph, Vec<(Id, Id)>)> {
    let mut windows = Vec::new();
    let expanded = rebuild(graph, |b, id, lrn, x, name| {
        windows.push((id, window(b, lrn, x, name)?));
        b.add(lrn.clone(), &[x], name)
    })?;
    Ok((expanded, windows))
}

/// Replaces every normalisation; `largest` holds the largest `t` of each. Returns what to note.
pub(crate) fn piecewise(graph: &Graph, largest: &BTreeMap<Id, f32>) -> Result<(Graph, Vec<String>)> {
    let mut notes = Vec::new();
    let replaced = rebuild(graph, |b, id, lrn, x, name| {
        let (alpha, beta, bias) = (lrn.alpha.value(), lrn.beta.value(), lrn.bias.value());
        if !(alpha > 0.0 && beta > 0.0 && bias > 0.0) {
            return Err(CompileError::Unsupported {
                node: name.to_owned(),
                op: "lrn",
                why: format!("alpha {alpha}, beta {beta} and bias {bias} are not all positive"),
                way_out: "normalise with positive parameters".to_owned(),
            });
        }
        // A power of two, as it becomes public.
        let range = f64::from(largest.get(&id).copied().unwrap_or(1.0)).max(2f64.powi(-10)).log2().ceil().exp2();
        let curve = Curve { beta: f64::from(beta), bias: f64::from(bias) };
        let lines = Lines::fit(&curve, range, PIECES);
        notes.push(format!(
            "lrn of node `{name}` is approximated by {} lines: its factor is off by at most {:.2e}",
            lines.knots.len(),
            lines.error
        ));
        let t = window(b, lrn, x, name)?;
        let factor = lines.emit(b, t, name)?;
        b.add(Mul {}, &[x, factor], name)
    })?;
    Ok((prune(&replaced), notes))
}

fn rebuild(
    graph: &Graph,
    mut replace: impl FnMut(&mut Builder, Id, &Lrn, Id, &str) -> Result<Id>,
) -> Result<Graph> {
    let mut b = Builder::default();
    let mut map: Vec<Id> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
        map.push(match &node.op {
            Op::Lrn(lrn) => replace(&mut b, id, lrn, args[0], &node.name)?,
            op => b.add(op.clone(), &args, &node.name)?,
        });
    }
    b.graph.outputs = graph.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    Ok(b.graph)
}

/// `alpha / size * sum of x^2` over `size` channels around each: slices of the padded squares.
fn window(b: &mut Builder, lrn: &Lrn, x: Id, name: &str) -> Result<Id> {
    let shape = b.ty(x).shape.to_vec();
    let rank = shape.len();
    let mut before = vec![0; rank];
    let mut after = vec![0; rank];
    (before[1], after[1]) = ((lrn.size - 1) / 2, lrn.size / 2);
    let squares = b.add(Mul {}, &[x, x], name)?;
    let padded = if lrn.size == 1 { squares } else { b.add(Pad { before, after }, &[squares], name)? };
    let mut sum = None;
    for i in 0..lrn.size {
        let mut start = vec![0; rank];
        start[1] = i;
        let part = match lrn.size {
            1 => padded,
            _ => b.add(Slice { start, size: shape.clone(), step: vec![1; rank] }, &[padded], name)?,
        };
        sum = Some(match sum {
            None => part,
            Some(sum) => b.add(Add {}, &[sum, part], name)?,
        });
    }
    let scale = b.add(scalar_const(lrn.alpha.value() / lrn.size as f32), &[], name)?;
    b.add(Mul {}, &[sum.unwrap_or(squares), scale], name)
}

/// `(bias + t)^-beta`
struct Curve {
    beta: f64,
    bias: f64,
}

impl Curve {
    fn at(&self, t: f64) -> f64 {
        (self.bias + t).powf(-self.beta)
    }

    /// Largest distance of the chord over `[a, b]`, which lies above the curve.
    fn gap(&self, a: f64, b: f64) -> f64 {
        let slope = (self.at(b) - self.at(a)) / (b - a);
        // Where the curve is as steep as the chord.
        let t = (slope / -self.beta).powf(-1.0 / (self.beta + 1.0)) - self.bias;
        let t = t.clamp(a, b);
        self.at(a) + slope * (t - a) - self.at(t)
    }

    /// The end of the longest chord from `a` whose gap is at most `gap`.
    fn reach(&self, a: f64, end: f64, gap: f64) -> f64 {
        if self.gap(a, end) <= gap {
            return end;
        }
        let (mut good, mut bad) = (a, end);
        for _ in 0..60 {
            let middle = (good + bad) / 2.0;
            if self.gap(a, middle) <= gap { good = middle } else { bad = middle }
        }
        good
    }

    fn knots(&self, range: f64, gap: f64, most: usize) -> Option<Vec<f64>> {
        let mut knots = vec![0.0];
        while knots.len() <= most {
            let next = self.reach(knots[knots.len() - 1], range, gap);
            if next >= range {
                return Some(knots);
            }
            knots.push(next);
        }
        None
    }
}

/// `value + sum of steps[i] * relu(t - knots[i])`; the first knot is 0, where `t` is its own ReLU.
struct Lines {
    value: f64,
    knots: Vec<f64>,
    steps: Vec<f64>,
    error: f64,
}

impl Lines {
    /// The smallest error with at most `pieces` pieces on `[0, range]`.
    fn fit(curve: &Curve, range: f64, pieces: usize) -> Lines {
        let (mut low, mut high) = (0.0, curve.gap(0.0, range));
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            match curve.knots(range, middle, pieces) {
                Some(_) => high = middle,
                None => low = middle,
            }
        }
        let knots = curve.knots(range, high, pieces).unwrap_or_else(|| vec![0.0]);
        let ends: Vec<f64> = knots.iter().copied().chain([range]).collect();
        let slopes: Vec<f64> = ends.windows(2).map(|p| (curve.at(p[1]) - curve.at(p[0])) / (p[1] - p[0])).collect();
        let steps = slopes.iter().enumerate().map(|(i, s)| if i == 0 { *s } else { s - slopes[i - 1] }).collect();
        Lines { value: curve.at(0.0) - high / 2.0, knots, steps, error: high / 2.0 }
    }

    fn emit(&self, b: &mut Builder, t: Id, name: &str) -> Result<Id> {
        let mut sum = None;
        for (&knot, &step) in self.knots.iter().zip(&self.steps) {
            let above = if knot == 0.0 {
                t
            } else {
                let knot = b.add(scalar_const(-knot as f32), &[], name)?;
                let above = b.add(Add {}, &[t, knot], name)?;
                b.add(Relu {}, &[above], name)?
            };
            let step = b.add(scalar_const(step as f32), &[], name)?;
            let line = b.add(Mul {}, &[above, step], name)?;
            sum = Some(match sum {
                None => line,
                Some(sum) => b.add(Add {}, &[sum, line], name)?,
            });
        }
        let value = b.add(scalar_const(self.value as f32), &[], name)?;
        b.add(Add {}, &[sum.unwrap_or(t), value], name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use crate::testing::{Net, max_difference, run_program};

    #[test]
    fn the_bound_holds_between_the_knots() {
        for (beta, bias, range) in [(0.75, 1.0, 8.0), (0.5, 2.0, 1024.0), (1.0, 0.5, 1.0)] {
            let curve = Curve { beta, bias };
            let lines = Lines::fit(&curve, range, PIECES);
            assert!(lines.knots.len() <= PIECES);
            for i in 0..=10_000 {
                let t = range * f64::from(i) / 10_000.0;
                let g: f64 = lines.value
                    + lines.knots.iter().zip(&lines.steps).map(|(k, s)| s * (t - k).max(0.0)).sum::<f64>();
                assert!((g - curve.at(t)).abs() <= lines.error * 1.0001 + 1e-12, "at {t}");
            }
        }
    }

    #[test]
    fn a_net_with_lrn() {
        let mut net = Net::new(1);
        let x = net.input(&[1, 6, 4, 4]);
        let y = net.conv(x, 8, 3, 1, 1);
        let (alpha, beta, bias) = (0.5f32.into(), 0.75f32.into(), 1.0f32.into());
        let y = net.add(Lrn { size: 5, alpha, beta, bias }, &[y]);
        let y = net.conv(y, 4, 3, 1, 1);
        net.output(y);
        let samples = net.samples(8, 1.0);
        let compiled = net.compile(&Options::plain(), &samples);
        assert!(compiled.program.notes[0].contains("lrn of node"), "{:?}", compiled.program.notes);
        for inputs in &samples[..3] {
            let d = max_difference(&net.real(inputs)[0], &run_program(&compiled, inputs)[0]);
            assert!(d < 0.05, "off by {d}");
        }
    }
}

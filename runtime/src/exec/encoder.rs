//! The client's encoder: numbers to the integers of a program, and what does not fit it.

use super::executable::Executable;
use crate::error::{BadInput, BadProgram, Result};
use crate::inputs::Sample;
use picc_ir::eval::quantize_to;
use picc_ir::ops::{Const, ConstValue};
use picc_ir::{Fixed, Graph, Id, Op, Tensor};
use std::collections::BTreeMap;

/// The client's inputs as the program's integers: `round(x * 2^frac_bits)`.
///
/// # Errors
/// If an input is missing or has another shape, or if a value lies outside the program's range by more than rounding:
/// the program would answer for another input. [`clip`] moves such values to the ends first.
pub fn quantize(exe: &Executable, sample: &Sample) -> Result<BTreeMap<String, Tensor<i64>>> {
    let mut inputs = BTreeMap::new();
    for (id, node) in exe.graph().iter() {
        if let Op::Input(input) = &node.op {
            let x = sample.get(&input.name).ok_or_else(|| BadInput::Missing { input: input.name.clone() })?;
            if x.shape != input.ty.shape {
                let (got, needs) = (x.shape.as_slice().into(), input.ty.shape.as_slice().into());
                return Err(BadInput::Shape { input: input.name.clone(), got, needs }.into());
            }
            let f = input.ty.as_fixed().ok_or_else(|| BadProgram::RealInput { input: input.name.clone() })?;
            in_range(&input.name, x, f, &Ends::of(exe.graph(), id, f))?;
            inputs.insert(input.name.clone(), quantize_to(x, f));
        }
    }
    Ok(inputs)
}

/// The ends of an input's range, as numbers. Where the client multiplies its input by constants first (features of
/// unlike units), each element ends where its product would leave the room that the program has for it.
struct Ends {
    whole: [f64; 2],
    /// Largest magnitude of each element; none if the whole says it.
    each: Option<Vec<f64>>,
}

impl Ends {
    fn of(graph: &Graph, input: Id, f: Fixed) -> Ends {
        let scale = f64::from(f.frac_bits).exp2();
        let each = room(graph, input).map(|room| room.iter().map(|most| most / scale).collect());
        Ends { whole: [f.lo as f64 / scale, f.hi as f64 / scale], each }
    }

    fn at(&self, index: usize) -> [f64; 2] {
        let [lo, hi] = self.whole;
        self.each.as_ref().map_or(self.whole, |each| [lo.max(-each[index]), hi.min(each[index])])
    }
}

/// For each element of an input how large its integer may be so that its product with a constant keeps the spare bit
/// of its ring; none if the input is used in another way.
fn room(graph: &Graph, input: Id) -> Option<Vec<f64>> {
    let shape = &graph.ty(input).shape;
    let mut most: Option<Vec<f64>> = None;
    for (_, node) in graph.iter().filter(|(_, n)| n.args.contains(&input)) {
        let (Op::Mul(_), &[a, b]) = (&node.op, &node.args[..]) else { return None };
        let factors = if a == input { b } else { a };
        let Op::Const(Const { ty, value: ConstValue::Int(values) }) = &graph.node(factors).op else { return None };
        let values = if let &[one] = &values[..] {
            Tensor::full(&ty.shape, one)
        } else {
            Tensor::new(&ty.shape, values.clone())
        };
        let ones = Tensor::full(shape, 1i64);
        let (x, y) = if a == input { (&ones, &values) } else { (&values, &ones) };
        let factors = node.op.eval_ring(&[x, y], &[graph.ty(a), graph.ty(b)]).ok().filter(|t| t.shape == *shape)?;
        let ring = node.ty.as_fixed()?.ring_bits;
        let here = factors.data.iter().map(|&v| f64::from(ring.saturating_sub(2)).exp2() / (v.abs().max(1) as f64));
        most = Some(match most {
            None => here.collect(),
            Some(most) => most.iter().zip(here).map(|(a, b)| a.min(b)).collect(),
        });
    }
    most
}

/// With five significant digits, for messages.
#[must_use]
pub fn short(v: f64) -> f64 {
    if v == 0.0 {
        return v;
    }
    let scale = 10f64.powi(4 - v.abs().log10().floor() as i32);
    (v * scale).round() / scale
}

fn in_range(name: &str, x: &Tensor<f32>, f: Fixed, ends: &Ends) -> Result<()> {
    let input = name.to_owned();
    if let Some((index, &value)) = x.data.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(BadInput::NotFinite { input, index, value }.into());
    }
    let unit = f64::from(f.frac_bits).exp2().recip();
    let is_outside = |(i, v): (usize, &f32)| {
        let [lo, hi] = ends.at(i);
        // One unit for rounding to integers, and what an f32 cannot tell apart.
        let slack = unit.max(lo.abs().max(hi) * f64::from(f32::EPSILON));
        !(lo - slack..=hi + slack).contains(&f64::from(*v))
    };
    let Some(index) = x.data.iter().enumerate().position(is_outside) else { return Ok(()) };
    let (mut outside, mut worst) = (0, [f32::MAX, f32::MIN]);
    for (_, &v) in x.data.iter().enumerate().filter(|&at| is_outside(at)) {
        outside += 1;
        worst = [worst[0].min(v), worst[1].max(v)];
    }
    let range = ends.at(index).map(short);
    Err(BadInput::OutOfRange { input, index, outside, values: x.data.len(), worst, range }.into())
}

/// Moves values outside the program's ranges to their ends; how many there were. What is no number stays.
pub fn clip(exe: &Executable, sample: &mut Sample) -> u64 {
    let mut clipped = 0;
    for (id, node) in exe.graph().iter() {
        let Op::Input(input) = &node.op else { continue };
        let (Some(x), Some(f)) = (sample.get_mut(&input.name), input.ty.as_fixed()) else { continue };
        let ends = Ends::of(exe.graph(), id, f);
        for (i, v) in x.data.iter_mut().enumerate() {
            let [lo, hi] = ends.at(i).map(|end| end as f32);
            if *v < lo || *v > hi {
                *v = v.clamp(lo, hi);
                clipped += 1;
            }
        }
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::ops::{Input, Mul};
    use picc_ir::{Owner, Ty};

    /// Three features, of which the client multiplies the first by 2^10 and the second by 2^4.
    fn graph(other_use: bool) -> (Graph, Id, Fixed) {
        let fixed = Fixed { ring_bits: 30, frac_bits: 10, lo: -(1 << 20), hi: 1 << 20 };
        let mut g = Graph::default();
        let ty = Ty::fixed(&[1, 3], fixed, Owner::Client);
        let x = g.add(Input { name: "x".into(), ty }, &[], "x").unwrap();
        let ty = Ty::fixed(&[3], Fixed { ring_bits: 30, frac_bits: 0, lo: 1, hi: 1024 }, Owner::Public);
        let factors = Const { ty, value: ConstValue::Int(vec![1024, 16, 1]) };
        let factors = g.add(factors, &[], "x").unwrap();
        let y = g.add(Mul {}, &[x, factors], "x").unwrap();
        g.outputs.push(("y".into(), y));
        if other_use {
            let z = g.add(picc_ir::ops::Neg {}, &[x], "z").unwrap();
            g.outputs.push(("z".into(), z));
        }
        (g, x, fixed)
    }

    /// What fits the input's range as a whole may still be too large for a feature that is multiplied up: an error, and
    /// no wrong answer without a word.
    #[test]
    fn each_feature_has_its_range() {
        let (g, x, f) = graph(false);
        let ends = Ends::of(&g, x, f);
        // The ring leaves 2^28 / 2^10, and the range of the whole is 2^10.
        assert_eq!([0, 1, 2].map(|i| ends.at(i)[1]), [256.0, 1024.0, 1024.0]);
        let check = |values: [f32; 3]| in_range("x", &Tensor::new(&[1, 3], values.to_vec()), f, &ends);
        assert!(check([256.0, 1024.0, -1024.0]).is_ok());
        let told = check([300.0, 0.0, 0.0]).unwrap_err().to_string();
        assert!(told.contains("1 of 3 values") && told.contains("-256 to 256"), "{told}");
        assert!(check([0.0, 0.0, 1100.0]).unwrap_err().to_string().contains("-1024 to 1024"));
    }

    #[test]
    fn another_use_leaves_the_range_of_the_whole() {
        let (g, x, f) = graph(true);
        assert_eq!(Ends::of(&g, x, f).at(0), [-1024.0, 1024.0]);
    }
}

//! Sums of products over named axes.

use super::reals;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Known, Value};
use crate::onnx::node::NodeView;
use picc_ir::Tensor;
use picc_ir::tensor::strides;

/// An axis: a letter, or one of those that `...` stands for, counted from the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Letter(char),
    Rest(usize),
}

/// `Einsum`.
pub fn einsum(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let equation: String = node.string("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let bad = |why: &str| Cause::attribute("equation", format!("`{equation}`: {why}"));
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let known = (0..node.inputs.len()).map(|i| node.known(i, "operand")).collect::<Result<Vec<&Known>, _>>()?;
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != known.len() {
        return Err(bad(&format!("{} terms for {} inputs", terms.len(), known.len())));
    }
    let mut inputs = Vec::with_capacity(terms.len());
    for (term, k) in terms.iter().zip(&known) {
        let labels = labels(term, k.shape().len()).filter(|l| l.len() == k.shape().len());
        inputs.push(labels.ok_or_else(|| bad(&format!("`{term}` for a value of shape {:?}", &k.shape()[..])))?);
    }
    // Extents: an axis of one broadcasts.
    let mut extents: Vec<(Label, usize)> = Vec::new();
    for (&label, &d) in inputs.iter().zip(&known).flat_map(|(l, k)| l.iter().zip(k.shape())) {
        match extents.iter_mut().find(|(l, _)| *l == label) {
            None => extents.push((label, d)),
            Some((_, there)) if *there == d || d == 1 => {}
            Some((_, there)) if *there == 1 => *there = d,
            Some((_, there)) => return Err(bad(&format!("axes of {there} and {d} elements share a name"))),
        }
    }
    let rest = extents.iter().filter(|(l, _)| matches!(l, Label::Rest(_))).count();
    let output = match right {
        Some(term) => {
            let letters = term.chars().filter(char::is_ascii_alphabetic).count();
            let rank = if term.contains("...") { letters + rest } else { letters };
            labels(term, rank).ok_or_else(|| bad("its result"))?
        }
        None => implied(&inputs, rest),
    };
    let distinct = output.iter().enumerate().all(|(i, l)| !output[..i].contains(l));
    if !distinct || !output.iter().all(|l| extents.iter().any(|(there, _)| there == l)) {
        return Err(bad("its result"));
    }
    // The result's axes first, so that what is summed lies together.
    let summed = extents.iter().map(|(l, _)| *l).filter(|l| !output.contains(l));
    let axes: Vec<Label> = output.iter().copied().chain(summed).collect();
    let extent = |label: &Label| extents.iter().find(|(l, _)| l == label).map_or(1, |(_, d)| *d);
    let shape: Vec<usize> = axes.iter().map(extent).collect();
    importer.may_hold(&shape[..output.len()])?;
    let work = shape.iter().fold(known.len(), |n, &d| n.saturating_mul(d));
    importer.spend_work(work)?;
    let values: Vec<Tensor<f64>> = known.iter().map(|k| k.to_real()).collect();
    let steps: Vec<Vec<usize>> = inputs.iter().zip(&values).map(|(l, t)| steps(l, t, &axes)).collect();
    let y = sums(&values, &steps, &shape, output.len());
    Ok(vec![reals(importer, &y, &known)?])
}

/// The axes that a term names, for a value of this rank; `None` if it is no term.
fn labels(term: &str, rank: usize) -> Option<Vec<Label>> {
    let letters = |text: &str| {
        text.chars().map(|c| c.is_ascii_alphabetic().then_some(Label::Letter(c))).collect::<Option<Vec<_>>>()
    };
    let Some((before, after)) = term.split_once("...") else { return letters(term) };
    let (mut found, after) = (letters(before)?, letters(after)?);
    let rest = rank.checked_sub(found.len() + after.len())?;
    found.extend((0..rest).rev().map(Label::Rest));
    found.extend(after);
    Some(found)
}

/// Without a result in the equation: what `...` stands for, then the letters that occur once, in their order.
fn implied(inputs: &[Vec<Label>], rest: usize) -> Vec<Label> {
    let all: Vec<char> = inputs
        .iter()
        .flatten()
        .filter_map(|l| match l {
            Label::Letter(c) => Some(*c),
            Label::Rest(_) => None,
        })
        .collect();
    let mut once: Vec<char> = all.iter().copied().filter(|c| all.iter().filter(|d| *d == c).count() == 1).collect();
    once.sort_unstable();
    (0..rest).rev().map(Label::Rest).chain(once.into_iter().map(Label::Letter)).collect()
}

/// How far one step along each of `axes` moves in a tensor with these labels.
fn steps(labels: &[Label], t: &Tensor<f64>, axes: &[Label]) -> Vec<usize> {
    let strides = strides(&t.shape);
    let step = |axis: &Label| {
        let along = labels.iter().enumerate().filter(|&(i, l)| l == axis && t.shape[i] != 1);
        along.map(|(i, _)| strides[i]).sum::<usize>()
    };
    axes.iter().map(step).collect()
}

/// The products at all points of `shape`, summed over the axes from `kept` on.
fn sums(values: &[Tensor<f64>], steps: &[Vec<usize>], shape: &[usize], kept: usize) -> Tensor<f64> {
    let together: usize = shape[kept..].iter().product();
    let mut y = Tensor::full(&shape[..kept], 0.0);
    let mut at = vec![0usize; shape.len()];
    let mut offset = vec![0usize; values.len()];
    for sum in &mut y.data {
        for _ in 0..together {
            *sum += values.iter().zip(&offset).map(|(t, &i)| t.data[i]).product::<f64>();
            for a in (0..shape.len()).rev() {
                at[a] += 1;
                offset.iter_mut().zip(steps).for_each(|(o, s)| *o += s[a]);
                if at[a] < shape[a] {
                    break;
                }
                offset.iter_mut().zip(steps).for_each(|(o, s)| *o -= s[a] * shape[a]);
                at[a] = 0;
            }
        }
    }
    y
}

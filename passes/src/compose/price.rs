//! What layers in a row cost: compiled alone, for the protocols and the deployment of the options.

use super::layer::Layer;
use crate::compile::Options;
use crate::error::{CompileError, Result};
use crate::prepared::{Prepared, Tuning};
use picc_ir::ops::{Conv, Input, MatMul, Weight};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Owner, Tensor, Ty};
use std::collections::{BTreeMap, HashMap};

/// Prices by shape: networks repeat their layers.
pub(super) struct Prices {
    options: Options,
    /// In picoseconds; `None`: no protocol computes it.
    known: HashMap<Vec<Layer>, Option<u64>>,
}

impl Prices {
    pub fn new(options: &Options) -> Prices {
        let options = Options { preprocess: None, labels: Vec::new(), ..options.clone() };
        Prices { options, known: HashMap::new() }
    }

    /// Picoseconds by which `both` is cheaper than `first` and `second`; `None` if it is not.
    pub fn saved(&mut self, first: Layer, second: Layer, both: Layer) -> Option<u64> {
        let (apart, together) = (self.of(&[first, second])?, self.of(&[both])?);
        apart.checked_sub(together).filter(|&saved| saved > 0)
    }

    fn of(&mut self, layers: &[Layer]) -> Option<u64> {
        if let Some(price) = self.known.get(layers) {
            return *price;
        }
        let price = price(layers, &self.options).ok();
        self.known.insert(layers.to_vec(), price);
        price
    }
}

/// A value of both parties goes in and the last layer's output, truncated, is revealed: the same for any layers.
fn price(layers: &[Layer], options: &Options) -> Result<u64> {
    let mut graph = Graph::default();
    let mut weights = RealWeights::new();
    let typed = |source| CompileError::Type { node: "layer".to_owned(), op: "layer", source };
    let shape = match layers[0] {
        Layer::Conv(g) => vec![g.n, g.c_in, g.h, g.w],
        Layer::MatMul(g) => vec![g.batch * g.rows, g.inner],
    };
    let input = Input { name: "x".to_owned(), ty: Ty::real(&shape, Owner::Client) };
    let mut x = graph.add(input, &[], "x").map_err(typed)?;
    for (i, layer) in layers.iter().enumerate() {
        let name = format!("layer{i}");
        let (shape, fan_in) = match layer {
            Layer::Conv(g) => (vec![g.c_out, g.c_in / g.groups, g.kh, g.kw], g.fan_in()),
            Layer::MatMul(g) => (vec![g.inner, g.cols], g.inner),
        };
        let values = wave(&shape).map(|v| v / (fan_in as f32).sqrt());
        let ty = Ty::real(&shape, Owner::Server);
        weights.insert(name.clone(), values);
        let w = graph.add(Weight { name: name.clone(), ty }, &[], &name).map_err(typed)?;
        x = match layer {
            Layer::Conv(g) => graph.add(Conv::of(g), &[x, w], &name),
            Layer::MatMul(_) => graph.add(MatMul {}, &[x, w], &name),
        }
        .map_err(typed)?;
    }
    graph.outputs.push(("y".to_owned(), x));
    let sample = BTreeMap::from([("x".to_owned(), wave(&shape))]);
    let model = Prepared::as_it_is(&graph, &weights, options, &[sample])?;
    let compiled = model.compile(options, &Tuning::default(), &model.bounds(options, options.margin())?)?;
    let seconds = compiled.explanation.map(|e| e.after.seconds);
    let none = || CompileError::Internal("layers are composed for a deployment only".to_owned());
    Ok((seconds.ok_or_else(none)? * 1e12) as u64)
}

/// Values in [-1, 1] without a pattern that matters.
fn wave(shape: &[usize]) -> Tensor<f32> {
    let value = |i: usize| ((i * 2_654_435_761) % 2001) as f32 / 1000.0 - 1.0;
    Tensor::new(shape, (0..shape.iter().product()).map(value).collect())
}

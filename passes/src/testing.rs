//! Small graphs and deterministic values for this crate's tests.

use crate::{Compiled, Options, compile};
use picc_ir::eval::{run_real, run_ring};
use picc_ir::op::Op;
use picc_ir::ops::*;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use std::collections::BTreeMap;

pub(crate) type Inputs = BTreeMap<String, Tensor<f32>>;

/// A linear congruential generator: tests need variety, not randomness.
pub(crate) struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// In `[-scale, scale]`.
    pub fn real(&mut self, scale: f32) -> f32 {
        (self.next() as f32 / (1u64 << 31) as f32 * 2.0 - 1.0) * scale
    }

    pub fn tensor(&mut self, shape: &[usize], scale: f32) -> Tensor<f32> {
        let n = shape.iter().product();
        Tensor::new(shape, (0..n).map(|_| self.real(scale)).collect())
    }
}

/// A real graph under construction, with its weights.
pub(crate) struct Net {
    pub graph: Graph,
    pub weights: RealWeights,
    pub rng: Rng,
}

impl Net {
    pub fn new(seed: u64) -> Net {
        Net { graph: Graph::default(), weights: RealWeights::new(), rng: Rng(seed) }
    }

    pub fn add(&mut self, op: impl Into<Op>, args: &[Id]) -> Id {
        let op = op.into();
        let name = format!("{}{}", op.name(), self.graph.nodes.len());
        self.graph.add(op, args, &name).unwrap()
    }

    pub fn shape(&self, id: Id) -> Vec<usize> {
        self.graph.ty(id).shape.to_vec()
    }

    pub fn input(&mut self, shape: &[usize]) -> Id {
        self.add(Input { name: "x".to_owned(), ty: Ty::real(shape, Owner::Client) }, &[])
    }

    pub fn weight_of(&mut self, values: Tensor<f32>) -> Id {
        let name = format!("w{}", self.weights.len());
        let ty = Ty::real(&values.shape, Owner::Server);
        self.weights.insert(name.clone(), values);
        self.graph.add(Weight { name: name.clone(), ty }, &[], &name).unwrap()
    }

    pub fn weight(&mut self, shape: &[usize], scale: f32) -> Id {
        let values = self.rng.tensor(shape, scale);
        self.weight_of(values)
    }

    pub fn scalar(&mut self, v: f32) -> Id {
        self.add(crate::graph_edit::scalar_const(v), &[])
    }

    /// Convolution `k x k` with padding `k / 2`, scaled to keep the magnitude.
    pub fn conv(&mut self, x: Id, outs: usize, k: usize, stride: usize, groups: usize) -> Id {
        let ins = self.shape(x)[1];
        let scale = 1.5 / ((ins / groups * k * k) as f32).sqrt();
        let w = self.weight(&[outs, ins / groups, k, k], scale);
        let pads = [k / 2; 4];
        self.add(Conv { stride: [stride; 2], pads, dilation: [1, 1], groups }, &[x, w])
    }

    /// A bias or a scale for each channel of axis 1.
    pub fn per_channel(&mut self, x: Id, scale: f32, offset: f32) -> Id {
        let c = self.shape(x)[1];
        let values = self.rng.tensor(&[c, 1, 1], scale).map(|v| v + offset);
        self.weight_of(values)
    }

    pub fn bias(&mut self, x: Id) -> Id {
        let b = self.per_channel(x, 0.5, 0.0);
        self.add(Add {}, &[x, b])
    }

    pub fn batch_norm(&mut self, x: Id) -> Id {
        let s = self.per_channel(x, 0.5, 1.0);
        let y = self.add(Mul {}, &[x, s]);
        self.bias(y)
    }

    pub fn relu(&mut self, x: Id) -> Id {
        self.add(Relu {}, &[x])
    }

    pub fn max_pool(&mut self, x: Id, k: usize) -> Id {
        self.add(MaxPool { kernel: [k; 2], stride: [k; 2], pads: [0; 4], dilation: [1, 1] }, &[x])
    }

    pub fn average_pool(&mut self, x: Id, k: usize) -> Id {
        let sum = self.add(SumPool { kernel: [k; 2], stride: [k; 2], pads: [0; 4], dilation: [1, 1] }, &[x]);
        let c = self.scalar(1.0 / (k * k) as f32);
        self.add(Mul {}, &[sum, c])
    }

    pub fn gemm(&mut self, x: Id, outs: usize) -> Id {
        let shape = self.shape(x);
        let inner = shape[1..].iter().product();
        let flat = self.add(Reshape { shape: vec![shape[0], inner] }, &[x]);
        let w = self.weight(&[inner, outs], 1.5 / (inner as f32).sqrt());
        let y = self.add(MatMul {}, &[flat, w]);
        let b = self.weight(&[outs], 0.5);
        self.add(Add {}, &[y, b])
    }

    pub fn output(&mut self, id: Id) {
        let name = format!("y{}", self.graph.outputs.len());
        self.graph.outputs.push((name, id));
    }

    pub fn samples(&mut self, n: usize, scale: f32) -> Vec<Inputs> {
        let inputs: Vec<(String, Vec<usize>)> = self
            .graph
            .nodes
            .iter()
            .filter_map(|n| match &n.op {
                Op::Input(i) => Some((i.name.clone(), i.ty.shape.to_vec())),
                _ => None,
            })
            .collect();
        (0..n)
            .map(|_| inputs.iter().map(|(name, shape)| (name.clone(), self.rng.tensor(shape, scale))).collect())
            .collect()
    }

    pub fn compile(&self, options: &Options, calibration: &[Inputs]) -> Compiled {
        compile(&self.graph, &self.weights, options, calibration)
            .unwrap_or_else(|e| panic!("{e}\n{:?}", self.graph))
    }

    pub fn real(&self, inputs: &Inputs) -> Vec<Tensor<f32>> {
        outputs_of(&self.graph, &self.weights, inputs)
    }
}

pub(crate) fn outputs_of(graph: &Graph, weights: &RealWeights, inputs: &Inputs) -> Vec<Tensor<f32>> {
    let out = run_real(graph, inputs, weights, &mut |_, _| {}).unwrap();
    out.into_iter().map(|(_, t)| t).collect()
}

/// What the program computes, by the interpreter.
pub(crate) fn run_program(compiled: &Compiled, inputs: &Inputs) -> Vec<Tensor<f32>> {
    let ints = ring_inputs(&compiled.program.graph, inputs);
    let out = run_ring(&compiled.program.graph, &ints, &compiled.weights, &mut |_, _| {}).unwrap();
    out.into_iter().map(|(_, v)| v.as_real().unwrap().clone()).collect()
}

/// Outputs of the ring graph, dequantized.
pub(crate) fn run_ring_graph(compiled: &Compiled, inputs: &Inputs) -> Vec<(String, Tensor<f32>)> {
    let graph = &compiled.ring_graph;
    let ints = ring_inputs(graph, inputs);
    let out = run_ring(graph, &ints, &compiled.weights, &mut |_, _| {}).unwrap();
    let frac = |id: Id| f64::from(graph.ty(id).as_fixed().unwrap().frac_bits).exp2();
    out.into_iter()
        .zip(&graph.outputs)
        .map(|((name, v), (_, id))| (name, v.as_ring().unwrap().map(|&v| (v as f64 / frac(*id)) as f32)))
        .collect()
}

fn ring_inputs(graph: &Graph, inputs: &Inputs) -> BTreeMap<String, Tensor<i64>> {
    let mut ints = BTreeMap::new();
    for node in &graph.nodes {
        if let Op::Input(i) = &node.op {
            let f = i.ty.as_fixed().unwrap();
            ints.insert(i.name.clone(), picc_ir::eval::quantize_to(&inputs[&i.name], f));
        }
    }
    ints
}

pub(crate) fn max_difference(a: &Tensor<f32>, b: &Tensor<f32>) -> f32 {
    assert_eq!(a.shape, b.shape);
    a.data.iter().zip(&b.data).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

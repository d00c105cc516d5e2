//! A small network with the steps of a large one: what mutations start from.

use picc_ir::weights::RingWeights;
use picc_ir::{Graph, Op, Program, Tensor};
use picc_passes::{Linear, Options, compile};
use std::collections::BTreeMap;

/// The network over the reals.
pub const MODEL: &str = r#"
%0 = input {"name":"x"} : client [1x2x4x4] real
%1 = weight {"name":"w"} : server [3x2x3x3] real
%2 = conv {"dilation":[1,1],"groups":1,"pads":[1,1,1,1],"stride":[1,1]} %0 %1 ; name "conv"
%3 = weight {"name":"b"} : server [1x3x1x1] real
%4 = add %2 %3 ; name "bias"
%5 = relu %4 ; name "relu"
%6 = max_pool {"dilation":[1,1],"kernel":[2,2],"pads":[0,0,0,0],"stride":[2,2]} %5 ; name "pool"
%7 = reshape {"shape":[1,12]} %6 ; name "flat"
%8 = weight {"name":"v"} : server [12x3] real
%9 = matmul %7 %8 ; name "fc"
output "y" %9
"#;

/// A compiled [`MODEL`].
#[derive(Clone, Debug)]
pub struct Small {
    pub program: Program,
    pub ring_graph: Graph,
    pub weights: RingWeights,
}

/// Compiles [`MODEL`], with weights that are the same every time.
///
/// # Panics
/// Never: the model compiles with every linear protocol, exact or not.
#[must_use]
pub fn small(linear: Linear, exact: bool) -> Small {
    let graph: Graph = MODEL.parse().expect("the model is a graph");
    let mut weights = BTreeMap::new();
    for node in &graph.nodes {
        if let Op::Weight(weight) = &node.op {
            let values = (0..weight.ty.len()).map(|i| (i * 37 % 19) as f32 / 10.0 - 0.9).collect();
            weights.insert(weight.name.clone(), Tensor::new(&weight.ty.shape, values));
        }
    }
    let options = Options { model: "small".to_owned(), linear, exact, frac: Some(8), ..Options::plain() };
    let sample = |sign: f32| {
        let data = (0..32u8).map(|i| sign * f32::from(i) / 16.0).collect();
        BTreeMap::from([("x".to_owned(), Tensor::new(&[1, 2, 4, 4], data))])
    };
    let compiled = compile(&graph, &weights, &options, &[sample(1.0), sample(-1.0)]).expect("the model compiles");
    Small { program: compiled.program, ring_graph: compiled.ring_graph, weights: compiled.weights }
}

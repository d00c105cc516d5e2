//! picc to ONNX: a real-valued graph and its weights become a model file with ordinary operators.
//!
//! ```text
//! graph -> bias folded into Conv and Gemm -> one or a few ONNX nodes for each node -> protobuf
//! ```
//! For fine-tuning in any framework what a rewrite made of a model, and to import it again: biases are inputs of
//! their layer, weights keep their names and nodes theirs (a second node of one name gets a number). Importing the
//! file gives a graph that means the same; sums of an average pool may differ in the last bit of a float.

mod layers;
mod nodes;
mod proto;

use picc_ir::op::Op;
use picc_ir::ops::{Const, ConstValue, Weight};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Tensor};
use proto::{File, Integers};
use std::collections::HashSet;

/// Opset of the written models.
pub const OPSET: i64 = 17;

/// Bytes of weights that fit a protobuf message, with room for the graph.
const MAX_WEIGHT_BYTES: usize = (1 << 31) - (1 << 24);

/// Why a graph cannot be written as ONNX.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("node `{node}` ({op}): {why}")]
    Node { node: String, op: &'static str, why: String },
    #[error("weight `{name}` has no values of shape {shape:?}: give the weights that belong to the graph")]
    Weight { name: String, shape: Vec<usize> },
    #[error(
        "the weights have {found} bytes, an ONNX file without external data holds at most {limit}: use a smaller model"
    )]
    TooLarge { found: usize, limit: usize },
    #[error("the ONNX message could not be written: {0}")]
    Write(String),
}

/// The ONNX file of a real-valued graph. The weights are in it: it is as secret as they are.
///
/// # Errors
/// If a node has no meaning over the reals, a weight is missing, or the weights exceed 2 GB.
pub fn export(graph: &Graph, weights: &RealWeights, model: &str) -> Result<Vec<u8>, ExportError> {
    let mut exporter = Exporter::new(graph, weights)?;
    for (id, _) in graph.iter() {
        exporter.node(id)?;
    }
    exporter.outputs();
    exporter.file.bytes(model)
}

/// A model file that grows node by node.
struct Exporter<'g> {
    graph: &'g Graph,
    weights: &'g RealWeights,
    file: File,
    /// Name of each node's value in the file.
    values: Vec<String>,
    /// Names of values and weights that are taken.
    names: HashSet<String>,
    node_names: HashSet<String>,
    uses: Vec<usize>,
    /// Linear layers whose bias is added by the layer itself, by the node of the addition.
    layers: Vec<Option<layers::WithBias>>,
    /// Nodes that another node computes with its own.
    absorbed: Vec<bool>,
}

impl<'g> Exporter<'g> {
    fn new(graph: &'g Graph, weights: &'g RealWeights) -> Result<Exporter<'g>, ExportError> {
        let mut uses = vec![0; graph.nodes.len()];
        for node in &graph.nodes {
            node.args.iter().for_each(|a| uses[a.index()] += 1);
        }
        graph.outputs.iter().for_each(|(_, id)| uses[id.index()] += 1);
        let layers = layers::find(graph, weights, &uses);
        let mut absorbed = vec![false; graph.nodes.len()];
        layers.iter().flatten().for_each(|l| absorbed[l.linear.index()] = true);
        let mut exporter = Exporter {
            graph,
            weights,
            file: File::default(),
            values: vec![String::new(); graph.nodes.len()],
            names: HashSet::new(),
            node_names: HashSet::new(),
            uses,
            layers,
            absorbed,
        };
        exporter.check_size()?;
        exporter.interface();
        Ok(exporter)
    }

    fn check_size(&self) -> Result<(), ExportError> {
        let sizes = self.graph.nodes.iter().map(|n| match &n.op {
            Op::Weight(w) => 4 * w.ty.len(),
            _ => 0,
        });
        let found = sizes.fold(0usize, usize::saturating_add);
        let limit = MAX_WEIGHT_BYTES;
        if found <= limit { Ok(()) } else { Err(ExportError::TooLarge { found, limit }) }
    }

    /// Names of inputs and outputs are the model's interface: nobody else may take them.
    fn interface(&mut self) {
        for (id, node) in self.graph.iter() {
            if let Op::Input(input) = &node.op {
                self.names.insert(input.name.clone());
                self.values[id.index()].clone_from(&input.name);
                self.file.input(&input.name, &input.ty.shape);
            }
        }
        for (name, id) in &self.graph.outputs {
            let value = &mut self.values[id.index()];
            if value.is_empty() && self.names.insert(name.clone()) {
                value.clone_from(name);
            }
        }
    }

    /// Outputs that share a value with an input or another output are copies of it.
    fn outputs(&mut self) {
        for (name, id) in &self.graph.outputs {
            let value = self.values[id.index()].clone();
            if value != *name {
                let node = self.node_name(name);
                self.file.node("Identity", &[&value], name, &node);
            }
            let integer = matches!(self.graph.node(*id).op, Op::ArgMax(_)) && !self.has_readers(*id);
            self.file.output(name, &self.graph.ty(*id).shape, integer);
        }
    }

    fn has_readers(&self, id: Id) -> bool {
        self.graph.nodes.iter().any(|n| n.args.contains(&id))
    }

    /// `wanted`, or `wanted/2` and so on where that name is taken.
    fn unique(names: &mut HashSet<String>, wanted: &str) -> String {
        let base = if wanted.is_empty() { "value" } else { wanted };
        let numbered = |n: usize| if n == 1 { base.to_owned() } else { format!("{base}/{n}") };
        let name = (1..).map(numbered).find(|n| !names.contains(n)).unwrap_or_default();
        names.insert(name.clone());
        name
    }

    fn node_name(&mut self, wanted: &str) -> String {
        Self::unique(&mut self.node_names, wanted)
    }

    /// The name of a node's value; the node's own name if that is free.
    fn value(&mut self, id: Id) -> String {
        if self.values[id.index()].is_empty() {
            let name = Self::unique(&mut self.names, &self.graph.node(id).name);
            self.values[id.index()] = name;
        }
        self.values[id.index()].clone()
    }

    /// A value between the ONNX nodes of one node.
    fn inner(&mut self, id: Id, what: &str) -> String {
        let name = format!("{}.{what}", self.graph.node(id).name);
        Self::unique(&mut self.names, &name)
    }

    /// Adds an ONNX node; its name is that of the node it stands for.
    fn emit(&mut self, id: Id, operator: &str, inputs: &[&str], output: &str) {
        let name = self.node_name(&self.graph.node(id).name);
        self.file.node(operator, inputs, output, &name);
    }

    /// Integers that an ONNX operator takes as an input.
    fn integers(&mut self, id: Id, what: &str, values: &[i64]) -> String {
        let name = self.inner(id, what);
        self.file.integers(&Integers { name: &name, values });
        name
    }

    fn weight_values(&self, w: &Weight) -> Result<&'g Tensor<f32>, ExportError> {
        let missing = || ExportError::Weight { name: w.name.clone(), shape: w.ty.shape.to_vec() };
        self.weights.get(&w.name).filter(|t| t.shape == w.ty.shape).ok_or_else(missing)
    }

    /// An initializer with the weight's own name.
    fn weight(&mut self, id: Id, w: &Weight) -> Result<(), ExportError> {
        let values = self.weight_values(w)?;
        let name = Self::unique(&mut self.names, &w.name);
        self.file.floats(&name, &values.shape, &values.data);
        self.values[id.index()] = name;
        Ok(())
    }

    /// A `Constant` node: the importer takes an initializer for something trained, which only the server knows.
    fn constant(&mut self, id: Id, c: &Const) -> Result<(), ExportError> {
        let ConstValue::Real(values) = &c.value else {
            let node = self.graph.node(id);
            let why = "an integer constant in a graph over the reals".to_owned();
            return Err(ExportError::Node { node: node.name.clone(), op: node.op.name(), why });
        };
        let data: Vec<f32> = match values[..] {
            [one] => vec![one.value(); c.ty.len()],
            _ => values.iter().map(|v| v.value()).collect(),
        };
        let name = self.inner(id, "constant");
        let node = self.node_name(&name);
        self.file.constant(&name, &node, &c.ty.shape, &data);
        self.values[id.index()] = name;
        Ok(())
    }
}

//! Linear layers with their bias: `add(conv(x, w), b)` is one `Conv`, `add(matmul(x, w), b)` one `Gemm`.

use super::proto::{int, ints};
use super::{ExportError, Exporter};
use picc_ir::op::Op;
use picc_ir::ops::Conv;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id};

/// A linear layer whose only reader adds a bias.
pub(super) struct WithBias {
    /// The convolution or matrix product.
    pub linear: Id,
    pub bias: Id,
    /// One value for each output channel.
    values: Vec<f32>,
}

/// For each addition the linear layer that it completes.
pub(super) fn find(graph: &Graph, weights: &RealWeights, uses: &[usize]) -> Vec<Option<WithBias>> {
    graph.iter().map(|(id, _)| at(graph, weights, uses, id)).collect()
}

fn at(graph: &Graph, weights: &RealWeights, uses: &[usize], id: Id) -> Option<WithBias> {
    let node = graph.node(id);
    let (Op::Add(_), &[linear, bias]) = (&node.op, &node.args[..]) else { return None };
    let Op::Weight(b) = &graph.node(bias).op else { return None };
    let layer = graph.node(linear);
    let (rank, axis) = match layer.op {
        Op::Conv(_) if matches!(graph.node(layer.args[1]).op, Op::Weight(_)) => (4, 1),
        Op::MatMul(_) if matches!(graph.node(layer.args[1]).op, Op::Weight(_)) => (2, 1),
        _ => return None,
    };
    let fits = layer.ty.shape.len() == rank && node.ty.shape == layer.ty.shape && uses[linear.index()] == 1;
    let values = &weights.get(&b.name)?;
    // Along the channels only, or one value for all.
    let lead = rank.checked_sub(values.shape.len())?;
    let channels = layer.ty.shape[axis];
    let along = values.shape.iter().enumerate().all(|(i, &d)| d == 1 || (i + lead == axis && d == channels));
    let matrices = rank == 4 || graph.ty(layer.args[1]).shape.len() == 2;
    let values = match values.data[..] {
        [one] => vec![one; channels],
        _ => values.data.clone(),
    };
    (fits && along && matrices && values.len() == channels).then_some(WithBias { linear, bias, values })
}

impl Exporter<'_> {
    /// A layer without a bias of its own.
    pub(super) fn linear(&mut self, id: Id) {
        let y = self.value(id);
        self.layer(id, id, &y, None);
    }

    /// A layer with its bias, whose initializer has the shape that ONNX wants.
    pub(super) fn with_bias(&mut self, id: Id, layer: &WithBias) -> Result<(), ExportError> {
        let Op::Weight(b) = &self.graph.node(layer.bias).op else { return Ok(()) };
        let bias = Self::unique(&mut self.names, &b.name);
        self.file.floats(&bias, &[layer.values.len()], &layer.values);
        let y = self.value(id);
        self.layer(id, layer.linear, &y, Some(&bias));
        Ok(())
    }

    fn layer(&mut self, id: Id, linear: Id, y: &str, bias: Option<&str>) {
        let node = self.graph.node(linear);
        let (x, w) = (self.value(node.args[0]), self.value(node.args[1]));
        let inputs: Vec<&str> = [x.as_str(), w.as_str()].into_iter().chain(bias).collect();
        let named = if bias.is_some() { linear } else { id };
        match &node.op {
            Op::Conv(conv) => {
                self.emit(named, "Conv", &inputs, y);
                let kernel = self.graph.ty(node.args[1]).shape[2..].to_vec();
                self.window(conv, &kernel);
            }
            _ if bias.is_some() => self.emit(named, "Gemm", &inputs, y),
            _ => self.emit(named, "MatMul", &inputs, y),
        }
    }

    fn window(&mut self, conv: &Conv, kernel: &[usize]) {
        self.file.ints("kernel_shape", ints(kernel));
        self.file.ints("strides", ints(&conv.stride));
        self.file.ints("pads", ints(&conv.pads));
        self.file.ints("dilations", ints(&conv.dilation));
        self.file.int("group", int(conv.groups));
    }
}

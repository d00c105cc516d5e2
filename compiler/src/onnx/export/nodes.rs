//! Each operator over the reals as one or a few ONNX operators.

use super::proto::{int, ints};
use super::{ExportError, Exporter};
use picc_ir::Id;
use picc_ir::op::Op;
use picc_ir::ops::{ArgMax, Function, MaxPool, Pad, ReduceMax, Slice, SumPool, ZeroInsert};

impl Exporter<'_> {
    /// Writes one node, unless another one computes it with its own.
    pub(super) fn node(&mut self, id: Id) -> Result<(), ExportError> {
        let node = self.graph.node(id);
        if self.absorbed[id.index()] {
            return Ok(());
        }
        if let Some(layer) = self.layers[id.index()].take() {
            return self.with_bias(id, &layer);
        }
        match &node.op {
            Op::Input(_) => return Ok(()),
            Op::Weight(w) => {
                // A bias that its layers take in is written by them.
                let mut readers = self.graph.iter().filter(|(_, n)| n.args.contains(&id));
                let as_bias = |r: Id| self.layers[r.index()].as_ref().is_some_and(|l| l.bias == id);
                let only_biases = self.uses[id.index()] > 0 && readers.all(|(r, _)| as_bias(r));
                return if only_biases && !self.is_output(id) { Ok(()) } else { self.weight(id, w) };
            }
            Op::Const(c) => return self.constant(id, c),
            Op::Conv(_) | Op::MatMul(_) => {
                self.linear(id);
                return Ok(());
            }
            _ => {}
        }
        let args: Vec<String> = node.args.iter().map(|&a| self.value(a)).collect();
        let x: Vec<&str> = args.iter().map(String::as_str).collect();
        let y = self.value(id);
        match &node.op {
            Op::Input(_) | Op::Weight(_) | Op::Const(_) | Op::Conv(_) | Op::MatMul(_) => {}
            Op::Add(_) => self.emit(id, "Add", &x, &y),
            Op::Sub(_) => self.emit(id, "Sub", &x, &y),
            Op::Mul(_) => self.emit(id, "Mul", &x, &y),
            Op::Div(_) => self.emit(id, "Div", &x, &y),
            Op::Max(_) => self.emit(id, "Max", &x, &y),
            Op::Neg(_) => self.emit(id, "Neg", &x, &y),
            Op::Relu(_) => self.emit(id, "Relu", &x, &y),
            Op::Concat(c) => {
                self.emit(id, "Concat", &x, &y);
                self.file.int("axis", int(c.axis));
            }
            Op::Slice(s) => self.slice(id, s, x[0], &y),
            Op::Pad(p) => self.pad(id, p, x[0], &y),
            Op::Reshape(r) => self.reshape(id, &r.shape, x[0], &y),
            Op::Expand(e) => {
                let shape = self.integers(id, "shape", &ints(&e.shape));
                self.emit(id, "Expand", &[x[0], &shape], &y);
            }
            Op::Transpose(t) => {
                self.emit(id, "Transpose", &x, &y);
                self.file.ints("perm", ints(&t.perm));
            }
            Op::Gather(g) => {
                let indices: Vec<i64> = g.indices.iter().map(|&i| i64::from(i)).collect();
                let indices = self.integers(id, "indices", &indices);
                self.emit(id, "Gather", &[x[0], &indices], &y);
                self.file.int("axis", int(g.axis));
            }
            Op::ZeroInsert(z) => self.zero_insert(id, z, x[0], &y),
            Op::SumPool(p) => self.sum_pool(id, p, x[0], &y),
            Op::ReduceSum(r) => {
                let axes = self.integers(id, "axes", &ints(&r.axes));
                self.emit(id, "ReduceSum", &[x[0], &axes], &y);
                self.file.int("keepdims", i64::from(r.keep));
            }
            Op::MaxPool(MaxPool { kernel, stride, pads, dilation }) => {
                self.emit(id, "MaxPool", &x, &y);
                self.file.ints("kernel_shape", ints(kernel));
                self.file.ints("strides", ints(stride));
                self.file.ints("pads", ints(pads));
                self.file.ints("dilations", ints(dilation));
            }
            Op::ReduceMax(ReduceMax { axes, keep }) => {
                self.emit(id, "ReduceMax", &x, &y);
                self.file.ints("axes", ints(axes));
                self.file.int("keepdims", i64::from(*keep));
            }
            Op::ArgMax(a) => self.arg_max(id, a, x[0], &y),
            Op::Softmax(s) => {
                self.emit(id, "Softmax", &x, &y);
                self.file.int("axis", int(s.axis));
            }
            Op::LogSoftmax(s) => {
                self.emit(id, "LogSoftmax", &x, &y);
                self.file.int("axis", int(s.axis));
            }
            Op::Unary(u) => self.emit(id, function(u.function), &x, &y),
            Op::Lrn(l) => {
                self.emit(id, "LRN", &x, &y);
                self.file.int("size", int(l.size));
                self.file.float("alpha", l.alpha.value());
                self.file.float("beta", l.beta.value());
                self.file.float("bias", l.bias.value());
            }
            _ => {
                let why = "has no meaning over the reals: export the graph before it is quantized".to_owned();
                return Err(ExportError::Node { node: node.name.clone(), op: node.op.name(), why });
            }
        }
        Ok(())
    }

    fn is_output(&self, id: Id) -> bool {
        self.graph.outputs.iter().any(|(_, o)| *o == id)
    }

    fn reshape(&mut self, id: Id, shape: &[usize], x: &str, y: &str) {
        let shape = self.integers(id, "shape", &ints(shape));
        self.emit(id, "Reshape", &[x, &shape], y);
    }

    /// Axes that stay whole are left out.
    fn slice(&mut self, id: Id, s: &Slice, x: &str, y: &str) {
        let extents = self.graph.ty(self.graph.node(id).args[0]).shape.to_vec();
        let (mut starts, mut ends, mut axes, mut steps) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (axis, &extent) in extents.iter().enumerate() {
            // An axis of which one element is taken may have any step.
            let step = if s.size[axis] == 1 { 1 } else { s.step[axis] as i64 };
            if s.size[axis] == extent && step == 1 {
                continue;
            }
            let end = int(s.start[axis]) + (int(s.size[axis]) - 1) * step + step.signum();
            starts.push(int(s.start[axis]));
            // Before the first element is what no index says; a large negative one is cut to it.
            ends.push(if end < 0 { -int(extent) - 1 } else { end });
            axes.push(int(axis));
            steps.push(step);
        }
        if axes.is_empty() {
            return self.emit(id, "Identity", &[x], y);
        }
        let starts = self.integers(id, "starts", &starts);
        let ends = self.integers(id, "ends", &ends);
        let axes = self.integers(id, "axes", &axes);
        let steps = self.integers(id, "steps", &steps);
        self.emit(id, "Slice", &[x, &starts, &ends, &axes, &steps], y);
    }

    fn pad(&mut self, id: Id, p: &Pad, x: &str, y: &str) {
        let pads = [ints(&p.before), ints(&p.after)].concat();
        let pads = self.integers(id, "pads", &pads);
        self.emit(id, "Pad", &[x, &pads], y);
    }

    /// Axis by axis: an axis of one, padded behind with zeros, joined with the axis before it, and cut after the last
    /// element.
    fn zero_insert(&mut self, id: Id, z: &ZeroInsert, x: &str, y: &str) {
        let mut shape = self.graph.ty(self.graph.node(id).args[0]).shape.to_vec();
        let spread: Vec<usize> = (0..shape.len()).filter(|&a| z.factor[a] > 1 && shape[a] > 1).collect();
        if spread.is_empty() {
            return self.emit(id, "Identity", &[x], y);
        }
        let mut value = x.to_owned();
        for &axis in &spread {
            let factor = z.factor[axis];
            let mut apart = shape.clone();
            apart.insert(axis + 1, 1);
            let split = self.inner(id, "apart");
            self.reshape(id, &apart, &value, &split);
            let mut pad = Pad { before: vec![0; apart.len()], after: vec![0; apart.len()] };
            pad.after[axis + 1] = factor - 1;
            let padded = self.inner(id, "zeros");
            self.pad(id, &pad, &split, &padded);
            shape[axis] *= factor;
            let joined = self.inner(id, "joined");
            self.reshape(id, &shape, &padded, &joined);
            shape[axis] -= factor - 1;
            let last = spread.last() == Some(&axis);
            let cut = if last { y.to_owned() } else { self.inner(id, "cut") };
            let ends = self.integers(id, "ends", &[int(shape[axis])]);
            let starts = self.integers(id, "starts", &[0]);
            let axes = self.integers(id, "axes", &[int(axis)]);
            self.emit(id, "Slice", &[&joined, &starts, &ends, &axes], &cut);
            value = cut;
        }
    }

    /// An average times the number of taps; a dilated window, which averages have only since opset 19, is a depthwise
    /// convolution with ones.
    fn sum_pool(&mut self, id: Id, p: &SumPool, x: &str, y: &str) {
        let shape = self.graph.ty(self.graph.node(id).args[0]).shape.to_vec();
        if p.dilation != [1, 1] && p.kernel != [1, 1] {
            let ones = self.inner(id, "ones");
            let taps = p.kernel[0] * p.kernel[1];
            self.file.floats(&ones, &[shape[1], 1, p.kernel[0], p.kernel[1]], &vec![1.0; shape[1] * taps]);
            self.emit(id, "Conv", &[x, &ones], y);
            self.file.ints("kernel_shape", ints(&p.kernel));
            self.file.ints("strides", ints(&p.stride));
            self.file.ints("pads", ints(&p.pads));
            self.file.ints("dilations", ints(&p.dilation));
            self.file.int("group", int(shape[1]));
            return;
        }
        let mut x = x.to_owned();
        if p.pads != [0; 4] {
            let [top, left, bottom, right] = p.pads;
            let padded = self.inner(id, "padded");
            self.pad(id, &Pad { before: vec![0, 0, top, left], after: vec![0, 0, bottom, right] }, &x, &padded);
            x = padded;
        }
        let average = self.inner(id, "average");
        self.emit(id, "AveragePool", &[&x], &average);
        self.file.ints("kernel_shape", ints(&p.kernel));
        self.file.ints("strides", ints(&p.stride));
        let taps = self.inner(id, "taps");
        let node = self.node_name(&taps);
        self.file.constant(&taps, &node, &[], &[(p.kernel[0] * p.kernel[1]) as f32]);
        self.emit(id, "Mul", &[&average, &taps], y);
    }

    /// Indices are integers in ONNX; they stay that where nothing computes with them.
    fn arg_max(&mut self, id: Id, a: &ArgMax, x: &str, y: &str) {
        let casts = self.has_readers(id);
        let index = if casts { self.inner(id, "index") } else { y.to_owned() };
        self.emit(id, "ArgMax", &[x], &index);
        self.file.int("axis", int(a.axis));
        self.file.int("keepdims", i64::from(a.keep));
        self.file.int("select_last_index", i64::from(a.last));
        if casts {
            self.emit(id, "Cast", &[&index], y);
            self.file.int("to", onnx_protobuf::tensor_proto::DataType::FLOAT as i64);
        }
    }
}

fn function(f: Function) -> &'static str {
    match f {
        Function::Exp => "Exp",
        Function::Log => "Log",
        Function::Sigmoid => "Sigmoid",
        Function::Tanh => "Tanh",
        Function::Sqrt => "Sqrt",
        Function::Reciprocal => "Reciprocal",
        Function::Erf => "Erf",
    }
}

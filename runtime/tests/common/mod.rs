//! Small programs built by hand, with weights and inputs, and both parties run on them.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod wire;

use picc_ir::eval::{Value, run_ring};
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::rlwe::Hiding;
use picc_ir::mpc::*;
use picc_ir::op::Op;
use picc_ir::ops::*;
use picc_ir::program::InputSpec;
use picc_ir::weights::RingWeights;
use picc_ir::{Fixed, Graph, Id, Owner, Party, Program, Shape, Tensor, Ty};
use picc_runtime::Result;
use picc_runtime::channel::Channel;
use picc_runtime::crypto::Rng;
use picc_runtime::exec::{ClientSession, Executable, Inference, ServerModel, serve_session};
use picc_runtime::inputs::Sample;
use picc_runtime::report::Record;

/// Which protocol the linear layers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linear {
    Ot(Party),
    Rlwe,
}

/// Whether truncations are bit-exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    Faithful,
    Local,
}

pub const RING: u8 = 32;
pub const WEIGHT_BITS: u8 = 6;

pub struct Built {
    pub program: Program,
    pub weights: RingWeights,
}

pub struct Builder {
    pub graph: Graph,
    inputs: Vec<InputSpec>,
    weights: RingWeights,
    rng: Rng,
    linear: Linear,
    truncation: Truncation,
}

impl Builder {
    pub fn new(linear: Linear, truncation: Truncation) -> Builder {
        Builder {
            graph: Graph::default(),
            inputs: Vec::new(),
            weights: RingWeights::new(),
            rng: Rng::from_seed(77),
            linear,
            truncation,
        }
    }

    pub fn add(&mut self, op: impl Into<Op>, args: &[Id], name: &str) -> Id {
        self.graph.add(op, args, name).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// An input in `[-2, 2)` with 8 fraction bits, shared.
    pub fn input(&mut self, name: &str, shape: &[usize]) -> Id {
        let fixed = Fixed { ring_bits: RING, frac_bits: 8, lo: -512, hi: 511 };
        let ty = Ty::fixed(shape, fixed, Owner::Client);
        let spec = InputSpec { name: name.into(), shape: Shape::from_slice(shape), frac_bits: 8, preprocess: None };
        self.inputs.push(spec);
        let x = self.add(Input { name: name.into(), ty }, &[], name);
        self.add(Share {}, &[x], name)
    }

    /// Weights below `2^(WEIGHT_BITS - 1)` with 4 fraction bits, in the ring of `like`.
    pub fn weight(&mut self, name: &str, shape: &[usize], like: Id) -> Id {
        let ring_bits = self.graph.ty(like).as_fixed().unwrap().ring_bits;
        let limit = (1i64 << (WEIGHT_BITS - 1)) - 1;
        let fixed = Fixed { ring_bits, frac_bits: 4, lo: -limit, hi: limit };
        let n = shape.iter().product();
        let values = (0..n).map(|_| (self.rng.next_u64() % (2 * limit as u64 + 1)) as i64 - limit).collect();
        self.weights.insert(name.into(), Tensor::new(shape, values));
        self.add(Weight { name: name.into(), ty: Ty::fixed(shape, fixed, Owner::Server) }, &[], name)
    }

    /// As compiled programs have it: programs that are exact are so everywhere.
    pub fn hiding(&self) -> Hiding {
        match self.truncation {
            Truncation::Faithful => Hiding::Flood,
            Truncation::Local => Hiding::FullRange,
        }
    }

    pub fn conv(&mut self, x: Id, c_out: usize, kernel: usize, name: &str) -> Id {
        let &[n, c_in, h, w] = &self.graph.ty(x).shape[..] else { panic!("a convolution of {}", self.graph.ty(x)) };
        let weights = self.weight(&format!("{name}.w"), &[c_out, c_in, kernel, kernel], x);
        let pad = kernel / 2;
        let geom = ConvGeom {
            n,
            c_in,
            h,
            w,
            c_out,
            kh: kernel,
            kw: kernel,
            stride: [1, 1],
            pads: [pad; 4],
            dilation: [1, 1],
            groups: 1,
        };
        match self.linear {
            Linear::Ot(receiver) => {
                self.add(ConvOt { geom, weight_bits: WEIGHT_BITS, receiver }, &[x, weights], name)
            }
            Linear::Rlwe => {
                let hiding = self.hiding();
                self.add(ConvRlwe { geom, weight_bits: WEIGHT_BITS, hiding }, &[x, weights], name)
            }
        }
    }

    pub fn matmul(&mut self, x: Id, cols: usize, name: &str) -> Id {
        let &[rows, inner] = &self.graph.ty(x).shape[..] else { panic!("a product of {}", self.graph.ty(x)) };
        let weights = self.weight(&format!("{name}.w"), &[inner, cols], x);
        let geom = MatMulGeom { batch: 1, rows, inner, cols };
        let (weight_bits, weights_left) = (WEIGHT_BITS, false);
        match self.linear {
            Linear::Ot(receiver) => {
                self.add(MatMulOt { geom, weight_bits, weights_left, receiver }, &[x, weights], name)
            }
            Linear::Rlwe => {
                let hiding = self.hiding();
                self.add(MatMulRlwe { geom, weight_bits, weights_left, hiding }, &[x, weights], name)
            }
        }
    }

    /// Truncation by `shift` bits, then back into the large ring.
    pub fn rescale(&mut self, x: Id, shift: u8, limit: i64, name: &str) -> Id {
        let x = self.add(Assume { lo: -limit << shift, hi: (limit << shift) - 1 }, &[x], name);
        let ring_bits = self.graph.ty(x).as_fixed().unwrap().ring_bits;
        let x = match self.truncation {
            Truncation::Faithful => self.add(TruncReduceFaithful { shift, radix: 4 }, &[x], name),
            Truncation::Local => self.add(TruncReduceLocal { shift }, &[x], name),
        };
        self.add(ExtendOt { ring_bits }, &[x], name)
    }

    pub fn relu(&mut self, x: Id, name: &str) -> Id {
        self.add(ReluOt::exact(4), &[x], name)
    }

    pub fn max_pool(&mut self, x: Id, name: &str) -> Id {
        let op =
            MaxPoolOt { kernel: [2, 2], stride: [2, 2], pads: [0; 4], dilation: [1, 1], radix: 4, skip_low: 0 };
        self.add(op, &[x], name)
    }

    pub fn output(&mut self, x: Id, name: &str) {
        let x = self.add(Reveal { to: Party::Client }, &[x], name);
        self.graph.outputs.push((name.into(), x));
    }

    pub fn build(self) -> Built {
        let error_ulps = vec![0; self.graph.outputs.len()];
        let program = Program {
            model: "test".into(),
            inputs: self.inputs,
            segments: picc_ir::segment::one_each(&self.graph),
            graph: self.graph,
            labels: Vec::new(),
            error_ulps,
            source: picc_ir::correlation::Source::default(),
            notes: Vec::new(),
        };
        Built { program, weights: self.weights }
    }
}

/// Convolution, bias, ReLU, maxpool, matrix product, and a softmax that the client computes.
pub fn cnn(linear: Linear, truncation: Truncation) -> Built {
    let mut b = Builder::new(linear, truncation);
    let x = b.input("image", &[1, 2, 8, 8]);
    let x = b.conv(x, 3, 3, "conv");
    let bias =
        Ty::fixed(&[1, 3, 1, 1], Fixed { ring_bits: RING, frac_bits: 12, lo: -2000, hi: 2000 }, Owner::Server);
    b.weights.insert("bias".into(), Tensor::new(&[1, 3, 1, 1], vec![-2000, 17, 1999]));
    let bias = b.add(Weight { name: "bias".into(), ty: bias }, &[], "bias");
    let x = b.add(Add {}, &[x, bias], "bias");
    let x = b.rescale(x, 4, 1 << 16, "rescale");
    let x = b.relu(x, "relu");
    let x = b.max_pool(x, "pool");
    let x = b.add(Reshape { shape: vec![1, 48] }, &[x], "flatten");
    let x = b.matmul(x, 10, "dense");
    let x = b.rescale(x, 4, 1 << 20, "logits");
    let x = b.add(Reveal { to: Party::Client }, &[x], "logits");
    let x = b.add(Dequantize {}, &[x], "logits");
    b.graph.outputs.push(("logits".into(), x));
    let p = b.add(Softmax { axis: 1 }, &[x], "softmax");
    b.graph.outputs.push(("probabilities".into(), p));
    b.build()
}

/// Every other protocol: two inputs, weights on the left, products, maxima, an argmax, and local steps between them.
pub fn zoo(linear: Linear) -> Built {
    let mut b = Builder::new(linear, Truncation::Faithful);
    let x = b.input("x", &[2, 3, 4]);
    let y = b.input("y", &[2, 3, 4]);
    let larger = b.add(MaxOt { radix: 3 }, &[x, y], "max");
    let product = b.add(MulOt {}, &[larger, y], "mul shared");
    b.output(product, "product");
    for (receiver, name) in [(Party::Client, "square of client"), (Party::Server, "square of server")] {
        let square = b.add(SquareOt { receiver }, &[larger], name);
        b.output(square, name);
    }
    let w = b.weight("scale", &[2, 3, 4], x);
    let scaled = b.add(MulOt {}, &[x, w], "mul server");
    b.output(scaled, "scaled");
    let positive = b.add(ReluRescaleOt { shift: 4, ring_bits: 40, radix: 5 }, &[scaled], "relu rescaled");
    b.output(positive, "positive");
    let top = b.add(ReduceMaxOt { axes: vec![0, 2], keep: false, radix: 4 }, &[larger], "reduce_max");
    b.output(top, "top");
    let best = b.add(ArgMaxOt { axis: 1, keep: true, last: true, radix: 2 }, &[larger], "arg_max");
    b.output(best, "best");
    // [6, 4] seen as the right factor of W [5, 6].
    let matrix = b.add(Reshape { shape: vec![6, 4] }, &[y], "matrix");
    let w = b.weight("left", &[5, 6], matrix);
    let geom = MatMulGeom { batch: 1, rows: 5, inner: 6, cols: 4 };
    let (weight_bits, weights_left) = (WEIGHT_BITS, true);
    let left = match linear {
        Linear::Ot(receiver) => b.add(MatMulOt { geom, weight_bits, weights_left, receiver }, &[w, matrix], "left"),
        Linear::Rlwe => {
            let hiding = b.hiding();
            b.add(MatMulRlwe { geom, weight_bits, weights_left, hiding }, &[w, matrix], "left")
        }
    };
    let ty = Ty::fixed(&[4], Fixed { ring_bits: RING, frac_bits: 12, lo: -9, hi: 9 }, Owner::Public);
    let bias = b.add(Const { ty, value: ConstValue::Int(vec![1, -2, 3, 9]) }, &[], "bias");
    let left = b.add(Sub {}, &[left, bias], "bias");
    let left = b.add(Transpose { perm: vec![1, 0] }, &[left], "turn");
    b.output(left, "left");
    b.build()
}

/// One ReLU over so many elements that it runs in parts.
pub fn long(elements: usize) -> Built {
    let mut b = Builder::new(Linear::Rlwe, Truncation::Faithful);
    let x = b.input("x", &[elements]);
    let x = b.relu(x, "relu");
    b.output(x, "y");
    b.build()
}

/// A sample for every input of the program, different for each seed.
pub fn sample(program: &Program, seed: u64) -> Sample {
    let mut rng = Rng::from_seed(seed);
    let mut value = || (rng.next_u64() % 1024) as f32 / 256.0 - 2.0;
    program
        .inputs
        .iter()
        .map(|spec| (spec.name.clone(), Tensor::full(&spec.shape, 0).map(|_: &i32| value())))
        .collect()
}

/// What the reference interpreter says.
pub fn reference(exe: &Executable, weights: &RingWeights, sample: &Sample) -> Vec<(String, Value)> {
    let inputs = picc_runtime::exec::quantize(exe, sample).unwrap();
    run_ring(exe.graph(), &inputs, weights, &mut |_, _| ()).unwrap()
}

/// What both parties end with.
pub type Both = (Result<(Vec<Inference>, Record)>, Result<Record>);

/// Runs both parties over these channels, one inference for each sample.
pub fn run_both(exe: &Executable, model: &ServerModel, samples: &[Sample], channels: (Channel, Channel)) -> Both {
    let (client, server) = channels;
    std::thread::scope(|scope| {
        let server = scope.spawn(|| serve_session(exe, model, server, Rng::from_seed(2), None));
        let client = (|| {
            let mut session = ClientSession::open(exe, client, Rng::from_seed(1), None)?;
            let outputs = samples.iter().map(|s| session.infer(s)).collect::<Result<_>>()?;
            Ok((outputs, session.close()?))
        })();
        (client, server.join().expect("the server does not panic"))
    })
}

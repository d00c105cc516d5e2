//! Random operators and random well-typed graphs.

use crate::support::Seeded;
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::rlwe::Hiding;
use picc_ir::mpc::{
    ArgMaxOt, ConvOt, ConvPre, ConvRlwe, ExtendOt, MatMulOt, MatMulPre, MatMulRlwe, MaxOt, MaxPoolOt, MulOt,
    ReduceMaxOt, ReluGc, ReluOt, ReluRescaleOt, Reveal, Share, SquareOt, TruncReduceFaithful, TruncReduceLocal,
};
use picc_ir::op::F32;
use picc_ir::ops::{
    Add, ArgMax, Assume, Concat, Const, ConstValue, Conv, Dequantize, Div, Expand, Extend, Function, Gather, Input,
    LogSoftmax, Lrn, MatMul, Max, MaxPool, Mul, Neg, Pad, Reduce, ReduceMax, ReduceSum, Relu, Reshape, Shl, Slice,
    Softmax, Sub, SumPool, Transpose, TruncReduce, Unary, Weight, ZeroInsert,
};
use picc_ir::{Elem, Fixed, Graph, Id, Op, Owner, Party, Ty};

/// Draws attributes: small ones that often fit, or extreme ones that never may do harm.
pub struct Draw<'a> {
    pub r: &'a mut Seeded,
    pub extreme: bool,
}

const EXTREMES: [usize; 10] =
    [0, 1, 2, 255, 1 << 31, (1 << 31) + 1, 1 << 32, usize::MAX / 2, usize::MAX - 1, usize::MAX];

impl Draw<'_> {
    pub fn n(&mut self, lo: usize, hi: usize) -> usize {
        if self.extreme && self.r.within(0, 3) == 0 { EXTREMES[self.r.within(0, 9)] } else { self.r.within(lo, hi) }
    }

    fn bits(&mut self, hi: usize) -> u8 {
        if self.extreme { self.r.next() as u8 } else { u8::try_from(self.r.within(1, hi)).expect("small") }
    }

    fn flag(&mut self) -> bool {
        self.r.within(0, 1) == 1
    }

    fn float(&mut self) -> F32 {
        F32::from((self.r.signed(1 << 30) as f32) * 1.7e-5)
    }

    fn list(&mut self, len: usize, lo: usize, hi: usize) -> Vec<usize> {
        (0..len).map(|_| self.n(lo, hi)).collect()
    }

    fn party(&mut self) -> Party {
        Party::BOTH[self.r.within(0, 1)]
    }

    pub fn elem(&mut self) -> Elem {
        match self.r.within(0, 5) {
            0 => Elem::Real,
            1 => Elem::Fixed(Fixed::full(64, self.bits(8))),
            n => {
                let bits = [8, 16, 33, 64][n - 2];
                let (a, b) = (self.r.signed(120), self.r.signed(120));
                Elem::Fixed(Fixed { ring_bits: bits, frac_bits: self.bits(6), lo: a.min(b), hi: a.max(b) })
            }
        }
    }

    pub fn shape(&mut self) -> Vec<usize> {
        let rank = [0, 1, 2, 3, 4, 4, 4][self.r.within(0, 6)];
        let extents = (0..rank).map(|_| [1, 2, 2, 4, 6][self.r.within(0, 4)]);
        let mut shape: Vec<usize> = extents.collect();
        if self.extreme && rank > 0 && self.flag() {
            let axis = self.r.within(0, rank - 1);
            shape[axis] = self.n(1, 3);
        }
        shape
    }

    fn source(&mut self, owner: Owner) -> Ty {
        Ty { shape: self.shape().into(), elem: self.elem(), owner }
    }

    /// Any operator, with attributes that may fit arguments of shape `x` (and `w`).
    pub fn op(&mut self, x: &[usize], w: &[usize]) -> Op {
        let rank = x.len();
        let axis = self.n(0, rank.max(1) - 1);
        let keep = self.flag();
        let hiding = if self.flag() { Hiding::FullRange } else { Hiding::Flood };
        let last = self.flag();
        let two = |d: &mut Self, lo, hi| [d.n(lo, hi), d.n(lo, hi)];
        let (kernel, stride, dilation) = (two(self, 1, 3), two(self, 1, 2), two(self, 1, 2));
        let pads = [self.n(0, 1), self.n(0, 1), self.n(0, 1), self.n(0, 1)];
        let radix = self.bits(5);
        let conv = Conv { stride, pads, dilation, groups: self.n(1, 2) };
        let geom = conv.geom(x, w).unwrap_or(ConvGeom {
            n: self.n(1, 2),
            c_in: self.n(1, 2),
            h: self.n(1, 9),
            w: self.n(1, 9),
            c_out: self.n(1, 2),
            kh: self.n(1, 3),
            kw: self.n(1, 3),
            stride,
            pads,
            dilation,
            groups: conv.groups,
        });
        let product = MatMul::geom(x, w).unwrap_or(MatMulGeom { batch: 1, rows: self.n(1, 2), inner: 3, cols: 4 });
        let name = format!("t{}", self.r.within(0, 1 << 30));
        match self.r.within(0, 49) {
            0 => Input { name, ty: self.source(Owner::Client) }.into(),
            1 => Weight { name, ty: self.source(Owner::Server) }.into(),
            2 => {
                let ty = self.source(Owner::Public);
                let count = ty.shape.iter().copied().fold(1, usize::saturating_mul).min(100);
                let value = match ty.elem {
                    Elem::Real => ConstValue::Real((0..count).map(|_| self.float()).collect()),
                    Elem::Fixed(f) => ConstValue::Int(vec![f.lo; if keep { 1 } else { count }]),
                };
                Const { ty, value }.into()
            }
            3 => Add {}.into(),
            4 => Sub {}.into(),
            5 => Mul {}.into(),
            6 => Neg {}.into(),
            7 => Shl { bits: self.bits(3) }.into(),
            8 => Concat { axis }.into(),
            9 => Slice {
                start: self.list(rank, 0, 1),
                size: self.list(rank, 1, 2),
                step: (0..rank).map(|_| if self.extreme { self.r.next() as isize } else { 1 }).collect(),
            }
            .into(),
            10 => Pad { before: self.list(rank, 0, 1), after: self.list(rank, 0, 1) }.into(),
            11 => Reshape {
                shape: if keep {
                    vec![x.iter().copied().fold(1, usize::saturating_mul)]
                } else {
                    self.list(2, 1, 4)
                },
            }
            .into(),
            12 => Transpose { perm: if keep { (0..rank).rev().collect() } else { self.list(rank, 0, 3) } }.into(),
            13 => Expand { shape: [&[self.n(1, 2)], x].concat() }.into(),
            14 => Gather { axis, indices: (0..self.r.within(0, 3)).map(|_| self.n(0, 2) as u32).collect() }.into(),
            15 => ZeroInsert { factor: self.list(rank, 1, 2) }.into(),
            16 => SumPool { kernel, stride, pads, dilation }.into(),
            17 => ReduceSum { axes: vec![axis], keep }.into(),
            18 => conv.into(),
            19 => MatMul {}.into(),
            20 => Relu {}.into(),
            21 => Max {}.into(),
            22 => MaxPool { kernel, stride, pads, dilation }.into(),
            23 => ReduceMax { axes: vec![axis], keep }.into(),
            24 => ArgMax { axis, keep, last }.into(),
            25 => TruncReduce { shift: self.bits(4) }.into(),
            26 => Extend { ring_bits: self.bits(64) }.into(),
            27 => Reduce { ring_bits: self.bits(40) }.into(),
            28 => Assume { lo: -self.r.signed(50).abs(), hi: if self.extreme { self.r.next() as i64 } else { 60 } }
                .into(),
            29 => Softmax { axis }.into(),
            30 => LogSoftmax { axis }.into(),
            31 => Unary { function: if keep { Function::Exp } else { Function::Erf } }.into(),
            32 => Div {}.into(),
            33 => Lrn { size: self.n(1, 5), alpha: self.float(), beta: self.float(), bias: self.float() }.into(),
            34 => Dequantize {}.into(),
            35 | 36 => Share {}.into(),
            37 => Reveal { to: self.party() }.into(),
            38 => ConvRlwe { geom, weight_bits: self.bits(12), hiding }.into(),
            39 if last => ConvPre { geom, weight_bits: self.bits(12) }.into(),
            39 => ConvOt { geom, weight_bits: self.bits(12), receiver: self.party() }.into(),
            40 if last => MatMulPre { geom: product, weight_bits: self.bits(12), weights_left: keep }.into(),
            40 => MatMulRlwe { geom: product, weight_bits: self.bits(12), weights_left: keep, hiding }.into(),
            41 => {
                MatMulOt { geom: product, weight_bits: self.bits(12), weights_left: keep, receiver: self.party() }
                    .into()
            }
            42 if last => SquareOt { receiver: self.party() }.into(),
            42 => MulOt {}.into(),
            43 => TruncReduceLocal { shift: self.bits(4) }.into(),
            44 => TruncReduceFaithful { shift: self.bits(4), radix }.into(),
            45 => ExtendOt { ring_bits: self.bits(64) }.into(),
            46 if last => ReluGc {}.into(),
            46 => ReluOt { radix, skip_low: self.bits(3) }.into(),
            47 if keep => ReluRescaleOt { shift: self.bits(4), ring_bits: self.bits(64), radix }.into(),
            47 => MaxOt { radix }.into(),
            48 => MaxPoolOt { kernel, stride, pads, dilation, radix, skip_low: self.bits(3) }.into(),
            _ if keep => ReduceMaxOt { axes: vec![axis], keep: last, radix }.into(),
            _ => ArgMaxOt { axis, keep: last, last, radix }.into(),
        }
    }
}

/// A well-typed graph of about `size` nodes (of no stage in particular) with odd names and two outputs.
pub fn graph(r: &mut Seeded, size: usize) -> Graph {
    let mut g = Graph::default();
    // Something that the protocols of linear layers fit.
    let f = Fixed { ring_bits: 33, frac_bits: 4, lo: -100, hi: 90 };
    for (owner, shape) in
        [(Owner::Client, &[1, 2, 4, 4][..]), (Owner::Server, &[2, 2, 2, 2]), (Owner::Server, &[4, 3])]
    {
        let (name, ty) = (format!("start{}", g.nodes.len()), Ty::fixed(shape, f, owner));
        let op = if owner == Owner::Client { Op::from(Input { name, ty }) } else { Weight { name, ty }.into() };
        g.add(op, &[], "").expect("typed");
    }
    g.add(Share {}, &[Id(0)], "share").expect("typed");
    for _ in 0..size * 40 {
        if g.nodes.len() >= size {
            break;
        }
        let pick = |r: &mut Seeded, g: &Graph| Id(r.within(0, g.nodes.len().max(1) - 1) as u32);
        let args = match r.within(0, 9) {
            0 => [Id(3), Id(1)],
            1 => [Id(3), Id(2)],
            _ => [pick(r, &g), pick(r, &g)],
        };
        let shape = |id: Id| g.nodes.get(id.index()).map(|n| n.ty.shape.to_vec()).unwrap_or_default();
        let op = Draw { r, extreme: false }.op(&shape(args[0]), &shape(args[1]));
        let name = ["", "conv1", "a \"quoted\" name", "line\nbreak # ; %", "größe"][r.within(0, 4)];
        for n in 0..=2 {
            if g.add(op.clone(), &args[..n], name).is_ok() {
                break;
            }
        }
    }
    for name in ["y", "odd \\ \u{2028} name"] {
        g.outputs.push((name.to_owned(), Id(r.within(0, g.nodes.len() - 1) as u32)));
    }
    g
}

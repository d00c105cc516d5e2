//! Random ring graphs under construction.

use crate::testing::Rng;
use picc_ir::mpc::Share;
use picc_ir::op::Op;
use picc_ir::ops::*;
use picc_ir::weights::RingWeights;
use picc_ir::{Fixed, Graph, Id, Owner, Tensor, Ty};
use std::collections::BTreeMap;

/// A ring graph under construction.
pub(super) struct Ring {
    pub graph: Graph,
    pub weights: RingWeights,
    pub rng: Rng,
    pub bits: u8,
}

fn ranged(bits: u8, frac: u8, most: i64) -> Fixed {
    Fixed::ranged(bits, frac, -i128::from(most), i128::from(most))
}

impl Ring {
    pub fn new(seed: u64) -> Ring {
        let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9) + 1);
        let bits = 22 + rng.below(8) as u8;
        Ring { graph: Graph::default(), weights: RingWeights::new(), rng, bits }
    }

    pub fn add(&mut self, op: impl Into<Op>, args: &[Id]) -> Id {
        let op = op.into();
        let name = format!("{}{}", op.name(), self.graph.nodes.len());
        self.graph.add(op, args, &name).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// A shared value.
    pub fn input(&mut self, shape: &[usize], f: Fixed) -> Id {
        let name = format!("x{}", self.graph.nodes.len());
        let x = self.add(Input { name, ty: Ty::fixed(shape, f, Owner::Client) }, &[]);
        self.add(Share {}, &[x])
    }

    /// A shared value of moderate size, six fraction bits.
    pub fn x(&mut self, shape: &[usize]) -> Id {
        self.input(shape, ranged(self.bits, 6, 900))
    }

    /// A shared value anywhere in the ring.
    pub fn wild(&mut self, shape: &[usize]) -> Id {
        self.input(shape, Fixed::full(self.bits, 6))
    }

    pub fn weight_in(&mut self, shape: &[usize], bits: u8, most: i64) -> Id {
        let f = ranged(bits, 3, most);
        let name = format!("w{}", self.weights.len());
        let values = self.values(shape, f);
        self.weights.insert(name.clone(), values);
        self.add(Weight { name, ty: Ty::fixed(shape, f, Owner::Server) }, &[])
    }

    pub fn weight(&mut self, shape: &[usize]) -> Id {
        self.weight_in(shape, self.bits, 15)
    }

    /// A known summand in the format of `like`.
    pub fn bias(&mut self, like: Id, shape: &[usize]) -> Id {
        let f = self.graph.ty(like).as_fixed().unwrap();
        let name = format!("w{}", self.weights.len());
        let own = ranged(f.ring_bits, f.frac_bits, 100);
        let values = self.values(shape, own);
        self.weights.insert(name.clone(), values);
        self.add(Weight { name, ty: Ty::fixed(shape, own, Owner::Server) }, &[])
    }

    pub fn constant(&mut self, shape: &[usize], value: i64) -> Id {
        let f = Fixed { lo: value, hi: value, ..Fixed::full(self.bits, 6) };
        self.add(Const { ty: Ty::fixed(shape, f, Owner::Public), value: ConstValue::Int(vec![value]) }, &[])
    }

    /// Values of a range, its ends among them.
    pub fn values(&mut self, shape: &[usize], f: Fixed) -> Tensor<i64> {
        let n = shape.iter().product();
        let span = (i128::from(f.hi) - i128::from(f.lo) + 1) as u128;
        let value = |rng: &mut Rng| match rng.below(8) {
            0 => f.lo,
            1 => f.hi,
            2 => 0i64.clamp(f.lo, f.hi),
            _ => (i128::from(f.lo) + (u128::from(rng.next() << 31 | rng.next()) % span) as i128) as i64,
        };
        Tensor::new(shape, (0..n).map(|_| value(&mut self.rng)).collect())
    }

    /// Random values for every input.
    pub fn inputs(&mut self) -> BTreeMap<String, Tensor<i64>> {
        let inputs: Vec<Input> = self
            .graph
            .nodes
            .iter()
            .filter_map(|n| match &n.op {
                Op::Input(i) => Some(i.clone()),
                _ => None,
            })
            .collect();
        inputs
            .into_iter()
            .map(|i| {
                let f = i.ty.as_fixed().unwrap();
                (i.name, self.values(&i.ty.shape, f))
            })
            .collect()
    }

    pub fn image(&mut self) -> Vec<usize> {
        vec![1 + self.rng.below(2), 2 + self.rng.below(3), 4 + self.rng.below(3), 4 + self.rng.below(3)]
    }

    pub fn conv(&mut self, x: Id, outs: usize, k: usize, stride: usize, groups: usize) -> Id {
        let ins = self.graph.ty(x).shape[1];
        let bits = self.graph.ty(x).as_fixed().unwrap().ring_bits;
        let w = self.weight_in(&[outs, ins / groups, k, k], bits, 15);
        self.add(conv(k, stride, groups), &[x, w])
    }

    pub fn pool(&mut self) -> MaxPool {
        let k = 2 + self.rng.below(2);
        MaxPool { kernel: [k; 2], stride: [1 + self.rng.below(2); 2], pads: [0, 0, 1, 1], dilation: [1, 1] }
    }

    pub fn sum_pool(&mut self) -> SumPool {
        let MaxPool { kernel, stride, pads, dilation } = self.pool();
        SumPool { kernel, stride, pads, dilation }
    }

    pub fn slice(&mut self, x: Id) -> Slice {
        let shape = self.graph.ty(x).shape.to_vec();
        let size: Vec<usize> = shape.iter().map(|&d| 1 + self.rng.below(d)).collect();
        let mut start: Vec<usize> = shape.iter().zip(&size).map(|(&d, &s)| self.rng.below(d - s + 1)).collect();
        let mut step = vec![1; shape.len()];
        if self.rng.below(2) == 0 {
            (start[0], step[0]) = (start[0] + size[0] - 1, -1);
        }
        Slice { start, size, step }
    }

    pub fn moved(&mut self, x: Id) -> Op {
        let shape = self.graph.ty(x).shape.to_vec();
        match self.rng.below(5) {
            0 => Reshape { shape: vec![shape.iter().product()] }.into(),
            1 => Transpose { perm: (0..shape.len()).rev().collect() }.into(),
            2 => Pad { before: vec![1; shape.len()], after: vec![0; shape.len()] }.into(),
            3 => Gather { axis: 1, indices: (0..=shape[1]).map(|i| (i % shape[1]) as u32).collect() }.into(),
            _ => ZeroInsert { factor: vec![2; shape.len()] }.into(),
        }
    }

    pub fn extended(&mut self, x: Id) -> Id {
        self.add(Extend { ring_bits: self.bits + 7 }, &[x])
    }

    pub fn truncated(&mut self, x: Id) -> Id {
        let shift = 1 + self.rng.below(6) as u8;
        self.add(TruncReduce { shift }, &[x])
    }
}

pub(super) fn conv(k: usize, stride: usize, groups: usize) -> Conv {
    Conv { stride: [stride; 2], pads: [k / 2; 4], dilation: [1, 1], groups }
}

//! A seeded generator and short names for what the tests build.

use picc_ir::mpc::rlwe::Hiding;
use picc_ir::mpc::{ConvRlwe, ReluOt, Reveal, Share, TruncReduceFaithful};
use picc_ir::ops::{Conv, Dequantize, Input, Softmax, Weight};
use picc_ir::testing::splitmix;
use picc_ir::{Fixed, Graph, Owner, Party, Tensor, Ty};

/// What tests build by chance.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        splitmix(&mut self.0)
    }

    /// `lo..=hi`
    pub fn within(&mut self, lo: usize, hi: usize) -> usize {
        lo + usize::try_from(self.next() % (hi - lo + 1) as u64).expect("small")
    }

    pub fn signed(&mut self, bound: i64) -> i64 {
        (self.next() % (2 * bound.unsigned_abs() + 1)) as i64 - bound
    }

    pub fn ring_tensor(&mut self, shape: &[usize], bound: i64) -> Tensor<i64> {
        let n = shape.iter().product();
        Tensor::new(shape, (0..n).map(|_| self.signed(bound)).collect())
    }
}

pub fn fix(ring_bits: u8, frac_bits: u8, lo: i64, hi: i64) -> Fixed {
    Fixed { ring_bits, frac_bits, lo, hi }
}

pub fn shared(shape: &[usize], f: Fixed) -> Ty {
    Ty::fixed(shape, f, Owner::Shared)
}

pub fn client(shape: &[usize], f: Fixed) -> Ty {
    Ty::fixed(shape, f, Owner::Client)
}

pub fn server(shape: &[usize], f: Fixed) -> Ty {
    Ty::fixed(shape, f, Owner::Server)
}

/// input -> share -> conv -> relu -> trunc -> reveal -> dequantize -> softmax
pub fn secure_graph() -> Graph {
    let mut g = Graph::default();
    let x = g.add(Input { name: "x".into(), ty: client(&[1, 1, 2, 2], fix(32, 4, -64, 64)) }, &[], "x");
    let s = g.add(Share {}, &[x.expect("typed")], "s").expect("typed");
    let w = g.add(Weight { name: "w".into(), ty: server(&[2, 1, 2, 2], fix(32, 4, -31, 31)) }, &[], "w");
    let conv = Conv { stride: [1; 2], pads: [0; 4], dilation: [1; 2], groups: 1 };
    let geom = conv.geom(&[1, 1, 2, 2], &[2, 1, 2, 2]).expect("fits");
    let c = g
        .add(ConvRlwe { geom, weight_bits: 6, hiding: Hiding::FullRange }, &[s, w.expect("typed")], "c")
        .expect("typed");
    let r = g.add(ReluOt::exact(4), &[c], "r").expect("typed");
    let t = g.add(TruncReduceFaithful { shift: 4, radix: 4 }, &[r], "t").expect("typed");
    let o = g.add(Reveal { to: Party::Client }, &[t], "o").expect("typed");
    let d = g.add(Dequantize {}, &[o], "d").expect("typed");
    let p = g.add(Softmax { axis: 1 }, &[d], "p").expect("typed");
    g.outputs = vec![("logits".into(), d), ("p".into(), p)];
    g
}

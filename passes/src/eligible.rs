//! Layers with the server's weights, and the protocols that can compute them.

use picc_ir::mpc::node_cost::linear_plan;
use picc_ir::mpc::rlwe::Hiding;
use picc_ir::mpc::{ConvOt, ConvPre, ConvRlwe, MatMulOt, MatMulPre, MatMulRlwe};
use picc_ir::op::Op;
use picc_ir::ops::{Conv, MatMul};
use picc_ir::{Fixed, Owner, Party, Ty, TypeError};

/// A convolution or a matrix product as its protocols see it.
#[derive(Clone, Debug)]
pub(crate) enum Layer<'a> {
    Conv(&'a Conv),
    MatMul { weights_left: bool },
}

/// How a layer with the server's weights is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Rlwe(Hiding),
    /// The bits of this party's factor choose.
    Ot(Party),
    /// Prepared before the input is known.
    Preprocessed,
}

impl Layer<'_> {
    /// The operator on arguments of these shapes. Whether it has parameters in a ring is another question.
    pub fn computed(&self, by: By, shapes: [&[usize]; 2], weight_bits: u8) -> Result<Op, TypeError> {
        Ok(match *self {
            Layer::Conv(conv) => {
                let geom = conv.geom(shapes[0], shapes[1])?;
                match by {
                    By::Rlwe(hiding) => ConvRlwe { geom, weight_bits, hiding }.into(),
                    By::Ot(receiver) => ConvOt { geom, weight_bits, receiver }.into(),
                    By::Preprocessed => ConvPre { geom, weight_bits }.into(),
                }
            }
            Layer::MatMul { weights_left } => {
                let geom = MatMul::geom(shapes[0], shapes[1])?;
                match by {
                    By::Rlwe(hiding) => MatMulRlwe { geom, weight_bits, weights_left, hiding }.into(),
                    By::Ot(receiver) => MatMulOt { geom, weight_bits, weights_left, receiver }.into(),
                    By::Preprocessed => MatMulPre { geom, weight_bits, weights_left }.into(),
                }
            }
        })
    }

    /// Under RLWE, if there are parameters for this ring and these weights.
    pub fn rlwe(&self, args: [&Ty; 2], weight_bits: u8, hiding: Hiding) -> Result<Option<Op>, TypeError> {
        let op = self.computed(By::Rlwe(hiding), args.map(|a| &a.shape[..]), weight_bits)?;
        Ok(linear_plan(&op, &args).is_ok().then_some(op))
    }
}

/// A shared value and the server's weights of `weight_bits` bits in one ring, in the order of a product's arguments.
pub(crate) fn operands(shapes: [&[usize]; 2], weights_left: bool, ring_bits: u8, weight_bits: u8) -> [Ty; 2] {
    let most = (1i64 << (weight_bits - 1)) - 1;
    let x = Fixed::full(ring_bits, 0);
    let w = Fixed { lo: -most, hi: most, ..x };
    let of = |i: usize, weights: bool| match weights {
        true => Ty::fixed(shapes[i], w, Owner::Server),
        false => Ty::fixed(shapes[i], x, Owner::Shared),
    };
    [of(0, weights_left), of(1, !weights_left)]
}

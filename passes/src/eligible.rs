//! Which protocols can compute a linear layer, and which is cheaper.

use picc_ir::correlation::Source;
use picc_ir::cost::Cost;
use picc_ir::mpc::node_cost::{linear_plan, node_cost};
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

impl Layer<'_> {
    /// Under RLWE, if there are parameters for this ring and these weights.
    pub fn rlwe(&self, args: [&Ty; 2], weight_bits: u8, hiding: Hiding) -> Result<Option<Op>, TypeError> {
        let op: Op = match *self {
            Layer::Conv(conv) => {
                ConvRlwe { geom: conv.geom(&args[0].shape, &args[1].shape)?, weight_bits, hiding }.into()
            }
            Layer::MatMul { weights_left } => {
                let geom = MatMul::geom(&args[0].shape, &args[1].shape)?;
                MatMulRlwe { geom, weight_bits, weights_left, hiding }.into()
            }
        };
        Ok(linear_plan(&op, &args).is_ok().then_some(op))
    }

    /// Prepared before the input is known, if RLWE has parameters for this ring and these weights.
    pub fn preprocessed(&self, args: [&Ty; 2], weight_bits: u8) -> Result<Option<Op>, TypeError> {
        let op: Op = match *self {
            Layer::Conv(conv) => ConvPre { geom: conv.geom(&args[0].shape, &args[1].shape)?, weight_bits }.into(),
            Layer::MatMul { weights_left } => {
                let geom = MatMul::geom(&args[0].shape, &args[1].shape)?;
                MatMulPre { geom, weight_bits, weights_left }.into()
            }
        };
        Ok(linear_plan(&op, &args).is_ok().then_some(op))
    }

    /// By OT, with the receiver that makes it cheaper.
    pub fn ot(&self, args: [&Ty; 2], ty: &Ty, weight_bits: u8, source: Source) -> Result<Op, TypeError> {
        let mut best: Option<(u64, Op)> = None;
        for receiver in [Party::Server, Party::Client] {
            let op: Op = match *self {
                Layer::Conv(conv) => {
                    ConvOt { geom: conv.geom(&args[0].shape, &args[1].shape)?, weight_bits, receiver }.into()
                }
                Layer::MatMul { weights_left } => {
                    let geom = MatMul::geom(&args[0].shape, &args[1].shape)?;
                    MatMulOt { geom, weight_bits, weights_left, receiver }.into()
                }
            };
            let bytes = bytes(&node_cost(&op, &args, ty)?, source);
            if best.as_ref().is_none_or(|(least, _)| bytes < *least) {
                best = Some((bytes, op));
            }
        }
        best.map(|(_, op)| op).ok_or_else(|| TypeError::new("no party can receive"))
    }
}

/// All bytes of a node, the extension of its correlated OTs included.
pub(crate) fn bytes(cost: &Cost, source: Source) -> u64 {
    cost.online.total() + source.reserve_traffic(cost.cots).total()
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

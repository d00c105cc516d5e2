//! One part of a protocol node: from the program's types to the protocol's arguments.

use super::linear::Layer;
use super::value::{Value, from_ring, to_ring};
use crate::error::{BadProgram, Error, Result};
use crate::protocol::{self, Range};
use crate::session::Session;
use picc_ir::mpc::node_cost::{Part, value_bits, windows};
use picc_ir::ops::Transpose;
use picc_ir::{Fixed, Node, Op, Owner, Party, Tensor, Ty};
use std::sync::Arc;

/// Arguments of a node in the form that its protocol takes, kept while its parts run. `None` is the other party's.
pub(super) struct Operands<'a> {
    args: Vec<Option<Arc<Vec<u64>>>>,
    /// For a layer under ring LWE, whose weights are no argument of its protocol.
    layer: Option<Layer<'a>>,
}

impl<'a> Operands<'a> {
    pub(super) fn new(node: &Node, args: &[&Value], tys: &[&Ty], layer: Option<Layer<'a>>) -> Result<Operands<'a>> {
        if let Some(layer) = layer {
            let x = layer.before(args[layer.shared()].share()?);
            return Ok(Operands { args: vec![Some(x)], layer: Some(layer) });
        }
        let one = |(v, ty): (&&Value, &&Ty)| -> Result<Option<Arc<Vec<u64>>>> {
            let elements = match v {
                Value::Share(share) => Arc::clone(share),
                Value::Absent => return Ok(None),
                Value::Own(_) => Arc::new(to_ring(&v.known()?.data, fixed(ty)?.ring_bits)),
            };
            Ok(Some(match reduced_axes(&node.op) {
                Some(axes) => axes_last(elements, ty, &axes)?,
                None => elements,
            }))
        };
        Ok(Operands { args: args.iter().zip(tys).map(one).collect::<Result<_>>()?, layer: None })
    }

    /// The node's value, of what its parts gave.
    pub(super) fn finish(self, out: Vec<u64>) -> Vec<u64> {
        match self.layer {
            Some(layer) => layer.after(out),
            None => out,
        }
    }

    fn share(&self, i: usize) -> Result<&[u64]> {
        self.args[i].as_ref().map(|v| v.as_slice()).ok_or_else(|| Error::Bug("a share was expected".into()))
    }

    /// The elements of `units` units of argument `i`, each of `len` elements.
    fn part(&self, i: usize, part: Part, len: usize) -> Result<&[u64]> {
        let (start, end) = (part.start as usize * len, (part.start + part.units) as usize * len);
        self.share(i)?.get(start..end).ok_or_else(|| Error::Bug("a part outside its argument".into()))
    }
}

fn fixed(ty: &Ty) -> Result<Fixed> {
    ty.as_fixed().ok_or_else(|| Error::Bug("a real value in a protocol".into()))
}

fn reduced_axes(op: &Op) -> Option<Vec<usize>> {
    match op {
        Op::ReduceMaxOt(op) => Some(op.axes.clone()),
        Op::ArgMaxOt(op) => Some(vec![op.axis]),
        _ => None,
    }
}

/// The value with these axes moved to the end: each row that a tournament reduces is then contiguous.
fn axes_last(elements: Arc<Vec<u64>>, ty: &Ty, axes: &[usize]) -> Result<Arc<Vec<u64>>> {
    let rank = ty.shape.len();
    let kept = (0..rank).filter(|a| !axes.contains(a));
    let perm: Vec<usize> = kept.chain(axes.iter().copied()).collect();
    if perm.iter().copied().eq(0..rank) {
        return Ok(elements);
    }
    let ring = fixed(ty)?.ring_bits;
    let t = Tensor::new(&ty.shape, from_ring(elements.to_vec(), ring));
    let moved = Op::from(Transpose { perm }).eval_ring(&[&t], &[ty]).map_err(BadProgram::Type)?;
    Ok(Arc::new(to_ring(&moved.data, ring)))
}

/// Runs `part` of a protocol node; returns this party's share of the result's part.
pub(super) fn run_part(
    session: &mut Session,
    node: &Node,
    operands: &Operands<'_>,
    tys: &[&Ty],
    part: Part,
) -> Result<Vec<u64>> {
    let f = fixed(tys[0])?;
    let ring = f.ring_bits;
    match &node.op {
        Op::ReluOt(op) => protocol::relu_window(session, operands.part(0, part, 1)?, ring, op.skip_low, op.radix),
        Op::ReluRescaleOt(op) => {
            let x = operands.part(0, part, 1)?;
            protocol::relu_rescale(session, x, ring, op.shift, op.ring_bits, op.radix)
        }
        Op::MaxOt(op) => {
            protocol::max(session, operands.part(0, part, 1)?, operands.part(1, part, 1)?, ring, op.radix)
        }
        Op::MaxPoolOt(op) => {
            let [vertical, horizontal] = windows(op, tys[0]).map_err(BadProgram::Type)?;
            let x = operands.part(0, part, vertical.len * horizontal.len)?;
            let windows = [&vertical, &horizontal];
            protocol::max_pool_window(session, x, part.units as usize, windows, ring, op.skip_low, op.radix)
        }
        Op::ReduceMaxOt(op) => {
            let len = op.axes.iter().map(|&a| tys[0].shape[a]).product();
            protocol::reduce_max(session, operands.part(0, part, len)?, len, ring, op.radix)
        }
        Op::ArgMaxOt(op) => {
            let len = tys[0].shape[op.axis];
            let bits = fixed(&node.ty)?.ring_bits;
            protocol::argmax(session, operands.part(0, part, len)?, len, ring, bits, op.last, op.radix)
        }
        Op::TruncReduceFaithful(op) => {
            protocol::trunc_faithful(session, operands.part(0, part, 1)?, ring, op.shift, op.radix)
        }
        Op::ExtendOt(op) => {
            let range = if f.lo >= 0 { Range::NonNegative } else { Range::Quarter };
            protocol::extend(session, operands.part(0, part, 1)?, ring, op.ring_bits, range)
        }
        Op::MulOt(_) if tys[1].owner == Owner::Server => {
            let bits = value_bits(fixed(tys[1])?);
            let w = operands.args[1].is_some().then(|| operands.part(1, part, 1)).transpose()?;
            protocol::mul_server(session, operands.part(0, part, 1)?, w, ring, bits, Party::Server)
        }
        Op::MulOt(_) => protocol::mul(session, operands.part(0, part, 1)?, operands.part(1, part, 1)?, ring),
        Op::SquareOt(op) => protocol::square(session, operands.part(0, part, 1)?, ring, op.receiver),
        Op::ConvOt(op) => {
            let w = operands.args[1].as_ref().map(|w| w.as_slice());
            protocol::conv_ot(session, &op.geom, operands.share(0)?, w, ring, op.weight_bits, op.receiver)
        }
        Op::MatMulOt(op) => {
            let (x, w) = if op.weights_left { (1, 0) } else { (0, 1) };
            let ring = fixed(tys[x])?.ring_bits;
            let (x, w) = (operands.share(x)?, operands.args[w].as_ref().map(|w| w.as_slice()));
            let left = op.weights_left;
            protocol::matmul_ot(session, &op.geom, x, w, ring, op.weight_bits, left, op.receiver)
        }
        Op::ConvRlwe(_) | Op::MatMulRlwe(_) => {
            let layer = operands.layer.as_ref().ok_or_else(|| Error::Bug("a layer without a plan".into()))?;
            protocol::linear_rlwe::layer(session, layer.plan, operands.share(0)?, layer.weights())
        }
        _ => Err(Error::Bug(format!("{} is no protocol of parts", node.op.name()))),
    }
}

//! One part of a protocol node: from the program's types to the protocol's arguments.

use super::linear::Layer;
use super::value::{Value, from_ring, to_ring};
use crate::error::{BadProgram, Error, Result};
use crate::protocol::{self, Call, fixed};
use crate::session::Session;
use picc_ir::mpc::node_cost::Part;
use picc_ir::op::MpcOp;
use picc_ir::ops::Transpose;
use picc_ir::{Node, Op, Tensor, Ty};
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
}

fn reduced_axes(op: &Op) -> Option<Vec<usize>> {
    match op {
        Op::Mpc(MpcOp::ReduceMaxOt(op)) => Some(op.axes.clone()),
        Op::Mpc(MpcOp::ArgMaxOt(op)) => Some(vec![op.axis]),
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
    let call = Call { args: &operands.args, tys, ty: &node.ty, part };
    match (&node.op, &operands.layer) {
        (_, Some(layer)) => protocol::linear_rlwe::layer(session, layer.plan, call.whole(0)?, layer.weights()),
        (Op::Mpc(op), None) => protocol::run(op, session, &call),
        (op, None) => Err(Error::Bug(format!("{} is no protocol of parts", op.name()))),
    }
}

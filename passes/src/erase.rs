//! From how back to what: the ring graph that an mpc graph computes.
//!
//! After the optimizer this is the rewritten model before protocols were chosen for it; what it computes is, bit for
//! bit, what the program does with faithful truncation. Values that the client computes from what it learned are not
//! part of it.

use crate::error::{CompileError, Result};
use picc_ir::mpc::ReluRescaleOt;
use picc_ir::op::Op;
use picc_ir::ops::{Conv, Extend, MatMul, Max, Mul, Relu, TruncReduce};
use picc_ir::{Graph, Id, TypeError};

/// The ring graph of an mpc graph. Its outputs are the values that are revealed, named by what the program calls them.
///
/// # Errors
/// If a node of the mpc graph has no type without its protocol, which is a bug.
pub fn erase_protocols(mpc: &Graph) -> Result<Graph> {
    let mut ring = Graph::default();
    // `None`: computed from what was revealed.
    let mut map: Vec<Option<Id>> = Vec::with_capacity(mpc.nodes.len());
    for (id, node) in mpc.iter() {
        let args: Option<Vec<Id>> = node.args.iter().map(|a| map[a.index()]).collect();
        let Some(args) = args else {
            map.push(None);
            continue;
        };
        if let Op::Reveal(_) = node.op {
            let declared = mpc.outputs.iter().find(|(_, o)| *o == id).map(|(name, _)| name);
            let name = declared.unwrap_or(&node.name).clone();
            let taken = ring.outputs.iter().filter(|(n, _)| n.starts_with(name.as_str())).count();
            ring.outputs.push((if taken == 0 { name } else { format!("{name}.{taken}") }, args[0]));
            map.push(None);
            continue;
        }
        let typed = |source| CompileError::Type { node: node.name.clone(), op: node.op.name(), source };
        let erased = match &node.op {
            Op::ReluRescaleOt(r) => rescaled_relu(&mut ring, r, args[0], &node.name).map_err(typed)?,
            Op::SquareOt(_) => ring.add(Mul {}, &[args[0], args[0]], &node.name).map_err(typed)?,
            op => match tensor_op(op) {
                Some(op) => ring.add(op, &args, &node.name).map_err(typed)?,
                None => args[0],
            },
        };
        map.push(Some(erased));
    }
    // What the client knows without any message.
    for (name, id) in &mpc.outputs {
        if let Some(id) = map[id.index()] {
            ring.outputs.push((name.clone(), id));
        }
    }
    Ok(ring)
}

/// The steps that one protocol computes at once, those that change nothing left out.
fn rescaled_relu(ring: &mut Graph, r: &ReluRescaleOt, x: Id, name: &str) -> std::result::Result<Id, TypeError> {
    let truncated = if r.shift == 0 { x } else { ring.add(TruncReduce { shift: r.shift }, &[x], name)? };
    let positive = ring.add(Relu {}, &[truncated], name)?;
    if ring.ty(positive).as_fixed().is_some_and(|f| f.ring_bits == r.ring_bits) {
        return Ok(positive);
    }
    ring.add(Extend { ring_bits: r.ring_bits }, &[positive], name)
}

/// What a protocol computes; `None`: nothing but a change of hands.
fn tensor_op(op: &Op) -> Option<Op> {
    Some(match op {
        Op::Share(_) | Op::Reveal(_) => return None,
        Op::ConvRlwe(c) => Conv::of(&c.geom).into(),
        Op::ConvOt(c) => Conv::of(&c.geom).into(),
        Op::ConvPre(c) => Conv::of(&c.geom).into(),
        Op::MatMulRlwe(_) | Op::MatMulOt(_) | Op::MatMulPre(_) => MatMul {}.into(),
        Op::MulOt(_) | Op::SquareOt(_) => Mul {}.into(),
        Op::TruncReduceLocal(t) => TruncReduce { shift: t.shift }.into(),
        Op::TruncReduceFaithful(t) => TruncReduce { shift: t.shift }.into(),
        Op::ExtendOt(e) => Extend { ring_bits: e.ring_bits }.into(),
        Op::ReluOt(_) | Op::ReluGc(_) | Op::ReluRescaleOt(_) => Relu {}.into(),
        Op::MaxOt(_) => Max {}.into(),
        Op::MaxPoolOt(p) => p.tensor_op().into(),
        Op::ReduceMaxOt(m) => m.tensor_op().into(),
        Op::ArgMaxOt(m) => m.tensor_op().into(),
        Op::Input(_) | Op::Weight(_) | Op::Const(_) | Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Neg(_) => {
            op.clone()
        }
        Op::Shl(_) | Op::Concat(_) | Op::Slice(_) | Op::Pad(_) | Op::Reshape(_) | Op::Transpose(_) => op.clone(),
        Op::Expand(_) | Op::Gather(_) | Op::ZeroInsert(_) | Op::SumPool(_) | Op::ReduceSum(_) => op.clone(),
        Op::Conv(_) | Op::MatMul(_) | Op::Relu(_) | Op::Max(_) | Op::MaxPool(_) | Op::ReduceMax(_) => op.clone(),
        Op::ArgMax(_) | Op::TruncReduce(_) | Op::Extend(_) | Op::Reduce(_) | Op::Assume(_) => op.clone(),
        Op::Softmax(_) | Op::LogSoftmax(_) | Op::Unary(_) | Op::Div(_) | Op::Lrn(_) | Op::Dequantize(_) => {
            op.clone()
        }
    })
}

//! Ring graph to mpc graph: every shared operation becomes a protocol, outputs are revealed, the client's tail follows.
//!
//! Operations on values that one party or everybody knows stay as they are: that party computes them alone.

mod linear;
mod products;

use crate::error::{CompileError, Result};
use crate::graph_edit::{Builder, prune};
use picc_ir::correlation::Source;
use picc_ir::mpc::{
    ArgMaxOt, ExtendOt, MaxOt, MaxPoolOt, ReduceMaxOt, ReluOt, Reveal, Share, TruncReduceFaithful, TruncReduceLocal,
};
use picc_ir::op::Op;
use picc_ir::ops::{Add, Dequantize, Expand, Sub};
use picc_ir::{Elem, Graph, Id, Owner, Party, Ty};
use std::collections::BTreeMap;

/// Which protocols to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protocols {
    pub linear: crate::Linear,
    /// Bit-exact truncation, and flooded layers under RLWE.
    pub exact: bool,
    pub radix: u8,
    /// Of correlated OTs, which prices OT products.
    pub source: Source,
}

/// Lowers the secure part; it ends in values that the client knows, named like the outputs of `ring`.
pub(crate) fn lower(ring: &Graph, protocols: Protocols) -> Result<Graph> {
    let mut l = Lowering { b: Builder::default(), protocols };
    let mut map: Vec<Id> = Vec::with_capacity(ring.nodes.len());
    for (_, node) in ring.iter() {
        let args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
        map.push(l.node(&node.op, &args, &node.name)?);
    }
    let mut outputs = Vec::with_capacity(ring.outputs.len());
    for (name, id) in &ring.outputs {
        outputs.push((name.clone(), l.revealed(map[id.index()], &ring.node(*id).name)?));
    }
    Ok(Graph { outputs, ..l.b.graph })
}

/// The client's part behind the values that `revealed` ends in: they become real numbers, then the tail follows, whose
/// inputs are named like them.
pub(crate) fn attach_tail(revealed: &Graph, tail: &Graph) -> Result<Graph> {
    let mut b = Builder::default();
    let mut copied: Vec<Id> = Vec::with_capacity(revealed.nodes.len());
    for (_, node) in revealed.iter() {
        let args: Vec<Id> = node.args.iter().map(|a| copied[a.index()]).collect();
        copied.push(b.add(node.op.clone(), &args, &node.name)?);
    }
    let mut values = BTreeMap::new();
    for (name, id) in &revealed.outputs {
        let known = copied[id.index()];
        let real = match b.ty(known).elem {
            Elem::Fixed(_) => b.add(Dequantize {}, &[known], &revealed.node(*id).name)?,
            Elem::Real => known,
        };
        values.insert(name.as_str(), real);
    }
    let mut map: Vec<Id> = Vec::with_capacity(tail.nodes.len());
    for (_, node) in tail.iter() {
        let id = match &node.op {
            Op::Input(input) => *values.get(input.name.as_str()).ok_or_else(|| {
                CompileError::Internal(format!("the client's part needs `{}`, which is not revealed", input.name))
            })?,
            op => {
                let args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
                b.add(op.clone(), &args, &node.name)?
            }
        };
        map.push(id);
    }
    let outputs = tail.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    Ok(prune(&Graph { outputs, ..b.graph }))
}

struct Lowering {
    b: Builder,
    protocols: Protocols,
}

impl Lowering {
    fn ty(&self, id: Id) -> &Ty {
        self.b.ty(id)
    }

    fn owner(&self, id: Id) -> Owner {
        self.ty(id).owner
    }

    fn shared(&mut self, id: Id, name: &str) -> Result<Id> {
        if self.owner(id) == Owner::Client { self.b.add(Share {}, &[id], name) } else { Ok(id) }
    }

    fn revealed(&mut self, id: Id, name: &str) -> Result<Id> {
        match self.owner(id) {
            Owner::Shared => self.b.add(Reveal { to: Party::Client }, &[id], name),
            Owner::Client | Owner::Public => Ok(id),
            Owner::Server => Err(CompileError::Unsupported {
                node: name.to_owned(),
                op: "reveal",
                why: "an output depends on the server's weights alone".to_owned(),
                way_out: "remove it from the model's outputs".to_owned(),
            }),
        }
    }

    fn node(&mut self, op: &Op, args: &[Id], name: &str) -> Result<Id> {
        let mut owner = Owner::Public;
        args.iter().for_each(|&a| owner = owner.join(self.owner(a)));
        if args.is_empty() || owner != Owner::Shared {
            return self.b.add(op.clone(), args, name);
        }
        let args = args.iter().map(|&a| self.shared(a, name)).collect::<Result<Vec<Id>>>()?;
        self.shared_node(op, &args, name)
    }

    /// An operation with a shared result; the client's arguments are shared already.
    fn shared_node(&mut self, op: &Op, args: &[Id], name: &str) -> Result<Id> {
        let radix = self.protocols.radix;
        let lowered: Op = match op {
            // Local on shares.
            Op::Add(_)
            | Op::Sub(_)
            | Op::Neg(_)
            | Op::Shl(_)
            | Op::Concat(_)
            | Op::Slice(_)
            | Op::Pad(_)
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Expand(_)
            | Op::Gather(_)
            | Op::ZeroInsert(_)
            | Op::SumPool(_)
            | Op::ReduceSum(_)
            | Op::Reduce(_)
            | Op::Assume(_) => op.clone(),
            Op::Conv(conv) => return self.conv(conv, args, name),
            Op::MatMul(_) => return self.matmul(args, name),
            Op::Mul(_) => return self.mul(args, name),
            Op::Max(_) => return self.max(args, name),
            Op::Relu(_) => ReluOt::exact(radix).into(),
            Op::MaxPool(p) => MaxPoolOt::exact(p, radix).into(),
            Op::ReduceMax(m) => ReduceMaxOt { axes: m.axes.clone(), keep: m.keep, radix }.into(),
            Op::ArgMax(m) => ArgMaxOt { axis: m.axis, keep: m.keep, last: m.last, radix }.into(),
            Op::TruncReduce(t) if self.protocols.exact => TruncReduceFaithful { shift: t.shift, radix }.into(),
            Op::TruncReduce(t) => TruncReduceLocal { shift: t.shift }.into(),
            Op::Extend(e) => ExtendOt { ring_bits: e.ring_bits }.into(),
            Op::Input(_)
            | Op::Weight(_)
            | Op::Const(_)
            | Op::Softmax(_)
            | Op::LogSoftmax(_)
            | Op::Unary(_)
            | Op::Div(_)
            | Op::Lrn(_)
            | Op::Dequantize(_)
            | Op::Share(_)
            | Op::Reveal(_)
            | Op::ConvRlwe(_)
            | Op::ConvOt(_)
            | Op::MatMulRlwe(_)
            | Op::MatMulOt(_)
            | Op::MulOt(_)
            | Op::SquareOt(_)
            | Op::TruncReduceLocal(_)
            | Op::TruncReduceFaithful(_)
            | Op::ExtendOt(_)
            | Op::ReluOt(_)
            | Op::ReluRescaleOt(_)
            | Op::MaxOt(_)
            | Op::MaxPoolOt(_)
            | Op::ReduceMaxOt(_)
            | Op::ArgMaxOt(_)
            | Op::ConvPre(_)
            | Op::MatMulPre(_)
            | Op::ReluGc(_) => {
                return Err(CompileError::Internal(format!("node `{name}`: {} in a ring graph", op.name())));
            }
        };
        self.b.add(lowered, args, name)
    }

    /// Against a public value `max(x, k) = k + relu(x - k)`, which is what the protocol computes anyway.
    fn max(&mut self, args: &[Id], name: &str) -> Result<Id> {
        let radix = self.protocols.radix;
        let (x, k) = if self.owner(args[0]) == Owner::Shared { (args[0], args[1]) } else { (args[1], args[0]) };
        if self.owner(k) == Owner::Shared {
            let args = self.same_shape(args, name)?;
            return self.b.add(MaxOt { radix }, &args, name);
        }
        let difference = self.b.add(Sub {}, &[x, k], name)?;
        let positive = self.b.add(ReluOt::exact(radix), &[difference], name)?;
        self.b.add(Add {}, &[positive, k], name)
    }

    /// Both arguments broadcast to their common shape.
    fn same_shape(&mut self, args: &[Id], name: &str) -> Result<Vec<Id>> {
        let (a, b) = (&self.ty(args[0]).shape, &self.ty(args[1]).shape);
        let shape = picc_ir::tensor::broadcast(a, b).unwrap_or_default().to_vec();
        let mut expanded = Vec::with_capacity(args.len());
        for &a in args {
            expanded.push(if self.ty(a).shape[..] == shape[..] {
                a
            } else {
                self.b.add(Expand { shape: shape.clone() }, &[a], name)?
            });
        }
        Ok(expanded)
    }
}

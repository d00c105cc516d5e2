//! The client's part, behind the program of the secure one.

use crate::error::{CompileError, Result};
use crate::graph_edit::{Builder, prune};
use picc_ir::op::Op;
use picc_ir::ops::Dequantize;
use picc_ir::{Elem, Graph, Id};
use std::collections::BTreeMap;

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

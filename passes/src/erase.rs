//! From how back to what: the ring graph that an mpc graph computes.
//!
//! After the optimizer this is the rewritten model before protocols were chosen for it; what it computes is, bit for
//! bit, what the program does with faithful truncation. Values that the client computes from what it learned are not
//! part of it.

use crate::error::{CompileError, Result};
use picc_ir::op::{MpcOp, Op};
use picc_ir::{Graph, Id};

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
        if let Op::Mpc(MpcOp::Reveal(_)) = node.op {
            let declared = mpc.outputs.iter().find(|(_, o)| *o == id).map(|(name, _)| name);
            let name = declared.unwrap_or(&node.name).clone();
            let taken = ring.outputs.iter().filter(|(n, _)| n.starts_with(name.as_str())).count();
            ring.outputs.push((if taken == 0 { name } else { format!("{name}.{taken}") }, args[0]));
            map.push(None);
            continue;
        }
        let erased = match &node.op {
            Op::Mpc(op) => op.erased(&mut ring, &args, &node.name),
            op => ring.add(op.clone(), &args, &node.name),
        };
        let erased =
            erased.map_err(|source| CompileError::Type { node: node.name.clone(), op: node.op.name(), source })?;
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

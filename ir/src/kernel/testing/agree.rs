//! Kernels of segments against the operators' own meaning, on random shares.

use super::Seeded;
use crate::kernel::Lane;
use crate::kernel::construct::{Lanes, Role, build};
use crate::kernel::interp::run;
use crate::op::{MpcOp, Op};
use crate::segment::{Segment, check, is_local, is_protocol};
use crate::ty::{Owner, TypeError, wrap};
use crate::{Graph, Id, Party, Tensor};
use std::collections::BTreeMap;

fn ring_of(graph: &Graph, id: Id) -> u8 {
    graph.ty(id).as_fixed().map_or(64, |f| f.ring_bits)
}

fn mask(ring: u8) -> u64 {
    u64::MAX >> (64 - ring)
}

/// `party`'s share of one local node, as signed representatives: the operator applied to the shares. What the other
/// party knows is zero, and so is a public summand at the client.
pub fn step(
    graph: &Graph,
    id: Id,
    party: Party,
    values: &BTreeMap<Id, Tensor<i64>>,
) -> Result<Tensor<i64>, TypeError> {
    let node = graph.node(id);
    let factor = matches!(node.op, Op::Mul(_) | Op::Conv(_) | Op::MatMul(_));
    let tys: Vec<_> = node.args.iter().map(|&a| graph.ty(a)).collect();
    let held = |owner: Owner| match (owner, party) {
        (Owner::Shared, _) | (Owner::Client, Party::Client) | (Owner::Server, Party::Server) => true,
        (Owner::Public, Party::Server) => true,
        (Owner::Public, Party::Client) => factor,
        (Owner::Client, Party::Server) | (Owner::Server, Party::Client) => false,
    };
    let zeros: Vec<Option<Tensor<i64>>> =
        tys.iter().map(|ty| (!held(ty.owner)).then(|| Tensor::full(&ty.shape, 0))).collect();
    let mut args = Vec::new();
    for (a, zero) in node.args.iter().zip(&zeros) {
        let value = zero.as_ref().or_else(|| values.get(a));
        args.push(value.ok_or_else(|| TypeError::new(format!("%{} has no value", a.0)))?);
    }
    let ring = ring_of(graph, id);
    if let (Op::Mpc(MpcOp::TruncReduceLocal(op)), [x]) = (&node.op, &args[..]) {
        let offset = if op.shift > 0 && party == Party::Server { mask(op.shift) } else { 0 };
        let from = mask(ring_of(graph, node.args[0]));
        let shifted = |v: &i64| ((v.cast_unsigned().wrapping_add(offset) & from) >> op.shift).cast_signed();
        return Ok(x.map(|v| wrap(shifted(v), ring)));
    }
    Ok(node.op.eval_ring(&args, &tys)?.map(|&v| wrap(v, ring)))
}

/// Checks the segments of a verified graph: each kernel, built for `party` and interpreted on random shares, gives
/// exactly what its nodes give one at a time. Says where it does not.
pub fn agree(graph: &Graph, segments: &[Segment], party: Party, lanes: Lanes, seed: u64) -> Result<(), String> {
    check(graph, segments).map_err(|e| e.to_string())?;
    let values = held(graph, party, seed)?;
    for (number, segment) in segments.iter().enumerate() {
        let wrong = |what: &dyn std::fmt::Display| format!("seed {seed}, {party:?}, segment {number}: {what}");
        let built = build(graph, &segment.nodes, party, lanes).map_err(|e| wrong(&e))?;
        let lane = |id: Id| match lanes {
            Lanes::Wide => Lane::U64,
            Lanes::Narrow => Lane::of_ring(ring_of(graph, id)),
        };
        let element = |id: Id, v: &i64| {
            // Shares are reduced; what a party knows is cut to the lane.
            let shared = graph.ty(id).owner == Owner::Shared;
            v.cast_unsigned() & if shared { mask(ring_of(graph, id)) } else { lane(id).mask() }
        };
        let expect = |id: Id| -> Vec<u64> { values[&id].data.iter().map(|v| element(id, v)).collect() };
        let mut buffers: Vec<Vec<u64>> = Vec::new();
        for role in &built.roles {
            buffers.push(match role {
                Role::Input(id) if values.contains_key(id) => expect(*id),
                Role::Input(id) => return Err(wrong(&format!("reads %{}, which this party does not hold", id.0))),
                Role::Output(id) => vec![lane(*id).mask(); graph.ty(*id).len()],
            });
        }
        run(&built.kernel, &mut buffers).map_err(|e| wrong(&e))?;
        let mut found: BTreeMap<Id, Vec<u64>> = BTreeMap::new();
        for (role, buffer) in built.roles.iter().zip(buffers) {
            match role {
                Role::Input(id) | Role::Output(id) => found.insert(*id, buffer),
            };
        }
        for (id, source) in &built.aliases {
            // The source may be an input that no step reads.
            let value = found.get(source).cloned().unwrap_or_else(|| expect(*source));
            found.insert(*id, value);
        }
        for &id in segment.nodes.iter().filter(|id| used_outside(graph, &segment.nodes, **id)) {
            let got = found.get(&id).ok_or_else(|| wrong(&format!("%{} is not stored", id.0)))?;
            if let Some(at) = expect(id).iter().zip(got).position(|(a, b)| a != b) {
                let (name, kernel) = (graph.node(id).op.name(), &*built.kernel);
                return Err(wrong(&format!("%{} ({name}) differs at {at}\n{kernel}", id.0)));
            }
        }
    }
    Ok(())
}

fn used_outside(graph: &Graph, nodes: &[Id], id: Id) -> bool {
    graph.iter().any(|(user, node)| node.args.contains(&id) && nodes.binary_search(&user).is_err())
        || graph.outputs.iter().any(|(_, o)| *o == id)
}

/// What `party` holds of every node: random shares where a protocol gives them, random values of its own, and from
/// there on one node at a time.
pub fn held(graph: &Graph, party: Party, seed: u64) -> Result<BTreeMap<Id, Tensor<i64>>, String> {
    let mut r = Seeded(seed);
    let mut values: BTreeMap<Id, Tensor<i64>> = BTreeMap::new();
    for (id, node) in graph.iter() {
        let named = |e: TypeError| format!("%{} {}: {e}", id.0, node.op.name());
        let Some(f) = node.ty.as_fixed() else { continue };
        let mine = match node.ty.owner {
            Owner::Shared | Owner::Public => true,
            Owner::Client => party == Party::Client,
            Owner::Server => party == Party::Server,
        };
        if !mine {
            continue;
        }
        let source = matches!(node.op, Op::Input(_) | Op::Weight(_));
        let tensor = if source || is_protocol(graph, id) {
            let span = f.hi.wrapping_sub(f.lo).cast_unsigned();
            let known = |r: &mut Seeded| f.lo.wrapping_add((r.bits() % span.max(1)).cast_signed());
            let shared = node.ty.owner == Owner::Shared;
            let mut draw = || if shared { wrap(r.bits().cast_signed(), f.ring_bits) } else { known(&mut r) };
            Tensor::new(&node.ty.shape, (0..node.ty.len()).map(|_| draw()).collect())
        } else if is_local(graph, id) {
            step(graph, id, party, &values).map_err(named)?
        } else {
            let tys: Vec<_> = node.args.iter().map(|&a| graph.ty(a)).collect();
            let args: Option<Vec<_>> = node.args.iter().map(|a| values.get(a)).collect();
            let args = args.ok_or_else(|| named(TypeError::new("an argument has no value")))?;
            node.op.eval_ring(&args, &tys).map_err(named)?.map(|&v| wrap(v, f.ring_bits))
        };
        values.insert(id, tensor);
    }
    Ok(values)
}

//! What one party holds of a node's value, and the steps on what it knows.

use crate::error::{BadProgram, Error, Result};
use picc_ir::eval::{Value as Known, eval_op};
use picc_ir::ty::wrap;
use picc_ir::{Node, Owner, Party, Ty};
use std::sync::Arc;

/// One party's part of a value. No `Debug` and no `PartialEq`: it may be a share.
pub enum Value {
    /// An additive share in row-major order: ring elements below `2^ring_bits` of the node's type.
    Share(Arc<Vec<u64>>),
    /// A value that this party knows: its own, a public one, or one that was revealed to it.
    Own(Known),
    /// The other party's.
    Absent,
}

impl Value {
    /// The share.
    pub fn share(&self) -> Result<&Arc<Vec<u64>>> {
        match self {
            Value::Share(share) => Ok(share),
            Value::Own(_) | Value::Absent => Err(Error::Bug("a share was expected".into())),
        }
    }

    /// The integers that this party knows.
    pub fn known(&self) -> Result<&picc_ir::Tensor<i64>> {
        match self {
            Value::Own(Known::Ring(t)) => Ok(t),
            Value::Own(Known::Real(_)) | Value::Share(_) | Value::Absent => {
                Err(Error::Bug("integers that this party knows were expected".into()))
            }
        }
    }
}

/// `party`'s part of a node that is computed by one party alone, or by each on public values.
pub fn evaluate(node: &Node, args: &[&Value], tys: &[&Ty], party: Party) -> Result<Value> {
    match (node.ty.owner, party) {
        (Owner::Shared, _) => Err(Error::Bug(format!("{} is in no segment and no protocol", node.op.name()))),
        (Owner::Public, _) | (Owner::Client, Party::Client) | (Owner::Server, Party::Server) => {
            own(node, args, tys).map(Value::Own)
        }
        (Owner::Client, Party::Server) | (Owner::Server, Party::Client) => Ok(Value::Absent),
    }
}

fn own(node: &Node, args: &[&Value], tys: &[&Ty]) -> Result<Known> {
    let args: Vec<&Known> = args
        .iter()
        .map(|v| match v {
            Value::Own(known) => Ok(known),
            Value::Share(_) | Value::Absent => Err(Error::Bug("a known value was expected".into())),
        })
        .collect::<Result<_>>()?;
    Ok(eval_op(&node.op, &args, tys, &node.ty).map_err(BadProgram::Type)?)
}

/// Ring elements as the protocols take them: below `2^ring_bits`.
#[must_use]
pub fn to_ring(values: &[i64], ring_bits: u8) -> Vec<u64> {
    let mask = u64::MAX >> (64 - u32::from(ring_bits.clamp(1, 64)));
    values.iter().map(|v| v.cast_unsigned() & mask).collect()
}

/// Signed representatives of ring elements.
#[must_use]
pub fn from_ring(values: Vec<u64>, ring_bits: u8) -> Vec<i64> {
    values.into_iter().map(|v| wrap(v.cast_signed(), ring_bits)).collect()
}

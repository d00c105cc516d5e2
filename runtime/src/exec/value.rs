//! What one party holds of a node's value, and the steps that need no message.

use crate::error::{Error, Result};
use picc_ir::eval::{Value as Known, eval_op};
use picc_ir::ty::wrap;
use picc_ir::{Elem, Node, Op, Owner, Party, Tensor, Ty};
use std::borrow::Cow;

/// One party's part of a value. No `Debug` and no `PartialEq`: it may be a share.
pub enum Value {
    /// An additive share, as signed representatives mod the ring of the node's type.
    Share(Tensor<i64>),
    /// A value that this party knows: its own, a public one, or one that was revealed to it.
    Own(Known),
    /// The other party's.
    Absent,
}

impl Value {
    /// The share's tensor.
    pub fn share(&self) -> Result<&Tensor<i64>> {
        match self {
            Value::Share(t) => Ok(t),
            Value::Own(_) | Value::Absent => Err(Error::Bug("a share was expected".into())),
        }
    }

    /// The integers that this party knows.
    pub fn known(&self) -> Result<&Tensor<i64>> {
        match self {
            Value::Own(Known::Ring(t)) => Ok(t),
            Value::Own(Known::Real(_)) | Value::Share(_) | Value::Absent => {
                Err(Error::Bug("integers that this party knows were expected".into()))
            }
        }
    }
}

/// `party`'s part of a node that needs no message.
///
/// Every operator on shared values that comes here is linear over the ring, so its meaning applied to each party's
/// share gives shares of its result. A value that one party knows is its share, the other's is zero; a public summand
/// is the server's. A public *factor* is used by both.
pub fn evaluate(node: &Node, args: &[&Value], tys: &[&Ty], party: Party) -> Result<Value> {
    match (node.ty.owner, party) {
        (Owner::Shared, _) => shares(node, args, tys, party).map(Value::Share),
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
    eval_op(&node.op, &args, tys, &node.ty).map_err(|e| Error::Program(e.to_string()))
}

fn shares(node: &Node, args: &[&Value], tys: &[&Ty], party: Party) -> Result<Tensor<i64>> {
    let product = matches!(node.op, Op::Mul(_) | Op::Conv(_) | Op::MatMul(_));
    let operands: Vec<Cow<Tensor<i64>>> = args
        .iter()
        .zip(tys)
        .map(|(v, ty)| match (v, ty.owner) {
            (Value::Share(t), _) => Ok(Cow::Borrowed(t)),
            (Value::Own(Known::Ring(t)), Owner::Public) if product || party == Party::Server => {
                Ok(Cow::Borrowed(t))
            }
            (Value::Own(Known::Ring(_)), Owner::Public) | (Value::Absent, _) => {
                Ok(Cow::Owned(Tensor::full(&ty.shape, 0)))
            }
            (Value::Own(Known::Ring(t)), _) => Ok(Cow::Borrowed(t)),
            (Value::Own(Known::Real(_)), _) => Err(Error::Bug("a real value among shares".into())),
        })
        .collect::<Result<_>>()?;
    let Elem::Fixed(f) = node.ty.elem else { return Err(Error::Bug("a shared real value".into())) };
    if let (Op::Share(_) | Op::Assume(_), [x]) = (&node.op, &operands[..]) {
        return Ok(x.clone().into_owned());
    }
    let operands: Vec<&Tensor<i64>> = operands.iter().map(AsRef::as_ref).collect();
    let mut out = node.op.eval_ring(&operands, tys).map_err(|e| Error::Program(e.to_string()))?;
    if f.ring_bits < 64 {
        out.data.iter_mut().for_each(|v| *v = wrap(*v, f.ring_bits));
    }
    Ok(out)
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

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::mpc::Share;
    use picc_ir::ops::{Add, Const, ConstValue, Input, Mul, Sub, Weight};
    use picc_ir::{Fixed, Graph};

    /// `(share(x) + b) * c - w` on both parties' parts, `x` the client's, `w` the server's.
    #[test]
    fn local_steps_of_both_parties_add_up() {
        let mut g = Graph::default();
        let ty = |owner| Ty::fixed(&[2], Fixed::full(16, 4), owner);
        let constant = |v: [i64; 2]| Const { ty: ty(Owner::Public), value: ConstValue::Int(v.to_vec()) };
        let x = g.add(Input { name: "x".into(), ty: ty(Owner::Client) }, &[], "").unwrap();
        let w = g.add(Weight { name: "w".into(), ty: ty(Owner::Server) }, &[], "").unwrap();
        let b = g.add(constant([5, -5]), &[], "").unwrap();
        let s = g.add(Share {}, &[x], "").unwrap();
        let sum = g.add(Add {}, &[s, b], "").unwrap();
        let product = g.add(Mul {}, &[sum, b], "").unwrap();
        // Another ring's fraction bits do not matter to a test of values: shl brings them together.
        let w = g.add(picc_ir::ops::Shl { bits: 4 }, &[w], "").unwrap();
        let last = g.add(Sub {}, &[product, w], "").unwrap();

        let parts = [Party::Client, Party::Server].map(|party| {
            let mut values: Vec<Value> = Vec::new();
            for (_, node) in g.iter() {
                let known = |v: [i64; 2], mine| {
                    if party == mine {
                        Value::Own(Known::Ring(Tensor::new(&[2], v.to_vec())))
                    } else {
                        Value::Absent
                    }
                };
                let args: Vec<&Value> = node.args.iter().map(|a| &values[a.index()]).collect();
                let tys: Vec<&Ty> = node.args.iter().map(|&a| g.ty(a)).collect();
                let value = match &node.op {
                    Op::Input(_) => known([100, 3000], Party::Client),
                    Op::Weight(_) => known([7, 9], Party::Server),
                    _ => evaluate(node, &args, &tys, party).unwrap(),
                };
                values.push(value);
            }
            values.swap_remove(last.index()).share().unwrap().data.clone()
        });
        let sum: Vec<i64> = parts[0].iter().zip(&parts[1]).map(|(a, b)| wrap(a + b, 16)).collect();
        assert_eq!(sum, [wrap((100 + 5) * 5 - 7 * 16, 16), wrap((3000 - 5) * -5 - 9 * 16, 16)]);
    }
}

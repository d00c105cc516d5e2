//! Products without weights in matrix form: elementwise, and of two secrets.

use super::Lowering;
use crate::error::{CompileError, Result};
use picc_ir::mpc::{MulOt, SquareOt};
use picc_ir::ops::{Mul, ReduceSum, Reshape};
use picc_ir::{Id, Owner, Party};

/// Elementwise products that a product of two secret matrices may expand to.
const MAX_SECRET_PRODUCTS: usize = 1 << 16;

impl Lowering {
    pub(super) fn mul(&mut self, args: &[Id], name: &str) -> Result<Id> {
        let (a, b) = (args[0], args[1]);
        match (self.owner(a), self.owner(b)) {
            (Owner::Shared, _) if a == b => return self.b.add(SquareOt { receiver: Party::Server }, &[a], name),
            (Owner::Shared, Owner::Shared | Owner::Server) => {}
            (Owner::Server, Owner::Shared) => return self.mul(&[b, a], name),
            _ => return self.b.add(Mul {}, args, name),
        }
        let args = self.same_shape(args, name)?;
        self.b.add(MulOt {}, &args, name)
    }

    /// `[.., r, k] x [.., k, c]` as elementwise products of `[.., r, k, c]`, then a sum over `k`.
    pub(super) fn secret_matmul(&mut self, args: &[Id], name: &str) -> Result<Id> {
        let (a, b) = (self.ty(args[0]).shape.to_vec(), self.ty(args[1]).shape.to_vec());
        let outer = |s: &[usize]| s.len().saturating_sub(2);
        let (oa, ob) = (outer(&a), outer(&b));
        let left = [&a[..oa], &a[oa..], &[1]].concat();
        let right = [&b[..ob], &[1], &b[ob..]].concat();
        let products: usize = picc_ir::tensor::broadcast(&left, &right).unwrap_or_default().iter().product();
        if products > MAX_SECRET_PRODUCTS {
            return Err(CompileError::Unsupported {
                node: name.to_owned(),
                op: "matmul",
                why: format!(
                    "it multiplies two secret matrices with {products} products of elements, at most \
                     {MAX_SECRET_PRODUCTS} are supported"
                ),
                way_out: "attention needs fewer tokens or a linear replacement".to_owned(),
            });
        }
        let x = self.b.add(Reshape { shape: left.clone() }, &[args[0]], name)?;
        let y = self.b.add(Reshape { shape: right }, &[args[1]], name)?;
        let product = self.mul(&[x, y], name)?;
        let axis = self.ty(product).shape.len() - 2;
        self.b.add(ReduceSum { axes: vec![axis], keep: false }, &[product], name)
    }
}

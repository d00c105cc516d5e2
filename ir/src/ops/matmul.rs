//! Matrix product of the last two axes, numpy's rules for the axes before (both arguments have rank 2 or more).

use crate::geom::MatMulGeom;
use crate::op::{Arity, OpDef};
use crate::ops::elementwise::product;
use crate::ops::extent::checked;
use crate::tensor::broadcast;
use crate::ty::{Shape, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Matrix product of the last two axes, numpy's rules for the axes before (both arguments have rank 2 or more).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatMul {}

impl MatMul {
    /// Axes before the last two, broadcast; checks the inner axes.
    fn batch(a: &[usize], b: &[usize]) -> Result<Shape, TypeError> {
        let (&[ref outer_a @ .., _, inner], &[ref outer_b @ .., inner_b, _]) = (a, b) else {
            return Err(TypeError::new(format!("needs two axes or more, got {a:?} and {b:?}")));
        };
        match broadcast(outer_a, outer_b) {
            Some(batch) if inner == inner_b => Ok(batch),
            _ => Err(TypeError::new(format!("shapes {a:?} and {b:?} do not multiply"))),
        }
    }

    /// Geometry of `a x b` as a protocol computes it: `batch` pairs of matrices.
    ///
    /// A right factor without batch folds the batch of the left one into its rows: `[n, r, k] x [k, c]` is
    /// `[n r, k] x [k, c]`. Otherwise both have the same batch; a protocol takes no other broadcast.
    pub fn geom(a: &[usize], b: &[usize]) -> Result<MatMulGeom, TypeError> {
        let batch = checked(&MatMul::batch(a, b)?)?.iter().product();
        let (outer_a, outer_b) = (&a[..a.len() - 2], &b[..b.len() - 2]);
        let (rows, inner, cols) = (a[a.len() - 2], a[a.len() - 1], b[b.len() - 1]);
        if outer_b.iter().all(|&d| d == 1) {
            let folded = outer_a.iter().try_fold(rows, |n, &d| n.checked_mul(d));
            let rows = folded.ok_or_else(|| TypeError::new("too many rows"))?;
            return Ok(MatMulGeom { batch: 1, rows, inner, cols });
        }
        if outer_a.iter().filter(|&&d| d != 1).ne(outer_b.iter().filter(|&&d| d != 1)) {
            return Err(TypeError::new(format!("batches of {a:?} and {b:?} differ: expand first")));
        }
        Ok(MatMulGeom { batch, rows, inner, cols })
    }
}

impl OpDef for MatMul {
    const NAME: &'static str = "matmul";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let (a, b) = (args[0], args[1]);
        let batch = MatMul::batch(&a.shape, &b.shape)?;
        let inner = a.shape[a.shape.len() - 1];
        let mut shape = batch;
        shape.extend([a.shape[a.shape.len() - 2], b.shape[b.shape.len() - 1]]);
        Ok(Ty { shape: checked(&shape)?, elem: product(a, b, |p| p.summed(inner))?, owner: a.owner.join(b.owner) })
    }
}

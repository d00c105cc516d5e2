//! Matrix product of the last two axes, numpy's rules for the axes before (both arguments have rank 2 or more).

use crate::facts::{ClientPart, ErrorRule, Facts, IntervalRule, Movement, Needs};
use crate::geom::MatMulGeom;
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::product;
use crate::semantics::extent::checked;
use crate::semantics::number::Number;
use crate::semantics::strided::{broadcast_strides, each_row};
use crate::tensor::{Tensor, broadcast};
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

fn product_of<T: Number>(a: &Tensor<T>, b: &Tensor<T>) -> Result<Tensor<T>, TypeError> {
    let mut shape = MatMul::batch(&a.shape, &b.shape)?;
    let (rank_a, rank_b) = (a.shape.len(), b.shape.len());
    let (rows, inner, cols) = (a.shape[rank_a - 2], a.shape[rank_a - 1], b.shape[rank_b - 1]);
    // One more axis of extent 1, so that each matrix of the batch is one "row" of the walk.
    let walk: Shape = shape.iter().copied().chain([1]).collect();
    let matrices = |x: &Tensor<T>| -> Shape { x.shape[..x.shape.len() - 2].iter().copied().chain([1]).collect() };
    let (walk_a, walk_b) = (broadcast_strides(&matrices(a), &walk), broadcast_strides(&matrices(b), &walk));
    shape.extend([rows, cols]);
    let mut out = Tensor::full(&shape, T::ZERO);
    let mut blocks = out.data.chunks_exact_mut(rows * cols);
    each_row(&walk, [&walk_a, &walk_b], [0, 0], |[i, j]| {
        let a = &a.data[i * rows * inner..][..rows * inner];
        let b = &b.data[j * inner * cols..][..inner * cols];
        let out = blocks.next().unwrap_or_default();
        for (row, out) in a.chunks_exact(inner).zip(out.chunks_exact_mut(cols)) {
            for (&factor, line) in row.iter().zip(b.chunks_exact(cols)) {
                for (sum, &v) in out.iter_mut().zip(line) {
                    *sum = sum.plus(factor.times(v));
                }
            }
        }
    });
    Ok(out)
}

impl OpDef for MatMul {
    const NAME: &'static str = "matmul";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn facts(&self) -> Facts {
        Facts {
            needs: Needs::Product,
            movement: Movement::None,
            interval: IntervalRule::Layer,
            error: ErrorRule::Products,
            client: ClientPart::Never,
        }
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let (a, b) = (args[0], args[1]);
        let batch = MatMul::batch(&a.shape, &b.shape)?;
        let inner = a.shape[a.shape.len() - 1];
        let mut shape = batch;
        shape.extend([a.shape[a.shape.len() - 2], b.shape[b.shape.len() - 1]]);
        Ok(Ty { shape: checked(&shape)?, elem: product(a, b, |p| p.summed(inner))?, owner: a.owner.join(b.owner) })
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        product_of(args[0], args[1])
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        product_of(args[0], args[1])
    }
}

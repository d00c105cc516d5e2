//! Expressions over classes, and what rules may ask of the e-graph.

use crate::egraph::analysis::{agree, is_known};
use crate::egraph::language::{EGraph, Enode};
use egg::Id;
use picc_ir::ops::{Concat, Extend, Reduce, Slice, Transpose};
use picc_ir::{Fixed, Op, Owner, Ty, TypeError};
use smallvec::SmallVec;

/// A class, or an operator on expressions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Expr {
    Class(Id),
    Apply(Op, Vec<Expr>),
}

impl From<Id> for Expr {
    fn from(id: Id) -> Expr {
        Expr::Class(id)
    }
}

/// `op(args..)`
pub(crate) fn apply<const N: usize>(op: impl Into<Op>, args: [Expr; N]) -> Expr {
    Expr::Apply(op.into(), args.into())
}

/// The e-graph, read only.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub eg: &'a EGraph,
}

impl<'a> View<'a> {
    /// Type of a class, with everything that is known of its range.
    pub fn ty(self, class: Id) -> &'a Ty {
        self.eg[class].data.ty.as_ref().expect("nodes are typed before they are added")
    }

    pub fn shape(self, class: Id) -> &'a [usize] {
        &self.ty(class).shape
    }

    /// Fixed-point element of a class; `None` for what the client computes over the reals.
    pub fn fixed(self, class: Id) -> Option<Fixed> {
        self.ty(class).as_fixed()
    }

    pub fn owner(self, class: Id) -> Owner {
        self.ty(class).owner
    }

    pub fn is_shared(self, class: Id) -> bool {
        self.owner(class) == Owner::Shared
    }

    /// Neither party's input is in it.
    pub fn is_known(self, class: Id) -> bool {
        is_known(self.ty(class))
    }

    pub fn nodes(self, class: Id) -> &'a [Enode] {
        &self.eg[class].nodes
    }

    /// Type of an expression, if it has one.
    pub fn type_of(self, expr: &Expr) -> Result<Ty, TypeError> {
        match expr {
            Expr::Class(id) => Ok(self.ty(*id).clone()),
            Expr::Apply(op, args) => {
                let args = args.iter().map(|a| self.type_of(a)).collect::<Result<SmallVec<[Ty; 4]>, _>>()?;
                let args: SmallVec<[&Ty; 4]> = args.iter().collect();
                op.infer(&args)
            }
        }
    }

    /// Whether `expr` could be the value of `class`, as far as types say.
    pub fn could_be(self, class: Id, expr: &Expr) -> bool {
        self.type_of(expr).is_ok_and(|ty| agree(&ty, self.ty(class)))
    }

    /// `x` modulo a ring of `ring_bits` bits; itself if it is there.
    pub fn reduced(self, x: Id, ring_bits: u8) -> Option<Expr> {
        let f = self.fixed(x)?;
        match ring_bits.cmp(&f.ring_bits) {
            std::cmp::Ordering::Less => Some(apply(Reduce { ring_bits }, [x.into()])),
            std::cmp::Ordering::Equal => Some(x.into()),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// `x` in a ring of `ring_bits` bits with the same signed value; itself if it is there.
    pub fn in_ring(self, x: Id, ring_bits: u8) -> Option<Expr> {
        let f = self.fixed(x)?;
        if ring_bits > f.ring_bits {
            return Some(apply(Extend { ring_bits }, [x.into()]));
        }
        let fits = bits_of(f) <= ring_bits;
        fits.then(|| self.reduced(x, ring_bits))?
    }
}

/// Bits of the shortest ring that holds the range.
pub(crate) fn bits_of(f: Fixed) -> u8 {
    let magnitude = f.hi.max(!f.lo).max(0).unsigned_abs();
    (65 - magnitude.leading_zeros()) as u8
}

/// The part `[start, start + size)` of `axis`, everything of the others.
pub(crate) fn part(x: impl Into<Expr>, shape: &[usize], axis: usize, start: usize, size: usize) -> Expr {
    let mut from = vec![0; shape.len()];
    let mut sizes = shape.to_vec();
    (from[axis], sizes[axis]) = (start, size);
    apply(Slice { start: from, size: sizes, step: vec![1; shape.len()] }, [x.into()])
}

pub(crate) fn concat(axis: usize, parts: Vec<Expr>) -> Expr {
    Expr::Apply(Concat { axis }.into(), parts)
}

/// The last two axes exchanged.
pub(crate) fn transposed(x: impl Into<Expr>, rank: usize) -> Expr {
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 1, rank - 2);
    apply(Transpose { perm }, [x.into()])
}

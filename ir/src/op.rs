//! The table of operators. One operator is one file under `ops/` (tensor dialect) or `mpc/` (how it is computed).

use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// How many arguments an operator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    Exactly(usize),
    AtLeast(usize),
}

/// An f32 with total equality (by bits), so that operators can be compared and hashed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "f32", into = "f32")]
pub struct F32(u32);

impl From<f32> for F32 {
    fn from(v: f32) -> F32 {
        F32(v.to_bits())
    }
}

impl From<F32> for f32 {
    fn from(v: F32) -> f32 {
        f32::from_bits(v.0)
    }
}

impl F32 {
    #[must_use]
    pub fn value(self) -> f32 {
        f32::from_bits(self.0)
    }
}

impl std::fmt::Debug for F32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value().fmt(f)
    }
}

/// Meaning, type rule and reference semantics of one operator.
///
/// `eval_real` and `eval_ring` may rely on `infer` having accepted the types. Ring values are signed
/// representatives; the interpreter wraps each result to the ring of the node's type, so an operator
/// computes with wrapping 64-bit arithmetic and need not reduce.
pub trait OpDef: Serialize + for<'de> Deserialize<'de> {
    const NAME: &'static str;

    fn arity(&self) -> Arity;

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError>;

    /// Values over the reals, for the float interpreter and the client's post-processing.
    fn eval_real(&self, _args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Err(TypeError::new(format!("{} has no meaning over the reals", Self::NAME)))
    }

    /// Values over the ring: the bit-exact meaning of a program.
    fn eval_ring(&self, _args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Err(TypeError::new(format!("{} has no meaning over a ring", Self::NAME)))
    }
}

macro_rules! op_table {
    ($($(#[$doc:meta])* $variant:ident),* $(,)?) => {
        /// Every operator of both dialects.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Op { $($(#[$doc])* $variant($variant)),* }

        $(impl From<$variant> for Op { fn from(op: $variant) -> Op { Op::$variant(op) } })*

        impl Op {
            /// Name in the text form.
            #[must_use]
            pub fn name(&self) -> &'static str { match self { $(Op::$variant(_) => $variant::NAME),* } }

            #[must_use]
            pub fn arity(&self) -> Arity { match self { $(Op::$variant(op) => op.arity()),* } }

            /// Type of the result, or why these arguments are not allowed. Checks the arity.
            pub fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
                let fits = match self.arity() {
                    Arity::Exactly(n) => args.len() == n,
                    Arity::AtLeast(n) => args.len() >= n,
                };
                if !fits {
                    return Err(TypeError::new(format!("{} takes {:?} arguments, got {}", self.name(), self.arity(), args.len())));
                }
                match self { $(Op::$variant(op) => op.infer(args)),* }
            }

            pub fn eval_real(&self, args: &[&Tensor<f32>], tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
                match self { $(Op::$variant(op) => op.eval_real(args, tys)),* }
            }

            pub fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
                match self { $(Op::$variant(op) => op.eval_ring(args, tys)),* }
            }

            /// Attributes as JSON, for the text form.
            #[must_use]
            pub fn attributes(&self) -> serde_json::Value {
                match self { $(Op::$variant(op) => serde_json::to_value(op).unwrap_or(serde_json::Value::Null)),* }
            }

            /// The operator called `name` with these attributes.
            pub fn from_attributes(name: &str, attributes: serde_json::Value) -> Result<Op, TypeError> {
                $(if name == $variant::NAME {
                    return serde_json::from_value::<$variant>(attributes)
                        .map(Op::$variant)
                        .map_err(|e| TypeError::new(format!("{name}: {e}")));
                })*
                Err(TypeError::new(format!("unknown operator `{name}`")))
            }
        }
    };
}

// The table below is the list of names: a second one here would say nothing.
#[allow(clippy::wildcard_imports)]
use crate::mpc::*;
#[allow(clippy::wildcard_imports)]
use crate::ops::*;

op_table! {
    // Sources
    Input, Weight, Const,
    // Local and linear
    Add, Sub, Mul, Neg, Shl,
    Concat, Slice, Pad, Reshape, Transpose, Expand, Gather, ZeroInsert,
    SumPool, ReduceSum,
    // Linear, with weights
    Conv, MatMul,
    // Comparisons
    Relu, Max, MaxPool, ReduceMax, ArgMax,
    // Fixed point
    TruncReduce, Extend, Reduce, Assume,
    // Over the reals only: refused inside a network, computed by the client on what it learns
    Softmax, LogSoftmax, Unary, Div, Lrn, Dequantize,
    // How
    Share, Reveal,
    ConvRlwe, ConvOt, MatMulRlwe, MatMulOt, MulOt, SquareOt,
    TruncReduceLocal, TruncReduceFaithful, ExtendOt,
    ReluOt, ReluRescaleOt, MaxOt, MaxPoolOt, ReduceMaxOt, ArgMaxOt,
    // How, but priced only
    ConvPre, MatMulPre, ReluGc,
}

impl Op {
    /// A protocol that has a price and that no party can run: programs with it are for study.
    #[must_use]
    pub fn is_priced_only(&self) -> bool {
        matches!(self, Op::ConvPre(_) | Op::MatMulPre(_) | Op::ReluGc(_))
    }
}

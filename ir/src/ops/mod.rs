//! The tensor dialect: what is computed. One operator a file: meaning, type rule, reference semantics.

mod add;
mod arg_max;
mod assume;
mod concat;
mod constant;
mod conv;
mod dequantize;
mod div;
mod expand;
mod extend;
mod gather;
mod input;
mod log_softmax;
mod lrn;
mod matmul;
mod max;
mod max_pool;
mod mul;
mod neg;
mod pad;
mod reduce;
mod reduce_max;
mod reduce_sum;
mod relu;
mod reshape;
mod shl;
mod slice;
mod softmax;
mod sub;
mod sum_pool;
mod transpose;
mod trunc_reduce;
mod unary;
mod weight;
mod zero_insert;

pub use crate::semantics::extent::{MAX_ELEMENTS, MAX_RANK};
pub use add::Add;
pub use arg_max::ArgMax;
pub use assume::Assume;
pub use concat::Concat;
pub use constant::{Const, ConstValue};
pub use conv::Conv;
pub use dequantize::Dequantize;
pub use div::Div;
pub use expand::Expand;
pub use extend::Extend;
pub use gather::Gather;
pub use input::Input;
pub use log_softmax::LogSoftmax;
pub use lrn::Lrn;
pub use matmul::MatMul;
pub use max::Max;
pub use max_pool::MaxPool;
pub use mul::Mul;
pub use neg::Neg;
pub use pad::Pad;
pub use reduce::Reduce;
pub use reduce_max::ReduceMax;
pub use reduce_sum::ReduceSum;
pub use relu::Relu;
pub use reshape::Reshape;
pub use shl::Shl;
pub use slice::Slice;
pub use softmax::Softmax;
pub use sub::Sub;
pub use sum_pool::SumPool;
pub use transpose::Transpose;
pub use trunc_reduce::TruncReduce;
pub use unary::{Function, Unary};
pub use weight::Weight;
pub use zero_insert::ZeroInsert;

/// The operators of this dialect, for `$then`, with what was said before.
macro_rules! tensor_dialect {
    ($then:ident $($before:tt)*) => {
        $then! {
            $($before)*
            tensor {
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
            }
        }
    };
}
pub(crate) use tensor_dialect;

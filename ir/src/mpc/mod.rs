//! The mpc dialect: how a value is computed between the two parties, and what that costs exactly.

mod arg_max_ot;
mod conv_ot;
mod conv_pre;
mod conv_rlwe;
pub mod cost;
mod extend_ot;
mod matmul_ot;
mod matmul_pre;
mod matmul_rlwe;
mod max_ot;
mod max_pool_ot;
pub mod memory;
mod mul_ot;
pub mod node_cost;
pub(crate) mod operands;
pub mod protocol;
mod reduce_max_ot;
mod relu_gc;
mod relu_ot;
mod relu_rescale_ot;
mod reveal;
pub mod rlwe;
pub mod schedule;
mod share;
mod square_ot;
mod trunc_reduce_faithful;
mod trunc_reduce_local;

pub use arg_max_ot::ArgMaxOt;
pub use conv_ot::ConvOt;
pub use conv_pre::ConvPre;
pub use conv_rlwe::ConvRlwe;
pub use extend_ot::ExtendOt;
pub use matmul_ot::MatMulOt;
pub use matmul_pre::MatMulPre;
pub use matmul_rlwe::MatMulRlwe;
pub use max_ot::MaxOt;
pub use max_pool_ot::MaxPoolOt;
pub use mul_ot::MulOt;
pub use operands::MAX_RADIX;
pub use reduce_max_ot::ReduceMaxOt;
pub use relu_gc::ReluGc;
pub use relu_ot::ReluOt;
pub use relu_rescale_ot::ReluRescaleOt;
pub use reveal::Reveal;
pub use share::Share;
pub use square_ot::SquareOt;
pub use trunc_reduce_faithful::TruncReduceFaithful;
pub use trunc_reduce_local::TruncReduceLocal;

/// The operators of this dialect, for `$then`, with what was said before. Programs store their place in the list.
macro_rules! mpc_dialect {
    ($then:ident $($before:tt)*) => {
        $then! {
            $($before)*
            mpc {
                Share, Reveal,
                ConvRlwe, ConvOt, MatMulRlwe, MatMulOt, MulOt, SquareOt,
                TruncReduceLocal, TruncReduceFaithful, ExtendOt,
                ReluOt, ReluRescaleOt, MaxOt, MaxPoolOt, ReduceMaxOt, ArgMaxOt,
                // Priced only
                ConvPre, MatMulPre, ReluGc,
            }
        }
    };
}
pub(crate) use mpc_dialect;

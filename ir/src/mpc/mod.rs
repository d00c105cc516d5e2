//! The mpc dialect: how a value is computed between the two parties, and what that costs exactly.

mod arg_max_ot;
mod conv_ot;
mod conv_rlwe;
pub mod cost;
pub mod cot;
mod extend_ot;
mod matmul_ot;
mod matmul_rlwe;
mod max_ot;
mod max_pool_ot;
mod mul_ot;
pub(crate) mod operands;
mod reduce_max_ot;
mod relu_ot;
mod reveal;
mod share;
mod trunc_reduce_faithful;
mod trunc_reduce_local;

pub use arg_max_ot::ArgMaxOt;
pub use conv_ot::ConvOt;
pub use conv_rlwe::ConvRlwe;
pub use extend_ot::ExtendOt;
pub use matmul_ot::MatMulOt;
pub use matmul_rlwe::MatMulRlwe;
pub use max_ot::MaxOt;
pub use max_pool_ot::MaxPoolOt;
pub use mul_ot::MulOt;
pub use operands::MAX_RADIX;
pub use reduce_max_ot::ReduceMaxOt;
pub use relu_ot::ReluOt;
pub use reveal::Reveal;
pub use share::Share;
pub use trunc_reduce_faithful::TruncReduceFaithful;
pub use trunc_reduce_local::TruncReduceLocal;

//! Two-party protocols over shares. Each reads like its paper; beside each stands its ideal functionality.
//!
//! ```text
//!   relu, relu_rescale, max, pools, argmax         trunc, extend        conv_ot, matmul_ot, mul_ot   reveal
//!        |                    |                      |     |                     |
//!      drelu  ------------> greater <----------------'     |                   product
//!                          /       \                       |                     |
//!                      leaves     ANDs     mux, b2a <------'                     |
//!                         |       triples      |                                  |
//!                         \         |        /                                   |
//!                          correlated OTs, taken once from the session's pools --'
//! ```
//!
//! **Setting.** Two parties, semi-honest, static corruption; computational security 128 bits from the OT layer and
//! its hash. A value of a ring of `l` bits (1 to 64) is shared as `x = x0 + x1 mod 2^l`, one `u64` below `2^l` at each
//! party; a bit as `b = b0 xor b1` in a [`BitVec`](crate::bits::BitVec). Every function is called by both parties with
//! the same public arguments and returns the caller's share.
//!
//! **Masks.** No protocol here draws randomness: every message is masked by the hash of a correlated OT that is used
//! once, and the shares of results are such pads too. So each message is uniform to its receiver, given what it knows,
//! and there is nothing to leak but lengths, which are public.
//!
//! **Correlations.** No protocol reserves. The caller reserves what [`picc_ir::mpc::cost`] says, and runs large
//! tensors in batches of at most [`picc_ir::mpc::cost::BATCH`] elements, so that memory stays bounded.
//!
//! **Time.** No branch and no address depends on a secret: secret bits become masks. What is opened (masked choices)
//! is public.

mod and;
mod argmax;
mod call;
mod compare;
mod correlate;
mod extend;
mod leaf;
mod linear;
mod linear_ot;
pub mod linear_rlwe;
mod mul;
mod pack;
mod planes;
mod pool;
mod product;
mod relu;
mod relu_rescale;
mod reveal;
mod select;
#[cfg(test)]
mod source_tests;
mod square;
#[cfg(test)]
mod testing;
mod triple;
mod trunc;

use crate::error::{Error, Result};
use crate::session::Session;
use call::Run;
use picc_ir::op::MpcOp;

pub use argmax::argmax;
pub(crate) use call::{Call, fixed};
pub use compare::{drelu, greater};
pub use extend::{Range, extend};
pub use linear::{plain_conv, plain_matmul};
pub use linear_ot::{conv_ot, matmul_ot};
pub use mul::{mul, mul_server};
pub use pack::{pack, unpack};
pub use pool::{max_pool, max_pool_window, reduce_max};
pub use relu::{max, max_window, relu, relu_window};
pub use relu_rescale::relu_rescale;
pub use reveal::reveal;
pub use select::{b2a, mux};
pub use square::square;
pub use trunc::{trunc_faithful, trunc_local};

/// Runs a part of a protocol node; the answer is this party's share of its elements.
pub(crate) fn run(op: &MpcOp, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
    match op {
        MpcOp::ConvOt(op) => op.run(session, call),
        MpcOp::MatMulOt(op) => op.run(session, call),
        MpcOp::MulOt(op) => op.run(session, call),
        MpcOp::SquareOt(op) => op.run(session, call),
        MpcOp::TruncReduceFaithful(op) => op.run(session, call),
        MpcOp::ExtendOt(op) => op.run(session, call),
        MpcOp::ReluOt(op) => op.run(session, call),
        MpcOp::ReluRescaleOt(op) => op.run(session, call),
        MpcOp::MaxOt(op) => op.run(session, call),
        MpcOp::MaxPoolOt(op) => op.run(session, call),
        MpcOp::ReduceMaxOt(op) => op.run(session, call),
        MpcOp::ArgMaxOt(op) => op.run(session, call),
        // Without messages, or with a plan and weights of its own.
        MpcOp::Share(_) | MpcOp::Reveal(_) | MpcOp::TruncReduceLocal(_) => Err(whole(op)),
        MpcOp::ConvRlwe(_) | MpcOp::MatMulRlwe(_) => Err(whole(op)),
        // Priced only.
        MpcOp::ConvPre(_) | MpcOp::MatMulPre(_) | MpcOp::ReluGc(_) => Err(whole(op)),
    }
}

fn whole(op: &MpcOp) -> Error {
    Error::Bug(format!("{} is no protocol of parts", op.name()))
}

/// Functionalities that the protocols realize, as plain functions of the values.
pub mod ideal {
    pub use super::argmax::ideal_argmax as argmax;
    pub use super::compare::ideal_drelu as drelu;
    pub use super::extend::ideal_extend as extend;
    pub use super::pool::{ideal_max_pool as max_pool, ideal_reduce_max as reduce_max};
    pub use super::relu::{ideal_max as max, ideal_relu as relu, ideal_relu_window as relu_window};
    pub use super::relu_rescale::ideal_relu_rescale as relu_rescale;
    pub use super::trunc::{ideal_trunc as trunc, ideal_trunc_local as trunc_local};
}

/// The low `bits` bits.
const fn low_mask(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

/// The signed value that `x` stands for in a ring of `ring` bits.
#[must_use]
pub fn signed(x: u64, ring: u8) -> i64 {
    let unused = 64 - u32::from(ring);
    (x << unused).cast_signed() >> unused
}

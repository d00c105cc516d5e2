//! Real graph to ring graph: every value becomes fixed point in a ring as short as its range allows.
//!
//! ```text
//!          ring l = m + s                      ring m, frac f             ring l'
//! x ------------------> conv -> add bias -> trunc_reduce s -> assume -> relu -> extend -> next conv
//!  frac f    weights frac s     frac f + s
//! ```
//! `s` is the fraction of the layer's weights, `m` the ring that holds the layer's output with one spare bit. Each value
//! has a fraction of its own (see [`fractions`]); sums of products are kept as they are until somebody needs them at it
//! (*raw* values).

mod align;
mod emit;
mod fractions;
mod known;
mod plan;
mod rings;

pub(crate) use emit::quantize;
pub use fractions::Fractions;
pub(crate) use plan::{Format, Plan, factor};

/// A value of the ring graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    id: picc_ir::Id,
    ring: u8,
    frac: u8,
}

/// Bits that hold `magnitude` beside the sign: the smallest `k` with `magnitude <= 2^k - 1`.
fn bits_for(magnitude: f64) -> u32 {
    (0..128).find(|&k| magnitude <= (k as f64).exp2() - 1.0).unwrap_or(128)
}

//! Linear layers under ring LWE with coefficient encoding: parameters, noise, tiling and exact cost.
//!
//! Encoding after Cheetah (Huang, Lu, Hong, Ding: USENIX Security 2022, section 3), generalized as follows.
//!
//! ```text
//!   ConvGeom ─┐                     Tiling: images, tile (h, w), channels C_w       Budget: set of primes,
//!             ├─> Layer (stride 1) ──> per input polynomial, outputs M_w per ──> noise bound, flooding, bits on
//!   MatMul  ──┘   phases = channels    weight polynomial: search of exact bytes     the wire
//! ```
//!
//! * **Strides** become channels: input pixel `(Y*sy + py, X*sx + px)` is pixel `(Y, X)` of the phase `(py, px)` of
//!   its channel, so every convolution here has stride one and its outputs are dense in the response. Phases that
//!   no kernel tap touches are never sent (a strided 1x1 kernel sends what it reads).
//! * **Padding** is zeros; where a tile spans the image, the zeros right of a row are those left of the next, and
//!   likewise between images and channels.
//! * **Only what is read is sent**: the `a` half is a seed; of `b`, only coefficients that some needed output
//!   multiplies. With one output channel per weight polynomial that is the tile itself.
//! * **Groups**: `G` groups may share an input polynomial; they are a dense convolution of `G` times the channels
//!   whose weights off the diagonal are zero. A depthwise layer with small images so packs `G x G` blocks, of which
//!   the `G` on the diagonal are the outputs; all-zero weight polynomials are skipped. The search decides `G`.
//! * **Matrix products** are 1x1 convolutions: rows are pixels, inner dimension is channels, batch is groups.
//!
//! Adversary: semi-honest. Rounds: two. Leakage: none beyond the shapes, see [`noise`] for the two ways to hide weights
//! and [`figure`] for what they leave.

pub mod encoding;
pub mod figure;
mod hiding;
pub mod layer;
pub mod noise;
pub mod params;
mod plan;
mod search;
pub mod tiling;

pub use encoding::Encoding;
pub use hiding::{COIN_RATE, Hiding};
pub use layer::{Layer, WeightLayout};
pub use noise::Budget;
pub use params::{PARAM_SETS, ParamSet};
pub use plan::{
    ConvPlan, LinearPlan, MatMulPlan, RequestPolynomial, ResponsePolynomial, SEED_BYTES, Span, setup_traffic,
};
pub use tiling::{Tile, Tiling};

/// Why a layer has no plan. `NotEligible` is an answer, not a fault: another protocol must take the layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("geometry is inconsistent: {0}")]
    Geometry(&'static str),
    #[error("ring of {0} bits; 1 to 64 are possible")]
    RingBits(u32),
    #[error("weights of {0} bits; 1 to 32 are possible")]
    WeightBits(u32),
    #[error("layer is too large for one protocol call: {0}")]
    TooLarge(&'static str),
    #[error("no ring LWE parameters fit: {ring_bits} ring bits, {weight_bits} weight bits, fan-in {fan_in}")]
    NotEligible { ring_bits: u32, weight_bits: u32, fan_in: u64 },
}

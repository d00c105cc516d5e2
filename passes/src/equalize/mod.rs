//! A scale for each channel: equalization over the reals, before anything is quantized.
//!
//! One fraction serves a whole tensor, so channels (features, rows, heads) much smaller than the largest of theirs would
//! lose their bits. For `a > 0`, `relu(a x) = a relu(x)`, and so for every step that takes values of one scale to values
//! of that scale; a linear layer takes each channel from one scale to another by its weights. So elements that such
//! steps tie together form *classes* (see [`classes`]); every class gets a power of two (see [`factors`]), which is
//! folded into the weights of the layers before and behind (see [`rewrite`]): over the reals nothing changes, not even
//! in the last bit, and no factor shows. Only at the ends, where there is no layer on the other side, the client
//! multiplies its input by powers of two, or divides an output by them; these are public.

mod classes;
mod factors;
mod rewrite;
#[cfg(test)]
mod tests;

pub(crate) use rewrite::Equalized;

use crate::error::Result;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Tensor};
use std::collections::BTreeMap;

/// The secure part and the client's with equalized channels; `None` for a network of too many
/// channels. With `ends` the client may scale inputs and outputs.
pub(crate) fn equalize(
    core: &Graph,
    tail: &Graph,
    weights: &RealWeights,
    samples: &[BTreeMap<String, Tensor<f32>>],
    ends: bool,
) -> Result<Option<Equalized>> {
    let Some(classes) = classes::classes(core, ends)? else { return Ok(None) };
    let shifts = factors::shifts(core, weights, &classes, samples)?;
    rewrite::rewrite(core, tail, weights, &classes, &shifts).map(Some)
}

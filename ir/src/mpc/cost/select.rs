//! Protocols that select by a shared bit: multiplexer, bit to ring, ReLU, maximum.

use super::compare::drelu_run;
use super::{Transcript, packed, script};
use crate::Party;
use crate::cost::Cost;

/// `b * x` for `n` elements with one payload of each of the `widths` (in bits) under the same bit.
#[must_use]
pub fn mux(n: u64, widths: &[u8]) -> Cost {
    script(|t| mux_run(t, n, widths))
}

pub(super) fn mux_run(t: &mut Transcript, n: u64, widths: &[u8]) {
    if n == 0 {
        return;
    }
    t.cots(Party::Client, n);
    t.cots(Party::Server, n);
    t.exchange(n.div_ceil(8), n.div_ceil(8));
    let payload = widths.iter().map(|&w| packed(n, u64::from(w))).sum();
    t.exchange(payload, payload);
}

/// A shared bit into a ring of `ring` bits, for `n` bits: one COT with the server as its sender.
#[must_use]
pub fn b2a(n: u64, ring: u8) -> Cost {
    script(|t| b2a_run(t, n, ring))
}

pub(super) fn b2a_run(t: &mut Transcript, n: u64, ring: u8) {
    if ring > 1 {
        product_of_bits(t, n, ring - 1);
    }
}

/// A product of two private bits as shares of `width` bits: one COT with the server as its sender.
pub(super) fn product_of_bits(t: &mut Transcript, n: u64, width: u8) {
    if n == 0 {
        return;
    }
    t.cots(Party::Server, n);
    t.message(Party::Client, n.div_ceil(8));
    t.message(Party::Server, packed(n, u64::from(width)));
}

/// `max(x, 0)` for `n` elements.
#[must_use]
pub fn relu(n: u64, ring: u8, radix: u8) -> Cost {
    relu_window(n, ring, 0, radix)
}

/// `max(x, 0)` for `n` elements by the sign of `x >> skip_low`.
#[must_use]
pub fn relu_window(n: u64, ring: u8, skip_low: u8, radix: u8) -> Cost {
    script(|t| relu_run(t, n, ring, skip_low, radix))
}

pub(super) fn relu_run(t: &mut Transcript, n: u64, ring: u8, skip_low: u8, radix: u8) {
    drelu_run(t, n, ring - skip_low, radix);
    mux_run(t, n, &[ring]);
}

/// Elementwise maximum of two tensors of `n` elements.
#[must_use]
pub fn max(n: u64, ring: u8, radix: u8) -> Cost {
    relu(n, ring, radix)
}

//! What DELPHI's two building blocks cost, by phase. Priced only: no party runs them yet.
//!
//! Mishra et al., *DELPHI* (USENIX Security 2020), figures 2 and 3; semi-honest.
//!
//! ```text
//!   linear layer   offline  client -> server  Enc(r)                 a request of the layer under RLWE, in its ring
//!                           server -> client  Enc(W r - s)           its response
//!                  online   client -> server  x_c - r                the ring's bits for each element, one message
//!                           the server keeps W (x_s + x_c - r) + s, the client has W r - s
//!
//!   ReLU           offline  garbler -> evaluator  circuit and labels          18,248 B an element, all of it stored
//!                  online   garbler -> evaluator  a label for each input bit  41 * 16 B an element, one message
//!                           the evaluator keeps what the circuit gives, the garbler the mask that it put in
//! ```
//! The ReLU's figures are those that DELPHI's implementation stores for each ReLU over its 41-bit prime field: 18,248 B
//! at the evaluator (the client) and 3,590 B at the garbler (the server). They are published prices, not those of the
//! best circuit: a garbled sign on a ring of 32 bits takes about 1 kB. That is what makes them a baseline.

use super::{Transcript, packed, script};
use crate::Party;
use crate::cost::{Cost, HEADER_BYTES, Stored, Traffic};
use crate::geom::{ConvGeom, MatMulGeom};
use crate::mpc::rlwe::SEED_BYTES;

/// What the evaluator stores for one ReLU, and was sent offline.
pub const GC_EVALUATOR_BYTES: u64 = 18_248;
/// What the garbler stores for one ReLU.
pub const GC_GARBLER_BYTES: u64 = 3_590;
/// Labels of the garbler's input: DELPHI's field has 41 bits.
const GC_INPUT_BITS: u64 = 41;
const LABEL_BYTES: u64 = 16;

/// A layer whose input and result have so many elements of `ring` bits; `rlwe` is its exchange under RLWE.
#[must_use]
pub fn linear_pre(inputs: u64, outputs: u64, ring: u8, rlwe: Traffic) -> Cost {
    let mut cost = online(|t| t.message(Party::Client, packed(inputs, u64::from(ring))));
    cost.offline = rlwe;
    // Masks are seeds; what the client decrypts is stored as it is.
    let seed = SEED_BYTES;
    cost.stored = Stored { client: seed + packed(outputs, u64::from(ring)), server: seed };
    cost
}

/// Preprocessed convolution of a shared value with the server's weights.
#[must_use]
pub fn conv_pre(geom: &ConvGeom, ring: u8, rlwe: Traffic) -> Cost {
    let [oh, ow] = geom.out_hw();
    let elements = |channels: usize, h: usize, w: usize| (geom.n * channels * h * w) as u64;
    linear_pre(elements(geom.c_in, geom.h, geom.w), elements(geom.c_out, oh, ow), ring, rlwe)
}

/// Preprocessed matrix product of a shared value with the server's weights.
#[must_use]
pub fn matmul_pre(geom: &MatMulGeom, ring: u8, weights_left: bool, rlwe: Traffic) -> Cost {
    let secret = if weights_left { geom.inner * geom.cols } else { geom.rows * geom.inner };
    let elements = |n: usize| (geom.batch * n) as u64;
    linear_pre(elements(secret), elements(geom.rows * geom.cols), ring, rlwe)
}

/// Garbled ReLU of `n` elements.
#[must_use]
pub fn relu_gc(n: u64) -> Cost {
    if n == 0 {
        return Cost::default();
    }
    let mut cost = online(|t| t.message(Party::Server, n * GC_INPUT_BITS * LABEL_BYTES));
    cost.offline =
        Traffic { client_to_server: 0, server_to_client: n * GC_EVALUATOR_BYTES + HEADER_BYTES, rounds: 1 };
    cost.stored = Stored { client: n * GC_EVALUATOR_BYTES, server: n * GC_GARBLER_BYTES };
    cost
}

fn online(run: impl FnOnce(&mut Transcript)) -> Cost {
    script(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resnet32_stores_what_delphi_reports() {
        // ResNet-32 on CIFAR-100 has 303,104 ReLUs; published: 5.5 GB at the client.
        let cost = relu_gc(303_104);
        assert_eq!(cost.stored.client, 5_531_041_792);
        assert_eq!(cost.stored.server, 1_088_143_360);
        assert_eq!(cost.online.total(), 303_104 * 656 + HEADER_BYTES);
        assert_eq!(relu_gc(0), Cost::default());
    }

    #[test]
    fn a_layer_sends_its_input_once_online() {
        let geom = ConvGeom {
            n: 1,
            c_in: 64,
            h: 56,
            w: 56,
            c_out: 128,
            kh: 3,
            kw: 3,
            stride: [2, 2],
            pads: [1; 4],
            dilation: [1, 1],
            groups: 1,
        };
        let rlwe = Traffic { client_to_server: 1000, server_to_client: 2000, rounds: 2 };
        let cost = conv_pre(&geom, 32, rlwe);
        assert_eq!(cost.online, Traffic::message(Party::Client, 64 * 56 * 56 * 4));
        assert_eq!(cost.offline, rlwe);
        assert_eq!(cost.stored.client, SEED_BYTES + 128 * 28 * 28 * 4);
        let product = MatMulGeom { batch: 2, rows: 3, inner: 5, cols: 7 };
        assert_eq!(matmul_pre(&product, 8, false, rlwe).online, Traffic::message(Party::Client, 2 * 3 * 5));
        assert_eq!(matmul_pre(&product, 8, true, rlwe).online, Traffic::message(Party::Client, 2 * 5 * 7));
    }
}

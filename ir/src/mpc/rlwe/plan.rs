//! A layer's plan: encoding, budget, messages and their exact bytes.

use super::search::search;
use super::{Budget, Encoding, Hiding, Layer, ParamSet, PlanError, Tile, WeightLayout};
use crate::Party;
use crate::cost::Traffic;
use crate::geom::{ConvGeom, MatMulGeom};
use std::ops::Range;

/// Every message of ciphertexts or of a public key begins with the seed of its uniform polynomials.
pub const SEED_BYTES: u64 = 32;
/// Messages end after the polynomial that exceeds this.
const MESSAGE_BYTES: u64 = 8 << 20;

/// Consecutive polynomials that travel in one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub polynomials: Range<usize>,
    /// Payload, seed included where there is one.
    pub bytes: u64,
}

/// How one linear layer is computed under ring LWE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearPlan {
    pub layer: Layer,
    pub encoding: Encoding,
    pub budget: Budget,
    /// Messages of the client, then of the server.
    pub requests: Vec<Span>,
    pub responses: Vec<Span>,
}

/// The client's public key: `b` and a seed, once per session and set.
#[must_use]
pub fn setup_traffic(set: &ParamSet) -> Traffic {
    let bits = (set.degree * set.primes.len()) as u64 * u64::from(set.prime_bits);
    Traffic::message(Party::Client, SEED_BYTES + bits.div_ceil(8))
}

/// An input polynomial: block, tile, channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPolynomial {
    pub block: usize,
    pub tile: Tile,
    pub channels: Range<usize>,
}

/// A response polynomial: block, tile, output channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponsePolynomial {
    pub block: usize,
    pub tile: Tile,
    pub outputs: Range<usize>,
}

impl LinearPlan {
    /// The cheapest plan for shares mod `2^ring_bits` and weights `|w| <= 2^(weight_bits - 1)`.
    pub fn search(
        layer: &Layer,
        ring_bits: u32,
        weight_bits: u32,
        hiding: Hiding,
    ) -> Result<LinearPlan, PlanError> {
        search(layer, ring_bits, weight_bits, hiding)
    }

    pub(super) fn new(layer: Layer, encoding: Encoding, budget: Budget) -> LinearPlan {
        let mut plan = LinearPlan { layer, encoding, budget, requests: Vec::new(), responses: Vec::new() };
        let mut kinds = std::collections::HashMap::new();
        plan.requests = spans(
            SEED_BYTES,
            plan.request_polynomials().map(|p| {
                let outputs = plan.encoding.shared_outputs(&plan.layer, p.block);
                let kind = (p.tile.images.len(), p.tile.rows.len(), p.tile.cols.len(), p.channels.len(), outputs);
                let sent = *kinds.entry(kind).or_insert_with(|| plan.request_positions(&p).len());
                (sent as u64 * u64::from(plan.budget.request_bits())).div_ceil(8)
            }),
        );
        plan.responses = spans(0, plan.response_polynomials().map(|p| plan.response_bytes(&p)));
        plan
    }

    /// Blocks, then tiles, then channels: the order on the wire.
    pub fn request_polynomials(&self) -> impl Iterator<Item = RequestPolynomial> + '_ {
        self.block_tiles().flat_map(move |(block, tile)| {
            self.encoding.channel_parts(&self.layer, block).map(move |channels| RequestPolynomial {
                block,
                tile: tile.clone(),
                channels,
            })
        })
    }

    /// Blocks, then tiles, then outputs: the order on the wire.
    pub fn response_polynomials(&self) -> impl Iterator<Item = ResponsePolynomial> + '_ {
        self.block_tiles().flat_map(move |(block, tile)| {
            self.encoding.output_parts(&self.layer, block).map(move |outputs| ResponsePolynomial {
                block,
                tile: tile.clone(),
                outputs,
            })
        })
    }

    fn block_tiles(&self) -> impl Iterator<Item = (usize, Tile)> + '_ {
        let tiles = self.encoding.tiles(&self.layer);
        (0..self.encoding.blocks(&self.layer))
            .flat_map(move |b| (0..tiles).map(move |t| (b, self.encoding.tile(&self.layer, t))))
    }

    /// Positions of the coefficients of `b` that are sent, ascending.
    #[must_use]
    pub fn request_positions(&self, p: &RequestPolynomial) -> Vec<u32> {
        let outputs = self.encoding.shared_outputs(&self.layer, p.block);
        self.encoding.touched(&self.layer, self.budget.set.degree, &p.tile, p.channels.len(), outputs)
    }

    /// Bytes of a request polynomial of which `sent` coefficients are sent.
    #[must_use]
    pub fn request_bytes(&self, sent: usize) -> usize {
        (sent * self.budget.request_bits() as usize).div_ceil(8)
    }

    /// `(position, index of the output element)` of each coefficient of `b'` that is sent, in order.
    #[must_use]
    pub fn response_elements(&self, p: &ResponsePolynomial) -> Vec<(u32, usize)> {
        let mut elements = Vec::with_capacity(self.response_outputs(p));
        for (m, output) in p.outputs.clone().enumerate() {
            for (i, image) in p.tile.images.clone().enumerate() {
                for (r, y) in p.tile.rows.clone().enumerate() {
                    for (c, x) in p.tile.cols.clone().enumerate() {
                        let at = self.encoding.output_position(m, i, r, c) as u32;
                        elements.push((at, self.layer.output_index(image, output, y, x)));
                    }
                }
            }
        }
        elements
    }

    fn response_outputs(&self, p: &ResponsePolynomial) -> usize {
        p.outputs.len() * p.tile.images.len() * p.tile.rows.len() * p.tile.cols.len()
    }

    /// All of `a'`, and the needed coefficients of `b'`.
    #[must_use]
    pub fn response_bytes(&self, p: &ResponsePolynomial) -> u64 {
        let (a, b) = (self.budget.response_bits, self.budget.response_bits - self.budget.response_drop);
        let bits = self.budget.set.degree as u64 * u64::from(a) + self.response_outputs(p) as u64 * u64::from(b);
        bits.div_ceil(8)
    }

    /// Online traffic: a flight of requests, a flight of responses.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let flight = |party, spans: &[Span]| {
            spans.iter().fold(Traffic::default(), |t, s| t.alongside(Traffic::message(party, s.bytes)))
        };
        flight(Party::Client, &self.requests) + flight(Party::Server, &self.responses)
    }

    /// Traffic of the key that this layer needs; a session sends it once per parameter set.
    #[must_use]
    pub fn setup_traffic(&self) -> Traffic {
        setup_traffic(self.budget.set)
    }

    /// Polynomial products of the server.
    #[must_use]
    pub fn products(&self) -> u64 {
        let l = &self.layer;
        let per_tile: u64 = (0..self.encoding.blocks(l))
            .map(|b| {
                let outputs = self.encoding.output_parts(l, b);
                outputs
                    .map(|m| self.encoding.channel_parts(l, b).filter(|c| self.overlap(&m, c)).count() as u64)
                    .sum::<u64>()
            })
            .sum();
        per_tile * self.encoding.tiles(l) as u64
    }

    /// Whether some of these outputs and channels are of the same group: else the weight polynomial is zero.
    #[must_use]
    pub fn overlap(&self, outputs: &Range<usize>, channels: &Range<usize>) -> bool {
        let (m, c) = (self.layer.outputs, self.layer.channels);
        outputs.start / m <= (channels.end - 1) / c && channels.start / c <= (outputs.end - 1) / m
    }
}

/// Cuts polynomials of the given sizes into messages.
fn spans(header: u64, sizes: impl Iterator<Item = u64>) -> Vec<Span> {
    let mut spans = Vec::<Span>::new();
    for (i, size) in sizes.enumerate() {
        match spans.last_mut() {
            Some(s) if s.bytes < MESSAGE_BYTES => {
                s.polynomials.end = i + 1;
                s.bytes += size;
            }
            _ => spans.push(Span { polynomials: i..i + 1, bytes: header + size }),
        }
    }
    spans
}

/// Plan of a convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvPlan {
    pub geom: ConvGeom,
    pub linear: LinearPlan,
}

impl ConvPlan {
    /// The cheapest plan for shares mod `2^ring_bits` and weights `|w| <= 2^(weight_bits - 1)`.
    pub fn new(geom: ConvGeom, ring_bits: u32, weight_bits: u32, hiding: Hiding) -> Result<ConvPlan, PlanError> {
        let linear = search(&Layer::conv(&geom)?, ring_bits, weight_bits, hiding)?;
        Ok(ConvPlan { geom, linear })
    }

    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.linear.traffic()
    }

    #[must_use]
    pub fn setup_traffic(&self) -> Traffic {
        self.linear.setup_traffic()
    }
}

/// Plan of a matrix product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatMulPlan {
    pub geom: MatMulGeom,
    pub linear: LinearPlan,
}

impl MatMulPlan {
    /// The cheapest plan for shares mod `2^ring_bits` and weights `|w| <= 2^(weight_bits - 1)`.
    pub fn new(
        geom: MatMulGeom,
        layout: WeightLayout,
        ring_bits: u32,
        weight_bits: u32,
        hiding: Hiding,
    ) -> Result<MatMulPlan, PlanError> {
        let linear = search(&Layer::matmul(&geom, layout)?, ring_bits, weight_bits, hiding)?;
        Ok(MatMulPlan { geom, linear })
    }

    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.linear.traffic()
    }

    #[must_use]
    pub fn setup_traffic(&self) -> Traffic {
        self.linear.setup_traffic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: ConvGeom = ConvGeom {
        n: 1,
        c_in: 64,
        h: 56,
        w: 56,
        c_out: 64,
        kh: 3,
        kw: 3,
        stride: [1, 1],
        pads: [1; 4],
        dilation: [1, 1],
        groups: 1,
    };

    #[test]
    fn plans_are_deterministic_and_cheaper_than_the_published_ones() {
        // Megabytes of Cheetah's own measurements.
        let gemm = MatMulGeom { batch: 1, rows: 1, inner: 2048, cols: 1001 };
        let plans = [
            (Layer::conv(&BASE), 7.25),
            (Layer::conv(&ConvGeom { c_out: 256, kh: 1, kw: 1, pads: [0; 4], ..BASE }), 17.0),
            (Layer::conv(&ConvGeom { c_in: 512, c_out: 512, h: 7, w: 7, ..BASE }), 16.4),
            (Layer::matmul(&gemm, WeightLayout::InnerCols), 2.05),
        ];
        for (layer, megabytes) in plans {
            let layer = layer.unwrap();
            let plan = LinearPlan::search(&layer, 37, 12, Hiding::FullRange).unwrap();
            assert_eq!(plan, LinearPlan::search(&layer, 37, 12, Hiding::FullRange).unwrap());
            assert!((plan.traffic().total() as f64) < megabytes * 1e6);
            assert_eq!(plan.traffic().rounds, 2);
        }
    }

    #[test]
    fn hostile_geometry_is_an_error() {
        let big = usize::MAX;
        let hostile = [
            ConvGeom { n: 0, ..BASE },
            ConvGeom { n: big, ..BASE },
            ConvGeom { groups: 3, ..BASE },
            ConvGeom { groups: big, ..BASE },
            ConvGeom { h: big, w: big, ..BASE },
            ConvGeom { pads: [big; 4], ..BASE },
            ConvGeom { pads: [1 << 24; 4], ..BASE },
            ConvGeom { kh: big, kw: big, ..BASE },
            ConvGeom { kh: 57, kw: 99, ..BASE },
            ConvGeom { dilation: [big, 1], ..BASE },
            ConvGeom { stride: [0, 1], ..BASE },
            ConvGeom { c_in: 1 << 24, c_out: 1 << 24, ..BASE },
            ConvGeom { h: 1 << 14, w: 1 << 14, c_in: 1, c_out: 64, pads: [0; 4], kh: 8, kw: 8, ..BASE },
            ConvGeom {
                h: 1 << 20,
                w: 1,
                kh: 2,
                kw: 1,
                pads: [0; 4],
                dilation: [1 << 19, 1],
                c_in: 1,
                c_out: 1,
                ..BASE
            },
        ];
        for g in hostile {
            assert!(ConvPlan::new(g, 37, 12, Hiding::FullRange).is_err(), "{g:?}");
        }
        assert_eq!(ConvPlan::new(BASE, 65, 12, Hiding::Flood), Err(PlanError::RingBits(65)));
        assert_eq!(ConvPlan::new(BASE, 37, 0, Hiding::Flood), Err(PlanError::WeightBits(0)));
        let huge = MatMulGeom { batch: big, rows: big, inner: 2, cols: 2 };
        assert!(MatMulPlan::new(huge, WeightLayout::InnerCols, 37, 12, Hiding::Flood).is_err());
    }

    #[test]
    fn no_two_needed_outputs_and_no_two_sent_coefficients_share_a_position() {
        let pads = [[1; 4], [3; 4], [0, 2, 1, 0], [0; 4]];
        for (i, pads) in pads.into_iter().enumerate() {
            for (h, w) in [(1, 1), (2, 7), (9, 3)] {
                let g = ConvGeom { n: 3, c_in: 4, c_out: 6, h: h + 2, w: w + 2, pads, groups: 1 + i % 2, ..BASE };
                let plan = ConvPlan::new(g, 37, 12, Hiding::FullRange).unwrap().linear;
                let mut written = vec![false; plan.layer.lens()[2]];
                for p in plan.response_polynomials() {
                    let mut at: Vec<u32> = plan.response_elements(&p).iter().map(|e| e.0).collect();
                    plan.response_elements(&p).iter().for_each(|e| written[e.1] = true);
                    at.sort_unstable();
                    assert!(at.windows(2).all(|w| w[0] < w[1]) && at.iter().all(|&a| a < 4096));
                }
                assert!(written.into_iter().all(|w| w), "every output is produced");
                for p in plan.request_polynomials() {
                    assert!(plan.request_positions(&p).windows(2).all(|w| w[0] < w[1]));
                }
            }
        }
    }
}

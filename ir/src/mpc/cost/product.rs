//! OT products: each scalar that one party holds, bit by bit, times a row of values that the other one holds.

use super::{Transcript, packed, script};
use crate::Party;
use crate::cost::Cost;
use crate::geom::{ConvGeom, MatMulGeom};

/// Payload at which the messages of a product are split.
const MESSAGE_BYTES: u64 = 1 << 26;

/// `scalars` scalars in succession, each of which multiplies a row of `row` values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRun {
    pub scalars: u64,
    pub row: u64,
}

/// One message of a product: the scalars `first..first + scalars` of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductMessage {
    pub run: usize,
    pub first: u64,
    pub scalars: u64,
    pub row: u64,
}

/// A product of scalars of `choice_bits` bits with rows of values, modulo `2^ring`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductShape {
    pub ring: u8,
    pub choice_bits: u8,
    /// Scalars with an empty row take no part.
    pub runs: Vec<RowRun>,
}

impl ProductShape {
    #[must_use]
    pub fn new(ring: u8, choice_bits: u8, runs: impl IntoIterator<Item = RowRun>) -> ProductShape {
        // Bits above the ring do not matter.
        ProductShape { ring, choice_bits: choice_bits.min(ring), runs: runs.into_iter().collect() }
    }

    #[must_use]
    pub fn scalars(&self) -> u64 {
        self.runs.iter().filter(|r| r.row > 0).map(|r| r.scalars).sum()
    }

    /// Bits of one value's messages: bit `k` of the scalar needs the value modulo `2^(ring - k)`.
    #[must_use]
    pub fn bits_per_value(&self) -> u64 {
        let (l, m) = (u64::from(self.ring), u64::from(self.choice_bits));
        m * (l - m) + m * (m + 1) / 2
    }

    /// Bytes of one scalar's messages for a row of `row` values.
    #[must_use]
    pub fn scalar_bytes(&self, row: u64) -> u64 {
        packed(row, self.bits_per_value())
    }

    /// The messages in order; each has whole scalars of one run.
    pub fn messages(&self) -> impl Iterator<Item = ProductMessage> + '_ {
        self.runs.iter().enumerate().filter(|(_, r)| r.row > 0).flat_map(|(run, r)| {
            let most = (MESSAGE_BYTES / self.scalar_bytes(r.row)).max(1);
            (0..r.scalars.div_ceil(most)).map(move |i| {
                let first = i * most;
                ProductMessage { run, first, scalars: most.min(r.scalars - first), row: r.row }
            })
        })
    }

    pub(crate) fn run(&self, t: &mut Transcript, receiver: Party) {
        let choices = self.scalars() * u64::from(self.choice_bits);
        if choices == 0 {
            return;
        }
        t.cots(receiver.other(), choices);
        t.message(receiver, choices.div_ceil(8));
        for part in self.messages() {
            t.message(receiver.other(), part.scalars * self.scalar_bytes(part.row));
        }
    }
}

/// One product; the scalars are `receiver`'s.
#[must_use]
pub fn product(shape: &ProductShape, receiver: Party) -> Cost {
    script(|t| shape.run(t, receiver))
}

/// The product behind a convolution with the server's weights.
///
/// The server's weights choose, or the client's share does (all its `ring` bits). A scalar is used once however many
/// products it takes part in; products with padding do not exist.
#[must_use]
pub fn conv_shape(geom: &ConvGeom, ring: u8, weight_bits: u8, receiver: Party) -> ProductShape {
    let [oh, ow] = geom.out_hw();
    let hits = |out: usize, len: usize, axis: usize, tap: usize| {
        (0..out).filter(move |o| {
            (o * geom.stride[axis] + tap * geom.dilation[axis])
                .checked_sub(geom.pads[axis])
                .is_some_and(|p| p < len)
        })
    };
    match receiver {
        Party::Server => {
            let taps = (0..geom.kh).flat_map(|i| (0..geom.kw).map(move |j| (i, j)));
            let scalars = (geom.c_out * (geom.c_in / geom.groups)) as u64;
            let runs = taps.map(|(i, j)| {
                let row = geom.n * hits(oh, geom.h, 0, i).count() * hits(ow, geom.w, 1, j).count();
                RowRun { scalars, row: row as u64 }
            });
            ProductShape::new(ring, weight_bits, runs)
        }
        Party::Client => {
            let uses = |out: usize, len: usize, axis: usize, taps: usize| {
                let mut uses = vec![0u64; len];
                for tap in 0..taps {
                    for o in hits(out, len, axis, tap) {
                        uses[o * geom.stride[axis] + tap * geom.dilation[axis] - geom.pads[axis]] += 1;
                    }
                }
                uses
            };
            let (rows, cols) = (uses(oh, geom.h, 0, geom.kh), uses(ow, geom.w, 1, geom.kw));
            let outputs = (geom.c_out / geom.groups) as u64;
            let scalars = (geom.n * geom.c_in) as u64;
            let runs =
                rows.iter().flat_map(|&uy| cols.iter().map(move |&ux| RowRun { scalars, row: uy * ux * outputs }));
            ProductShape::new(ring, ring, runs)
        }
    }
}

/// The product behind a matrix product with the server's weights, one weight matrix for each of the `batch`.
#[must_use]
pub fn matmul_shape(
    geom: &MatMulGeom,
    ring: u8,
    weight_bits: u8,
    weights_left: bool,
    receiver: Party,
) -> ProductShape {
    // The left factor chooses if it is the server's and the server chooses, or if neither is so.
    let left_chooses = weights_left == (receiver == Party::Server);
    let (scalars, row) = if left_chooses { (geom.rows, geom.cols) } else { (geom.cols, geom.rows) };
    let choice_bits = if receiver == Party::Server { weight_bits } else { ring };
    let run = RowRun { scalars: (geom.batch * geom.inner * scalars) as u64, row: row as u64 };
    ProductShape::new(ring, choice_bits, [run])
}

/// Convolution of a shared value with the server's weights.
#[must_use]
pub fn conv_ot(geom: &ConvGeom, ring: u8, weight_bits: u8, receiver: Party) -> Cost {
    product(&conv_shape(geom, ring, weight_bits, receiver), receiver)
}

/// Matrix product of a shared value with the server's weights.
#[must_use]
pub fn matmul_ot(geom: &MatMulGeom, ring: u8, weight_bits: u8, weights_left: bool, receiver: Party) -> Cost {
    product(&matmul_shape(geom, ring, weight_bits, weights_left, receiver), receiver)
}

/// Elementwise product of `n` shared values with `n` shared values: both cross terms at once.
#[must_use]
pub fn mul(n: u64, ring: u8) -> Cost {
    let shape = ProductShape::new(ring, ring, [RowRun { scalars: n, row: 1 }]);
    let choices = (n * u64::from(ring)).div_ceil(8);
    let messages = n * shape.scalar_bytes(1);
    script(|t| {
        if n > 0 {
            t.cots(Party::Client, n * u64::from(ring));
            t.cots(Party::Server, n * u64::from(ring));
            t.exchange(choices, choices);
            t.exchange(messages, messages);
        }
    })
}

/// Elementwise product of `n` shared values with `n` values of `weight_bits` bits that the server holds.
#[must_use]
pub fn mul_server(n: u64, ring: u8, weight_bits: u8, receiver: Party) -> Cost {
    let choice_bits = if receiver == Party::Server { weight_bits } else { ring };
    product(&ProductShape::new(ring, choice_bits, [RowRun { scalars: n, row: 1 }]), receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_roles_of_a_convolution_count_the_same_products() {
        let geom = ConvGeom {
            n: 2,
            c_in: 4,
            h: 7,
            w: 5,
            c_out: 6,
            kh: 3,
            kw: 2,
            stride: [2, 1],
            pads: [1, 0, 2, 1],
            dilation: [1, 2],
            groups: 2,
        };
        let products = |p| conv_shape(&geom, 20, 8, p).runs.iter().map(|r| r.scalars * r.row).sum::<u64>();
        assert_eq!(products(Party::Server), products(Party::Client));
    }

    #[test]
    fn the_price_is_the_formula() {
        let geom = MatMulGeom { batch: 1, rows: 8, inner: 16, cols: 32 };
        let (l, m) = (32, 8);
        let cost = matmul_ot(&geom, l, m, true, Party::Server);
        let bits = 8 * 16 * (8 + 32 * (8 * (32 - 8) + 8 * 9 / 2));
        assert_eq!(cost.online.total() * 8, bits + 2 * 64);
        assert_eq!(cost.cots.client_sends, crate::cost::CotCounts::of(1, 8 * 16 * 8));
        assert_eq!(cost.online.rounds, 2);
    }
}

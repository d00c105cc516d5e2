//! Convolution and matrix product of a shared value with the server's weights, by OT products.
//!
//! `x w = x_s w + x_c w`: the server computes the first term alone, the second is one [`super::product`]. Its scalars
//! are the weights (`receiver` is the server, `weight_bits` choices each) or the client's share (`receiver` is the
//! client, `ring` choices each); the optimizer takes the cheaper. Each scalar is used once, with all values that it
//! meets in one row, and products with padding are left out. Adversary: semi-honest. Leakage: none; exact modulo
//! `2^ring` for weights that fit `weight_bits` bits in two's complement. Bytes: [`picc_ir::mpc::cost::conv_ot`],
//! [`picc_ir::mpc::cost::matmul_ot`].

use super::call::{Call, Run};
use super::linear::{hits, local_conv, local_matmul};
use super::product;
use crate::error::{Error, Result};
use crate::session::Session;
use picc_ir::Party;
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::cost::{ProductShape, conv_shape, matmul_shape};
use picc_ir::mpc::{ConvOt, MatMulOt};

/// Shares of the convolution of the shared `x` with the server's `weights` (`Some` at the server, modulo `2^ring`).
pub fn conv_ot(
    session: &mut Session,
    geom: &ConvGeom,
    x: &[u64],
    weights: Option<&[u64]>,
    ring: u8,
    weight_bits: u8,
    receiver: Party,
) -> Result<Vec<u64>> {
    let [oh, ow] = geom.out_hw();
    let lengths = (geom.n * geom.c_in * geom.h * geom.w, geom.c_out * geom.fan_in());
    check(session.party(), "conv_ot", x, weights, lengths)?;
    let shape = conv_shape(geom, ring, weight_bits, receiver);
    let out = match weights {
        Some(w) => local_conv(geom, x, w, ring, weight_bits)?,
        None => vec![0; geom.n * geom.c_out * oh * ow],
    };
    let mine = weights.unwrap_or(x);
    match receiver {
        Party::Server => cross_term(session, &shape, &ConvByWeight(*geom), mine, receiver, out),
        Party::Client => cross_term(session, &shape, &ConvByInput::new(geom), mine, receiver, out),
    }
}

/// Shares of the product of the shared `x` with the server's `weights` (`Some` at the server, modulo `2^ring`), which
/// are the left factor if `weights_left`. Both have a matrix for each of the `batch`.
pub fn matmul_ot(
    session: &mut Session,
    geom: &MatMulGeom,
    x: &[u64],
    weights: Option<&[u64]>,
    ring: u8,
    weight_bits: u8,
    weights_left: bool,
    receiver: Party,
) -> Result<Vec<u64>> {
    let (left, right) = (geom.batch * geom.rows * geom.inner, geom.batch * geom.inner * geom.cols);
    let lengths = if weights_left { (right, left) } else { (left, right) };
    check(session.party(), "matmul_ot", x, weights, lengths)?;
    let shape = matmul_shape(geom, ring, weight_bits, weights_left, receiver);
    let out = match weights {
        Some(w) if weights_left => local_matmul(geom, w, x, ring)?,
        Some(w) => local_matmul(geom, x, w, ring)?,
        None => vec![0; geom.batch * geom.rows * geom.cols],
    };
    let rows = MatMulRows { geom: *geom, left_chooses: weights_left == (receiver == Party::Server) };
    cross_term(session, &shape, &rows, weights.unwrap_or(x), receiver, out)
}

impl Run for ConvOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        let ConvOt { geom, weight_bits, receiver } = self;
        conv_ot(session, geom, call.whole(0)?, call.own(1), call.ring()?, *weight_bits, *receiver)
    }
}

impl Run for MatMulOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        let MatMulOt { geom, weight_bits, weights_left, receiver } = self;
        let (x, w) = if *weights_left { (1, 0) } else { (0, 1) };
        let (ring, x, w) = (call.format(x)?.ring_bits, call.whole(x)?, call.own(w));
        matmul_ot(session, geom, x, w, ring, *weight_bits, *weights_left, *receiver)
    }
}

fn cross_term(
    session: &mut Session,
    shape: &ProductShape,
    rows: &impl product::Rows,
    mine: &[u64],
    receiver: Party,
    mut out: Vec<u64>,
) -> Result<Vec<u64>> {
    if session.party() == receiver {
        let scalars = product::choose(session, shape, rows, mine)?;
        product::receive(session, shape, rows, scalars, &mut out)?;
    } else {
        product::send(session, shape, rows, mine, &mut out)?;
    }
    Ok(out)
}

fn check(party: Party, name: &str, x: &[u64], w: Option<&[u64]>, (x_len, w_len): (usize, usize)) -> Result<()> {
    let weights_fit = match (party, w) {
        (Party::Server, Some(w)) => w.len() == w_len,
        (Party::Client, None) => true,
        _ => false,
    };
    if weights_fit && x.len() == x_len {
        return Ok(());
    }
    Err(Error::Bug(format!("{name}: {x_len} values at both parties and {w_len} weights at the server expected")))
}

/// The weights choose: run by run the taps of the kernel, within a run the pairs of channels.
struct ConvByWeight(ConvGeom);

impl ConvByWeight {
    /// Tap (i, j), output channel, input channel within the group.
    fn place(&self, run: usize, scalar: usize) -> (usize, usize, usize, usize) {
        let fan_in = self.0.c_in / self.0.groups;
        (run / self.0.kw, run % self.0.kw, scalar / fan_in, scalar % fan_in)
    }
}

impl product::Rows for ConvByWeight {
    fn scalar(&self, run: usize, scalar: usize) -> usize {
        let (i, j, co, ci) = self.place(run, scalar);
        ((co * (self.0.c_in / self.0.groups) + ci) * self.0.kh + i) * self.0.kw + j
    }

    fn visit(&self, run: usize, scalar: usize, visit: &mut dyn FnMut(usize, usize)) {
        let g = &self.0;
        let [oh, ow] = g.out_hw();
        let (i, j, co, ci) = self.place(run, scalar);
        let c = co / (g.c_out / g.groups) * (g.c_in / g.groups) + ci;
        for n in 0..g.n {
            for (oy, y) in hits(g, 0, i) {
                for (ox, x) in hits(g, 1, j) {
                    visit(((n * g.c_in + c) * g.h + y) * g.w + x, ((n * g.c_out + co) * oh + oy) * ow + ox);
                }
            }
        }
    }
}

/// The input chooses: run by run the pixels, within a run the images and channels.
struct ConvByInput {
    geom: ConvGeom,
    /// For each row of pixels: the taps and outputs that read it.
    rows: Vec<Vec<(usize, usize)>>,
    cols: Vec<Vec<(usize, usize)>>,
}

impl ConvByInput {
    fn new(geom: &ConvGeom) -> ConvByInput {
        let uses = |axis: usize, taps: usize, len: usize| {
            let mut uses = vec![Vec::new(); len];
            for tap in 0..taps {
                hits(geom, axis, tap).for_each(|(o, p)| uses[p].push((tap, o)));
            }
            uses
        };
        ConvByInput { geom: *geom, rows: uses(0, geom.kh, geom.h), cols: uses(1, geom.kw, geom.w) }
    }
}

impl product::Rows for ConvByInput {
    fn scalar(&self, run: usize, scalar: usize) -> usize {
        scalar * self.geom.h * self.geom.w + run
    }

    fn visit(&self, run: usize, scalar: usize, visit: &mut dyn FnMut(usize, usize)) {
        let g = &self.geom;
        let [oh, ow] = g.out_hw();
        let (fan_in, per_group) = (g.c_in / g.groups, g.c_out / g.groups);
        let (n, c) = (scalar / g.c_in, scalar % g.c_in);
        let first = c / fan_in * per_group;
        for co in first..first + per_group {
            for &(i, oy) in &self.rows[run / g.w] {
                for &(j, ox) in &self.cols[run % g.w] {
                    let weight = ((co * fan_in + c % fan_in) * g.kh + i) * g.kw + j;
                    visit(weight, ((n * g.c_out + co) * oh + oy) * ow + ox);
                }
            }
        }
    }
}

/// One run: the elements of the choosing factor in order. An element meets a row of the right or a column of the left.
struct MatMulRows {
    geom: MatMulGeom,
    left_chooses: bool,
}

impl product::Rows for MatMulRows {
    fn scalar(&self, _run: usize, scalar: usize) -> usize {
        scalar
    }

    fn visit(&self, _run: usize, scalar: usize, visit: &mut dyn FnMut(usize, usize)) {
        let &MatMulGeom { rows, inner, cols, .. } = &self.geom;
        if self.left_chooses {
            let (row, k) = (scalar / inner, scalar % inner);
            let right = (row / rows * inner + k) * cols;
            (0..cols).for_each(|c| visit(right + c, row * cols + c));
        } else {
            let (b, k, c) = (scalar / (inner * cols), scalar / cols % inner, scalar % cols);
            (0..rows).for_each(|r| visit((b * rows + r) * inner + k, (b * rows + r) * cols + c));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::linear::{plain_conv, plain_matmul};
    use super::super::testing::{Pair, assert_uniform_messages, open, record};
    use super::*;
    use picc_ir::mpc::cost;

    fn geom(c: [usize; 4], k: [usize; 3], stride: [usize; 2], pads: [usize; 4], dilation: [usize; 2]) -> ConvGeom {
        let ([n, c_in, h, w], [c_out, kh, kw]) = (c, k);
        ConvGeom { n, c_in, h, w, c_out, kh, kw, stride, pads, dilation, groups: 1 }
    }

    #[test]
    fn conv_equals_the_ideal_at_its_price() {
        let cases = [
            geom([1, 1, 1, 1], [1, 1, 1], [1, 1], [0; 4], [1, 1]),
            geom([1, 3, 6, 5], [4, 3, 3], [1, 1], [1; 4], [1, 1]),
            geom([2, 2, 7, 8], [3, 3, 2], [2, 3], [1, 0, 2, 1], [1, 2]),
            geom([1, 2, 6, 6], [2, 1, 1], [2, 2], [0; 4], [1, 1]),
            ConvGeom { groups: 2, ..geom([2, 4, 5, 4], [6, 3, 3], [1, 1], [1; 4], [1, 1]) },
            ConvGeom { groups: 4, ..geom([1, 4, 5, 5], [4, 3, 3], [2, 2], [1; 4], [1, 1]) },
        ];
        let mut pair = Pair::new(1);
        for g in cases {
            for (ring, weight_bits) in [(8, 8), (17, 4), (32, 8), (64, 1)] {
                for receiver in Party::BOTH {
                    let x = pair.samples(g.n * g.c_in * g.h * g.w, ring);
                    let w = pair.samples_below(g.c_out * g.fan_in(), weight_bits, ring);
                    let xs = pair.share(&x, ring);
                    let out = pair.run(cost::conv_ot(&g, ring, weight_bits, receiver), |s| {
                        let weights = (s.party() == Party::Server).then_some(w.as_slice());
                        conv_ot(s, &g, &xs[s.party() as usize], weights, ring, weight_bits, receiver)
                    });
                    assert_eq!(open(&out, ring), plain_conv(&g, &x, &w, ring), "{g:?} ring {ring} {receiver}");
                }
            }
        }
    }

    #[test]
    fn matmul_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(2);
        for (batch, rows, inner, cols) in [(1, 1, 1, 1), (1, 1, 40, 10), (2, 3, 4, 5), (3, 7, 1, 2)] {
            let g = MatMulGeom { batch, rows, inner, cols };
            for (ring, weight_bits) in [(8, 8), (25, 6), (37, 8), (64, 64)] {
                for (receiver, weights_left) in Party::BOTH.into_iter().flat_map(|p| [(p, false), (p, true)]) {
                    let (left, right) = (batch * rows * inner, batch * inner * cols);
                    let (x_len, w_len) = if weights_left { (right, left) } else { (left, right) };
                    let x = pair.samples(x_len, ring);
                    let w = pair.samples_below(w_len, weight_bits, ring);
                    let xs = pair.share(&x, ring);
                    let cost = cost::matmul_ot(&g, ring, weight_bits, weights_left, receiver);
                    let out = pair.run(cost, |s| {
                        let weights = (s.party() == Party::Server).then_some(w.as_slice());
                        let x = &xs[s.party() as usize];
                        matmul_ot(s, &g, x, weights, ring, weight_bits, weights_left, receiver)
                    });
                    let ideal =
                        if weights_left { plain_matmul(&g, &w, &x, ring) } else { plain_matmul(&g, &x, &w, ring) };
                    assert_eq!(open(&out, ring), ideal, "{g:?} ring {ring} {receiver} left {weights_left}");
                }
            }
        }
    }

    #[test]
    fn plain_conv_is_the_definition() {
        let g = ConvGeom { groups: 2, ..geom([1, 2, 3, 3], [2, 2, 2], [1, 2], [1, 0, 0, 1], [1, 1]) };
        let x: Vec<u64> = (1..=18).collect();
        let w: Vec<u64> = (1..=8).collect();
        // By hand: group 0 reads 1..9 with weights 1 2 / 3 4, group 1 reads 10..18 with 5 6 / 7 8.
        let expect = [11, 9, 37, 21, 67, 33, 158, 84, 319, 165, 397, 201];
        assert_eq!(plain_conv(&g, &x, &w, 16), expect);
    }

    #[test]
    fn messages_are_uniform() {
        let g = MatMulGeom { batch: 1, rows: 16, inner: 16, cols: 16 };
        let x = vec![1; 256];
        for receiver in Party::BOTH {
            let (_, messages) = record(cost::matmul_ot(&g, 20, 4, false, receiver), |s| {
                let weights = (s.party() == Party::Server).then_some(x.as_slice());
                matmul_ot(s, &g, &x, weights, 20, 4, false, receiver)
            });
            assert_uniform_messages(&messages);
        }
    }
}

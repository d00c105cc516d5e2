//! The protocol against its ideal functionality, and what a response may tell.

use super::*;
use crate::channel::{Kind, memory_pair};
use crate::crypto::rlwe::Csprng;
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::rlwe::{COIN_RATE, ConvPlan, Hiding, LinearPlan, MatMulPlan, WeightLayout};
use std::time::Duration;

pub(super) fn rng(seed: u64) -> Csprng {
    let mut s = [0; 32];
    s[..8].copy_from_slice(&seed.to_le_bytes());
    Csprng::from_seed(s)
}

/// The ideal functionality's value, mod 2^64.
pub(super) fn conv(g: &ConvGeom, x: &[u64], w: &[i64]) -> Vec<u64> {
    let [oh, ow] = g.out_hw();
    let (cg, mg) = (g.c_in / g.groups, g.c_out / g.groups);
    let mut y = Vec::new();
    for n in 0..g.n {
        for m in 0..g.c_out {
            for oy in 0..oh {
                for ox in 0..ow {
                    let mut sum = 0u64;
                    for c in 0..cg {
                        for ky in 0..g.kh {
                            for kx in 0..g.kw {
                                let iy = (oy * g.stride[0] + ky * g.dilation[0]).wrapping_sub(g.pads[0]);
                                let ix = (ox * g.stride[1] + kx * g.dilation[1]).wrapping_sub(g.pads[1]);
                                if iy < g.h && ix < g.w {
                                    let channel = m / mg * cg + c;
                                    let pixel = x[((n * g.c_in + channel) * g.h + iy) * g.w + ix];
                                    let weight = w[((m * cg + c) * g.kh + ky) * g.kw + kx];
                                    sum = sum.wrapping_add(pixel.wrapping_mul(weight as u64));
                                }
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    y
}

pub(super) fn random_words(n: usize, bits: u32, r: &mut Csprng) -> Vec<u64> {
    (0..n).map(|_| r.next_u64() >> (64 - bits)).collect()
}

pub(super) fn random_weights(n: usize, bits: u32, r: &mut Csprng) -> Vec<i64> {
    (0..n).map(|_| (r.next_u64() as i64) >> (64 - bits)).collect()
}

/// Runs a layer; returns both shares and checks the traffic.
pub(super) fn run(weights: &PreparedLinear, x0: &[u64], x1: &[u64], seed: u64) -> (Vec<u64>, Vec<u64>) {
    let plan = weights.plan();
    let (mut cc, mut sc) = memory_pair(Duration::from_secs(60));
    let sets = [plan.budget.set];
    std::thread::scope(|s| {
        let client = s.spawn(|| {
            let mut r = rng(seed);
            let client = RlweClient::setup(&mut cc, &sets, &mut r).unwrap();
            assert_eq!(cc.start_node(), plan.setup_traffic());
            let y = linear_client(&mut cc, &client, plan, x0, &mut r).unwrap();
            assert_eq!(cc.meter().node(), plan.traffic());
            y
        });
        let server = RlweServer::setup(&mut sc, &sets).unwrap();
        assert_eq!(sc.start_node(), plan.setup_traffic());
        let y1 = linear_server(&mut sc, &server, weights, x1, &mut rng(seed + 1)).unwrap();
        assert_eq!(sc.meter().node(), plan.traffic());
        (client.join().unwrap(), y1)
    })
}

/// What the shares miss of `want`, as signed values: nothing after flooding, a coin under full-range masks.
pub(super) fn coins(plan: &LinearPlan, shares: [&[u64]; 2], want: &[u64]) -> Vec<i64> {
    let unused = 64 - plan.budget.ring_bits;
    let missed =
        |((a, b), w): ((&u64, &u64), &u64)| (a.wrapping_add(*b).wrapping_sub(*w) << unused).cast_signed() >> unused;
    let coins: Vec<i64> = shares[0].iter().zip(shares[1]).zip(want).map(missed).collect();
    let most = match plan.budget.hiding {
        Hiding::Flood => 0,
        Hiding::FullRange => 1,
    };
    // In a ring of one bit two is zero.
    assert!(coins.iter().all(|c| c.abs() <= most), "{:?} {:?}", plan.encoding, plan.budget);
    coins
}

fn check_conv(g: &ConvGeom, ring_bits: u32, weight_bits: u32, hiding: Hiding, seed: u64) -> Vec<i64> {
    let mut r = rng(seed);
    let plan = ConvPlan::new(*g, ring_bits, weight_bits, hiding).unwrap();
    let [inputs, len, _] = plan.linear.layer.lens();
    let (x0, x1) = (random_words(inputs, ring_bits, &mut r), random_words(inputs, ring_bits, &mut r));
    let w = random_weights(len, weight_bits, &mut r);
    let limit = if seed.is_multiple_of(2) { 0 } else { u64::MAX };
    let prepared = PreparedConv::within(&plan, &w, limit).unwrap();
    let (y0, y1) = run(&prepared.linear, &x0, &x1, seed);
    let x: Vec<u64> = x0.iter().zip(&x1).map(|(a, b)| a.wrapping_add(*b)).collect();
    coins(&plan.linear, [&y0, &y1], &conv(g, &x, &w))
}

pub(super) const BASE: ConvGeom = ConvGeom {
    n: 1,
    c_in: 3,
    h: 9,
    w: 8,
    c_out: 4,
    kh: 3,
    kw: 3,
    stride: [1, 1],
    pads: [1, 1, 1, 1],
    dilation: [1, 1],
    groups: 1,
};

#[test]
fn convolutions_equal_the_reference() {
    let cases = [
        BASE,
        ConvGeom { stride: [2, 2], ..BASE },
        ConvGeom { stride: [3, 2], pads: [0, 2, 1, 0], ..BASE },
        ConvGeom { dilation: [2, 3], pads: [2, 3, 2, 3], ..BASE },
        ConvGeom { dilation: [3, 1], stride: [2, 2], pads: [3, 0, 2, 2], kh: 2, ..BASE },
        ConvGeom { n: 5, h: 5, w: 6, c_in: 2, ..BASE },
        ConvGeom { kh: 1, kw: 1, pads: [0; 4], ..BASE },
        ConvGeom { kh: 1, kw: 1, pads: [0; 4], stride: [2, 2], ..BASE },
        ConvGeom { groups: 4, c_in: 8, c_out: 12, ..BASE },
        ConvGeom { groups: 20, c_in: 20, c_out: 20, h: 7, w: 7, ..BASE },
        ConvGeom { groups: 6, c_in: 6, c_out: 12, stride: [2, 2], n: 2, ..BASE },
        ConvGeom { h: 70, w: 75, c_in: 2, c_out: 2, ..BASE },
        ConvGeom { h: 65, w: 66, c_in: 1, c_out: 1, kh: 1, kw: 1, pads: [0; 4], ..BASE },
        ConvGeom { h: 81, w: 90, c_in: 1, c_out: 3, kh: 7, kw: 7, pads: [3; 4], stride: [2, 2], ..BASE },
        ConvGeom { h: 1, w: 1, pads: [1; 4], ..BASE },
        ConvGeom { h: 2, w: 1, pads: [3, 3, 3, 3], ..BASE },
        ConvGeom { h: 1, w: 5000, kh: 1, kw: 5, pads: [0, 2, 0, 2], c_in: 1, c_out: 1, ..BASE },
        ConvGeom { c_in: 70, c_out: 90, h: 4, w: 4, ..BASE },
    ];
    for (i, g) in cases.iter().enumerate() {
        check_conv(g, [8, 17, 25, 37, 41][i % 5], 12, Hiding::FullRange, i as u64);
        check_conv(g, [37, 41, 64, 8, 30][i % 5], 8, [Hiding::Flood, Hiding::FullRange][i % 2], 100 + i as u64);
    }
}

#[test]
fn random_convolutions_equal_the_reference() {
    for seed in 0..40 {
        let mut r = rng(1000 + seed);
        let mut pick = |lo: usize, hi: usize| lo + r.next_u64() as usize % (hi - lo + 1);
        let groups = pick(1, 3);
        let (c_in, c_out) = (groups * pick(1, 5), groups * pick(1, 5));
        let (kh, kw) = (pick(1, 4), pick(1, 4));
        let dilation = [pick(1, 2), pick(1, 2)];
        let extent = [(kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1];
        let g = ConvGeom {
            n: pick(1, 3),
            c_in,
            h: extent[0] + pick(0, 14),
            w: extent[1] + pick(0, 14),
            c_out,
            kh,
            kw,
            stride: [pick(1, 3), pick(1, 3)],
            pads: [pick(0, 3), pick(0, 3), pick(0, 3), pick(0, 3)],
            dilation,
            groups,
        };
        let hiding = [Hiding::FullRange, Hiding::Flood][seed as usize % 2];
        check_conv(&g, [8, 17, 25, 37, 41][seed as usize % 5], 4 + seed as u32 % 9, hiding, seed);
    }
}

/// Both signs alike, and no more of them than the reference draws.
#[test]
fn coins_are_as_rare_as_the_functionality_says() {
    let mut all = Vec::new();
    for (seed, ring_bits) in [(1, 26), (2, 37), (3, 41)] {
        let g = ConvGeom { c_in: 4, c_out: 32, h: 28, w: 28, ..BASE };
        all.extend(check_conv(&g, ring_bits, 8, Hiding::FullRange, seed));
    }
    let rate = |side: i64| all.iter().filter(|c| **c == side).count() as f64 / all.len() as f64;
    let (less, more) = (rate(-1), rate(1));
    assert!(less + more <= COIN_RATE && less + more > COIN_RATE / 10.0, "{less} {more}");
    // 75,000 coins: their difference has a deviation below 0.0016.
    assert!((less - more).abs() < 0.008, "{less} {more}");
}

#[test]
fn matrix_products_equal_the_reference() {
    for (i, (batch, rows, inner, cols)) in
        [(1, 1, 300, 70), (1, 5, 64, 33), (2, 3, 20, 10), (1, 1, 1, 1), (1, 200, 40, 3), (3, 1, 129, 65)]
            .into_iter()
            .enumerate()
    {
        for layout in [WeightLayout::InnerCols, WeightLayout::ColsInner] {
            let ring_bits = [37, 8, 25, 41, 17, 64][i];
            let hiding = if i % 2 == 0 { Hiding::FullRange } else { Hiding::Flood };
            let mut r = rng(i as u64);
            let plan =
                MatMulPlan::new(MatMulGeom { batch, rows, inner, cols }, layout, ring_bits, 12, hiding).unwrap();
            let x0 = random_words(batch * rows * inner, ring_bits, &mut r);
            let x1 = random_words(batch * rows * inner, ring_bits, &mut r);
            let w = random_weights(batch * inner * cols, 12, &mut r);
            let prepared = PreparedMatMul::new(&plan, &w).unwrap();
            let (y0, y1) = run(&prepared.linear, &x0, &x1, 7);
            let mut want = Vec::new();
            for b in 0..batch {
                for row in 0..rows {
                    for col in 0..cols {
                        let mut sum = 0u64;
                        for k in 0..inner {
                            let at = (b * rows + row) * inner + k;
                            let weight = match layout {
                                WeightLayout::InnerCols => w[(b * inner + k) * cols + col],
                                WeightLayout::ColsInner => w[(b * cols + col) * inner + k],
                            };
                            sum = sum.wrapping_add(x0[at].wrapping_add(x1[at]).wrapping_mul(weight as u64));
                        }
                        want.push(sum);
                    }
                }
            }
            coins(&plan.linear, [&y0, &y1], &want);
        }
    }
}

/// All weights of the largest magnitude and all inputs alike: the largest sums and the largest noise.
#[test]
fn extreme_weights_decode() {
    for (g, ring_bits) in [
        (ConvGeom { c_in: 64, c_out: 8, ..BASE }, 37),
        (ConvGeom { c_in: 200, c_out: 200, h: 2, w: 2, ..BASE }, 41),
        (ConvGeom { c_in: 16, c_out: 2, ..BASE }, 64),
    ] {
        let hiding = if ring_bits == 41 { Hiding::Flood } else { Hiding::FullRange };
        let plan = ConvPlan::new(g, ring_bits, 12, hiding).unwrap();
        let [inputs, len, _] = plan.linear.layer.lens();
        let mask = u64::MAX >> (64 - ring_bits);
        for (w, x) in [(-2048, 0), (2047, mask), (-2048, mask / 2 + 1), (2048, 12345)] {
            let weights = vec![w; len];
            let prepared = PreparedConv::new(&plan, &weights).unwrap();
            let x1 = random_words(inputs, ring_bits, &mut rng(9));
            let x0: Vec<u64> = x1.iter().map(|v| x.wrapping_sub(*v) & mask).collect();
            let (y0, y1) = run(&prepared.linear, &x0, &x1, 5);
            let want = conv(&g, &vec![x; inputs], &weights);
            coins(&plan.linear, [&y0, &y1], &want);
        }
    }
}

#[test]
fn malformed_messages_are_the_peers_fault() {
    let plan = ConvPlan::new(BASE, 37, 12, Hiding::FullRange).unwrap().linear;
    let [inputs, weights, _] = plan.layer.lens();
    let prepared = PreparedLinear::new(plan.clone(), &vec![1; weights], u64::MAX).unwrap();
    let sets = [plan.budget.set];
    let key_bytes = (plan.setup_traffic().client_to_server - 8) as usize;
    let request = plan.requests[0].bytes as usize;
    let serve = |key: Option<Vec<u8>>, kind: Kind, request: Vec<u8>| {
        let (mut cc, mut sc) = memory_pair(Duration::from_secs(5));
        let mut r = rng(1);
        match key {
            Some(key) => cc.send(Kind::PublicKey, &key).unwrap(),
            None => drop(RlweClient::setup(&mut cc, &sets, &mut r).unwrap()),
        }
        cc.send(kind, &request).unwrap();
        let server = RlweServer::setup(&mut sc, &sets)?;
        linear_server(&mut sc, &server, &prepared, &vec![0; inputs], &mut r)
    };
    let is_peer = |r: crate::Result<Vec<u64>>| matches!(r, Err(crate::Error::Peer(_)));
    assert!(serve(None, Kind::Ciphertext, vec![0; request]).is_ok());
    assert!(is_peer(serve(None, Kind::Ciphertext, vec![0xff; request])));
    assert!(is_peer(serve(None, Kind::Ciphertext, vec![0; request - 1])));
    assert!(is_peer(serve(None, Kind::Ciphertext, vec![0; request + 1])));
    assert!(is_peer(serve(None, Kind::Open, vec![0; request])));
    assert!(is_peer(serve(Some(vec![0xff; key_bytes]), Kind::Ciphertext, vec![0; request])));
    assert!(is_peer(serve(Some(vec![0; key_bytes - 1]), Kind::Ciphertext, vec![0; request])));
    // A key that is zero, and a request under the key's own seed.
    assert!(is_peer(serve(Some(vec![0; key_bytes]), Kind::Ciphertext, vec![1; request])));
    let mut key = vec![0; key_bytes];
    key[40] = 1;
    assert!(is_peer(serve(Some(key.clone()), Kind::Ciphertext, vec![0; request])));
    key[0] = 1;
    assert!(serve(Some(key), Kind::Ciphertext, vec![0; request]).is_ok());

    let (mut cc, mut sc) = memory_pair(Duration::from_secs(5));
    let client = RlweClient::setup(&mut cc, &sets, &mut rng(2)).unwrap();
    sc.send(Kind::Ciphertext, &vec![0xff; plan.responses[0].bytes as usize]).unwrap();
    let r = linear_client(&mut cc, &client, &plan, &vec![0; inputs], &mut rng(3));
    assert!(r.is_ok() || is_peer(r), "any bits but the padding are a ciphertext");
    sc.send(Kind::Ciphertext, &[0; 3]).unwrap();
    assert!(is_peer(linear_client(&mut cc, &client, &plan, &vec![0; inputs], &mut rng(3))));
}

#[test]
fn shares_and_weights_of_wrong_sizes_are_refused() {
    let plan = ConvPlan::new(BASE, 37, 12, Hiding::FullRange).unwrap();
    let [_, len, _] = plan.linear.layer.lens();
    assert!(PreparedConv::new(&plan, &vec![0; len - 1]).is_err());
    assert!(PreparedConv::new(&plan, &vec![2049; len]).is_err());
    let (mut cc, _sc) = memory_pair(Duration::from_secs(5));
    let client = RlweClient::setup(&mut cc, &[plan.linear.budget.set], &mut rng(2)).unwrap();
    assert!(conv_client(&mut cc, &client, &plan, &[0; 3], &mut rng(3)).is_err());
}

//! What a response may tell its reader: noise against its bound, shares, and an attack on unhidden responses.

use super::client::encrypt;
use super::server::{Ciphertext, Job, serve};
use super::tests::{BASE, random_words, rng, run};
use super::*;
use crate::channel::{Kind, memory_pair};
use crate::crypto::rlwe::{BitReader, Encoder, Hiding, Ring, uniform};
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::rlwe::{Budget, ConvPlan, LinearPlan, MatMulPlan, WeightLayout, noise::STATISTICAL_BITS};
use std::time::Duration;

/// Largest noise of the first response, before the switch.
fn noise(plan: &LinearPlan, weight: i64, hiding: Hiding) -> u128 {
    let budget: &Budget = &plan.budget;
    let (mut cc, mut sc) = memory_pair(Duration::from_secs(5));
    let mut r = rng(11);
    let client = RlweClient::setup(&mut cc, &[budget.set], &mut r).unwrap();
    let server = RlweServer::setup(&mut sc, &[budget.set]).unwrap();
    let key = client.key(budget.set).unwrap();
    let ring: &Ring = key.ring();
    let [inputs, weights, _] = plan.layer.lens();
    let (x0, x1) = (random_words(inputs, budget.ring_bits, &mut r), random_words(inputs, budget.ring_bits, &mut r));
    let prepared = PreparedLinear::new(plan.clone(), &vec![weight; weights], u64::MAX).unwrap();
    let encoder = || Encoder::new(ring, budget.ring_bits);
    let public = server.key(budget.set).unwrap();
    let job = Job { plan, key: public, encoder: encoder(), share: &x1, hiding };

    let parts = plan.tiling.channel_parts(&plan.layer, 0).count();
    let ciphertexts: Vec<Ciphertext> = plan
        .request_polynomials()
        .take(parts)
        .enumerate()
        .map(|(i, p)| {
            let bytes = encrypt(plan, key, &encoder(), &[9; 32], i as u64, &p, &x0, &mut r);
            job.receive(&p, &[9; 32], i as u64, &bytes, &mut r).unwrap()
        })
        .collect();
    let p = plan.response_polynomials().next().unwrap();
    let elements = plan.response_elements(&p);
    let (a, b, share) = job.hidden(&prepared.row(0, 0, &p.outputs), &ciphertexts, &elements, &mut r);
    let phase = key.phase(a, b);

    // All weights are equal: an output is the weight times the sum of the pixels that its taps read.
    let l = budget.ring_bits;
    let q: u128 = budget.set.primes.iter().map(|&p| u128::from(p)).product();
    let mut largest = 0;
    for (((at, _), (_, mask)), i) in elements.iter().zip(share).zip(0usize..) {
        let m = p.outputs.start + i / (elements.len() / p.outputs.len());
        let (width, pixel) = (p.tile.cols.len(), i % (elements.len() / p.outputs.len()));
        let (y, x) = (p.tile.rows.start + pixel / width, p.tile.cols.start + pixel % width);
        let mut sum = 0u64;
        for c in plan.tiling.block_channels(&plan.layer, 0) {
            if c / plan.layer.channels != m / plan.layer.outputs {
                continue;
            }
            for tap in plan.layer.taps(c) {
                if let Some(e) = plan.layer.input_index(0, c, y + tap.y, x + tap.x) {
                    sum = sum.wrapping_add(x0[e]).wrapping_add(x1[e]);
                }
            }
        }
        let message = sum.wrapping_mul(weight as u64).wrapping_sub(mask) & (u64::MAX >> (64 - l));
        // q m / 2^l in two halves, as q m does not fit 128 bits.
        let exact = (q >> l) * u128::from(message) + (((q & ((1 << l) - 1)) * u128::from(message)) >> l);
        let got = ring.compose(&phase, *at as usize, budget.set.primes.len());
        let difference = (got + q - exact) % q;
        largest = largest.max(difference.min(q - difference));
    }
    largest
}

#[test]
fn noise_stays_below_its_bound_and_flooding_forty_bits_above() {
    let conv = |g| ConvPlan::new(g, 37, 12).unwrap().linear;
    let plans = [
        conv(ConvGeom { c_in: 64, c_out: 64, h: 56, w: 56, ..BASE }),
        conv(ConvGeom { c_in: 512, c_out: 64, h: 7, w: 7, ..BASE }),
        conv(ConvGeom { c_in: 64, c_out: 64, groups: 64, h: 14, w: 14, ..BASE }),
        ConvPlan::new(ConvGeom { c_in: 16, c_out: 4, ..BASE }, 8, 4).unwrap().linear,
        MatMulPlan::new(MatMulGeom { batch: 1, rows: 1, inner: 2048, cols: 32 }, WeightLayout::InnerCols, 41, 12)
            .unwrap()
            .linear,
    ];
    for plan in &plans {
        let b = &plan.budget;
        assert!(b.noise_bound << STATISTICAL_BITS <= 1 << b.flood_bits);
        let most = 1i64 << (b.weight_bits - 1);
        for weight in [-most, most - 1] {
            let plain = noise(plan, weight, Hiding::Unflooded);
            assert!(plain <= b.noise_bound, "{plain} exceeds {b:?}");
            assert!(plain > b.noise_bound / 200, "{plain}: the bound {b:?} is far off");
        }
        let flooded = noise(plan, most - 1, Hiding::Full);
        assert!(flooded <= (1 << b.flood_bits) + b.noise_bound);
        assert!(flooded > (1 << b.flood_bits) / 4, "some coefficient is flooded far");
    }
}

#[test]
fn shares_look_uniform_whatever_the_input() {
    let g = ConvGeom { c_in: 2, c_out: 8, h: 40, w: 40, ..BASE };
    let plan = ConvPlan::new(g, 37, 12).unwrap();
    let [inputs, len, _] = plan.linear.layer.lens();
    let prepared = PreparedConv::new(&plan, &vec![5; len]).unwrap();
    let (y0, y1) = run(&prepared.linear, &vec![3; inputs], &vec![0; inputs], 21);
    for y in [y0, y1] {
        for shift in [0, 8, 37 - 6] {
            let mut counts = [0u64; 64];
            y.iter().for_each(|v| counts[(v >> shift) as usize & 63] += 1);
            let expected = y.len() as f64 / 64.0;
            let chi2: f64 = counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum();
            // 63 degrees of freedom: beyond 120 with probability 1e-5.
            assert!(chi2 < 120.0, "chi-square {chi2} of bits from {shift}");
        }
    }
}

/// A curious client's attack: it knows `a` of its one request, and looks for the weight `w` with `a' = w a`, rounded
/// as the response is.
fn attack(hiding: Hiding) -> Vec<Option<i64>> {
    let g = ConvGeom { c_in: 1, c_out: 6, h: 60, w: 60, kh: 1, kw: 1, pads: [0; 4], ..BASE };
    let plan = ConvPlan::new(g, 37, 8).unwrap().linear;
    assert_eq!((plan.tiling.channels, plan.tiling.outputs), (1, 1));
    let prepared = PreparedLinear::new(plan.clone(), &[-128, -3, 0, 1, 77, 127], u64::MAX).unwrap();
    let share = vec![0; 3600];
    let budget = &plan.budget;
    let ring = Ring::of(budget.set);

    let (mut cc, mut sc) = memory_pair(Duration::from_secs(5));
    let mut r = rng(31);
    drop(RlweClient::setup(&mut cc, &[budget.set], &mut r).unwrap());
    let mut request = vec![0; plan.requests[0].bytes as usize];
    request[..32].copy_from_slice(&[77; 32]);
    cc.send(Kind::Ciphertext, &request).unwrap();
    let server = RlweServer::setup(&mut sc, &[budget.set]).unwrap();
    serve(&mut sc, &server, &prepared, &share, &mut r, hiding).unwrap();

    let a = ring.coeff(uniform(&ring, &[77; 32], 0));
    let payload = cc.recv(Kind::Ciphertext, plan.responses[0].bytes as usize).unwrap();
    let k = budget.response_bits;
    let mut rest = &payload[..];
    plan.response_polynomials()
        .map(|p| {
            let (bytes, tail) = rest.split_at(plan.response_bytes(&p) as usize);
            rest = tail;
            let mut bits = BitReader::new(bytes);
            let sent: Vec<u128> = (0..32).map(|_| bits.pull(k)).collect();
            (-128i64..128).find(|&w| {
                sent.iter().enumerate().all(|(at, &s)| {
                    let exact = ring.fraction(&a, at).wrapping_mul(w as i128 as u128) >> (128 - k);
                    let distance = s.wrapping_sub(exact) & ((1 << k) - 1);
                    distance.min((1 << k) - distance) <= 1
                })
            })
        })
        .collect()
}

#[test]
fn an_unhidden_response_gives_the_weights_away_and_a_hidden_one_does_not() {
    assert_eq!(attack(Hiding::None), [-128, -3, 0, 1, 77, 127].map(Some));
    assert_eq!(attack(Hiding::Full), [None; 6]);
}

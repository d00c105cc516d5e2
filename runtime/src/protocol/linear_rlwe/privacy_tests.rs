//! What a response may tell its reader: noise against its bound, shares, and an attack on unhidden responses.

use super::client::encrypt;
use super::server::{Ciphertext, Job, serve};
use super::tests::{BASE, random_words, rng, run};
use super::*;
use crate::channel::{Kind, memory_pair};
use crate::crypto::rlwe::{BitReader, Encoder, Protection, Ring, uniform};
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::rlwe::{
    Budget, ConvPlan, Encoding, Hiding, LinearPlan, MatMulPlan, WeightLayout, noise::STATISTICAL_BITS,
};
use std::time::Duration;

/// Largest noise of the first response, before the switch.
fn noise(plan: &LinearPlan, weight: i64, protection: Protection) -> u128 {
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
    let job = Job { plan, key: public, encoder: encoder(), share: &x1, protection };

    let parts = plan.encoding.channel_parts(&plan.layer, 0).count();
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
        for c in plan.encoding.channel_parts(&plan.layer, 0).flatten() {
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
fn noise_stays_below_its_bound_and_hides_far_below_what_covers_it() {
    // Moduli below 2^127 are measured; flooding has them for shorter rings.
    let ring = |hiding| if hiding == Hiding::Flood { 24 } else { 37 };
    let conv = |g, hiding| ConvPlan::new(g, ring(hiding), 12, hiding).unwrap().linear;
    let product = MatMulGeom { batch: 1, rows: 1, inner: 2048, cols: 32 };
    let plans = [
        conv(ConvGeom { c_in: 64, c_out: 64, h: 56, w: 56, ..BASE }, Hiding::FullRange),
        conv(ConvGeom { c_in: 64, c_out: 16, h: 56, w: 56, ..BASE }, Hiding::Flood),
        conv(ConvGeom { c_in: 512, c_out: 64, h: 7, w: 7, ..BASE }, Hiding::FullRange),
        conv(ConvGeom { c_in: 64, c_out: 64, groups: 64, h: 14, w: 14, ..BASE }, Hiding::Flood),
        ConvPlan::new(ConvGeom { c_in: 16, c_out: 4, ..BASE }, 8, 4, Hiding::Flood).unwrap().linear,
        ConvPlan::new(ConvGeom { c_in: 16, c_out: 4, ..BASE }, 8, 4, Hiding::FullRange).unwrap().linear,
        MatMulPlan::new(product, WeightLayout::InnerCols, 41, 12, Hiding::FullRange).unwrap().linear,
        MatMulPlan::new(product, WeightLayout::InnerCols, 24, 12, Hiding::Flood).unwrap().linear,
    ];
    for plan in &plans {
        let b = &plan.budget;
        let most = 1i64 << (b.weight_bits - 1);
        for weight in [-most, most - 1] {
            let plain = noise(plan, weight, Protection::Uncovered);
            assert!(plain <= b.noise_bound, "{plain} exceeds {b:?}");
            assert!(plain > b.noise_bound / 200, "{plain}: the bound {b:?} is far off");
        }
        if b.hiding == Hiding::Flood {
            assert!(b.noise_bound << STATISTICAL_BITS <= 1 << b.flood_bits);
            let flooded = noise(plan, most - 1, Protection::Full);
            assert!(flooded <= (1 << b.flood_bits) + b.noise_bound);
            assert!(flooded > (1 << b.flood_bits) / 4, "some coefficient is flooded far");
        }
    }
}

#[test]
fn shares_look_uniform_whatever_the_input() {
    let g = ConvGeom { c_in: 2, c_out: 8, h: 40, w: 40, ..BASE };
    for hiding in [Hiding::FullRange, Hiding::Flood] {
        let plan = ConvPlan::new(g, 37, 12, hiding).unwrap();
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
}

/// What is sent of `b'` under full-range masks, whatever the request and the weights: all classes alike, both ends too.
#[test]
fn masked_coefficients_are_uniform() {
    let g = ConvGeom { c_in: 2, c_out: 8, h: 40, w: 40, ..BASE };
    let plan = ConvPlan::new(g, 37, 12, Hiding::FullRange).unwrap().linear;
    let prepared = PreparedLinear::new(plan.clone(), &vec![2047; plan.layer.lens()[1]], u64::MAX).unwrap();
    let budget = &plan.budget;
    let (mut cc, mut sc) = memory_pair(Duration::from_secs(5));
    let mut r = rng(41);
    drop(RlweClient::setup(&mut cc, &[budget.set], &mut r).unwrap());
    for span in &plan.requests {
        cc.send(Kind::Ciphertext, &vec![0; span.bytes as usize]).unwrap();
    }
    let server = RlweServer::setup(&mut sc, &[budget.set]).unwrap();
    serve(&mut sc, &server, &prepared, &vec![0; plan.layer.lens()[0]], &mut r, Protection::Full).unwrap();
    let bits = budget.response_bits - budget.response_drop;
    let mut sent = Vec::new();
    let mut polynomials = plan.response_polynomials();
    for span in &plan.responses {
        let payload = cc.recv(Kind::Ciphertext, span.bytes as usize).unwrap();
        let mut rest = &payload[..];
        for p in polynomials.by_ref().take(span.polynomials.len()) {
            let (bytes, tail) = rest.split_at(plan.response_bytes(&p) as usize);
            rest = tail;
            let mut reader = BitReader::new(bytes);
            for _ in 0..budget.set.degree {
                reader.pull(budget.response_bits);
            }
            sent.extend(plan.response_elements(&p).iter().map(|_| reader.pull(bits)));
        }
    }
    for shift in [0, bits / 2, bits - 6] {
        let mut counts = [0u64; 64];
        sent.iter().for_each(|v| counts[(v >> shift) as usize & 63] += 1);
        let expected = sent.len() as f64 / 64.0;
        let chi2: f64 = counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum();
        assert!(chi2 < 120.0, "chi-square {chi2} of bits from {shift}");
    }
}

/// A curious client's attack: it knows `a` of its one request, and looks for the weight `w` with `a' = w a`, rounded
/// as the response is.
fn attack(hiding: Hiding, protection: Protection) -> Vec<Option<i64>> {
    // A polynomial holds one output.
    let side = if hiding == Hiding::Flood { 88 } else { 60 };
    let g = ConvGeom { c_in: 1, c_out: 6, h: side, w: side, kh: 1, kw: 1, pads: [0; 4], ..BASE };
    let plan = ConvPlan::new(g, 37, 8, hiding).unwrap().linear;
    let Encoding::Coefficients(tiling) = plan.encoding;
    assert_eq!((tiling.channels, tiling.outputs), (1, 1));
    let prepared = PreparedLinear::new(plan.clone(), &[-128, -3, 0, 1, 77, 127], u64::MAX).unwrap();
    let share = vec![0; side * side];
    let budget = &plan.budget;
    let ring = Ring::of(budget.set);

    let (mut cc, mut sc) = memory_pair(Duration::from_secs(5));
    let mut r = rng(31);
    drop(RlweClient::setup(&mut cc, &[budget.set], &mut r).unwrap());
    let mut request = vec![0; plan.requests[0].bytes as usize];
    request[..32].copy_from_slice(&[77; 32]);
    cc.send(Kind::Ciphertext, &request).unwrap();
    let server = RlweServer::setup(&mut sc, &[budget.set]).unwrap();
    serve(&mut sc, &server, &prepared, &share, &mut r, protection).unwrap();

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
    for hiding in [Hiding::FullRange, Hiding::Flood] {
        assert_eq!(attack(hiding, Protection::None), [-128, -3, 0, 1, 77, 127].map(Some));
        assert_eq!(attack(hiding, Protection::Full), [None; 6]);
    }
}

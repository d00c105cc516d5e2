//! A malicious client, outside the setting: well-formed messages whose plaintexts are fractions of a step.
//!
//! A response then has a phase that is a fraction of a step also: the weight times the request's, modulo the step. A
//! flooded response shows it on average, and a few hundred requests the weights. A masked one is uniform whatever the
//! request was; what the deviation still moves is the coin, the last bit of the sum of both shares.

use super::tests::{conv, rng};
use super::*;
use crate::channel::{Kind, memory_pair};
use crate::crypto::rlwe::{BitReader, BitWriter, Csprng, Ring, SecretKey};
use picc_ir::geom::ConvGeom;
use picc_ir::mpc::rlwe::{ConvPlan, Hiding, LinearPlan};
use std::collections::HashMap;
use std::time::Duration;

const GEOM: ConvGeom = ConvGeom {
    n: 1,
    c_in: 4,
    h: 16,
    w: 16,
    c_out: 8,
    kh: 3,
    kw: 3,
    stride: [1, 1],
    pads: [0; 4],
    dilation: [1, 1],
    groups: 1,
};
const RING_BITS: u32 = 26;
const WEIGHTS: usize = 8 * 4 * 9;
const OUT: usize = 14;
const OUTPUTS: usize = 8 * OUT * OUT;
/// The pixel of each channel that is not zero: no two of them reach the same output.
const PLACES: [(usize, usize); 4] = [(3, 3), (3, 9), (9, 3), (9, 9)];
/// A part of a step, and how often it is sent: together they determine a weight of 8 bits.
const ROUNDS: [(u128, usize); 4] = [(3, 30), (5, 60), (7, 120), (11, 250)];

/// What the client has of one round: for each output the sum of the phases' places in their step, on the unit circle.
struct Heard {
    circle: Vec<(f64, f64)>,
    /// The sum of the coins: only who has both shares can know it.
    coins: Vec<i64>,
}

/// The client's request: at each place the `p`-th part of a step.
fn request(plan: &LinearPlan, key: &SecretKey, p: u128, rng: &mut Csprng) -> Vec<Vec<u8>> {
    let (ring, b) = (key.ring(), &plan.budget);
    let q: u128 = b.set.primes.iter().map(|&p| u128::from(p)).product();
    let part = (q >> b.ring_bits) / p;
    let mut polynomials = plan.request_polynomials();
    let message = |span: &picc_ir::mpc::rlwe::Span| {
        let seed = rng.seed();
        let mut payload = seed.to_vec();
        for (i, rp) in polynomials.by_ref().take(span.polynomials.len()).enumerate() {
            let zero = key.mask(&seed, i as u64);
            let mut added = HashMap::new();
            for (ci, c) in rp.channels.clone().enumerate() {
                let (y, x) = PLACES[c];
                let at = plan.encoding.input_position(ci, 0, y - rp.tile.rows.start, x - rp.tile.cols.start);
                added.insert(at, part);
            }
            let mut bits = BitWriter::with_capacity(0);
            for at in plan.request_positions(&rp) {
                let value = ring.compose(&zero, at as usize, b.set.primes.len());
                let value = (value + added.get(&(at as usize)).copied().unwrap_or(0)) % q;
                bits.push(value >> b.request_drop, b.request_bits());
            }
            payload.extend(bits.finish());
        }
        payload
    };
    plan.requests.iter().map(message).collect()
}

/// The client's shares, and what it adds up of the phases.
fn listen(plan: &LinearPlan, key: &SecretKey, payloads: &[Vec<u8>], circle: &mut [(f64, f64)]) -> Vec<u64> {
    let (k, d) = (plan.budget.response_bits, plan.budget.response_drop);
    let unit = 1u128 << (k - plan.budget.ring_bits);
    let mut polynomials = plan.response_polynomials();
    let mut shares = vec![0; OUTPUTS];
    for (span, payload) in plan.responses.iter().zip(payloads) {
        let mut rest = &payload[..];
        for rp in polynomials.by_ref().take(span.polynomials.len()) {
            let (bytes, tail) = rest.split_at(plan.response_bytes(&rp) as usize);
            rest = tail;
            let mut bits = BitReader::new(bytes);
            let a: Vec<u128> = (0..plan.budget.set.degree).map(|_| bits.pull(k)).collect();
            let masks = key.unmask(&a, k);
            for (at, index) in plan.response_elements(&rp) {
                let phase = (bits.pull(k - d) << d).wrapping_add(masks[at as usize]) & ((1 << k) - 1);
                let angle = (phase % unit) as f64 / unit as f64 * std::f64::consts::TAU;
                circle[index].0 += angle.cos();
                circle[index].1 += angle.sin();
                shares[index] = (phase / unit) as u64;
            }
        }
    }
    shares
}

/// The attack: all rounds, against a server with these weights.
fn attack(hiding: Hiding, weights: &[i64]) -> (usize, Vec<Heard>) {
    let plan = ConvPlan::new(GEOM, RING_BITS, 8, hiding).unwrap();
    let linear = &plan.linear;
    let set = linear.budget.set;
    let prepared = PreparedConv::new(&plan, weights).unwrap();
    let [inputs, ..] = linear.layer.lens();
    let total: usize = ROUNDS.iter().map(|r| r.1).sum();
    let (mut cc, mut sc) = memory_pair(Duration::from_secs(60));
    let mut r = rng(5);

    let key = SecretKey::generate(Ring::of(set), &mut r);
    let seed = r.seed();
    let public = key.public_key(&seed, &mut r);
    let mut bits = BitWriter::with_capacity(public.words().len() * 8);
    public.words().iter().for_each(|&x| bits.push(u128::from(x), set.prime_bits));
    cc.send(Kind::PublicKey, &[&seed[..], &bits.finish()].concat()).unwrap();
    cc.flush().unwrap();
    let mask = u64::MAX >> (64 - RING_BITS);
    let heard = std::thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::channel();
        scope.spawn(move || {
            let mut r = rng(6);
            let server = RlweServer::setup(&mut sc, &[set]).unwrap();
            for _ in 0..total {
                let share: Vec<u64> = (0..inputs).map(|_| r.next_u64() & mask).collect();
                let out = conv_server(&mut sc, &server, &prepared, &share, &mut r).unwrap();
                send.send((share, out)).unwrap();
            }
        });
        let mut heard = Vec::new();
        for (p, times) in ROUNDS {
            let mut one = Heard { circle: vec![(0.0, 0.0); OUTPUTS], coins: vec![0; OUTPUTS] };
            for _ in 0..times {
                for message in request(linear, &key, p, &mut r) {
                    cc.send(Kind::Ciphertext, &message).unwrap();
                }
                cc.flush().unwrap();
                let payloads: Vec<Vec<u8>> = linear
                    .responses
                    .iter()
                    .map(|span| cc.recv(Kind::Ciphertext, span.bytes as usize).unwrap())
                    .collect();
                let mine = listen(linear, &key, &payloads, &mut one.circle);
                let (input, theirs) = receive.recv().unwrap();
                let want = conv(&GEOM, &input, weights);
                for (i, coin) in one.coins.iter_mut().enumerate() {
                    let missed = mine[i].wrapping_add(theirs[i]).wrapping_sub(want[i]);
                    *coin += (missed << (64 - RING_BITS)).cast_signed() >> (64 - RING_BITS);
                }
            }
            heard.push(one);
        }
        heard
    });
    (total, heard)
}

/// Weights that a client reads off: those for which exactly one value fits what it heard in all rounds.
fn recovered(weights: &[i64], residue: impl Fn(usize, usize) -> i64) -> usize {
    let found = |at: usize| {
        let (m, c, i, j) = (at / 36, at / 9 % 4, at / 3 % 3, at % 3);
        let (y, x) = PLACES[c];
        let index = (m * OUT + (y - i)) * OUT + (x - j);
        let fits = |w: &i64| {
            let of = |(round, (p, _)): (usize, &(u128, usize))| w.rem_euclid(*p as i64) == residue(round, index);
            ROUNDS.iter().enumerate().all(of)
        };
        (-128i64..128).filter(fits).collect::<Vec<_>>() == [weights[at]]
    };
    (0..WEIGHTS).filter(|&at| found(at)).count()
}

/// By the mean direction on the circle.
fn by_phases(weights: &[i64], heard: &[Heard]) -> usize {
    recovered(weights, |round, index| {
        let (x, y) = heard[round].circle[index];
        let p = ROUNDS[round].0 as f64;
        (y.atan2(x) / std::f64::consts::TAU * p).round().rem_euclid(p) as i64
    })
}

/// Mean squared length of the sums of as many unit vectors: 1 if their directions are independent and uniform.
fn concentration(heard: &[Heard]) -> f64 {
    let one = |(heard, (_, times)): (&Heard, &(u128, usize))| {
        heard.circle.iter().map(|(x, y)| (x * x + y * y) / *times as f64).sum::<f64>() / OUTPUTS as f64
    };
    heard.iter().zip(&ROUNDS).map(one).sum::<f64>() / ROUNDS.len() as f64
}

fn secret_weights() -> Vec<i64> {
    let mut r = rng(77);
    (0..WEIGHTS).map(|_| (r.next_u64() & 255) as i64 - 128).collect()
}

/// Outside the setting, and as SECURITY.md says: nothing protects a flooded layer from such a client.
#[test]
fn fractions_of_a_step_read_the_weights_of_a_flooded_layer() {
    let weights = secret_weights();
    let (requests, heard) = attack(Hiding::Flood, &weights);
    assert_eq!(requests, 460);
    assert_eq!(by_phases(&weights, &heard), WEIGHTS);
    assert!(concentration(&heard) > 10.0);
}

/// The same client against full-range masks: what it receives is uniform. The sum of both shares is moved, and who saw
/// it would read the weights; the client sees only what the program reveals of it.
#[test]
fn fractions_of_a_step_read_nothing_from_masked_messages_and_move_the_last_bit_of_the_sum() {
    let weights = secret_weights();
    let (_, heard) = attack(Hiding::FullRange, &weights);
    // A guess is right in all rounds with probability 1/1155: 0.25 of 288 weights, more than 4 with probability 1e-5.
    let right = by_phases(&weights, &heard);
    assert!(right <= 4, "{right} weights");
    // 6272 exponential variables: their mean has a deviation of 0.013.
    let concentration = concentration(&heard);
    assert!((concentration - 1.0).abs() < 0.065, "{concentration}");

    // What is added is w / p of a step; the mean of what the sum is off by says w.
    let (p, times) = ROUNDS[3];
    let by_sums = (0..WEIGHTS).filter(|at| {
        let (m, c, i, j) = (at / 36, at / 9 % 4, at / 3 % 3, at % 3);
        let (y, x) = PLACES[c];
        let index = (m * OUT + (y - i)) * OUT + (x - j);
        let mean = heard[3].coins[index] as f64 / times as f64;
        (mean * p as f64 - weights[*at] as f64).abs() < 1.0
    });
    let by_sums = by_sums.count();
    assert!(by_sums > WEIGHTS * 9 / 10, "{by_sums}");
}

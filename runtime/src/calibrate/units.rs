//! Timed primitives.

use super::Measured;
use crate::crypto::rlwe::{Accumulator, Multiplier, NttTable, Term};
use crate::crypto::{Block, Rng};
use crate::error::{Error, Result};
use crate::ot::base::KeyPair;
use crate::ot::softspoken::{COLUMNS, Delta, ExtensionReceiver, ExtensionSender};
use picc_ir::correlation::{FieldBits, Source};
use picc_ir::mpc::rlwe::PARAM_SETS;
use picc_ir::op::Op;
use picc_ir::ops::Add;
use picc_ir::ty::wrap;
use picc_ir::{Fixed, Owner, Tensor, Ty};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// A batch takes well below a millisecond, so that few are interrupted.
const COTS: usize = 1 << 14;
const ELEMENTS: usize = 1 << 18;
const DEGREE: usize = 4096;
/// Coefficients that the server accumulates at a time.
const CHUNK: usize = 256;
/// Channels' ciphertexts, and responses' rows of weights: more than the second cache holds, as in a layer.
const CIPHERTEXTS: usize = 32;
const RESPONSES: usize = 16;

/// Repeats a batch for `time` on each thread. `make` builds a thread's state; a batch returns its units.
fn repeat<B: FnMut() -> u64>(
    kind: &str,
    threads: usize,
    time: Duration,
    make: impl Fn(Rng) -> Result<B> + Sync,
) -> Result<Measured> {
    let threads = threads.max(1);
    // The primitives use the pool of the thread that calls them.
    let pool = || rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pools: Vec<rayon::ThreadPool> = (0..threads)
        .map(|_| pool())
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| Error::Bug(e.to_string()))?;
    let start = Barrier::new(threads);
    let one = || -> Result<Vec<u64>> {
        let made = Rng::from_os().and_then(&make);
        start.wait();
        let mut batch = made?;
        // Tables and caches.
        batch();
        let (begin, mut samples) = (Instant::now(), Vec::new());
        while begin.elapsed() < time || samples.len() < 3 {
            let at = Instant::now();
            let units = batch();
            samples.push((at.elapsed().as_nanos() * 1000 / u128::from(units.max(1))) as u64);
        }
        Ok(samples)
    };
    let mut samples = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let running: Vec<_> = pools.iter().map(|pool| scope.spawn(|| pool.install(one))).collect();
        for thread in running {
            let measured = thread.join().map_err(|_| Error::Bug("a measuring thread panicked".into()))?;
            samples.extend(measured?);
        }
        Ok(())
    })?;
    Ok(Measured::new(kind, samples))
}

/// The slower of the two parties.
pub fn cot(source: Source, threads: usize, time: Duration) -> Result<Measured> {
    let [sender, receiver] = match source {
        Source::SoftSpoken { k } => [cot_sender(k, threads, time / 2)?, cot_receiver(k, threads, time / 2)?],
    };
    Ok(if sender.median > receiver.median { sender } else { receiver })
}

/// A receiver, its corrections, and the keys between which the base OTs choose.
fn receiver(k: FieldBits, rng: &mut Rng) -> (ExtensionReceiver, Vec<u8>, Vec<KeyPair>) {
    let keys: Vec<KeyPair> = (0..COLUMNS).map(|_| KeyPair([rng.block(), rng.block()])).collect();
    let mut receiver = ExtensionReceiver::new(k);
    let corrections = receiver.grow(&keys);
    (receiver, corrections, keys)
}

fn cot_receiver(k: FieldBits, threads: usize, time: Duration) -> Result<Measured> {
    repeat("COT receiver", threads, time, |mut rng| {
        let (mut receiver, ..) = receiver(k, &mut rng);
        let mut t = vec![Block::ZERO; COTS];
        Ok(move || {
            let _ = black_box(receiver.extend(1, &mut t));
            COTS as u64
        })
    })
}

fn cot_sender(k: FieldBits, threads: usize, time: Duration) -> Result<Measured> {
    repeat("COT sender", threads, time, |mut rng| {
        let (mut receiver, corrections, keys) = receiver(k, &mut rng);
        let delta = Delta::new([rng.block(), rng.block()]);
        let choices = delta.base_choices(k);
        let chosen: Vec<Block> = keys
            .iter()
            .zip(choices.bits())
            .map(|(pair, c)| pair.0[0] ^ (pair.0[0] ^ pair.0[1]) & c.block())
            .collect();
        let mut sender = ExtensionSender::new(k, delta);
        sender.grow(&chosen, &corrections)?;
        let mut q = vec![Block::ZERO; COTS];
        let (_, message) = receiver.extend(1, &mut q);
        Ok(move || {
            // Only the length of a message can be wrong, and this one has it from a receiver.
            black_box(sender.extend(1, &message, &mut q).is_ok());
            COTS as u64
        })
    })
}

fn residues(rng: &mut Rng, p: u64, len: usize) -> Vec<u64> {
    let mut words = vec![0; len];
    rng.fill_u64(&mut words);
    words.iter_mut().for_each(|w| *w %= p);
    words
}

pub fn rlwe_product(threads: usize, time: Duration) -> Result<Measured> {
    let p = PARAM_SETS[0].primes[0];
    let table = NttTable::new(p, DEGREE);
    let table = &table;
    repeat("RLWE product", threads, time, |mut rng| {
        let ciphertexts = residues(&mut rng, p, 2 * CIPHERTEXTS * DEGREE);
        let weights = residues(&mut rng, p, CIPHERTEXTS * RESPONSES * DEGREE);
        let mut sums = Accumulator::new(CHUNK);
        let mut out = [vec![0; DEGREE], vec![0; DEGREE]];
        let mut response = 0;
        Ok(move || {
            let row = &weights[response * CIPHERTEXTS * DEGREE..][..CIPHERTEXTS * DEGREE];
            response = (response + 1) % RESPONSES;
            for start in (0..DEGREE).step_by(CHUNK) {
                let at = start..start + CHUNK;
                let pairs = row.chunks_exact(DEGREE).zip(ciphertexts.chunks_exact(2 * DEGREE));
                let terms: Vec<Term<'_>> = pairs
                    .map(|(weight, pair)| Term {
                        halves: [&pair[at.clone()], &pair[DEGREE..][at.clone()]],
                        weight: Multiplier::Each(&weight[at.clone()]),
                    })
                    .collect();
                sums.clear();
                sums.add(&terms);
                sums.finish(table, out.each_mut().map(|out| &mut out[at.clone()]));
            }
            black_box(&mut out);
            CIPHERTEXTS as u64
        })
    })
}

pub fn ring_op(threads: usize, time: Duration) -> Result<Measured> {
    let ty = Ty::fixed(&[ELEMENTS], Fixed::full(32, 12), Owner::Shared);
    let ty = &ty;
    repeat("ring operation", threads, time, |mut rng| {
        let mut share = || {
            let words = residues(&mut rng, 1 << 31, ELEMENTS);
            Tensor::new(&[ELEMENTS], words.into_iter().map(u64::cast_signed).collect())
        };
        let (x, y) = (share(), share());
        let add = Op::from(Add {});
        Ok(move || {
            // As the executor does it: the operator, then the ring.
            let mut sum = add.eval_ring(&[&x, &y], &[ty, ty]).unwrap_or_else(|_| x.clone());
            sum.data.iter_mut().for_each(|v| *v = wrap(*v, 32));
            black_box(&mut sum);
            ELEMENTS as u64
        })
    })
}

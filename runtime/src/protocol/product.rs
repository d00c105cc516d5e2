//! OT products: scalars that one party holds times rows of values that the other holds, bit by bit.
//!
//! Paper: Gilboa (CRYPTO 1999) with correlated OTs, in the matrix form of CrypTFlow2 (Rathee et al., CCS 2020, 4.2.1):
//! the row that a scalar multiplies goes under the same choice. Adversary: semi-honest. Two flights: choices, 1 bit for
//! each bit of each scalar; then, for bit k of a scalar, its row modulo `2^(l-k)`. Leakage: none, the result is exact.
//! Bytes: [`picc_ir::mpc::cost::product`].
//!
//! With scalar `a = sum a_k 2^k - a_(m-1) 2^(m-1)` in two's complement, `a v = sum a_k (+-v 2^k)`, where bit k needs v
//! modulo `2^(l-k)` only. The correlated OT is that of [`super::correlate`]. A row of one or two values is masked by
//! the two halves of the hash, a longer one by a generator that the hash seeds.

use super::leaf::masked_choices;
use super::low_mask;
use super::pack::{BitReader, BitWriter};
use crate::bits::BitVec;
use crate::channel::Kind;
use crate::crypto::ct::Bit;
use crate::crypto::hash::Tiles;
use crate::crypto::{Block, CrHash, Prg};
use crate::error::Result;
use crate::ot::Taken;
use crate::session::Session;
use picc_ir::mpc::cost::ProductShape;
use rayon::prelude::*;

/// Which products are formed: the shape of [`ProductShape`], scalar by scalar.
pub(super) trait Rows: Sync {
    /// Index, among the holder's values, of scalar number `scalar` of run `run`.
    fn scalar(&self, run: usize, scalar: usize) -> usize;
    /// Calls `visit(value, output)` for every value that the scalar multiplies, with the output that it is added to.
    fn visit(&self, run: usize, scalar: usize, visit: &mut dyn FnMut(usize, usize));
}

/// The receiver between its two messages.
pub(super) struct Scalars {
    t: Taken,
    bits: BitVec,
}

/// Receiver, first message: the masked bits of its scalars, two's complement of `choice_bits` bits.
pub(super) fn choose(
    session: &mut Session,
    shape: &ProductShape,
    rows: &impl Rows,
    mine: &[u64],
) -> Result<Option<Scalars>> {
    let m = shape.choice_bits;
    let runs = shape.runs.iter().enumerate().filter(|(_, run)| run.row > 0);
    let scalars: Vec<u64> = runs
        .flat_map(|(r, run)| (0..run.scalars as usize).map(move |s| (r, s)))
        .map(|(r, s)| mine[rows.scalar(r, s)] & low_mask(m.into()))
        .collect();
    let n = scalars.len() * m as usize;
    if n == 0 {
        return Ok(None);
    }
    let (t, c) = session.cot_receiver.take(n)?;
    session.channel.send(Kind::Choice, &masked_choices(&scalars, m, &c))?;
    session.channel.flush()?;
    let bits = BitVec::from_bytes(&super::pack(&scalars, m), n);
    Ok(Some(Scalars { t, bits }))
}

/// Receiver, second message: adds its shares of the products to `out`.
pub(super) fn receive(
    session: &mut Session,
    shape: &ProductShape,
    rows: &impl Rows,
    scalars: Option<Scalars>,
    out: &mut [u64],
) -> Result<()> {
    let Some(Scalars { mut t, bits }) = scalars else { return Ok(()) };
    let m = shape.choice_bits as usize;
    let mut position = 0;
    for part in shape.messages() {
        let bytes = shape.scalar_bytes(part.row) as usize;
        let count = part.scalars as usize;
        let message = session.channel.recv(Kind::OtMessage, count * bytes)?;
        let tiles = t.tiles().after(position * m);
        let t = &mut t[position * m..(position + count) * m];
        let hash = &session.hash;
        let work = t.par_chunks_mut(m).zip(message.par_chunks(bytes)).enumerate();
        add_in_parallel(work, count, out, |(s, (t, message)), out| {
            let tiles = tiles.after(s * m);
            hash.hash_blocks(tiles, t);
            let mut input = BitReader::new(message);
            let targets = targets(rows, part.run, part.first as usize + s);
            let mut pads = vec![0; targets.len()];
            for (k, seed) in t.iter().enumerate() {
                let width = u32::from(shape.ring) - k as u32;
                let bit = bits.bit((position + s) * m + k).mask();
                expand(*seed, tiles.after(k), &mut pads);
                for ((_, target), pad) in targets.iter().zip(&pads) {
                    let share = pad.wrapping_add(input.get(width) & bit);
                    out[*target] = out[*target].wrapping_add(share << k);
                }
            }
        });
        position += count;
    }
    mask_all(out, shape.ring);
    Ok(())
}

/// Sender: answers the choices and adds its shares of the products to `out`.
pub(super) fn send(
    session: &mut Session,
    shape: &ProductShape,
    rows: &impl Rows,
    values: &[u64],
    out: &mut [u64],
) -> Result<()> {
    let m = shape.choice_bits as usize;
    let n = shape.scalars() as usize * m;
    if n == 0 {
        return Ok(());
    }
    let choices = BitVec::from_bytes(&session.channel.recv(Kind::Choice, n.div_ceil(8))?, n);
    answer(session, shape, rows, values, &choices, out)
}

/// [`send`] after the choices have come.
pub(super) fn answer(
    session: &mut Session,
    shape: &ProductShape,
    rows: &impl Rows,
    values: &[u64],
    choices: &BitVec,
    out: &mut [u64],
) -> Result<()> {
    let m = shape.choice_bits as usize;
    let mut q = session.cot_sender.take(choices.len())?;
    let delta = session.cot_sender.delta();
    let mut position = 0;
    for part in shape.messages() {
        let bytes = shape.scalar_bytes(part.row) as usize;
        let count = part.scalars as usize;
        let mut message = vec![0; count * bytes];
        let tiles = q.tiles().after(position * m);
        let q = &mut q[position * m..(position + count) * m];
        let hash = &session.hash;
        let work = q.par_chunks_mut(m).zip(message.par_chunks_mut(bytes)).enumerate();
        add_in_parallel(work, count, out, |(s, (q, message)), out| {
            let tiles = tiles.after(s * m);
            let (zero, one) = both_pads(hash, tiles, q, delta, |k| choices.bit((position + s) * m + k));
            let mut output = BitWriter::new(message);
            let targets = targets(rows, part.run, part.first as usize + s);
            let (mut zero_pads, mut one_pads) = (vec![0; targets.len()], vec![0; targets.len()]);
            for k in 0..m {
                let width = u32::from(shape.ring) - k as u32;
                expand(zero[k], tiles.after(k), &mut zero_pads);
                expand(one[k], tiles.after(k), &mut one_pads);
                for (i, (value, target)) in targets.iter().enumerate() {
                    // The top bit of two's complement counts negative.
                    let v = if k + 1 == m { values[*value].wrapping_neg() } else { values[*value] };
                    let sent = zero_pads[i].wrapping_add(v).wrapping_sub(one_pads[i]);
                    output.put(sent & low_mask(width), width);
                    out[*target] = out[*target].wrapping_sub(zero_pads[i] << k);
                }
            }
            output.finish();
        });
        session.channel.send(Kind::OtMessage, &message)?;
        session.channel.flush()?;
        position += count;
    }
    mask_all(out, shape.ring);
    Ok(())
}

/// `H(q + d delta)` and `H(q + (1 + d) delta)` with the masked choices d.
fn both_pads(
    hash: &CrHash,
    tiles: Tiles,
    q: &mut [Block],
    delta: Block,
    d: impl Fn(usize) -> Bit,
) -> (Vec<Block>, Vec<Block>) {
    for (k, q) in q.iter_mut().enumerate() {
        *q ^= delta & d(k).block();
    }
    let (mut zero, mut one) = (q.to_vec(), q.to_vec());
    hash.hash_both(tiles, delta, &mut zero, &mut one);
    (zero, one)
}

/// The pads of one row, whose correlation is the first of `tiles`.
fn expand(seed: Block, tiles: Tiles, pads: &mut [u64]) {
    match pads {
        [one] => *one = seed.low(),
        [one, two] => (*one, *two) = (seed.low(), Block(seed.0 >> 64).low()),
        many => Prg::salted(seed, tiles.number()).fill_u64(many),
    }
}

fn targets(rows: &impl Rows, run: usize, scalar: usize) -> Vec<(usize, usize)> {
    let mut targets = Vec::new();
    rows.visit(run, scalar, &mut |value, out| targets.push((value, out)));
    targets
}

/// Runs `body` on `count` items in as many parts as there are threads, each with its own sums, and adds them to `out`.
fn add_in_parallel<T: Send>(
    items: impl IndexedParallelIterator<Item = T>,
    count: usize,
    out: &mut [u64],
    body: impl Fn(T, &mut [u64]) + Sync + Send,
) {
    let part = count.div_ceil(rayon::current_num_threads()).max(1);
    let sums = items.with_min_len(part).fold(
        || vec![0; out.len()],
        |mut sums, item| {
            body(item, &mut sums);
            sums
        },
    );
    let sum = sums.reduce_with(|mut a, b| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = a.wrapping_add(b));
        a
    });
    out.iter_mut().zip(sum.unwrap_or_default()).for_each(|(o, s)| *o = o.wrapping_add(s));
}

fn mask_all(out: &mut [u64], ring: u8) {
    out.iter_mut().for_each(|o| *o &= low_mask(ring.into()));
}

//! Comparison of two private integers, and the sign of a shared value.
//!
//! Paper: CrypTFlow2 (Rathee et al., CCS 2020), algorithms 1 (millionaires) and 2 (DReLU). Adversary: semi-honest.
//! Parameters: digits of at most `radix` bits (1 to 5), laid out by [`Comparison`]. Rounds: 2 for the leaves, one for
//! each level of the tree, of which the first overlaps with the leaves' second message. Bytes:
//! [`picc_ir::mpc::cost::greater`]. Leakage: none; the result is exact.

use super::planes::Planes;
use super::{and, correlate, leaf, low_mask, select, signed, triple};
use crate::bits::BitVec;
use crate::error::Result;
use crate::session::Session;
use picc_ir::Party;
use picc_ir::mpc::cost::{Comparison, TreeNode};

/// Shares of `[y > x]`, where `x` are the integers of `sender` and `y` those of the other party: each party passes its
/// own as `mine`, below `2^bits`.
pub fn greater(session: &mut Session, mine: &[u64], bits: u8, radix: u8, sender: Party) -> Result<BitVec> {
    let n = mine.len();
    if n == 0 || bits == 0 {
        return Ok(BitVec::zeros(n));
    }
    let plan = Comparison::new(u32::from(bits), radix);
    // One item is left: its gt plane, then its (unused) eq plane.
    Ok(run(session, mine, &plan, sender, None)?.0.plane(0))
}

/// Leaves and tree of a plan: the items that its tree ends in, gt planes first. In the flights of the leaves also
/// shares of the product of a bit of the sender and one of the receiver, of so many bits, if both parties pass theirs.
pub(super) fn run(
    session: &mut Session,
    mine: &[u64],
    plan: &Comparison,
    sender: Party,
    alongside: Option<(&BitVec, u8)>,
) -> Result<(Planes, Vec<u64>)> {
    let n = mine.len();
    // The triples of the single ANDs ride on the leaves' second message.
    let (mut items, singles, product) = if session.party() == sender {
        let (singles, corrections) = triple::offer_singles(session, n, plan.single_ands())?;
        let items = leaf::send(session, mine, plan, &corrections)?;
        let product = match alongside {
            Some((bits, width)) => select::offer_bits(session, bits, width)?,
            None => Vec::new(),
        };
        (items, singles, product)
    } else {
        let singles = triple::accept_singles(session, n, plan.single_ands())?;
        let leaves = leaf::choose(session, mine, plan)?;
        let choice = alongside.map(|(bits, _)| correlate::choose(session, bits)).transpose()?;
        let (items, corrections) = leaves.accept(session, singles.message_len())?;
        let product = match choice.zip(alongside) {
            Some((choice, (_, width))) => select::accept_bits(session, choice, width)?,
            None => Vec::new(),
        };
        (items, singles.finish(&session.hash, &corrections), product)
    };
    let mut used = 0;
    for level in &plan.levels {
        items = and::level(session, &items, level, &singles, used)?;
        used += level.iter().filter(|node| matches!(node, TreeNode::Last { .. })).count();
    }
    Ok((items, product))
}

/// Shares of `[low bits of x0 + low bits of x1 >= 2^bits]`, the carry out of the low `bits` bits of a sharing.
pub(super) fn carry(session: &mut Session, x: &[u64], bits: u8, radix: u8) -> Result<BitVec> {
    // x_c + x_s >= 2^bits if and only if x_c > 2^bits - 1 - x_s.
    let flip = u64::from(session.party() == Party::Server).wrapping_neg();
    let mine: Vec<u64> = x.iter().map(|v| (v ^ flip) & low_mask(bits.into())).collect();
    greater(session, &mine, bits, radix, Party::Server)
}

/// Shares of `[x >= 0]` for signed values of a ring of `ring` bits.
pub fn drelu(session: &mut Session, x: &[u64], ring: u8, radix: u8) -> Result<BitVec> {
    let mut share = carry(session, x, ring - 1, radix)?;
    // msb(x) = msb(x0) ^ msb(x1) ^ carry into it.
    share.xor_assign(&msb(x, ring));
    Ok(if session.party() == Party::Server { share.not() } else { share })
}

/// The most significant bit of each share.
pub(super) fn msb(x: &[u64], ring: u8) -> BitVec {
    let words = x.chunks(64).map(|c| c.iter().enumerate().fold(0, |w, (i, v)| w | (v >> (ring - 1) & 1) << i));
    BitVec::from_words(words.collect(), x.len())
}

/// `[x >= 0]`.
#[must_use]
pub fn ideal_drelu(x: u64, ring: u8) -> bool {
    signed(x, ring) >= 0
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, RADICES, RINGS, SIZES, assert_uniform_messages, record};
    use super::*;
    use picc_ir::mpc::cost;

    #[test]
    fn greater_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(1);
        for bits in [1, 2, 3, 4, 5, 7, 8, 11, 13, 24, 31, 36, 63, 64] {
            for radix in RADICES {
                for n in [1, 7, 64, 200] {
                    let mut x: Vec<u64> = pair.rng.words(n).iter().map(|v| v & low_mask(bits.into())).collect();
                    let y: Vec<u64> = pair.rng.words(n).iter().map(|v| v & low_mask(bits.into())).collect();
                    // Equal, off by one, and equal above the lowest digit.
                    for (i, x) in x.iter_mut().enumerate() {
                        match i % 5 {
                            0 => *x = y[i],
                            1 => *x = (y[i] + u64::from(y[i] < low_mask(bits.into()))) & low_mask(bits.into()),
                            2 => *x = y[i] ^ 1,
                            _ => (),
                        }
                    }
                    for sender in Party::BOTH {
                        let cost = cost::greater(n as u64, bits, radix, sender);
                        let [a, b] = pair.run(cost, |s| {
                            let mine = if s.party() == sender { &x } else { &y };
                            greater(s, mine, bits, radix, sender)
                        });
                        let ideal: Vec<bool> = x.iter().zip(&y).map(|(x, y)| y > x).collect();
                        assert_eq!(a.xor(&b).iter().collect::<Vec<_>>(), ideal, "{bits} bits, radix {radix}");
                    }
                }
            }
        }
    }

    #[test]
    fn drelu_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(2);
        for ring in RINGS.into_iter().chain([1, 2]) {
            for radix in RADICES {
                for n in SIZES {
                    let x = pair.samples(n, ring);
                    let shares = pair.share(&x, ring);
                    let [a, b] = pair.run(cost::drelu(n as u64, ring, radix), |s| {
                        drelu(s, &shares[s.party() as usize], ring, radix)
                    });
                    let ideal: Vec<bool> = x.iter().map(|x| ideal_drelu(*x, ring)).collect();
                    assert_eq!(a.xor(&b).iter().collect::<Vec<_>>(), ideal, "ring {ring}, radix {radix}");
                }
            }
        }
    }

    #[test]
    fn messages_and_shares_are_uniform() {
        // Constant inputs: whatever is uniform is so because of the masks.
        let n = 4096;
        for value in [0, u64::MAX] {
            let x = vec![value & low_mask(20); n];
            let ([a, b], messages) = record(cost::drelu(n as u64, 20, 4), |s| drelu(s, &x, 20, 4));
            assert_uniform_messages(&messages);
            assert_uniform_messages(&[a.to_bytes(), b.to_bytes()]);
        }
    }

    #[test]
    fn a_message_of_the_wrong_length_is_the_peers_error() {
        use crate::channel::Kind;
        use crate::error::Error;
        use crate::testing::{run_both, test_pair};
        let (mut client, mut server) = test_pair(3);
        let demand = cost::drelu(5, 16, 4).cots;
        let (outcome, ()) = run_both(
            &mut client,
            &mut server,
            |s| {
                s.reserve(demand).unwrap();
                drelu(s, &[1; 5], 16, 4)
            },
            |s| {
                s.reserve(demand).unwrap();
                s.channel.send(Kind::OtMessage, &[0; 3]).unwrap();
                s.channel.flush().unwrap();
            },
        );
        assert!(matches!(outcome, Err(Error::Peer(_))));
    }
}

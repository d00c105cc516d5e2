//! The ideal functionality of correlated OTs, for tests: a dealer gives both parties their halves, and nothing is sent.
//!
//! The dealer is a seed that both parties have, so that either can compute the other's secrets. Offsets are any linear
//! function of the choice; protocols may assume no more of them.

use super::code::MAX_KEYS;
use super::{CotReceiver, CotSender, CotSource, Endpoint};
use crate::bits::BitVec;
use crate::channel::Channel;
use crate::crypto::{Block, CrHash, Rng};
use crate::error::Result;
use picc_ir::Party;
use picc_ir::cost::CotCounts;
use zeroize::Zeroizing;

/// The dealer's randomness, at one party.
pub(crate) struct Ideal {
    me: Party,
    /// Of the correlations that the client sends, and of the server's.
    directions: [Direction; 2],
}

struct Direction {
    offsets: [Block; MAX_KEYS],
    /// For each width, so that the order of widths does not matter.
    streams: [Rng; CotCounts::WIDEST as usize],
}

impl Ideal {
    /// At both parties with the same seed.
    pub(crate) fn set_up(me: Party, seed: u64) -> Endpoint {
        let mut dealer = Rng::from_seed(seed);
        let hash = CrHash::new(dealer.block());
        let directions = [(); 2].map(|()| Direction::new(&mut dealer));
        Endpoint { source: Box::new(Ideal { me, directions }), hash }
    }
}

impl Direction {
    fn new(dealer: &mut Rng) -> Direction {
        let basis: Vec<Block> = (0..CotCounts::WIDEST).map(|_| dealer.block()).collect();
        let offset = |v: usize| {
            let bits = basis.iter().enumerate().filter(|(bit, _)| v >> bit & 1 == 1);
            bits.fold(Block::ZERO, |sum, (_, b)| sum ^ *b)
        };
        Direction { offsets: std::array::from_fn(offset), streams: std::array::from_fn(|_| dealer.fork()) }
    }

    /// Fills `q`; returns the choices, bit by bit.
    fn deal(&mut self, width: u32, q: &mut [Block]) -> Vec<BitVec> {
        let stream = &mut self.streams[width as usize - 1];
        stream.fill_blocks(q);
        (0..width).map(|_| BitVec::random(q.len(), stream)).collect()
    }
}

impl CotSource for Ideal {
    fn offsets(&self) -> Zeroizing<[Block; MAX_KEYS]> {
        Zeroizing::new(self.directions[self.me as usize].offsets)
    }

    fn make(
        &mut self,
        _channel: &mut Channel,
        [send, receive]: [CotCounts; 2],
        sent: &mut CotSender,
        received: &mut CotReceiver,
    ) -> Result<()> {
        for (width, n) in send.by_width() {
            let mine = &mut self.directions[self.me as usize];
            sent.add(width, n as usize, |q| {
                mine.deal(width, q);
                Ok(())
            })?;
        }
        for (width, n) in receive.by_width() {
            let theirs = &mut self.directions[self.me.other() as usize];
            received.add(width, n as usize, |t| {
                let choices = theirs.deal(width, t);
                for (i, t) in t.iter_mut().enumerate() {
                    let choice: usize = choices.iter().enumerate().map(|(b, c)| usize::from(c.get(i)) << b).sum();
                    *t ^= theirs.offsets[choice];
                }
                (choices, ())
            });
        }
        Ok(())
    }
}

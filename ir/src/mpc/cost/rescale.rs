//! ReLU fused with the truncation before it and the extension after it.
//!
//! **What fusing saves and what it costs** against `trunc_reduce.faithful`, `relu.ot`, `extend.ot` one after the other,
//! in flights and in bits an element at k = 4. Let s bits be cut, m be left, the result have L bits, and a comparison of
//! b bits have levels(b) levels.
//!
//! | | flights one after the other | fused | bits more |
//! |---|---|---|---|
//! | relu, extend | 2 + levels(m-1) + 2, 2 | 2 + levels(m-1) + 2 | 2 (L - m) - 1 |
//! | trunc, relu | 2 + levels(s) + 2, 2 + levels(m-1) + 2 | 2 + max levels + 1 + 2 | 68 + 31 + 17 levels(m-1) at most |
//! | trunc, relu, extend | all of these, 2 | 2 + max levels + 1 + 2 | 2 (L - m) in the multiplexer, L - m in the B2A, and those |
//!
//! The multiplexer works in the larger ring; the high part of a split comparison has an eq (a leaf's masked bits, and pairs
//! of ANDs where there were single ones), and a pair of ANDs joins the parts. Extension inside needs the truncated value
//! below a quarter of its ring, where the extension alone, behind the ReLU, needs half: one bit more to compare. So
//! fusing never saves bytes and always saves flights; the profile decides.

use super::compare::Comparison;
use super::{Transcript, packed, script};
use crate::Party;
use crate::cost::Cost;

/// `n` elements of a ring of `ring` bits, truncated by `shift`, their positive part in a ring of `to` bits.
#[must_use]
pub fn relu_rescale(n: u64, ring: u8, shift: u8, to: u8, radix: u8) -> Cost {
    script(|t| {
        if n > 0 {
            run(t, n, ring, shift, to, radix);
        }
    })
}

fn run(t: &mut Transcript, n: u64, ring: u8, shift: u8, to: u8, radix: u8) {
    let left = ring - shift;
    let (choices, width) = (n.div_ceil(8), |bits: u8| packed(n, u64::from(bits)));
    let plan = Comparison::split(u32::from(shift), u32::from(left) - 1, radix);
    plan.choose(t, n, Party::Server);
    if to > left {
        t.cots(Party::Server, n);
        t.message(Party::Client, choices);
    }
    plan.answer(t, n, Party::Server);
    if to > left {
        t.message(Party::Server, width(to - left));
    }
    plan.tree(t, n);
    t.cots(Party::Client, n);
    t.cots(Party::Server, n);
    if shift == 0 {
        t.exchange(choices, choices);
        t.exchange(width(to), width(to));
    } else {
        // The carry of the truncation meets the sign, and goes into the ring beside the multiplexer.
        Comparison::and_pair(t, n);
        t.cots(Party::Server, n);
        t.exchange_all(&[choices, choices], &[choices]);
        t.exchange_all(&[width(to)], &[width(to), width(to - 1)]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{extend, relu, trunc_faithful};
    use super::*;
    use crate::correlation::Source;

    fn bytes(cost: Cost) -> u64 {
        cost.online.total() + Source::default().reserve_traffic(cost.cots).total()
    }

    #[test]
    fn fusing_trades_bytes_for_flights() {
        let n = 1 << 16;
        // A layer of a CIFAR ResNet: 18 bits are compared, the next product wants 30. Inside, a bit more.
        let apart = relu(n, 18, 5) + extend(n, 18, 30);
        let fused = relu_rescale(n, 19, 0, 30, 5);
        assert_eq!((apart.online.rounds, fused.online.rounds), (8, 6));
        assert_eq!([apart, fused].map(bytes).map(|b| b * 8 / n), [677, 734]);
        // The same with a truncation that is exact.
        let apart = trunc_faithful(n, 30, 12, 5) + relu(n, 18, 5) + extend(n, 18, 30);
        let fused = relu_rescale(n, 31, 12, 30, 5);
        assert_eq!((apart.online.rounds, fused.online.rounds), (14, 7));
        assert_eq!([apart, fused].map(bytes).map(|b| b * 8 / n), [1083, 1285]);
    }
}

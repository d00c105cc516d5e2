//! Every protocol over shares.

use super::{Expect, Rows, both_secret, ot, share};
use picc_ir::Party;
use picc_ir::correlation::Source;
use picc_ir::cost::Cost;
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::{SquareOt, cost};
use picc_runtime::Result;
use picc_runtime::bits::BitVec;
use picc_runtime::crypto::ct::taint::is_secret;
use picc_runtime::protocol as p;
use picc_runtime::session::Session;
use picc_runtime::testing::run_both;

/// More than one group of 64 lanes.
const N: usize = 70;

/// Sessions, and the table.
struct Cases<'a> {
    rows: &'a mut Rows,
    pair: Option<(Session, Session)>,
}

impl Cases<'_> {
    fn case(&mut self, name: &str, cost: Cost, protocol: impl Fn(&mut Session) -> Result<Vec<u64>> + Sync) {
        let pair = &mut self.pair;
        self.rows.row(name, Expect::Nothing, || {
            let (client, server) = pair.get_or_insert_with(|| ot::pair(Source::default()));
            let run = |s: &mut Session| {
                s.reserve(cost.cots).unwrap();
                protocol(s).unwrap()
            };
            both_secret(&run_both(client, server, run, run))
        });
    }
}

pub fn run(rows: &mut Rows) {
    let mut cases = Cases { rows, pair: None };
    comparisons(&mut cases);
    selections(&mut cases);
    products(&mut cases);
    linear(&mut cases);
    reveal(&mut cases);
}

fn comparisons(cases: &mut Cases<'_>) {
    let n = N as u64;
    for radix in [1, 4, 5] {
        let name = format!("relu, radix {radix}");
        cases.case(&name, cost::relu(n, 20, radix), |s| p::relu(s, &share(N, 20, 1), 20, radix));
    }
    cases.case("relu of high bits", cost::relu_window(n, 20, 5, 4), |s| {
        p::relu_window(s, &share(N, 20, 2), 20, 5, 4)
    });
    cases.case("max", cost::max(n, 64, 4), |s| p::max(s, &share(N, 64, 3), &share(N, 64, 4), 64, 4));
    cases.case("max of high bits", cost::relu_window(n, 20, 5, 4), |s| {
        p::max_window(s, &share(N, 20, 3), &share(N, 20, 4), 20, 5, 4)
    });
    for (ring, shift, to) in [(20, 5, 18), (20, 5, 15), (19, 0, 24)] {
        let name = format!("relu_rescale, {ring} bits by {shift} to {to}");
        cases.case(&name, cost::relu_rescale(n, ring, shift, to, 5), |s| {
            p::relu_rescale(s, &share(N, ring, 5), ring, shift, to, 5)
        });
    }
    cases.case("trunc_faithful", cost::trunc_faithful(n, 20, 7, 4), |s| {
        p::trunc_faithful(s, &share(N, 20, 6), 20, 7, 4)
    });
    cases.case("trunc_local", cost::trunc_local(), |s| Ok(p::trunc_local(s.party(), &share(N, 20, 6), 20, 7)));
    for range in [p::Range::NonNegative, p::Range::Quarter] {
        let name = format!("extend, {range:?}");
        cases.case(&name, cost::extend(n, 12, 20), |s| p::extend(s, &share(N, 12, 7), 12, 20, range));
    }
    let axis = cost::AxisWindows { len: 6, kernel: 3, stride: 2, dilation: 1, pad_before: 1, pad_after: 1 };
    let price = cost::max_pool(2, &axis, &axis, 16, 4).unwrap();
    cases.case("max_pool", price, |s| p::max_pool(s, &share(72, 16, 8), 2, &axis, &axis, 16, 4));
    let price = cost::max_pool_window(2, &axis, &axis, 16, 3, 4).unwrap();
    cases.case("max_pool of high bits", price, |s| {
        p::max_pool_window(s, &share(72, 16, 8), 2, [&axis, &axis], 16, 3, 4)
    });
    cases.case("reduce_max", cost::reduce_max(7, 10, 16, 4), |s| p::reduce_max(s, &share(70, 16, 9), 10, 16, 4));
    for last in [false, true] {
        let name = format!("argmax, {} of equals", if last { "last" } else { "first" });
        cases.case(&name, cost::argmax(7, 10, 16, 4, 4), |s| p::argmax(s, &share(70, 16, 10), 10, 16, 4, last, 4));
    }
}

/// `N` secret bits.
fn bits(seed: u64) -> BitVec {
    BitVec::from_words(share(N.div_ceil(64), 64, seed), N)
}

fn selections(cases: &mut Cases<'_>) {
    let n = N as u64;
    cases.case("drelu", cost::drelu(n, 20, 4), |s| Ok(p::drelu(s, &share(N, 20, 11), 20, 4)?.words().to_vec()));
    for sender in Party::BOTH {
        let name = format!("greater, the {sender} sends");
        cases.case(&name, cost::greater(n, 13, 5, sender), |s| {
            Ok(p::greater(s, &share(N, 13, 12), 13, 5, sender)?.words().to_vec())
        });
    }
    cases.case("mux", cost::mux(n, &[20, 10]), |s| {
        Ok(p::mux(s, &bits(13), &[(&share(N, 20, 14), 20), (&share(N, 10, 15), 10)])?.concat())
    });
    cases.case("b2a", cost::b2a(n, 20), |s| p::b2a(s, &bits(16), 20));
}

fn products(cases: &mut Cases<'_>) {
    let n = 20;
    let x = |seed: u64| share(20, 16, seed);
    cases.case("mul", cost::mul(n, 16), |s| p::mul(s, &x(17), &x(18), 16));
    for receiver in Party::BOTH {
        let name = format!("square, the {receiver} chooses");
        cases.case(&name, SquareOt::price(n, 16, receiver), |s| p::square(s, &x(19), 16, receiver));
        let name = format!("mul_server, the {receiver} chooses");
        cases.case(&name, cost::mul_server(n, 16, 6, receiver), |s| {
            let w = (s.party() == Party::Server).then(|| x(20));
            p::mul_server(s, &x(21), w.as_deref(), 16, 6, receiver)
        });
    }
}

fn linear(cases: &mut Cases<'_>) {
    let (stride, pads, dilation) = ([1, 2], [1, 0, 1, 1], [1, 1]);
    let g = ConvGeom { n: 1, c_in: 2, h: 6, w: 5, c_out: 3, kh: 3, kw: 3, stride, pads, dilation, groups: 1 };
    for receiver in Party::BOTH {
        let name = format!("conv_ot, the {receiver} chooses");
        cases.case(&name, cost::conv_ot(&g, 24, 8, receiver), |s| {
            let w = (s.party() == Party::Server).then(|| share(54, 24, 22));
            p::conv_ot(s, &g, &share(60, 24, 23), w.as_deref(), 24, 8, receiver)
        });
        // Rows of one, two and more values are masked in different ways.
        for (cols, left) in [(1, false), (2, false), (5, false), (5, true)] {
            let m = MatMulGeom { batch: 1, rows: cols, inner: 6, cols };
            let name = format!(
                "matmul_ot, {cols} wide, weights {}, the {receiver} chooses",
                if left { "left" } else { "right" }
            );
            cases.case(&name, cost::matmul_ot(&m, 37, 8, left, receiver), |s| {
                let w = (s.party() == Party::Server).then(|| share(6 * cols, 37, 24));
                p::matmul_ot(s, &m, &share(6 * cols, 37, 25), w.as_deref(), 37, 8, left, receiver)
            });
        }
    }
}

fn reveal(cases: &mut Cases<'_>) {
    // What is revealed is not secret any more; what remains is the share.
    cases.case("reveal", cost::reveal(N as u64, 20, Party::Client), |s| {
        let x = share(N, 20, 26);
        let opened = p::reveal(s, &x, 20, Party::Client)?;
        assert!(opened.is_none_or(|x| !is_secret(&x)));
        Ok(x)
    });
}

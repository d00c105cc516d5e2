//! Every protocol on both sources of correlated OTs: the real one and the ideal one. The answers are the same, and so
//! are the bytes, but for those that make the correlations.

use super::testing::open;
use super::*;
use crate::bits::BitVec;
use crate::crypto::Rng;
use crate::error::Result;
use crate::session::Session;
use crate::testing::{ideal_pair, run_both, test_pair_with};
use picc_ir::Party;
use picc_ir::correlation::Source;
use picc_ir::cost::{Cost, CotDemand, Traffic};
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::SquareOt;
use picc_ir::mpc::cost::{self, AxisWindows};

const N: usize = 24;
const RING: u8 = 20;

/// Runs a protocol on one party's share of `x` and of `y`; its share of the answer.
type Run = Box<dyn Fn(&mut Session, &[u64], &[u64]) -> Result<Vec<u64>> + Sync>;

/// A protocol, what it costs, and the ring of its answers.
struct Case(&'static str, Cost, u8, Run);

fn words(bits: &BitVec) -> Vec<u64> {
    bits.iter().map(u64::from).collect()
}

fn cases() -> Vec<Case> {
    fn case(
        name: &'static str,
        cost: Cost,
        ring: u8,
        run: impl Fn(&mut Session, &[u64], &[u64]) -> Result<Vec<u64>> + Sync + 'static,
    ) -> Case {
        Case(name, cost, ring, Box::new(run))
    }
    let n = N as u64;
    let axis = AxisWindows { len: 4, kernel: 2, stride: 2, dilation: 1, pad_before: 0, pad_after: 0 };
    let conv = ConvGeom {
        n: 1,
        c_in: 2,
        h: 3,
        w: 4,
        c_out: 2,
        kh: 3,
        kw: 3,
        stride: [1; 2],
        pads: [1; 4],
        dilation: [1; 2],
        groups: 1,
    };
    let matmul = MatMulGeom { batch: 1, rows: 4, inner: 6, cols: 3 };
    let weights = |len: usize| move |s: &Session| (s.party() == Party::Server).then(|| [3, 1, 0, 2].repeat(len));
    let mut all = vec![
        case("drelu", cost::drelu(n, RING, 4), 1, |s, x, _| Ok(words(&drelu(s, x, RING, 4)?))),
        case("greater", cost::greater(n, RING, 3, Party::Client), 1, |s, x, _| {
            Ok(words(&greater(s, x, RING, 3, Party::Client)?))
        }),
        case("relu_window", cost::relu_window(n, RING, 3, 4), RING, |s, x, _| relu_window(s, x, RING, 3, 4)),
        case("max", cost::max(n, RING, 5), RING, |s, x, y| max(s, x, y, RING, 5)),
        case("max_pool", cost::max_pool(1, &axis, &axis, RING, 4).unwrap(), RING, move |s, x, _| {
            max_pool(s, &x[..16], 1, &axis, &axis, RING, 4)
        }),
        case("reduce_max", cost::reduce_max(4, 6, RING, 4), RING, |s, x, _| reduce_max(s, x, 6, RING, 4)),
        case("argmax", cost::argmax(4, 6, RING, 3, 4), 3, |s, x, _| argmax(s, x, 6, RING, 3, false, 4)),
        case("relu_rescale", cost::relu_rescale(n, RING, 5, 24, 3), 24, |s, x, _| {
            relu_rescale(s, x, RING, 5, 24, 3)
        }),
        case("trunc_faithful", cost::trunc_faithful(n, RING, 6, 4), RING - 6, |s, x, _| {
            trunc_faithful(s, x, RING, 6, 4)
        }),
        case("extend", cost::extend(n, RING, 30), 30, |s, x, _| extend(s, x, RING, 30, Range::Quarter)),
        case("mul", cost::mul(n, RING), RING, |s, x, y| mul(s, x, y, RING)),
        case("b2a", cost::b2a(n, RING), RING, |s, x, _| {
            let bits: BitVec = x.iter().map(|v| v & 1 == 1).collect();
            b2a(s, &bits, RING)
        }),
        case("mux", cost::mux(n, &[RING]), RING, |s, x, y| {
            let bits: BitVec = x.iter().map(|v| v & 1 == 1).collect();
            Ok(mux(s, &bits, &[(y, RING)])?.swap_remove(0))
        }),
    ];
    for receiver in Party::BOTH {
        let (conv_weights, matmul_weights, factors) = (weights(9), weights(5), weights(6));
        all.extend([
            case("square", SquareOt::price(n, RING, receiver), RING, move |s, x, _| square(s, x, RING, receiver)),
            case("mul_server", cost::mul_server(n, RING, 4, receiver), RING, move |s, x, _| {
                let w = factors(s);
                mul_server(s, x, w.as_deref(), RING, 4, receiver)
            }),
            case("conv_ot", cost::conv_ot(&conv, RING, 4, receiver), RING, move |s, x, _| {
                let w = conv_weights(s);
                conv_ot(s, &conv, x, w.as_deref(), RING, 4, receiver)
            }),
            case("matmul_ot", cost::matmul_ot(&matmul, RING, 4, false, receiver), RING, move |s, x, _| {
                let w = matmul_weights(s).map(|w| w[..18].to_vec());
                matmul_ot(s, &matmul, x, w.as_deref(), RING, 4, false, receiver)
            }),
        ]);
    }
    all
}

/// The answer, what the correlations cost, and what the protocol did.
fn outcome(
    pair: &mut (Session, Session),
    case: &Case,
    shares: [&[Vec<u64>; 2]; 2],
) -> (Vec<u64>, Traffic, Traffic) {
    let Case(name, cost, ring, run) = case;
    let party = |s: &mut Session| {
        s.channel.start_node();
        s.reserve(cost.cots).unwrap();
        let reserved = s.channel.start_node();
        let me = s.party() as usize;
        let out = run(s, &shares[0][me], &shares[1][me]).unwrap();
        let left = (s.cot_sender.available(), s.cot_receiver.available());
        assert_eq!(left, Default::default(), "{name}: COTs are left");
        (out, reserved, s.channel.start_node())
    };
    let (client, server) = run_both(&mut pair.0, &mut pair.1, party, party);
    assert_eq!((client.1, client.2), (server.1, server.2), "{name}: both meters say the same");
    let answer = if *ring == 1 {
        client.0.iter().zip(&server.0).map(|(a, b)| a ^ b).collect()
    } else {
        open(&[client.0, server.0], *ring)
    };
    (answer, client.1, client.2)
}

#[test]
fn every_protocol_answers_alike_on_both_sources() {
    let mut dealer = ideal_pair(3);
    for source in [Source::default(), Source::of_code(8).unwrap()] {
        let mut real = test_pair_with(5, source);
        let mut rng = Rng::from_seed(7);
        for case in &cases() {
            // Values within a quarter of the ring, which is what the narrowest of the protocols takes.
            let mut share = || {
                let mask = low_mask(RING.into());
                let client: Vec<u64> = rng.words(N).iter().map(|c| c & mask).collect();
                let values = rng.words(N).into_iter().map(|v| signed(v, RING - 2).cast_unsigned());
                let server = values.zip(&client).map(|(v, c)| v.wrapping_sub(*c) & mask).collect();
                [client, server]
            };
            let (x, y) = (share(), share());
            let (answer, extension, online) = outcome(&mut real, case, [&x, &y]);
            let ideal = outcome(&mut dealer, case, [&x, &y]);
            assert_eq!(ideal, (answer, Traffic::default(), online), "{}", case.0);
            assert_eq!(online, case.1.online, "{}", case.0);
            assert_eq!(extension, source.reserve_traffic(case.1.cots), "{}", case.0);
            assert!(case.1.cots != CotDemand::default(), "{} needs no source", case.0);
        }
    }
}

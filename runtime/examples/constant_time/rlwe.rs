//! Ring LWE: keys, samplers, encryption, products, hiding, packing, decryption, in every parameter set that plans
//! choose.

use super::{Expect, Rows, both_secret, channels, share};
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::rlwe::{ConvPlan, Hiding, LinearPlan, MatMulPlan, WeightLayout};
use picc_runtime::crypto::ct::taint::{is_secret, secret};
use picc_runtime::crypto::rlwe::Csprng;
use picc_runtime::protocol::linear_rlwe::{PreparedLinear, RlweClient, RlweServer, linear_client, linear_server};

pub fn run(rows: &mut Rows) {
    rows.row("samplers of ring LWE", Expect::Nothing, || {
        let mut rng = csprng(5);
        let ternary = rng.ternary(1000);
        let errors: Vec<i64> = (0..200).map(|_| rng.error()).collect();
        let floods: Vec<u64> = (0..200).map(|_| rng.flood(70) as u64).collect();
        is_secret(&ternary) && is_secret(&errors) && is_secret(&floods)
    });
    let conv = ConvGeom {
        n: 1,
        c_in: 3,
        h: 6,
        w: 6,
        c_out: 2,
        kh: 3,
        kw: 3,
        stride: [1, 1],
        pads: [1; 4],
        dilation: [1, 1],
        groups: 1,
    };
    // Short rings up to those that take every set; one weight for a whole channel; a matrix.
    for ring in [20, 37, 44, 52, 60, 64] {
        for hiding in [Hiding::FullRange, Hiding::Flood] {
            if let Ok(plan) = ConvPlan::new(conv, ring, 8, hiding) {
                layer(rows, &format!("convolution, ring {ring}, {hiding:?}"), &plan.linear, u64::MAX);
            }
        }
    }
    let single = ConvGeom { c_in: 1, c_out: 1, kh: 1, kw: 1, h: 40, w: 40, pads: [0; 4], ..conv };
    if let Ok(plan) = ConvPlan::new(single, 37, 8, Hiding::FullRange) {
        layer(rows, "1x1 convolution of one channel", &plan.linear, u64::MAX);
    }
    let matmul = MatMulGeom { batch: 1, rows: 2, inner: 40, cols: 3 };
    if let Ok(plan) = MatMulPlan::new(matmul, WeightLayout::InnerCols, 37, 8, Hiding::Flood) {
        layer(rows, "matrix product, weights not transformed before", &plan.linear, 0);
    }
}

fn csprng(byte: u8) -> Csprng {
    let mut seed = [byte; 32];
    secret(&mut seed);
    Csprng::from_seed(seed)
}

fn layer(rows: &mut Rows, name: &str, plan: &LinearPlan, prepared_bytes: u64) {
    let sets = [plan.budget.set];
    let [inputs, weights, _] = plan.layer.lens();
    let ring = plan.budget.ring_bits as u8;
    rows.row(&format!("ring LWE {}, {name}", sets[0].name), Expect::Nothing, || {
        let (mut client, mut server) = channels();
        let results = std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                let mut rng = csprng(1);
                let keys = RlweServer::setup(&mut server, &sets).unwrap();
                let mut w: Vec<i64> = (0..weights).map(|i| i as i64 * 37 % 255 - 127).collect();
                secret(&mut w);
                let w = PreparedLinear::new(plan.clone(), &w, prepared_bytes).unwrap();
                linear_server(&mut server, &keys, &w, &share(inputs, ring, 30), &mut rng).unwrap()
            });
            let mut rng = csprng(2);
            let keys = RlweClient::setup(&mut client, &sets, &mut rng).unwrap();
            let y = linear_client(&mut client, &keys, plan, &share(inputs, ring, 31), &mut rng).unwrap();
            (y, server.join().unwrap())
        });
        both_secret(&results)
    });
}

//! Linear layers under ring LWE: seconds of either party and megabytes.
//!
//! Both parties run in this process, one after the other as far as the protocol lets them; `RAYON_NUM_THREADS` sets
//! the threads of each.

use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::rlwe::{Layer, LinearPlan, WeightLayout};
use picc_runtime::Result;
use picc_runtime::channel::memory_pair;
use picc_runtime::crypto::rlwe::Csprng;
use picc_runtime::protocol::linear_rlwe::{PreparedLinear, RlweClient, RlweServer, linear_client, linear_server};
use std::time::{Duration, Instant};

fn conv(c_in: usize, hw: usize, c_out: usize, k: usize, stride: usize, groups: usize) -> Layer {
    let geom = ConvGeom {
        n: 1,
        c_in,
        h: hw,
        w: hw,
        c_out,
        kh: k,
        kw: k,
        stride: [stride; 2],
        pads: [k / 2; 4],
        dilation: [1; 2],
        groups,
    };
    Layer::conv(&geom).expect("a valid geometry")
}

fn main() -> Result<()> {
    let gemm = MatMulGeom { batch: 1, rows: 1, inner: 2048, cols: 1001 };
    let layers = [
        ("conv 3x3 64->64 56x56", conv(64, 56, 64, 3, 1, 1)),
        ("conv 1x1 64->256 56x56", conv(64, 56, 256, 1, 1, 1)),
        ("conv 3x3 512->512 7x7", conv(512, 7, 512, 3, 1, 1)),
        ("gemm 2048->1001", Layer::matmul(&gemm, WeightLayout::InnerCols).expect("a valid geometry")),
        ("conv 7x7/2 3->64 224x224", conv(3, 224, 64, 7, 2, 1)),
        ("conv 3x3 depthwise 512 14x14", conv(512, 14, 512, 3, 1, 512)),
    ];
    println!("l = 37, 12-bit weights, {} threads", rayon::current_num_threads());
    println!("{:<30} {:>8} {:>8} {:>8} {:>8} {:>8}", "layer", "MB", "wall s", "load s", "MB held", "lazy s");
    for (name, layer) in layers {
        let plan = LinearPlan::search(&layer, 37, 12).expect("an eligible layer");
        let mut rng = Csprng::from_seed([1; 32]);
        let [inputs, weights, _] = layer.lens();
        let weights: Vec<i64> = (0..weights).map(|_| (rng.next_u64() as i64) >> 52).collect();
        let share: Vec<u64> = (0..inputs).map(|_| rng.next_u64() >> 27).collect();
        let start = Instant::now();
        let prepared = PreparedLinear::new(plan.clone(), &weights, u64::MAX)?;
        let load = start.elapsed();
        let wall = (0..3).map(|_| run(&prepared, &share)).collect::<Result<Vec<_>>>()?;
        let lazy = run(&PreparedLinear::new(plan.clone(), &weights, 0)?, &share)?;
        println!(
            "{name:<30} {:>8.2} {:>8.3} {:>8.3} {:>8.1} {:>8.3}",
            plan.traffic().total() as f64 / 1e6,
            wall.into_iter().min().unwrap_or_default().as_secs_f64(),
            load.as_secs_f64(),
            prepared.memory_bytes() as f64 / 1e6,
            lazy.as_secs_f64(),
        );
    }
    Ok(())
}

/// Time of one request from the client's first to its last step.
fn run(weights: &PreparedLinear, share: &[u64]) -> Result<Duration> {
    let plan: &LinearPlan = weights.plan();
    let sets = [plan.budget.set];
    let (mut cc, mut sc) = memory_pair(Duration::from_secs(600));
    std::thread::scope(|s| {
        let server = s.spawn(move || -> Result<()> {
            let server = RlweServer::setup(&mut sc, &sets)?;
            linear_server(&mut sc, &server, weights, share, &mut Csprng::from_os()?)?;
            Ok(())
        });
        let mut rng = Csprng::from_os()?;
        let client = RlweClient::setup(&mut cc, &sets, &mut rng)?;
        let start = Instant::now();
        linear_client(&mut cc, &client, plan, share, &mut rng)?;
        let wall = start.elapsed();
        server.join().expect("the server thread runs to its end")?;
        Ok(wall)
    })
}

//! Linear layers under ring LWE: seconds of either party and megabytes.
//!
//! Both parties run in this process, each in a thread of its own, and each thread's CPU time is read.

use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::rlwe::{Hiding, Layer, LinearPlan, WeightLayout};
use picc_runtime::Result;
use picc_runtime::channel::memory_pair;
use picc_runtime::crypto::rlwe::Csprng;
use picc_runtime::protocol::linear_rlwe::{PreparedLinear, RlweClient, RlweServer, linear_client, linear_server};
use std::time::Duration;

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
    println!("l = 37, 12-bit weights, one thread each; CPU seconds, best of three");
    println!(
        "{:<30} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "layer", "MB", "client", "server", "load", "MB held", "lazy srv"
    );
    for (name, layer) in layers {
        let plan = LinearPlan::search(&layer, 37, 12, Hiding::FullRange).expect("an eligible layer");
        let mut rng = Csprng::from_seed([1; 32]);
        let [inputs, weights, _] = layer.lens();
        let weights: Vec<i64> = (0..weights).map(|_| (rng.next_u64() as i64) >> 52).collect();
        let share: Vec<u64> = (0..inputs).map(|_| rng.next_u64() >> 27).collect();
        let (prepared, load) = on_one_thread(|| {
            let start = cpu_seconds();
            let prepared = PreparedLinear::new(plan.clone(), &weights, u64::MAX)?;
            Ok((prepared, cpu_seconds() - start))
        })?;
        let (mut client, mut server) = (f64::MAX, f64::MAX);
        for _ in 0..3 {
            let (c, s) = run(&prepared, &share)?;
            (client, server) = (client.min(c), server.min(s));
        }
        let lazy = PreparedLinear::new(plan.clone(), &weights, 0)?;
        println!(
            "{name:<30} {:>8.2} {client:>8.3} {server:>8.3} {load:>8.3} {:>8.1} {:>8.3}",
            plan.traffic().total() as f64 / 1e6,
            prepared.memory_bytes() as f64 / 1e6,
            run(&lazy, &share)?.1,
        );
    }
    Ok(())
}

/// CPU time of this thread, where the system tells it (Linux); else 0.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// CPU time of one request, client's and server's.
fn run(weights: &PreparedLinear, share: &[u64]) -> Result<(f64, f64)> {
    let plan: &LinearPlan = weights.plan();
    let sets = [plan.budget.set];
    let (mut cc, mut sc) = memory_pair(Duration::from_secs(600));
    std::thread::scope(|s| {
        let server = s.spawn(move || {
            on_one_thread(move || {
                let server = RlweServer::setup(&mut sc, &sets)?;
                let start = cpu_seconds();
                linear_server(&mut sc, &server, weights, share, &mut Csprng::from_os()?)?;
                Ok(cpu_seconds() - start)
            })
        });
        let client = on_one_thread(move || {
            let mut rng = Csprng::from_os()?;
            let client = RlweClient::setup(&mut cc, &sets, &mut rng)?;
            let start = cpu_seconds();
            linear_client(&mut cc, &client, plan, share, &mut rng)?;
            Ok(cpu_seconds() - start)
        })?;
        Ok((client, server.join().expect("the server thread runs to its end")?))
    })
}

fn on_one_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread").install(work)
}

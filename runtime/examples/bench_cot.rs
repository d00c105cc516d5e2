//! Correlated OTs per second and bytes per COT, one thread per party, both parties in this process.
//!
//! `cargo run --release -p picc-runtime --example bench_cot [COTs] [threads per party]`

use picc_ir::{cost::CotDemand, mpc::cot};
use picc_runtime::session::{Session, SetupParams};
use picc_runtime::testing::{run_both, test_pair_with};
use std::time::{Duration, Instant};

fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().unwrap_or(0));
    let n = args.next().unwrap_or(1 << 22);
    let threads = args.next().unwrap_or(1) as usize;
    println!("one direction, {n} COTs, {threads} thread(s) a party, memory channel");
    for k in cot::FIELD_BITS {
        let start = Instant::now();
        let (mut client, mut server) = test_pair_with(0, SetupParams { softspoken_k: k });
        let setup = start.elapsed();
        let demand = CotDemand { client_sends: n, server_sends: 0 };
        let run = |s: &mut Session| -> Duration {
            let mut best = Duration::MAX;
            for _ in 0..4 {
                let start = Instant::now();
                if let Err(e) = in_pool(threads, || s.reserve(demand)) {
                    eprintln!("{e}");
                }
                best = best.min(start.elapsed());
                // Both halves leave the pool, as a protocol would take them.
                drop(s.cot_sender.take(s.cot_sender.available()));
                drop(s.cot_receiver.take(s.cot_receiver.available()));
            }
            best
        };
        let (sender, receiver) = run_both(&mut client, &mut server, run, run);
        let rate = |t: Duration| n as f64 / t.as_secs_f64() / 1e6;
        let bytes = cot::reserve_traffic(demand, k).total() as f64 / n as f64;
        println!(
            "k = {k}: both {:6.1} M COT/s, receiver alone {:6.1} M COT/s, {bytes:5.2} B/COT, 1 round; setup {:5.1} ms, {} B",
            rate(sender.max(receiver)),
            rate(receiver),
            setup.as_secs_f64() * 1e3,
            cot::setup_traffic(k).total(),
        );
    }
}

fn in_pool<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(f),
        Err(_) => f(),
    }
}

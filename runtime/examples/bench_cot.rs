//! Correlated OTs of each width per second, bytes and rounds, both parties in this process; and the rate of the OT hash.
//!
//! `cargo run --release -p picc-runtime --example bench_cot [COTs] [threads per party] [k]`

use picc_ir::{
    Party,
    cost::{CotCounts, CotDemand},
    mpc::cot,
};
use picc_runtime::Result;
use picc_runtime::crypto::hash::Tiles;
use picc_runtime::crypto::{Block, CrHash};
use picc_runtime::session::{Session, SetupParams};
use picc_runtime::testing::{run_both, test_pair_with};
use std::time::Instant;

/// Reservations in a row; the parties run one ahead of the other as the queue allows.
const ROUNDS: u64 = 8;

fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().unwrap_or(0));
    let n = args.next().unwrap_or(1 << 20);
    let threads = args.next().unwrap_or(1) as usize;
    println!("one direction, {n} COTs, {threads} thread(s) a party, memory channel");
    let only = args.next().map(|k| k as u32);
    for k in cot::FIELD_BITS.into_iter().filter(|k| only.is_none_or(|o| o == *k)) {
        let start = Instant::now();
        let (mut client, mut server) = test_pair_with(0, SetupParams { softspoken_k: k });
        let setup = start.elapsed();
        println!(
            "k = {k}: setup {:5.1} ms, {} B, {} rounds",
            setup.as_secs_f64() * 1e3,
            cot::setup_traffic(k).total(),
            cot::setup_traffic(k).rounds,
        );
        for width in 1..=CotCounts::WIDEST {
            let demand = CotDemand { client_sends: CotCounts::of(width, n), ..CotDemand::default() };
            let run =
                |s: &mut Session| in_pool(threads, || (0..ROUNDS).try_for_each(|_| reserve_and_take(s, demand)));
            let start = Instant::now();
            let outcome = run_both(&mut client, &mut server, run, run);
            let seconds = start.elapsed().as_secs_f64();
            if let (Err(e), _) | (_, Err(e)) = outcome {
                eprintln!("k = {k}: {e}");
            }
            println!(
                "  width {width}: {:6.1} M COT/s, {:5.2} B/COT, {} round",
                (ROUNDS * n) as f64 / seconds / 1e6,
                cot::reserve_traffic(demand, k).total() as f64 / n as f64,
                cot::reserve_traffic(demand, k).rounds,
            );
        }
    }
    bench_hash();
}

/// Both halves leave the pool, as a protocol would take them.
fn reserve_and_take(s: &mut Session, demand: CotDemand) -> Result<()> {
    s.reserve(demand)?;
    for (width, n) in s.cot_sender.available().by_width() {
        s.cot_sender.take_wide(width, n as usize)?;
    }
    for (width, n) in s.cot_receiver.available().by_width() {
        s.cot_receiver.take_wide(width, n as usize)?;
    }
    Ok(())
}

fn bench_hash() {
    let mut blocks = vec![Block::ZERO; 1 << 14];
    let hash = CrHash::new(Block(1));
    let start = Instant::now();
    for round in 0..1000 {
        hash.hash_blocks(Tiles::new(Party::Client, 1, round * blocks.len() as u64), &mut blocks);
    }
    let rate = (1000 * blocks.len()) as f64 / start.elapsed().as_secs_f64();
    println!("hash: {:.1} M blocks/s, one thread ({:x})", rate / 1e6, blocks[0].low());
}

fn in_pool<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(f),
        Err(_) => f(),
    }
}

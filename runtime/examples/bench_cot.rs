//! Correlated OTs of each width per second, bytes and rounds, both parties in this process; and the rate of the OT hash.
//!
//! `cargo run --release -p picc-runtime --example bench_cot [COTs] [threads per party] [k]`

use picc_ir::Party;
use picc_ir::correlation::Source;
use picc_ir::cost::{CotCounts, CotDemand};
use picc_runtime::Result;
use picc_runtime::crypto::hash::Tiles;
use picc_runtime::crypto::{Block, CrHash};
use picc_runtime::session::Session;
use picc_runtime::testing::{run_both, test_pair_with};
use std::time::Instant;

/// Reservations in a row; the parties run one ahead of the other as the queue allows.
const ROUNDS: u64 = 8;

fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().unwrap_or(0));
    let n = args.next().unwrap_or(1 << 20);
    let threads = args.next().unwrap_or(1) as usize;
    println!("one direction, {n} COTs, {threads} thread(s) a party, memory channel");
    let only = args.next().map(|k| k as u8);
    for source in Source::all().filter(|s| only.is_none_or(|k| k == s.code())) {
        let start = Instant::now();
        let (mut client, mut server) = test_pair_with(0, source);
        let setup = start.elapsed();
        println!(
            "{source}: setup {:5.1} ms, {} B, {} rounds",
            setup.as_secs_f64() * 1e3,
            source.setup_traffic().total(),
            source.setup_traffic().rounds,
        );
        for width in 1..=CotCounts::WIDEST {
            let demand = CotDemand { client_sends: CotCounts::of(width, n), ..CotDemand::default() };
            let run =
                |s: &mut Session| in_pool(threads, || (0..ROUNDS).try_for_each(|_| reserve_and_take(s, demand)));
            let start = Instant::now();
            let outcome = run_both(&mut client, &mut server, run, run);
            let seconds = start.elapsed().as_secs_f64();
            if let (Err(e), _) | (_, Err(e)) = outcome {
                eprintln!("{source}: {e}");
            }
            println!(
                "  width {width}: {:6.1} M COT/s, {:5.2} B/COT, {} round",
                (ROUNDS * n) as f64 / seconds / 1e6,
                source.reserve_traffic(demand).total() as f64 / n as f64,
                source.reserve_traffic(demand).rounds,
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
    for i in 0..1000 {
        hash.hash_blocks(Tiles::new(Party::Client, 1, i << 14), &mut blocks);
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

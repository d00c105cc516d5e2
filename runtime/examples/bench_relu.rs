//! ReLU, truncation, extension and maxpool: time, CPU and bytes for each result, with and without the OT extension.
//!
//! `cargo run --release -p picc-runtime --example bench_relu [elements] [threads per party] [radix]`

use picc_ir::correlation::Source;
use picc_ir::cost::Cost;
use picc_ir::mpc::{MAX_RADIX, cost};
use picc_runtime::protocol::{self, Range};
use picc_runtime::session::Session;
use picc_runtime::testing::{run_both, test_pair};
use std::time::Instant;

const REPEAT: u32 = 4;

fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().unwrap_or(0));
    let n = args.next().filter(|n| *n > 0).unwrap_or(1 << 17);
    let threads = args.next().filter(|t| *t > 0).unwrap_or(1) as usize;
    let radix = args.next().unwrap_or(MAX_RADIX.into()) as u8;
    println!("{n} elements, {threads} thread(s) a party, both here, memory channel, radix {radix}");
    println!("CPU is that of both parties; bytes are both directions; OT is the extension of the COTs consumed");
    let mut bench = Bench { pair: test_pair(1), threads };

    for ring in [25, 32, 37, 64] {
        let x = words(n, ring);
        bench.row(&format!("relu {ring}"), n, cost::relu(n, ring, radix), |s| {
            protocol::relu(s, &x, ring, radix).is_ok()
        });
    }
    let x = words(n, 37);
    bench.row("trunc faithful 37 by 12", n, cost::trunc_faithful(n, 37, 12, radix), |s| {
        protocol::trunc_faithful(s, &x, 37, 12, radix).is_ok()
    });
    bench.row("trunc local 37 by 12", n, cost::trunc_local(), |s| {
        protocol::trunc_local(s.party(), &x, 37, 12).len() == n as usize
    });
    let x = words(n, 25);
    bench.row("extend 25 to 37", n, cost::extend(n, 25, 37), |s| {
        protocol::extend(s, &x, 25, 37, Range::Quarter).is_ok()
    });
    let x = words(n, 26);
    bench.row("relu 26, extend to 37", n, cost::relu_rescale(n, 26, 0, 37, radix), |s| {
        protocol::relu_rescale(s, &x, 26, 0, 37, radix).is_ok()
    });
    let x = words(n, 37);
    bench.row("trunc 37 by 12, relu", n, cost::relu_rescale(n, 37, 12, 25, radix), |s| {
        protocol::relu_rescale(s, &x, 37, 12, 25, radix).is_ok()
    });
    for (kernel, stride) in [(2, 2), (3, 2)] {
        let axis = cost::AxisWindows { len: 56, kernel, stride, dilation: 1, pad_before: 0, pad_after: 0 };
        let planes = n / 56 / 56 + 1;
        let outputs = planes * (axis.count() * axis.count()) as u64;
        for ring in [25, 37] {
            let x = words(planes * 56 * 56, ring);
            let Some(price) = cost::max_pool(planes, &axis, &axis, ring, radix) else { continue };
            bench.row(&format!("maxpool {kernel}x{kernel} s{stride} {ring}"), outputs, price, |s| {
                protocol::max_pool(s, &x, planes as usize, &axis, &axis, ring, radix).is_ok()
            });
        }
    }
    let x = words(1000, 37);
    bench.row("argmax of 1000, 37", 1, cost::argmax(1, 1000, 37, 10, radix), |s| {
        protocol::argmax(s, &x, 1000, 37, 10, false, radix).is_ok()
    });
}

struct Bench {
    pair: (Session, Session),
    threads: usize,
}

impl Bench {
    fn row(&mut self, name: &str, results: u64, price: Cost, run: impl Fn(&mut Session) -> bool + Sync) {
        let threads = self.threads;
        let both = |pair: &mut (Session, Session), f: &(dyn Fn(&mut Session) -> bool + Sync)| {
            let (a, b) =
                run_both(&mut pair.0, &mut pair.1, |s| in_pool(threads, || f(s)), |s| in_pool(threads, || f(s)));
            assert!(a && b, "{name} failed");
        };
        let (mut ot, mut protocol) = (Spent::default(), Spent::default());
        for _ in 0..REPEAT {
            ot.measure(|| both(&mut self.pair, &|s| s.reserve(price.cots).is_ok()));
            protocol.measure(|| both(&mut self.pair, &run));
        }
        let per = |seconds: f64| seconds * 1e6 / f64::from(REPEAT) / results as f64;
        let cots = (price.cots.client_sends + price.cots.server_sends).total();
        let extension = Source::default().reserve_traffic(price.cots);
        println!(
            "{name:<24} {:8.2} us {:8.2} us CPU {:8.1} B {:2} rounds | {:6.1} COTs: {:6.2} us {:6.2} us CPU {:7.1} B",
            per(protocol.wall),
            per(protocol.cpu),
            price.online.total() as f64 / results as f64,
            price.online.rounds,
            cots as f64 / results as f64,
            per(ot.wall),
            per(ot.cpu),
            extension.total() as f64 / results as f64,
        );
    }
}

#[derive(Default)]
struct Spent {
    wall: f64,
    cpu: f64,
}

impl Spent {
    fn measure(&mut self, f: impl FnOnce()) {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        f();
        self.wall += start.elapsed().as_secs_f64();
        self.cpu += cpu_seconds() - cpu;
    }
}

/// User and system time of this process so far, in steps of 10 ms; zero where there is no /proc.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Fixed, meaningless shares.
fn words(n: u64, ring: u8) -> Vec<u64> {
    (0..n).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - u32::from(ring))).collect()
}

fn in_pool<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(f),
        Err(_) => f(),
    }
}

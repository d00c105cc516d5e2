//! `bench`: what a program takes, by network, by cause and by node, measured beside predicted.

use super::args::{Bench, Link};
use super::private::{Both, both};
use super::show::Seconds;
use super::{load_program, load_weights};
use picc_ir::Tensor;
use picc_runtime::channel::Network;
use picc_runtime::error::{BadInput, Error, Result};
use picc_runtime::exec::Executable;
use picc_runtime::inputs::{ImageOptions, Sample, read_samples};
use picc_runtime::report::{Record, Times, peak_memory};
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// Silence after which a party counts as gone: a bench never talks to strangers.
const PATIENCE_SECONDS: u64 = 600;

pub fn bench(args: &Bench) -> Result<()> {
    let exe = load_program(&args.model)?;
    let sample = match &args.input {
        Some(path) => {
            let samples = read_samples(path, &exe.program().inputs, &ImageOptions::default())?;
            samples.into_iter().next().ok_or_else(|| BadInput::NoSample { path: path.clone() })?
        }
        None => zeros(&exe),
    };
    let model = load_weights(&exe, &args.weights, args.prepared_memory)?;
    let mut rows: Vec<Vec<Both>> = args.network.iter().map(|_| Vec::new()).collect();
    // In turn, so that what else the machine does falls on all networks alike.
    for _ in 0..args.runs {
        for (network, runs) in args.network.iter().zip(&mut rows) {
            let link = Link { network: *network, threads: args.threads, timeout: PATIENCE_SECONDS };
            runs.push(both(&exe, &model, std::slice::from_ref(&sample), &link, &mut |_| Ok(()))?);
        }
    }
    let report = report(&exe, args, &rows);
    if args.json {
        println!("{}", serde_json::to_string(&report).map_err(|e| Error::Bug(e.to_string()))?);
    } else {
        print!("{}", text(&report, args.top));
    }
    Ok(())
}

fn zeros(exe: &Executable) -> Sample {
    exe.program().inputs.iter().map(|i| (i.name.clone(), Tensor::full(&i.shape, 0.0))).collect()
}

#[derive(Serialize)]
struct Report {
    model: String,
    threads: usize,
    runs: u32,
    bytes_client_to_server: u64,
    bytes_server_to_client: u64,
    rounds: u64,
    as_predicted: bool,
    peak_memory_bytes: Option<u64>,
    networks: Vec<OnNetwork>,
    /// Mean of all runs, by node.
    nodes: Vec<Row>,
}

/// Wall seconds of a session with one inference, and where each party's median session spent its own.
#[derive(Serialize)]
struct OnNetwork {
    network: String,
    seconds_min: f64,
    seconds_median: f64,
    seconds_max: f64,
    /// Of it, the setup.
    setup_seconds: f64,
    client: Seconds,
    server: Seconds,
}

#[derive(Serialize)]
struct Row {
    name: String,
    op: &'static str,
    bytes: u64,
    rounds: u64,
    client: Seconds,
    server: Seconds,
}

fn report(exe: &Executable, args: &Bench, rows: &[Vec<Both>]) -> Report {
    let all: Vec<&Both> = rows.iter().flatten().collect();
    let first = all.first().map(|both| both.client.total().traffic).unwrap_or_default();
    Report {
        model: exe.program().model.clone(),
        threads: args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        runs: args.runs,
        bytes_client_to_server: first.client_to_server,
        bytes_server_to_client: first.server_to_client,
        rounds: first.rounds,
        as_predicted: all.iter().all(|both| both.client.is_as_predicted(exe.cost())),
        peak_memory_bytes: peak_memory(),
        networks: args.network.iter().zip(rows).map(|(network, runs)| on_network(*network, runs)).collect(),
        nodes: nodes(exe, &all),
    }
}

fn on_network(network: Network, runs: &[Both]) -> OnNetwork {
    let mut order: Vec<&Both> = runs.iter().collect();
    order.sort_by_key(|both| both.time);
    let median = order[order.len() / 2];
    OnNetwork {
        network: network.to_string(),
        seconds_min: order[0].time.as_secs_f64(),
        seconds_median: median.time.as_secs_f64(),
        seconds_max: order[order.len() - 1].time.as_secs_f64(),
        setup_seconds: median.client.setup.time.total.as_secs_f64(),
        client: median.client.total().time.into(),
        server: median.server.total().time.into(),
    }
}

fn nodes(exe: &Executable, all: &[&Both]) -> Vec<Row> {
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
    let mean = |pick: &dyn Fn(&Both) -> Times| -> Seconds {
        let sum = all.iter().map(|both| pick(both)).fold(Times::default(), |a, b| a + b);
        let one = |d: Duration| d / count;
        Times { total: one(sum.total), waiting: one(sum.waiting), kernels: one(sum.kernels) }.into()
    };
    let row = |name: &str, op, pick: &dyn Fn(&Record) -> picc_runtime::report::Spent| {
        let traffic = all.first().map(|both| pick(&both.client).traffic).unwrap_or_default();
        Row {
            name: name.to_owned(),
            op,
            bytes: traffic.total(),
            rounds: traffic.rounds,
            client: mean(&|both| pick(&both.client).time),
            server: mean(&|both| pick(&both.server).time),
        }
    };
    let mut rows = vec![
        row("(setup)", "base OTs, keys", &|r| r.setup),
        row("(extension)", "correlated OTs", &|r| r.extension),
    ];
    rows.extend(exe.graph().iter().map(|(id, node)| row(&node.name, node.op.name(), &|r| r.nodes[id.index()])));
    rows
}

fn text(report: &Report, top: usize) -> String {
    let mut out = String::new();
    let mb = |bytes: u64| bytes as f64 / 1e6;
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{}: {:.2} MB up, {:.2} MB down, {} rounds ({}), {} threads a party, {} runs",
        report.model,
        mb(report.bytes_client_to_server),
        mb(report.bytes_server_to_client),
        report.rounds,
        if report.as_predicted { "as predicted" } else { "NOT as predicted" },
        report.threads,
        report.runs,
    );
    let _ = writeln!(
        out,
        "\n{:<24}{:>9}{:>9}{:>9}{:>9}   {:<8}{:>9}{:>9}{:>9}",
        "network", "median s", "min", "max", "setup", "of it", "kernels", "crypto", "waiting"
    );
    for n in &report.networks {
        for (party, s) in [("client", n.client), ("server", n.server)] {
            let head = if party == "client" {
                format!(
                    "{:<24}{:>9.3}{:>9.3}{:>9.3}{:>9.3}",
                    n.network, n.seconds_median, n.seconds_min, n.seconds_max, n.setup_seconds
                )
            } else {
                " ".repeat(60)
            };
            let _ = writeln!(
                out,
                "{head}   {party:<8}{:>9.4}{:>9.3}{:>9.3}",
                s.kernel_seconds, s.cryptography_seconds, s.waiting_seconds
            );
        }
    }
    let busy = |s: Seconds| s.kernel_seconds + s.cryptography_seconds;
    let mut order: Vec<&Row> = report.nodes.iter().collect();
    order.sort_by(|a, b| (busy(b.client) + busy(b.server)).total_cmp(&(busy(a.client) + busy(a.server))));
    let _ = writeln!(
        out,
        "\nBusiest nodes, milliseconds of computation (mean of all runs):\n{:<36}{:<22}{:>10}{:>7}{:>10}{:>10}{:>10}{:>10}",
        "node", "protocol", "kB", "rounds", "client k", "client c", "server k", "server c"
    );
    for row in order.iter().take(top) {
        let ms = |s: f64| s * 1e3;
        let _ = writeln!(
            out,
            "{:<36}{:<22}{:>10.1}{:>7}{:>10.2}{:>10.2}{:>10.2}{:>10.2}",
            shortened(&row.name),
            row.op,
            row.bytes as f64 / 1e3,
            row.rounds,
            ms(row.client.kernel_seconds),
            ms(row.client.cryptography_seconds),
            ms(row.server.kernel_seconds),
            ms(row.server.cryptography_seconds),
        );
    }
    out
}

/// The end of a long name tells more than its beginning.
fn shortened(name: &str) -> String {
    const WIDTH: usize = 34;
    let count = name.chars().count();
    if count <= WIDTH {
        name.to_owned()
    } else {
        format!("..{}", name.chars().skip(count - WIDTH + 2).collect::<String>())
    }
}

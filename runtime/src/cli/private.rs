//! `local` and `infer`: a client, with or without its server beside it.

use super::args::{Infer, Link, Local};
use super::show::{Agreement, Shown, show};
use super::{load_program, load_weights, pool};
use crate::channel::{Channel, memory_pair_over, tcp};
use crate::crypto::Rng;
use crate::error::{Error, Result};
use crate::exec::{ClientSession, Executable, Inference, ServerModel, quantize, serve_session};
use crate::inputs::{Sample, read_samples};
use crate::report::{Progress, Record};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use picc_ir::eval::run_ring;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Both parties in this process: two threads that share nothing but the channel.
pub fn local(args: &Local) -> Result<()> {
    let exe = load_program(&args.model)?;
    let samples = read_samples(&args.input.input, &exe.program().inputs, &args.input.image_options())?;
    let model = load_weights(&exe, &args.weights, args.prepared_memory)?;
    let Both { inferences, client: record, server, time } = both(&exe, &model, &samples, &args.link)?;
    let agreement = args.check_reference.then(|| compare(&exe, &model, &samples, &inferences)).transpose()?;
    show(
        &args.output,
        &Shown {
            exe: &exe,
            inferences: &inferences,
            record: &record,
            server: Some(&server),
            time,
            agreement,
            link: &args.link,
        },
    )
}

/// A session of two parties in this process.
pub struct Both {
    pub inferences: Vec<Inference>,
    pub client: Record,
    pub server: Record,
    /// From the handshake to the end.
    pub time: Duration,
}

/// Runs both parties, one inference a sample, connected by memory.
pub fn both(exe: &Executable, model: &ServerModel, samples: &[Sample], link: &Link) -> Result<Both> {
    let (client, server) = memory_pair_over(&link.network, link.patience());
    let start = Instant::now();
    let (client, server) = std::thread::scope(|scope| {
        let server = scope
            .spawn(|| pool(link.threads)?.install(|| serve_session(exe, model, server, Rng::from_os()?, None)));
        let client = run_client(exe, samples, client, link);
        let panicked = || Err(Error::Bug("the server's thread panicked".into()));
        (client, server.join().unwrap_or_else(|_| panicked()))
    });
    let time = start.elapsed();
    let ((inferences, client), server) = first_cause(client, server)?;
    Ok(Both { inferences, client, server, time })
}

/// The client of a server elsewhere.
pub fn infer(args: &Infer) -> Result<()> {
    let exe = load_program(&args.model)?;
    let samples = read_samples(&args.input.input, &exe.program().inputs, &args.input.image_options())?;
    let (start, patience) = (Instant::now(), args.link.patience());
    let channel =
        tcp::connect(args.server.as_str(), &args.link.network, patience.min(tcp::CONNECT_PATIENCE), patience)
            .map_err(|e| Error::Io(std::io::Error::new(e.kind(), format!("{}: {e}", args.server))))?;
    let (inferences, record) = run_client(&exe, &samples, channel, &args.link)?;
    let time = start.elapsed();
    let agreement = None;
    show(
        &args.output,
        &Shown {
            exe: &exe,
            inferences: &inferences,
            record: &record,
            server: None,
            time,
            agreement,
            link: &args.link,
        },
    )
}

fn run_client(
    exe: &Executable,
    samples: &[Sample],
    channel: Channel,
    link: &Link,
) -> Result<(Vec<Inference>, Record)> {
    let bar = progress_bar(exe.steps().len() as u64 * samples.len() as u64);
    let start = Instant::now();
    let seen = bar.clone();
    let progress: Progress = Arc::new(move |steps| {
        if start.elapsed() >= Duration::from_secs(1) {
            if seen.is_hidden() && std::io::stderr().is_terminal() {
                seen.set_draw_target(ProgressDrawTarget::stderr());
            }
            seen.set_position(steps);
        }
    });
    let result = pool(link.threads)?.install(|| {
        let mut session = ClientSession::open(exe, channel, Rng::from_os()?, Some(progress))?;
        let inferences = samples.iter().map(|s| session.infer(s)).collect::<Result<_>>()?;
        Ok((inferences, session.close()?))
    });
    bar.finish_and_clear();
    result
}

/// Hidden until a run has taken a second.
fn progress_bar(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} steps, {elapsed}, {eta} left");
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// When both parties fail, the one that only lost its peer is not the cause.
fn first_cause<T>(client: Result<T>, server: Result<Record>) -> Result<(T, Record)> {
    match (client, server) {
        (Ok(value), Ok(record)) => Ok((value, record)),
        (Err(client), Err(server)) => Err(if is_io(&client) && !is_io(&server) { server } else { client }),
        (Err(e), Ok(_)) | (Ok(_), Err(e)) => Err(e),
    }
}

fn is_io(error: &Error) -> bool {
    match error {
        Error::AtNode { source, .. } => is_io(source),
        Error::Io(_) => true,
        Error::Peer(_) | Error::Handshake(_) | Error::Refused(_) => false,
        Error::Program(_) | Error::Input(_) | Error::Bug(_) => false,
    }
}

/// Largest difference of a revealed integer from the reference, over all samples.
fn compare(
    exe: &Executable,
    model: &ServerModel,
    samples: &[Sample],
    inferences: &[Inference],
) -> Result<Agreement> {
    let mut worst = 0;
    for (sample, inference) in samples.iter().zip(inferences) {
        let mut revealed = BTreeMap::new();
        run_ring(exe.graph(), &quantize(exe, sample)?, model.weights(), &mut |id, value| {
            if inference.revealed.contains_key(&id) {
                revealed.insert(id, value.clone());
            }
        })
        .map_err(|e| Error::Program(e.to_string()))?;
        for (id, got) in &inference.revealed {
            let want = revealed.get(id).and_then(picc_ir::eval::Value::as_ring);
            let want = want.ok_or_else(|| Error::Bug("the reference reveals something else".into()))?;
            worst = want.data.iter().zip(&got.data).map(|(a, b)| a.abs_diff(*b)).fold(worst, u64::max);
        }
    }
    Ok(Agreement { max_ulps: worst, bound: exe.program().error_ulps.iter().copied().max().unwrap_or(0) })
}

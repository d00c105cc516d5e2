//! `local` and `infer`: a client, with or without its server beside it.

use super::args::{Infer, Link, Local};
use super::claims::Claims;
use super::results::Results;
use super::show::{Agreement, Shown, show};
use super::{fitting, load_program, load_weights, pool};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use picc_ir::Party;
use picc_ir::eval::run_ring;
use picc_runtime::channel::{Channel, memory_pair_over, tcp};
use picc_runtime::crypto::Rng;
use picc_runtime::error::{BadProgram, Broken, Error, Fault, Result};
use picc_runtime::exec::{ClientSession, Executable, Inference, ServerModel, quantize, serve_session};
use picc_runtime::inputs::Sample;
use picc_runtime::report::{Progress, Record};
use picc_runtime::tls::{self, ClientTls};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Both parties in this process: two threads that share nothing but the channel.
pub fn local(args: &Local) -> Result<()> {
    let exe = load_program(&args.model)?;
    let mut results = Results::open(&args.output, &exe, &[&args.model, &args.weights, &args.input.input])?;
    let samples = fitting(&exe, &args.input)?;
    results.expect(samples.len());
    let model = load_weights(&exe, &args.weights, args.prepared_memory)?;
    let run = both(&exe, &model, &samples, &args.link, &mut |inference| results.push(inference));
    let Both { client: record, server, time } = results.keep(run)?;
    results.write()?;
    let checked = args.check_reference.then(|| compare(&exe, &model, &samples, results.done())).transpose()?;
    let shown = Shown {
        exe: &exe,
        record: &record,
        server: Some(&server),
        time,
        agreement: checked.as_ref().map(|(agreement, _)| *agreement),
        sessions: 1,
        link: &args.link,
    };
    show(&args.output, &shown, results.best())?;
    checked.map_or(Ok(()), |(agreement, claims)| kept(agreement, &claims))
}

/// The promise about private answers, and about ranges, on which it rests.
fn kept(agreement: Agreement, claims: &Claims) -> Result<()> {
    claims.warn();
    if agreement.max_ulps <= agreement.bound {
        return Ok(());
    }
    let (found, promised) = (agreement.max_ulps, agreement.bound);
    Err(Broken::Answers { found, promised, outside: claims.outside() > 0 }.into())
}

/// A session of two parties in this process.
pub struct Both {
    pub client: Record,
    pub server: Record,
    /// From the handshake to the end.
    pub time: Duration,
}

/// Takes each answer when it is there.
pub type Take<'a> = &'a mut (dyn FnMut(Inference) -> Result<()> + Send);

/// Runs both parties, one inference a sample, connected by memory.
pub fn both(exe: &Executable, model: &ServerModel, samples: &[Sample], link: &Link, take: Take) -> Result<Both> {
    let (client, server) = memory_pair_over(&link.network, link.patience());
    let start = Instant::now();
    let (client, server) = std::thread::scope(|scope| {
        let server = scope
            .spawn(|| pool(link.threads)?.install(|| serve_session(exe, model, server, Rng::from_os()?, None)));
        let client = run_client(exe, samples, client, link, take);
        let panicked = || Err(Error::Bug("the server's thread panicked".into()));
        (client, server.join().unwrap_or_else(|_| panicked()))
    });
    let time = start.elapsed();
    let (client, server) = first_cause(client, server)?;
    Ok(Both { client, server, time })
}

/// The client of a server elsewhere.
pub fn infer(args: &Infer) -> Result<()> {
    let exe = load_program(&args.model)?;
    if let Some(key) = args.expected.server_key {
        exe.signed_by(key).map_err(|e| e.in_file(&args.model))?;
    }
    let tls = args.expected.tls(&args.server)?;
    let mut results = Results::open(&args.output, &exe, &[&args.model, &args.input.input])?;
    let samples = fitting(&exe, &args.input)?;
    results.expect(samples.len());
    let start = Instant::now();
    let mut sessions = 1;
    let record = loop {
        let left = &samples[results.done().len()..];
        let session = connect(args, tls.as_ref(), &exe).and_then(|channel| {
            run_client(&exe, left, channel, &args.link, &mut |inference| results.push(inference))
        });
        match session {
            Ok(record) => break record,
            // A new session: new randomness, new keys, new correlations.
            Err(e) if is_connection(&e) && sessions <= args.retry && results.done().len() < samples.len() => {
                let done = results.done().len();
                eprintln!(
                    "pirun: {e}; {done} of {} samples done, new session {sessions} of {}",
                    samples.len(),
                    args.retry
                );
                sessions += 1;
                std::thread::sleep(RETRY_PAUSE);
            }
            Err(e) => return results.keep(Err(e)),
        }
    };
    let time = start.elapsed();
    results.write()?;
    if let (Some(weights), false) = (record.weights, args.output.json) {
        let by = record.peer.as_ref().map_or_else(|| args.server.clone(), ToString::to_string);
        eprintln!("pirun: answered by {by}, with weights {weights}");
    }
    let shown =
        Shown { exe: &exe, record: &record, server: None, time, agreement: None, sessions, link: &args.link };
    show(&args.output, &shown, results.best())
}

/// What a server that starts again is given.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

fn connect(args: &Infer, tls: Option<&ClientTls>, exe: &Executable) -> Result<Channel> {
    let (network, patience) = (&args.link.network, args.link.patience());
    let failed = Error::connecting(&args.server);
    let socket = tcp::dial(args.server.as_str(), patience.min(tcp::CONNECT_PATIENCE), patience).map_err(&failed)?;
    let Some(tls) = tls else {
        args.expected.may_connect(socket.peer_addr().map_err(&failed)?)?;
        return tcp::channel_over(Party::Client, socket, network, patience).map_err(&failed);
    };
    let channel = tls::connect(tls, socket, network, patience)?;
    // Of a server that a CA certified, the key is known only now.
    if let (None, Some(peer)) = (args.expected.server_key, &channel.security().peer) {
        exe.signed_by(peer.key).map_err(|e| e.in_file(&args.model))?;
    }
    Ok(channel)
}

fn run_client(exe: &Executable, samples: &[Sample], channel: Channel, link: &Link, take: Take) -> Result<Record> {
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
        for sample in samples {
            let inference = session.infer(sample)?;
            bar.suspend(|| take(inference))?;
        }
        session.close()
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
        (Err(client), Err(server)) => {
            Err(if is_connection(&client) && !is_connection(&server) { server } else { client })
        }
        (Err(e), Ok(_)) | (Ok(_), Err(e)) => Err(e),
    }
}

fn is_connection(error: &Error) -> bool {
    error.fault() == Fault::Connection
}

/// Largest difference of a revealed integer from the reference, over all samples; and where the reference leaves
/// ranges.
fn compare<'a>(
    exe: &'a Executable,
    model: &ServerModel,
    samples: &[Sample],
    inferences: &[Inference],
) -> Result<(Agreement, Claims<'a>)> {
    let mut worst = 0;
    let mut claims = Claims::new(exe);
    for (sample, inference) in samples.iter().zip(inferences) {
        let mut revealed = BTreeMap::new();
        claims.next();
        run_ring(exe.graph(), &quantize(exe, sample)?, model.weights(), &mut |id, value| {
            claims.observe(id, value);
            if inference.revealed.contains_key(&id) {
                revealed.insert(id, value.clone());
            }
        })
        .map_err(BadProgram::Eval)?;
        for (id, got) in &inference.revealed {
            let want = revealed.get(id).and_then(picc_ir::eval::Value::as_ring);
            let want = want.ok_or_else(|| Error::Bug("the reference reveals something else".into()))?;
            worst = want.data.iter().zip(&got.data).map(|(a, b)| a.abs_diff(*b)).fold(worst, u64::max);
        }
    }
    let bound = exe.program().error_ulps.iter().copied().max().unwrap_or(0);
    Ok((Agreement { max_ulps: worst, bound }, claims))
}

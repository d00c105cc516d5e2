//! Timed protocols: what a hash and a transform take with all that goes with them.

use super::Measured;
use crate::channel::{Channel, memory_pair};
use crate::crypto::Rng;
use crate::crypto::rlwe::Csprng;
use crate::error::{Error, Local, Result};
use crate::phases::Agreed;
use crate::protocol::linear_rlwe::{PreparedLinear, RlweClient, RlweServer, linear_client, linear_server};
use crate::protocol::relu;
use crate::session::SessionId;
use picc_ir::correlation::Source;
use picc_ir::geom::ConvGeom;
use picc_ir::mpc::cost;
use picc_ir::mpc::rlwe::{Hiding, Layer, LinearPlan};
use std::time::{Duration, Instant};

const RING_BITS: u8 = 32;
const ELEMENTS: u64 = 1 << 15;
const RADIX: u8 = 4;
const PATIENCE: Duration = Duration::from_secs(120);

/// Processor time of this thread where the system tells it (Linux), which leaves out waiting for the other party;
/// else the time of day.
fn clock(start: Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|ns| ns.parse().ok());
    nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Runs both parties, each on one thread of its own, and returns the picoseconds of each repetition at the busier one.
/// A party times as many repetitions as it is told, so that both do the same.
fn busier(
    client: impl FnOnce(Channel) -> Result<Vec<u64>> + Send,
    server: impl FnOnce(Channel) -> Result<Vec<u64>> + Send,
) -> Result<Vec<u64>> {
    let (c, s) = memory_pair(PATIENCE);
    let pool = || {
        let built = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        built.map_err(Local::threads)
    };
    let (client_pool, server_pool) = (pool()?, pool()?);
    let (client, server) = std::thread::scope(|scope| {
        let server = scope.spawn(|| server_pool.install(|| server(s)));
        let client = client_pool.install(|| client(c));
        let panicked = || Err(Error::Bug("a measuring thread panicked".into()));
        (client, server.join().unwrap_or_else(|_| panicked()))
    });
    Ok(client?.into_iter().zip(server?).map(|(c, s)| c.max(s)).collect())
}

/// Picoseconds of `n` repetitions of `batch`.
fn timed(n: usize, mut batch: impl FnMut() -> Result<()>) -> Result<Vec<u64>> {
    let start = Instant::now();
    (0..n)
        .map(|_| {
            let before = clock(start);
            batch()?;
            Ok(clock(start).saturating_sub(before).as_nanos() as u64 * 1000)
        })
        .collect()
}

/// Repetitions that fill about `time`; the first one tells how long one takes.
fn repetitions(time: Duration, one: Duration) -> usize {
    (time.as_secs_f64() / one.as_secs_f64().max(1e-4)).clamp(3.0, 200.0) as usize
}

pub fn hash(time: Duration) -> Result<Measured> {
    let price = cost::relu(ELEMENTS, RING_BITS, RADIX);
    let cots = price.cots.client_sends + price.cots.server_sends;
    // As the compiler counts them.
    let hashes = cots.keys() + price.online.total() / 16;
    let party = |channel: Channel, n: usize| {
        let mut rng = Rng::from_os()?;
        let mut x = vec![0; ELEMENTS as usize];
        rng.fill_u64(&mut x);
        x.iter_mut().for_each(|v| *v &= (1 << RING_BITS) - 1);
        let agreed = Agreed::without_hellos(channel, SessionId::of(&[], &[]), rng);
        let mut session = agreed.set_up(Source::default(), &[])?.online();
        let mut samples = Vec::new();
        for _ in 0..n {
            session.reserve(price.cots)?;
            samples.extend(timed(1, || relu(&mut session, &x, RING_BITS, RADIX).map(|_| ()))?);
        }
        Ok(samples)
    };
    let run = |n: usize| busier(|c| party(c, n), |s| party(s, n));
    let first = Duration::from_nanos(run(1)?[0] / 1000);
    let samples = run(repetitions(time, first))?;
    Ok(Measured::new("hash", samples.into_iter().map(|ps| ps / hashes).collect()))
}

/// `product_ps` of each product in the layer is taken off.
pub fn ntt(time: Duration, product_ps: u64) -> Result<Measured> {
    let geom = ConvGeom {
        n: 1,
        c_in: 64,
        h: 28,
        w: 28,
        c_out: 64,
        kh: 3,
        kw: 3,
        stride: [1; 2],
        pads: [1; 4],
        dilation: [1; 2],
        groups: 1,
    };
    let wrong = |e: &dyn std::fmt::Display| Error::Bug(format!("the measured layer: {e}"));
    let layer = Layer::conv(&geom).map_err(|e| wrong(&e))?;
    let plan = LinearPlan::search(&layer, RING_BITS.into(), 12, Hiding::FullRange).map_err(|e| wrong(&e))?;
    let set = plan.budget.set;
    let units = (set.degree as u64).div_ceil(4096) * set.primes.len() as u64;
    let polynomials = plan.request_polynomials().count() as u64 + 2 * plan.response_polynomials().count() as u64;
    let (transforms, products) = (polynomials * units, plan.products() * units);

    let mut rng = Csprng::from_os()?;
    let [inputs, weights, _] = layer.lens();
    let weights: Vec<i64> = (0..weights).map(|_| rng.next_u64().cast_signed() >> 52).collect();
    let share: Vec<u64> = (0..inputs).map(|_| rng.next_u64() >> 32).collect();
    let prepared = PreparedLinear::new(plan.clone(), &weights, u64::MAX)?;
    let run = |n: usize| {
        busier(
            |mut channel| {
                let mut rng = Csprng::from_os()?;
                let client = RlweClient::setup(&mut channel, &[set], &mut rng)?;
                timed(n, || linear_client(&mut channel, &client, &plan, &share, &mut rng).map(|_| ()))
            },
            |mut channel| {
                let mut rng = Csprng::from_os()?;
                let server = RlweServer::setup(&mut channel, &[set])?;
                timed(n, || linear_server(&mut channel, &server, &prepared, &share, &mut rng).map(|_| ()))
            },
        )
    };
    let first = Duration::from_nanos(run(1)?[0] / 1000);
    let samples = run(repetitions(time, first))?;
    let rest = |ps: u64| ps.saturating_sub(products * product_ps) / transforms;
    Ok(Measured::new("transform", samples.into_iter().map(rest).collect()))
}

//! Layers under ring LWE: keys of a session, weights prepared at load, and the call of the protocol.

use super::executable::Executable;
use crate::channel::Channel;
use crate::crypto::rlwe::Csprng;
use crate::error::{BadProgram, Error, Result};
use crate::protocol::linear_rlwe::{PreparedLinear, RlweClient, RlweServer, linear_client, linear_server};
use picc_ir::weights::RingWeights;
use picc_ir::{Id, Node, Op, Party, Tensor};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Weights of the program's layers, transformed as far as the budget reaches.
pub(super) type Prepared = BTreeMap<Id, PreparedLinear>;

/// Transforms weights until `max_bytes` are used; the layers after that are transformed in each inference.
pub(super) fn prepare(exe: &Executable, weights: &RingWeights, max_bytes: u64) -> Result<Prepared> {
    let mut prepared = Prepared::new();
    let mut left = max_bytes;
    for (id, node) in exe.graph().iter() {
        let w = match &node.op {
            Op::ConvRlwe(_) => node.args[1],
            Op::MatMulRlwe(op) => node.args[usize::from(!op.weights_left)],
            _ => continue,
        };
        let Op::Weight(source) = &exe.graph().node(w).op else { continue };
        let tensor =
            weights.get(&source.name).ok_or_else(|| BadProgram::NoWeights { name: source.name.clone() })?;
        let layer = PreparedLinear::new(exe.plan(id)?.clone(), &tensor.data, left)?;
        left = left.saturating_sub(layer.memory_bytes());
        prepared.insert(id, layer);
    }
    Ok(prepared)
}

/// What a session keeps for its layers under ring LWE.
pub(super) struct Rlwe {
    keys: Keys,
    rng: Csprng,
}

enum Keys {
    Client(RlweClient),
    Server(RlweServer),
}

impl Rlwe {
    /// The client's public keys go to the server, one flight.
    pub(super) fn setup(exe: &Executable, channel: &mut Channel) -> Result<Rlwe> {
        let mut rng = Csprng::from_os()?;
        let sets = exe.rlwe_sets();
        let keys = match channel.party() {
            Party::Client => Keys::Client(RlweClient::setup(channel, &sets, &mut rng)?),
            Party::Server => Keys::Server(RlweServer::setup(channel, &sets)?),
        };
        Ok(Rlwe { keys, rng })
    }

    /// This party's share of the layer, and the time spent on it outside the protocol. `weights` are the server's if
    /// they are not prepared.
    pub(super) fn run(
        &mut self,
        exe: &Executable,
        channel: &mut Channel,
        prepared: Option<&Prepared>,
        (id, node): (Id, &Node),
        x: &[u64],
        weights: Option<&Tensor<i64>>,
    ) -> Result<(Vec<u64>, Duration)> {
        let start = Instant::now();
        let plan = exe.plan(id)?;
        let left = match &node.op {
            Op::MatMulRlwe(op) if op.weights_left => Some(op.geom),
            _ => None,
        };
        let moved = left.map(|g| transpose(x, g.batch, g.inner, g.cols));
        let x = moved.as_deref().unwrap_or(x);
        let before = start.elapsed();
        let y = match &self.keys {
            Keys::Client(keys) => linear_client(channel, keys, plan, x, &mut self.rng)?,
            Keys::Server(keys) => match prepared.and_then(|p| p.get(&id)) {
                Some(layer) => linear_server(channel, keys, layer, x, &mut self.rng)?,
                None => {
                    let weights = weights.ok_or_else(|| Error::Bug("a layer without weights".into()))?;
                    let layer = PreparedLinear::new(plan.clone(), &weights.data, 0)?;
                    linear_server(channel, keys, &layer, x, &mut self.rng)?
                }
            },
        };
        let start = Instant::now();
        let y = match left {
            Some(g) => transpose(&y, g.batch, g.cols, g.rows),
            None => y,
        };
        Ok((y, before + start.elapsed()))
    }
}

/// `[batch, rows, cols]` to `[batch, cols, rows]`.
fn transpose(values: &[u64], batch: usize, rows: usize, cols: usize) -> Vec<u64> {
    let mut out = Vec::with_capacity(values.len());
    for b in 0..batch {
        let matrix = &values[b * rows * cols..][..rows * cols];
        out.extend((0..cols).flat_map(|c| (0..rows).map(move |r| matrix[r * cols + c])));
    }
    out
}

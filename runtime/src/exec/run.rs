//! One inference at one party: the schedule's steps in order, each value dropped after its last use.

use super::executable::Executable;
use super::kernels::Memory;
use super::linear::{Layer, Prepared};
use super::protocols::{Operands, run_part};
use super::value::{Value, evaluate, from_ring};
use crate::error::{BadInput, BadProgram, Error, Result};
use crate::protocol;
use crate::report::{Record, Stopwatch, Times};
use crate::session::Session;
use picc_ir::cost::Traffic;
use picc_ir::eval::Value as Known;
use picc_ir::mpc::schedule::Step;
use picc_ir::segment::is_protocol;
use picc_ir::weights::RingWeights;
use picc_ir::{Id, Node, Op, Owner, Party, Tensor, Ty};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What this party brings: the client's quantized inputs, or the server's weights.
pub(super) enum Secrets<'a> {
    Inputs(&'a BTreeMap<String, Tensor<i64>>),
    Weights(&'a RingWeights, &'a Prepared),
}

/// A node whose parts are being run.
struct Ongoing<'a> {
    operands: Operands<'a>,
    out: Vec<u64>,
}

pub(super) struct Run<'a> {
    exe: &'a Executable,
    secrets: Secrets<'a>,
    values: Vec<Option<Value>>,
    /// Nodes that have been computed; their values may be gone.
    done: Vec<bool>,
    /// For each node how many still read it.
    readers: Vec<u32>,
    memory: Memory,
    ongoing: Option<Ongoing<'a>>,
    /// What was revealed to this party.
    revealed: BTreeMap<Id, Tensor<i64>>,
    /// Time of the current step spent outside protocols.
    local: Duration,
}

impl<'a> Run<'a> {
    pub(super) fn new(exe: &'a Executable, secrets: Secrets<'a>) -> Run<'a> {
        let nodes = exe.graph().nodes.len();
        Run {
            exe,
            secrets,
            values: (0..nodes).map(|_| None).collect(),
            done: vec![false; nodes],
            readers: exe.uses().to_vec(),
            memory: Memory::default(),
            ongoing: None,
            revealed: BTreeMap::new(),
            local: Duration::ZERO,
        }
    }

    /// Runs every step, and after each protocol the kernels that wait for it. `record` learns what each one took.
    pub(super) fn run(&mut self, session: &mut Session, record: &mut Record) -> Result<()> {
        let (exe, party) = (self.exe, session.party());
        self.kernels_after(None, party, record)?;
        for step in exe.steps() {
            if exe.placed().of[step.node.index()].is_some() {
                record.node(step.node, Traffic::default(), Times::default());
                continue;
            }
            let at = |e: Error| e.at_node(&exe.describe(step.node), party);
            self.step(session, step, record).map_err(at)?;
            if self.done[step.node.index()] {
                self.kernels_after(Some(step.node), party, record)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, session: &mut Session, step: &Step, record: &mut Record) -> Result<()> {
        if let Some(demand) = step.reserve {
            let watch = Stopwatch::start(&session.channel);
            session.channel.start_node();
            session.reserve(demand)?;
            record.extension(session.channel.meter().node(), watch.read(&session.channel, Duration::ZERO));
        }
        let watch = Stopwatch::start(&session.channel);
        self.local = Duration::ZERO;
        session.channel.start_node();
        let (exe, party) = (self.exe, session.party());
        if is_protocol(exe.graph(), step.node) {
            let node = exe.graph().node(step.node);
            let start = Instant::now();
            node.args.iter().try_for_each(|&arg| self.ensure(arg, party))?;
            self.local += start.elapsed();
            if let Some(value) = self.protocol(session, node, step)? {
                self.keep(step.node, value);
                self.release(node.args.iter().copied());
            }
        } else {
            let start = Instant::now();
            self.ensure(step.node, party)?;
            self.local += start.elapsed();
        }
        record.node(step.node, session.channel.meter().node(), watch.read(&session.channel, self.local));
        Ok(())
    }

    /// Runs the segments that wait for nothing but this protocol.
    fn kernels_after(&mut self, protocol: Option<Id>, party: Party, record: &mut Record) -> Result<()> {
        let exe = self.exe;
        for number in exe.placed().following(protocol) {
            let start = Instant::now();
            let nodes = &exe.program().segments[number].nodes;
            let last = *nodes.last().ok_or_else(|| Error::Bug("an empty segment".into()))?;
            self.segment(number, nodes, party).map_err(|e| e.at_node(&exe.describe(last), party))?;
            let total = start.elapsed();
            record.kernel(last, Times { total, waiting: Duration::ZERO, kernels: total });
        }
        Ok(())
    }

    fn segment(&mut self, number: usize, nodes: &[Id], party: Party) -> Result<()> {
        let (exe, graph) = (self.exe, self.exe.graph());
        let kernels = exe.kernels(party)?;
        for id in kernels.inputs(number) {
            if graph.ty(id).owner != Owner::Shared {
                self.ensure(id, party)?;
            }
        }
        kernels.run(number, graph, &mut self.values, &mut self.memory)?;
        for &id in nodes {
            self.done[id.index()] = true;
            if self.readers[id.index()] == 0 {
                self.values[id.index()] = None;
            }
        }
        let outside = nodes.iter().flat_map(|id| &graph.node(*id).args).copied();
        self.release(outside.filter(|a| exe.placed().of[a.index()] != Some(number)));
        Ok(())
    }

    /// Computes a node that one party knows, and what it needs of such nodes, if that is still to be done.
    fn ensure(&mut self, id: Id, party: Party) -> Result<()> {
        let graph = self.exe.graph();
        let mut wanted = BTreeSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if !self.done[id.index()] && wanted.insert(id) {
                open.extend(&graph.node(id).args);
            }
        }
        for id in wanted {
            let node = graph.node(id);
            let value = match &node.op {
                Op::Input(op) => self.secrets.tensor(Party::Client, &op.name)?,
                Op::Weight(_) if self.exe.is_only_prepared(id) => Value::Absent,
                Op::Weight(op) => self.secrets.tensor(Party::Server, &op.name)?,
                _ => {
                    let tys: SmallVec<[&Ty; 4]> = node.args.iter().map(|&a| graph.ty(a)).collect();
                    evaluate(node, &args(&self.values, node)?, &tys, party)?
                }
            };
            self.keep(id, value);
            self.release(node.args.iter().copied());
        }
        Ok(())
    }

    fn keep(&mut self, id: Id, value: Value) {
        self.done[id.index()] = true;
        if self.readers[id.index()] > 0 {
            self.values[id.index()] = Some(value);
        }
    }

    /// One reader less for each of these, however often it names them; the last one drops the value.
    fn release(&mut self, read: impl Iterator<Item = Id>) {
        let distinct: BTreeSet<Id> = read.collect();
        for id in distinct {
            let readers = &mut self.readers[id.index()];
            *readers = readers.saturating_sub(1);
            if *readers == 0
                && let Some(Value::Share(share)) = self.values[id.index()].take()
                && let Ok(buffer) = Arc::try_unwrap(share)
            {
                self.memory.spare.give(buffer);
            }
        }
    }

    /// The node's value, once its last part is done.
    fn protocol(&mut self, session: &mut Session, node: &Node, step: &Step) -> Result<Option<Value>> {
        let exe = self.exe;
        let tys: SmallVec<[&Ty; 4]> = node.args.iter().map(|&a| exe.graph().ty(a)).collect();
        let args = args(&self.values, node)?;
        match &node.op {
            Op::Reveal(op) => {
                let value = reveal(session, args[0], tys[0], op.to)?;
                if let Value::Own(Known::Ring(t)) = &value {
                    self.revealed.insert(step.node, t.clone());
                }
                Ok(Some(value))
            }
            _ => {
                let mut ongoing = match self.ongoing.take() {
                    Some(ongoing) => ongoing,
                    None => {
                        let prepared = match &self.secrets {
                            Secrets::Inputs(_) => None,
                            Secrets::Weights(_, prepared) => Some(*prepared),
                        };
                        let known = args.iter().find_map(|v| v.known().ok());
                        let layer = Layer::of(exe, (step.node, node), prepared, known)?;
                        let operands = timed(&mut self.local, || Operands::new(node, &args, &tys, layer))?;
                        Ongoing { operands, out: Vec::new() }
                    }
                };
                let part = run_part(session, node, &ongoing.operands, &tys, step.part)?;
                if ongoing.out.is_empty() {
                    ongoing.out = part;
                } else {
                    ongoing.out.extend(part);
                }
                if step.last {
                    let Ongoing { operands, out } = ongoing;
                    let out = timed(&mut self.local, || operands.finish(out));
                    return share(node, out).map(Some);
                }
                self.ongoing = Some(ongoing);
                Ok(None)
            }
        }
    }

    /// Everything that was revealed to this party.
    pub(super) fn into_revealed(self) -> BTreeMap<Id, Tensor<i64>> {
        self.revealed
    }

    /// The declared outputs; the client's.
    pub(super) fn outputs(&self) -> Result<Vec<(String, Known)>> {
        let outputs = &self.exe.graph().outputs;
        outputs
            .iter()
            .map(|(name, id)| match &self.values[id.index()] {
                Some(Value::Own(known)) => Ok((name.clone(), known.clone())),
                Some(Value::Share(_) | Value::Absent) | None => Err(Error::Bug(format!("no output `{name}`"))),
            })
            .collect()
    }
}

impl Secrets<'_> {
    fn tensor(&self, owner: Party, name: &str) -> Result<Value> {
        let tensor = match (self, owner) {
            (Secrets::Inputs(inputs), Party::Client) => inputs.get(name),
            (Secrets::Weights(weights, _), Party::Server) => weights.get(name),
            (Secrets::Inputs(_), Party::Server) | (Secrets::Weights(..), Party::Client) => {
                return Ok(Value::Absent);
            }
        };
        tensor.map(|t| Value::Own(Known::Ring(t.clone()))).ok_or_else(|| missing(owner, name))
    }
}

/// What a party was to bring.
fn missing(owner: Party, name: &str) -> Error {
    match owner {
        Party::Client => BadInput::Missing { input: name.to_owned() }.into(),
        Party::Server => BadProgram::NoWeights { name: name.to_owned() }.into(),
    }
}

fn args<'v>(values: &'v [Option<Value>], node: &Node) -> Result<SmallVec<[&'v Value; 4]>> {
    let value = |a: &Id| values[a.index()].as_ref();
    node.args.iter().map(|a| value(a).ok_or_else(|| Error::Bug("a value died too early".into()))).collect()
}

/// Adds the time of `work` to `local`.
fn timed<T>(local: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *local += start.elapsed();
    result
}

fn ring_bits(ty: &Ty) -> Result<u8> {
    ty.as_fixed().map(|f| f.ring_bits).ok_or_else(|| Error::Bug("a real value in a protocol".into()))
}

/// This party's share of a node's result.
fn share(node: &Node, out: Vec<u64>) -> Result<Value> {
    if out.len() != node.ty.len() {
        return Err(Error::Bug(format!("{} made {} of {} elements", node.op.name(), out.len(), node.ty.len())));
    }
    Ok(Value::Share(Arc::new(out)))
}

fn reveal(session: &mut Session, x: &Value, ty: &Ty, to: Party) -> Result<Value> {
    let ring = ring_bits(ty)?;
    let opened = protocol::reveal(session, x.share()?, ring, to)?;
    Ok(match opened {
        Some(values) => Value::Own(Known::Ring(Tensor::new(&ty.shape, from_ring(values, ring)))),
        None => Value::Absent,
    })
}

//! One inference at one party: the schedule's steps in order, each value dropped after its last use.

use super::executable::Executable;
use super::linear::{Prepared, Rlwe};
use super::protocols::{Operands, run_part};
use super::value::{Value, evaluate, from_ring, to_ring};
use crate::error::{Error, Result};
use crate::protocol;
use crate::report::Record;
use crate::session::Session;
use picc_ir::eval::Value as Known;
use picc_ir::mpc::schedule::Step;
use picc_ir::weights::RingWeights;
use picc_ir::{Id, Node, Op, Owner, Party, Tensor, Ty};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::time::Instant;

/// What this party brings: the client's quantized inputs, or the server's weights.
pub(super) enum Secrets<'a> {
    Inputs(&'a BTreeMap<String, Tensor<i64>>),
    Weights(&'a RingWeights, &'a Prepared),
}

/// A node whose parts are being run.
struct Ongoing {
    operands: Operands,
    out: Vec<u64>,
}

pub(super) struct Run<'a> {
    exe: &'a Executable,
    secrets: Secrets<'a>,
    values: Vec<Option<Value>>,
    ongoing: Option<Ongoing>,
    /// What was revealed to this party.
    revealed: BTreeMap<Id, Tensor<i64>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(exe: &'a Executable, secrets: Secrets<'a>) -> Run<'a> {
        let values = exe.graph().nodes.iter().map(|_| None).collect();
        Run { exe, secrets, values, ongoing: None, revealed: BTreeMap::new() }
    }

    /// Runs every step. `record` learns what each one took.
    pub(super) fn run(&mut self, session: &mut Session, rlwe: &mut Rlwe, record: &mut Record) -> Result<()> {
        for step in self.exe.steps() {
            let party = session.party();
            self.step(session, rlwe, step, record).map_err(|e| e.at_node(&self.exe.describe(step.node), party))?;
        }
        Ok(())
    }

    fn step(&mut self, session: &mut Session, rlwe: &mut Rlwe, step: &Step, record: &mut Record) -> Result<()> {
        if let Some(demand) = step.reserve {
            let start = Instant::now();
            session.channel.start_node();
            session.reserve(demand)?;
            record.extension(session.channel.meter().node(), start.elapsed());
        }
        let start = Instant::now();
        session.channel.start_node();
        let exe = self.exe;
        let node = exe.graph().node(step.node);
        if let Some(value) = self.evaluate(session, rlwe, node, step)? {
            self.values[step.node.index()] = Some(value);
            for &arg in node.args.iter().chain([&step.node]) {
                if exe.dies_after(arg, step.node) {
                    self.values[arg.index()] = None;
                }
            }
        }
        record.node(step.node, session.channel.meter().node(), start.elapsed());
        Ok(())
    }

    /// The node's value, once its last part is done.
    fn evaluate(
        &mut self,
        session: &mut Session,
        rlwe: &mut Rlwe,
        node: &Node,
        step: &Step,
    ) -> Result<Option<Value>> {
        let exe = self.exe;
        let tys: SmallVec<[&Ty; 4]> = node.args.iter().map(|&a| exe.graph().ty(a)).collect();
        let args: SmallVec<[&Value; 4]> = node
            .args
            .iter()
            .map(|a| self.values[a.index()].as_ref().ok_or_else(|| Error::Bug("a value died too early".into())))
            .collect::<Result<_>>()?;
        match &node.op {
            Op::Input(op) => Ok(Some(self.secrets.tensor(Party::Client, &op.name)?)),
            Op::Weight(_) if exe.is_only_prepared(step.node) => Ok(Some(Value::Absent)),
            Op::Weight(op) => Ok(Some(self.secrets.tensor(Party::Server, &op.name)?)),
            Op::Reveal(op) => {
                let value = reveal(session, args[0], tys[0], op.to)?;
                if let Value::Own(Known::Ring(t)) = &value {
                    self.revealed.insert(step.node, t.clone());
                }
                Ok(Some(value))
            }
            Op::TruncReduceLocal(op) => {
                let ring = ring_bits(tys[0])?;
                let x = to_ring(&args[0].share()?.data, ring);
                let out = protocol::trunc_local(session.party(), &x, ring, op.shift);
                Ok(Some(share(node, out)?))
            }
            Op::ConvRlwe(_) | Op::MatMulRlwe(_) => {
                let left = matches!(&node.op, Op::MatMulRlwe(op) if op.weights_left);
                let (x, w) = if left { (args[1], args[0]) } else { (args[0], args[1]) };
                let (prepared, w) = match &self.secrets {
                    Secrets::Inputs(_) => (None, None),
                    Secrets::Weights(_, prepared) => (Some(*prepared), w.known().ok()),
                };
                let layer = (step.node, node);
                let out = rlwe.run(exe, &mut session.channel, prepared, layer, x.share()?, w)?;
                Ok(Some(Value::Share(Tensor::new(&node.ty.shape, out))))
            }
            _ if node.ty.owner == Owner::Shared && is_protocol(&node.op) => {
                let mut ongoing = match self.ongoing.take() {
                    Some(ongoing) => ongoing,
                    None => Ongoing { operands: Operands::new(node, &args, &tys)?, out: Vec::new() },
                };
                let part = run_part(session, node, &ongoing.operands, &tys, step.part)?;
                if ongoing.out.is_empty() {
                    ongoing.out = part;
                } else {
                    ongoing.out.extend(part);
                }
                if step.last {
                    return share(node, ongoing.out).map(Some);
                }
                self.ongoing = Some(ongoing);
                Ok(None)
            }
            _ => evaluate(node, &args, &tys, session.party()).map(Some),
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
        tensor
            .map(|t| Value::Own(Known::Ring(t.clone())))
            .ok_or_else(|| Error::Input(format!("`{name}` is missing")))
    }
}

fn ring_bits(ty: &Ty) -> Result<u8> {
    ty.as_fixed().map(|f| f.ring_bits).ok_or_else(|| Error::Bug("a real value in a protocol".into()))
}

/// This party's share of a node's result.
fn share(node: &Node, out: Vec<u64>) -> Result<Value> {
    if out.len() != node.ty.len() {
        return Err(Error::Bug(format!("{} made {} of {} elements", node.op.name(), out.len(), node.ty.len())));
    }
    Ok(Value::Share(Tensor::new(&node.ty.shape, from_ring(out, ring_bits(&node.ty)?))))
}

fn reveal(session: &mut Session, x: &Value, ty: &Ty, to: Party) -> Result<Value> {
    let ring = ring_bits(ty)?;
    let opened = protocol::reveal(session, &to_ring(&x.share()?.data, ring), ring, to)?;
    Ok(match opened {
        Some(values) => Value::Own(Known::Ring(Tensor::new(&ty.shape, from_ring(values, ring)))),
        None => Value::Absent,
    })
}

/// Operators whose result is shared by messages between the parties.
fn is_protocol(op: &Op) -> bool {
    match op {
        Op::ConvRlwe(_) | Op::ConvOt(_) | Op::MatMulRlwe(_) | Op::MatMulOt(_) | Op::MulOt(_) => true,
        Op::TruncReduceFaithful(_) | Op::ExtendOt(_) | Op::ReluOt(_) | Op::MaxOt(_) => true,
        Op::MaxPoolOt(_) | Op::ReduceMaxOt(_) | Op::ArgMaxOt(_) => true,
        Op::ConvPre(_) | Op::MatMulPre(_) | Op::ReluGc(_) => true,
        Op::TruncReduceLocal(_) | Op::Share(_) | Op::Reveal(_) => false,
        Op::Input(_) | Op::Weight(_) | Op::Const(_) | Op::Add(_) | Op::Sub(_) | Op::Mul(_) => false,
        Op::Neg(_) | Op::Shl(_) | Op::Concat(_) | Op::Slice(_) | Op::Pad(_) | Op::Reshape(_) => false,
        Op::Transpose(_) | Op::Expand(_) | Op::Gather(_) | Op::ZeroInsert(_) | Op::SumPool(_) => false,
        Op::ReduceSum(_) | Op::Conv(_) | Op::MatMul(_) | Op::Relu(_) | Op::Max(_) => false,
        Op::MaxPool(_) | Op::ReduceMax(_) | Op::ArgMax(_) | Op::TruncReduce(_) | Op::Extend(_) => false,
        Op::Reduce(_) | Op::Assume(_) | Op::Softmax(_) | Op::LogSoftmax(_) | Op::Unary(_) => false,
        Op::Div(_) | Op::Lrn(_) | Op::Dequantize(_) => false,
    }
}

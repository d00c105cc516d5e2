//! A verified program, ready to be run by either party: the schedule, the lifetimes and the exact cost.

use super::kernels::Kernels;
use crate::error::{BadProgram, Error, Result};
use crate::handshake::Agreement;
use picc_identity::Fingerprint;
use picc_ir::kernel::construct::BuildError;
use picc_ir::mpc::rlwe::{LinearPlan, ParamSet};
use picc_ir::mpc::schedule::{ProgramCost, Schedule, Step, schedule, scheduled_cost};
use picc_ir::op::MpcOp;
use picc_ir::program::Signature;
use picc_ir::segment::{self, Placed};
use picc_ir::{Graph, Id, Op, Party, Program};
use std::sync::OnceLock;

/// What both parties hold of a program. Nothing here is secret.
pub struct Executable {
    program: Program,
    digest: [u8; 32],
    signature: Option<Signature>,
    schedule: Schedule,
    placed: Placed,
    /// For each node how many protocols, segments and local steps read it; an output counts once more.
    uses: Vec<u32>,
    /// Of the client and of the server, made when first asked for.
    kernels: [OnceLock<std::result::Result<Kernels, BuildError>>; 2],
    /// Weights that only layers under ring LWE read: those read the transformed ones.
    only_prepared: Vec<bool>,
    cost: ProgramCost,
}

impl Executable {
    /// Reads and verifies `model.pi`. Anything that the verifier refuses is refused here.
    pub fn load(model: &[u8]) -> Result<Executable> {
        let (program, signature) = Program::read(model).map_err(BadProgram::Artefact)?;
        Ok(Executable { signature, ..Executable::new(program)? })
    }

    /// Verifies and schedules a program.
    pub fn new(program: Program) -> Result<Executable> {
        program.check().map_err(BadProgram::Refused)?;
        if let Some(id) = program.priced_only() {
            let node = program.graph.node(id);
            return Err(BadProgram::ForStudy { node: node.name.clone(), op: node.op.name() }.into());
        }
        let schedule = schedule(&program.graph).map_err(BadProgram::Unpriced)?;
        let cost = scheduled_cost(&program, &schedule).map_err(BadProgram::Unpriced)?;
        let placed = segment::check(&program.graph, &program.segments).map_err(BadProgram::Segments)?;
        let uses = uses(&program, &placed);
        let only_prepared = only_prepared(&program.graph);
        Ok(Executable {
            digest: program.digest(),
            signature: None,
            program,
            schedule,
            placed,
            uses,
            kernels: Default::default(),
            only_prepared,
            cost,
        })
    }

    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.program.graph
    }

    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.schedule.steps
    }

    /// Parameter sets of the layers under ring LWE.
    #[must_use]
    pub fn rlwe_sets(&self) -> Vec<&'static ParamSet> {
        self.schedule.rlwe_sets()
    }

    /// How a layer under ring LWE is computed.
    pub(super) fn plan(&self, id: Id) -> Result<&LinearPlan> {
        self.schedule.plans.get(&id).map(AsRef::as_ref).ok_or_else(|| Error::Bug("a layer without a plan".into()))
    }

    /// What the program sends, exactly.
    #[must_use]
    pub fn cost(&self) -> &ProgramCost {
        &self.cost
    }

    /// Where the segments of the program run.
    pub(super) fn placed(&self) -> &Placed {
        &self.placed
    }

    /// For each node how often its value is read.
    pub(super) fn uses(&self) -> &[u32] {
        &self.uses
    }

    /// `party`'s kernels, compiled now if they were not yet.
    pub(super) fn kernels(&self, party: Party) -> Result<&Kernels> {
        let slot = &self.kernels[match party {
            Party::Client => 0,
            Party::Server => 1,
        }];
        let made = slot.get_or_init(|| Kernels::new(&self.program, party));
        made.as_ref().map_err(|e| BadProgram::Kernel(e.clone()).into())
    }

    /// Compiles `party`'s kernels, so that no inference waits for it.
    pub fn prepare_kernels(&self, party: Party) -> Result<()> {
        self.kernels(party).map(|_| ())
    }

    /// Whether only layers under ring LWE read this node, which is a weight.
    pub(super) fn is_only_prepared(&self, id: Id) -> bool {
        self.only_prepared[id.index()]
    }

    /// Who signed the program's file. `None` if nobody did.
    ///
    /// # Errors
    /// If the signature is none of this program.
    pub fn signer(&self) -> Result<Option<Fingerprint>> {
        self.signature.as_ref().map(|s| Ok(picc_identity::signer(&self.digest, s)?)).transpose()
    }

    /// That this key signed the program's file.
    ///
    /// # Errors
    /// If nobody did, or somebody else.
    pub fn signed_by(&self, expected: Fingerprint) -> Result<()> {
        Ok(picc_identity::check_signature(&self.digest, self.signature.as_ref(), expected)?)
    }

    /// The signature that ended the file.
    #[must_use]
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    /// What the handshake compares.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        let sets: Vec<&str> = self.rlwe_sets().iter().map(|s| s.name).collect();
        let rlwe = if sets.is_empty() { "none".to_owned() } else { sets.join(",") };
        let parameters = format!("{}; rlwe {rlwe}", self.program.source);
        Agreement { program: self.digest, parameters, binding: None, weights: None }
    }

    /// How a report or an error calls a node.
    #[must_use]
    pub fn describe(&self, id: Id) -> String {
        let node = self.graph().node(id);
        if node.name.is_empty() {
            format!("%{} {}", id.0, node.op.name())
        } else {
            format!("{} ({})", node.name, node.op.name())
        }
    }
}

fn only_prepared(graph: &Graph) -> Vec<bool> {
    let mut only: Vec<bool> = graph.nodes.iter().map(|n| matches!(n.op, Op::Weight(_))).collect();
    for node in &graph.nodes {
        if !matches!(node.op, Op::Mpc(MpcOp::ConvRlwe(_)) | Op::Mpc(MpcOp::MatMulRlwe(_))) {
            node.args.iter().for_each(|a| only[a.index()] = false);
        }
    }
    only
}

/// How many units read each node; a segment is one unit.
fn uses(program: &Program, placed: &Placed) -> Vec<u32> {
    let graph = &program.graph;
    let mut uses = vec![0; graph.nodes.len()];
    let mut count = |mut read: Vec<Id>| {
        read.sort_unstable();
        read.dedup();
        read.iter().for_each(|id| uses[id.index()] += 1);
    };
    for (id, node) in graph.iter() {
        if placed.of[id.index()].is_none() {
            count(node.args.to_vec());
        }
    }
    for (number, segment) in program.segments.iter().enumerate() {
        let args = segment.nodes.iter().flat_map(|id| &graph.node(*id).args);
        count(args.copied().filter(|a| placed.of[a.index()] != Some(number)).collect());
    }
    for (_, id) in &graph.outputs {
        uses[id.index()] += 1;
    }
    uses
}

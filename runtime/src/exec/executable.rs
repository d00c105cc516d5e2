//! A verified program, ready to be run by either party: the schedule, the lifetimes and the exact cost.

use crate::error::{Error, Result};
use crate::handshake::Agreement;
use picc_ir::mpc::rlwe::{LinearPlan, ParamSet};
use picc_ir::mpc::schedule::{ProgramCost, Schedule, Step, schedule, scheduled_cost};
use picc_ir::{Graph, Id, Op, Program};

/// What both parties hold of a program. Nothing here is secret.
pub struct Executable {
    program: Program,
    digest: [u8; 32],
    schedule: Schedule,
    /// For each node its last user; outputs are never freed.
    last_use: Vec<Id>,
    /// Weights that only layers under ring LWE read: those read the transformed ones.
    only_prepared: Vec<bool>,
    cost: ProgramCost,
}

impl Executable {
    /// Reads and verifies `model.pi`. Anything that the verifier refuses is refused here.
    pub fn load(model: &[u8]) -> Result<Executable> {
        Executable::new(Program::from_bytes(model).map_err(|e| Error::Program(e.to_string()))?)
    }

    /// Verifies and schedules a program.
    pub fn new(program: Program) -> Result<Executable> {
        let wrong = |e: &dyn std::fmt::Display| Error::Program(format!("program refused: {e}"));
        program.check().map_err(|e| wrong(&e))?;
        if let Some(id) = program.priced_only() {
            let node = program.graph.node(id);
            return Err(Error::Program(format!(
                "node `{}` is {}, which has a price and no implementation yet: the program is for study and cannot be \
                 run; compile it without `--linear preprocessed`",
                node.name,
                node.op.name()
            )));
        }
        let schedule = schedule(&program.graph).map_err(|e| wrong(&e))?;
        let cost = scheduled_cost(&program, &schedule).map_err(|e| wrong(&e))?;
        let last_use = last_use(&program.graph);
        let only_prepared = only_prepared(&program.graph);
        Ok(Executable { digest: program.digest(), program, schedule, last_use, only_prepared, cost })
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

    /// Whether `value` is not needed after `user` has run.
    pub(super) fn dies_after(&self, value: Id, user: Id) -> bool {
        self.last_use[value.index()] <= user
    }

    /// Whether only layers under ring LWE read this node, which is a weight.
    pub(super) fn is_only_prepared(&self, id: Id) -> bool {
        self.only_prepared[id.index()]
    }

    /// What the handshake compares.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        let sets: Vec<&str> = self.rlwe_sets().iter().map(|s| s.name).collect();
        let rlwe = if sets.is_empty() { "none".to_owned() } else { sets.join(",") };
        Agreement {
            program: self.digest,
            parameters: format!("softspoken k={}; rlwe {rlwe}", self.program.softspoken_k),
        }
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
        if !matches!(node.op, Op::ConvRlwe(_) | Op::MatMulRlwe(_)) {
            node.args.iter().for_each(|a| only[a.index()] = false);
        }
    }
    only
}

fn last_use(graph: &Graph) -> Vec<Id> {
    let mut last: Vec<Id> = graph.iter().map(|(id, _)| id).collect();
    for (id, node) in graph.iter() {
        for arg in &node.args {
            last[arg.index()] = id;
        }
    }
    for (_, id) in &graph.outputs {
        last[id.index()] = Id(u32::MAX);
    }
    last
}

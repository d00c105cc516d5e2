//! `picc inspect --kernels` and `picc --emit kir|clif|asm`: what each party computes between two messages.

use super::args::TargetArg;
use picc_ir::kernel::construct::{BuildError, Built, Lanes, Role, build};
use picc_ir::kernel::stats::{Stats, stats};
use picc_ir::segment::{Memory, SegmentError, check, memory};
use picc_ir::{Graph, Id, Party, Program, Segment};
use picc_kernels::isa::{Isa, IsaError};
use picc_kernels::lower::{self, LowerError};
use serde::Serialize;
use std::fmt::Write;

/// Why a program has no kernels.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Segments(#[from] SegmentError),
    #[error("segment {segment}: {error}")]
    Build { segment: usize, error: BuildError },
    #[error(transparent)]
    Target(#[from] IsaError),
    #[error(transparent)]
    Lower(#[from] LowerError),
}

/// How kernels are written.
pub enum Form {
    /// Kernel IR.
    Kir,
    /// Cranelift IR for a processor.
    Clif(Isa),
    /// The instructions of a processor.
    Asm(Isa),
}

impl Form {
    /// For the processor that this runs on, unless another is named.
    pub fn clif(target: Option<TargetArg>) -> Result<Form, Error> {
        Ok(Form::Clif(isa(target)?))
    }

    /// As [`Form::clif`].
    pub fn asm(target: Option<TargetArg>) -> Result<Form, Error> {
        Ok(Form::Asm(isa(target)?))
    }
}

fn isa(target: Option<TargetArg>) -> Result<Isa, IsaError> {
    match target {
        None => Isa::host(),
        Some(TargetArg::X8664) => Isa::named("x86_64-unknown-linux-gnu"),
        Some(TargetArg::Aarch64) => Isa::named("aarch64-unknown-linux-gnu"),
    }
}

/// One segment for the report.
#[derive(Serialize)]
pub struct Row {
    pub nodes: Vec<String>,
    /// The protocol node after which it runs.
    pub after: Option<String>,
    /// The first segment with the same kernel.
    pub same_as: Option<usize>,
    pub stats: Stats,
    pub kernel: String,
}

/// All segments of a program, for one party.
#[derive(Serialize)]
pub struct Kernels {
    pub party: Party,
    pub segments: Vec<Row>,
    /// Kernels that differ.
    pub distinct: usize,
    pub total: Stats,
    /// Shares between the kernels.
    pub memory: Memory,
}

fn name(graph: &Graph, id: Id) -> String {
    let node = graph.node(id);
    if node.name.is_empty() { format!("%{}", id.0) } else { format!("%{} {}", id.0, node.name) }
}

/// What `party` runs of a program: values at protocols are 64-bit lanes, as in the runtime.
pub fn kernels(program: &Program, party: Party, form: &Form) -> Result<Kernels, Error> {
    let graph = &program.graph;
    let placed = check(graph, &program.segments)?;
    let mut built: Vec<Built> = Vec::new();
    for (segment, Segment { nodes }) in program.segments.iter().enumerate() {
        let kernel = build(graph, nodes, party, Lanes::Wide);
        built.push(kernel.map_err(|error| Error::Build { segment, error })?);
    }
    let mut total = Stats::default();
    let mut segments = Vec::new();
    let plain: Vec<_> = built.iter().map(|b| b.kernel.anonymous()).collect();
    let mut distinct = 0;
    for (i, (built, segment)) in built.iter().zip(&program.segments).enumerate() {
        let stats = stats(&built.kernel);
        total += stats;
        let same_as = plain[..i].iter().position(|k| *k == plain[i]);
        distinct += usize::from(same_as.is_none());
        segments.push(Row {
            nodes: segment
                .nodes
                .iter()
                .map(|&id| format!("{} ({})", name(graph, id), graph.node(id).op.name()))
                .collect(),
            after: placed.after[i].map(|id| format!("{} ({})", name(graph, id), graph.node(id).op.name())),
            same_as,
            stats,
            kernel: match same_as {
                Some(_) => String::new(),
                None => text(built, form)?,
            },
        });
    }
    let memory = memory(graph, &program.segments, &placed, Lanes::Wide);
    Ok(Kernels { party, segments, distinct, total, memory })
}

/// Text of a kernel, with the roles of its caller's buffers.
fn text(built: &Built, form: &Form) -> Result<String, Error> {
    let mut text = String::new();
    let roles = built.roles.iter().map(|role| match role {
        Role::Input(id) => format!("reads %{}", id.0),
        Role::Output(id) => format!("writes %{}", id.0),
    });
    let aliases = built.aliases.iter().map(|(id, of)| format!("%{} is %{}", id.0, of.0));
    let all: Vec<String> = roles.chain(aliases).collect();
    let _ = writeln!(text, "# {}", all.join(", "));
    Ok(match form {
        Form::Kir => text + &built.kernel.to_string(),
        Form::Clif(isa) => text + &lower::clif(&built.kernel, isa),
        Form::Asm(isa) => text + &lower::assembly(&built.kernel, isa)?,
    })
}

impl Kernels {
    /// Every segment with its kernel, then the sums.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |s: String| {
            text += &s;
            text.push('\n');
        };
        for (i, row) in self.segments.iter().enumerate() {
            let Stats { nests, calls, read, written, scratch, .. } = row.stats;
            let after = row.after.as_deref().map_or("first".to_owned(), |a| format!("after {a}"));
            line(format!("segment {i}, {after}: {}", row.nodes.join(", ")));
            line(format!(
                "# {nests} nests, {calls} calls, reads {read} bytes, writes {written}, scratch {scratch}"
            ));
            match row.same_as {
                Some(other) => line(format!("# the kernel of segment {other}\n")),
                None => line(row.kernel.clone()),
            }
        }
        let Stats { nests, calls, read, written, macs, scratch } = self.total;
        line(format!("{} segments, {} kernels that differ", self.segments.len(), self.distinct));
        line(format!("{nests} nests, {calls} calls with {macs} multiply-adds"));
        line(format!("kernels read {read} bytes and write {written}; the largest scratch memory is {scratch}"));
        line(format!(
            "shares between kernels take at most {} bytes, {} if none were freed",
            self.memory.peak, self.memory.total
        ));
        text
    }
}

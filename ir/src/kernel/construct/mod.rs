//! Builds the kernel of a segment: what one party computes between two messages, for a list of nodes of a verified
//! graph.
//!
//! ```text
//! nodes of the segment --outputs--> jobs: one value each, stored in row-major order
//!   job      a box of the value's elements; the expression is followed back to what is in memory
//!     elementwise       lane arithmetic in registers
//!     data movement     another index of the argument: no instruction, no memory
//!     padding, concat   the box is cut until each piece lies in one part
//!     reshape           a loop is split until its parts walk along single axes
//!     sums              reduction loops, one sum a nest
//!     products          a call on contiguous memory
//! ```
//! A value goes through memory of the kernel only where the above fails, or where reading it again is cheaper than
//! computing it again (`policy`). Values are held mod `2^lane` in the narrowest lane of their ring; the bits above the
//! ring are cleared where it matters, before a shift to the right and before a store.
//!
//! Security: a program carries lists of nodes and never code. Both parties build the kernels themselves from the graph
//! that they verified, so that a program cannot make a kernel compute anything but its nodes, and the verifier of
//! kernels checks the result like any other. Shares meet operands as they do in the executor: what the other party
//! knows is zero here, and a public summand is the server's.

use super::{Access, Buffer, Kernel, KernelError, Lane, Step, Verified, verify::verify};
use crate::locality::is_local;
use crate::op::Op;
use crate::ty::{Owner, Shape};
use crate::{Graph, Id, Node, Party};
use std::collections::{BTreeMap, BTreeSet};

mod arithmetic;
mod call;
mod expr;
mod job;
mod movement;
mod place;
mod policy;
mod scratch;

/// Lanes of the caller's buffers. Inside, a kernel always computes in the narrowest lane of each ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lanes {
    /// 64 bits for every value.
    Wide,
    /// [`Lane::of_ring`].
    Narrow,
}

/// What one of the caller's buffers holds, in row-major order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// This party's part of a node's value: its share, as ring elements below `2^ring_bits`, or a value that it knows,
    /// cut to the lane (any representative mod `2^ring_bits`).
    Input(Id),
    /// This party's share of a node's value, below `2^ring_bits`.
    Output(Id),
}

/// The kernel of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    pub kernel: Verified,
    /// For each buffer that is not scratch, in order.
    pub roles: Vec<Role>,
    /// Outputs that are, element by element, the value of another node (an input or output of the kernel): not stored.
    pub aliases: Vec<(Id, Id)>,
}

/// Why there is no kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("%{} {op} (`{name}`) is not local, or not on shares", id.0)]
    NotLocal { id: Id, op: &'static str, name: String },
    #[error("%{} is not in the graph", .0.0)]
    Missing(Id),
    #[error("%{} falls into more than {MAX_PIECES} pieces", .0.0)]
    Pieces(Id),
    #[error("more than {MAX_TRIED} boxes")]
    Boxes,
    #[error("the builder met %{} twice: a defect of it", .0.0)]
    Cycle(Id),
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// Boxes that one value may be computed in.
pub const MAX_PIECES: usize = 1 << 12;
/// Boxes that are tried for one kernel.
pub const MAX_TRIED: usize = 1 << 18;

/// The kernel of the nodes of `segment`, for `party`. The graph must be verified (as [`crate::Stage::Mpc`]) and the
/// segment one of [`crate::segment::check`]; ids ascend.
pub fn build(graph: &Graph, segment: &[Id], party: Party, lanes: Lanes) -> Result<Built, BuildError> {
    for &id in segment {
        let node = graph.nodes.get(id.index()).ok_or(BuildError::Missing(id))?;
        if !is_local(graph, id) {
            return Err(BuildError::NotLocal { id, op: node.op.name(), name: node.name.clone() });
        }
    }
    let mut builder = Builder::new(graph, segment, party, lanes);
    for id in builder.outputs.clone().into_iter().rev() {
        if builder.alias(id).is_none() {
            builder.run(id)?;
        }
    }
    builder.finish()
}

fn is_product(op: &Op) -> bool {
    matches!(op, Op::Mul(_) | Op::Conv(_) | Op::MatMul(_))
}

/// A value in memory.
#[derive(Clone, Copy)]
struct Stored {
    buffer: u32,
    /// Bits above the ring are zero.
    clean: bool,
}

struct Builder<'a> {
    graph: &'a Graph,
    nodes: BTreeSet<Id>,
    party: Party,
    lanes: Lanes,
    /// Nodes that others need.
    outputs: BTreeSet<Id>,
    /// Nodes that are another value, element by element: an output or one from outside.
    repeats: BTreeMap<Id, Id>,
    /// Nodes that are zero at this party.
    zero: BTreeSet<Id>,
    /// Nodes that are stored because they are read often.
    kept: BTreeSet<Id>,
    /// Loads that one element of a node takes if it is not stored.
    loads: BTreeMap<Id, f64>,
    buffers: Vec<Buffer>,
    roles: Vec<Option<Role>>,
    /// Values outside the segment that have a buffer.
    inputs: BTreeMap<Id, u32>,
    /// Values that were stored.
    stored: BTreeMap<Id, Stored>,
    /// Copies of stored values in the lane of a product that reads them.
    narrowed: BTreeMap<Id, u32>,
    tables: Vec<Vec<u32>>,
    steps: Vec<Step>,
    /// Boxes that were tried.
    tried: usize,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a Graph, segment: &[Id], party: Party, lanes: Lanes) -> Builder<'a> {
        let nodes: BTreeSet<Id> = segment.iter().copied().collect();
        let used: BTreeSet<Id> = graph
            .iter()
            .filter(|(id, _)| !nodes.contains(id))
            .flat_map(|(_, node)| node.args.iter().copied())
            .chain(graph.outputs.iter().map(|(_, id)| *id))
            .collect();
        let outputs: BTreeSet<Id> = nodes.iter().copied().filter(|id| used.contains(id)).collect();
        let mut builder = Builder {
            graph,
            nodes,
            party,
            lanes,
            outputs,
            repeats: BTreeMap::new(),
            zero: BTreeSet::new(),
            kept: BTreeSet::new(),
            loads: BTreeMap::new(),
            buffers: Vec::new(),
            roles: Vec::new(),
            inputs: BTreeMap::new(),
            stored: BTreeMap::new(),
            narrowed: BTreeMap::new(),
            tables: Vec::new(),
            steps: Vec::new(),
            tried: 0,
        };
        builder.find_zeros();
        builder.find_repeats();
        builder.decide();
        builder
    }

    fn node(&self, id: Id) -> &'a Node {
        self.graph.node(id)
    }

    fn shape(&self, id: Id) -> &'a Shape {
        &self.graph.ty(id).shape
    }

    /// 64 for a value that is in no ring, which no local node has.
    fn ring(&self, id: Id) -> u8 {
        self.graph.ty(id).as_fixed().map_or(64, |f| f.ring_bits)
    }

    fn lane(&self, id: Id) -> Lane {
        Lane::of_ring(self.ring(id))
    }

    fn boundary_lane(&self, id: Id) -> Lane {
        match self.lanes {
            Lanes::Wide => Lane::U64,
            Lanes::Narrow => self.lane(id),
        }
    }

    /// Whether `arg` is zero for this party where `user` reads it.
    fn absent(&self, user: &Node, arg: Id) -> bool {
        let factor = is_product(&user.op);
        match (self.graph.ty(arg).owner, self.party) {
            (Owner::Shared, _) => self.zero.contains(&arg),
            (Owner::Public, Party::Client) => !factor,
            (Owner::Client, Party::Server) | (Owner::Server, Party::Client) => true,
            (Owner::Public, Party::Server) | (Owner::Client, Party::Client) | (Owner::Server, Party::Server) => {
                false
            }
        }
    }

    fn find_zeros(&mut self) {
        for id in self.nodes.clone() {
            let node = self.node(id);
            let mut absent = node.args.iter().map(|&a| self.absent(node, a));
            let zero = if is_product(&node.op) { absent.any(|z| z) } else { absent.all(|z| z) };
            if zero {
                self.zero.insert(id);
            }
        }
    }

    fn find_repeats(&mut self) {
        for &id in &self.nodes {
            let node = self.graph.node(id);
            if !matches!(node.op, Op::Reshape(_) | Op::Assume(_)) {
                continue;
            }
            let arg = node.args[0];
            let there = !self.nodes.contains(&arg) || self.outputs.contains(&arg);
            let source = if there { Some(arg) } else { self.repeats.get(&arg).copied() };
            if let Some(source) = source.filter(|s| self.graph.ty(*s).owner == Owner::Shared) {
                self.repeats.insert(id, source);
            }
        }
    }

    /// The value that an output repeats, element by element.
    fn alias(&self, output: Id) -> Option<Id> {
        self.repeats.get(&output).copied()
    }

    fn buffer(&mut self, id: Id, lane: Lane, access: Access, role: Option<Role>) -> u32 {
        let node = self.node(id);
        let name = if node.name.is_empty() { format!("%{}", id.0) } else { format!("%{} {}", id.0, node.name) };
        self.buffers.push(Buffer { name, lane, len: node.ty.len(), access });
        self.roles.push(role);
        self.buffers.len() as u32 - 1
    }

    /// Where a value from outside the segment lies.
    fn input(&mut self, id: Id) -> u32 {
        if let Some(&buffer) = self.inputs.get(&id) {
            return buffer;
        }
        let buffer = self.buffer(id, self.boundary_lane(id), Access::Read, Some(Role::Input(id)));
        self.inputs.insert(id, buffer);
        buffer
    }

    /// Where a job puts its value: the caller's memory for an output, else the kernel's.
    fn target(&mut self, id: Id) -> u32 {
        if self.outputs.contains(&id) {
            self.buffer(id, self.boundary_lane(id), Access::Write, Some(Role::Output(id)))
        } else {
            self.buffer(id, self.lane(id), Access::Scratch, None)
        }
    }

    fn finish(self) -> Result<Built, BuildError> {
        let aliases = self.outputs.iter().filter_map(|&id| Some((id, self.alias(id)?))).collect::<Vec<_>>();
        let Builder { buffers, roles, tables, steps, .. } = self;
        let (kernel, roles) = scratch::packed(Kernel { buffers, tables, steps }, roles);
        let aliases = aliases.into_iter().filter(|(id, _)| !roles.contains(&Role::Output(*id))).collect();
        Ok(Built { kernel: verify(kernel)?, roles, aliases })
    }
}

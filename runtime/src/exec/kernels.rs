//! The kernels of one party: built from the verified graph, compiled for this processor, run between the protocols.
//!
//! ```text
//! program.segments --build--> kernel IR, verified --Jit--> machine code (or the interpreter, where there is none)
//! ```
//! A program carries lists of nodes only, so both parties run kernels that they made themselves.

use super::value::Value;
use crate::error::{Error, Result};
use picc_ir::eval::Value as Known;
use picc_ir::kernel::Verified;
use picc_ir::kernel::construct::{BuildError, Built, Lanes, Role, build};
use picc_ir::kernel::interp;
use picc_ir::{Graph, Id, Party, Program};
use picc_kernels::jit::{BufferRef, CompiledKernel, Jit, Scratch, Spare};
use rayon::prelude::*;
use std::sync::Arc;

/// Kernels of the program's segments, in their order.
pub(super) struct Kernels {
    segments: Vec<SegmentKernel>,
}

struct SegmentKernel {
    code: Code,
    roles: Vec<Role>,
    aliases: Vec<(Id, Id)>,
}

enum Code {
    Native(CompiledKernel),
    /// On processors that code cannot be made for, and where executable memory is refused.
    Interpreted(Verified),
}

/// Memory of a run for its kernels.
#[derive(Default)]
pub(super) struct Memory {
    scratch: Scratch,
    /// Of values that are dead.
    pub spare: Spare,
}

impl Kernels {
    /// Builds and compiles all kernels of a checked program.
    pub(super) fn new(program: &Program, party: Party) -> std::result::Result<Kernels, BuildError> {
        let built: Vec<Built> = program
            .segments
            .par_iter()
            .map(|s| build(&program.graph, &s.nodes, party, Lanes::Wide))
            .collect::<std::result::Result<_, _>>()?;
        let verified: Vec<&Verified> = built.iter().map(|b| &b.kernel).collect();
        let native = match std::env::var_os("PICC_KERNELS") {
            Some(how) if how == "interpret" => None,
            _ => Jit::new().and_then(|jit| jit.compile(&verified)).ok(),
        };
        let code: Vec<Option<CompiledKernel>> = match native {
            Some((kernels, _)) => kernels.into_iter().map(Some).collect(),
            None => built.iter().map(|_| None).collect(),
        };
        let segments = built.into_iter().zip(code).map(|(Built { kernel, roles, aliases }, code)| SegmentKernel {
            code: code.map_or(Code::Interpreted(kernel), Code::Native),
            roles,
            aliases,
        });
        Ok(Kernels { segments: segments.collect() })
    }

    /// The values that a segment reads.
    pub(super) fn inputs(&self, segment: usize) -> impl Iterator<Item = Id> + '_ {
        let SegmentKernel { roles, aliases, .. } = &self.segments[segment];
        let read = roles.iter().filter_map(|role| match role {
            Role::Input(id) => Some(*id),
            Role::Output(_) => None,
        });
        read.chain(aliases.iter().map(|(_, source)| *source))
    }

    /// Runs a segment: its values are there afterwards.
    pub(super) fn run(
        &self,
        segment: usize,
        graph: &Graph,
        values: &mut [Option<Value>],
        memory: &mut Memory,
    ) -> Result<()> {
        let SegmentKernel { code, roles, aliases } = &self.segments[segment];
        let mut made: Vec<Vec<u64>> = roles
            .iter()
            .filter_map(|role| match role {
                Role::Input(_) => None,
                // A verified kernel stores every element.
                Role::Output(id) => Some(memory.spare.take(graph.ty(*id).len())),
            })
            .collect();
        // What this party knows is held as integers; shares are ring elements already.
        let known: Vec<Option<Vec<u64>>> = roles
            .iter()
            .map(|role| match role {
                Role::Input(id) => match &values[id.index()] {
                    Some(Value::Own(Known::Ring(t))) => Some(t.data.iter().map(|v| v.cast_unsigned()).collect()),
                    _shared => None,
                },
                Role::Output(_) => None,
            })
            .collect();
        let missing = || Error::Bug(format!("segment {segment} reads what is not there"));
        let input = |at: usize, id: Id| -> Result<&[u64]> {
            match (&known[at], &values[id.index()]) {
                (Some(own), _) => Ok(own),
                (None, Some(Value::Share(share))) => Ok(share),
                (None, _) => Err(missing()),
            }
        };
        match code {
            Code::Native(kernel) => {
                let mut outputs = made.iter_mut();
                let mut buffers: Vec<BufferRef> = Vec::with_capacity(roles.len());
                for (at, role) in roles.iter().enumerate() {
                    buffers.push(match role {
                        Role::Input(id) => BufferRef::U64(input(at, *id)?),
                        Role::Output(_) => BufferRef::U64Mut(outputs.next().ok_or_else(missing)?),
                    });
                }
                kernel.run_in(&mut buffers, &mut memory.scratch).map_err(|e| Error::Bug(e.to_string()))?;
            }
            Code::Interpreted(kernel) => {
                let mut outputs = made.iter_mut();
                let mut buffers: Vec<Vec<u64>> = Vec::with_capacity(roles.len());
                for (at, role) in roles.iter().enumerate() {
                    buffers.push(match role {
                        Role::Input(id) => input(at, *id)?.to_vec(),
                        Role::Output(_) => std::mem::take(outputs.next().ok_or_else(missing)?),
                    });
                }
                interp::run(kernel, &mut buffers).map_err(|e| Error::Bug(e.to_string()))?;
                let stored = roles.iter().zip(buffers).filter(|(role, _)| matches!(role, Role::Output(_)));
                made = stored.map(|(_, buffer)| buffer).collect();
            }
        }
        let stored = roles.iter().filter_map(|role| match role {
            Role::Input(_) => None,
            Role::Output(id) => Some(*id),
        });
        for (id, out) in stored.zip(made) {
            values[id.index()] = Some(Value::Share(Arc::new(out)));
        }
        for (id, source) in aliases {
            let same = match &values[source.index()] {
                Some(Value::Share(share)) => Arc::clone(share),
                _other => return Err(missing()),
            };
            values[id.index()] = Some(Value::Share(same));
        }
        Ok(())
    }
}

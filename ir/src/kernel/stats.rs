//! How much a kernel moves and computes.

use super::{Inst, Kernel, Primitive, Step};
use std::ops::AddAssign;

/// Work of one run of a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    pub nests: u64,
    pub calls: u64,
    /// Bytes that loads read, and that calls read of their factors (once).
    pub read: u64,
    /// Bytes that stores write, and results of calls.
    pub written: u64,
    /// Multiply-adds of calls.
    pub macs: u64,
    /// Bytes of scratch buffers.
    pub scratch: u64,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, o: Stats) {
        self.nests += o.nests;
        self.calls += o.calls;
        self.read += o.read;
        self.written += o.written;
        self.macs += o.macs;
        self.scratch = self.scratch.max(o.scratch);
    }
}

/// Work of one run of a verified kernel (sizes are bounded).
#[must_use]
pub fn stats(kernel: &Kernel) -> Stats {
    let lane = |buffer: u32| kernel.buffers[buffer as usize].lane.bytes() as u64;
    let points = |extents: &[u32]| extents.iter().map(|&e| u64::from(e)).product::<u64>();
    let own = kernel.buffers.iter().filter(|b| b.access == super::Access::Scratch);
    let scratch = own.map(|b| (b.len * b.lane.bytes()) as u64).sum();
    let mut stats = Stats { scratch, ..Stats::default() };
    for step in &kernel.steps {
        match step {
            Step::Nest(nest) => {
                stats.nests += 1;
                let outer = points(&nest.loops);
                for (block, times) in [(&nest.body, outer * points(&nest.reduce)), (&nest.finish, outer)] {
                    for inst in block {
                        if let Inst::Load { buffer, .. } = inst {
                            stats.read += times * lane(*buffer);
                        } else if let Inst::Store { buffer, .. } = inst {
                            stats.written += times * lane(*buffer);
                        }
                    }
                }
            }
            Step::Call { primitive, lane, .. } => {
                stats.calls += 1;
                let (args, result, fan_in) = match primitive {
                    Primitive::Conv(g) => {
                        let [oh, ow] = g.out_hw();
                        (g.n * g.c_in * g.h * g.w + g.c_out * g.fan_in(), g.n * g.c_out * oh * ow, g.fan_in())
                    }
                    Primitive::MatMul(g) => {
                        let args = g.batch * (g.rows * g.inner + g.inner * g.cols);
                        (args, g.batch * g.rows * g.cols, g.inner)
                    }
                };
                stats.read += (args * lane.bytes()) as u64;
                stats.written += (result * lane.bytes()) as u64;
                stats.macs += (result * fan_in) as u64;
            }
        }
    }
    stats
}

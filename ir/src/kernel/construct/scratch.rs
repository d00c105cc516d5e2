//! Scratch buffers by liveness: those that are never alive together share memory.

use super::Role;
use crate::kernel::{Access, Inst, Kernel, Lane, Nest, Step, View};

/// The same kernel without buffers and tables that nothing uses, scratch shared; and the roles of the caller's buffers.
pub(super) fn packed(mut kernel: Kernel, roles: Vec<Option<Role>>) -> (Kernel, Vec<Role>) {
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; kernel.buffers.len()];
    for (at, step) in kernel.steps.iter_mut().enumerate() {
        each_buffer(step, |b| {
            let life = lives[*b as usize].get_or_insert((at, at));
            life.1 = at;
        });
    }
    let mut buffers = Vec::new();
    let mut kept = Vec::new();
    let mut new = vec![0u32; kernel.buffers.len()];
    // Scratch memory and the step after which it is free.
    let mut pool: Vec<(Lane, u32, usize)> = Vec::new();
    // Caller's buffers in their order, then scratch by first use.
    let mut order: Vec<usize> = (0..kernel.buffers.len()).filter(|&i| lives[i].is_some()).collect();
    order.sort_by_key(|&i| match kernel.buffers[i].access {
        Access::Read | Access::Write => (0, i),
        Access::Scratch => (1 + lives[i].map_or(0, |l| l.0), i),
    });
    for i in order {
        let (Some((first, last)), buffer) = (lives[i], &kernel.buffers[i]) else { continue };
        if buffer.access == Access::Scratch {
            let len = |slot: &(Lane, u32, usize)| -> usize {
                let b: &crate::kernel::Buffer = &buffers[slot.1 as usize];
                b.len
            };
            let free = pool.iter_mut().filter(|s| s.0 == buffer.lane && s.2 < first);
            let best = free.max_by_key(|s| (len(s) >= buffer.len, usize::MAX - len(s).abs_diff(buffer.len)));
            if let Some(slot) = best {
                slot.2 = last;
                new[i] = slot.1;
                let shared: &mut crate::kernel::Buffer = &mut buffers[slot.1 as usize];
                shared.len = shared.len.max(buffer.len);
                continue;
            }
            pool.push((buffer.lane, buffers.len() as u32, last));
        }
        new[i] = buffers.len() as u32;
        kept.extend(roles[i]);
        buffers.push(buffer.clone());
    }
    kernel.steps.iter_mut().for_each(|step| each_buffer(step, |b| *b = new[*b as usize]));
    kernel.buffers = buffers;
    tables(&mut kernel);
    (kernel, kept)
}

/// Drops tables that no index uses.
fn tables(kernel: &mut Kernel) {
    let mut used: Vec<Vec<u32>> = Vec::new();
    for step in &mut kernel.steps {
        let Step::Nest(nest) = step else { continue };
        for inst in insts(nest) {
            if let Inst::Load { index, .. } | Inst::Store { index, .. } = inst
                && let crate::kernel::Index::Table { table, .. } = index
            {
                let entries = &kernel.tables[*table as usize];
                let at = used.iter().position(|t| t == entries).unwrap_or_else(|| {
                    used.push(entries.clone());
                    used.len() - 1
                });
                *table = at as u32;
            }
        }
    }
    kernel.tables = used;
}

fn insts(nest: &mut Nest) -> impl Iterator<Item = &mut Inst> {
    nest.body.iter_mut().chain(&mut nest.finish)
}

fn each_buffer(step: &mut Step, mut f: impl FnMut(&mut u32)) {
    match step {
        Step::Nest(nest) => insts(nest).for_each(|inst| {
            if let Inst::Load { buffer, .. } | Inst::Store { buffer, .. } = inst {
                f(buffer);
            }
        }),
        Step::Call { args, result, .. } => {
            args.iter_mut().chain([result]).for_each(|View { buffer, .. }| f(buffer));
        }
    }
}

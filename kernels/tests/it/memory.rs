//! Buffers for kernels, and one run of a compiled kernel.

use picc_ir::kernel::{Access, Kernel, Lane, Verified};
use picc_kernels::jit::{BufferRef, CompiledKernel, RunError, Scratch};

/// Memory of one lane.
pub enum Words {
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

impl Words {
    pub fn new(lane: Lane, values: &[u64]) -> Words {
        match lane {
            Lane::U16 => Words::U16(values.iter().map(|&v| v as u16).collect()),
            Lane::U32 => Words::U32(values.iter().map(|&v| v as u32).collect()),
            Lane::U64 => Words::U64(values.to_vec()),
        }
    }

    pub fn values(&self) -> Vec<u64> {
        match self {
            Words::U16(v) => v.iter().map(|&v| v.into()).collect(),
            Words::U32(v) => v.iter().map(|&v| v.into()).collect(),
            Words::U64(v) => v.clone(),
        }
    }

    pub fn lend(&mut self, access: Access) -> BufferRef<'_> {
        match (self, access) {
            (Words::U16(v), Access::Read) => BufferRef::U16(v),
            (Words::U32(v), Access::Read) => BufferRef::U32(v),
            (Words::U64(v), Access::Read) => BufferRef::U64(v),
            (Words::U16(v), Access::Write | Access::Scratch) => BufferRef::U16Mut(v),
            (Words::U32(v), Access::Write | Access::Scratch) => BufferRef::U32Mut(v),
            (Words::U64(v), Access::Write | Access::Scratch) => BufferRef::U64Mut(v),
        }
    }
}

/// The caller's buffers of a kernel, by access.
pub fn callers(kernel: &Kernel) -> impl Iterator<Item = &picc_ir::kernel::Buffer> {
    kernel.buffers.iter().filter(|b| b.access != Access::Scratch)
}

/// Runs compiled code on the memory that the interpreter takes.
pub fn run(code: &CompiledKernel, kernel: &Verified, memory: &mut [Vec<u64>]) -> Result<(), RunError> {
    run_as(kernel, memory, |lent| code.run(lent))
}

/// [`run`] with every nest in so many parts.
pub fn run_in_parts(
    code: &CompiledKernel,
    kernel: &Verified,
    memory: &mut [Vec<u64>],
    parts: usize,
) -> Result<(), RunError> {
    run_as(kernel, memory, |lent| code.run_in_parts(lent, &mut Scratch::default(), parts))
}

fn run_as(
    kernel: &Verified,
    memory: &mut [Vec<u64>],
    code: impl FnOnce(&mut [BufferRef<'_>]) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let mut words: Vec<Words> =
        callers(kernel).zip(memory.iter()).map(|(b, values)| Words::new(b.lane, values)).collect();
    let mut lent: Vec<BufferRef> = callers(kernel).zip(&mut words).map(|(b, w)| w.lend(b.access)).collect();
    code(&mut lent)?;
    for (values, w) in memory.iter_mut().zip(&words) {
        *values = w.values();
    }
    Ok(())
}

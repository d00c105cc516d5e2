//! Buffers of the caller, checked against what a kernel was proven for.

use picc_ir::kernel::{Access, Lane};

/// Memory that a kernel reads or writes. Rust's borrows say that what is written is apart from everything else.
pub enum BufferRef<'a> {
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    U16Mut(&'a mut [u16]),
    U32Mut(&'a mut [u32]),
    U64Mut(&'a mut [u64]),
}

/// Why a kernel did not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error("{found} buffers given, the kernel has {expected}")]
    Count { expected: usize, found: usize },
    #[error("buffer `{name}` has {found} elements, the kernel was made for {expected}")]
    Length { name: String, expected: usize, found: usize },
    #[error("buffer `{name}` has lanes of {found} bits, the kernel was made for {expected}")]
    Lane { name: String, expected: u32, found: u32 },
    #[error("buffer `{name}` is written, but given for reading")]
    ReadOnly { name: String },
}

/// What a kernel knows of one of its buffers.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub name: String,
    pub lane: Lane,
    pub len: usize,
    pub access: Access,
}

impl BufferRef<'_> {
    fn shape(&self) -> (Lane, usize, bool) {
        match self {
            BufferRef::U16(s) => (Lane::U16, s.len(), false),
            BufferRef::U32(s) => (Lane::U32, s.len(), false),
            BufferRef::U64(s) => (Lane::U64, s.len(), false),
            BufferRef::U16Mut(s) => (Lane::U16, s.len(), true),
            BufferRef::U32Mut(s) => (Lane::U32, s.len(), true),
            BufferRef::U64Mut(s) => (Lane::U64, s.len(), true),
        }
    }

    /// The start of the buffer, once it fits the slot. Written through only if the slot is for writing, and then the
    /// pointer comes from a mutable slice.
    pub(crate) fn pointer(&mut self, slot: &Slot) -> Result<*mut u8, RunError> {
        let (lane, len, writable) = self.shape();
        let name = || slot.name.clone();
        if lane != slot.lane {
            return Err(RunError::Lane { name: name(), expected: slot.lane.bits(), found: lane.bits() });
        }
        if len != slot.len {
            return Err(RunError::Length { name: name(), expected: slot.len, found: len });
        }
        if slot.access == Access::Write && !writable {
            return Err(RunError::ReadOnly { name: name() });
        }
        Ok(match self {
            BufferRef::U16(s) => s.as_ptr().cast_mut().cast(),
            BufferRef::U32(s) => s.as_ptr().cast_mut().cast(),
            BufferRef::U64(s) => s.as_ptr().cast_mut().cast(),
            BufferRef::U16Mut(s) => s.as_mut_ptr().cast(),
            BufferRef::U32Mut(s) => s.as_mut_ptr().cast(),
            BufferRef::U64Mut(s) => s.as_mut_ptr().cast(),
        })
    }
}

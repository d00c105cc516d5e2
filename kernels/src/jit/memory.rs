//! Executable memory: written, then made executable and never writable again.

use crate::lower::Code;
use memmap2::{Mmap, MmapMut};
use std::io;

/// Where functions begin: a cache line, and more than any constant in them needs.
const ALIGN: usize = 64;

/// Code of many kernels in one mapping; pages are writable or executable, never both.
pub(crate) struct CodeMemory {
    map: Mmap,
}

impl CodeMemory {
    /// Copies the codes into fresh pages; returns where each begins.
    pub fn new<'c>(codes: impl Iterator<Item = &'c Code> + Clone) -> io::Result<(CodeMemory, Vec<usize>)> {
        let mut offsets = Vec::new();
        let mut len = 0usize;
        for code in codes.clone() {
            offsets.push(len);
            len += code.bytes.len().next_multiple_of(ALIGN);
        }
        let mut map = MmapMut::map_anon(len.max(1))?;
        for (code, &at) in codes.zip(&offsets) {
            map[at..at + code.bytes.len()].copy_from_slice(&code.bytes);
        }
        let map = map.make_exec()?;
        // SAFETY: the range is the mapping just made; nothing runs in it yet.
        unsafe { wasmtime_internal_jit_icache_coherence::clear_cache(map.as_ptr().cast(), map.len())? };
        wasmtime_internal_jit_icache_coherence::pipeline_flush_mt()?;
        Ok((CodeMemory { map }, offsets))
    }

    /// Address of the code at `offset`.
    pub fn at(&self, offset: usize) -> *const u8 {
        self.map[offset..].as_ptr()
    }
}

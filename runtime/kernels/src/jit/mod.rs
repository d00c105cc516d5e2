//! Compiled kernels: from verified kernel IR to a function that is safe to call.
//!
//! ```text
//! &[Verified] --digest--> distinct kernels --cache or lower (parallel)--> one block of W^X memory --> [CompiledKernel]
//! ```

mod buffer;
mod memory;

pub use buffer::{BufferRef, RunError};

use crate::cache::{Cache, Key};
use crate::call::Site;
use crate::isa::{Isa, IsaError};
use crate::lower::{self, Code, LowerError};
use buffer::Slot;
use memory::CodeMemory;
use picc_ir::kernel::{Access, Kernel, Step, Verified};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Why kernels could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum JitError {
    #[error(transparent)]
    Isa(#[from] IsaError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error("no executable memory: {0}")]
    Memory(#[from] std::io::Error),
}

/// What [`Jit::compile`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    /// Kernels with code of their own; the others share it.
    pub distinct: usize,
    /// Of these, read from the cache.
    pub cached: usize,
    /// Machine code, in bytes.
    pub code_bytes: usize,
    /// What was wrong with cache files, for a log.
    pub notes: Vec<String>,
}

/// Compiles kernels for the processor that this runs on.
pub struct Jit {
    isa: Isa,
    cache: Option<Cache>,
}

impl Jit {
    /// With the user's cache on disk, see [`Cache::from_env`].
    pub fn new() -> Result<Jit, JitError> {
        Ok(Jit { isa: Isa::host()?, cache: Cache::from_env() })
    }

    /// With the given cache, or none.
    pub fn with_cache(cache: Option<Cache>) -> Result<Jit, JitError> {
        Ok(Jit { isa: Isa::host()?, cache })
    }

    /// Compiles kernels in parallel, in the order given. Kernels that differ in names and in the contents of their tables
    /// only share their code.
    pub fn compile(&self, kernels: &[&Verified]) -> Result<(Vec<CompiledKernel>, Compiled), JitError> {
        let structures: Vec<[u8; 32]> = kernels.par_iter().map(|k| structure(k)).collect();
        let mut first: HashMap<[u8; 32], usize> = HashMap::new();
        let mut distinct: Vec<usize> = Vec::new();
        let mut code_of: Vec<usize> = Vec::with_capacity(kernels.len());
        for (i, s) in structures.iter().enumerate() {
            code_of.push(*first.entry(*s).or_insert_with(|| {
                distinct.push(i);
                distinct.len() - 1
            }));
        }
        let fingerprint = self.isa.fingerprint();
        let made: Vec<Result<(Code, bool, Option<String>), LowerError>> = distinct
            .par_iter()
            .map(|&i| {
                let key = Key::new(&fingerprint, &structures[i]);
                let mut note = None;
                match self.cache.as_ref().map(|c| c.load(&key)) {
                    Some(Ok(Some(code))) => return Ok((code, true, None)),
                    Some(Err(e)) => note = Some(e),
                    Some(Ok(None)) | None => {}
                }
                let code = lower::compile(kernels[i], &self.isa)?;
                if let Some(Err(e)) = self.cache.as_ref().map(|c| c.store(&key, &code)) {
                    note.get_or_insert(e);
                }
                Ok((code, false, note))
            })
            .collect();
        let mut report = Compiled { distinct: distinct.len(), ..Compiled::default() };
        let mut codes = Vec::with_capacity(made.len());
        for m in made {
            let (code, cached, note) = m?;
            report.cached += usize::from(cached);
            report.code_bytes += code.bytes.len();
            report.notes.extend(note);
            codes.push(code);
        }
        let (memory, offsets) = CodeMemory::new(codes.iter())?;
        let memory = Arc::new(memory);
        let compiled =
            kernels.iter().zip(&code_of).map(|(k, &c)| CompiledKernel::new(k, &memory, offsets[c])).collect();
        Ok((compiled, report))
    }
}

/// Digest of what the code of a kernel depends on: not the names of buffers, not the contents of tables.
#[must_use]
pub fn structure(kernel: &Kernel) -> [u8; 32] {
    let mut bare = kernel.clone();
    bare.buffers.iter_mut().for_each(|b| b.name.clear());
    let tables: Vec<usize> = bare.tables.drain(..).map(|t| t.len()).collect();
    let bytes = postcard::to_stdvec(&(bare, tables)).unwrap_or_default();
    blake3::hash(&bytes).into()
}

/// What emitted code is.
type Entry = unsafe extern "C" fn(*const *mut u8, *const *const u32, *const Site);

/// Machine code of a verified kernel, with the tables and shapes that it needs.
pub struct CompiledKernel {
    memory: Arc<CodeMemory>,
    offset: usize,
    slots: Vec<Slot>,
    tables: Vec<Vec<u32>>,
    sites: Vec<Site>,
    /// Words of scratch, and where each scratch buffer begins in it.
    scratch_words: usize,
    scratch_at: Vec<usize>,
}

impl CompiledKernel {
    fn new(kernel: &Verified, memory: &Arc<CodeMemory>, offset: usize) -> CompiledKernel {
        let sites = kernel.steps.iter().filter_map(|s| match s {
            Step::Call { primitive, lane, .. } => Some(Site::new(*primitive, *lane)),
            Step::Nest(_) => None,
        });
        let slots: Vec<Slot> = kernel
            .buffers
            .iter()
            .map(|b| Slot { name: b.name.clone(), lane: b.lane, len: b.len, access: b.access })
            .collect();
        let (mut scratch_words, mut scratch_at) = (0, Vec::new());
        for s in slots.iter().filter(|s| s.access == Access::Scratch) {
            scratch_at.push(scratch_words);
            scratch_words += (s.len * s.lane.bytes()).div_ceil(64) * 8;
        }
        CompiledKernel {
            memory: Arc::clone(memory),
            offset,
            sites: sites.collect(),
            tables: kernel.tables.clone(),
            slots,
            scratch_words,
            scratch_at,
        }
    }

    /// Runs the kernel on its buffers, in the order of the kernel, scratch buffers left out. Nothing runs unless number,
    /// lanes, lengths and access of all buffers are those the kernel was verified for. Scratch memory is wiped afterwards:
    /// it may have held shares.
    pub fn run(&self, buffers: &mut [BufferRef<'_>]) -> Result<(), RunError> {
        let expected = self.slots.len() - self.scratch_at.len();
        if buffers.len() != expected {
            return Err(RunError::Count { expected, found: buffers.len() });
        }
        let mut scratch = Zeroizing::new(vec![0u64; self.scratch_words]);
        let words = scratch.as_mut_ptr();
        let mut given = buffers.iter_mut();
        let mut starts = self.scratch_at.iter();
        let mut pointers: Vec<*mut u8> = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            match (slot.access, starts.as_slice().first(), given.as_slice().len()) {
                (Access::Scratch, Some(&at), _) => {
                    starts.next();
                    pointers.push(words.wrapping_add(at).cast());
                }
                _callers => {
                    let Some(buffer) = given.next() else {
                        return Err(RunError::Count { expected, found: buffers.len() });
                    };
                    pointers.push(buffer.pointer(slot)?);
                }
            }
        }
        let tables: Vec<*const u32> = self.tables.iter().map(|t| t.as_ptr()).collect();
        // SAFETY: the address is that of a function emitted for this kernel's structure, in memory that `self` keeps alive,
        // by the calling convention of `Entry`.
        let entry: Entry = unsafe { std::mem::transmute::<*const u8, Entry>(self.memory.at(self.offset)) };
        // SAFETY: the kernel is verified: every access of the code is inside a buffer of the kernel's lane and length, every
        // table entry inside the buffer that it is used for. Each pointer comes from a slice of exactly that lane and length
        // (hence aligned), or from scratch of at least that length; those written come from mutable slices, which Rust keeps
        // apart from all others for the duration of this call. Tables and sites live in `self`.
        unsafe { entry(pointers.as_ptr(), tables.as_ptr(), self.sites.as_ptr()) };
        Ok(())
    }
}

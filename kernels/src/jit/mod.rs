//! Compiled kernels: from verified kernel IR to a function that is safe to call.
//!
//! ```text
//! &[Verified] --digest--> distinct kernels --cache or lower (parallel)--> one block of W^X memory --> [CompiledKernel]
//! ```
//! What emitted code gains (`examples/bench_kernels`, one core of an AMD EPYC with AVX2 (Zen 3), 2026-11-30, one run;
//! speed counts bytes read and written once; copying as many bytes within the same run is 100%; plain Rust is built for
//! baseline x86-64; the last columns are emitted code on a core of an Intel Xeon, family 6, model 207, the same day):
//!
//! | class | MB | operators | interpreter | Rust GB/s | emitted GB/s | Rust / copy | emitted / copy | Xeon GB/s | Xeon / copy |
//! |---|---|---|---|---|---|---|---|---|---|
//! | add + wrap chain, u64 | 25.7 | 4.4 | 67 | 21.8 | 31.2 | 85% | 121% | 28.9 | 101% |
//! | truncation, u64 to u32 | 9.6 | 8.5 | 178 | 55.4 | 52.9 | 86% | 82% | 28.9 | 102% |
//! | truncation + residual, fused | 12.8 | 14.9 | 189 | 38.8 | 48.4 | 65% | 81% | 29.8 | 105% |
//! | pad by 1, u32 | 1.7 | 8.8 | 152 | 46.8 | 48.2 | 60% | 62% | 48.8 | 69% |
//! | concat, u64 | 3.2 | 2.7 | 74 | 75.5 | 67.2 | 100% | 89% | 30.6 | 92% |
//! | im2col 3x3, u32 | 8.1 | - | 264 | 40.0 | 45.1 | 56% | 63% | 26.2 | 91% |
//! | sum pool 2x2, u64 | 8.0 | 8.5 | 159 | 9.5 | 50.3 | 14% | 74% | 29.4 | 103% |
//! | sum pool 7x7, u64 | 0.8 | 54.3 | 155 | 17.2 | 58.9 | 22% | 75% | 62.7 | 72% |
//! | Winograd 4x4 input transform, u64, planes 4096 n bytes apart | 8.1 | - | 46 | 3.7 | 16.3 | 5% | 22% | 12.2 | 42% |
//! | Winograd 4x4 input transform, u64, other planes | 8.0 | - | 115 | 8.9 | 51.6 | 14% | 80% | 25.7 | 88% |
//! | bit packing, 12 of 16 | 2.8 | - | 51 | 3.3 | 8.6 | 4% | 11% | 11.4 | 31% |
//! | bit packing, 12 of 16, four streams | 2.8 | - | 460 | 55.7 | 66.2 | 73% | 87% | 29.8 | 81% |
//!
//! Operators (the op-at-a-time interpreter) and interpreter (of kernels): time as a multiple of emitted code's. The
//! cores were otherwise idle. More than 100% is no error: reads are cheaper than writes, and copying does as many of
//! each.
//!
//! Nests whose turns stay apart take turns by slices of a first-level cache: a pad stores its border while the rows
//! beside it are there (on the Xeon 69% of copying instead of 56%; 65 to 76% in other runs; the first columns were
//! taken before).
//!
//! What the last rows teach about layouts. Planes that a nest writes side by side should not lie a multiple of 4096
//! bytes apart: all their lines compete for one set of 8 ways. The code stores a line or two of each plane in turn
//! then, which raises the speed (from 15% of copying to 22 to 28%); but buffers begin anywhere in a line, so most lines
//! are still fetched twice. Bits are packed from streams, not from neighbours: 16 neighbours are 16 loads and 46 shifts
//! and ors for 56 bytes, a dozen cycles, in which copying moves four times as many.
//!
//! ResNet-50 (both parties, 114 kernels, 49 distinct) compiles in 0.17 to 0.23 s on two busy cores, and in 1 to 20 ms
//! from the cache; DenseNet-121 (494, 199 distinct) in 0.30 s and 17 ms. Local work of one inference at one party, best
//! of many runs of each part: ResNet-20, 94 nodes one at a time 1.8 to 2.2 ms, 29 kernels 0.06 to 0.07 ms; ResNet-50,
//! 186 nodes 560 to 620 ms, 57 kernels 6 to 9 ms, on one core and, on this busy machine, on two. `bench_kernels --
//! model.pi` measures all this for any program.

mod buffer;
mod memory;
mod scratch;
mod spare;
mod steps;

pub use buffer::{BufferRef, RunError};
pub use scratch::Scratch;
pub use spare::Spare;

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
use steps::{Entry, Frame, Together, all_together};

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

/// Code of a kernel, where it came from, and what was wrong with its cache file.
struct Made {
    code: Code,
    cached: bool,
    note: Option<String>,
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

    /// Compiles kernels in parallel, in the order given. Kernels that differ in names and in the contents of their
    /// tables only share their code.
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
        let made: Vec<Result<Made, LowerError>> = distinct
            .par_iter()
            .map(|&i| {
                let key = Key::new(&fingerprint, &structures[i]);
                let mut note = None;
                match self.cache.as_ref().map(|c| c.load(&key)) {
                    Some(Ok(Some(code))) => return Ok(Made { code, cached: true, note: None }),
                    Some(Err(e)) => note = Some(e),
                    Some(Ok(None)) | None => {}
                }
                let code = lower::compile(kernels[i], &self.isa)?;
                if let Some(Err(e)) = self.cache.as_ref().map(|c| c.store(&key, &code)) {
                    note.get_or_insert(e);
                }
                Ok(Made { code, cached: false, note })
            })
            .collect();
        let mut report = Compiled { distinct: distinct.len(), ..Compiled::default() };
        let mut codes = Vec::with_capacity(made.len());
        for m in made {
            let Made { code, cached, note } = m?;
            report.cached += usize::from(cached);
            report.code_bytes += code.bytes.len();
            report.notes.extend(note);
            codes.push(code);
        }
        if report.cached < report.distinct {
            report.notes.extend(self.cache.as_ref().and_then(|cache| cache.trim().err()));
        }
        let (memory, offsets) = CodeMemory::new(codes.iter())?;
        let memory = Arc::new(memory);
        let compiled =
            kernels.par_iter().zip(&code_of).map(|(k, &c)| CompiledKernel::new(k, &memory, offsets[c])).collect();
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

/// Machine code of a verified kernel, with the tables and shapes that it needs.
pub struct CompiledKernel {
    memory: Arc<CodeMemory>,
    offset: usize,
    slots: Vec<Slot>,
    tables: Vec<Vec<u32>>,
    sites: Vec<Site>,
    steps: Vec<Together>,
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
            steps: all_together(kernel),
            tables: kernel.tables.clone(),
            slots,
            scratch_words,
            scratch_at,
        }
    }

    /// [`CompiledKernel::run_in`] with scratch memory of its own.
    pub fn run(&self, buffers: &mut [BufferRef<'_>]) -> Result<(), RunError> {
        self.run_in(buffers, &mut Scratch::default())
    }

    /// Runs the kernel on its buffers, in the order of the kernel, scratch buffers left out. Nothing runs unless
    /// number, lanes, lengths and access of all buffers are those the kernel was verified for.
    ///
    /// Long nests and products run on the threads of the current rayon pool; the result is the same on any number.
    pub fn run_in(&self, buffers: &mut [BufferRef<'_>], scratch: &mut Scratch) -> Result<(), RunError> {
        self.run_with(buffers, scratch, |steps| steps.parts(rayon::current_num_threads()))
    }

    /// [`CompiledKernel::run_in`] with every nest in so many parts, however short it is (for tests).
    pub fn run_in_parts(
        &self,
        buffers: &mut [BufferRef<'_>],
        scratch: &mut Scratch,
        parts: usize,
    ) -> Result<(), RunError> {
        self.run_with(buffers, scratch, |steps| parts.min(steps.turns))
    }

    fn run_with(
        &self,
        buffers: &mut [BufferRef<'_>],
        scratch: &mut Scratch,
        parts: impl Fn(&Together) -> usize,
    ) -> Result<(), RunError> {
        let expected = self.slots.len() - self.scratch_at.len();
        if buffers.len() != expected {
            return Err(RunError::Count { expected, found: buffers.len() });
        }
        let words = scratch.at_least(self.scratch_words);
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
        // SAFETY: the address is that of a function emitted for this kernel's structure, in memory that `self` keeps
        // alive, by the calling convention of `Entry`.
        let entry: Entry = unsafe { std::mem::transmute::<*const u8, Entry>(self.memory.at(self.offset)) };
        // SAFETY: the kernel is verified: every access of the code is inside a buffer of the kernel's lane and length,
        // every table entry inside the buffer that it is used for, and no turn of a nest's outermost loop stores what
        // another one, of this nest or of one that it runs together with, loads or stores. Each pointer comes from a
        // slice of exactly that lane and length (hence aligned), or from scratch of at least that length; those written
        // come from mutable slices, which Rust keeps apart from all others for the duration of this call. Tables and
        // sites live in `self`; `steps` are those of the kernel.
        let frame = unsafe { Frame::new(entry, &pointers, &tables, &self.sites) };
        for together in &self.steps {
            frame.run(together, parts(together));
        }
        Ok(())
    }
}

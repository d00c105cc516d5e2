//! The steps of a running kernel, one after the other; the turns of a long nest side by side.

use crate::call::Site;
use crate::lower;
use picc_ir::kernel::{Nest, Step, Verified};
use rayon::prelude::*;

/// What emitted code is: buffers, tables, sites, then which step, and which turns of its outermost loop.
pub(super) type Entry = unsafe extern "C" fn(*const *mut u8, *const *const u32, *const Site, u64, u64, u64);

/// Instructions of the kernel IR that a thread should run at least: about as many microseconds as it takes others to
/// wake up, several times over.
const GRAIN: u64 = 1 << 19;
/// Parts for each thread, so that one that has other work does not keep all waiting.
const PARTS: usize = 2;

/// How a step may be split.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepShape {
    /// Of the outermost loop, independent of each other; 1: the step runs as a whole.
    pub turns: usize,
    /// Instructions of the kernel IR that it runs.
    work: u64,
}

impl StepShape {
    /// In how many parts to run it on so many threads.
    pub fn parts(&self, threads: usize) -> usize {
        if threads < 2 {
            return 1;
        }
        let worth = usize::try_from(self.work / GRAIN).unwrap_or(usize::MAX);
        self.turns.min(threads * PARTS).min(worth).max(1)
    }
}

/// Shapes of all steps of a kernel.
pub(super) fn shapes(kernel: &Verified) -> Vec<StepShape> {
    let work = kernel.steps.iter().map(|step| match step {
        Step::Nest(nest) => work(nest),
        Step::Call { .. } => 0,
    });
    lower::turns(kernel).zip(work).map(|(turns, work)| StepShape { turns, work }).collect()
}

fn work(nest: &Nest) -> u64 {
    let points = |extents: &[u32]| extents.iter().fold(1u64, |n, &e| n.saturating_mul(e.into()));
    let body = points(&nest.reduce).saturating_mul(nest.body.len() as u64);
    points(&nest.loops).saturating_mul(body.saturating_add(nest.finish.len() as u64))
}

/// A kernel's code with the buffers of one run.
pub(super) struct Frame<'a> {
    entry: Entry,
    pointers: &'a [*mut u8],
    tables: &'a [*const u32],
    sites: &'a [Site],
}

// SAFETY: see `Frame::new`: what the code does through these pointers may be done by several threads at once.
unsafe impl Sync for Frame<'_> {}

impl<'a> Frame<'a> {
    /// # Safety
    /// For as long as the frame lives, `entry` may be called with these pointers and any step and turns of the kernel; turns
    /// of one step on different threads do not write what others read or write.
    pub unsafe fn new(
        entry: Entry,
        pointers: &'a [*mut u8],
        tables: &'a [*const u32],
        sites: &'a [Site],
    ) -> Frame<'a> {
        Frame { entry, pointers, tables, sites }
    }

    /// Runs a step in `parts` parts, at least one and at most as many as it has turns.
    pub fn step(&self, number: usize, shape: &StepShape, parts: usize) {
        let parts = parts.clamp(1, shape.turns.max(1));
        let bound = |part: usize| shape.turns * part / parts;
        let run = |part: usize| self.turns(number, bound(part), bound(part + 1));
        if parts == 1 {
            run(0);
        } else {
            (0..parts).into_par_iter().for_each(run);
        }
    }

    fn turns(&self, number: usize, first: usize, last: usize) {
        let (pointers, tables, sites) = (self.pointers.as_ptr(), self.tables.as_ptr(), self.sites.as_ptr());
        // SAFETY: `new` says that these may be called; parts of a step share no turn, and none is empty.
        unsafe { (self.entry)(pointers, tables, sites, number as u64, first as u64, last as u64) };
    }
}

//! The steps of a running kernel, one after the other, or taking turns; the turns of a long nest side by side.

use crate::call::Site;
use crate::lower;
use picc_ir::kernel::{Nest, Step, Verified};
use rayon::prelude::*;
use std::ops::Range;

/// What emitted code is: buffers, tables, sites, then which step, and which turns of its outermost loop.
pub(super) type Entry = unsafe extern "C" fn(*const *mut u8, *const *const u32, *const Site, u64, u64, u64);

/// Instructions of the kernel IR that a thread should run at least: about as many microseconds as it takes others to
/// wake up, several times over.
const GRAIN: u64 = 1 << 19;
/// Parts for each thread, so that one that has other work does not keep all waiting.
const PARTS: usize = 2;

/// Bytes that steps touch before the next of those that run together follows: they stay in a first-level cache.
const SLICE: u64 = 32 << 10;

/// Neighbouring steps that run together, as [`lower::StepTurns`] says; mostly one.
#[derive(Clone, Debug)]
pub(super) struct Together {
    steps: Range<usize>,
    /// Of the outermost loop, independent of each other; 1: they run as a whole.
    pub turns: usize,
    /// Slices of turns in which they take turns.
    slices: usize,
    /// Instructions of the kernel IR that they run.
    work: u64,
}

impl Together {
    /// In how many parts to run them on so many threads.
    pub fn parts(&self, threads: usize) -> usize {
        if threads < 2 {
            return 1;
        }
        let worth = usize::try_from(self.work / GRAIN).unwrap_or(usize::MAX);
        self.turns.min(threads * PARTS).min(worth).max(1)
    }
}

/// All steps of a kernel, in order.
pub(super) fn all_together(kernel: &Verified) -> Vec<Together> {
    let steps = lower::steps(kernel);
    let work = |step: usize| match &kernel.steps[step] {
        Step::Nest(nest) => work(nest),
        Step::Call { .. } => 0,
    };
    let mut first = 0;
    let groups = steps.chunk_by(|_, step| step.with_previous).map(|group| {
        let steps = first..first + group.len();
        first = steps.end;
        let (turns, bytes) = (group[0].turns, group.iter().map(|s| s.bytes).sum::<u64>());
        // A single step touches what it touches once.
        let slices = if group.len() == 1 { 1 } else { usize::try_from(bytes / SLICE).unwrap_or(turns) };
        let work = steps.clone().map(work).fold(0, u64::saturating_add);
        Together { steps, turns, slices: slices.clamp(1, turns), work }
    });
    groups.collect()
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
    /// For as long as the frame lives, `entry` may be called with these pointers and any step and turns of the kernel;
    /// turns of steps that run together do not write, on different threads, what others read or write.
    pub unsafe fn new(
        entry: Entry,
        pointers: &'a [*mut u8],
        tables: &'a [*const u32],
        sites: &'a [Site],
    ) -> Frame<'a> {
        Frame { entry, pointers, tables, sites }
    }

    /// Runs steps in `parts` parts, at least one and at most as many as they have turns.
    pub fn run(&self, together: &Together, parts: usize) {
        let turns = together.turns;
        let parts = parts.clamp(1, turns.max(1));
        let part = |part: usize| {
            let (first, last) = (turns * part / parts, turns * (part + 1) / parts);
            let slices = together.slices.div_ceil(parts).min(last - first);
            let bound = |slice: usize| first + (last - first) * slice / slices;
            for slice in 0..slices {
                for step in together.steps.clone() {
                    self.turns(step, bound(slice), bound(slice + 1));
                }
            }
        };
        if parts == 1 {
            part(0);
        } else {
            (0..parts).into_par_iter().for_each(part);
        }
    }

    fn turns(&self, number: usize, first: usize, last: usize) {
        let (pointers, tables, sites) = (self.pointers.as_ptr(), self.tables.as_ptr(), self.sites.as_ptr());
        // SAFETY: `new` says that these may be called; parts share no turn, and none is empty.
        unsafe { (self.entry)(pointers, tables, sites, number as u64, first as u64, last as u64) };
    }
}

//! Fetching what later tiles read.

use std::ops::Range;

/// Lines of the cache, as many of each of a number of rows, fetched in as many parts as there are tiles before them.
#[derive(Clone)]
pub(super) struct Ahead {
    /// Only an address: lines need not exist.
    at: *const u8,
    /// Bytes from row to row.
    step: usize,
    rows: usize,
    /// Bytes of a row.
    bytes: usize,
    /// Rows of a part.
    part: usize,
}

impl Ahead {
    pub fn nothing() -> Ahead {
        Ahead { at: std::ptr::null(), step: 0, rows: 0, bytes: 0, part: 0 }
    }

    /// Elements `range` of each row of a matrix that begins in `values`, with rows of `step` elements.
    pub fn new<T>(values: &[T], step: usize, rows: usize, range: Range<usize>) -> Ahead {
        let bytes = |elements: usize| elements * size_of::<T>();
        let at = values.as_ptr().cast::<u8>().wrapping_add(bytes(range.start));
        Ahead { at, step: bytes(step), rows, bytes: bytes(range.len()), part: rows }
    }

    /// In so many parts.
    pub fn spread(&mut self, parts: usize) {
        self.part = self.rows.div_ceil(parts.max(1));
    }

    /// The next part.
    #[inline]
    pub fn fetch(&mut self) {
        let now = self.part.min(self.rows);
        for row in 0..now {
            for byte in (0..self.bytes).step_by(64) {
                prefetch(self.at.wrapping_add(row * self.step + byte));
            }
        }
        self.at = self.at.wrapping_add(now * self.step);
        self.rows -= now;
    }
}

/// Fetches the line of the cache at an address (which need not exist) into the second-level cache.
#[inline]
fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: every x86-64 processor has the instruction, and it may be given any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

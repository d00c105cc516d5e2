//! Memory that the products of a thread use again: fresh memory costs a page fault every 4096 bytes, more than a
//! product of one such page's values by a few channels.

use super::arith::Lane;
use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// Buffers that no product uses at the moment.
pub(super) type Pool<L> = Cell<Vec<Vec<L>>>;

/// Bytes that a thread keeps for each type of lane. Longer buffers are rare, and their products take long.
const KEEP: usize = 32 << 20;

/// Bytes of a line of the cache, which vectors of 64 bytes had better not cross.
const LINE: usize = 64;

/// Room for some lanes, from the beginning of a line on, with whatever an earlier product left there. Returned when
/// dropped.
pub(super) struct Space<L: Lane> {
    data: Vec<L>,
    /// Where it begins.
    start: usize,
    len: usize,
}

impl<L: Lane> Space<L> {
    pub fn new(len: usize) -> Space<L> {
        let least = len + LINE / size_of::<L>();
        let data = L::with_pool(|pool| {
            let mut free = pool.take();
            let fits = (0..free.len()).filter(|&i| free[i].len() >= least).min_by_key(|&i| free[i].len());
            let data = fits.map(|i| free.swap_remove(i));
            pool.set(free);
            data
        });
        let data = data.unwrap_or_else(|| vec![L::ZERO; least]);
        // An odd answer would only be slow.
        let start = data.as_ptr().align_offset(LINE).min(least - len);
        Space { data, start, len }
    }
}

impl<L: Lane> Drop for Space<L> {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        L::with_pool(|pool| {
            let mut free = pool.take();
            free.push(data);
            // The shortest ones go: a longer one does what they do.
            free.sort_unstable_by_key(|data| std::cmp::Reverse(data.len()));
            let mut bytes = 0;
            free.retain(|data| {
                let fits = bytes + size_of_val(data.as_slice()) <= KEEP;
                bytes += if fits { size_of_val(data.as_slice()) } else { 0 };
                fits
            });
            pool.set(free);
        });
    }
}

impl<L: Lane> Deref for Space<L> {
    type Target = [L];

    fn deref(&self) -> &[L] {
        &self.data[self.start..][..self.len]
    }
}

impl<L: Lane> DerefMut for Space<L> {
    fn deref_mut(&mut self) -> &mut [L] {
        &mut self.data[self.start..][..self.len]
    }
}

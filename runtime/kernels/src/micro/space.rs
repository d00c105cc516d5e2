//! Memory that the products of a thread use again: fresh memory costs a page fault every 4096 bytes, more than a product
//! of one such page's values by a few channels.

use super::arith::Lane;
use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// Buffers that no product uses at the moment.
pub(super) type Pool<L> = Cell<Vec<Vec<L>>>;

/// Bytes that a thread keeps for each type of lane. Longer buffers are rare, and their products take long.
const KEEP: usize = 32 << 20;

/// Room for some lanes, with whatever an earlier product left there. Returned when dropped.
pub(super) struct Space<L: Lane> {
    data: Vec<L>,
    len: usize,
}

impl<L: Lane> Space<L> {
    pub fn new(len: usize) -> Space<L> {
        let data = L::with_pool(|pool| {
            let mut free = pool.take();
            let fits = (0..free.len()).filter(|&i| free[i].len() >= len).min_by_key(|&i| free[i].len());
            let data = fits.map(|i| free.swap_remove(i));
            pool.set(free);
            data
        });
        Space { data: data.unwrap_or_else(|| vec![L::ZERO; len]), len }
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
        &self.data[..self.len]
    }
}

impl<L: Lane> DerefMut for Space<L> {
    fn deref_mut(&mut self) -> &mut [L] {
        &mut self.data[..self.len]
    }
}
